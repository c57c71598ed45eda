"""SHA256SUMS of a run folder: what it covers, and whether it is still so."""

from __future__ import annotations

from pathlib import Path

from facegap.errors import RunError
from facegap.store.files import is_scratch, require_own_files, sha256

PARTS, SUMS, THRESHOLD_SET = "parts", "SHA256SUMS", "threshold_set"


def is_whole(folder: Path) -> bool:
    """Whether the run in a folder reached its end."""
    return (folder / SUMS).is_file()


def require_unbroken(folder: Path) -> None:
    """Raise RunError where a finished run is not what its SHA256SUMS says."""
    if problems := broken_hashes(folder):
        raise RunError(
            f"{folder}: the run there was changed after its end: {'; '.join(problems[:3])}; choose another --out"
        )


def hashed_files(folder: Path) -> list[Path]:
    """Files that SHA256SUMS covers, sorted by name: all but itself, the lock and what is only there while running."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path != folder / SUMS
        and not any(place / PARTS in path.parents for place in (folder, folder / THRESHOLD_SET))
        and not (path.parent in (folder, folder / THRESHOLD_SET) and is_scratch(path))
    )


def broken_hashes(folder: Path) -> list[str]:
    """What SHA256SUMS says that is not so: files that changed, vanished or came; empty where all is well.

    Raises
    ------
    RunError : no SHA256SUMS, or one that is not of this form; a link, pipe or device in the folder
    """
    require_own_files(folder)
    stated = read_sums(folder)
    present = {path.relative_to(folder).as_posix(): path for path in hashed_files(folder)}
    changed = [name for name in stated if name in present and sha256(present[name]) != stated[name]]
    return (
        [f"{name}: changed since the run was written" for name in changed]
        + [f"{name}: missing" for name in stated if name not in present]
        + [f"{name}: not part of the run" for name in present if name not in stated]
        + (
            [f"{PARTS}: left by a run that was killed at its end; --resume removes it"]
            if (folder / PARTS).exists()
            else []
        )
    )


def read_sums(folder: Path) -> dict[str, str]:
    """SHA256SUMS as name -> hash."""
    if not is_whole(folder):
        raise RunError(f"{folder}: no {SUMS}, so this is no finished run; finish it with --resume")
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SUMS}: cannot be read: {error}") from error
    if not lines or any(len(line) < 67 or line[64:66] != "  " for line in lines):
        raise RunError(f"{folder / SUMS}: a line is not of the form HASH, two blanks, NAME")
    return {line[66:]: line[:64] for line in lines}
