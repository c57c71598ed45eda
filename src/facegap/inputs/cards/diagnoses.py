"""Results of `facegap doctor` on the settings of a card, stored on this machine for later audits.

There is one small JSON file per weights and settings, in the user's cache next to the weights, readable only by its owner. It
names no image and no person. An audit that finds one reports it, but changes no result.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from facegap.errors import CardError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import cache_folder

FINDINGS_VARIABLE = "FACEGAP_FINDINGS"
VERSION = 2
OLDER = (1,)  # they called differences of any size "wrong", so they are no longer used
MAX_BYTES = 16 * 1024
SETTINGS = ("task", "input", "detector", "alignment", "crop", "outputs")  # the tables that determine the output

Opinion = Literal["holds", "improvable", "wrong", "not enough data"]


@dataclass(frozen=True)
class Finding:
    """A result of the doctor on the settings of one card.

    sha256, settings  : of the weights; of the card's settings, by `settings_hash`
    verdict           : holds (no other setting is better), improvable (one is, but by less than the margin), wrong, not
                        enough data
    measure, value    : criterion for the settings, and its value
    aspect, setting   : of the proposed setting, else of the best; difference, low and high: how much better it is than the
                        card, with an interval that is simultaneous over all variants
    margin            : value that low must exceed for the card to be called wrong
    fmr, fnmr         : FNMR of the card at this FMR; other_fnmr: of the other setting; NaN except for an embedder
    subjects, images  : sample size; variants: number of other settings tried
    detector, at      : card of the face detector; date, ISO 8601
    """

    model: str
    sha256: str
    settings: str
    verdict: Opinion
    measure: str
    value: float
    aspect: str
    setting: str
    difference: float
    low: float
    high: float
    margin: float
    fmr: float
    fnmr: float
    other_fnmr: float
    subjects: int
    images: int
    variants: int
    detector: str
    at: str
    version: int = VERSION


def settings_hash(card: ModelCard) -> str:
    """Return the sha256 of those parts of a card that affect the output for a face; names, people and licences do not."""
    tables = card.model_dump(mode="json", include=set(SETTINGS))
    if tables.get("input"):
        tables["input"].pop("name")  # the only input of a graph may be given by name or as *
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def findings_folder() -> Path:
    """Return the folder in FACEGAP_FINDINGS, else one next to the weights in the user's cache; it need not exist."""
    named = os.environ.get(FINDINGS_VARIABLE, "")
    return Path(named).expanduser() if named else cache_folder() / "findings"


def finding_path(card: ModelCard, folder: Path | None = None) -> Path:
    """Return the path of the finding on a card's settings."""
    return (folder or findings_folder()) / f"{str(card.sha256)[:32]}-{settings_hash(card)[:32]}.json"


def as_record(finding: Finding) -> dict[str, Any]:
    """Convert the finding for JSON; NaN becomes null."""
    values = {field.name: getattr(finding, field.name) for field in fields(Finding)}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


def read_finding(card: ModelCard, folder: Path | None = None) -> Finding | None:
    """Read the finding on exactly these weights and settings; None if there is none.

    Findings of an older version of the doctor are ignored, because they follow another rule.

    Raises
    ------
    CardError : If the file exists but is not a valid finding.
    """
    if card.sha256 is None:
        return None
    path = finding_path(card, folder)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            record = json.loads(stream.read(MAX_BYTES))
        if isinstance(record, Mapping) and record.get("version") in OLDER:
            return None
        finding = _checked(record)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CardError(f"{path}: not a readable result of facegap doctor; remove it ({_short(error)})") from error
    if (finding.sha256, finding.settings) != (card.sha256, settings_hash(card)):
        raise CardError(f"{path}: the weights or settings in it differ from those in its name; remove it")
    return finding


@dataclass(frozen=True)
class StoredFindings:
    """What is known about the cards of a run, in sentences.

    alarms   : settings that look wrong; shown before everything else
    warnings : files that cannot be read, and inconclusive findings
    checked  : settings that were found correct, or improvable by less than the margin
    """

    alarms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()


def look_up(cards: Iterable[ModelCard]) -> StoredFindings:
    """Look up the stored finding on each card; empty if the doctor never examined it."""
    found: list[Finding] = []
    problems: list[str] = []
    for card in cards:
        try:
            finding = read_finding(card)
        except CardError as error:  # a stored finding may add a warning but must never end an audit
            problems.append(str(error))
        else:
            found += [finding] if finding else []

    def said(*verdicts: Opinion) -> tuple[str, ...]:
        return tuple(finding_sentence(finding) for finding in found if finding.verdict in verdicts)

    return StoredFindings(said("wrong"), (*said("not enough data"), *problems), said("holds", "improvable"))


def finding_sentence(finding: Finding) -> str:
    """Return the sentence in an audit about a card that the doctor has examined."""
    seen = f"on {finding.subjects:,} subjects, {finding.images:,} images"
    better = (
        f"{finding.aspect} {finding.setting} is better by {finding.measure} "
        f"{finding.difference:.3g} [{finding.low:.3g}, {finding.high:.3g}] {seen}"
        + (
            f", with FNMR {finding.other_fnmr:.3g} instead of {finding.fnmr:.3g} at FMR {finding.fmr:g}"
            if math.isfinite(finding.fmr)
            else ""
        )
    )
    if finding.verdict == "wrong":
        return (
            f"THE CARD {finding.model} LOOKS WRONG: facegap doctor found on {finding.at} that {better}. Every number "
            f"of this run that depends on this model may be wrong. Correct the card and repeat the audit, or run "
            f"facegap doctor on other portraits"
        )
    if finding.verdict == "improvable":
        slightly = "slightly " if finding.difference < finding.margin and finding.aspect != "crop" else ""
        return (
            f"card {finding.model}: checked by doctor {seen} ({finding.at}): another setting does {slightly}better there "
            f"({finding.aspect} {finding.setting}: {finding.measure} {finding.difference:+.3g} [{finding.low:.3g}, "
            f"{finding.high:.3g}]), but the difference is below the level at which a card is reported as wrong"
        )
    if finding.verdict == "holds":
        return (
            f"card {finding.model}: checked by doctor {seen} ({finding.at}): its settings are within noise of the best "
            f"of {finding.variants + 1} ({finding.measure} {finding.value:.4g})"
        )
    return f"card {finding.model}: checked by doctor {seen} ({finding.at}); not enough data for a verdict"


def _checked(record: Any) -> Finding:
    """Convert a finding from JSON; raises ValueError or TypeError if it does not have the form of `as_record`."""
    if not isinstance(record, Mapping) or record.get("version") != VERSION:
        raise ValueError("written by another version")
    values: dict[str, Any] = {}
    for field in fields(Finding):
        value = record.get(field.name)
        kind = {"float": float, "int": int}.get(str(field.type), str)
        if kind is float:
            value = math.nan if value is None else float(value)
        if type(value) is not kind or (isinstance(value, str) and not value.isprintable()):
            raise ValueError(f"{field.name} is {value!r:.40}")
        values[field.name] = value
    if values["verdict"] not in ("holds", "improvable", "wrong", "not enough data"):
        raise ValueError("an unknown verdict")
    return Finding(**values)


def _short(error: Exception) -> str:
    """Shorten an error to one line."""
    return " ".join(str(error).split())[:120]
