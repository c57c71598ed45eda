"""An audit that balances covariates: its run folder, report and recheck, and early errors."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.derive.balanced.audited import EXPLAINED, rounded
from facegap.errors import SettingError
from facegap.report.balanced import rows_of_run, sentences_of_run, verdict_text
from facegap.report.page import add_report, page_alone
from facegap.store.run import Run, read_run
from fixtures.settings import audit_predictions, audited

PEOPLE = 400
REQUIRED = "too few comparable people to tell"


def town(
    folder: Path,
    *,
    excess: float = 0.0,
    by: str = "gender",
    ages: tuple[int, ...] = (20, 30, 40, 50),
    out: Path | None = None,
    **groups: object,
) -> Run:
    """400 people; errors rise with age, women are older; `excess` is added to the error rate of women of every age."""
    rng = np.random.default_rng(4)
    woman = np.arange(PEOPLE) < PEOPLE // 2
    age = np.array(ages)[np.minimum(len(ages) - 1, rng.integers(0, 3, PEOPLE) + woman)]
    wrong = rng.random(PEOPLE) < 0.015 * (age - 17) + excess * woman
    gender = np.where(woman, "female", "male")
    said = np.where(wrong, np.where(woman, "male", "female"), gender)
    image = [f"i{k}.png" for k in range(PEOPLE)]
    people = {"image": image, "subject": range(PEOPLE), "gender": gender, "age": age, "tone": np.where(woman, "a", "b")}
    pd.DataFrame(people).to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": said}).to_csv(folder / "said.csv", index=False)
    return audit_predictions(
        folder / "said.csv", folder / "people.csv", model="box", by=by, groups={"covariates": "age", **groups}, out=out
    )


def test_what_is_left_is_in_the_folder_and_the_report_and_can_be_rechecked(tmp_path: Path) -> None:
    run = town(tmp_path, out=tmp_path / "run")
    stored = read_run(tmp_path / "run")
    assert list(map(str, rows_of_run(stored))) == list(map(str, rows_of_run(run)))
    raw, left = (next(row for row in rows_of_run(run) if row.estimate == kind) for kind in ("raw", "balanced"))
    assert raw.high < 0, "men err less"
    assert left.low < 0 < left.high, "the gap goes with age alone"
    add_report(tmp_path / "run", stored, include_ids=False)
    page = html.unescape((tmp_path / "run" / "report.html").read_text())
    assert "Gaps after balancing covariates" in page
    assert REQUIRED in page
    assert "no gap larger than" not in re.sub(r"(?s)<details.*?</details>", "", page)
    assert recheck(tmp_path / "run") == []


def test_a_gap_that_remains_is_said_to_remain(tmp_path: Path) -> None:
    run = town(tmp_path, excess=0.3)
    said = sentences_of_run(run)
    assert said[1].startswith("After balancing age: remaining gap -")
    assert "effective people" in said[1]
    assert said[1].endswith(": a gap larger than 2 points remains after balancing.")
    assert said[-1].startswith("The gap that remains after balancing measured covariates may be associated with others")


def test_no_gap_is_said_only_within_the_margin(tmp_path: Path) -> None:
    run = town(tmp_path, margin="error_rate_all=0.3")
    row = next(row for row in rows_of_run(run) if row.is_of_all)
    assert verdict_text(row) == "no gap larger than 30 points after balancing these covariates"
    assert -0.3 < row.low < row.high < 0.3
    assert verdict_text(row) in " ".join(sentences_of_run(run))


def test_without_covariates_nothing_is_balanced_and_no_part_of_the_report_speaks_of_it(tmp_path: Path) -> None:
    town(tmp_path)
    run = audit_predictions(tmp_path / "said.csv", tmp_path / "people.csv", model="box", by="gender")
    assert EXPLAINED not in run.extra
    assert sentences_of_run(run) == []
    assert "after balancing" not in page_alone(run, include_ids=False)


def test_a_covariate_with_one_value_is_named_as_not_balanced(tmp_path: Path) -> None:
    run = town(tmp_path, ages=(30,))
    assert EXPLAINED not in run.extra
    assert sentences_of_run(run) == [
        "No gap could be balanced: there was nothing to balance.",
        "Not balanced, because it is the same for all images: age.",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"covariates": "agee"}, "--covariates agee: this audit has age; your own covariates"),
        ({"covariates": "sharpness"}, "--covariates sharpness: this audit has age"),
        ({"covariates": ",".join(f"c{k}" for k in range(13))}, "13 covariates, more than the limit of 12"),
    ],
)
def test_what_cannot_be_balanced_is_refused_before_anything_is_counted(
    given: dict[str, str], said: str, tmp_path: Path
) -> None:
    town(tmp_path)
    with pytest.raises(SettingError, match=re.escape(said)):
        audit_predictions(
            tmp_path / "said.csv", tmp_path / "people.csv", by="gender", out=tmp_path / "run", groups=given
        )
    assert not (tmp_path / "run").exists()


def test_brightness_of_skin_between_groups_of_tone_is_refused_before_the_first_image(
    tmp_path: Path, toys: object
) -> None:
    town(tmp_path)
    models = {task: Path(card) for task, card in toys.two.items()}  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="the groups of tone are defined by the brightness of skin"):
        audited(tmp_path / "people.csv", **models, by="tone", covariates="skin_luminance_50")
    with pytest.raises(SettingError, match="--covariates template_norm: needs an embedder"):
        audited(tmp_path / "people.csv", **models, by="gender", covariates="template_norm")


def test_numbers_keep_nine_digits() -> None:
    assert rounded(np.array([1 / 3, 123456789.123, np.nan]))[:2].tolist() == [0.333333333, 123456789.0]
