"""Every rule ends in one of three states, decided on the interval; the exit code reports it; policies are parsed strictly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.errors import RunError, TableError
from facegap.gate.policy import Rule, read_policy
from facegap.gate.rules import gate, outcome, state_of
from facegap.store.run import read_run
from fixtures.settings import audit_predictions

DOCS = Path(__file__).parents[2] / "docs"
HOSTILE = "=1+1<script>alert(1)</script>"


def audited(
    folder: Path, *, wrong_women: int, women: int = 200, men: int = 200, least: int = 20, town: str = "Ayr"
) -> Path:
    """A run in which this many women and two men are misclassified."""
    folder.mkdir(exist_ok=True)
    gender = ["female"] * women + ["male"] * men
    said = ["male"] * wrong_women + ["female"] * (women - wrong_women) + ["female"] * 2 + ["male"] * (men - 2)
    image = [f"{k}.png" for k in range(len(gender))]
    people = pd.DataFrame(
        {"image": image, "subject": image, "gender": gender, "town": [town, "Bonn"] * (len(gender) // 2)}
    )
    people.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": said}).to_csv(folder / "said.csv", index=False)
    out = folder / "run"
    audit_predictions(
        folder / "said.csv", folder / "people.csv", by="gender,town", groups={"min_subjects": least}, out=out
    )
    return out


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 of 200 women misclassified, and 2 of 200 men."""
    return audited(tmp_path_factory.mktemp("unequal"), wrong_women=60)


def policy(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text("version = 1\n" + text, encoding="utf-8")
    return path


def states(run: Path, folder: Path, text: str) -> list[str]:
    return [found.state for found in gate(run, policy(folder, text))[1]]


def rate(limit: float, **more: Any) -> str:
    keys = "".join(f"{key} = {value!r}\n" for key, value in more.items())
    return f'[[rate]]\nmetric = "error_rate_all"\nmax = {limit}\n{keys}'


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [
        (0.01, 0.05, "holds"),
        (0.01, 0.0501, "cannot tell"),
        (0.0501, 0.2, "broken"),
        (0.05, 0.2, "cannot tell"),
        (math.nan, math.nan, "cannot tell"),
    ],
)
def test_a_limit_is_evaluated_on_the_whole_interval(low: float, high: float, state: str) -> None:
    assert state_of(0.04, low, high, Rule("rate", "", "fta", 0.05)) == state


def test_the_point_value_is_used_only_where_the_rule_says_so() -> None:
    rule = Rule("rate", "", "fta", 0.05, judge="point")
    assert state_of(0.04, 0.01, 0.3, rule) == "holds"
    assert state_of(0.06, 0.01, 0.3, rule) == "broken"
    assert state_of(math.nan, 0.01, 0.3, rule) == "cannot tell"


def test_the_worst_group_decides(unequal: Path, tmp_path: Path) -> None:
    # women: 60 of 200, Wilson .240 to .367
    assert states(unequal, tmp_path, rate(0.4, by="gender")) == ["holds"]
    assert states(unequal, tmp_path, rate(0.3, by="gender")) == ["cannot tell"]
    assert states(unequal, tmp_path, rate(0.3, by="gender", judge="point")) == ["holds"]
    assert states(unequal, tmp_path, rate(0.1, by="gender")) == ["broken"]
    assert states(unequal, tmp_path, rate(0.1, by="gender", groups=["male"])) == ["holds"]
    found = gate(unequal, policy(tmp_path, rate(0.1, by="gender")))[1][0]
    assert "female 30.00% [24.08, 36.68] 60/400" not in found.line
    assert "female 30.00% [24.0" in found.line and "60/200, 200 people; limit 10.00%" in found.line


def test_gaps_are_compared_with_their_limit_whichever_group_is_worse(unequal: Path, tmp_path: Path) -> None:
    gap = '[[gap]]\nmetric = "error_rate_all"\nby = "gender"\n'
    assert states(unequal, tmp_path, gap + "max_difference = 0.5\n") == ["holds"]
    assert states(unequal, tmp_path, gap + "max_difference = 0.3\n") == ["cannot tell"]
    assert states(unequal, tmp_path, gap + "max_difference = 0.1\n") == ["broken"]
    assert states(unequal, tmp_path, gap + "max_ratio = 2\n") == ["broken"]
    run = read_run(unequal)
    turned = run.gaps.assign(
        difference=-run.gaps["difference"],
        difference_low=-run.gaps["difference_high"],
        difference_high=-run.gaps["difference_low"],
        group_a=run.gaps["group_b"],
        group_b=run.gaps["group_a"],
    )
    rule = Rule("gap", "", "error_rate_all", 0.1, "difference", by=("gender",))
    import dataclasses

    assert outcome(rule, dataclasses.replace(run, gaps=turned)).state == "broken"


