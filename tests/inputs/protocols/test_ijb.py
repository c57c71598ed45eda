"""IJB in InsightFace's layout: templates, media, pairs and subjects, and malformed lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.protocols.ijb import ijbb, ijbc

FACES = "1.jpg 7 100\n2.jpg 7 100\n3.jpg 3 101\n4.jpg 5 102\n5.jpg 9 103\n"
PAIRS = "7 3 1\n5 9 0\n3 9 0\n"


def put(root: Path, *, name: str = "ijbc", faces: str = FACES, pairs: str = PAIRS) -> Path:
    (root / "meta").mkdir(exist_ok=True)
    (root / f"meta/{name}_face_tid_mid.txt").write_text(faces)
    (root / f"meta/{name}_template_pair_label.txt").write_text(pairs)
    (root / f"meta/{name}_name_5pts_score.txt").write_text("")
    return root


def test_templates_are_rows_in_the_order_in_which_they_appear(tmp_path: Path) -> None:
    found = ijbc(put(tmp_path))
    assert found.people[["image", "template", "media"]].to_numpy().tolist() == [
        ["1.jpg", "7", "100"],
        ["2.jpg", "7", "100"],
        ["3.jpg", "3", "101"],
        ["4.jpg", "5", "102"],
        ["5.jpg", "9", "103"],
    ]
    assert found.pairs.tolist() == [[0, 1], [2, 3], [1, 3]]
    assert found.genuine.tolist() == [True, False, False]
    assert found.labels == []
    assert found.folder == tmp_path / "loose_crop"
    assert found.incomplete == [
        "5 images, the protocol has 469,375",
        "3 pairs, the protocol has 15,658,489",
        "1 genuine pairs, the protocol has 19,557",
        "5 of 5 images are missing",
    ]


def test_without_lists_of_subjects_genuine_pairs_join_templates_and_it_is_said(tmp_path: Path) -> None:
    found = ijbb(put(tmp_path, name="ijbb"))
    subjects = found.people["subject"].tolist()
    assert subjects[0] == subjects[1] == subjects[2]
    assert len(set(subjects)) == 3
    assert any(note.startswith("4 of 4 templates have no subject in the 1:N lists") for note in found.notes)


def test_lists_of_1_to_n_name_the_subjects(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "meta/ijbc_1N_gallery_G1.csv").write_text("TEMPLATE_ID,SUBJECT_ID\n7,55\n5,66\n")
    (tmp_path / "meta/ijbc_1N_probe_mixed.csv").write_text("TEMPLATE_ID,SUBJECT_ID\n3,55\n9,77\n")
    found = ijbc(tmp_path)
    assert found.people["subject"].tolist() == ["55", "55", "55", "66", "77"]
    assert len(found.files) == 5
    (tmp_path / "meta/ijbc_1N_gallery_G2.csv").write_text("TEMPLATE_ID,SUBJECT_ID\n7,99\n")
    with pytest.raises(
        TableError, match=r"gallery_G2.csv line 2: template 7 belongs to subject 99 here and to 55 on an earlier line"
    ):
        ijbc(tmp_path)


@pytest.mark.parametrize(
    ("faces", "pairs", "words"),
    [
        ("1.jpg 7\n", PAIRS, r"face_tid_mid.txt line 1: found '1.jpg 7'; each line is 'image template media'"),
        (FACES, "7 3 1\n7 3 2\n", r"pair_label.txt line 2: found '7 3 2'; each line is 'first second genuine'"),
        (FACES, "7 3 1\n7 4 0\n", r"pair_label.txt line 2: template 4 has no image"),
        (FACES, "\n", r"pair_label.txt: the file is empty"),
        ("1.jpg 7 x\n", PAIRS, r"face_tid_mid.txt line 1"),
    ],
)
def test_a_malformed_list_is_refused_with_its_line(tmp_path: Path, faces: str, pairs: str, words: str) -> None:
    with pytest.raises(TableError, match=words):
        ijbc(put(tmp_path, faces=faces, pairs=pairs))


def test_a_folder_without_the_points_names_the_file(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "meta/ijbc_name_5pts_score.txt").unlink()
    with pytest.raises(TableError, match=r"no file meta/ijbc_name_5pts_score\.txt"):
        ijbc(tmp_path)
