"""Export a run or a manifest in a standard format (`facegap export`)."""

from __future__ import annotations

import json
from pathlib import Path

from facegap.errors import SettingError
from facegap.export.annex_iv import annex_iv
from facegap.export.croissant import croissant
from facegap.export.document import run_export
from facegap.export.forms import Details, Format, refuse_others
from facegap.export.hugging_face import eval_results, model_index
from facegap.export.impact_ratios import impact_text
from facegap.export.model_card import model_card
from facegap.store.finished import read_finished
from facegap.store.run import fitting_together, write_bytes


def exported(path: Path, form: Format, details: Details | None = None) -> str:
    """The run in a folder, or the manifest in a file, as text. JSON is ASCII, so that it has no control or direction characters.

    Raises
    ------
    RunError : the run is unfinished, was changed after it finished, or lacks what the format needs
    SettingError : an option of another format
    TableError : the manifest cannot be read
    """
    chosen = details or Details()
    refuse_others(form, chosen)
    if form == "croissant":
        if path.is_dir():
            raise SettingError("--format croissant describes a manifest; give people.csv, not a run folder")
        return croissant(path, name=path.stem, licence=chosen.licence, address=chosen.address)
    run = read_finished(path)
    with fitting_together(path):
        if form == "impact-ratios":
            return impact_text(run, chosen.metric)
        whole = run_export(run)
        if form == "json":
            return json.dumps(whole, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
        if form == "hugging-face":
            return model_index(run, whole, chosen.dataset)
        if form == "hugging-face-results":
            return eval_results(run, whole, chosen.dataset, chosen.metric)
        return annex_iv(run.record, whole) if form == "annex-iv" else model_card(run, whole)


def export(path: Path, form: Format, out: Path, details: Details | None = None) -> None:
    """Write the export to a file that only its owner can read."""
    write_bytes(out, exported(path, form, details).encode())