def test_verdicts_that_are_forbidden_break_a_rule_and_too_little_data_cannot_tell(
    unequal: Path, tmp_path: Path
) -> None:
    verdict = '[[verdict]]\nmetric = "error_rate_all"\nby = "{}"\nforbid = {}\n'
    run = read_run(unequal)
    of_gender = run.gaps[(run.gaps["family"] == "gender") & (run.gaps["metric"] == "error_rate_all")]["verdict"].iloc[0]
    assert of_gender == "gap larger than the margin"  # a forbidden gap implies forbidden larger gaps
    assert states(unequal, tmp_path, verdict.format("gender", '["gap"]')) == ["broken"]
    assert states(unequal, tmp_path, verdict.format("gender", '["gap larger than the margin"]')) == ["broken"]
    assert states(unequal, tmp_path, verdict.format("gender", '["no gap larger than the margin"]')) == ["holds"]
    alike = audited(tmp_path, wrong_women=4)
    assert read_run(alike).gaps.query("primary")["verdict"].tolist() == ["not enough data"]
    assert states(alike, tmp_path, verdict.format("gender", '["gap"]')) == ["cannot tell"]
    assert states(alike, tmp_path, verdict.format("gender", '["gap", "not enough data"]')) == ["broken"]


def test_a_rule_on_the_verdict_of_an_exploratory_gap_is_an_error_with_its_remedy(unequal: Path, tmp_path: Path) -> None:
    of_town = '[[verdict]]\nmetric = "error_rate_all"\nby = "town"\nforbid = ["gap"]\n'
    with pytest.raises(
        TableError, match=r"policy\.toml.*1 of the 1 gaps it applies to are exploratory.*\[\[gap\]\].*plan"
    ):
        states(unequal, tmp_path, of_town)
    everywhere = '[[verdict]]\nmetric = "error_rate_all"\nforbid = ["gap"]\n'
    with pytest.raises(TableError, match=r'1 of the 2 gaps.* by = "gender"'):
        states(unequal, tmp_path, everywhere)
    assert states(unequal, tmp_path, '[[gap]]\nmetric = "error_rate_all"\nby = "town"\nmax_difference = 0.5\n') == [
        "holds"
    ]


def test_people_are_counted_per_group(unequal: Path, tmp_path: Path) -> None:
    assert states(unequal, tmp_path, '[[subjects]]\nmin = 200\nby = "gender"\n') == ["holds"]
    found = gate(unequal, policy(tmp_path, "[[subjects]]\nmin = 201\nby = 'gender'\n"))[1][0]
    assert found.state == "broken"
    assert "200 people; minimum 201" in found.line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rate(0.1, by="race"), "audit it with --by race"),
        ('[[rate]]\nmetric = "fmr"\nmax = 0.1\n', "the run has no_answer_rate, error_rate_answered, error_rate_all"),
        (rate(0.4, by="gender", groups=["nobody"]), "no group nobody"),
        (rate(0.4, by="gender", groups=["female", "nobody"]), "no group nobody"),
        (rate(0.4, threshold=0.3), "no row of the run matches"),
        # a group of another grouping than the rule's: the run has it, but not in this grouping
        (rate(0.5, by="gender", groups=["female", "Ayr"]), "no group Ayr; of the others female 30.00%"),
        ('[[subjects]]\nmin = 5\nby = "gender"\ngroups = ["female", "Ayr"]\n', "no group Ayr; of the others"),
        (
            '[[gap]]\nmetric = "error_rate_all"\nmax_difference = 0.9\ngroups = ["female", "male", "nobody"]\n',
            "no group nobody",
        ),
        (
            '[[gap]]\nmetric = "error_rate_all"\nmax_difference = 0.9\ngroups = ["female"]\n',
            "a gap is between two groups",
        ),
    ],
)
def test_what_the_run_does_not_have_is_undecided(unequal: Path, tmp_path: Path, text: str, said: str) -> None:
    (found,) = gate(unequal, policy(tmp_path, text))[1]
    assert found.state == "cannot tell"
    assert said in found.line


