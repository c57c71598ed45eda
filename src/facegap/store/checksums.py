"""SHA256SUMS of a run folder: the files that it covers, its verification, and the root hash of the run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from facegap.errors import RunError
from facegap.store.begun import SUMS, require_finished
from facegap.store.files import entries_below, is_scratch, require_own_files, sha256
from facegap.store.opened import read_file

MAX_SUMS_BYTES = 256 * 2**20  # enough for a million responses of a service
PARTS, THRESHOLD_SET = "parts", "threshold_set"
SIGNATURE = "SHA256SUMS.sig"  # signs SHA256SUMS, which therefore cannot cover it
PAGE = "report.html"  # states the root hash, which therefore cannot cover it


def is_sealed(folder: Path) -> bool:
    """Return whether a run has a signature, valid or not."""
    return (folder / SIGNATURE).is_file()


def require_unsealed(folder: Path) -> None:
    """Raise RunError if the run is signed, because any change would invalidate the seal."""
    if is_sealed(folder):
        raise RunError(
            f"{folder}: this run is signed, and writing to it would invalidate the signature; work on a copy without "
            f"{SIGNATURE}"
        )


def root_hash(folder: Path) -> str:
    """Return the root hash of a run: the hexadecimal SHA-256 of the lines of SHA256SUMS, without report.html.

    report.html states the root hash, so it is not covered. Without facegap: `grep -v "  report.html$" SHA256SUMS | sha256sum`.
    """
    lines = sums_of([path for path in hashed_files(folder) if path != folder / PAGE], folder)
    return hashlib.sha256(lines.encode()).hexdigest()


def sums_of(paths: list[Path], folder: Path) -> str:
    """Return the SHA256SUMS lines of some files of a run."""
    return "".join(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths)


def hashed_files(folder: Path) -> list[Path]:
    """Return the sorted files that SHA256SUMS covers: all but itself, its signature, the lock and temporary files."""
    return sorted(
        path
        for path in entries_below(folder)
        if path.is_file()
        and path not in (folder / SUMS, folder / SIGNATURE)
        and not any(place / PARTS in path.parents for place in (folder, folder / THRESHOLD_SET))
        and not (path.parent in (folder, folder / THRESHOLD_SET) and is_scratch(path))
    )


def broken_hashes(folder: Path) -> list[str]:
    """Return the discrepancies with SHA256SUMS: changed, missing and additional files; empty if there are none.

    Raises
    ------
    RunError : If SHA256SUMS is missing or malformed, or the folder contains a link, pipe or device.
    """
    require_finished(folder)
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
    """Read SHA256SUMS as a mapping of name to hash."""
    require_finished(folder)
    try:
        lines = read_file(folder / SUMS, MAX_SUMS_BYTES, follow=False).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SUMS}: cannot be read: {error}") from error
    if not lines or any(len(line) < 67 or line[64:66] != "  " for line in lines):
        raise RunError(f"{folder / SUMS}: a line does not have the form HASH, two spaces, NAME")
    return {line[66:]: line[:64] for line in lines}
