"""Audits of a service that compares two images, simulated on this machine with three real APIs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import CardError, ModelError, RunError, SettingError, StatisticsError, TableError
from facegap.report.page import add_report
from facegap.store.run import Run, read_run
from facegap.vision.embed import unit_rows
from fixtures.dialects import DIALECTS, EMBEDDING, KEYS, DialectServer, by_colours, card_for, serving
from fixtures.settings import audit_scores, audited

PEOPLE, IMAGES = 4, 2
BLANK = "p0_1.png"  # an image without a face in some tests


@pytest.fixture
def server() -> Iterator[DialectServer]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Four people of two groups with two noisy pictures each, and every pair of them in a list."""
    rng = np.random.default_rng(7)
    lines, names = ["image,subject,gender"], []
    for person in range(PEOPLE):
        face = rng.integers(30, 220, (6, 6, 3))
        for image in range(IMAGES):
            noisy = np.clip(face + rng.normal(0, 25, face.shape), 0, 255).astype(np.uint8)
            name = f"p{person}_{image}.png"
            cv2.imwrite(str(tmp_path / name), cv2.resize(noisy, (48, 48), interpolation=cv2.INTER_NEAREST))
            lines.append(f"{name},{person},{('female', 'male')[person % 2]}")
            names.append(name)
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = [f"{a},{b}" for k, a in enumerate(names) for b in names[k + 1 :]]
    (tmp_path / "pairs.csv").write_text("left,right\n" + "\n".join(pairs) + "\n", encoding="utf-8")
    return tmp_path / "people.csv"


def ask(people: Path, card: Path, **words: Any) -> Run:
    """The audit of a service for every pair, at a threshold unless a test gives other settings."""
    given = {
        "verify_service": str(card),
        "pairs": people.with_name("pairs.csv"),
        "send_images": True,
        "calls_per_second": 1000.0,
        "out": people.with_name("run"),
        "by": "gender",
        "groups": {},
        **words,
    }
    return audited(people, **{name: value for name, value in given.items() if value not in (None, {})})


def local(people: Path, card: str) -> dict[tuple[str, str], float]:
    """The score of each pair as computed by the service, higher means more similar; NaN if a face is missing."""
    pairs = pd.read_csv(people.with_name("pairs.csv"))
    found = {}
    for left, right in zip(pairs["left"], pairs["right"], strict=True):
        one, other = (by_colours((people.parent / name).read_bytes()) for name in (left, right))
        cosine = math.nan if one is None or other is None else float(one @ other)
        found[left, right] = {"compreface_verify": (1 + cosine) / 2, "deepface_verify": cosine - 1}.get(card, cosine)
    return found


def scores(run: Run) -> dict[tuple[str, str], float]:
    assert run.matched is not None and run.matched.pairs is not None
    names, pairs = run.manifest["image"].to_numpy(), run.matched.pairs
    return dict(zip(zip(names[pairs["left"]], names[pairs["right"]], strict=True), pairs["score"], strict=True))


def rates(run: Run) -> pd.DataFrame:
    return run.rates.drop(columns=["model", "threshold_from"])


# ---- the three APIs ----


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_service_is_audited_as_the_scores_that_it_gives(
    people: Path, server: DialectServer, tmp_path: Path, dialect: str
) -> None:
    run = ask(people, card_for(dialect, server, tmp_path), threshold=0.55)
    expected = local(people, dialect)
    assert scores(run) == pytest.approx(expected, abs=1e-12)
    assert len(server.seen) == len(expected) == 28
    assert set(run.faces["outcome"]) == {"ok"}
    sent = run.record.sent
    assert sent is not None and (sent.images, sent.pairs, sent.calls, sent.decisions) == (8, 28, 28, False)
    falling = dialect == "deepface_verify"
    frame = pd.DataFrame(
        [(a, b, -s if falling else s) for (a, b), s in expected.items()], columns=["left", "right", "score"]
    )
    frame.to_csv(tmp_path / "scores.csv", index=False)
    by_file = audit_scores(
        tmp_path / "scores.csv", people, by="gender", verify={"threshold": 0.55, "distance": falling}
    )
    of_pairs = rates(run)[rates(run)["metric"] != "fta"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_pairs, rates(by_file).reset_index(drop=True))
    assert recheck(tmp_path / "run") == []