def test_a_line_contains_no_escape_sequence_from_an_edited_run_folder(unequal: Path) -> None:
    run = read_run(unequal)
    edited = replace(run, rates=run.rates.assign(metric="a\x1b[2Jb\u202ec\nd"))
    line = outcome(Rule("rate", "", "fmr", 0.1), edited).line
    assert (
        line == "cannot tell  falsely matched (FMR): no row of the run matches (the run has a\ufffd[2Jb\ufffdc\ufffdd)"
    )


def run_gate(run: Path, path: Path) -> Any:
    return CliRunner().invoke(app, ["gate", str(run), "--policy", str(path)])


def test_exit_codes_are_0_1_and_2_and_broken_goes_first(unequal: Path, tmp_path: Path) -> None:
    for text, code in (
        (rate(0.5), 0),
        (rate(0.5) + rate(0.01, by="gender"), 1),
        (rate(0.5) + rate(0.3, by="gender"), 2),
        (rate(0.3, by="gender") + rate(0.01, by="gender"), 1),
    ):
        result = run_gate(unequal, policy(tmp_path, text))
        assert result.exit_code == code, result.output
        assert len(result.output.splitlines()) == text.count("[[") + 1  # one line per rule, and the summary


def test_a_policy_or_run_that_cannot_be_read_is_an_error_that_ends_with_2(unequal: Path, tmp_path: Path) -> None:
    for run, path in ((unequal, tmp_path / "none.toml"), (tmp_path, policy(tmp_path, rate(0.5)))):
        with pytest.raises((RunError, TableError)):  # main() converts these to one line and exit code 2
            gate(run, path)


def test_a_run_that_was_changed_is_not_evaluated(tmp_path: Path) -> None:
    run = audited(tmp_path / "a", wrong_women=60)
    rates = (run / "rates.csv").read_text()
    (run / "rates.csv").write_text(rates.replace("60,200", "0,200"))
    with pytest.raises(RunError, match="changed after it finished"):
        gate(run, policy(tmp_path, rate(0.5)))


def test_the_example_of_the_documentation_is_read_and_applied_to_a_run(unequal: Path, tmp_path: Path) -> None:
    found = {rule.line.split("  ")[0]: rule for rule in gate(unequal, DOCS / "policy.toml")[1]}
    assert set(found) == {"holds", "broken", "cannot tell"}
    fine = audited(tmp_path / "fine", wrong_women=2, women=2000, men=2000)
    lines = [rule.line for rule in gate(fine, DOCS / "policy.toml")[1]]
    assert [line for line in lines if not line.startswith("holds")] == [
        line
        for line in lines
        if "FTA" in line  # audits of black boxes have no detector
    ]


def test_hostile_names_of_groups_reach_the_terminal_without_escapes(tmp_path: Path) -> None:
    run = audited(tmp_path / "h", wrong_women=60, town=HOSTILE)
    text = rate(0.01, by="town") + '[[rate]]\nname = "\\u001b[31mred"\nmetric = "error_rate_all"\nmax = 0.5\n'
    result = run_gate(run, policy(tmp_path, text))
    assert "\x1b" not in result.output
    assert HOSTILE in result.output


