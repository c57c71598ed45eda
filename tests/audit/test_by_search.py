"""Audits of a search service, simulated on this machine with the API of CompreFace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.errors import CardError, RunError, SettingError, TableError
from facegap.inputs.cards.read import read_card
from facegap.report.page import add_report
from facegap.store.run import Run
from facegap.vision.service import client
from facegap.vision.service.answers import Call
from facegap.vision.service.search import candidates_of
from fixtures.dialects import KEYS, CompreFaceGallery, DialectServer, Handler, by_colours, card_for, serving
from fixtures.settings import audited

CARD, PEOPLE, IMAGES = "compreface_search", 8, 3
BLANK, UNKNOWN = (
    "p1_1.png",
    "p5_0.png",
)  # images without a face in some tests: a probe, and a gallery image


@pytest.fixture
def gallery() -> CompreFaceGallery:
    return CompreFaceGallery()


@pytest.fixture
def server(gallery: CompreFaceGallery) -> Iterator[DialectServer]:
    with serving(says=gallery) as running:
        yield running


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight people of two groups with three noisy pictures each."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    rng = np.random.default_rng(7)
    lines = ["image,subject,gender"]
    for person in range(PEOPLE):
        face = rng.integers(30, 220, (6, 6, 3))
        for image in range(IMAGES):
            noisy = np.clip(face + rng.normal(0, 90, face.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"p{person}_{image}.png"), noisy)
            lines.append(f"p{person}_{image}.png,{person},{('female', 'male')[person % 2]}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "people.csv"


def ask(people: Path, server: DialectServer, **words: Any) -> Run:
    """The audit of the service, at a threshold unless a test gives other settings."""
    given = {
        "search_service": str(card_for(CARD, server, people.parent)),
        "send_images": True,
        "calls_per_second": 1000.0,
        "threshold": 0.63,
        "rank": (1, 3),
        "by": "gender",
        "out": people.with_name("run"),
        "notice": lambda text: None,
        **words,
    }
    return audited(people, **{name: value for name, value in given.items() if value is not None})


def by_hand(people: Path, run: Run, threshold: float) -> dict[str, tuple[int, int]]:
    """Errors and trials of FNIR at ranks 1 and 3 and of FPIR, computed from the images and the roles."""
    assert run.searched is not None
    names, subjects, roles = run.manifest["image"], run.manifest["subject"], run.searched.roles
    faces = [by_colours((people.parent / name).read_bytes()) for name in names]
    enrolled = {subjects[k] for k, role in enumerate(roles) if role == "gallery"}
    counts = {"fnir 1": [0, 0], "fnir 3": [0, 0], "fpir": [0, 0]}
    for probe in (k for k, role in enumerate(roles) if role == "probe"):
        found: list[tuple[float, str]] = []
        face = faces[probe]
        for k, other in enumerate(faces):
            if roles[k] == "gallery" and face is not None and other is not None:
                found.append(((1 + float(face @ other)) / 2, subjects[k]))
        found.sort(key=lambda one: -one[0])
        if subjects[probe] in enrolled:
            for rank in (1, 3):
                hit = any(score >= threshold and who == subjects[probe] for score, who in found[:rank])
                counts[f"fnir {rank}"][0] += not hit
                counts[f"fnir {rank}"][1] += 1
        else:
            counts["fpir"][0] += any(score >= threshold for score, _ in found[:1])
            counts["fpir"][1] += 1
    return {name: (errors, trials) for name, (errors, trials) in counts.items()}


def counted(run: Run) -> dict[str, tuple[int, int]]:
    """The same from rates.csv."""
    rates = run.rates[(run.rates["gender"] == "any") & run.rates["threshold"].notna()]
    found = {}
    for row in rates.itertuples():
        rank = str(row.threshold_from).partition("rank ")[2].partition(";")[0]
        found[f"{row.metric} {rank}".strip()] = (int(row.errors), int(row.trials))
    return found


@pytest.mark.parametrize("blank", [(), (BLANK, UNKNOWN)])
def test_rates_of_a_service_that_searches_are_those_of_its_pictures(
    people: Path, server: DialectServer, gallery: CompreFaceGallery, tmp_path: Path, blank: tuple[str, ...]
) -> None:
    for name in blank:
        cv2.imwrite(str(tmp_path / name), np.full((48, 48, 3), 90, np.uint8))
    run = ask(people, server)
    expected = by_hand(people, run, 0.63)
    assert counted(run) == expected
    assert 0 < expected["fnir 1"][0] < expected["fnir 1"][1]
    assert expected["fpir"][1] > 0
    paths = [path.partition("?")[0].rpartition("/")[2] for path, _, _ in server.seen]
    assert paths == sorted(paths)  # all are enrolled ("faces") before the first search ("recognize")
    assert len(paths) == PEOPLE * IMAGES
    assert all(name.startswith("facegap-") for name in gallery.faces)  # no name of a file or subject
    outcomes = run.faces.set_index("image")["outcome"]
    assert {name for name in outcomes.index if outcomes[name] == "no_face"} == set(blank)
    fta = run.rates[(run.rates["metric"] == "fta") & (run.rates["gender"] == "any")].iloc[0]
    assert (fta["errors"], fta["trials"]) == (len(blank), 24)
    steps = run.extra["waterfall.csv"].set_index("gender").loc["any"]
    assert steps["enrolled"] == 24 - len(blank)
    assert "detected" not in steps  # no detector ran here, so it is unknown where a face was lost
    told = "1 of 6 images of the gallery were not enrolled (failures to enrol, FTE)"
    assert any(told in warning for warning in run.record.warnings) == bool(blank)
    assert recheck(tmp_path / "run") == []
    add_report(tmp_path / "run", run, include_ids=False)
    assert f"24 images were sent to {server.url}, in 24 calls." in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_target_is_met_on_the_searches_of_people_who_are_not_enrolled(people: Path, server: DialectServer) -> None:
    run = ask(people, server, threshold=None, in_sample=True, fpir=0.5)
    fpir = run.rates[(run.rates["metric"] == "fpir") & (run.rates["gender"] == "any")].iloc[0]
    assert (fpir["errors"], fpir["trials"]) == (3, 6)
    assert "IN-SAMPLE" in fpir["threshold_from"]


def test_an_empty_list_of_a_person_who_is_not_enrolled_is_a_search_without_an_alarm(
    people: Path, server: DialectServer, gallery: CompreFaceGallery, tmp_path: Path
) -> None:
    first = ask(people, server)
    assert first.searched is not None
    lists, subjects = first.searched.lists, first.manifest["subject"].to_numpy()
    enrolled = set(subjects[first.searched.roles == "gallery"])
    strangers = [row for row in lists["probe"].unique() if subjects[row] not in enrolled]
    tops = lists[lists["probe"].isin(strangers) & (lists["rank"] == 1)]["score"].sort_values(ascending=False).tolist()
    assert len(tops) == 6
    shown = (tops[1] + tops[2]) / 2  # two of six lists have a candidate
    fine = server.says
    assert fine is not None

    def says(path: str, images: Any) -> Any:
        code, body = fine(path, images)
        for result in body.get("result", ()):
            result["subjects"] = [one for one in result["subjects"] if one["similarity"] >= shown]
        return code, body

    server.says = says
    gallery.faces.clear()
    run = ask(people, server, threshold=None, in_sample=True, fpir=(0.2, 0.5), out=tmp_path / "other")
    fpir = run.rates[(run.rates["metric"] == "fpir") & (run.rates["gender"] == "any")].set_index("threshold")
    assert fpir["trials"].tolist() == [6, 6]
    assert fpir["errors"].tolist() == [1, 2]  # one of six is allowed, then three, two of which have a candidate
    assert fpir.index.tolist() == pytest.approx([tops[0], 0.0])
    assert "2 of 6 searches, at the lowest score of a list (0)" in fpir["threshold_from"][0.0]


def test_every_service_that_was_opened_is_closed(
    people: Path, server: DialectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    closed: list[int] = []
    begin, end = client.Service.__init__, client.Service.close

    def opens(self: client.Service, *given: Any) -> None:
        opened.append(id(self))
        begin(self, *given)

    def closes(self: client.Service) -> None:
        closed.append(id(self))
        end(self)

    monkeypatch.setattr(client.Service, "__init__", opens)
    monkeypatch.setattr(client.Service, "close", closes)
    ask(people, server)
    assert len(opened) == 3  # for the announcement, enrolment and search
    assert sorted(opened) == sorted(closed)


def test_the_deepest_rank_leaves_one_candidate_to_see_a_tie(people: Path, server: DialectServer) -> None:
    run = ask(people, server, rank=(19,))
    assert run.record.identification is not None and run.record.identification.ranks == (19,)


# ---- faults ----


def status(code: int) -> Any:
    return lambda handler: handler.answer(code, b"")


def half_a_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"result": [')
    handler.close_connection = True


def garbage(handler: Handler) -> None:
    handler.answer(200, b"\x00<html>")


@pytest.mark.parametrize(
    ("fault", "calls"), [(status(429), 25), (status(500), 25), (half_a_body, 25), (garbage, 24), (status(404), 24)]
)
@pytest.mark.parametrize("at", [2, 10])  # during enrolment of the six gallery images, and later
def test_a_fault_is_repeated_or_an_outcome(
    people: Path, server: DialectServer, monkeypatch: pytest.MonkeyPatch, fault: Any, calls: int, at: int
) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.01)
    fine = server.says
    assert fine is not None

    def says(path: str, images: Any) -> Any:
        if len(server.seen) == at:
            server.faults.append(fault)  # for the next call
        return fine(path, images)

    server.says = says
    run = ask(people, server, workers=1)
    assert len(server.seen) == calls
    lost = 25 - calls if not (at == 2 and fault is garbage) else 0  # enrolment does not read the response body
    assert run.faces["outcome"].tolist().count("no_template") == lost
    assert recheck(people.with_name("run")) == []


def test_a_budget_ends_in_searches_that_count_in_no_rate_and_a_larger_one_goes_on(
    people: Path, server: DialectServer, gallery: CompreFaceGallery, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="--max-calls 6 is too small to enrol the gallery of 6 images"):
        ask(people, server, max_calls=6)
    assert server.seen == []
    run = ask(people, server, max_calls=10, workers=1)
    assert len(server.seen) == 10
    assert run.faces["outcome"].value_counts().to_dict() == {"not_sent": 14, "ok": 10}
    trials = counted(run)
    assert trials["fnir 1"][1] + trials["fpir"][1] == 4
    again = ask(people, server, max_calls=100, resume=True)
    assert len(server.seen) == 24
    gallery.faces.clear()
    whole = ask(people, server, out=tmp_path / "whole")
    pd.testing.assert_frame_equal(again.rates, whole.rates)


class Killed(BaseException):
    """Simulates a kill: nothing may catch it."""


@pytest.mark.parametrize("moment", [5, 21])
def test_after_a_kill_no_kept_answer_is_paid_for_again(
    people: Path, server: DialectServer, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    real, written = client.write_call, 0

    def write(folder: Path, call: Any) -> None:
        nonlocal written
        written += 1
        if written == moment:
            raise Killed
        real(folder, call)

    monkeypatch.setattr(client, "write_call", write)
    with pytest.raises(Killed):
        ask(people, server, workers=1)
    monkeypatch.setattr(client, "write_call", real)
    run = ask(people, server, resume=True)
    assert counted(run) == by_hand(people, run, 0.63)
    assert len(server.seen) == 24


def test_a_gallery_that_holds_others_is_refused(
    people: Path, server: DialectServer, gallery: CompreFaceGallery
) -> None:
    somebody = by_colours(people.with_name("p0_0.png").read_bytes())
    assert somebody is not None
    gallery.faces["somebody"] = somebody
    with pytest.raises(RunError, match=r"1 candidates of one response were not enrolled.*Clear the service's gallery"):
        ask(people, server, workers=1)
    enrolled = sum("faces" in path for path, _, _ in server.seen)
    assert len(server.seen) <= enrolled + 3  # the first search, and calls in progress


def test_a_card_that_reads_no_list_stops_before_all_is_paid_for(people: Path, server: DialectServer) -> None:
    lines = people.read_text().splitlines()
    for copy in (1, 2):
        for line in lines[1:25]:
            name, person, gender = line.split(",")
            people.with_name(f"{copy}{name}").write_bytes(people.with_name(name).read_bytes())
            lines.append(f"{copy}{name},{copy}{person},{gender}")
    people.write_text("\n".join(lines) + "\n")
    card = card_for(CARD, server, people.parent, **{"result.0.subjects": "results.0.subjects"})
    text = card.read_text()
    assert text.count("results.0") == 1
    other = card.with_name("other.toml")
    other.write_text(text.replace('name = "compreface_search"', 'name = "other"'))
    with pytest.raises(TableError, match=r"none of the first 20 images has a usable response: nothing at results\.0"):
        ask(people, server, search_service=str(other), workers=1)
    assert len(server.seen) < 72


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"rank": (50,)}, "returns at most 20 candidates"),
        (
            {"rank": (1, 20)},
            "candidates, and one more than the highest rank is needed to detect ties",
        ),
        (
            {"threshold": None},
            "no subjects are held out for setting a threshold; give --threshold, or --in-sample, with --fpir or with ranks alone",
        ),
        ({"classify": "faceapi_age_gender"}, "omit --classify"),
        ({"sample_pairs": 10}, "omit --sample-pairs"),
    ],
)
def test_settings_without_a_meaning_here_are_refused_before_any_call(
    people: Path, server: DialectServer, words: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        ask(people, server, **words)
    assert server.seen == []


@pytest.mark.parametrize(
    ("listed", "outcome", "detail"),
    [
        ([], "ok", ""),
        (None, "no_template", "nothing at result.0.subjects in the response"),
        ("a", "no_template", "no list at result.0.subjects in the response"),
        ([{"subject": "a"}], "no_template", "a candidate: nothing at similarity in the response"),
        ([{"subject": "a", "similarity": 7}], "no_template", "a candidate: 7.0 at similarity is outside"),
        ([{"subject": 3, "similarity": 0.5}], "no_template", "a candidate: no text at subject: '3'"),
        ([3], "no_template", "a candidate: no object"),
        (
            [{"subject": "a", "similarity": 0.9}, {"subject": "a", "similarity": 0.8}],
            "no_template",
            "a candidate that is listed",
        ),
        (
            [{"subject": str(k), "similarity": 0.9} for k in range(21)],
            "no_template",
            "21 candidates, but the card says",
        ),
    ],
)
def test_what_is_no_list_of_candidates_is_no_search(tmp_path: Path, listed: Any, outcome: str, detail: str) -> None:
    with serving() as server:
        card = read_card(card_for(CARD, server, tmp_path))
    body = json.dumps({"result": [{"subjects": listed}]}).encode()
    found = candidates_of(Call(0, 1, "", "answered", "", status=200, body=body), card)
    assert found.outcome == outcome
    assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "?subject={subject}",
            "",
            r"{subject} must be in the url or in a field of \[enrol\], where the service expects a name, and not in \[request\]",
        ),
        ("recognition/recognize?", "recognition/recognize?a={subject}&", r"and not in \[request\]"),
        (
            "most_candidates = 20\n",
            "",
            "candidates, subject, score and most_candidates must be given together: the list, and the parts of each entry",
        ),
        ('task = "search"', 'task = "embed"', "enrol"),
    ],
)
def test_a_card_whose_gallery_has_no_names_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with serving() as server, pytest.raises(CardError, match=said):
        read_card(card_for(CARD, server, tmp_path, **{old: new}))
