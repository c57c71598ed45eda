"""A video gives frames or an outcome, within limits, and opens no other file or connection."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.inputs.images.decode import Unreadable
from facegap.inputs.videos import read
from facegap.inputs.videos.read import Frame, Sampling, VideoFile, is_video, read_file, read_video, why_not
from fixtures.clips import plain, write_clip


def frames(path: Path, **sampling: Any) -> list[Frame]:
    return [
        item
        for item in read_video(path.name, root=path.parent, sampling=Sampling(**sampling))
        if isinstance(item, Frame)
    ]


def outcome(path: Path) -> str:
    *_, last = read_video(path.name, root=path.parent, sampling=Sampling())
    assert isinstance(last, Unreadable), last
    return last.outcome


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of two seconds in each container."""
    folder = tmp_path_factory.mktemp("clips")
    for suffix in (".avi", ".mkv", ".mp4", ".webm"):
        write_clip(folder / f"clip{suffix}", plain(20))
    return folder


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".webm"])
def test_frames_of_each_container_come_by_time(clips: Path, suffix: str) -> None:
    path = clips / f"clip{suffix}"
    first, *found = read_video(path.name, root=clips, sampling=Sampling())
    assert isinstance(first, VideoFile)
    assert first.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [item.time_s for item in found] == [0.0, 0.5, 1.0, 1.5]
    for k, item in enumerate(found):
        assert item.picture.pixels.shape == (48, 64, 3)
        assert abs(float(item.picture.pixels.mean()) - 40 * k) < 12


def test_the_number_of_frames_is_bounded_from_the_beginning(clips: Path) -> None:
    assert [frame.time_s for frame in frames(clips / "clip.avi", frames_per_second=10, max_frames=3)] == [0.0, 0.1, 0.2]


def test_a_video_is_known_by_its_name() -> None:
    assert [name for name in ("a.MP4", "b/c.webm", "d.jpg", "e.m3u8", "mp4", "f.mp4.png") if is_video(name)] == [
        "a.MP4",
        "b/c.webm",
    ]


@given(st.text(alphabet="a./Mmpo4v", max_size=8).filter(lambda path: not path.endswith("/")))
def test_the_name_of_a_video_ends_as_its_path_object_says(path: str) -> None:
    assert is_video(path) is (PurePosixPath(path).suffix.lower() in read.SUFFIXES)


# ---- hostile files ----


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video at all",
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\0\0\0\x20ftypisom" + bytes(500),
        b"RIFF\xff\xff\xff\xffAVI LIST" + bytes(500),
        b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(500),
        b"\0\0\x01\xba" + bytes(500),
    ],
)
def test_what_is_no_video_is_unreadable_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).write_bytes(content)
        assert outcome(tmp_path / name) == "unreadable"


