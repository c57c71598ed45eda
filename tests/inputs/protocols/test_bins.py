"""InsightFace's .bin: files of all Python and NumPy versions, and hostile ones, which cause an error and execute nothing."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from facegap.errors import TableError
from facegap.inputs.protocols.bins import bin_listing, read_bin

JPEG = b"\xff\xd8\xff\xe0 picture "
IMAGES = [JPEG + bytes([k, 200, 10]) for k in range(8)]
SAME = [True, False, True, False]


def written(folder: Path, content: bytes) -> Path:
    (folder / "lfw.bin").write_bytes(content)
    return folder / "lfw.bin"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["bytes", "arrays"])
def test_a_file_of_every_pickle_protocol_gives_its_images_and_labels(tmp_path: Path, protocol: int, kind: str) -> None:
    images = IMAGES if kind == "bytes" else [np.frombuffer(image, np.uint8).copy() for image in IMAGES]
    path = written(tmp_path, pickle.dumps((images, SAME), protocol=protocol))
    found, same, sha256 = read_bin(path)
    assert found == IMAGES
    assert same.tolist() == SAME
    assert len(sha256) == 64


def test_a_file_of_python_2_gives_its_images_and_labels(tmp_path: Path) -> None:
    """Python 2 strings are bytes; its booleans are numbers of the operation INT."""
    strings = b"".join(b"T" + struct.pack("<I", len(image)) + image for image in IMAGES)
    content = b"(](" + strings + b"e](" + b"I01\nI00\nI01\nI00\ne" + b"t."
    found, same, _ = read_bin(written(tmp_path, content))
    assert found == IMAGES
    assert same.tolist() == SAME


def test_an_array_of_python_2_names_the_older_modules(tmp_path: Path) -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I%d\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR"
        b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nT%s%stb"
    ) % (len(JPEG), struct.pack("<I", len(JPEG)), JPEG)
    found, same, _ = read_bin(written(tmp_path, b"(](" + array + array + b"e](I01\net."))
    assert found == [JPEG, JPEG]
    assert same.tolist() == [True]


def test_pairs_share_images_and_genuine_pairs_join_them_into_people(tmp_path: Path) -> None:
    a, b, c, d = IMAGES[:4]
    path = written(tmp_path, pickle.dumps(([a, b, b, c, a, d, c, d], [True, True, False, False])))
    found = bin_listing(path)
    assert found.people["image"].tolist() == ["000000.jpg", "000001.jpg", "000003.jpg", "000005.jpg"]
    assert found.people["subject"].tolist() == ["person-00001"] * 3 + ["person-00002"]
    assert found.pairs.tolist() == [[0, 1], [1, 2], [0, 3], [2, 3]]
    assert found.images["000003.jpg"] == c
    assert found.missing == []


def test_an_impostor_pair_within_a_joined_person_is_told(tmp_path: Path) -> None:
    a, b, c = IMAGES[:3]
    found = bin_listing(written(tmp_path, pickle.dumps(([a, b, b, c, a, c], [True, True, False]))))
    assert any(note.startswith("1 pairs have labels that contradict") for note in found.notes)


class Ran:
    """The code that a hostile pickle would execute."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch ran",)


