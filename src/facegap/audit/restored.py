"""Restore the settings and models of an audit from the record of a shard, so that the user need not state them again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from facegap.audit.model_checks import TASKS
from facegap.audit.models import ChosenModels, given_faces
from facegap.audit.quality_source import source_of_quality
from facegap.audit.settings import SETTING, AuditSettings, file_name, leaves, settings_from
from facegap.errors import RunError, SettingError
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.store.files import explained, writing
from facegap.store.opened import opened
from facegap.store.record import RequestRecord

INPUTS, MANIFEST = "inputs", "manifest"
QUALITY = "quality"  # the name of a file only for some of its values


def files_read(manifest: Path, settings: AuditSettings) -> dict[str, Path]:
    """The files that an audit of images reads besides images and models: the manifest and the files named in its settings."""
    found = {MANIFEST: manifest}
    for section, one in leaves():
        holder = getattr(settings, section) if section else settings
        value = None if holder is None else getattr(holder, one.name)
        if value is not None and names_a_file(one.name, value):
            found[one.name] = Path(value)
    return found


def names_a_file(name: str, value: Any) -> bool:
    """Whether the value of a setting, as given or as recorded in run.json, names a file that the audit reads."""
    if name == QUALITY:
        return source_of_quality(str(value)) == "file"
    return name in FILE_SETTINGS


FILE_SETTINGS = frozenset(
    one.name
    for section, one in leaves()
    if section and one.metadata[SETTING].write is file_name and one.name != QUALITY
)


def keep_inputs(folder: Path, files: Mapping[str, Path]) -> None:
    """Copy these files into a folder, each named after its setting."""
    for name, path in files.items():
        place = folder / INPUTS / name
        with explained(folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with opened(path) as given, writing(place / plain_name(path)) as copy:
            shutil.copyfileobj(given, copy)


def plain_name(path: PurePath) -> str:
    """The name of a file as Unicode text, even if its bytes are not valid."""
    return path.name.encode("utf-8", "replace").decode("utf-8")


def kept_inputs(folder: Path, files: Mapping[str, str]) -> dict[str, Path]:
    """Paths of the files kept in a shard.

    Raises
    ------
    RunError : if a name points outside the folder or a file is missing
    """
    found = {}
    for name, file in files.items():
        path = folder / INPUTS / name / file
        known = name in (MANIFEST, QUALITY, *FILE_SETTINGS)
        if not known or PurePath(file).name != file or file in ("", ".", ".."):
            raise RunError(
                f"{folder}: run.json, key files: {name[:60]!r} and {file[:60]!r} are neither a setting nor a file name"
            )
        if not path.is_file():
            raise RunError(f"{path}: missing; continue that shard with --resume, which writes it again")
        found[name] = path
    if MANIFEST not in found:
        raise RunError(f"{folder}: run.json, key files: contains no manifest")
    return found


def settings_again(request: RequestRecord, inputs: Mapping[str, Path]) -> AuditSettings:
    """The settings of a recorded request. inputs : the files that they name, by setting.

    Raises
    ------
    RunError : if a setting is unknown or names a file that was not kept
    """
    words: dict[str, Any] = {}
    for section, one in leaves():
        place = request.settings if not section else request.settings.get(section)
        value = place.get(one.name) if isinstance(place, Mapping) else None
        if value is None:
            continue
        if one.name in inputs:
            value = inputs[one.name]
        elif names_a_file(one.name, value):
            raise RunError(f"run.json, settings: {one.name} names the file {str(value)[:60]!r}, which was not kept")
        words[one.name] = tuple(value) if isinstance(value, list) else value
    try:
        return settings_from(words, identify=request.settings.get("identify") is not None)
    except SettingError as error:
        raise RunError(f"run.json, settings: {error}") from error


def cards_again(request: RequestRecord) -> dict[Task, ModelCard]:
    """The model cards of a recorded request.

    Raises
    ------
    RunError : if this version cannot read a card
    """
    cards: dict[Task, ModelCard] = {}
    for task in TASKS:
        if request.card(task):
            try:
                cards[task] = ModelCard.model_validate(dict(request.card(task)), strict=False)
            except ValidationError as error:
                raise RunError(f"run.json, the card of {task}: not a card that this version can read") from error
    return cards


def models_again(request: RequestRecord, settings: AuditSettings) -> ChosenModels:
    """The models of a recorded request, not yet opened."""
    cards = cards_again(request)
    return ChosenModels(cards, dict.fromkeys(cards), faces=given_faces(settings))
