"""A plan fixes settings of an audit, contradicting options are rejected, and the record and report name it."""

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.plan_file import PlanFile, read_plan
from facegap.audit.record import as_first_read, require_same_request
from facegap.cli import app
from facegap.errors import FacegapError, RunError, SettingError, TableError
from facegap.report.groups import gap_table
from facegap.report.planned import plan_notes, sample_rows
from facegap.store.run import Run, read_run
from fixtures.settings import audit_predictions

TEXT = """version = 1
by = ["town", "gender"]
alpha = 0.01
min_subjects = 10

[primary]
by = ["gender"]
metrics = ["error_rate_all"]
groups = ["female", "male"]

[margins]
error_rate_all = "0.1"

[[sample]]
metric = "error_rate_all"
people = 50
photographs = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image = [f"{k}.png" for k in range(80)]
    people = pd.DataFrame({"image": image, "subject": image, "gender": ["female", "male"] * 40})
    people["town"] = ["Ayr"] * 40 + ["Bonn"] * 40
    people.to_csv(tmp_path / "people.csv", index=False)
    said = ["male" if k % 4 == 0 else label for k, label in enumerate(people["gender"])]
    pd.DataFrame({"image": image, "prediction": said}).to_csv(tmp_path / "said.csv", index=False)
    (tmp_path / "plan.toml").write_text(TEXT)
    return tmp_path


def audited(folder: Path, **settings: object) -> Run:
    groups = {"plan": folder / "plan.toml", **settings.pop("groups", {})}  # type: ignore[dict-item]
    return audit_predictions(folder / "said.csv", folder / "people.csv", groups=groups, **settings)


def test_an_audit_judges_by_its_plan(folder: Path) -> None:
    run = audited(folder)
    assert run.record.groupings == (("town",), ("gender",))
    assert (run.record.alpha, run.record.min_subjects) == (0.01, 10)
    primary = run.gaps[run.gaps["primary"]]
    assert [(row["family"], row["metric"], row["margin"]) for _, row in primary.iterrows()] == [
        ("gender", "error_rate_all", 0.1)
    ]
    assert set(run.gaps[~run.gaps["primary"]]["verdict"]) == {"exploratory"}


def test_record_and_report_name_the_plan_by_its_hash(folder: Path) -> None:
    run = audited(folder, out=folder / "run")
    sha256 = hashlib.sha256(TEXT.encode()).hexdigest()
    stored = read_run(folder / "run").record.plan
    assert stored is not None and stored == run.record.plan
    assert (stored.file, stored.sha256, stored.by, stored.metrics) == (
        "plan.toml",
        sha256,
        (("gender",),),
        ("error_rate_all",),
    )
    notes = " ".join(gap_table(read_run(folder / "run")).notes)
    assert sha256 in notes and "before the predictions were read" in notes and "does not prove" in notes
    assert [(row.group, row.planned, row.reached) for row in sample_rows(run)] == [("female", 50, 40), ("male", 50, 40)]


def test_a_run_without_a_plan_says_so(folder: Path) -> None:
    run = audit_predictions(folder / "said.csv", folder / "people.csv")
    assert run.record.plan is None
    assert plan_notes(run)[0].startswith("No plan was given")


@pytest.mark.parametrize(
    ("settings", "both"),
    [
        ({"by": "gender"}, r"--by gender contradicts the plan .*plan\.toml, which says by = town,gender"),
        ({"by": "gender,town"}, r"--by gender,town contradicts"),
        ({"groups": {"alpha": 0.02}}, r"--alpha 0\.02 contradicts the plan .*, which says alpha = 0\.01"),
        ({"groups": {"min_subjects": 5}}, r"--min-subjects 5 .* min_subjects = 10"),
        (
            {"groups": {"margin": ("error_rate_all=0.02",)}},
            r"--margin error_rate_all=0\.02 .* margins = error_rate_all=0\.1",
        ),
        ({"groups": {"cluster": ("town",)}}, r"--cluster town .* cluster = nothing"),
        ({"groups": {"level": 0.9}}, r"--level 0\.9 .* level = 0\.95"),
    ],
)
def test_a_setting_that_contradicts_the_plan_is_an_error_that_names_both(
    folder: Path, settings: dict[str, object], both: str
) -> None:
    with pytest.raises(SettingError, match=both):
        audited(folder, **settings)


def test_a_setting_that_says_the_same_is_none(folder: Path) -> None:
    audited(folder, by="town, gender", groups={"alpha": 0.01, "margin": ("error_rate_all=0.1",)})


def test_on_the_command_line_a_default_that_was_typed_contradicts_too(folder: Path) -> None:
    words = [
        "audit-predictions",
        str(folder / "said.csv"),
        str(folder / "people.csv"),
        "--plan",
        str(folder / "plan.toml"),
    ]
    found = CliRunner().invoke(app, [*words, "--alpha", "0.05", "--out", str(folder / "run")])
    assert isinstance(found.exception, SettingError)
    assert "--alpha 0.05 contradicts the plan" in str(found.exception)
    assert CliRunner().invoke(app, [*words, "--out", str(folder / "run")]).exit_code == 0


def test_groups_that_are_not_the_planned_ones_are_an_error(folder: Path) -> None:
    (folder / "plan.toml").write_text(TEXT.replace('"female", "male"', '"female", "other"'))
    with pytest.raises(TableError, match=r"has no group other and also has male; .*--where"):
        audited(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "alpha = 0.01",
            "alpha = 5",
            r"plan\.toml: key alpha: give a false-alarm rate from 0\.0001 to 0\.2 \(it is 5\)",
        ),
        ("min_subjects", "min_subject", r"key min_subject: unknown; did you mean min_subjects\?"),
        ("version = 1", "version = 2", "version = 1"),
        ("version = 1\n", "", "key version: missing"),
        ('by = ["gender"]', 'by = ["race"]', r"key primary\.by: 'race' is not a term of by \(town, gender\)"),
        ('by = ["town", "gender"]', 'by = "town"', "key by: give a list of terms"),
        ('by = ["town", "gender"]', 'by = ["town", "a,b"]', "one term of --by"),
        ('metrics = ["error_rate_all"]', 'metrics = ["error_rate"]', "no metric; did you mean 'error_rate_a"),
        ('metrics = ["error_rate_all"]', "metrics = []", "a list of metrics"),
        ('error_rate_all = "0.1"', 'error_rate_all = "10%"', r"key margins\.error_rate_all: .*not understood"),
        ('error_rate_all = "0.1"', "error_rate_all = 0.1", "margins"),
        ('error_rate_all = "0.1"', 'wrong = "0.1"', r"key margins\.wrong: no metric"),
        ('metric = "error_rate_all"', 'metric = "fmr"', "not a metric of the primary family"),
        ("people = 50", "people = 0", "a whole number of people"),
        ("people = 50", "peple = 50", "did you mean people"),
        ("[[sample]]", "[sample]", r"write \[\[sample\]\]"),
        ("version = 1", "version = 1 x", "not valid TOML.*line 1"),
    ],
)
def test_a_broken_plan_names_file_key_and_cure(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "plan.toml").write_text(TEXT.replace(old, new, 1) if old != 'by = ["gender"]' else TEXT.replace(old, new))
    with pytest.raises(FacegapError, match=said):
        audited(folder)


def test_a_metric_that_nothing_measures_is_an_error(folder: Path) -> None:
    (folder / "plan.toml").write_text(TEXT.replace("error_rate_all", "fnmr").replace('"0.1"', '"x2"'))
    with pytest.raises(
        SettingError, match="has fnmr in its primary family, but in an audit of a black box that can classify"
    ):
        audited(folder)


def test_the_command_that_makes_a_run_again_does_not_contradict_its_plan(folder: Path) -> None:
    from facegap.report.reproduce import command_of

    said = command_of(audited(folder).record)
    assert "--plan plan.toml" in said
    words = [
        {"PREDICTIONS.csv": "said.csv", "MANIFEST.csv": "people.csv"}.get(word, word) for word in shlex.split(said)[1:]
    ]
    words = [str(folder / word) if word.endswith((".csv", ".toml")) else word for word in words[:-1]]
    assert CliRunner().invoke(app, [*words, str(folder / "again")]).exit_code == 0


def test_thresholds_are_targets_or_scores() -> None:
    at = {"fmr": [0.001], "threshold": [0.4]}
    whole = {"version": 1, "by": ["gender"], "primary": {"by": ["gender"], "metrics": ["fmr"]}, "thresholds": at}
    with pytest.raises(ValueError, match="either fmr"):
        PlanFile.model_validate(whole)


def test_every_key_of_a_plan_is_described(tmp_path: Path) -> None:
    from facegap.audit.plan_file import PrimaryTable, SampleTable, ThresholdsTable

    docs = (Path(__file__).parents[2] / "docs/plan.md").read_text(encoding="utf-8")
    for table in (PlanFile, PrimaryTable, ThresholdsTable, SampleTable):
        for key in table.model_fields:
            assert f"`{key}`" in docs or f"`[{key}]`" in docs or f"`[[{key}]]`" in docs, key


def test_the_hash_is_that_of_the_bytes(folder: Path) -> None:
    assert read_plan(folder / "plan.toml")[1] == hashlib.sha256((folder / "plan.toml").read_bytes()).hexdigest()


def test_a_run_is_not_resumed_with_another_plan_and_keeps_when_it_first_read_its_own(folder: Path) -> None:
    request = audited(folder).record.request
    assert request.plan is not None
    later = replace(request, plan=replace(request.plan, read_at="2031-01-01T00:00:00+00:00"))
    require_same_request(folder, request, as_first_read(later, request))
    other = replace(later, plan=replace(request.plan, sha256="0" * 64))
    with pytest.raises(RunError, match=r"differs in plan\.sha256;"):
        require_same_request(folder, request, as_first_read(other, request))
