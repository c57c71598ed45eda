"""The columns template and media: one subject and one set of labels, or an error with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.manifests.templates import by_template

HEAD = "image,subject,gender,template,media\n"


def read(folder: Path, text: str) -> Manifest:
    (folder / "m.csv").write_text(text)
    return by_template(read_manifest(folder / "m.csv"))


def test_rows_of_one_template_are_one_row_in_order_of_appearance(tmp_path: Path) -> None:
    table = read(tmp_path, HEAD + "a.png,ann,f,t9,v\nb.png,bob,m,t1,v\nc.png,ann,f, t9 ,v\n")
    assert table.frame[["line", "image", "subject", "gender"]].values.tolist() == [
        [2, "t9", "ann", "female"],
        [3, "t1", "bob", "male"],
    ]
    assert table.labels == ("gender",)
    assert table.members is not None
    assert table.by_image.frame["image"].tolist() == ["a.png", "b.png", "c.png"]


def test_without_the_column_the_manifest_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,subject,media\na.png,ann,print\n")
    table = read_manifest(tmp_path / "m.csv")
    assert by_template(table) is table
    assert table.labels == ("media",)  # an ordinary label
    assert table.by_image is table


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "a,ann,f,t,1\nb,ann,f,u,1\nc,bob,f,t,1\n",
            r"m.csv line 4, column subject: template 't' has 'bob' here and 'ann' on line 2",
        ),
        (
            "a,ann,f,t,1\nb,ann,m,t,1\n",
            r"m.csv line 3, column gender: template 't' has 'male' here and 'female' on line 2",
        ),
        ("a,ann,f,t,1\nb,ann,f,,1\n", r"m.csv line 3, column template: empty; name the template"),
        ("a,ann,f,t,1\nb,ann,f,t,\n", r"m.csv line 3, column media: empty; name the medium"),
    ],
)
def test_what_cannot_be_pooled_is_named_by_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(tmp_path, HEAD + rows)


def test_without_subjects_each_template_is_a_person(tmp_path: Path) -> None:
    table = read(tmp_path, "image,template\na.png,t\nb.png,t\nc.png,u\n")
    assert table.frame["subject"].tolist() == ["t", "u"]
