"""The suite file: the audits that it defines, and every error with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.suite.settings import Suite, read_suite

TEXT = """title = "Which model"
detect = "yunet_dynamic"
embed = ["mobileface_v2", "own/net.onnx"]
classify = ["ssrnet_gender_imdb"]
by = ["gender", "gender*race"]

[settings]
min_subjects = 30

[[set]]
name = "legislators"
title = "US legislators"
manifest = "congress/members.csv"
by = ["gender"]
embed_settings = { fmr = 0.01 }

[[set]]
name = "fairface"
manifest = "labels.csv"
classify = []
[set.settings]
threshold_on = "congress/members.csv"
impostors_only = true
min_subjects = 10
"""


def read(folder: Path, text: str = TEXT) -> Suite:
    (folder / "suite.toml").write_text(text)
    return read_suite(folder / "suite.toml", folder / "out", words={"workers": 2})


def test_a_suite_defines_one_audit_for_every_model_of_every_set(tmp_path: Path) -> None:
    suite = read(tmp_path)
    assert [[audit.name for audit in one.audits] for one in suite.sets] == [
        ["ssrnet_gender_imdb", "mobileface_v2", "net"],
        ["mobileface_v2", "net"],
    ]
    first, second, third = suite.sets[0].audits
    assert (first.settings.classify, first.settings.embed, first.settings.by) == ("ssrnet_gender_imdb", None, "gender")
    assert first.settings.verify.fmr == (0.001,)
    assert second.settings.verify.fmr == (0.01,)  # for embedders only
    assert third.settings.embed == str(tmp_path / "own/net.onnx")  # next to the suite file
    assert second.settings.output.folder == tmp_path / "out" / "runs" / "legislators" / "mobileface_v2"
    assert {audit.settings.detect for one in suite.sets for audit in one.audits} == {"yunet_dynamic"}
    assert {audit.settings.models.workers for one in suite.sets for audit in one.audits} == {2}


def test_settings_of_a_set_override_those_of_the_suite(tmp_path: Path) -> None:
    legislators, fairface = read(tmp_path).sets
    assert legislators.audits[0].settings.groups.min_subjects == 30
    assert fairface.audits[0].settings.groups.min_subjects == 10
    assert fairface.audits[0].settings.by == "gender,gender*race"
    assert fairface.audits[0].settings.verify.threshold_on == tmp_path / "congress/members.csv"
    assert (legislators.title, fairface.title) == ("US legislators", "fairface")
    assert fairface.manifest == tmp_path / "labels.csv"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('by = ["gender", "gender*race"]', "by = 3", 5, "key by: give a list of groupings"),
        ('title = "US', 'titel = "US', 12, "(legislators), key titel: unknown; did you mean title?"),
        ('name = "fairface"', 'name = "../up"', 18, "key name: give a name of letters, digits, - and _"),
        ("min_subjects = 30", "min_subject = 30", 8, "key min_subject: unknown; did you mean 'min_subjects'?"),
        (
            "min_subjects = 30",
            "min_subjects = true",
            8,
            "key min_subjects: Input should be a valid integer (it is True)",
        ),
        ("min_subjects = 30", 'by = "race"', 8, "key by: --by of facegap audit is not allowed here"),
        ("min_subjects = 30", "resume = true", 8, "key resume: --resume of facegap audit is not allowed"),
        (
            "min_subjects = 30",
            "no_isolation = true",
            8,
            "key no_isolation: --no-isolation of facegap audit is not allowed",
        ),
        (
            "min_subjects = 30",
            "allow_outside = true",
            8,
            "key allow_outside: --allow-outside of facegap audit is not allowed",
        ),
        ("min_subjects = 30", 'scheduler = "local:2"', 8, "key scheduler: --scheduler of facegap audit is not allowed"),
        (
            "impostors_only = true",
            "sample_pairs = 1000",
            23,
            "key sample_pairs: --sample-pairs of facegap audit is not allowed",
        ),
        ("impostors_only = true", "min_face = 'small'", 23, "key min_face: Input should be a valid integer"),
        ("fmr = 0.01", "fmr = 7", 10, "[[set]] legislators: --fmr 7: must be from 0 to 1"),
        ('manifest = "labels.csv"', "", 17, "[[set]] 2 (fairface), key manifest: missing"),
    ],
)
def test_a_mistake_is_named_with_its_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in TEXT
    with pytest.raises(TableError) as error:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert f"suite.toml line {line}" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "fairface"', 'name = "Legislators"', "two [[set]] have the same name"),
        ('"own/net.onnx"', '"mobileface_v2"', "embed lists a model twice"),
        ("classify = []", "classify = []\nembed = []", "[[set]] fairface has no model"),
        ("[[set]]", "[[set", "not valid TOML"),
    ],
)
def test_inconsistent_files_are_rejected(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(TableError) as error:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert said in str(error.value)


def test_two_models_with_equal_stems_have_separate_folders(tmp_path: Path) -> None:
    text = TEXT.replace('"own/net.onnx"', '"own/net.onnx", "other/net.onnx", "a b.onnx"')
    assert [audit.name for audit in read(tmp_path, text).sets[1].audits] == ["mobileface_v2", "net", "net-2", "a_b"]
