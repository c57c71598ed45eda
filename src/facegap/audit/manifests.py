"""Read a manifest as the settings of an audit specify."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facegap.audit.settings import AuditSettings
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest, Reading, read_manifest

PREDICTION = "prediction"  # the column of --map that refers to a file of predictions


def manifest_of(
    path: Path, settings: AuditSettings, *, allow_outside: bool = False, most_compared: int | None = None
) -> Manifest:
    """The manifest of an audit.

    allow_outside : accept any image name, for audits that open no image
    most_compared : number of image files opened to find identical files; None: all
    """
    return read_manifest(
        path,
        allow_outside=allow_outside or settings.faces.allow_outside,
        where=settings.groups.where,
        images_dir=settings.faces.images_dir,
        reading=reading_of(settings),
        most_compared=most_compared,
    )


def other_manifest(path: Path, settings: AuditSettings, *, allow_outside: bool = False) -> Manifest:
    """A further manifest, read in the same way and completely, with image paths relative to its folder."""
    allowed = allow_outside or settings.faces.allow_outside
    return read_manifest(path, allow_outside=allowed, reading=reading_of(settings))


def reading_of(settings: AuditSettings) -> Reading:
    """How values are read."""
    groups = settings.groups
    words = {column: pairs for column, pairs in words_of(groups.map).items() if column != PREDICTION}
    return Reading(groups.keep_words, groups.merge_spellings, groups.subjects_as_written, words)


def prediction_words(given: Sequence[str]) -> dict[str, str]:
    """The translations of --map that apply to predictions: --map prediction:0=female,1=male."""
    return words_of(given).get(PREDICTION, {})


def words_of(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """--map as column -> {word: label}.

    gender:weiblich=female,gender:maennlich=male and gender:weiblich=female,maennlich=male are equivalent.

    Raises
    ------
    SettingError : if a translation is not COLUMN:WORD=LABEL
    """
    found: dict[str, dict[str, str]] = {}
    for text in given:
        column, _, pairs = text.partition(":")
        for pair in pairs.split(","):
            word, equals, label = pair.removeprefix(f"{column}:").rpartition("=")
            if not (column.strip() and equals and word and label.strip()):
                raise SettingError(f"--map {text!r}: write COLUMN:WORD=LABEL, such as gender:weiblich=female")
            found.setdefault(column.strip(), {})[word] = label.strip()
    return found
