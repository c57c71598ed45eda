"""The JSON conforms to its published schema and names what is missing; no name in it, or in the card, is markup."""

from __future__ import annotations

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.settings import Verify
from facegap.cli import app
from facegap.export.document import as_json, schema_text
from facegap.export.markdown import md
from facegap.export.model_card import widest_first
from facegap.export.write import exported
from facegap.report.rows.gaps import Estimate, GapRow, Side
from facegap.store.run import read_run
from fixtures.settings import audit_embeddings, audit_predictions, audited

HOSTILE = "| [x](http://evil.example) <img src=x onerror=1> `=1+1` www.evil.example a@b.example"


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    content = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A black box with 60 people, without a subject column, with a hostile town name."""
    folder = tmp_path_factory.mktemp("classified")
    image = [f"secret-{k}.png" for k in range(60)]
    people = pd.DataFrame({"image": image, "gender": ["female", "male"] * 30, "town": [HOSTILE, HOSTILE, "Bonn"] * 20})
    people.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": ["female"] * 60}).to_csv(folder / "said.csv", index=False)
    audit_predictions(folder / "said.csv", folder / "people.csv", by="gender,town", out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates of 50 people; no woman has a second image."""
    folder = tmp_path_factory.mktemp("verified")
    rng = np.random.default_rng(0)
    people = np.append(np.arange(50), np.arange(25, 50))
    np.save(folder / "t.npy", rng.normal(size=(50, 12))[people] + 0.1 * rng.normal(size=(75, 12)))
    frame = pd.DataFrame({"image": [f"secret-{k}" for k in range(75)], "subject": people})
    frame["gender"] = np.where(people < 25, "female", "male")
    frame.to_csv(folder / "people.csv", index=False)
    settings = Verify(fmr=(), threshold=(0.5, 0.9))
    audit_embeddings(folder / "t.npy", folder / "people.csv", by="gender", verify=settings, out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> Path:
    """Illustrated faces with the toy models, timed."""
    import cv2

    folder = tmp_path_factory.mktemp("drawn")
    for number in range(6):
        cv2.imwrite(str(folder / f"secret-{number}.png"), draw(green=204 if number % 2 else 51))
    rows = "".join(f"secret-{k}.png,{'f' if k % 3 else 'm'}\n" for k in range(6))
    (folder / "people.csv").write_text("image,gender\n" + rows, encoding="utf-8")
    audited(folder / "people.csv", out=folder / "run", min_subjects=2, **toys.two)
    return folder / "run"


def document(folder: Path) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    whole: dict[str, Any] = json.loads(exported(folder, "json"), parse_constant=refuse)
    return whole


@pytest.mark.parametrize("name", ["classified", "verified", "drawn"])
def test_the_document_conforms_to_the_published_schema(name: str, schema: Any, request: pytest.FixtureRequest) -> None:
    whole = document(request.getfixturevalue(name))
    assert [error.message for error in schema.iter_errors(whole)] == []


def test_the_schema_rejects_unknown_keys(schema: Any, verified: Path) -> None:
    whole = document(verified)
    for change in ({"version": 2}, {"more": 1}, {"tasks": ["mind reading"]}, {"error_rates": [{"metric": "fmr"}]}):
        assert list(schema.iter_errors({**whole, **change}))
    whole["error_rates"][0]["value"] = 1.5
    assert list(schema.iter_errors(whole))


def test_the_command_prints_the_schema_of_the_package() -> None:
    result = CliRunner().invoke(app, ["export", "--schema"])
    assert json.loads(result.output) == json.loads(schema_text())
    assert json.loads(result.output)["$id"] == "urn:facegap:run-export:1"


def items(whole: dict[str, Any]) -> dict[str, str]:
    return {entry["item"]: entry["missing"] for entry in whole["reported"]}


def test_what_is_missing_is_named(classified: Path, verified: Path, drawn: Path) -> None:
    closed, compared, timed = (items(document(folder)) for folder in (classified, verified, drawn))
    assert closed["subjects per group"].startswith("the manifest has no subject column")
    assert "nothing is compared" in closed["shifts in comparison score"]
    assert closed["throughput"] == "no model was timed"
    assert (
        compared["shifts in comparison score"]
        == compared["recognition error rates"]
        == compared["threshold policy"]
        == ""
    )
    assert "gallery" in compared["identification error rates"]
    assert timed["throughput"] == timed["throughput by group"] == ""
    assert "tone" in timed["phenotypic measures"]


def test_the_numbers_are_those_of_the_run(verified: Path) -> None:
    from facegap.store.run import read_run

    whole, run = document(verified), read_run(verified)
    own = run.rates[(run.rates["other_gender"] == "")]
    assert len(whole["error_rates"]) + len(whole["failure_to_enrol"]) == len(own)
    assert len(whole["cross_group_false_matches"]) == len(run.rates) - len(own) > 0
    assert len(whole["gaps"]) == len(run.gaps)
    women = next(
        row for row in whole["error_rates"] if row["metric"] == "fnmr" and row["group"] == {"gender": "female"}
    )
    assert (women["errors"], women["trials"], women["value"], women["low"]) == (0, 0, None, None)
    shifts = {tuple(row["group"].values()): row for row in whole["score_shifts"]}
    assert shifts[()]["genuine_shift"] == 0
    everybody, men = shifts[()], shifts[("male",)]
    assert men["impostor_shift"] == pytest.approx(men["impostor_mean"] - everybody["impostor_mean"])
    assert whole["thresholds"]["policy"] == "given in advance"
    assert [point["threshold"] for point in whole["thresholds"]["points"]] == [0.5, 0.9]


def test_throughput_by_group_counts_every_image(drawn: Path) -> None:
    found = {tuple(entry["group"].values()): entry for entry in document(drawn)["throughput"]["by_group"]}
    assert found[()]["images"] == 6
    assert found[("female",)]["images"] + found[("male",)]["images"] == 6
    assert all(0 < entry["median_ms"] <= entry["p95_ms"] for entry in found.values())


def test_no_image_is_named_in_either(classified: Path, verified: Path, drawn: Path) -> None:
    assert any("secret-" in warning for warning in read_run(drawn).record.warnings)  # one picture with two names
    for folder in (classified, verified, drawn):
        for form in ("json", "model-card"):
            assert "secret-" not in exported(folder, form)  # type: ignore[arg-type]
    assert any("(an image)" in warning for warning in document(drawn)["warnings"])


def test_numbers_that_json_cannot_express_are_null() -> None:
    whole = {"a": float("nan"), "b": [float("inf"), np.float64(0.5), np.int64(3)], "c": {"d": np.nan}, "e": True}
    assert as_json(whole) == {"a": None, "b": [None, 0.5, 3], "c": {"d": None}, "e": True}


def test_json_is_ascii_without_direction_characters(classified: Path) -> None:
    assert exported(classified, "json").isascii()


def test_the_card_has_every_part_and_every_rate(verified: Path) -> None:
    card = exported(verified, "model-card")
    for heading in (
        "# Model card",
        "## Model details",
        "## Intended use",
        "## Factors",
        "## Evaluation data",
        "## Metrics",
        "## Finding",
        "## Error rates by group",
        "## Gaps and verdicts",
        "## Score shifts",
        "## Throughput",
        "## Caveats",
        "## What ISO/IEC 19795-10:2024 asks to be reported",
    ):
        assert f"\n{heading}" in "\n" + card
    assert "Missing: no model was timed." in card
    rates = card.split("## Error rates by group")[1].split("##")[0]
    assert rates.count("\n| falsely") == 3 * 3 * 2  # fmr, fnmr and gfar; three groups, two thresholds
    assert not re.search(r"\bnan\b", card, re.IGNORECASE)


def test_the_card_shows_the_widest_gap_of_each_family_with_counts_the_worse_group_in_front(verified: Path) -> None:
    run = read_run(verified)
    table = exported(verified, "model-card").split("## Gaps and verdicts")[1].split("##")[0]
    families = run.gaps.groupby(["family", "metric", "threshold"], dropna=False)
    assert len(families) > 4
    shown = [line.split(" | ") for line in table.splitlines() if line.startswith("| ") and " against " in line][1:]
    assert len(shown) == len(run.gaps) == len(families)  # only two groups
    row = run.gaps[(run.gaps["metric"] == "fmr") & (run.gaps["threshold"] == 0.5)].iloc[0]
    first, second = ("a", "b") if row["difference"] >= 0 else ("b", "a")
    (said,) = [line for line in shown if line[0] == "| falsely matched (FMR)" and line[1] == "0.5000"]
    assert said[2] == f"{row[f'group_{first}']} against {row[f'group_{second}']}"
    counts = [f"{row[f'errors_{side}']:,}/{row[f'trials_{side}']:,}" for side in (first, second)]
    assert said[3] == "; ".join(counts)
    assert said[4].startswith(f"{100 * abs(row['difference']):.2f} points")


def test_small_rates_are_not_crowded_out_of_the_card_by_large_ones() -> None:
    def gap(metric: str, difference: float) -> GapRow:
        side, none = Side("a", 0, 0, 0, math.nan), Estimate(math.nan, math.nan, math.nan)
        size = Estimate(difference, 0.0, 1.0)
        return GapRow(
            *(metric, "m", 0.5, "", "town", True, side, side, size, none, 0.1, 0.1, 0.02, False, False),
            verdict="gap",
            decided=none,
            decided_level=math.nan,
            subjects_needed=math.nan,
        )

    found = widest_first([[gap("fnmr", value) for value in (0.1, 0.3, math.nan, 0.2)], [gap("fmr", 0.001)]])
    assert [row.difference.value for row in found][:4] == [0.3, 0.001, 0.2, 0.1]
    assert math.isnan(found[4].difference.value)


def test_hostile_text_is_not_markup_in_the_card(classified: Path) -> None:
    card = exported(classified, "model-card")
    assert "<img" not in card and "://evil" not in card
    assert not re.search(r"(?<!\\)\]\(", card)
    assert " www.evil" not in card and "a@b" not in card
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
    assert md("- a") == "\\- a"
    assert md("a\nb\x1b[1m") == "a\ufffdb\ufffd\\[1m"
    assert md("a_b*c`d") == "a\\_b\\*c\\`d"
    assert md("1 < 2 > 0 & x") == "1 &lt; 2 &gt; 0 &amp; x"


def test_the_command_writes_a_file_for_its_owner_only_or_prints(verified: Path, tmp_path: Path) -> None:
    out = tmp_path / "MODEL_CARD.md"
    result = CliRunner().invoke(app, ["export", str(verified), "--format", "model-card", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_text(encoding="utf-8").startswith("# Model card")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    printed = CliRunner().invoke(app, ["export", str(verified)])
    assert json.loads(printed.output)["format"] == "facegap run export"
    assert CliRunner().invoke(app, ["export"]).exit_code == 2


def test_unlabelled_predictions_are_exported_with_rates_and_differences(
    tmp_path: Path, schema: jsonschema.Draft202012Validator
) -> None:
    image = [f"{k}.png" for k in range(120)]
    gender = ["female", "male"] * 60
    pd.DataFrame({"image": image, "gender": gender}).to_csv(tmp_path / "people.csv", index=False)
    answers = ["happy" if k // 2 < (30, 6)[k % 2] else "calm" for k in range(120)]
    pd.DataFrame({"image": image, "prediction": answers}).to_csv(tmp_path / "said.csv", index=False)
    words = {"output": "mood", "classes": "happy,calm", "by": "gender", "out": tmp_path / "run"}
    audit_predictions(tmp_path / "said.csv", tmp_path / "people.csv", **words)
    document = json.loads(exported(tmp_path / "run", "json"))
    schema.validate(document)
    women = {"group": {"gender": "female"}, "output": "mood", "measure": "answer rate", "answer": "happy"}
    (rate,) = [row for row in document["answer_rates"] if women.items() <= row.items()]
    assert (rate["count"], rate["trials"], rate["value"]) == (30, 60, 0.5)
    (gap,) = [row for row in document["answer_gaps"] if row["answer"] == "happy"]
    assert gap["verdict"] == "answer rates differ by more than the margin"
    assert abs(abs(gap["difference"]) - 0.4) < 1e-9
