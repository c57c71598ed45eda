"""Audits that call a service for subjects in random order until every gap is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.audit.until_decided import PEOPLE_PER_LOOK, WAS_DECIDED, ended_of, queue_of
from facegap.errors import SettingError, TableError
from facegap.report.groups import loss_notes
from facegap.report.image_tables import lost_words
from facegap.report.page import add_report
from facegap.report.screen import finding
from facegap.statistics import anytime_gaps
from facegap.store.run import Run, read_run
from fixtures.dialects import CLASSIFIER, KEYS, DialectServer, card_for, serving
from fixtures.settings import audited

CARD = (
    CLASSIFIER
    + """[answer]
gender = "gender"
"""
)
PEOPLE = 100


def says(path: str, images: Mapping[str, bytes]) -> tuple[int, dict[str, str]]:
    """The gender encoded in the blue of an image."""
    pixels = cv2.imdecode(np.frombuffer(images["image"], np.uint8), cv2.IMREAD_COLOR)
    return 200, {"gender": "Female" if pixels[0, 0, 0] > 100 else "Male"}


@pytest.fixture
def server() -> Iterator[DialectServer]:
    with serving(says=says) as running:
        yield running


@pytest.fixture
def people(tmp_path: Path, server: DialectServer) -> Path:
    """Two images of each of 100 people; the service misclassifies every second woman, and no man."""
    lines = ["image,subject,gender,site"]
    for person in range(PEOPLE):
        woman = person % 2 == 0
        for image in range(2):
            blue = 200 if woman and person % 4 else 10
            name = f"{person}_{image}.png"
            cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), (blue, person, image), np.uint8))
            lines.append(f"{name},{person},{'f' if woman else 'm'},{'ab'[person % 3 == 0]}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "vendor.toml").write_text(CARD.format(url=server.url))
    return tmp_path / "people.csv"


def ask(people: Path, **words: Any) -> Run:
    given = {
        "classify": str(people.with_name("vendor.toml")),
        "detect": "none",
        "send_images": True,
        "calls_per_second": 1000.0,
        "stop_when_decided": True,
        "by": "gender",
        "min_subjects": 5,
        "out": people.with_name("run"),
        "notice": lambda text: None,
        "workers": 2,
        **words,
    }
    return audited(people, **given)


def test_people_come_at_random_by_seed_and_in_whole_batches() -> None:
    subjects = np.repeat(np.arange(60), 2)
    batches = list(queue_of(subjects, 1).batches())
    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert sorted(np.concatenate(batches).tolist()) == list(range(120))
    assert all(len(set(subjects[batch])) * 2 == len(batch) for batch in batches)
    assert batches[0].tolist() == next(queue_of(subjects, 1).batches()).tolist()
    assert set(batches[0].tolist()) != set(next(queue_of(subjects, 2).batches()).tolist())


def test_an_audit_stops_when_its_gap_is_decided_and_the_rest_counts_in_no_rate(
    people: Path, server: DialectServer, tmp_path: Path
) -> None:
    run = ask(people)
    stopping = run.record.stopping
    assert stopping is not None
    assert (stopping.ended, stopping.undecided, stopping.gaps) == ("decided", 0, 1)
    assert stopping.metrics == ("error_rate_all",)
    assert stopping.asked == stopping.looks * PEOPLE_PER_LOOK < PEOPLE
    assert len(server.seen) == 2 * stopping.asked
    left = run.predictions[run.predictions["outcome"] == "not_shown"]
    assert len(left) == 2 * (PEOPLE - stopping.asked)
    assert set(left["detail"]) == {WAS_DECIDED}
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")
    assert set(everybody["trials"]) == {2 * stopping.asked}
    assert everybody["errors"]["no_answer_rate"] == 0
    asked = run.predictions["outcome"] != "not_shown"
    judged = run.manifest.assign(wrong=run.predictions["outcome"] == "wrong")[asked]
    means = judged.groupby(["gender", "subject"])["wrong"].mean()
    expected = anytime_gaps({"female": means["female"].to_numpy(), "male": means["male"].to_numpy()}, margin=0.02)[0]
    gap = run.gaps[run.gaps["primary"]].iloc[0]
    assert gap["verdict"] == expected.verdict == "gap larger than the margin"
    assert (gap["decided_low"], gap["decided_high"]) == pytest.approx((expected.low, expected.high))
    assert gap["p"] == pytest.approx(expected.p)
    assert set(run.gaps["verdict"][~run.gaps["primary"]]) == {"exploratory"}
    told = f"{stopping.asked} of 100 people were sent"
    assert any("Stopped because every gap was decided" in line and told in line for line in finding(run))
    assert lost_words(run) == f"Of 200 images {200 - 2 * stopping.asked} were not sent to the service."
    add_report(tmp_path / "run", run, include_ids=False)
    assert told in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert recheck(tmp_path / "run") == []
    assert read_run(tmp_path / "run").record.stopping == stopping


def test_one_look_earlier_the_gap_was_open(people: Path, server: DialectServer, tmp_path: Path) -> None:
    stopping = ask(people).record.stopping
    assert stopping is not None
    server.seen.clear()
    before = 2 * (stopping.asked - PEOPLE_PER_LOOK)
    run = ask(people, max_calls=before, out=tmp_path / "less")
    assert run.record.stopping is not None
    assert (run.record.stopping.ended, run.record.stopping.undecided) == ("budget", 1)
    assert len(server.seen) == before
    assert run.gaps["verdict"][run.gaps["primary"]].tolist() == ["not enough data"]
    more = ask(people, max_calls=400, out=tmp_path / "less", resume=True)
    assert more.record.stopping == stopping
    assert len(server.seen) == 2 * stopping.asked
    pd.testing.assert_frame_equal(more.gaps, read_run(tmp_path / "run").gaps)


def test_every_gap_of_every_grouping_must_be_decided(people: Path, server: DialectServer) -> None:
    run = ask(people, by="gender,site", max_calls=2 * PEOPLE)  # which is spent when all images are sent
    stopping = run.record.stopping
    assert stopping is not None
    assert (stopping.gaps, stopping.ended, stopping.undecided) == (2, "everybody", 1)
    assert len(server.seen) == 2 * PEOPLE
    primary = run.gaps[run.gaps["primary"]].set_index("family")["verdict"]
    assert primary.to_dict() == {"gender": "gap larger than the margin", "site": "not enough data"}
    assert any("All people were processed with 1 gap undecided: images of 100 of 100" in line for line in finding(run))


@pytest.mark.parametrize(
    ("left", "all_sent", "budget", "ended"),
    [
        (0, True, True, "decided"),
        (1, True, True, "everybody"),
        (1, False, True, "budget"),
        (1, False, False, "everybody"),
    ],
)
def test_a_budget_ended_an_audit_only_if_somebody_was_left(left: int, all_sent: bool, budget: bool, ended: str) -> None:
    assert ended_of(left, all_sent, budget) == ended


class Killed(BaseException):
    """Simulates a kill: nothing may catch it."""


def test_after_a_kill_the_same_people_are_asked_and_no_kept_answer_is_paid_for_again(
    people: Path, server: DialectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facegap.vision.service import client

    whole = ask(people, out=tmp_path / "whole")
    server.seen.clear()
    real, written = client.write_call, 0

    def write(folder: Path, call: Any) -> None:
        nonlocal written
        written += 1
        if written == 61:  # before the 31st call is recorded
            raise Killed
        real(folder, call)

    monkeypatch.setattr(client, "write_call", write)
    with pytest.raises(Killed):
        ask(people, workers=1)
    monkeypatch.setattr(client, "write_call", real)
    run = ask(people, resume=True)
    assert run.record.stopping is not None and run.record.stopping == whole.record.stopping
    assert len(server.seen) == 2 * run.record.stopping.asked
    pd.testing.assert_frame_equal(run.rates, whole.rates)
    pd.testing.assert_frame_equal(run.gaps, whole.gaps)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"cluster": ("site",)}, "omit --cluster"),
        ({"label_errors": 0.1}, "omit --label-errors"),
        ({"classify": None, "detect_only": True, "detect": "yunet"}, "no service is called"),
    ],
)
def test_settings_without_an_interval_for_every_look_are_refused_before_any_call(
    people: Path, server: DialectServer, words: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        ask(people, **words)
    assert server.seen == []


def test_a_person_in_two_groups_is_refused_with_the_line(people: Path, server: DialectServer) -> None:
    text = people.read_text().replace("5_1.png,5,m,a", "5_1.png,5,m,b")
    people.write_text(text)
    with pytest.raises(TableError, match=r"line 13, column site: .* needs each person in one group"):
        ask(people, by="site")
    assert server.seen == []


# ---- FNMR ----


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images of 160 people; those of every second woman have nothing in common. All genuine pairs, and ten others."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    rng = np.random.default_rng(3)
    lines, listed = ["image,subject,gender"], ["left,right"]
    for person in range(160):
        faces = [rng.integers(0, 255, (6, 6, 3)).astype(np.uint8) for _ in range(2)]
        for image, face in enumerate(faces if person % 4 == 0 else faces[:1] * 2):
            cv2.imwrite(str(tmp_path / f"{person}_{image}.png"), face)
            lines.append(f"{person}_{image}.png,{person},{'fm'[person % 2]}")
        listed.append(f"{person}_0.png,{person}_1.png")
    listed += [f"{k}_0.png,{k + 2}_0.png" for k in range(10)]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pairs.csv").write_text("\n".join(listed) + "\n")
    return tmp_path / "people.csv"


def test_genuine_pairs_are_asked_for_until_fnmr_is_decided_and_impostor_pairs_all(pairs: Path, tmp_path: Path) -> None:
    with serving() as server:
        card = card_for("insightface_server_verify", server, tmp_path)
        given = {
            "verify_service": str(card),
            "pairs": tmp_path / "pairs.csv",
            "threshold": 0.5,
            "send_images": True,
            "calls_per_second": 1000.0,
            "stop_when_decided": True,
            "by": "gender",
            "out": tmp_path / "run",
        }
        run = audited(pairs, **given)
        stopping = run.record.stopping
        assert stopping is not None
        assert (stopping.ended, stopping.metrics, stopping.people) == ("decided", ("fnmr",), 160)
        assert stopping.asked < 160
        assert len(server.seen) == stopping.asked + 10
        assert run.matched is not None and run.matched.pairs is not None
        asked = run.matched.pairs
        assert (asked["outcome"][~asked["genuine"]] == "scored").all()
        assert (asked["outcome"][asked["genuine"]] == "not_sent").sum() == 160 - stopping.asked
        everybody = run.rates[(run.rates["gender"] == "any") & (run.rates["metric"] == "fnmr")].iloc[0]
        assert everybody["trials"] == stopping.asked
        gap = run.gaps[run.gaps["primary"]]
        assert gap["metric"].tolist() == ["fnmr"]
        assert gap["verdict"].tolist() == ["gap"]  # no man is falsely rejected, so the ratio has no upper limit
        assert recheck(tmp_path / "run") == []
        without = {name: value for name, value in given.items() if name != "threshold"}
        with pytest.raises(SettingError, match="give --threshold instead of --fmr"):
            audited(pairs, **{**without, "fmr": 0.1, "out": tmp_path / "other"})


def test_lost_pairs_leave_the_cases_unknown_where_every_person_weighs_the_same(pairs: Path, tmp_path: Path) -> None:
    for person in range(1, 160, 8):  # one image of every fourth man has no face
        cv2.imwrite(str(tmp_path / f"{person}_1.png"), np.full((48, 48, 3), 90, np.uint8))
    with serving() as server:
        run = audited(
            pairs,
            verify_service=str(card_for("insightface_server_verify", server, tmp_path)),
            pairs=tmp_path / "pairs.csv",
            threshold=0.5,
            send_images=True,
            calls_per_second=1000.0,
            stop_when_decided=True,
            by="gender",
            out=tmp_path / "run",
        )
    gap = run.gaps[run.gaps["primary"]].iloc[0]
    assert (gap["metric"], gap["verdict"]) == ("fnmr", "gap")
    assert gap["lost_a"] == 0 < gap["lost_b"]
    assert gap[["loss_difference_low", "loss_difference_high", "loss_ratio_low", "loss_ratio_high"]].isna().all()
    assert not gap["loss_stands"]
    assert "In 1 of 1 gaps people have equal weight, and the cases are unknown." in " ".join(loss_notes(run))
    assert any("it is not known whether the verdict would change" in line for line in finding(run))
    assert recheck(tmp_path / "run") == []
