"""Plugins of facegap: the examples of docs/extending.md installed and used, and rejected packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap import plugins
from facegap.audit.record import plugins_of, versions_of_decoders
from facegap.cli import app
from facegap.derive.metrics import METRICS, metrics
from facegap.errors import CardError, PluginError
from facegap.export.document import schema_text
from facegap.export.write import exported
from facegap.inputs.cards.decoders import decoders
from facegap.inputs.cards.read import read_card
from facegap.plugins import Plugin, installed
from facegap.report.figures import charts, figures_of
from facegap.report.page import report_again
from facegap.runtime import open_session
from facegap.store.run import read_run
from facegap.vision.detect import detect, detector
from fixtures.packages import Install
from fixtures.settings import audit_predictions

RENDERS_CHARTS = True  # a chart of a package is among the pictures

DOCUMENT = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL))
(POINTS,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
ENTRY_POINTS = tomllib.loads(POINTS)["project"]["entry-points"]
METRIC = CODE[: CODE.index("import numpy")]
ONLY_METRIC = {"facegap.metrics": ENTRY_POINTS["facegap.metrics"]}
OF_PAIRS = """
from dataclasses import replace
from facegap.derive.metrics import FMR
BLURRED = replace(FMR, name="blurred")
"""
POLICY = """version = 1
[[rate]]
metric = "unsure_rate"
max = 0.2
by = "everybody"
[[gap]]
metric = "unsure_rate"
max_difference = 0.1
"""


def audit(folder: Path) -> Path:
    """A run folder of a black box over 80 people that is uncertain about 20 of 40 women and 2 of 40 men."""
    folder.mkdir()
    image = [f"{k}.png" for k in range(80)]
    women = np.arange(80) < 40
    confidence = np.where((np.arange(80) < 20) | (np.arange(80) >= 78), 0.55, 0.9)
    gender = np.where(women, "female", "male")
    pd.DataFrame({"image": image, "subject": image, "gender": gender}).to_csv(folder / "people.csv", index=False)
    said = pd.DataFrame({"image": image, "prediction": gender, "confidence": confidence})
    said.to_csv(folder / "said.csv", index=False)
    audit_predictions(folder / "said.csv", folder / "people.csv", by="gender", out=folder / "run")
    return folder / "run"


def rechecked(run: Path) -> Any:
    return CliRunner().invoke(app, ["recheck", str(run)])


def test_a_metric_of_a_package_is_in_the_tables_the_page_the_export_and_the_gate(
    install: Install, tmp_path: Path
) -> None:
    install("my_facegap", METRIC, ONLY_METRIC, "2.5")
    run = audit(tmp_path / "audit")
    rates = pd.read_csv(run / "rates.csv").query("metric == 'unsure_rate'").set_index("gender")
    assert rates[["errors", "trials"]].to_dict("index") == {
        "any": {"errors": 22, "trials": 80},
        "female": {"errors": 20, "trials": 40},
        "male": {"errors": 2, "trials": 40},
    }
    (gap,) = pd.read_csv(run / "gaps.csv").query("metric == 'unsure_rate'").to_dict("records")
    assert (gap["difference"], gap["margin"], gap["beyond_margin"]) == (pytest.approx(0.45), 0.05, True)
    assert gap["verdict"] == "exploratory"  # the primary family of these answers is error_rate_all
    report_again(run, include_ids=False)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "answered with a probability below 0.6" in page
    assert "answers with a probability below 0.6 / answers" in page  # its formula
    assert (run / "figures" / "error-unsure-rate-by-gender.svg").is_file()
    whole, schema = json.loads(exported(run, "json")), json.loads(schema_text())
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(whole)] == []
    assert [row["errors"] for row in whole["error_rates"] if row["metric"] == "unsure_rate"] == [22, 20, 2]
    assert [row["verdict"] for row in whole["gaps"] if row["metric"] == "unsure_rate"] == ["exploratory"]
    (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
    gate = CliRunner().invoke(app, ["gate", str(run), "--policy", str(tmp_path / "policy.toml")])
    assert gate.exit_code == 1
    assert "broken       gap in answered with a probability below 0.6" in gate.output
    assert rechecked(run).exit_code == 0


def test_the_record_names_package_and_version_and_another_machine_is_told_what_it_lacks(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("my_facegap", METRIC, ONLY_METRIC, "2.5")
    run = audit(tmp_path / "audit")
    assert json.loads((run / "run.json").read_text())["plugins"] == [
        {"group": "facegap.metrics", "name": "unsure_rate", "package": "my_facegap", "version": "2.5"}
    ]
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(folder)])
    plugins.forget()
    found = rechecked(run)
    assert found.exit_code != 0
    assert re.search(
        r"metric 'unsure_rate' of 'my_facegap 2\.5', which is not installed", str(found.output) + str(found.exception)
    )


def test_a_metric_that_is_installed_later_changes_no_earlier_run(install: Install, tmp_path: Path) -> None:
    run = audit(tmp_path / "audit")
    assert read_run(run).record.plugins == ()
    install("my_facegap", METRIC, ONLY_METRIC)
    assert "unsure_rate" in metrics()
    assert rechecked(run).exit_code == 0


def test_a_decoder_of_a_package_reads_what_a_card_says_it_reads(
    install: Install, tmp_path: Path, card_writer: Any, graphs: Any
) -> None:
    tables = (
        '\n[detector]\ndecoder = "one_box"\nresize = "stretch"\nscore_threshold = 0.5\nnms_iou = 0.3\npoints = false\n'
    )
    graph = graphs.answering({"box": [[0.25, 0.5, 0.75, 1.0]], "score": [[0.8]]})
    path = card_writer(tmp_path, "toy", "detect", graph, tables, side=64, colour="BGR")
    with pytest.raises(CardError, match=r"detector\.decoder.*should be one of 'yunet', 'ultraface', 'scrfd'"):
        read_card(path)
    install("my_facegap", CODE, ENTRY_POINTS, "3.1")
    card = read_card(path)
    found = detect(detector(card, open_session(graph, name="toy")), np.zeros((100, 200, 3), np.uint8))
    assert found.boxes.tolist() == [pytest.approx([50, 50, 150, 100])]
    assert found.scores == pytest.approx([0.8])
    assert Plugin("facegap.decoders", "one_box", "my_facegap", "3.1") in plugins_of({"detect": card})
    assert versions_of_decoders({"detect": card}) == {"my_facegap": "3.1"}  # a run resumes with the same version only
    assert versions_of_decoders({}) == {}


def test_a_decoder_that_gives_no_points_is_refused_for_a_card_that_wants_them(
    install: Install, tmp_path: Path, card_writer: Any
) -> None:
    install("my_facegap", CODE, ENTRY_POINTS)
    tables = (
        '\n[detector]\ndecoder = "one_box"\nresize = "stretch"\nscore_threshold = 0.5\nnms_iou = 0.3\npoints = true\n'
    )
    path = card_writer(tmp_path, "toy", "detect", b"x", tables, side=64, colour="BGR")
    with pytest.raises(CardError, match="points must be false: one_box gives boxes only"):
        read_card(path)


def test_an_adapter_of_a_package_writes_a_manifest_and_says_whose_it_is(install: Install, tmp_path: Path) -> None:
    install("my_facegap", CODE, ENTRY_POINTS)
    (tmp_path / "names.txt").write_text("a.png ada female\nb.png bob male\n")
    result = CliRunner().invoke(app, ["manifest", "listed", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "read by my_facegap 1.0" in " ".join(result.output.split())
    frame = pd.read_csv(tmp_path / "manifest.csv")
    assert frame.to_dict("list") == {
        "image": ["a.png", "b.png"],
        "subject": ["ada", "bob"],
        "gender": ["female", "male"],
    }


def test_a_chart_of_a_package_is_on_the_page_under_its_name_and_among_the_figures(
    install: Install, tmp_path: Path
) -> None:
    install("my_facegap", CODE, ENTRY_POINTS, "3.1")
    run = audit(tmp_path / "audit")
    report_again(run, include_ids=False)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Further charts" in page
    assert "Added by my_facegap 3.1, not by facegap." in page
    assert "Bars: ok 80." in page
    for suffix in ("svg", "png", "pdf"):
        assert (run / "figures" / f"outcomes-of-images.{suffix}").stat().st_size > 0


# ---- rejected packages ----


def test_two_packages_with_one_name_are_an_error_that_names_both(install: Install) -> None:
    install("one", METRIC, {"facegap.metrics": {"unsure_rate": "one:UNSURE_RATE"}}, "1.0")
    install("other", METRIC, {"facegap.metrics": {"unsure_rate": "other:UNSURE_RATE"}}, "2.0")
    with pytest.raises(PluginError, match=r"'unsure_rate' is given by .*; uninstall one of them") as error:
        metrics()
    assert "one 1.0" in str(error.value)
    assert "other 2.0" in str(error.value)


@pytest.mark.parametrize(
    ("group", "name", "table"),
    [("facegap.metrics", "fmr", metrics), ("facegap.decoders", "yunet", decoders), ("facegap.charts", "det", charts)],
)
def test_a_name_of_facegap_itself_cannot_be_taken(install: Install, group: str, name: str, table: Any) -> None:
    install("taker", CODE, {group: {name: "taker:UNSURE_RATE"}})
    with pytest.raises(PluginError, match=rf"{group}: '{name}' of taker 1\.0 is a name of facegap itself"):
        table()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("BLURRED = 3", "it is a int, not a facegap.derive.metrics.Metric"),
        (METRIC + "\nBLURRED = UNSURE_RATE", "the entry point is named 'blurred' and the metric 'unsure_rate'"),
        (
            OF_PAIRS,
            "single images only",
        ),
        ("", "cannot be loaded from 'broken:BLURRED'"),
        ("import no_such_module", "cannot be loaded from 'broken:BLURRED': No module named 'no_such_module'"),
    ],
)
def test_an_entry_point_that_is_no_metric_is_refused_by_package_and_name(
    install: Install, code: str, said: str
) -> None:
    install("broken", code, {"facegap.metrics": {"blurred": "broken:BLURRED"}})
    with pytest.raises(PluginError, match=re.escape(said)) as error:
        metrics()
    assert str(error.value).startswith("facegap.metrics: 'blurred' of broken 1.0")


def test_a_metric_that_gives_other_than_two_boolean_arrays_is_refused(install: Install, tmp_path: Path) -> None:
    wrong = METRIC.replace("    return answered, answered &", "    return answered[1:], answered &")
    install("my_facegap", wrong, ONLY_METRIC)
    with pytest.raises(PluginError, match="metric unsure_rate: `trials` must return two boolean arrays of 80 rows"):
        audit(tmp_path / "audit")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'name="outcomes-of-images"',
            'name="../outside"',
            "is already used, or does not consist of lower-case letters",
        ),
        ('name="outcomes-of-images"', 'name="waterfall"', "is already used, or does not consist of lower-case letters"),
        ("return [finished(", "return (finished(", "must give a list of"),
    ],
)
def test_a_chart_cannot_write_elsewhere_or_over_another(
    install: Install, tmp_path: Path, old: str, new: str, said: str
) -> None:
    code = CODE.replace(old, new)
    code = code.replace('alt_text=f"Bars: {said}.")]', 'alt_text=f"Bars: {said}."),)') if "(finished(" in new else code
    install("my_facegap", code, {"facegap.charts": ENTRY_POINTS["facegap.charts"]})
    run = read_run(audit(tmp_path / "audit"))
    with pytest.raises(PluginError, match=said):
        figures_of(run)


# ---- cost ----


def test_metadata_alone_says_what_is_installed(install: Install) -> None:
    install("slow", "raise SystemExit('imported')", {"facegap.charts": {"late": "slow:late"}}, "0.1")
    assert installed("facegap.charts") == (Plugin("facegap.charts", "late", "slow", "0.1"),)
    assert "slow" not in sys.modules


def test_without_packages_the_tables_are_those_of_facegap() -> None:
    plugins.forget()
    if not installed("facegap.metrics"):
        assert metrics() is METRICS


def test_help_looks_up_no_package() -> None:
    code = (
        "import sys\nfrom facegap.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "plugins = sys.modules.get('facegap.plugins')\n"
        "assert plugins is None or plugins._found.cache_info().misses == 0\n"
        "assert 'facegap.derive.metrics' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