def test_a_cut_off_index_is_unreadable_and_a_cut_off_stream_gives_what_is_there(clips: Path, tmp_path: Path) -> None:
    whole = {name: (clips / name).read_bytes() for name in ("clip.mp4", "clip.avi")}
    (tmp_path / "clip.mp4").write_bytes(whole["clip.mp4"][:-100])
    assert outcome(tmp_path / "clip.mp4") == "unreadable"  # the index of an MP4 is at its end
    (tmp_path / "clip.avi").write_bytes(
        whole["clip.avi"][: whole["clip.avi"].index(b"movi") + len(whole["clip.avi"]) // 4]
    )
    assert 0 < len(frames(tmp_path / "clip.avi")) < 4


def test_a_header_that_states_years_of_video_gives_the_frames_that_are_there(clips: Path, tmp_path: Path) -> None:
    whole = bytearray((clips / "clip.avi").read_bytes())
    for name, place in ((b"avih", 8 + 16), (b"strh", 8 + 32)):  # total frames; length of the stream
        struct.pack_into("<I", whole, whole.index(name) + place, 2**31 - 1)
    (tmp_path / "long.avi").write_bytes(whole)
    assert len(frames(tmp_path / "long.avi")) == 4
    slow = bytearray((clips / "clip.mp4").read_bytes())
    stts = slow.index(b"stts")
    struct.pack_into(">I", slow, stts + 16, 2**31 - 1)  # time of each frame: years
    (tmp_path / "slow.mp4").write_bytes(slow)
    assert len(list(read_video("slow.mp4", root=tmp_path, sampling=Sampling(max_frames=5)))) <= 7


@pytest.mark.parametrize("side", [20_000, 65_000])
def test_a_giant_frame_is_never_decoded(clips: Path, tmp_path: Path, side: int) -> None:
    whole = bytearray((clips / "clip.avi").read_bytes())
    avih, strf = whole.index(b"avih"), whole.index(b"strf")
    struct.pack_into("<II", whole, avih + 8 + 32, side, side)
    struct.pack_into("<ii", whole, strf + 8 + 4, side, side)
    at = whole.find(b"\xff\xc0")
    while at >= 0:  # the size in each JPEG
        struct.pack_into(">HH", whole, at + 5, side, side)
        at = whole.find(b"\xff\xc0", at + 2)
    (tmp_path / "giant.avi").write_bytes(whole)
    assert outcome(tmp_path / "giant.avi") in ("refused", "unreadable")


def test_a_frame_beyond_the_bound_of_pixels_is_refused(clips: Path) -> None:
    *_, last = read_video("clip.avi", root=clips, sampling=Sampling(), max_pixels=64 * 48 - 1)
    assert last == Unreadable("refused", "frames of 64 x 48 pixels, more than the limit of 3071")


def test_time_and_memory_are_bounded(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(read, "CPU_S", 0)
        assert outcome(clips / "clip.avi") == "decode_timeout"
    with monkeypatch.context() as patch:
        patch.setattr(read, "WALL_S", 0.01)
        assert outcome(clips / "clip.avi") == "decode_timeout"
    with monkeypatch.context() as patch:
        patch.setattr(read, "MEMORY_BYTES", 2**23)
        write_clip(tmp_path / "large.avi", plain(2, (2560, 1440)))
        assert outcome(tmp_path / "large.avi") in ("refused", "unreadable")
    with monkeypatch.context() as patch:
        patch.setattr(read, "MOST_BYTES", 100)
        assert outcome(clips / "clip.avi") == "refused"


def test_links_pipes_and_folders_are_not_opened(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(clips / "clip.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert [outcome(tmp_path / f"{name}.mp4") for name in ("link", "pipe", "folder")] == ["unreadable"] * 3
    assert outcome(tmp_path / "none.mp4") == "missing_file"


# ---- nothing else is opened ----


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and the requests received there."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                requests.append(b"connected")
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], requests
        done.set()
        thread.join()


@pytest.mark.parametrize("options", [None, "protocol_whitelist;file,http,tcp,crypto,data|allowed_extensions;ALL"])
def test_a_playlist_that_reaches_the_decoder_opens_neither_a_file_nor_a_connection(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: tuple[int, list[bytes]], options: str | None
) -> None:
    # Tests the restrictions on the process only, without the check of the first bytes and FFmpeg's own lists.
    port, requests = listener
    monkeypatch.setattr(read, "is_container", lambda head: True)
    if options is not None:
        monkeypatch.setattr(read, "CAPTURE_OPTIONS", options)
    target = (clips / "clip.mp4").as_posix()
    for name, text in {
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n",
        "local.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{target}\n",
        "concat.avi": f"ffconcat version 1.0\nfile '{target}'\n",
        "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert outcome(tmp_path / name) == "unreadable", name
    assert requests == []


def test_a_file_is_hashed_without_being_decoded(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "process", None)
    found = read_file("clip.mp4", root=clips)
    assert isinstance(found, VideoFile)
    assert found.sha256 == hashlib.sha256((clips / "clip.mp4").read_bytes()).hexdigest()


def test_why_not_says_nothing_of_a_video_that_can_be_decoded(clips: Path, tmp_path: Path) -> None:
    assert why_not("clip.webm", root=clips) is None
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert why_not("a.mp4", root=tmp_path) is not None