# ---- the file ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rate]]\nmetric = 'fmr'\nmx = 0.1\n", "[[rate]] 1, key mx: unknown; did you mean max?"),
        ("[[rate]]\nmetric = 'fmr'\n", "[[rate]] 1, key max: missing; give a proportion from 0 to 1"),
        ("[[rate]]\nmetric = 'fmrr'\nmax = 0.1\n", "key metric: no metric; did you mean 'fmr'? (it is 'fmrr')"),
        ("[[rate]]\nmetric = 'fmr'\nmax = 10\n", "key max: give a proportion from 0 to 1 (it is 10)"),
        ("[[rate]]\nmetric = 'fmr'\nmax = '0.1'\n", "key max: give a proportion from 0 to 1 (it is '0.1')"),
        ("[[rate]]\nmetric = 'fmr'\nmax = true\n", "key max: give a proportion from 0 to 1 (it is True)"),
        ("[[rate]]\nmetric = 'fmr'\nmax = nan\n", "key max: give a proportion from 0 to 1 (it is nan)"),
        ("[[rate]]\nmetric = 'fmr'\nmax = 0.1\ngroups = 'female'\n", "key groups: give a list of names in quotes"),
        (
            "[[rate]]\nmetric = 'fmr'\nmax = 0.1\nby = 'gender*'\n",
            "key by: give a grouping of the run such as 'gender*race', or 'everybody' (it is 'gender*')",
        ),
        (
            "[[rate]]\nmetric = 'fmr'\nmax = 0.1\njudge = 'luck'\n",
            "key judge: give 'interval' or 'point' (it is 'luck')",
        ),
        ("[rate]\nmetric = 'fmr'\nmax = 0.1\n", "write [[rate]]"),
        ("[[gap]]\nmetric = 'fmr'\n", "give either max_difference or max_ratio"),
        ("[[gap]]\nmetric = 'fmr'\nmax_ratio = 2\nmax_difference = 0.1\n", "give either"),
        ("[[gap]]\nmetric = 'fmr'\nmax_ratio = 0.5\n", "key max_ratio: give a ratio of 1 or more (it is 0.5)"),
        (
            "[[verdict]]\nmetric = 'fmr'\nforbid = ['gapp']\n",
            "key forbid: no verdict; did you mean 'gap'? (it is 'gapp')",
        ),
        ("[[verdict]]\nmetric = 'fmr'\nforbid = []\n", "key forbid: give a list of verdicts"),
        ("[[subjects]]\nmin = 1.5\n", "key min: give a whole number of people from 1 up (it is 1.5)"),
        ('"b\\u001b[31m" = 1\n', r"key 'b\x1b[31m': unknown; the keys of this table are version, name"),
        ("[[rates]]\n", "key rates: unknown; did you mean rate?"),
        ("", "no rule"),
        ("x = \n", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_policy_is_reported_with_file_key_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TableError) as refused:
        read_policy(policy(tmp_path, text))
    assert said in str(refused.value)
    assert "policy.toml" in str(refused.value)


def test_a_policy_without_its_version_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    for text in ("", "version = 2\n", "version = true\n"):
        path.write_text(text + rate(0.1))
        with pytest.raises(TableError, match="give version = 1"):
            read_policy(path)


# ---- predictions without labels ----


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 of 200 women and 20 of 200 men are predicted happy, without ground truth."""
    folder = tmp_path_factory.mktemp("answered")
    image = [f"{k}.png" for k in range(400)]
    people = pd.DataFrame({"image": image, "subject": image, "gender": ["female"] * 200 + ["male"] * 200})
    said = ["happy"] * 60 + ["calm"] * 140 + ["happy"] * 20 + ["calm"] * 180
    table = pd.DataFrame({"image": image, "prediction": said})
    audit_predictions(table, people, output="mood", classes="happy,calm,sad", by="gender", out=folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("limit", "state"),
    [("max_difference = 0.5", "holds"), ("max_difference = 0.1", "broken"), ("max_difference = 0.2", "cannot tell")],
)
def test_a_difference_between_answer_rates_is_evaluated_on_its_interval(
    answered: Path, tmp_path: Path, limit: str, state: str
) -> None:
    text = f'[[answer]]\noutput = "mood"\nanswer = "happy"\n{limit}\n'
    (found,) = gate(answered, policy(tmp_path, text))[1]
    assert found.state == state
    assert "predicted happy: female against male 20.00 points" in found.said
    assert "200 and 200 people" in found.said
    assert "error" not in found.line


def test_a_rule_for_all_predictions_is_decided_by_the_worst_one(answered: Path, tmp_path: Path) -> None:
    text = '[[answer]]\noutput = "mood"\nmax_difference = 0.1\n[[answer]]\noutput = "mood"\nanswer = "sad"\nmax_difference = 0.1\n'
    worst, sad = gate(answered, policy(tmp_path, text))[1]
    assert (worst.state, sad.state) == ("broken", "holds")
    assert "(2 of 3 rows)" in worst.said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('output = "emotion"', "the run has answer rates of mood"),
        ('output = "mood"\nanswer = "glad"', "the predictions of mood are happy, calm, sad"),
        ('output = "mood"\ngroups = ["nobody", "male"]', "no group nobody"),
    ],
)
def test_a_prediction_that_the_run_does_not_have_is_undecided(
    answered: Path, tmp_path: Path, text: str, said: str
) -> None:
    (found,) = gate(answered, policy(tmp_path, f"[[answer]]\n{text}\nmax_difference = 0.1\n"))[1]
    assert (found.state, said in found.said) == ("cannot tell", True), found.said


def test_a_run_of_error_rates_has_no_answer_rates(unequal: Path, tmp_path: Path) -> None:
    (found,) = gate(unequal, policy(tmp_path, '[[answer]]\noutput = "gender"\nmax_difference = 0.1\n'))[1]
    assert found.state == "cannot tell"
    assert "no output" in found.said