HUGE_ARRAY = b"\x80\x02]q\x00cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x8a\x06\xff\xff\xff\xff\xff\x00\x85U\x01b\x87R."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(([Ran(), Ran()], [True])), "it refers to (posix|nt).system"),
        (b"cos\nsystem\n(S'touch ran'\ntR.", "it refers to os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "it refers to builtins.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "it refers to numpy.load"),
        (b"c_codecs\ndecode\n(S'x'\ntR.", "it refers to _codecs.decode"),
        (b"(ios\nsystem\n.", "operation INST"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "operation NEWOBJ"),
        (b"\x80\x02\x82\x01.", "operation EXT1"),
        (b"P1\n.", "operation PERSID"),
        (b"\x80\x02}q\x00.", "operation EMPTY_DICT"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "a memo of 2,147,483,647 entries"),
        (b"]p999999999\n.", "a memo of 999,999,999 entries"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.", "not a readable .bin"),
        (b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"abc.", "not a readable .bin"),
        (HUGE_ARRAY, "not a pair"),
        (pickle.dumps((IMAGES, SAME))[:-40], "not a readable .bin"),
        (b"", "not a readable .bin"),
        (b"\x80\x04" + b"]\x85" * 100 + b".", "not a pair"),
        (b"\x80\x04" + b"]" + b"\x85" * 50_000 + b".", "not a pair"),
        (pickle.dumps((IMAGES, SAME[:3])), "8 images for 3 pairs"),
        (pickle.dumps((IMAGES, [2, 0, 1, 0])), "label of pair 1 is neither True nor False"),
        (pickle.dumps((["text"] * 8, SAME)), "image 1 is a str, not bytes"),
        (pickle.dumps(([np.zeros((2, 2), np.uint8)] * 8, SAME)), "shape does not match its number of bytes"),
        (pickle.dumps(([np.zeros(4, np.float32)] * 8, SAME)), "array of 'f4'"),
        (pickle.dumps(([np.array([None])] * 8, SAME)), "array of 'O8'"),
        (pickle.dumps(([b""] * 8, SAME)), "image 1 has 0 bytes"),
        (pickle.dumps([IMAGES]), "not a pair"),
    ],
)
def test_a_hostile_or_damaged_pickle_runs_nothing_and_is_refused_by_name(
    tmp_path: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, content)
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match=f"^lfw.bin: .*{words}"):
            read_bin(path)
        assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "ran").exists()


def test_a_memo_that_is_read_again_and_again_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    """Nested lists, each with ten references to the previous one: 10^12 entries if expanded."""
    content = b"\x80\x02]q\x00"
    for level in range(1, 13):
        content += b"]" + b"q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * 10 + b"e"
    with pytest.raises(TableError, match="not a pair"):
        read_bin(written(tmp_path, content + b"."))


def doubled(levels: int) -> bytes:
    """Operations that store nested tuples, each with two references to the previous one, under `levels` in the memo."""
    steps = [b")q\x00", *(b"h%ch%c\x86q%c" % (k, k, k + 1) for k in range(levels))]
    return b"".join(steps)


SHARED = b"\x80\x05\x96" + struct.pack("<Q", 2**20) + JPEG + bytes(2**20 - len(JPEG)) + b"q\x00]("


@pytest.mark.timeout(60)
def test_what_a_few_references_unfold_into_is_never_written_out(tmp_path: Path) -> None:
    """2^60 brackets in 445 bytes."""
    path = written(tmp_path, b"\x80\x02" + doubled(60) + b"0cnumpy\ndtype\nh\x3c\x85R.")
    with pytest.raises(TableError, match="an array of tuple, which is not an image of bytes"):
        read_bin(path)


@pytest.mark.timeout(60)
def test_bytes_that_are_named_many_times_are_held_and_hashed_once(tmp_path: Path) -> None:
    """A megabyte as 100,000 images: 100 GB if each were copied."""
    path = written(tmp_path, SHARED + b"h\x00" * 100_000 + b"e](" + b"\x88" * 50_000 + b"e\x86.")
    found = bin_listing(path)
    assert len(found.images) == 1
    assert len(found.pairs) == 50_000


@pytest.mark.timeout(60)
def test_texts_become_no_more_bytes_than_the_file_has(tmp_path: Path) -> None:
    text = b"\x80\x04X" + struct.pack("<I", 2**20) + b"a" * 2**20 + b"q\x00]("
    encoded = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    path = written(tmp_path, text + encoded * 1_000 + b"e](" + b"\x88" * 500 + b"e\x86.")
    with pytest.raises(TableError, match="texts that expand to more bytes than the file has"):
        read_bin(path)
