"""`facegap plan`: people for a margin, and a plan that an audit reads back unchanged."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facegap.audit.plan_file import read_plan
from facegap.audit.settings import AuditSettings, Groups, Verify
from facegap.cli import app
from facegap.errors import SettingError, TableError
from facegap.plan.ahead import needs, plan_text, requirements, write_plan
from facegap.statistics.sizes import Sampling, people_needed


def required(by: str = "gender", **more: Any) -> Any:
    settings = more.pop("settings", AuditSettings(by=by))
    return requirements(settings, **{"groups": "female,male", "metric_names": ["error_rate_all"], **more})


def test_two_groups_and_one_metric_are_one_test_at_alpha() -> None:
    (chosen,) = [need for need in needs(required(expect=["error_rate_all=0.05"])) if need.chosen]
    assert chosen.margin.size == 0.02
    assert chosen.find == people_needed("image", Sampling(1, 0.1), rate=0.05, margin=0.02, is_ratio=False, alpha=0.05)


def test_more_groups_and_metrics_need_a_smaller_alpha() -> None:
    one = required(groups="14", metric_names=["fmr", "fnmr"])
    assert (one.tests, one.groups) == (182, ())
    assert one.alpha == pytest.approx(0.05 / 182)
    assert one.sampling.photographs == 2


def test_no_plan_has_fewer_people_than_the_minimum() -> None:
    settings = AuditSettings(by="gender", groups=Groups(min_subjects=60, margin=("error_rate_all=0.5",)))
    (chosen,) = [need for need in needs(required(settings=settings)) if need.chosen]
    assert chosen.find == 60


def test_a_written_plan_is_read_back_unchanged(tmp_path: Path) -> None:
    verify = Verify(fmr=(1e-4, 1e-3))
    groups = Groups(margin=("fmr=x3",), alpha=0.01, min_subjects=30, cluster=("studio",))
    settings = AuditSettings(by="gender,race*gender", verify=verify, groups=groups)
    one = required(
        settings=settings,
        groups='a "quoted" group,höher',
        metric_names=["fmr", "fnir"],
        primary="race*gender",
        people_per_cluster=5,
        cluster_correlation=0.02,
        rank=[1],
        fpir=[0.01],
        name="Zürich\n\x1b[1m",
    )
    _, sha256 = write_plan(one, tmp_path / "plan.toml")
    plan, read = read_plan(tmp_path / "plan.toml")
    assert read == sha256
    assert plan.words == {
        "by": "gender,race*gender",
        "alpha": 0.01,
        "level": 0.95,
        "min_subjects": 30,
        "cluster": ("studio",),
        "margin": ("fmr=x3", "fnir=x2"),
        "fmr": (1e-4, 1e-3),
        "rank": (1,),
        "fpir": (0.01,),
    }
    assert plan.primary.groups == ('a "quoted" group', "höher")
    assert (plan.name, [sample.metric for sample in plan.sample]) == ("Zürich\n\x1b[1m", ["fmr", "fnir"])


def test_a_plan_is_never_overwritten(tmp_path: Path) -> None:
    write_plan(required(), tmp_path / "plan.toml")
    with pytest.raises(TableError, match="never overwritten"):
        write_plan(required(people=100), tmp_path / "plan.toml")


def test_a_given_number_of_people_is_planned() -> None:
    one = required(people=157)
    assert "people = 157" in plan_text(one, needs(one))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"by": ""}, "--by is missing"),
        ({"primary": "race"}, "--primary race: not a term of --by"),
        ({"groups": "female"}, "at least two groups"),
        ({"groups": "1"}, "at least two groups"),
        ({"metric_names": ["fnrm"]}, "--metric fnrm: not known; did you mean 'fnmr'"),
        ({"expect": ["fmr=0.1"]}, "'fmr' is not among --metric"),
        ({"expect": ["error_rate_all=5"]}, "a rate between 0 and 1"),
        ({"metric_names": ["fnmr"], "photographs": 1}, "at least two photographs"),
        ({"people_per_cluster": 5}, "needs --cluster"),
    ],
)
def test_impossible_plans_are_errors_with_a_remedy(more: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        required(**more)


def test_a_margin_that_no_number_of_people_can_reach_needs_people() -> None:
    one = required(expect=["error_rate_all=0.99"])
    with pytest.raises(SettingError, match="--people"):
        plan_text(one, needs(one))


def test_the_command_writes_the_plan_and_says_what_to_do_with_its_hash(tmp_path: Path) -> None:
    out = tmp_path / "plan.toml"
    words = ["plan", "--by", "gender", "--groups", "female,male", "--out", str(out)]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0
    assert read_plan(out)[1] in found.output.replace("\n", "")
    assert CliRunner().invoke(app, ["plan"]).exit_code == 2
