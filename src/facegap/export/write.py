"""`facegap export RUN`: a run as a JSON document with a schema, or as a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from facegap.export.document import run_export
from facegap.export.model_card import model_card
from facegap.store.finished import read_finished
from facegap.store.run import fitting_together, write_bytes

Format = Literal["model-card", "json"]


def exported(folder: Path, form: Format) -> str:
    """The run in a folder as text. JSON is ASCII, so that no letter in it moves a cursor.

    Raises
    ------
    RunError : no finished run, or one that was changed after its end
    """
    run = read_finished(folder)
    with fitting_together(folder):
        whole = run_export(run)
        if form == "json":
            return json.dumps(whole, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
        return model_card(run, whole)


def export(folder: Path, form: Format, out: Path) -> None:
    """Write the run to a file that only its owner can read."""
    write_bytes(out, exported(folder, form).encode())
