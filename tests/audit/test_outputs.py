"""Outputs besides gender and age end to end: recall, answer rates, attack detection, and the text for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.errors import SettingError, TableError
from facegap.report.figures import figures_in
from facegap.report.first_screen import headline
from facegap.report.outputs import output_report, output_sentences
from facegap.report.page import page_alone
from facegap.store.run import Run, read_run
from fixtures.settings import audit_predictions, audited

MOODS = "happy,sad,calm"


def people(n: int = 60, **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"image": [f"{k}.jpg" for k in range(n)], "subject": [f"s{k}" for k in range(n)]})
    return frame.assign(gender=["female", "male"] * (n // 2), **columns)


def said(words: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"image": [f"{k}.jpg" for k in range(len(words))], "prediction": words})


def rate(run: Run, metric: str, gender: str = "any") -> tuple[int, int]:
    rows = run.rates[(run.rates["metric"] == metric) & (run.rates["gender"] == gender)]
    return int(rows["errors"].iloc[0]), int(rows["trials"].iloc[0])


# ---- labelled ----


def labelled(**words: Any) -> Run:
    """Women happy or sad in turn, men calm or sad; all predictions are correct except that three sad women are predicted calm."""
    truth = ["happy", "calm", "sad", "sad"] * 15
    answers = list(truth)
    for k in (2, 6, 10):
        answers[k] = "calm"
    answers[14] = ""
    words = {"groups": {"min_subjects": 5}} | words
    return audit_predictions(said(answers), people(mood=truth), output="mood", classes=MOODS, by="gender", **words)


def test_recall_of_each_class_by_group_is_one_less_the_rate_of_missed() -> None:
    run = labelled()
    assert rate(run, "mood.missed") == (4, 60)
    assert rate(run, "mood.missed.sad", "female") == (4, 15)  # three predicted calm, one without a prediction
    assert rate(run, "mood.missed.sad", "male") == (0, 15)
    assert rate(run, "mood.missed.happy", "male") == (0, 0)
    assert np.isnan(
        run.rates[(run.rates["metric"] == "mood.missed.calm") & (run.rates["gender"] == "female")]["value"]
    ).all()
    assert set(run.gaps[run.gaps["primary"]]["metric"]) >= {"mood.missed", "mood.missed.sad"}
    assert (run.gaps["margin"] == 0.02).all()


def test_the_macro_error_rate_is_undefined_for_a_group_without_a_class() -> None:
    table = labelled().extra["answer_rates.csv"].set_index("gender")
    assert set(table["measure"]) == {"macro error rate"}
    assert table.loc["any", "value"] == pytest.approx((0 + 4 / 30 + 0) / 3)
    assert np.isnan(table.loc[["female", "male"], "value"]).all()


def test_labels_make_no_groups_unless_they_are_asked_for(tmp_path: Path) -> None:
    truth = ["happy", "sad"] * 30
    run = audit_predictions(said(truth), people(mood=truth), output="mood", classes=MOODS)
    assert run.record.groupings == (("gender",),)


@pytest.mark.parametrize("word", ["hapy", "angry"])
def test_a_label_that_is_no_class_is_an_error_with_its_line(word: str, tmp_path: Path) -> None:
    table = people(mood=["happy"] * 59 + [word])
    table.to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(
        TableError, match=f"people.csv line 61, column mood: '{word}' is not one of the classes"
    ) as error:
        audit_predictions(said(["happy"] * 60), tmp_path / "people.csv", output="mood", classes=MOODS)
    assert "--map mood:" in str(error.value)


# ---- without labels ----


def unlabelled(out: Path | None = None, women: int = 30) -> Run:
    """`women` of 60 women are predicted happy, and 6 of 60 men."""
    answers = [("happy" if k // 2 < (women, 6)[k % 2] else "calm") if k not in (118, 119) else "" for k in range(120)]
    return audit_predictions(said(answers), people(120), output="mood", classes=MOODS, by="gender", out=out)


def test_answers_without_labels_are_counted_and_never_called_wrong(tmp_path: Path) -> None:
    run = unlabelled(tmp_path / "run")
    table = run.extra["answer_rates.csv"].set_index(["answer", "gender"])
    assert (table.loc[("happy", "female"), ["count", "trials"]] == [30, 59]).all()  # one woman has no prediction
    assert (table.loc[("sad", "male"), ["count", "trials"]] == [0, 59]).all()
    assert not run.rates["metric"].str.startswith("mood").any()
    assert run.predictions["mood_outcome"].value_counts().to_dict() == {"unlabelled": 118, "no_answer": 2}
    assert not recheck(tmp_path / "run")
    stored = read_run(tmp_path / "run").extra
    pd.testing.assert_frame_equal(stored["answer_gaps.csv"], run.extra["answer_gaps.csv"], check_dtype=False)


def test_groups_differ_in_answers_and_nothing_speaks_of_a_gap() -> None:
    run = unlabelled()
    gaps = run.extra["answer_gaps.csv"].set_index("answer")
    assert gaps.loc["happy", "verdict"] == "answer rates differ by more than the margin"
    assert gaps.loc["sad", "verdict"] != "gap"
    assert gaps["p_adjusted"].ge(gaps["p"]).all()
    told = [*headline(run)[:1], *output_sentences(run)]
    told += [" ".join([table.title, *table.notes, *map(" ".join, table.rows)]) for table in output_report(run)]
    assert "answer rates differ by more than 2 points" in " ".join(told)
    assert not any("gap" in text.replace("answer_gaps.csv", "") for text in told)
    assert "predicted “" in page_alone(run, include_ids=False)


def test_answer_rates_are_drawn_as_the_table_has_them_those_furthest_apart_first() -> None:
    run = unlabelled()
    happy, calm = figures_in(run, "answers")
    assert [happy.name, calm.name] == [
        "answers-mood-happy-by-gender",
        "answers-mood-calm-by-gender",
    ]  # nobody was predicted sad
    drawn = [row for text in happy.spec["datasets"].values() for row in json.loads(text)]
    table = run.extra["answer_rates.csv"].set_index(["answer", "gender"]).loc["happy"]
    for row in drawn:
        group = row["group"].rpartition("=")[2].strip()
        assert row["value"] == pytest.approx(table.loc[group, "value"], rel=1e-4)
        assert (row["low"], row["high"]) == pytest.approx(tuple(table.loc[group, ["low", "high"]]), rel=1e-4)
    assert [row["counted"] for row in drawn] == ["30/59", "6/59"]
    assert "error" not in happy.caption
    assert "a difference is not an error" in happy.note
    assert figures_in(labelled(), "answers") == []


def test_equal_answers_are_not_shown_to_differ() -> None:
    run = unlabelled(women=6)
    assert set(run.extra["answer_gaps.csv"]["verdict"]) <= {"not enough data", "no difference larger than the margin"}
    assert "no significant difference" in headline(run)[0]


# ---- attacks ----


def attacks(kinds: list[str], answers: list[str], **words: Any) -> Run:
    table = people(len(kinds), presentation=kinds)
    asked = {
        "output": "liveness",
        "classes": "live,spoof",
        "label": "presentation",
        "bona_fide": "live",
        "by": "gender",
    }
    return audit_predictions(said(answers), table, **asked, **words)


def test_bpcer_is_of_bona_fide_presentations_and_apcer_of_each_species() -> None:
    kinds = ["bona_fide"] * 40 + ["print"] * 20 + ["Replay"] * 10 + [""] * 2
    answers = (
        ["live"] * 36 + ["spoof"] * 3 + [""] + ["spoof"] * 19 + ["live"] + ["live"] * 5 + ["spoof"] * 5 + ["live"] * 2
    )
    run = attacks(kinds, answers)
    assert rate(run, "bpcer") == (3, 39)  # one has no prediction, which is not an error
    assert rate(run, "apcer.print") == (1, 20)
    assert rate(run, "apcer.replay") == (5, 10)
    assert run.record.outputs[0].species == ("print", "replay")
    assert "APCER of the worst of 2 species: 50.00%" in " ".join(output_sentences(run))
    assert run.predictions["liveness_outcome"].value_counts()["unlabelled"] == 2


def test_without_a_column_every_image_is_bona_fide_and_that_is_said() -> None:
    asked = {"output": "liveness", "classes": "live,spoof", "bona_fide": "live", "by": "gender"}
    run = audit_predictions(said(["live", "spoof"] * 30), people(), **asked)
    assert rate(run, "bpcer", "male") == (30, 30)
    assert any("every image counts as a bona fide presentation" in text for text in run.record.warnings)
    assert any("could not be measured" in text for text in output_sentences(run))


@pytest.mark.parametrize(
    ("word", "cure"),
    [
        ("real", "--map presentation:real=bona_fide"),
        ("<b>", "not a valid name of an attack species"),
        ("3d", "not a valid name"),
    ],
)
def test_a_word_that_could_be_either_is_refused_with_its_line(word: str, cure: str) -> None:
    with pytest.raises(TableError, match=r"(line|row) \d+, column presentation") as error:
        attacks(["bona_fide"] * 39 + [word], ["live"] * 40)
    assert cure in str(error.value)


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        ({"output": "mood"}, "needs --classes"),
        ({"output": "mood", "classes": "happy"}, "classes"),
        ({"output": "mood", "classes": "happy,Happy"}, "twice"),
        ({"output": "../x", "classes": MOODS}, "begins with a letter"),
        ({"output": "ages", "classes": MOODS}, "did you mean"),
        ({"output": "mood", "classes": MOODS, "bona_fide": "live"}, "not one of classes"),
        ({"label": "mood"}, "other than gender"),
    ],
)
def test_what_is_asked_of_an_output_must_make_sense(words: dict[str, Any], said_: str) -> None:
    with pytest.raises(SettingError, match=said_):
        audit_predictions(said(["happy"] * 60), people(), **words)


def test_a_margin_of_an_output_that_the_run_has_not_is_refused() -> None:
    assert labelled(groups={"margin": "mood.missed.sad=0.1"}).record.margins["mood.missed.sad"].size == 0.1
    with pytest.raises(SettingError, match=r"there is no metric 'mood.missed.angry'"):
        labelled(groups={"margin": "mood.missed.angry=0.1"})


# ---- images ----

CROP = '[crop]\nrule = "shifted"\nfactor = {factor}\ninterpolation = "bilinear"\n'
SPLIT = (
    '[outputs.liveness]\noutput = "means"\nkind = "logits"\nclasses = ["print", "live", "replay"]\nbona_fide = "live"\n'
)


def test_an_image_too_small_for_the_crop_is_no_trial_unless_a_reduced_crop_is_allowed(
    toys: Any, graphs: Any, card_writer: Any, draw: Any, tmp_path: Path
) -> None:
    import cv2

    card = card_writer(
        tmp_path,
        "live",
        "classify",
        graphs.mean_of_channels(),
        CROP.format(factor=2.5) + SPLIT,
        scale="[0.002, 0.002, 0.002]",
    )
    for k in range(2):
        assert cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((64, 64, 3), 170, np.uint8) if k else draw())
    pd.DataFrame({"image": ["0.png", "1.png"], "subject": ["a", "b"], "gender": ["female", "male"]}).to_csv(
        tmp_path / "people.csv", index=False
    )
    words = {"detect": toys.card("detector"), "classify": str(card), "by": "gender", "min_subjects": 2}
    run = audited(tmp_path / "people.csv", **words)
    outcomes = run.predictions["liveness_outcome"].tolist()
    assert set(outcomes) <= {"right", "wrong", "no_answer", "crop_unavailable"}
    reduced = audited(tmp_path / "people.csv", **words, allow_reduced_crop=True)
    assert "crop_unavailable" not in set(reduced.predictions["liveness_outcome"])
    assert any("--allow-reduced-crop" in text for text in reduced.record.warnings)
    assert reduced.record.request.setting("faces", "allow_reduced_crop") is True
