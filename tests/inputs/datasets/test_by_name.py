"""CFD, DemogPairs, BUPT-Balancedface and CASIA-Face-Africa: labels from the names of files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.datasets.by_name import bupt_balancedface, casia_face_africa, cfd, demogpairs
from fixtures import dataset_trees


def test_cfd_reads_person_letters_and_expression_from_the_name(tmp_path: Path) -> None:
    dataset_trees.cfd(tmp_path)
    frame = cfd(tmp_path)
    assert sorted(frame.drop(columns="image").itertuples(index=False, name=None)) == [
        ("IF-601", "F", "I", "N"),
        ("MM-311", "M", "M", "N"),
        ("WF-034", "F", "W", "HO"),
        ("WF-034", "F", "W", "N"),
    ]
    assert frame.attrs["notes"] == ["1 images have names of another form and were left out"]


def test_demogpairs_takes_gender_and_race_from_the_list(tmp_path: Path) -> None:
    dataset_trees.demogpairs(tmp_path)
    frame = demogpairs(tmp_path)
    assert len(frame) == 12
    assert frame["subject"].nunique() == 6
    assert frame.iloc[0].to_dict() == {
        "image": "DemogPairs/asian_females_one/002.jpg",
        "subject": "asian_females_one",
        "gender": "female",
        "race": "Asian",
        "db_code": "CWF",
    }
    assert set(frame["gender"]) == {"female", "male"}


@pytest.mark.parametrize("line", ["CWF", "CWF a/b/c.jpg", "CWF ../x.jpg extra", "CWF loose.jpg"])
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str) -> None:
    dataset_trees.demogpairs(tmp_path)
    dataset_trees.table(tmp_path, "Metadata/Black_Males.txt", f"db_code image_path\n{line}\n")
    with pytest.raises(TableError, match=r"Black_Males\.txt line 2: .* is not a source and <person>/<image>"):
        demogpairs(tmp_path)


def test_a_list_of_another_encoding_is_named(tmp_path: Path) -> None:
    dataset_trees.demogpairs(tmp_path)
    (tmp_path / "Metadata/Black_Males.txt").write_bytes(b"CWF jos\xe9/002.jpg\n")
    with pytest.raises(TableError, match=r"Black_Males\.txt: byte 7 is not UTF-8"):
        demogpairs(tmp_path)


def test_bupt_balancedface_becomes_subjects_with_the_race_of_their_folder(tmp_path: Path) -> None:
    dataset_trees.bupt_balancedface(tmp_path)
    frame = bupt_balancedface(tmp_path)
    assert list(frame["subject"]) == ["m.01", "m.01", "m.02"]
    assert list(frame["race"]) == ["African", "African", "Indian"]


def test_casia_face_africa_has_person_and_camera_and_counts_the_rest(tmp_path: Path) -> None:
    dataset_trees.casia_face_africa(tmp_path)
    frame = casia_face_africa(tmp_path)
    assert list(frame["subject"]) == ["0001", "0001", "0002", "0002"]
    assert list(frame["camera"]) == ["C1", "C1", "C2", "C3"]
    assert frame.attrs["notes"][0] == "1 images lack the four digits or the camera in their path and were left out"
    assert "near infrared" in frame.attrs["notes"][1]
