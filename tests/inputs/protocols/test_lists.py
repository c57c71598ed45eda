"""LFW, CALFW, CPLFW, RFW and CFP on tiny folders of the same layout, and malformed lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

from facegap.errors import TableError
from facegap.inputs.protocols.listing import Listing, contiguous_folds, require_complete
from facegap.inputs.protocols.lists import calfw, cfp_fp, cplfw, lfw, rfw


def put(root: Path, name: str, content: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def lfw_folder(root: Path, folds: int = 10, each: int = 2, prefix: str = "lfw/", *, images: bool = True) -> str:
    """Create folders with different people in each fold; returns the text of pairs.txt."""
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        people = [f"P{fold}_{k}" for k in range(each + 1)]
        for person in people if images else ():
            for number in (1, 2):
                put(root, f"{prefix}{person}/{person}_{number:04d}.jpg", "x")
        lines += [f"{person}\t1\t2" for person in people[:each]]
        lines += [f"{people[k]}\t1\t{people[k + 1]}\t2" for k in range(each)]
    put(root, "pairs.txt", "\n".join(lines) + "\n")
    return "\n".join(lines)


def named(listing: Listing) -> list[tuple[str, str, bool, int, str]]:
    images = listing.people["image"].tolist()
    return [
        (images[left], images[right], bool(genuine), int(fold), str(part))
        for (left, right), genuine, fold, part in zip(
            listing.pairs, listing.genuine, listing.folds, listing.parts, strict=True
        )
    ]


def test_folds_are_those_of_kfold_without_shuffling() -> None:
    for pairs in (10, 13, 59, 600):
        found = contiguous_folds(pairs)
        for fold, (_, tested) in enumerate(KFold(10, shuffle=False).split(np.zeros(pairs))):
            assert np.flatnonzero(found == fold).tolist() == tested.tolist()


def test_lfw_gives_people_pairs_and_folds_in_the_order_of_the_list(tmp_path: Path) -> None:
    lfw_folder(tmp_path)
    found = lfw(tmp_path)
    assert named(found)[:4] == [
        ("lfw/P0_0/P0_0_0001.jpg", "lfw/P0_0/P0_0_0002.jpg", True, 0, ""),
        ("lfw/P0_1/P0_1_0001.jpg", "lfw/P0_1/P0_1_0002.jpg", True, 0, ""),
        ("lfw/P0_0/P0_0_0001.jpg", "lfw/P0_1/P0_1_0002.jpg", False, 0, ""),
        ("lfw/P0_1/P0_1_0001.jpg", "lfw/P0_2/P0_2_0002.jpg", False, 0, ""),
    ]
    assert np.bincount(found.folds).tolist() == [4] * 10
    assert found.people["fold"].nunique() == 10
    assert found.missing == []


def test_counts_that_are_not_the_protocols_are_told_with_what_is_due(tmp_path: Path) -> None:
    lfw_folder(tmp_path)
    (tmp_path / "lfw/P3_1/P3_1_0002.jpg").unlink()
    with pytest.raises(TableError) as error:
        require_complete(lfw(tmp_path))
    assert str(error.value) == (
        "LFW: 2 genuine pairs per fold, the protocol has 300; 40 pairs, the protocol has 6,000; 1 of 50 images are missing "
        f"(missing in {tmp_path}: lfw/P3_1/P3_1_0002.jpg). Complete the folder, or pass --allow-incomplete to "
        f"evaluate what is available; the result will say so"
    )


def test_the_counts_of_a_whole_list_are_those_of_the_protocol(tmp_path: Path) -> None:
    lfw_folder(tmp_path, each=300, images=False)
    assert lfw(tmp_path).incomplete == ["6,010 of 6,010 images are missing"]


def test_a_pairs_file_without_its_first_line_is_refused(tmp_path: Path) -> None:
    """Other lists, without a header or without impostor pairs, have the same name."""
    text = lfw_folder(tmp_path)
    put(tmp_path, "pairs.txt", text.split("\n", 1)[1])
    with pytest.raises(TableError, match=r"pairs.txt line 1: .*folds"):
        lfw(tmp_path)


def test_people_in_two_folds_leave_no_fold_of_their_own_and_it_is_said(tmp_path: Path) -> None:
    put(tmp_path, "pairs.txt", "2\t1\nAnn\t1\t2\nAnn\t1\tBo\t1\nBo\t1\t2\nBo\t1\tCy\t1\n")
    found = lfw(tmp_path)
    assert "fold" not in found.people.columns
    assert any("folds share subjects" in note for note in found.notes)


def cross(root: Path, name: str, genuine: int = 20, impostor: int = 20) -> None:
    lines = []
    for k in range(genuine):
        lines += [f"A{k}_0001.jpg {k % 10 + 1}", f"A{k}_0002.jpg {k % 10 + 1}"]
    for k in range(impostor):
        lines += [f"A{k}_0001.jpg 0", f"B{k}_0001.jpg 0"]
    put(root, f"pairs_{name}.txt", "\n".join(lines))


@pytest.mark.parametrize(("reader", "name"), [(calfw, "CALFW"), (cplfw, "CPLFW")])
def test_two_lines_make_a_pair_and_folds_take_tenths_of_either_kind(
    tmp_path: Path, reader: Callable[[Path], Listing], name: str
) -> None:
    cross(tmp_path, name)
    put(tmp_path, "aligned images/A0_0001.jpg", "x")
    found = reader(tmp_path)
    assert named(found)[3] == ("aligned images/A3_0001.jpg", "aligned images/A3_0002.jpg", True, 1, "")
    assert named(found)[20] == ("aligned images/A0_0001.jpg", "aligned images/B0_0001.jpg", False, 0, "")
    assert found.people["subject"].nunique() == 40
    assert found.incomplete[0] == "20 genuine pairs, the protocol has 3,000"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("A_0001.jpg 1\nA_0002.jpg 1\nA_0001.jpg 0\n", "line 3: a pair takes two lines"),
        ("A_0001.jpg 1\nA_0002.jpg 0\n", "line 2: label 0, but the line before it, of the same pair, has 1"),
        ("A_0001.jpg 0\nB_0002.jpg 0\nA_0001.jpg 1\nA_0002.jpg 1\n", "line 4: a genuine pair after impostor pairs"),
        ("A_0001.jpg same\n", "line 1: found 'A_0001.jpg same'; each line is an image file and a label"),
        ("A.jpg 1\nA.jpg 1\n", r"line 1: 'A\.jpg' does not have the form of the protocol's file names, such as"),
        ("", "no pairs are listed"),
    ],
)
def test_a_malformed_list_is_refused_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    put(tmp_path, "pairs_CPLFW.txt", content)
    with pytest.raises(TableError, match=words):
        cplfw(tmp_path)


def rfw_folder(root: Path, races: tuple[str, ...] = ("African", "Indian"), each: int = 10) -> None:
    for race in races:
        lines = []
        for k in range(each):
            lines += [f"m.{race}{k}\t1\t2", f"m.{race}{k}\t1\tm.{race}{(k + 1) % each}\t2"]
            for number in (1, 2):
                put(root, f"data/{race}/m.{race}{k}/m.{race}{k}_{number:04d}.jpg", "x")
        put(root, f"txts/{race}/{race}_pairs.txt", "\n".join(lines))


def test_rfw_has_a_list_per_race_and_the_race_is_a_label(tmp_path: Path) -> None:
    rfw_folder(tmp_path)
    found = rfw(tmp_path)
    assert sorted(set(found.parts.tolist())) == ["African", "Indian"]
    assert found.labels == ["race"]
    assert found.people["race"].value_counts().to_dict() == {"African": 20, "Indian": 20}
    assert np.bincount(found.folds).tolist() == [4] * 10
    assert found.missing == []
    assert "0 pairs of Asian, the protocol has 6,000" in found.incomplete


def test_people_listed_under_two_races_are_counted_and_told(tmp_path: Path) -> None:
    rfw_folder(tmp_path)
    put(tmp_path, "txts/African/African_pairs.txt", "m.023915\t1\t2\nm.023915\t1\tm.African1\t2\n")
    put(tmp_path, "txts/Indian/Indian_pairs.txt", "m.023915\t1\t2\nm.023915\t1\tm.Indian1\t2\n")
    found = rfw(tmp_path)
    assert any(note.startswith("1 people are listed under two races (1 of the 12") for note in found.notes)
    assert found.people.loc[found.people["subject"] == "m.023915", "race"].tolist() == ["African"] * 2 + ["Indian"] * 2


def test_cfp_reads_frontal_against_profile_by_the_numbers_of_its_lists(tmp_path: Path) -> None:
    for kind, view in (("F", "frontal"), ("P", "profile")):
        lines = [f"{k} ../Data/Images/{k:03d}/{view}/01.jpg" for k in range(1, 31)]
        put(tmp_path, f"Protocol/Pair_list_{kind}.txt", "\n".join(lines))
    for fold in range(10):
        mine = range(3 * fold + 1, 3 * fold + 4)
        put(tmp_path, f"Protocol/Split/FP/{fold + 1:02d}/same.txt", "\n".join(f"{k},{k}" for k in mine))
        put(tmp_path, f"Protocol/Split/FP/{fold + 1:02d}/diff.txt", f"{mine[0]},{mine[1]}\n{mine[1]},{mine[2]}\n")
    found = cfp_fp(tmp_path)
    assert named(found)[0] == ("Data/Images/001/frontal/01.jpg", "Data/Images/001/profile/01.jpg", True, 0, "")
    assert named(found)[8] == ("Data/Images/004/frontal/01.jpg", "Data/Images/005/profile/01.jpg", False, 1, "")
    assert found.people["fold"].nunique() == 10
    assert len(found.missing) == len(found.people)
    put(tmp_path, "Protocol/Split/FP/02/diff.txt", "4,99\n")
    with pytest.raises(TableError, match=r"Split/FP/02/diff.txt line 1: image 99 is not in Pair_list_P.txt"):
        cfp_fp(tmp_path)


@pytest.mark.parametrize("reader", [lfw, calfw, cplfw, rfw, cfp_fp])
def test_a_folder_without_the_protocol_names_the_file_that_is_due(
    tmp_path: Path, reader: Callable[[Path], Listing]
) -> None:
    with pytest.raises(TableError, match=r"no file .*(pairs|Pair_list)"):
        reader(tmp_path)
