"""The forms of `facegap export`, and which option belongs to which. Imported by `--help`, so that it imports little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facegap.errors import SettingError

Format = Literal["json", "model-card", "hugging-face", "hugging-face-results", "impact-ratios", "annex-iv", "croissant"]
# Which of the options of a form belong to which forms.
BELONG = {
    "metric": ("impact-ratios", "hugging-face-results"),
    "dataset": ("hugging-face", "hugging-face-results"),
    "licence": ("croissant",),
    "address": ("croissant",),
}


@dataclass(frozen=True)
class Details:
    """What a form needs beside the run.

    metric  : the rate that a form about one rate is about; None: that of the finding
    dataset : id of the data set on the Hugging Face Hub
    licence, address : of a data set that is described
    """

    metric: str | None = None
    dataset: str | None = None
    licence: str | None = None
    address: str | None = None


def refuse_others(form: Format, details: Details) -> None:
    """Refuse an option that the form has no use for.

    Raises
    ------
    SettingError : naming the option and the forms that take it
    """
    for name, forms in BELONG.items():
        if getattr(details, name) is not None and form not in forms:
            raise SettingError(f"--{name} belongs to --format {' or '.join(forms)}, not to {form}")
