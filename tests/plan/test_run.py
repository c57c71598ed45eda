"""The gaps that a run could have found: attached to its folder, hashed, and described in sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import RunError
from facegap.plan.families import own_families
from facegap.plan.page import own_lines, own_tables, points
from facegap.plan.run import PAGE, RESULT, add_power, power_of_finished_run, simulated_power, worlds_for
from facegap.store.run import read_run
from fixtures.settings import audit_embeddings, audit_predictions

RENDERS_CHARTS = True  # labels appear in charts, too

HOSTILE = '<script>document.title="owned"</script>'


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A run on predictions: 30 people in two groups with two images each; group a errs on a fifth, group b on a tenth."""
    folder = tmp_path_factory.mktemp("answers")
    rows, said = ["image,subject,gender,kind"], ["image,prediction"]
    for person in range(60):
        kind, gender = (HOSTILE if person < 30 else "plain"), "female" if person % 2 else "male"
        for shot in range(2):
            quoted = kind.replace('"', '""')
            rows.append(f'{person}-{shot}.png,{person},{gender},"{quoted}"')
            wrong = person % (5 if person < 30 else 10) == 0
            said.append(f"{person}-{shot}.png,{('male' if gender == 'female' else 'female') if wrong else gender}")
    (folder / "people.csv").write_text("\n".join(rows) + "\n")
    (folder / "said.csv").write_text("\n".join(said) + "\n")
    return folder


@pytest.fixture
def run_folder(answers, tmp_path):
    audit_predictions(answers / "said.csv", answers / "people.csv", by="kind", out=tmp_path / "run")
    return tmp_path / "run"


EXPLORED = "2 exploratory gaps, which have no verdict"


def test_families_are_the_people_and_errors_of_the_run(run_folder):
    (family,), left_out = own_families(read_run(run_folder))
    assert (family.metric, family.grouping, family.sort, left_out) == ("error_rate_all", "kind", "singles", [EXPLORED])
    assert (family.errors, family.trials) == (18, 120)
    assert [group.trials.tolist() for group in family.groups] == [[2] * 30, [2] * 30]
    assert family.rate == pytest.approx(0.15)
    assert family.strength == 0.9  # capped; both images of a person are always wrong together


def test_the_page_is_attached_hashed_and_says_the_same_each_time(run_folder):
    before = {
        path.name: path.read_bytes() for path in run_folder.iterdir() if path.is_file() and path.name != "SHA256SUMS"
    }
    powers, _ = power_of_finished_run(run_folder, workers=1)
    assert recheck(run_folder) == []
    assert {name: (run_folder / name).read_bytes() for name in before} == before
    first = (run_folder / RESULT).read_bytes()
    power_of_finished_run(run_folder, workers=2)
    assert (run_folder / RESULT).read_bytes() == first
    assert PAGE in (run_folder / "SHA256SUMS").read_text()
    sentence = own_lines(powers, [])[0]
    assert "With 30 subjects in each of 2 groups and 15% errors" in sentence
    assert "is found with probability" in sentence


def test_labels_are_text_on_the_page(run_folder):
    power_of_finished_run(run_folder, workers=1)
    page = (run_folder / PAGE).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_changed_run_is_not_hashed_again(run_folder):
    (run_folder / "rates.csv").write_text("changed")
    with pytest.raises(RunError, match="changed after it finished"):
        power_of_finished_run(run_folder)


def test_a_changed_page_is_made_again(run_folder):
    power_of_finished_run(run_folder, workers=1)
    (run_folder / PAGE).write_text("changed")
    assert recheck(run_folder) != []
    power_of_finished_run(run_folder, workers=1)
    assert recheck(run_folder) == []


def test_a_run_without_two_groups_of_enough_people_says_so(answers, tmp_path):
    run = audit_predictions(
        answers / "said.csv", answers / "people.csv", by="kind", groups={"min_subjects": 40}, out=tmp_path / "run"
    )
    powers, left_out = add_power(tmp_path / "run", run)
    assert powers == []
    assert left_out == ["error_rate_all by kind: fewer than two groups of 40 subjects"]
    assert json.loads((tmp_path / "run" / RESULT).read_text())["families"] == []
    assert recheck(tmp_path / "run") == []


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory):
    """A run over templates: 60 people with two images each, in two groups."""
    folder, rng = tmp_path_factory.mktemp("templates"), np.random.default_rng(0)
    people = np.repeat(rng.standard_normal((60, 8)), 2, axis=0)
    np.save(folder / "templates.npy", (people + 0.4 * rng.standard_normal(people.shape)).astype(np.float32))
    rows = [f"{k}.png,{k // 2},{'a' if k < 60 else 'b'}" for k in range(120)]
    (folder / "people.csv").write_text("image,subject,kind\n" + "\n".join(rows) + "\n")
    settings = Verify((), None, (0.8,))
    return audit_embeddings(folder / "templates.npy", folder / "people.csv", by="kind", verify=settings)


def test_comparisons_are_planted_as_false_matches_and_false_non_matches(comparisons):
    families, left_out = own_families(comparisons)
    assert [(family.metric, family.sort) for family in families] == [("fnmr", "singles"), ("fmr", "pairs")]
    fmr = families[1]
    assert [group.trials.tolist() for group in fmr.groups] == [[2] * 30, [2] * 30]
    rows = comparisons.rates[(comparisons.rates["metric"] == "fmr") & comparisons.rates["kind"].isin(["a", "b"])]
    own = rows[rows["other_kind"] == ""]
    assert (fmr.errors, fmr.trials) == (own["errors"].sum(), own["trials"].sum())
    assert left_out == ["3 exploratory gaps, which have no verdict"]
    assert [family.beside for family in families] == [1, 1]


def test_gaps_between_comparisons_are_found_more_often_the_larger_they_are(comparisons):
    powers, _ = simulated_power(comparisons, worlds=30, workers=1)
    planted = [power.found[0][~np.isnan(power.found[0])] for power in powers]  # ten times 18% is impossible
    assert all(len(found) >= 3 and found[-1] > found[0] for found in planted)
    assert len(own_tables(powers)) == 2


def test_many_groups_get_fewer_worlds(comparisons):
    family = own_families(comparisons)[0][0]
    assert worlds_for(family) == 500
    assert worlds_for(type(family)(**{**vars(family), "groups": family.groups * 20})) == 166  # six rates for each of 40


def test_a_difference_of_one_point_is_singular() -> None:
    assert [points(gap) for gap in (0.01, 0.05, 0.001)] == ["1 point", "5 points", "0.1 points"]
