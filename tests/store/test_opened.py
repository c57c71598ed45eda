"""Files are opened once, without following links, blocking on pipes or reading beyond the limit, even if they are replaced."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from facegap.store.opened import (
    NotRegularError,
    OpenFolder,
    TooLargeError,
    opened,
    opened_below,
    read_file,
    read_within,
)
from fixtures.campaigns import short_and_full

OURS, OUTSIDE = b"ours", b"a picture from elsewhere"


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder of images, and a file outside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "face.png").write_bytes(OUTSIDE)
    (tmp_path / "images" / "inner").mkdir(parents=True)
    (tmp_path / "images" / "inner" / "face.png").write_bytes(OURS)
    return tmp_path


def read(root: Path, relative: str) -> bytes:
    with opened_below(root, relative) as file:
        return read_within(file, 1000)


def test_a_file_below_a_folder_is_read(places: Path) -> None:
    assert read(places / "images", "inner/face.png") == OURS
    assert read(places / "images", "../outside/face.png") == OUTSIDE  # allowed by --allow-outside
    assert read(places / "images", f"{places}/outside/face.png") == OUTSIDE


def test_a_link_is_followed_at_no_part_but_the_folder_that_is_named(places: Path) -> None:
    (places / "images" / "link.png").symlink_to(places / "outside" / "face.png")
    (places / "images" / "linked").symlink_to(places / "outside")
    for relative in ("link.png", "linked/face.png", "linked/../linked/face.png"):
        with pytest.raises(OSError) as error:
            read(places / "images", relative)
        assert error.value.errno == errno.ELOOP
    (places / "by link").symlink_to(places / "images")
    assert read(places / "by link", "inner/face.png") == OURS


def test_an_open_folder_reads_pieces_of_its_files_and_follows_no_link(places: Path) -> None:
    (places / "images" / "linked").symlink_to(places / "outside")
    (places / "images" / "inner" / "link.png").symlink_to(places / "outside" / "face.png")
    inner = OpenFolder(places / "images", "inner")
    assert inner.read_at("face.png", 1, 2) == OURS[1:3]
    with pytest.raises(OSError) as error:
        inner.read_at("link.png", 0, 9)
    assert error.value.errno == errno.ELOOP
    inner.close()
    with pytest.raises(OSError) as error:
        OpenFolder(places / "images", "linked").read_at("face.png", 0, 9)
    assert error.value.errno == errno.ELOOP
    outside = OpenFolder(places / "images", f"{places}/outside")
    assert outside.read_at("face.png", 0, 99) == OUTSIDE
    outside.close()


@pytest.fixture
def by_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that cannot open paths relative to an open folder, such as Windows."""
    monkeypatch.setattr(os, "supports_dir_fd", set())


def test_a_system_without_open_folders_reads_and_refuses_the_same(places: Path, by_names: None) -> None:
    test_a_file_below_a_folder_is_read(places)
    test_a_link_is_followed_at_no_part_but_the_folder_that_is_named(places)
    (places / "images" / "linked").unlink()
    test_an_open_folder_reads_pieces_of_its_files_and_follows_no_link(places)
    with pytest.raises(FileNotFoundError):
        read(places / "images", "inner/none.png")
    with pytest.raises(NotRegularError):
        read(places / "images", "inner")


def test_pipes_folders_and_devices_are_refused_at_once(places: Path) -> None:
    os.mkfifo(places / "images" / "pipe")
    for path in (places / "images" / "pipe", places / "images", Path("/dev/zero")):
        with pytest.raises(NotRegularError), opened(path):
            pass
    with pytest.raises(NotRegularError):
        read(places / "images", "pipe")
    with pytest.raises(NotRegularError):
        read(places / "images", "inner")


def test_a_named_file_may_be_a_link_and_one_of_a_run_may_not(places: Path) -> None:
    (places / "table.csv").symlink_to(places / "outside" / "face.png")
    assert read_file(places / "table.csv", 1000) == OUTSIDE
    with pytest.raises(OSError, match="symbolic links"):
        read_file(places / "table.csv", 1000, follow=False)


def test_the_bound_is_inclusive_and_stands_in_the_error(places: Path) -> None:
    path = places / "outside" / "face.png"
    assert read_file(path, len(OUTSIDE)) == OUTSIDE
    with pytest.raises(TooLargeError, match="24 bytes, more than the limit of 23"):
        read_file(path, len(OUTSIDE) - 1)


def test_no_descriptor_is_left_open_by_any_refusal(places: Path) -> None:
    (places / "images" / "link.png").symlink_to(places / "outside" / "face.png")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for relative in ("link.png", "inner", "nobody", "inner/nobody", "inner/face.png/x", "inner/face.png"):
        with suppress(OSError):
            read(places / "images", relative)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@contextmanager
def swapping(path: Path, makers: list[Callable[[Path], None]]) -> Iterator[None]:
    """Replace `path` by one object after another, as fast as the disk allows, until the block ends."""
    over = threading.Event()

    def swap() -> None:
        new, k = path.with_name("new"), 0
        while not over.is_set():
            makers[k % len(makers)](new)
            new.rename(path)
            k += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@short_and_full("reads", 2_000, 100_000)
def test_whatever_takes_the_place_of_a_file_meanwhile_only_our_own_bytes_are_read(places: Path, reads: int) -> None:
    path = places / "images" / "inner" / "face.png"
    makers: list[Callable[[Path], None]] = [
        lambda new: new.symlink_to(places / "outside" / "face.png"),
        lambda new: new.write_bytes(OURS) and None,
        lambda new: os.mkfifo(new),
        lambda new: new.write_bytes(OURS) and None,
    ]
    seen = {"read": 0, "refused": 0}
    with swapping(path, makers):
        for k in range(100 * reads):  # until both have happened at least once
            try:
                found = read(places / "images", "inner/face.png")
            except OSError:
                seen["refused"] += 1
            else:
                seen["read"] += 1
                assert found in (OURS, b"")  # just created, perhaps still empty
            if k >= reads and all(seen.values()):
                break
    assert seen["read"]
    assert seen["refused"]


@short_and_full("reads", 2_000, 100_000)
def test_a_link_in_the_place_of_a_folder_is_not_followed_either(places: Path, reads: int) -> None:
    inner, kept = places / "images" / "inner", places / "kept"
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            inner.rename(kept)
            inner.symlink_to(places / "outside")
            inner.unlink()
            kept.rename(inner)

    thread = threading.Thread(target=swap)
    thread.start()
    found: set[bytes] = set()
    try:
        for k in range(100 * reads):  # until the folder has existed at least once
            try:
                found.add(read(places / "images", "inner/face.png"))
            except OSError as error:
                found.add(str(error.errno).encode())
            if k >= reads and OURS in found:
                break
    finally:
        over.set()
        thread.join()
    assert OUTSIDE not in found
    assert OURS in found
