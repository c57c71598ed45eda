"""A suite from its file to the leaderboard, with toy models: the runs are ordinary ones, and finished runs are kept."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.compare.build import compare
from facegap.errors import RunError, TableError
from facegap.report.rows.rates import rate_rows
from facegap.store.run import read_run
from facegap.suite import run as stage
from facegap.suite.charts import front_of, speed_row
from facegap.suite.run import Leaderboard, run_suite
from facegap.suite.text import board_table, finding

RENDERS_CHARTS = True
IMAGES = 48
HOSTILE = "<img src=x onerror=alert(1)>"

WORDS = {"no_isolation": True}  # model processes are not tested here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> Path:
    """People whose green level encodes gender for one classifier; its copy predicts female for all."""
    place = tmp_path_factory.mktemp("suite")
    rng = np.random.default_rng(1)
    lines = ["image,subject,gender"]
    for k in range(IMAGES):
        green = int(rng.integers(160, 240) if k % 2 else rng.integers(10, 100))
        cv2.imwrite(
            str(place / f"{k}.png"), draw(green=green, red=int(rng.integers(0, 200)), quadrants=[0] if k else [])
        )
        lines.append(f"{k}.png,person {k},{'female' if k % 2 else 'male'}")
    (place / "people.csv").write_text("\n".join(lines) + "\n")
    card = Path(toys.card("classifier"))
    text, swapped = card.read_text(), card.read_text().replace('["male", "female"]', '["female", "male"]')
    assert swapped != text
    for name, own in (("right", text), ("wrong", swapped)):
        (place / f"{name}.toml").write_text(own.replace('name = "toy_classifier"', f'name = "{name}"'))
    (place / "toy_classifier.onnx").write_bytes(card.with_suffix(".onnx").read_bytes())
    (place / "suite.toml").write_text(suite_text(toys))
    return place


def suite_text(toys: Any, *, title: str = "Toys", models: str = '"right.toml", "wrong.toml"') -> str:
    return f"""title = "{title}"
