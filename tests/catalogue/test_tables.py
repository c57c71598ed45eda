"""`facegap manifest`: `facegap check` accepts what every adapter writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from facegap.audit.settings import AuditSettings
from facegap.catalogue.own_csv import OwnColumns
from facegap.catalogue.tables import check_manifest, write_manifest
from facegap.cli import app
from facegap.errors import SettingError, TableError
from facegap.inputs.manifests.read import read_manifest
from fixtures.dataset_trees import TREES


@pytest.mark.parametrize("adapter", TREES)
def test_the_manifest_of_each_layout_passes_the_check(adapter: str, tmp_path: Path) -> None:
    TREES[adapter](tmp_path)
    sentences = write_manifest(adapter, tmp_path, None)
    assert sentences[-1].endswith(f"next: facegap check {tmp_path / 'manifest.csv'}")
    assert (tmp_path / "manifest.csv").stat().st_mode & 0o77 == 0
    checked = check_manifest(tmp_path / "manifest.csv", AuditSettings())
    assert checked.problem == ""
    counts = dict(checked.tables[0].rows)
    assert counts["files that do not exist"] == counts["files that cannot be decoded"] == "0"
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert len(manifest.frame) == int(counts["images"]) >= 2


@pytest.mark.parametrize("adapter", TREES)
def test_an_empty_folder_is_not_the_layout_of_any(adapter: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=rf"not the layout of {adapter}; looked for .*, found nothing"):
        write_manifest(adapter, tmp_path, None)
    with pytest.raises(TableError, match="no such folder"):
        write_manifest(adapter, tmp_path / "lost", None)


def test_a_manifest_elsewhere_is_checked_with_the_folder_of_its_images(tmp_path: Path) -> None:
    TREES["cfd"](tmp_path / "cfd")
    said = write_manifest("cfd", tmp_path / "cfd", tmp_path / "people.csv")[-1]
    assert said.endswith(f"facegap check {tmp_path / 'people.csv'} --images-dir {tmp_path / 'cfd'}")


def test_what_was_left_out_is_printed(tmp_path: Path) -> None:
    TREES["mst_e"](tmp_path)
    shown = CliRunner().invoke(app, ["manifest", "mst_e", str(tmp_path)])
    assert shown.exit_code == 0
    assert "1 rows that are not images (videos, raw files) were left out." in shown.output


def test_options_of_a_table_are_refused_with_a_folder(tmp_path: Path) -> None:
    TREES["cfd"](tmp_path)
    shown = CliRunner().invoke(app, ["manifest", "cfd", str(tmp_path), "--label", "gender=Sex"])
    assert isinstance(shown.exception, SettingError)
    assert "for `manifest csv`; the columns of cfd are known" in str(shown.exception)
    with pytest.raises(TableError, match="--subject is for the adapters folders and csv"):
        write_manifest("cfd", tmp_path, None, subject="name")
    with pytest.raises(TableError, match="--subject person: for folders, use one of folder, name, nobody"):
        write_manifest("folders", tmp_path, None, subject="person")


def test_a_manifest_lies_where_its_images_are_named_from(tmp_path: Path) -> None:
    TREES["fhibe"](tmp_path)
    (csv,) = tmp_path.rglob("fhibe_face_crop_align.csv")
    csv.write_text(csv.read_text().replace("data/raw/", "raw/"))
    said = write_manifest("fhibe", tmp_path, None)[-1]
    assert said.endswith(f"facegap check {tmp_path / 'data' / 'manifest.csv'}")
    assert check_manifest(tmp_path / "data" / "manifest.csv", AuditSettings()).problem == ""


@pytest.mark.real
def test_the_table_of_the_legislators_is_a_table_of_one_s_own(test_data: Path, tmp_path: Path) -> None:
    own = OwnColumns(labels=("gender", "state"), ages=("age=birth_year,snapshot",))
    said = write_manifest(
        "csv", test_data / "data/congress/members.csv", tmp_path / "people.csv", subject="subject", own=own
    )
    assert "1,418 images of 1,160 people, columns image, subject, gender, state, age" in said[-1]
    manifest = read_manifest(tmp_path / "people.csv", images_dir=test_data / "data/congress")
    assert manifest.frame["age"][0] == "76-77"  # born in 1938, photographed in 2015
    assert dict(manifest.frame["gender"].value_counts()) == {"male": 1106, "female": 312}
