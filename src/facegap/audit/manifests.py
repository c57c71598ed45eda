"""A manifest as the settings of an audit say that it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facegap.audit.settings import AuditSettings
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest, Reading, read_manifest

PREDICTION = "prediction"  # the column of --map that is of a file of predictions


def manifest_of(
    path: Path, settings: AuditSettings, *, allow_outside: bool = False, most_compared: int | None = None
) -> Manifest:
    """The manifest of an audit.

    allow_outside : accept any image name, where no image is opened
    most_compared : image files that are opened to find equal bytes; None: as many as there are
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
    """A further manifest, read in the same way, whole, its images beside it."""
    allowed = allow_outside or settings.faces.allow_outside
    return read_manifest(path, allow_outside=allowed, reading=reading_of(settings))


def reading_of(settings: AuditSettings) -> Reading:
    """How words are read."""
    groups = settings.groups
    words = {column: pairs for column, pairs in words_of(groups.map).items() if column != PREDICTION}
    return Reading(groups.keep_words, groups.merge_spellings, groups.subjects_as_written, words)


def prediction_words(given: Sequence[str]) -> dict[str, str]:
    """The translations of --map that are for predictions: --map prediction:0=female,1=male."""
    return words_of(given).get(PREDICTION, {})


def words_of(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """--map as column -> {word: label}.

    gender:weiblich=female,gender:maennlich=male and gender:weiblich=female,maennlich=male say the same.

    Raises
    ------
    SettingError : a translation that is not COLUMN:WORD=LABEL
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
