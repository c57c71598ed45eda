"""A small demo from illustrations to pages: its text, and that everything it needs is in the package."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.demo import run as command
from facegap.demo import text as demo_text
from facegap.errors import RunError
from facegap.inputs.cards.read import load_cards, read_card, resolve_card
from facegap.inputs.cards.weights import read_weights

ROOT = Path(__file__).resolve().parents[2]
PEOPLE, PHOTOGRAPHS = 84, 2  # 21 of each cell; groups of fewer than 20 are in no gap
LARGEST = 1024 * 1024  # bytes of one model


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> command.Demo:
    """A demo of a few people, with its table and page."""
    steps: list[tuple[str, int, int]] = []
    found = command.demo(
        tmp_path_factory.mktemp("demo") / "out",
        seed=3,
        people=PEOPLE,
        photographs=PHOTOGRAPHS,
        workers=1,
        step=lambda *told: steps.append(told),
    )
    demo_text.write_side_by_side(found)
    assert {done for what, done, total in steps if what == command.ILLUSTRATING and done == total} == {
        PEOPLE * PHOTOGRAPHS
    }
    assert steps[-1] == ("comparing both", 1, 1)
    assert list(dict.fromkeys(what for what, _, _ in steps)) == list(command.PHASES)
    return found


def test_the_manifest_names_every_drawing_with_its_labels(small: command.Demo) -> None:
    with (small.folder / command.MANIFEST).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == PEOPLE * PHOTOGRAPHS
    assert all((small.folder / row["image"]).is_file() for row in rows)
    cells = [(row["gender"], row["tone"]) for row in rows]
    assert {cells.count(cell) for cell in command.CELLS} == {PEOPLE * PHOTOGRAPHS // 4}
    assert {row["tone"] for row in rows if int(row["monk"]) <= 5} == {"lighter"}
    assert {row["tone"] for row in rows if int(row["monk"]) > 5} == {"darker"}


def test_both_versions_are_run_by_the_ordinary_audit_and_their_folders_can_be_rechecked(small: command.Demo) -> None:
    from facegap.audit.run import recheck

    assert set(small.runs) == {"balanced", "skewed"}
    for version, run in small.runs.items():
        assert {"report.html", "rates.csv", "gaps.csv", "embeddings.npy", "SHA256SUMS"} <= {
            p.name for p in (small.folder / version).iterdir()
        }
        assert recheck(small.folder / version) == []
        assert (run.faces["outcome"] == "ok").mean() > 0.95
        assert set(run.record.models) == {"detect", "classify", "embed"}


def test_both_versions_saw_the_same_faces(small: command.Demo) -> None:
    one, other = (small.runs[version].faces for version in command.VERSIONS)
    assert one[["x1", "y1", "x2", "y2"]].equals(other[["x1", "y1", "x2", "y2"]])


def test_the_threshold_is_the_published_one_so_all_people_are_evaluated(small: command.Demo) -> None:
    for version, run in small.runs.items():
        (point,) = run.record.operating
        assert point.threshold == small.truth["versions"][version]["threshold"]
        assert set(run.matched.roles) == {"evaluation"}


def test_the_demo_says_what_was_measured_what_was_found_and_how_sure_it_is(small: command.Demo) -> None:
    told = " ".join([*demo_text.introduction(small), *demo_text.findings(small), *demo_text.where_and_next(small)])
    assert f"{PEOPLE * PHOTOGRAPHS} illustrations of {PEOPLE} people who do not exist" in told
    assert "most of them lighter and male" in told
    assert told.count("The truth") == 4
    assert "facegap recheck" in told
    table = demo_text.side_by_side(small)
    assert len({len(row) for row in table.rows} | {len(table.columns)}) == 1
    assert [row[0].strip() for row in table.rows].count("verdict") == 2
    assert any("95% intervals" in note for note in table.notes)
    assert any(f"{math.sqrt(5000 / PEOPLE):.1f} times narrower" in note for note in table.notes)
    assert "--by 'gender*tone'" in told  # unquoted, a shell would expand the star


def test_a_narrow_terminal_gets_a_table_for_each_version(small: command.Demo) -> None:
    assert demo_text.tables_within(small, 200) == [demo_text.side_by_side(small)]
    one, other = demo_text.tables_within(small, 80)
    assert (one.title, other.title) == ("balanced and the truth", "skewed and the truth")
    assert (one.columns, other.columns) == (("", "balanced", "truth"), ("", "skewed", "truth"))
    assert (bool(one.notes), bool(other.notes)) == (False, True)
    assert [row[:1] + row[3:] for row in demo_text.side_by_side(small).rows] == list(other.rows)
    widest = [max(len(row[k]) for row in (*one.rows, *other.rows)) for k in range(3)]
    assert sum(widest) + 3 * 3 + 1 <= 80


def test_the_terminal_output_fits_80_columns_with_the_truth_of_every_gap(
    small: command.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facegap.report import terminal

    monkeypatch.setattr(terminal, "WIDE", 80)
    monkeypatch.setattr(command, "demo", lambda out, *, seed, workers, step: small)
    result = CliRunner().invoke(app, ["demo", "--out", "facegap-demo"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) <= 40
    table = demo_text.short_table(small)
    assert [row[0] for row in table.rows] == [
        f"{error}, {version}" for error in ("misclassified", "falsely matched") for version in command.VERSIONS
    ]
    for row, (metric, version) in zip(
        table.rows, [(m, v) for m in command.METRICS for v in command.VERSIONS], strict=True
    ):
        assert row[4] == demo_text.in_unit(metric, demo_text.true_effect(small, version, metric))


def test_the_charts_of_the_page_show_the_truth_of_every_group_and_version(small: command.Demo) -> None:
    page = (small.folder / demo_text.INDEX).read_text(encoding="utf-8")
    assert page.count("The horizontal bars are the true rates.") == 2
    assert page.index('<figure class="chart">') < page.index("<table>")
    assert page.count("<source media") == 2


def test_every_phase_has_a_number(small: command.Demo) -> None:
    assert len(set(command.PHASES)) == len(command.PHASES) == 6


def test_commands_to_type_name_a_folder_with_blanks_as_a_shell_reads_it(small: command.Demo) -> None:
    told = " ".join(demo_text.where_and_next(replace(small, folder=Path("my runs; rm -rf x"))))
    assert "facegap recheck 'my runs; rm -rf x/skewed'" in told


def test_the_side_by_side_table_holds_what_rates_and_gaps_hold(small: command.Demo) -> None:
    with (small.folder / demo_text.SIDE_BY_SIDE).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * 2 * 5
    for row in rows:
        run = small.runs[row["version"]]  # type: ignore[index]
        if " gap: " in row["metric"]:
            gap = demo_text.gap_row(run, row["metric"].split(" gap: ")[0])
            metric = gap["metric"]
            assert row["group"] == f"darker female {'/' if metric == 'fmr' else '-'} lighter male"
            assert float(row["value"]) == pytest.approx(demo_text.effect(gap), nan_ok=True)
            assert row["metric"].endswith(gap["verdict"])
        else:
            tone, gender = row["group"].split()
            rate = demo_text.rate_row(run, row["metric"], gender, tone)
            assert (int(row["errors"]), int(row["trials"])) == (rate["errors"], rate["trials"])
            assert float(row["value"]) == pytest.approx(rate["value"], nan_ok=True)


def test_the_page_leads_to_both_reports_and_asks_the_network_for_nothing(small: command.Demo) -> None:
    page = (small.folder / demo_text.INDEX).read_text(encoding="utf-8")
    assert "http:" not in page
    assert "https:" not in page
    for version in command.VERSIONS:
        assert f'href="{version}/report.html"' in page
        assert (small.folder / version / "report.html").is_file()
    assert 'href="comparison/compare.html"' in page
    assert (small.folder / command.COMPARISON / "compare.html").is_file()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_the_comparison_states_the_thresholds_of_both(small: command.Demo) -> None:
    one, other = (small.truth["versions"][version]["threshold"] for version in command.VERSIONS)
    card = "(published by the model's card)"
    assert any(
        f"paired in order: {one:.4g} {card} with {other:.4g} {card}" in said for said in small.comparison.warnings
    )


@pytest.mark.browser
def test_the_page_fits_a_phone_with_its_table_whole_and_its_charts_legible(small: command.Demo, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 900})
    page.goto((small.folder / demo_text.INDEX).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('table').getBoundingClientRect().right") <= 390
    charts = page.locator("figure.chart img")
    assert charts.count() == 2
    for k in range(2):
        assert 250 < charts.nth(k).evaluate("picture => picture.naturalWidth") <= 390
        assert charts.nth(k).evaluate("picture => picture.clientWidth >= 0.95 * picture.naturalWidth")
    assert set(page.locator("button.term").all_text_contents()) == set(page.locator("#glossary dt").all_text_contents())
    page.close()


@pytest.mark.browser
def test_on_paper_no_part_of_the_table_is_cut(small: command.Demo, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 688, "height": 1000})  # A4 at 14 mm margins
    page.emulate_media(media="print")
    page.goto((small.folder / demo_text.INDEX).as_uri())
    assert page.evaluate("document.querySelector('table').getBoundingClientRect().right") <= 688
    page.close()


def gap_of(a: str, b: str, value: float, low: float, high: float, metric: str = "error_rate_all") -> dict[str, Any]:
    scale, other = ("ratio", "difference") if metric == "fmr" else ("difference", "ratio")
    return {
        "group_a": a,
        "group_b": b,
        "metric": metric,
        "scale": "ratio" if metric == "fmr" else "difference",
        scale: value,
        f"{scale}_low": low,
        f"{scale}_high": high,
        other: math.nan,
        f"{other}_low": math.nan,
        f"{other}_high": math.nan,
        "errors_a": 3,
        "trials_a": 10,
        "errors_b": 1,
        "trials_b": 10,
    }


def test_a_difference_reads_the_same_whichever_way_the_table_has_it() -> None:
    one = gap_of(command.WORST, command.BEST, 0.2, 0.05, 0.3)
    turned = gap_of(command.BEST, command.WORST, -0.2, -0.3, -0.05)
    assert demo_text.effect_text(one) == demo_text.effect_text(turned) == "20.0 points [5.0, 30.0]"
    assert demo_text.side_rate(one, command.WORST) == 0.3
    assert demo_text.side_rate(turned, command.WORST) == 0.1
    assert math.isnan(demo_text.side_rate({**one, "trials_a": 0}, command.WORST))


def test_false_matches_are_reported_as_the_ratio_of_their_verdict() -> None:
    one = gap_of(command.WORST, command.BEST, 4.0, 2.0, 8.0, "fmr")
    turned = gap_of(command.BEST, command.WORST, 0.25, 0.125, 0.5, "fmr")
    assert demo_text.effect_text(one) == demo_text.effect_text(turned) == "4.0 times [2.0, 8.0]"
    assert demo_text.bounds(turned) == (2.0, 8.0)
    none = gap_of(command.BEST, command.WORST, 0.0, 0.0, 0.5, "fmr")
    assert demo_text.bounds(none) == (2.0, math.inf)
    assert demo_text.effect(none) == math.inf


def test_the_truth_is_on_the_scale_of_the_verdict(small: command.Demo) -> None:
    rates = small.truth["versions"]["skewed"]
    worst, best = (
        rates["fmr"][side]["errors"] / rates["fmr"][side]["trials"] for side in (command.WORST, command.BEST)
    )
    assert demo_text.true_effect(small, "skewed", "fmr") == pytest.approx(worst / best)
    assert f"The truth, {worst / best:.1f} times, is" in demo_text.sentence(small, "skewed", "fmr")
    worst, best = (rates["error_rate_all"][side]["errors"] / 5000 for side in (command.WORST, command.BEST))
    assert f"The truth, {100 * (worst - best):.1f} points, is" in demo_text.sentence(small, "skewed", "error_rate_all")


def test_a_seed_gives_the_same_people_and_another_seed_others() -> None:
    once, again, other = ([data for _, data in command.pictures_of(seed, 5, 2)] for seed in (1, 1, 2))
    assert once == again
    assert once != other


@pytest.mark.parametrize("seed", [-1, command.SEEDS, command.read_truth()["seed"]])
def test_people_on_whom_the_truth_was_measured_are_not_audited(seed: int, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must be from 0 to 999,999"):
        command.demo(tmp_path / "out", seed=seed)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(RunError, match="already exists and was not changed; choose another --out, or remove it"):
        command.demo(tmp_path)
    assert (tmp_path / "kept.txt").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="not UTF-8"):
        command.make_folder(tmp_path / os.fsdecode(b"odd\xff"))
    with pytest.raises(RunError, match="cannot be created"):
        command.make_folder(tmp_path / "file" / "out")


def test_the_command_says_it_all_and_opens_the_page_on_request(
    small: command.Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(command, "demo", lambda out, *, seed, workers, step: replace(small))
    result = CliRunner().invoke(app, ["demo", "--out", str(small.folder), "--open", "--verbose"])
    assert result.exit_code == 0, result.output
    for needed in ("The audit used", "Found:", "balanced, as in Gender Shades", "skewed, as in Gender Shades", "Open "):
        assert needed in result.output
    assert opened == [(small.folder / demo_text.INDEX).resolve().as_uri()]
    assert "No browser could be opened" in result.output  # list.append returns None, like a machine without a browser


# ---- the models that come with facegap ----


def models() -> Mapping[str, Path]:
    return {path.stem: path for path in sorted(command.model_folder().glob("*.onnx"))}


def test_the_models_are_small_and_their_cards_describe_these_very_files() -> None:
    assert set(models()) == {
        "demo_detector",
        *(f"demo_{k}_{v}" for k in ("gender", "embedder") for v in command.VERSIONS),
    }
    for name, path in models().items():
        card, content = read_card(path.with_suffix(".toml")), path.read_bytes()
        assert card.name == name
        assert card.sha256 == hashlib.sha256(content).hexdigest()
        assert card.size_bytes == len(content) < LARGEST
        assert card.licence == "Apache-2.0"
        assert any("never use it on photographs" in limit for limit in card.known_limits)


def test_the_models_are_found_by_name_without_a_folder_and_without_fetching() -> None:
    for name, path in models().items():
        card = load_cards()[name]
        assert resolve_card(name, card.task)[0] == card
        assert read_weights(card, []) == path.read_bytes()


def test_the_graphs_of_both_versions_have_the_same_nodes_so_the_gap_is_in_the_weights() -> None:
    import onnx

    for kind in ("gender", "embedder"):
        one, other = (onnx.load(models()[f"demo_{kind}_{version}"]).graph for version in command.VERSIONS)
        assert [(n.op_type, list(n.input), list(n.output)) for n in one.node] == [
            (n.op_type, list(n.input), list(n.output)) for n in other.node
        ]
        assert {n.op_type for n in one.node} <= {"Conv", "Relu", "Flatten", "Gemm", "Identity"}
        assert [(t.name, list(t.dims)) for t in one.initializer] == [(t.name, list(t.dims)) for t in other.initializer]


def test_the_truth_was_measured_on_these_models_and_on_20000_drawings() -> None:
    truth = command.read_truth()
    assert truth["drawings"] == 20_000
    cards = load_cards()
    assert truth["models"] == {name.removeprefix("demo_"): cards[name].sha256 for name in models()}
    for version in command.VERSIONS:
        counted = truth["versions"][version]
        assert counted["threshold"] == cards[f"demo_embedder_{version}"].published_threshold
        for metric in (*command.METRICS, "fnmr"):
            assert set(counted[metric]) == {f"{tone} {gender}" for gender, tone in command.CELLS}
            assert all(0 <= one["errors"] <= one["trials"] for one in counted[metric].values())
        assert {one["trials"] for one in counted["error_rate_all"].values()} == {5000}


def test_the_planted_gap_is_there_and_only_where_it_was_planted() -> None:
    truth = command.read_truth()

    def rates(version: str, metric: str) -> dict[str, float]:
        return {cell: one["errors"] / one["trials"] for cell, one in truth["versions"][version][metric].items()}

    skewed, balanced = rates("skewed", "error_rate_all"), rates("balanced", "error_rate_all")
    assert skewed[command.WORST] == max(skewed.values())
    assert skewed[command.WORST] - skewed[command.BEST] > 0.10
    assert max(balanced.values()) - min(balanced.values()) < 0.03
    skewed, balanced = rates("skewed", "fmr"), rates("balanced", "fmr")
    assert skewed[command.WORST] / skewed[command.BEST] > 3
    assert max(balanced.values()) / min(balanced.values()) < 2


def test_the_wheel_holds_the_models_their_cards_and_the_truth(tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.build")
    del hatchling
    code = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    names = set(zipfile.ZipFile(tmp_path / done.stdout.strip().splitlines()[-1]).namelist())
    assert {f"facegap/_models/demo/{path.name}" for path in models().values()} <= names
    assert {f"facegap/_models/demo/{name}.toml" for name in models()} <= names
    assert {
        "facegap/_models/demo/truth.json",
        "facegap/demo/templates/demo.html",
        "facegap/demo/illustrated/portraits.py",
    } <= names
    with zipfile.ZipFile(tmp_path / done.stdout.strip().splitlines()[-1]) as wheel:
        assert json.loads(wheel.read("facegap/_models/demo/truth.json")) == command.read_truth()