detect = "{toys.card("detector")}"
classify = [{models}]
by = ["gender"]
[settings]
min_subjects = 5
[[set]]
name = "toys"
title = "Toy people"
manifest = "people.csv"
"""


@pytest.fixture(scope="module")
def found(folder: Path) -> Leaderboard:
    return run_suite(folder / "suite.toml", folder / "out", words=WORDS)


def test_rates_ranks_and_worst_groups_are_those_of_the_runs(found: Leaderboard) -> None:
    (board,) = found.boards
    assert (board.metric, board.grouping, board.images) == ("error_rate_all", ("gender",), IMAGES)
    first, second = board.standings
    assert (first.model.name, second.model.name) == ("right", "wrong")
    assert (first.pooled.errors, first.pooled.trials) == (1, IMAGES)  # one image has no face
    assert (second.pooled.errors, second.pooled.trials) == (IMAGES, IMAGES)
    run = read_run(found.folder / "runs" / "toys" / "right")
    worst = max(
        (row for row in rate_rows(run) if row.metric == "error_rate_all" and row.grouping),
        key=lambda row: row.rate.value,
    )
    assert first.worst is not None
    assert (str(first.worst.group), first.worst.rate) == (str(worst.group), worst.rate)
    assert [(one.pooled_ranks.best, one.pooled_ranks.worst) for one in board.standings if one.pooled_ranks] == [
        (1, 1),
        (2, 2),
    ]
    assert "right has the lowest error rate of 2" in finding(board)


def test_results_json_has_the_same_numbers_and_names_the_run_of_each_model(found: Leaderboard) -> None:
    document = json.loads((found.folder / "results.json").read_text())
    board = document["boards"][0]
    assert [one["model"] for one in board["models"]] == ["right", "wrong"]
    assert board["models"][1]["everybody"]["value"] == 1.0
    assert board["models"][0]["rank"] == {"best": 1, "worst": 1, "of": 2}
    assert (found.folder / board["models"][0]["run"] / "SHA256SUMS").is_file()
    assert {one["over"] for one in board["pairs"]} == {"everybody", "worst groups"}
    assert board["pairs"][0]["fewer_errors"] == "right"


def test_each_run_opens_with_compare_and_has_its_report(found: Leaderboard) -> None:
    runs = [found.folder / "runs" / "toys" / name for name in ("right", "wrong")]
    assert all((run / "report.html").is_file() for run in runs)
    row = next(row for row in compare(runs).rows.paired if (row.metric, row.family) == ("error_rate_all", ""))
    assert (row.other.errors - row.first.errors, row.first.trials) == (IMAGES - 1, IMAGES)


def test_the_page_loads_nothing_and_holds_the_table(found: Leaderboard) -> None:
    page = html.unescape((found.folder / "leaderboard.html").read_text())
    assert "default-src 'none'" in page and "<script" not in page and "http://" not in page
    assert page.count("data:image/svg+xml") >= 1
    for row in board_table(found.boards[0]).rows:
        assert row[0] in page
    assert 'href="runs/toys/right/report.html"' in page


def test_a_suite_resumes_with_an_additional_model_and_repeats_none(
    folder: Path, toys: Any, found: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match="not empty"):
        run_suite(folder / "suite.toml", folder / "out", words=WORDS)
    more = folder / "more.toml"
    (folder / "third.toml").write_text((folder / "right.toml").read_text().replace('"right"', '"third"'))
    more.write_text(suite_text(toys, title=HOSTILE, models='"right.toml", "wrong.toml", "third.toml"'))
    opened: list[str] = []
    together = import_module("facegap.audit.together")
    real = together.open_models
    monkeypatch.setattr(
        together,
        "open_models",
        lambda chosen, *rest, **named: opened.append(chosen.names["classify"]) or real(chosen, *rest, **named),
    )
    board = run_suite(more, folder / "out", words=WORDS, resume=True).boards[0]
    assert opened == ["third"]
    assert {one.model.name for one in board.standings} == {"right", "wrong", "third"}
    ranks = {
        one.model.name: (one.pooled_ranks.best, one.pooled_ranks.worst) for one in board.standings if one.pooled_ranks
    }
    assert ranks == {"right": (1, 2), "third": (1, 2), "wrong": (3, 3)}
    page = (folder / "out" / "leaderboard.html").read_text()
    assert HOSTILE not in page and html.escape(HOSTILE)[:8] in page


def test_an_error_of_a_set_names_it_before_any_model_is_opened(
    folder: Path, toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "audit_together", lambda audits: pytest.fail("a model was opened"))
    (folder / "bad.toml").write_text(suite_text(toys).replace("people.csv", "nobody.csv"))
    with pytest.raises(TableError, match=r"\[\[set\]\] toys: "):
        run_suite(folder / "bad.toml", folder / "bad", words=WORDS)
    assert not (folder / "bad").exists()


def test_an_error_while_models_are_ranked_names_the_set(
    folder: Path, found: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        raise TableError("the pairs of right and wrong are not the same")

    monkeypatch.setattr(stage, "boards_of", refused)
    with pytest.raises(TableError, match=r"^\[\[set\]\] toys: the pairs of right and wrong"):
        run_suite(folder / "suite.toml", folder / "out", words=WORDS, resume=True)


def test_the_command_prints_the_table_and_the_finding(folder: Path, found: Leaderboard) -> None:
    done = CliRunner().invoke(
        app, ["suite", str(folder / "suite.toml"), "--out", str(folder / "out"), "--resume", "--no-isolation"]
    )
    assert done.exit_code == 0, done.output
    assert "Toy people: gender misclassified or unanswered, by gender" in done.output
    assert "leaderboard.html" in done.output


def test_the_front_excludes_models_that_are_beaten_on_both_axes(found: Leaderboard) -> None:
    base = speed_row(found.boards[0], found.boards[0].standings[0])
    assert base is not None
    points = [("slow and low", 9.0, 1), ("fast and high", 1.0, 20), ("beaten", 5.0, 20), ("middle", 4.0, 5)]
    rows = [
        replace(base, run=name, ms_per_face=ms, rate=replace(base.rate, errors=errors, trials=40))
        for name, ms, errors in points
    ]
    assert [row.run for row in front_of(rows)] == ["fast and high", "middle", "slow and low"]
