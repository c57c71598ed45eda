"""Store the finding of an examination for later audits, and write its card or result to a file."""

from __future__ import annotations

import os
from pathlib import Path

from facegap.audit.settings import ALIGNED
from facegap.doctor.diagnose import Examination
from facegap.errors import CardError
from facegap.inputs.cards.diagnoses import as_record, finding_path, findings_folder
from facegap.inputs.cards.read import find_card, name_of
from facegap.store import run as store


def remember(examined: Examination, folder: Path | None = None) -> Path | None:
    """Store the finding for later audits; return its path, or None if the result is inconclusive and nothing is replaced.

    With aligned crops, alignment and crop were not tried, so only a finding that the card is wrong is stored.
    """
    if examined.evaluation.opinion == "not enough data":
        return None
    if examined.detector == ALIGNED and examined.evaluation.opinion != "wrong":
        return None
    target = folder or findings_folder()
    with store.explained(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = finding_path(examined.card, target)
    store.write_json(path, as_record(examined.finding))
    return path


def require_memory(folder: Path | None = None) -> None:
    """Fail before the first image if the folder for findings could not be written.

    Raises
    ------
    CardError : the folder, or its nearest existing parent, is not writable
    """
    target = folder or findings_folder()
    there = next(one for one in (target, *target.parents) if os.access(one, os.F_OK))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise CardError(
            f"{target}: the result could not be stored there; choose another folder with --findings or FACEGAP_FINDINGS"
        )


def require_free(out: Path | None, model: str, *, propose: bool) -> None:
    """Fail before the first image if --out could not be written.

    Raises
    ------
    CardError : an ending other than .toml or .json, an existing file, a folder that is not writable, or a .toml file if
    no card is proposed or if a card cannot have that name
    """
    if out is None:
        return
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK):
        raise CardError(f"{out}: {out.parent} is not a writable folder; choose another with --out")
    if out.exists():
        raise CardError(f"{out}: the file already exists; choose another with --out")
    if out.suffix.lower() not in (".toml", ".json"):
        raise CardError(f"{out}: --out writes a proposed card (.toml) or the result (.json)")
    if out.suffix.lower() == ".toml":
        if not propose and find_card(model)[0] is not None:
            raise CardError(f"{out}: {model} has a card; use --propose to propose another")
        if name_of(out) != name_of(Path(model)):
            raise CardError(
                f"{out}: a card must have the same name as its weights; use {Path(model).with_suffix('.toml').name}"
            )


def write_out(examined: Examination, out: Path) -> None:
    """Write the proposed card (.toml) or the finding (.json)."""
    if out.suffix.lower() == ".json":
        store.write_json(out, as_record(examined.finding))
    else:
        assert examined.proposal is not None  # checked by require_free
        store.write_bytes(out, examined.proposal.text.encode())
