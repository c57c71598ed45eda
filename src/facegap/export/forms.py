"""The formats of `facegap export`, and their options. Imported by `--help`, so it has few imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facegap.errors import SettingError

Format = Literal["json", "model-card", "hugging-face", "hugging-face-results", "impact-ratios", "annex-iv", "croissant"]
# The formats to which each option applies.
BELONG = {
    "metric": ("impact-ratios", "hugging-face-results"),
    "dataset": ("hugging-face", "hugging-face-results"),
    "licence": ("croissant",),
    "address": ("croissant",),
}


@dataclass(frozen=True)
class Details:
    """The options of a format.

    metric  : the rate reported by a format with a single rate; None: that of the finding
    dataset : id of the data set on the Hugging Face Hub
    licence, address : of a described data set
    """

    metric: str | None = None
    dataset: str | None = None
    licence: str | None = None
    address: str | None = None


def refuse_others(form: Format, details: Details) -> None:
    """Reject an option that does not apply to the format.

    Raises
    ------
    SettingError : names the option and its formats
    """
    for name, forms in BELONG.items():
        if getattr(details, name) is not None and form not in forms:
            raise SettingError(f"--{name} belongs to --format {' or '.join(forms)}, not to {form}")
