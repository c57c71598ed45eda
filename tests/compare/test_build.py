"""Comparisons of runs: the same numbers as in each run, paired differences by hand, and rejection of other people."""

from __future__ import annotations

import html
import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.settings import Verify
from facegap.cli import app
from facegap.compare.build import Comparison, compare, labels_of, sentences, text_tables, write_comparison
from facegap.compare.differences import ALIKE, FEW, GREW, MORE
from facegap.errors import RunError
from facegap.store.run import read_csv, read_run
from fixtures.settings import audit_embeddings, audit_predictions

RENDERS_CHARTS = True  # hostile names appear in charts, too

HOSTILE = "=cmd|'/c calc'!A1<img src=x onerror=alert(1)>\""
ESCAPE = "\x1b[31m<b>red</b>"  # not allowed in a manifest, but in a model's name


@dataclass(frozen=True)
class Town:
    """80 people, half of them women; the last two have no gender label. The predictions of each vendor are given."""

    folder: Path
    manifest: Path

    def vendor(self, name: str, wrong: Sequence[int], silent: Sequence[int] = (), *, model: str = "") -> Path:
        """A run of a vendor that misclassifies some people and gives no prediction for others."""
        table = pd.read_csv(self.manifest, dtype=str, keep_default_na=False)
        said = table["gender"].replace("", "female")
        other = said.map({"female": "male", "male": "female"})
        number = table["subject"].str.removeprefix("p").astype(int)
        answers = said.mask(number.isin(wrong), other).mask(number.isin(silent), "")
        path = self.folder / f"{name}.csv"
        pd.DataFrame({"image": table["image"], "prediction": answers}).to_csv(path, index=False)
        out = self.folder / f"run-{name}"
        audit_predictions(path, self.manifest, model=model or name, by="gender,town", out=out)
        return out


