"""Names that come from tables mean the same on Windows: none of them leaves its folder there, by a drive, a share or a backslash."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.cards.schema import FileName
from facegap.inputs.manifests.read import read_manifest
from facegap.report.figures import FIGURE_NAME
from facegap.report.figures.style import slug

ROOT = PureWindowsPath("D:/people")
LEADING_OUT = (
    *("C:/a.jpg", "C:a.jpg", "c:\\a.jpg", "\\a.jpg", "/a.jpg", "../a.jpg"),
    *("//server/share/a.jpg", "\\\\server\\share\\a.jpg", "..\\a.jpg", "a\\..\\..\\b.jpg"),
)
STAYING = ("a.jpg", "sub/a b.jpg", "sub/../a.jpg", "José/ä.png")


def stays(name: str) -> bool:
    """Whether a name that is joined to a folder on Windows stays below it."""
    joined, depth = ROOT / name, 0
    if joined.drive != ROOT.drive or joined.root != ROOT.root or joined.parts[: len(ROOT.parts)] != ROOT.parts:
        return False
    for part in joined.parts[len(ROOT.parts) :]:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def manifest(folder: Path, name: str) -> Path:
    path = folder / "people.csv"
    path.write_text(f'image\n"{name}"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("name", LEADING_OUT)
def test_an_image_that_would_leave_its_folder_on_windows_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    assert not stays(name)
    with pytest.raises(TableError, match=r"people\.csv line 2, column image"):
        read_manifest(manifest(tmp_path, name))


@pytest.mark.parametrize("name", STAYING)
def test_an_image_below_its_folder_is_accepted_and_its_path_has_slashes(name: str, tmp_path: Path) -> None:
    assert stays(name)
    (tmp_path / "sub").mkdir()
    found = read_manifest(manifest(tmp_path, name)).frame["path"].tolist()
    assert found == [PureWindowsPath(name.replace("sub/../", "")).as_posix()]


@given(st.text(max_size=30))
def test_a_chart_named_after_a_label_is_a_plain_file_name_on_windows(label: str) -> None:
    name = slug(f"error-{label}", set())
    path = PureWindowsPath(f"{name}.svg")
    assert (path.drive, path.root, path.parts) == ("", "", (f"{name}.svg",))
    assert FIGURE_NAME.fullmatch(name)
    assert not path.is_reserved()


@given(st.from_regex(re.compile(FileName.__metadata__[0].pattern), fullmatch=True))
def test_the_file_of_a_card_is_a_plain_file_name_on_windows(name: str) -> None:
    assert PureWindowsPath(name).name == name


def test_the_modules_of_the_store_are_imported_on_a_system_without_the_calls_of_unix() -> None:
    program = (
        "import os, sys\n"
        "for name in ('fcntl', 'resource', 'pwd', 'termios'): sys.modules[name] = None\n"
        "for name in ('O_NOFOLLOW', 'O_NONBLOCK', 'O_CLOEXEC', 'O_DIRECTORY'): delattr(os, name)\n"
        "import facegap.store.folder, facegap.store.room, facegap.annotate.database, facegap.audit.run, facegap.cli\n"
        "print('imported')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "imported\n", done.stderr