def test_the_two_images_go_under_the_names_of_the_card_and_no_file_name_leaves(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    ask(people, card_for("insightface_server_verify", server, tmp_path), threshold=0.5)
    first = next(one for one in server.seen)
    assert first[1]["Authorization"] == f"Bearer {KEYS['INSIGHTFACE_KEY']}"
    sent = {(images["source"], images["target"]) for _, _, images in server.seen}
    files = {name: (people.parent / name).read_bytes() for name in pd.read_csv(people)["image"]}
    pairs = pd.read_csv(people.with_name("pairs.csv"))
    assert sent == {(files[a], files[b]) for a, b in zip(pairs["left"], pairs["right"], strict=True)}


def test_a_distance_is_the_negative_of_what_the_service_says_and_so_is_its_threshold(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    run = ask(people, card_for("deepface_verify", server, tmp_path), threshold="published")
    assert [point.threshold for point in run.record.operating] == [-0.68]
    assert "published by the service's card" in run.record.operating[0].source


# ---- a missing face is not a score ----


@pytest.mark.parametrize(
    ("dialect", "as_probe", "as_reference"),
    [
        ("compreface_verify", "no_face_somewhere", "no_face_somewhere"),
        ("deepface_verify", "no_face_probe", "no_face_reference"),
    ],
)
def test_a_picture_without_a_face_is_a_failure_to_acquire_and_never_a_score(
    people: Path, server: DialectServer, tmp_path: Path, dialect: str, as_probe: str, as_reference: str
) -> None:
    cv2.imwrite(str(tmp_path / BLANK), np.full((48, 48, 3), 90, np.uint8))
    run = ask(people, card_for(dialect, server, tmp_path), threshold=0.55)
    assert run.matched is not None and run.matched.pairs is not None
    pairs, names = run.matched.pairs, run.manifest["image"].to_numpy()
    probe, reference = names[pairs["left"]] == BLANK, names[pairs["right"]] == BLANK
    assert set(pairs["outcome"][probe]) == {as_probe}
    assert set(pairs["outcome"][reference]) == {as_reference}
    assert pairs["score"].isna().tolist() == (probe | reference).tolist()
    assert len(server.seen) == 28  # a missing face is reported once
    known = dialect == "deepface_verify"  # it says in which image
    assert run.faces.set_index("image")["outcome"][BLANK] == ("no_face" if known else "ok")
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")
    assert (everybody["errors"]["fta"], everybody["trials"]["fta"]) == (int(known), 8)
    assert (everybody["trials"]["fnmr"], everybody["trials"]["gfrr"]) == (3, 4)
    assert recheck(tmp_path / "run") == []
    asked = run.extra["asked_pairs.csv"]
    row = asked[(asked["gender"] == "any") & (asked["pairs_of"] == "genuine")].iloc[0]
    assert (row["pairs"], row["scored"]) == (4, 3)


# ---- invalid responses ----


def test_a_card_that_reads_no_score_stops_before_all_pairs_are_paid_for(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("insightface_server_verify", server, tmp_path, **{'"similarity"': '"result.score"'})
    with pytest.raises(
        TableError, match=r"none of the first 20 pairs has a score: nothing at result\.score in the response \(20\)"
    ):
        ask(people, card, threshold=0.5, workers=1)
    assert 20 <= len(server.seen) <= 22


def test_a_service_that_never_gives_a_score_is_an_error_with_what_it_said(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    people.with_name("pairs.csv").write_text("left,right\np0_0.png,p0_1.png\np0_0.png,p2_0.png\n")
    card = card_for("insightface_server_verify", server, tmp_path, **{'"similarity"': '"result.score"'})
    with pytest.raises(
        TableError,
        match=r"none of 2 pairs has a score: nothing at result\.score in the response "
        r"\(2\)",
    ):
        ask(people, card, threshold=0.5, by=None)


def test_a_distance_that_is_taken_for_a_similarity_is_an_alarm(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("deepface_verify", server, tmp_path, **{"falling = true": "", "published_threshold = 0.68": ""})
    run = ask(people, card, threshold=0.5)
    assert any("falling = true is missing" in alarm for alarm in run.record.alarms)


# ---- decisions ----


def test_a_service_that_only_decides_has_errors_at_its_own_threshold_and_no_curve(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for(
        "insightface_server_verify",
        server,
        tmp_path,
        **{
            'score = "similarity"\nscore_range = [-1.001, 1.001]': 'decision = "matched"',
            "published_threshold = 0.4": "",
        },
    )
    run = ask(people, card)
    expected = local(people, "insightface_server_verify")
    subjects = dict(zip(run.manifest["image"], run.manifest["subject"], strict=True))
    accepted = {pair: score >= 0.4 for pair, score in expected.items()}
    false_matches = sum(took for (a, b), took in accepted.items() if subjects[a] != subjects[b])
    refused = sum(not took for (a, b), took in accepted.items() if subjects[a] == subjects[b])
    everybody = run.rates[(run.rates["gender"] == "any")].set_index("metric")
    assert (everybody["errors"]["fmr"], everybody["trials"]["fmr"]) == (false_matches, 24)
    assert (everybody["errors"]["fnmr"], everybody["trials"]["fnmr"]) == (refused, 4)
    assert not run.record.has_curve
    assert "scores.csv" not in run.extra
    assert "the vendor's, because the scores are decisions" in run.record.operating[0].source
    add_report(tmp_path / "run", run, include_ids=False)
    said = f"28 pairs of 8 images were sent to {server.url}, in 28 calls."
    assert said in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert recheck(tmp_path / "run") == []
    for words in ({"threshold": 0.3}, {"fmr": 0.01}):
        with pytest.raises(SettingError, match="returns decisions at its own threshold"):
            ask(people, card, out=tmp_path / "other", **words)


def test_a_service_that_only_decides_takes_a_sample_of_pairs_without_a_threshold(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    decides = {
        'score = "similarity"\nscore_range = [-1.001, 1.001]': 'decision = "matched"',
        "published_threshold = 0.4": "",
    }
    card = card_for("insightface_server_verify", server, tmp_path, **decides)
    run = ask(people, card, pairs=None, sample_pairs=14, seed=3)
    assert len(server.seen) == 14
    assert (run.record.sampled, run.record.has_curve) == (True, False)
    assert run.matched is not None and run.matched.pairs is not None
    assert run.matched.pairs["weight"].sum() == pytest.approx(28)


# ---- what is paid for ----


def test_a_budget_ends_in_pairs_that_count_in_no_rate_and_a_larger_one_goes_on(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("insightface_server_verify", server, tmp_path)
    whole = ask(people, card, threshold=0.5, out=tmp_path / "whole")
    server.seen.clear()
    run = ask(people, card, threshold=0.5, max_calls=15, workers=1)
    assert run.matched is not None and run.matched.pairs is not None
    assert len(server.seen) == 15
    assert run.matched.pairs["outcome"].tolist() == ["scored"] * 15 + ["not_sent"] * 13
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")["trials"]
    assert everybody["gfar"] + everybody["gfrr"] == 15
    assert any("13 of 28 pairs were not sent" in warning for warning in run.record.warnings)
    assert set(run.faces["outcome"]) == {"ok"}
    assert recheck(tmp_path / "run") == []
    again = ask(people, card, threshold=0.5, max_calls=100, resume=True)
    assert len(server.seen) == 28
    assert scores(again) == scores(whole)
    pd.testing.assert_frame_equal(again.rates, whole.rates)


def test_images_in_no_pair_that_was_sent_are_no_trial(people: Path, server: DialectServer, tmp_path: Path) -> None:
    run = ask(
        people, card_for("insightface_server_verify", server, tmp_path), threshold=0.5, max_calls=1, workers=1, by=None
    )
    assert run.faces["outcome"].value_counts().to_dict() == {"not_sent": 6, "ok": 2}
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")
    assert everybody["trials"]["fta"] == 2
    assert everybody["trials"]["gfar"] == 0
    assert math.isnan(everybody["value"]["gfar"])


class Killed(BaseException):
    """Simulates a kill: nothing may catch it."""


@pytest.mark.parametrize("moment", [0, 7])
def test_after_a_kill_no_kept_answer_is_paid_for_again(
    people: Path, server: DialectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    from facegap.vision.service import client

    card, real, written = card_for("insightface_server_verify", server, tmp_path), client.write_call, 0

    def write(folder: Path, call: Any) -> None:
        nonlocal written
        if written == moment:
            raise Killed
        written += 1
        real(folder, call)

    monkeypatch.setattr(client, "write_call", write)
    with pytest.raises(Killed):
        ask(people, card, threshold=0.5, workers=1)
    monkeypatch.setattr(client, "write_call", real)
    run = ask(people, card, threshold=0.5, resume=True)
    assert scores(run) == pytest.approx(local(people, "insightface_server_verify"), abs=1e-12)
    assert len(server.seen) - 28 == moment % 2  # the one whose response was lost between call and ledger
    assert run.record.sent is not None and run.record.sent.calls >= len(server.seen)


def test_a_changed_image_is_no_longer_the_one_that_was_sent(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("insightface_server_verify", server, tmp_path)
    ask(people, card, threshold=0.5, max_calls=10, workers=1)
    data = (tmp_path / "p3_0.png").read_bytes()
    (tmp_path / "p0_0.png").write_bytes(data)
    with pytest.raises(
        RunError,
        match="manifest row 0 beside row 1: its image differs from the file that was sent before; choose another --out",
    ):
        ask(people, card, threshold=0.5, max_calls=100, resume=True)


# ---- what is not sent ----


def test_nothing_leaves_before_it_was_allowed_and_counted(people: Path, server: DialectServer, tmp_path: Path) -> None:
    card = card_for("insightface_server_verify", server, tmp_path)
    with pytest.raises(
        RunError, match=r"up to 28 pairs of images, whole files, to http://127.* INSIGHTFACE_KEY\. Nothing was sent"
    ):
        ask(people, card, threshold=0.5, send_images=False)
    assert server.seen == []


def test_a_file_beyond_the_limit_of_the_service_is_an_outcome_and_is_not_sent(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p3_1.png"), noise)
    size = (tmp_path / "p3_1.png").stat().st_size
    card = card_for("compreface_verify", server, tmp_path, **{"5242880": "20000"})
    run = ask(people, card, threshold=0.7)
    told = run.faces.set_index("image").loc["p3_1.png"]
    assert (told["outcome"], told["detail"]) == ("refused", f"{size:,} bytes, more than the service takes (20,000)")
    assert len(server.seen) == 21
    assert run.matched is not None and run.matched.pairs is not None
    assert (run.matched.pairs["outcome"] == "not_shown").sum() == 7
    assert (run.rates[run.rates["gender"] == "any"].set_index("metric")["trials"][["gfar", "gfrr"]]).tolist() == [18, 3]


def test_a_file_that_does_not_decode_is_not_sent(people: Path, server: DialectServer, tmp_path: Path) -> None:
    (tmp_path / "p3_1.png").write_bytes(b"secret notes, no picture")
    run = ask(people, card_for("insightface_server_verify", server, tmp_path), threshold=0.5)
    assert len(server.seen) == 21
    assert not any(b"secret" in data for _, _, images in server.seen for data in images.values())
    assert run.faces.set_index("image")["outcome"]["p3_1.png"] == "unreadable"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"pairs": None},
            "all 28 pairs of 8 images would be called; sample them with --sample-pairs, or list the pairs with --pairs",
        ),
        ({"classify": "faceapi_age_gender"}, "omit --classify"),
        ({"distance": True}, "write falling = true"),
        ({"threshold": "published"}, "publishes none"),
    ],
)
def test_settings_without_a_meaning_here_are_refused_before_any_call(
    people: Path, server: DialectServer, tmp_path: Path, words: dict[str, Any], said: str
) -> None:
    card = card_for("insightface_server_verify", server, tmp_path, **{"published_threshold = 0.4": ""})
    with pytest.raises(SettingError, match=said):
        ask(people, card, **words)
    assert server.seen == []


def test_a_list_without_pairs_of_one_person_is_refused_before_any_call(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    people.with_name("pairs.csv").write_text("left,right\np0_0.png,p2_0.png\n")
    with pytest.raises(
        TableError,
        match="no comparison is between two images of one person",
    ):
        ask(people, card_for("insightface_server_verify", server, tmp_path), threshold=0.5, by=None)
    assert server.seen == []


@pytest.mark.parametrize(("fmr", "max_calls"), [(0.01, None), (0.1, 5)])
def test_too_few_pairs_for_a_target_are_refused_before_any_call(
    people: Path, server: DialectServer, tmp_path: Path, fmr: float, max_calls: int | None
) -> None:
    with pytest.raises(StatisticsError, match="impostor pairs"):
        ask(people, card_for("insightface_server_verify", server, tmp_path), fmr=fmr, max_calls=max_calls)
    assert server.seen == []


def test_a_signed_api_is_refused_with_the_two_ways_round(people: Path, server: DialectServer, tmp_path: Path) -> None:
    card = card_for("insightface_server_verify", server, tmp_path)
    card.write_text(card.read_text().replace(server.url, "https://rekognition.eu-west-1.amazonaws.com"))
    with pytest.raises(CardError, match=r"each request to be signed.*a proxy on this machine.*facegap audit-scores"):
        ask(people, card)


def test_the_card_of_a_service_that_compares_is_no_classifier(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("insightface_server_verify", server, tmp_path)
    with pytest.raises(CardError, match=r"task is verify, not classify; give it as --verify-service"):
        audited(people, classify=str(card), detect="none")


def test_the_kept_answers_of_a_person_are_forgotten_with_the_pairs(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    from facegap.privacy.forget import forget

    ask(people, card_for("insightface_server_verify", server, tmp_path), threshold=0.5)
    assert len(list((tmp_path / "run" / "answers").iterdir())) == 28
    forget(tmp_path / "run", "3")
    left = [json.loads(path.read_text()) for path in (tmp_path / "run" / "answers").iterdir()]
    assert len(left) == 15
    assert not any({call["row"], call["reference"]} & {6, 7} for call in left)
    assert len(read_run(tmp_path / "run").manifest) == 6


# ---- services that embed ----


def ask_for_templates(people: Path, server: DialectServer, name: str, **words: Any) -> Run:
    """The audit of a service whose templates are compared here, all pairs."""
    card = card_for(name, server, people.parent, **{f"dimension = {EMBEDDING[name]}": "dimension = 108"})
    given = {"send_images": True, "calls_per_second": 1000.0, "out": people.with_name("run"), "by": "gender", **words}
    return audited(people, embed=str(card), detect="none", threshold=0.5, **given)


@pytest.mark.parametrize("name", EMBEDDING)
def test_a_service_that_embeds_gives_templates_that_are_matched_here(
    people: Path, server: DialectServer, tmp_path: Path, name: str
) -> None:
    run = ask_for_templates(people, server, name)
    raw = np.array([by_colours((tmp_path / image).read_bytes()) for image in run.manifest["image"]])
    assert run.embeddings is not None
    np.testing.assert_array_equal(run.embeddings, unit_rows(raw))
    assert len(server.seen) == 8
    np.save(tmp_path / "templates.npy", raw)
    verify = Verify(threshold=(0.5,), images_are_people=True, impostors_only=True)
    by_file = fg.audit_embeddings(tmp_path / "templates.npy", people, by="gender", verify=verify).stored
    pd.testing.assert_frame_equal(rates(run), rates(by_file))
    assert recheck(tmp_path / "run") == []


@pytest.mark.parametrize("name", ["deepface_embed", "insightface_server_embed"])
def test_an_image_in_which_the_service_finds_no_face_is_a_failure_to_acquire(
    people: Path, server: DialectServer, tmp_path: Path, name: str
) -> None:
    cv2.imwrite(str(tmp_path / BLANK), np.full((48, 48, 3), 90, np.uint8))
    run = ask_for_templates(people, server, name, by=None)
    assert run.faces.set_index("image")["outcome"].to_dict()[BLANK] == "no_face"
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")
    assert (everybody["errors"]["fta"], everybody["trials"]["fta"]) == (1, 8)
    assert (everybody["trials"]["fnmr"], everybody["trials"]["gfrr"]) == (3, 4)


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ([0.0] * 108, "the embedding is zero, or its length is not a finite number"),
        ([1.0] * 107, "107 numbers at faces.0.embedding, the card says dimension = 108"),
        ([1.0] * 107 + [math.nan], "no finite numbers at faces.0.embedding in the response"),
        ([1.0] * 107 + [None], "no finite numbers at faces.0.embedding in the response"),
        ([1.0] * 107 + [[1.0]], "no finite numbers at faces.0.embedding in the response"),
        ("0.1,0.2", "no list at faces.0.embedding in the response"),
        (None, "nothing at faces.0.embedding in the response"),
    ],
)
def test_what_is_no_embedding_is_no_template(tmp_path: Path, said: Any, detail: str) -> None:
    from facegap.inputs.cards.read import read_card
    from facegap.vision.service.answers import Call
    from facegap.vision.service.embed import template_of

    with serving() as server:
        card = read_card(
            card_for("insightface_server_embed", server, tmp_path, **{"dimension = 512": "dimension = 108"})
        )
    body = json.dumps({"faces": [{"embedding": said}]}).encode()
    found = template_of(Call(0, 1, "", "answered", "", status=200, body=body), card)
    assert (found.vector, found.outcome, found.detail) == (None, "no_template", detail)


def test_a_budget_for_templates_ends_in_images_that_are_no_trial_and_a_larger_one_goes_on(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    run = ask_for_templates(people, server, "insightface_server_embed", max_calls=5, workers=1, by=None)
    assert run.faces["outcome"].tolist() == ["ok"] * 5 + ["not_sent"] * 3
    assert run.rates.set_index("metric")["trials"]["fta"].max() == 5
    again = ask_for_templates(people, server, "insightface_server_embed", max_calls=20, workers=1, by=None, resume=True)
    assert set(again.faces["outcome"]) == {"ok"}
    assert again.embeddings is not None and len(again.embeddings) == 8
    assert len(server.seen) == 8
    assert recheck(tmp_path / "run") == []


@pytest.mark.parametrize("words", [{"flip": True}, {"detect": "yunet"}, {"classify": "faceapi_age_gender"}])
def test_a_service_that_embeds_is_audited_alone(
    people: Path, server: DialectServer, tmp_path: Path, words: dict[str, Any]
) -> None:
    card = card_for("insightface_server_embed", server, tmp_path)
    with pytest.raises((SettingError, ModelError)):
        audited(people, **{"embed": str(card), "detect": "none", "threshold": 0.5, "send_images": True, **words})
    assert server.seen == []


# ---- a sample of pairs ----


def test_a_sample_is_announced_before_anything_is_sent_and_its_weights_make_the_rates(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("compreface_verify", server, tmp_path)
    said: list[str] = []
    words: dict[str, Any] = {"pairs": None, "threshold": 0.55, "sample_pairs": 14, "seed": 3, "price_per_call": 0.5}
    with pytest.raises(RunError, match="Nothing was sent"):
        ask(people, card, send_images=False, **words, notice=said.append)
    assert any("14 calls, 7.00 at 0.5 each" in line for line in said)
    assert not server.seen
    run = ask(people, card, **words)
    assert len(server.seen) == 14
    assert run.matched is not None and run.matched.pairs is not None
    asked = run.matched.pairs
    assert asked["weight"].sum() == pytest.approx(28)
    row = run.rates[(run.rates["metric"] == "fmr") & (run.rates["gender"] == "any") & (run.rates["other_gender"] == "")]
    impostor = asked[~asked["genuine"]]
    expected = np.average(impostor["score"] >= 0.55, weights=impostor["weight"])
    assert row["value"].iloc[0] == pytest.approx(expected)
    assert row["weighs"].iloc[0] == "sample"
    assert recheck(tmp_path / "run") == []
