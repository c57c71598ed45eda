"""Settings of the run folder and of messages during a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facegap.audit.settings.setting import setting, settle
from facegap.audit.settings.values import path


def on_stderr(text: str) -> None:
    """Print a line to stderr; also works in a notebook or a script."""
    print(text, file=sys.stderr, flush=True)


def unseen(done: int, total: int) -> None:
    """Show no progress."""


def unannounced(phase: str) -> None:
    """Announce no phase."""


@dataclass(frozen=True)
class Output:
    """Where a run is written, what is stored in it, and who is notified.

    progress : called with the number of processed images and their total
    phase    : called with the name of each phase as it begins; facegap.audit.run.phases_of lists them
    notice   : called with messages before the first image: warnings of `facegap doctor`, and where images are sent
    """

    folder: Path | None = setting(
        None, help="Run folder to create", flag="--out", read=path, recorded=False, command_default=Path("run")
    )
    resume: bool = setting(False, help="Continue an interrupted run; repeat the same command", recorded=False)
    keep_embeddings: bool = setting(True, help="Do not write templates to the run folder", flag="--no-embeddings")
    keep_ids: bool = setting(
        True,
        help="Replace the names of images and subjects with salted hashes; the salt is not kept",
        flag="--no-ids",
    )
    progress: Callable[[int, int], None] = setting(unseen, help="", recorded=False, option=False)
    phase: Callable[[str], None] = setting(unannounced, help="", recorded=False, option=False)
    notice: Callable[[str], None] = setting(on_stderr, help="", recorded=False, option=False)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
