"""Temporary folders of names and images are deleted at the end or, after a kill, by the next command."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from facegap.store.temporary import PREFIX, temporary_folder

KILLED = """
import os, signal
from facegap.store.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "people.csv").write_text("image,subject")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_folder_is_private_and_gone_after_its_block(place: Path) -> None:
    with temporary_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "a").write_text("a")
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_folder_and_what_is_in_use_stays(place: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert (left / "people.csv").is_file()
    with temporary_folder() as one:
        assert not left.exists()
        with temporary_folder() as other:
            assert sorted(place.iterdir()) == sorted([one, other])
    assert list(place.iterdir()) == []


def test_only_own_private_folders_are_removed_and_links_are_not_followed(place: Path) -> None:
    (place / "elsewhere").mkdir(mode=0o700)
    (place / "elsewhere" / "kept").write_text("kept")
    (place / f"{PREFIX}link").symlink_to(place / "elsewhere")
    (place / f"{PREFIX}file").write_text("a")
    (place / f"{PREFIX}open").mkdir(mode=0o755)
    before = sorted(place.rglob("*"))
    with temporary_folder():
        pass
    assert sorted(place.rglob("*")) == before