def write_town(folder: Path, *, images: int = 1, towns: tuple[str, str] = ("Ayr", "Bonn")) -> Town:
    rows = [
        {
            "image": f"{k}-{n}.png",
            "subject": f"p{k}",
            "gender": ("female" if k < 40 else "male") if k < 78 else "",
            "town": towns[k % 2],
        }
        for k in range(80)
        for n in range(images)
    ]
    pd.DataFrame(rows).to_csv(folder / "people.csv", index=False)
    return Town(folder, folder / "people.csv")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return write_town(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def three(town: Town) -> list[Path]:
    """A errs on 2 women and 1 man; B on the same people and 12 more women; C is like A."""
    return [
        town.vendor("first", [0, 1, 50]),
        town.vendor("second", [0, 1, *range(10, 22), 50]),
        town.vendor("third", [0, 1, 50]),
    ]


@pytest.fixture(scope="module")
def side_by_side(three: list[Path]) -> Comparison:
    return compare(three)


def pick(frame: pd.DataFrame, **cells: Any) -> dict[str, Any]:
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, frame
    return dict(frame.iloc[0])


def test_each_run_has_the_same_numbers_as_alone(three: list[Path], side_by_side: Comparison) -> None:
    found = side_by_side.found
    for folder, label in zip(three, ("first", "second", "third"), strict=True):
        rates = read_run(folder).rates
        for group in ("female", "male"):
            own = rates[(rates["gender"] == group) & (rates["town"] == "any")].set_index("metric")
            for metric in ("error_rate_all", "error_rate_answered", "no_answer_rate"):
                side = pick(found.sides, run=label, metric=metric, family="gender", group=group)
                for column in ("errors", "trials", "subjects", "value", "low", "high", "method"):
                    assert side[column] == own.loc[metric, column]


def test_a_paired_difference_by_hand(side_by_side: Comparison) -> None:
    found = side_by_side.found
    women = pick(found.paired, metric="error_rate_all", family="gender", group="female", run_b="second")
    assert (women["errors_a"], women["errors_b"], women["trials_a"]) == (2, 14, 40)
    assert (women["only_a"], women["only_b"]) == (0, 12)
    assert women["difference"] == pytest.approx(12 / 40)
    assert women["p"] == pytest.approx(2 / 2**12)
    # Holm over all people, women and men in two other runs: second of six, since all people have the same twelve discordant
    assert women["p_adjusted"] == pytest.approx(6 * 2 / 2**12)
    assert women["verdict"] == MORE
    men = pick(found.paired, metric="error_rate_all", family="gender", group="male", run_b="second")
    assert (men["difference"], men["p"], men["verdict"]) == (0, 1, ALIKE)
    same = pick(found.paired, metric="error_rate_all", family="gender", group="female", run_b="third")
    assert (same["difference"], same["verdict"]) == (0, ALIKE)


def test_people_without_a_label_or_too_few_of_them_are_shown_and_never_tested(side_by_side: Comparison) -> None:
    found = side_by_side.found
    unknown = found.paired[(found.paired["family"] == "gender") & ~found.paired["group"].isin(["female", "male"])]
    assert set(unknown["verdict"]) == {FEW}
    assert unknown["p_adjusted"].isna().all()
    assert not found.changes["group_a"].isin(unknown["group"]).any()


def test_a_gap_that_grew_is_one_number_with_one_interval(side_by_side: Comparison) -> None:
    found = side_by_side.found
    grew = pick(found.changes, metric="error_rate_all", family="gender", run_b="second")
    assert (grew["group_a"], grew["group_b"]) == ("female", "male")
    assert grew["gap_first"] == pytest.approx(2 / 40 - 1 / 38)
    assert grew["change"] == pytest.approx(12 / 40)
    assert grew["verdict"] == GREW
    assert 0 < grew["change_low"] < 12 / 40 < grew["change_high"] < 0.6
    still = pick(found.changes, metric="error_rate_all", family="gender", run_b="third")
    assert still["change"] == 0
    assert still["change_low"] < 0 < still["change_high"]


def test_missing_predictions_are_errors_only_if_counted_as_such(town: Town) -> None:
    runs = [town.vendor("speaks", [0]), town.vendor("silent", [0], silent=range(40, 60))]
    found = compare(runs).found
    of_all = pick(found.paired, metric="error_rate_all", family="gender", group="male")
    assert (of_all["errors_b"], of_all["trials_b"]) == (20, 38)
    answered = pick(found.paired, metric="error_rate_answered", family="gender", group="male")
    assert (answered["trials_a"], answered["trials_b"]) == (18, 18)  # over the images with predictions from both


def test_a_seed_reproduces_the_numbers_and_the_order_changes_their_sign(three: list[Path]) -> None:
    once, again = compare(three[:2], seed=3).found, compare(three[:2], seed=3).found
    pd.testing.assert_frame_equal(once.changes, again.changes)
    back = compare(three[1::-1], seed=3).found
    there = pick(once.paired, metric="error_rate_all", family="gender", group="female")
    turned = pick(back.paired, metric="error_rate_all", family="gender", group="female")
    assert turned["difference"] == -there["difference"]
    assert turned["p"] == there["p"]


# ---- comparisons ----


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Templates of 60 people with two images each, from a sharp model and from one that blurs the women."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(3)
    women = np.repeat(np.arange(60) < 30, 2)
    people = np.repeat(rng.normal(size=(60, 16)), 2, axis=0)
    rows = {"image": [f"{k}.png" for k in range(120)], "subject": [f"p{k // 2}" for k in range(120)]}
    pd.DataFrame(rows | {"gender": np.where(women, "female", "male")}).to_csv(folder / "people.csv", index=False)
    runs = []
    for name, blur in (("sharp", 0.15), ("blurred", 0.9)):
        noise = rng.normal(size=people.shape) * np.where(women, blur, 0.15)[:, None]
        np.save(folder / f"{name}.npy", (people + noise).astype(np.float32))
        out = folder / f"run-{name}"
        settings = Verify(fmr=(), threshold=(0.6,))
        audit_embeddings(
            folder / f"{name}.npy", folder / "people.csv", model=name, by="gender", verify=settings, out=out
        )
        runs.append(out)
    return runs


def test_rates_of_comparisons_are_those_of_each_run(faces: list[Path]) -> None:
    found = compare(faces).found
    for folder, label in zip(faces, ("sharp", "blurred"), strict=True):
        rates = read_run(folder).rates
        for metric in ("fmr", "fnmr"):
            own = pick(rates[rates["other_gender"] == ""], metric=metric, gender="female")
            side = pick(found.sides, run=label, metric=metric, family="gender", group="female")
            for column in ("errors", "trials", "subjects", "value", "low", "high"):
                assert side[column] == own[column]


def test_more_refusals_of_women_are_found_over_the_same_people(faces: list[Path]) -> None:
    found = compare(faces).found
    women = pick(found.paired, metric="fnmr", family="gender", group="female")
    assert women["errors_a"] == 0 < women["errors_b"]
    assert women["verdict"] == MORE
    assert women["difference_low"] > 0
    men = pick(found.paired, metric="fnmr", family="gender", group="male")
    assert men["verdict"] == ALIKE
    grew = pick(found.changes, metric="fnmr", family="gender")
    assert grew["verdict"] == GREW and grew["group_a"] == "female"
    assert set(found.paired["metric"]) == {
        "fta",
        "fmr",
        "fnmr",
    }  # no image was lost, so gfar and gfrr are equal to these


def test_a_list_of_all_pairs_gives_the_numbers_of_all_pairs(faces: list[Path], tmp_path: Path) -> None:
    images = [f"{k}.png" for k in range(120)]
    pairs = [f"{a},{b}" for i, a in enumerate(images) for b in images[i + 1 :]]
    (tmp_path / "pairs.csv").write_text("left,right\n" + "\n".join(pairs) + "\n")
    folder, listed = faces[0].parent, []
    for name in ("sharp", "blurred"):
        settings = Verify(fmr=(), threshold=(0.6,), pairs=str(tmp_path / "pairs.csv"))
        out = tmp_path / name
        audit_embeddings(
            folder / f"{name}.npy", folder / "people.csv", model=name, by="gender", verify=settings, out=out
        )
        listed.append(out)
    whole, lists = compare(faces).found, compare(listed).found
    columns = ["difference", "difference_low", "difference_high", "ratio", "p", "p_adjusted"]
    left = whole.paired.sort_values(["metric", "group"])[columns].to_numpy(float)
    right = lists.paired.sort_values(["metric", "group"])[columns].to_numpy(float)
    assert left == pytest.approx(right, nan_ok=True, rel=1e-6)


# ---- the same people ----


def test_runs_on_other_people_are_rejected_with_the_differences(three: list[Path], tmp_path: Path) -> None:
    table = pd.read_csv(three[0].parent / "people.csv", dtype=str, keep_default_na=False)
    other = table.iloc[:70].copy()
    other.loc[3, "town"] = "Cadiz"
    other.loc[5, "subject"] = "p6"
    other.to_csv(tmp_path / "people.csv", index=False)
    run = Town(tmp_path, tmp_path / "people.csv").vendor("other", [0])
    with pytest.raises(RunError) as refused:
        compare([three[0], run])
    said = str(refused.value)
    for what in (
        "a different sha256",
        "10 images of the first run are not in it",
        "1 images have a different subject",
        "1 images have a different town",
        "--allow-different-people",
    ):
        assert what in said
    allowed = compare([three[0], run], allow_different_people=True)
    assert len(allowed.runs.manifest) == 70
    assert any("a different sha256" in warning for warning in allowed.warnings)
    women = pick(allowed.found.paired, metric="error_rate_all", family="gender", group="female")
    assert women["trials_a"] == 40


def test_runs_that_share_no_image_cannot_be_compared(three: list[Path], tmp_path: Path) -> None:
    table = pd.read_csv(three[0].parent / "people.csv", dtype=str, keep_default_na=False)
    table.assign(image="x" + table["image"]).to_csv(tmp_path / "people.csv", index=False)
    run = Town(tmp_path, tmp_path / "people.csv").vendor("other", [0])
    with pytest.raises(RunError, match="no image in common"):
        compare([three[0], run], allow_different_people=True)


def test_people_held_out_by_another_seed_are_other_people(faces: list[Path], tmp_path: Path) -> None:
    folder, runs = faces[0].parent, []
    for seed in (0, 1):
        settings = Verify(fmr=(0.05,), seed=seed, threshold_by="split")
        out = tmp_path / f"seed{seed}"
        audit_embeddings(
            folder / "sharp.npy",
            folder / "people.csv",
            model=f"s{seed}",
            by="gender",
            verify=settings,
            groups={"min_subjects": 4},
            out=out,
        )
        runs.append(out)
    with pytest.raises(RunError, match="held out for the threshold in the other"):
        compare(runs)
    both = compare(runs, allow_different_people=True)
    fmr = pick(both.found.sides, metric="fmr", family="", group="all", run="s0")
    evaluated_models = [
        set(read_run(run).manifest["subject"][read_run(run).matched.roles == "evaluation"]) for run in runs
    ]
    shared = len(evaluated_models[0] & evaluated_models[1])
    assert fmr["subjects"] == shared
    assert fmr["trials"] == shared * (shared - 1) // 2 * 4


def test_a_single_run_a_changed_run_and_no_run_are_refused(three: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="at least two runs"):
        compare(three[:1])
    with pytest.raises(RunError, match=r"not a run folder, because it contains no run\.json"):
        compare([three[0], tmp_path])


# ---- what is printed and written ----


def test_equal_names_get_their_folder_then_a_number(three: list[Path]) -> None:
    run = read_run(three[0])
    assert labels_of([run, run], [Path("a/x"), Path("b/y")]) == ["first (x)", "first (y)"]
    assert labels_of([run, run], [Path("a/x"), Path("b/x")]) == ["first 1", "first 2"]


def test_runs_have_the_given_names(three: list[Path]) -> None:
    found = compare(three[:2], names=["before", "after"])
    assert set(found.found.paired["run_b"]) == {"after"}
    assert sentences(found)[0].startswith("after ")


@pytest.mark.parametrize("names", [["one"], ["same", "same"], ["one", ""], ["a", "b", "c"]])
def test_names_that_are_not_distinct_are_rejected(three: list[Path], names: list[str]) -> None:
    with pytest.raises(RunError, match=f"{len(names)} names for 2 runs: give one name for each run"):
        compare(three[:2], names=names)


def test_models_without_timing_are_marked(side_by_side: Comparison) -> None:
    tables = {table.title: table for table in text_tables(side_by_side)}
    speed = tables["worst-group error and ms per face"]
    assert {row[1] for row in speed.rows} == {"not timed"}


def test_the_folder_has_the_tables_and_the_page_for_the_owner_only(side_by_side: Comparison, tmp_path: Path) -> None:
    out = tmp_path / "side by side"
    names = write_comparison(side_by_side, out)
    tables = {"rates_side_by_side.csv", "paired.csv", "gap_changes.csv", "latency.csv", "flips.csv", "flip_gaps.csv"}
    assert set(names) == {*tables, "compare.html"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert all(stat.S_IMODE((out / name).stat().st_mode) == 0o600 for name in names)
    page = html.unescape((out / "compare.html").read_text(encoding="utf-8"))
    assert "default-src 'none'" in page and "<script" not in page and "http://" not in page
    assert page.count("data:image/svg+xml") >= 2
    with pytest.raises(RunError, match="not empty"):
        write_comparison(side_by_side, out)


def test_hostile_names_are_text_in_every_output(tmp_path: Path) -> None:
    town = write_town(tmp_path, towns=(HOSTILE, "plain"))
    runs = [town.vendor("first", [0]), town.vendor("second", range(0, 40, 2), model=ESCAPE)]
    found = compare(runs)
    out = tmp_path / "out"
    for name in write_comparison(found, out):
        text = (out / name).read_text(encoding="utf-8")
        assert not any(
            cell.startswith("=cmd") for line in text.splitlines() for cell in line.replace('"', "").split(",")
        )
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page and "<b>red" not in page and "\x1b" not in page
    assert "&lt;img src=x" in page
    printed = " ".join(
        [*sentences(found), *(cell for table in text_tables(found) for row in table.rows for cell in row)]
    )
    assert "\x1b" not in printed
    stored = read_csv(out / "paired.csv")
    assert HOSTILE in set(stored["group"])


def test_the_command_prints_and_writes(three: list[Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", *map(str, three[:2]), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "second has more errors than first" in " ".join(result.output.split())
    assert (tmp_path / "out" / "compare.html").is_file()


def test_repeated_images_of_people_widen_the_paired_interval(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "three").mkdir()
    found = []
    for name, images in (("one", 1), ("three", 3)):
        town = write_town(tmp_path / name, images=images)
        runs = [town.vendor("first", [0, 1]), town.vendor("second", [0, 1, *range(10, 22)])]
        found.append(pick(compare(runs).found.paired, metric="error_rate_all", family="gender", group="female"))
    one, many = found
    assert one["difference"] == many["difference"]
    assert many["trials_a"] == 3 * one["trials_a"]
    width = [row["difference_high"] - row["difference_low"] for row in found]
    assert width[1] > 0.8 * width[0]  # three images of one person are not three people
    assert not math.isnan(many["p"])
