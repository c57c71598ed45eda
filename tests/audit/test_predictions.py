"""Black boxes end to end: audits of a vendor's predictions, and of a service on this machine."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.errors import CardError, ModelError, RunError, SettingError, TableError
from facegap.report.page import add_report
from facegap.store.record import SentRecord
from facegap.store.run import Run, read_run
from fixtures.settings import audit_predictions, audited

KEY = "secret-key-0123456789"

# ---- predictions in a file ----

MANIFEST = """image,subject,gender,age
a.jpg,Ann,f,30
b.jpg,Ann,f,30
c.jpg,Bea,f,30
d.jpg,Cem,m,30
e.jpg,Dan,m,30
f.jpg,Eva,x,30
g.jpg,Fay,,30
"""
PREDICTIONS = """image,prediction,confidence,age
c.jpg,male,0.6,44
a.jpg,female,0.9,31
d.jpg,male,0.8,30
e.jpg,,0.1,29
f.jpg,female,0.5,30
"""


def with_silence(predictions: str, manifest: str) -> str:
    """The predictions with an empty prediction for every image that they omit."""
    header, *rows = predictions.splitlines()
    said = {row.partition(",")[0] for row in rows}
    silent = [name for name in (line.partition(",")[0] for line in manifest.splitlines()[1:]) if name not in said]
    return "\n".join([header, *rows, *(name + "," * header.count(",") for name in silent)]) + "\n"


def write(folder: Path, predictions: str = PREDICTIONS, manifest: str = MANIFEST) -> tuple[Path, Path]:
    (folder / "people.csv").write_text(manifest, encoding="utf-8")
    (folder / "vendor.csv").write_text(with_silence(predictions, manifest), encoding="utf-8")
    return folder / "vendor.csv", folder / "people.csv"


def rates(run: Run, **cell: str) -> dict[str, tuple[int, int]]:
    """Errors and trials per metric of one cell."""
    found = run.rates
    for name in (name for name in ("gender", "age") if name in found.columns):
        found = found[found[name] == cell.get(name, "any")]
    return {row["metric"]: (row["errors"], row["trials"]) for _, row in found.iterrows()}


def test_a_world_of_seven_images_by_hand(tmp_path: Path) -> None:
    run = audit_predictions(*write(tmp_path), by="gender")
    assert run.predictions["outcome"].tolist() == [
        "right",
        "no_answer",
        "wrong",
        "right",
        "no_answer",
        "outside_classes",
        "unlabelled",
    ]
    assert run.predictions["detail"].tolist() == [
        "",
        "the prediction is empty",
        "",
        "",
        "the prediction is empty",
        "",
        "the prediction is empty",
    ]
    assert run.predictions["probability"].tolist()[:1] == [0.9]
    assert rates(run) == {
        "no_answer_rate": (3, 7),
        "error_rate_answered": (1, 3),
        "error_rate_all": (3, 5),
        "age_error_over_5": (1, 5),
    }
    assert rates(run, gender="female") == {
        "no_answer_rate": (1, 3),
        "error_rate_answered": (1, 2),
        "error_rate_all": (2, 3),
        "age_error_over_5": (1, 2),
    }
    assert run.record.classes == ("female", "male")
    assert set(run.rates["model"]) == {"vendor"}


def test_every_image_has_a_row_of_faces_and_no_detector_is_judged(tmp_path: Path) -> None:
    run = audit_predictions(*write(tmp_path))
    assert len(run.faces) == 7
    assert set(run.faces["outcome"]) == {"ok"}
    assert set(run.faces["detail"]) == {"no detector ran; the black box had to find the face itself"}
    assert "fta" not in set(run.rates["metric"])
    assert "detected" not in run.extra["waterfall.csv"].columns


def test_the_run_folder_is_one_like_any_other(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = audit_predictions(*write(tmp_path), out=out, groups={"min_subjects": 2})
    add_report(out, run, include_ids=False)
    assert recheck(out) == []
    assert {"rates.csv", "gaps.csv", "age.csv", "report.html", "run.json", "SHA256SUMS"} <= {
        path.name for path in out.iterdir()
    }
    pd.testing.assert_frame_equal(read_run(out).rates, run.rates, check_dtype=False)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "No detector ran" in page
    assert "the prediction is empty" in page
    assert "a.jpg" not in page


def test_recheck_finds_an_answer_that_was_changed_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "run"
    audit_predictions(*write(tmp_path), out=out)
    frame = pd.read_parquet(out / "predictions.parquet")
    frame.loc[2, "outcome"] = "right"
    frame.to_parquet(out / "predictions.parquet", index=False)
    assert [problem.split(":")[0] for problem in recheck(out)][:1] == ["predictions.parquet"]


def test_images_without_a_row_stop_the_audit_by_group_and_count_in_no_rate_where_they_are_allowed(
    tmp_path: Path,
) -> None:
    vendor, people = write(tmp_path)
    vendor.write_text(PREDICTIONS, encoding="utf-8")
    with pytest.raises(
        TableError, match=r"2 of 7 images of the manifest have no row.*1 of 3 female, 0 of 2 male.*--allow-mis"
    ):
        audit_predictions(vendor, people, by="gender")
    run = audit_predictions(vendor, people, by="gender", faces={"allow_missing": True})
    assert run.predictions["outcome"].tolist()[1] == "not_shown"
    assert run.predictions["detail"].tolist()[1] == "the file of predictions has no row for the image"
    assert rates(run) == {
        "no_answer_rate": (1, 5),
        "error_rate_answered": (1, 3),
        "error_rate_all": (2, 4),
        "age_error_over_5": (1, 5),
    }
    assert run.record.warnings[0].startswith("2 of 7 images of the manifest have no row in the file of predictions")


def test_predictions_that_say_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="every prediction is empty or a word for a missing value"):
        audit_predictions(*write(tmp_path, "image,prediction\na.jpg,None\nb.jpg,nan\n"), by="gender")


@pytest.mark.parametrize(
    ("column", "cure"), [("Gender", "rename Gender to gender"), ("Sex", "rename Sex to gender"), ("tone", "add it")]
)
def test_a_manifest_without_gender_is_refused_where_gender_is_answered(tmp_path: Path, column: str, cure: str) -> None:
    manifest = MANIFEST.replace("gender", column).replace(",30", "").replace(",age", "")
    answers = "image,prediction\na.jpg,female\nd.jpg,male\n"
    with pytest.raises(TableError, match=rf"the manifest has no column gender.*{cure}"):
        audit_predictions(*write(tmp_path, answers, manifest))


def test_a_box_that_says_male_to_all_is_wrong_about_every_woman(tmp_path: Path) -> None:
    answers = "image,prediction\n" + "".join(f"{name}.jpg,male\n" for name in "abcde")
    run = audit_predictions(*write(tmp_path, answers), by="gender")
    assert rates(run, gender="female")["error_rate_all"] == (3, 3)


def test_classes_that_are_named_turn_other_words_into_no_answer(tmp_path: Path) -> None:
    answers = "image,prediction\na.jpg,female\nd.jpg,child\nf.jpg,x\n"
    run = audit_predictions(*write(tmp_path, answers), classes="f, m", by="gender")
    found = run.predictions.set_index("image")
    assert found.loc["d.jpg", "outcome"] == "no_answer"
    assert found.loc["d.jpg", "detail"] == "outside the classes of the black box: child"
    assert found.loc["d.jpg", "prediction"] == ""
    free = audit_predictions(*write(tmp_path, answers), by="gender")
    assert free.record.classes == ("female", "male", "x")  # from the labels; child is never predicted
    assert free.predictions.set_index("image").loc["f.jpg", "outcome"] == "right"
    for wrong in ("female", "female,female", "female,unknown"):
        with pytest.raises(TableError, match="--classes"):
            audit_predictions(*write(tmp_path, answers), classes=wrong)


def test_labels_that_the_box_cannot_give_are_said(tmp_path: Path) -> None:
    assert any("'x' are outside the classes" in text for text in audit_predictions(*write(tmp_path)).record.warnings)


def test_ages_alone_can_be_audited(tmp_path: Path) -> None:
    run = audit_predictions(*write(tmp_path, "image,age\na.jpg,31\nb.jpg,50\n"))
    assert rates(run) == {"no_answer_rate": (5, 7), "age_error_over_5": (1, 2)}


def test_an_image_that_the_manifest_does_not_name_is_refused_but_one_left_out_by_where_is_not(tmp_path: Path) -> None:
    paths = write(tmp_path, PREDICTIONS + "A.jpg,female,,\n")
    with pytest.raises(
        TableError, match=r"vendor.csv line 7, column image: 'A.jpg' is not in people.csv \(1 such in all\)"
    ):
        audit_predictions(*paths)
    run = audit_predictions(*write(tmp_path), groups={"where": "gender == 'female'"})
    assert rates(run)["error_rate_all"] == (2, 3)


def test_answers_of_a_model_give_the_rates_of_the_model(tmp_path: Path, toys: Any, draw: Any) -> None:
    greens = [250, 10, 240, 30, 220, 200, 90, 5]
    for k, green in enumerate(greens):
        cv2.imwrite(str(tmp_path / f"{k}.png"), draw(green=green, red=10 * k, quadrants=() if k == 3 else (0,)))
    rows = "".join(f"{k}.png,s{k // 2},{'fm'[k % 3 == 1]},{k * 4}\n" for k in range(len(greens)))
    (tmp_path / "people.csv").write_text("image,subject,gender,age\n" + rows)
    models = {"detect": str(toys.card("detector")), "classify": str(toys.card("classifier"))}
    ours = audited(tmp_path / "people.csv", by="gender", min_subjects=2, **models)
    said = ours.predictions[["image", "prediction", "probability", "age"]].rename(columns={"probability": "confidence"})
    said.to_csv(tmp_path / "vendor.csv", index=False)
    theirs = audit_predictions(
        tmp_path / "vendor.csv", tmp_path / "people.csv", by="gender", groups={"min_subjects": 2}
    )
    ours_judged, theirs_judged = (
        run.rates[~run.rates["metric"].isin(["fta", "no_answer_rate"])].drop(columns="model").reset_index(drop=True)
        for run in (ours, theirs)
    )
    pd.testing.assert_frame_equal(ours_judged, theirs_judged)
    assert theirs.predictions["outcome"].tolist() == ours.predictions["outcome"].tolist()
    assert "no_answer" in set(theirs.predictions["outcome"])
    assert ours_judged["errors"].sum() > 0


# ---- a service ----


class Handler(BaseHTTPRequestHandler):
    """Predicts F for green images and M for others; a test may queue other responses."""

    server: Server

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.seen.append(data)
            status = self.server.statuses.pop(0) if self.server.statuses else 200
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        gender = "F" if picture[..., 1].mean() > 40 else "M"
        body = json.dumps({"faces": [{"gender": gender}], "key": self.headers["Authorization"]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.seen: list[bytes] = []
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


CARD = """
name = "vendor"
task = "{task}"
backend = "http"
licence = "groupings of the vendor"
commercial_use = "unknown"
verified = true
citation = "a server of the tests"
known_limits = []
[training_data]
description = "not stated"
status = "proprietary"
[request]
url = "{url}/v1/faces"
encoding = "raw"
key_env = "VENDOR_KEY"
[answer]
{answer}
"""


@pytest.fixture
def people(
    server: Server, tmp_path: Path, draw: Any, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    """An audit of six illustrated people by the service, one of them unreadable; keywords are passed to `audit`."""
    greens = (250, 240, 230, 20, 10)
    for k, green in enumerate(greens):
        quadrants = (0,) if k else ()  # the toy detector finds no face on the first
        (tmp_path / f"{k}.png").write_bytes(
            encode(".png", draw(green=green, quadrants=quadrants) if k else flat(green))
        )
    (tmp_path / "5.png").write_bytes(b"no image")
    labels = ("f", "f", "m", "m", "m", "f")
    rows = "".join(f"{k}.png,{label}\n" for k, label in enumerate(labels))
    (tmp_path / "people.csv").write_text("image,gender\n" + rows)
    card = CARD.format(task="classify", url=server.host, answer='gender = "faces.0.gender"')
    (tmp_path / "vendor.toml").write_text(card)
    monkeypatch.setenv("VENDOR_KEY", KEY)

    def run(**settings: Any) -> Run:
        chosen = {
            "detect": "none",
            "classify": str(tmp_path / "vendor.toml"),
            "out": tmp_path / "run",
            "send_images": True,
        }
        quick = {"calls_per_second": 1000.0, "notice": lambda text: None, "workers": 1, "min_subjects": 2}
        return audited(tmp_path / "people.csv", **{**chosen, **quick, **settings})

    return run


def flat(green: int) -> np.ndarray[Any, Any]:
    """An image without a blue quadrant, so that the toy detector finds nothing."""
    return np.full((64, 64, 3), (0, green, 0), np.uint8)


def test_nothing_is_sent_before_leave_was_given(server: Server, people: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        people(send_images=False)
    assert f"would send up to 6 images, whole files, to {server.host} with the value of " in str(caught.value)
    assert "add --send-images" in str(caught.value)
    assert server.seen == []
    assert not (tmp_path / "run").exists()


def test_the_recipient_and_the_number_are_shown_before_the_first_image_leaves(
    server: Server, people: Callable[..., Run]
) -> None:
    shown: list[tuple[str, int]] = []
    people(notice=lambda text: shown.append((text, len(server.seen))))
    ((text, before),) = shown
    assert f"sending up to 6 of 6 images, whole files, to {server.host}" in text
    assert before == 0


def test_every_image_ends_with_an_answer_or_a_reason(
    server: Server, people: Callable[..., Run], tmp_path: Path
) -> None:
    run = people()
    assert run.predictions["outcome"].tolist() == ["right", "right", "wrong", "right", "right", "not_shown"]
    assert run.predictions["detail"].tolist()[-1] == "face: unreadable"
    assert run.faces["outcome"].tolist() == ["ok"] * 5 + ["unreadable"]
    assert rates(run) == {"no_answer_rate": (0, 5), "error_rate_answered": (1, 5), "error_rate_all": (1, 5)}
    assert server.seen == [(tmp_path / f"{k}.png").read_bytes() for k in range(5)]
    assert run.record.sent == SentRecord(server.host, images=5, calls=5, max_calls=None)


def test_the_report_names_the_recipient_and_the_number_and_nothing_holds_the_key(
    server: Server, people: Callable[..., Run], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    add_report(out, people(), include_ids=False)
    assert f"5 images were sent to {server.host}, in 5 calls." in (out / "report.html").read_text(encoding="utf-8")
    assert recheck(out) == []
    files = [path for path in out.rglob("*") if path.is_file()]
    assert sum(path.parent.name == "answers" for path in files) == 5
    for path in files:
        assert KEY.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_local_detector_is_judged_by_itself(server: Server, people: Callable[..., Run], toys: Any) -> None:
    run = people(detect=str(toys.card("detector")))
    assert run.faces["outcome"].tolist() == ["no_face", "ok", "ok", "ok", "ok", "unreadable"]
    assert run.predictions["outcome"].tolist() == ["right", "right", "wrong", "right", "right", "not_shown"]
    assert rates(run)["fta"] == (1, 5)
    assert len(server.seen) == 5


def test_a_run_that_was_stopped_goes_on_and_asks_for_no_kept_answer_again(
    server: Server, people: Callable[..., Run], tmp_path: Path
) -> None:
    server.statuses = [200, 200, 401]
    with pytest.raises(RunError, match="rejects the key") as caught:
        people()
    assert KEY not in str(caught.value)
    shown: list[str] = []
    run = people(resume=True, notice=shown.append)
    sent = [(tmp_path / f"{k}.png").read_bytes() for k in range(5)]
    assert server.seen == [*sent[:3], *sent[2:]]
    assert "sending up to 3 of 6 images" in shown[0]
    whole = people(out=tmp_path / "whole")
    for name in ("rates.csv", "gaps.csv", "waterfall.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    pd.testing.assert_frame_equal(run.predictions, whole.predictions)


def test_a_larger_budget_takes_a_run_up_where_the_smaller_was_spent(
    server: Server, people: Callable[..., Run], tmp_path: Path
) -> None:
    run = people(max_calls=2)
    assert run.predictions["detail"].tolist()[2:5] == ["the budget of 2 calls was spent"] * 3
    assert rates(run)["error_rate_all"] == (0, 2)  # images that were never sent are not trials
    assert len(people(max_calls=2, resume=True).predictions) == 6
    assert len(server.seen) == 2
    more = people(max_calls=4, resume=True)
    assert len(server.seen) == 4
    assert more.record.sent is not None
    assert more.record.sent.calls == 4
    whole = people(resume=True)
    assert len(server.seen) == 5
    assert whole.predictions["outcome"].tolist() == ["right", "right", "wrong", "right", "right", "not_shown"]
    assert recheck(tmp_path / "run") == []
    people(resume=True, max_calls=1)
    assert len(server.seen) == 5


def test_a_finished_run_sends_nothing_when_it_is_resumed(server: Server, people: Callable[..., Run]) -> None:
    people()
    people(resume=True)
    assert len(server.seen) == 5


def test_a_missing_key_stops_before_anything(
    server: Server, people: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VENDOR_KEY")
    with pytest.raises(CardError, match="VENDOR_KEY is not set"):
        people()
    assert server.seen == []
    assert not (tmp_path / "run").exists()


def test_answers_must_have_a_place_to_stay(server: Server, people: Callable[..., Run]) -> None:
    with pytest.raises(RunError, match="stored in a run folder; give one with out="):
        people(out=None)
    with pytest.raises(SettingError, match=r"--calls-per-second 0: must be from 0\.001 to 1000"):
        people(calls_per_second=0.0)
    assert server.seen == []


def test_models_that_cannot_work_together_are_refused(people: Callable[..., Run], toys: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--detect none is for a black-box service"):
        people(classify=str(toys.card("classifier")))
    with pytest.raises(ModelError, match="--detect none finds nothing, but --embed toy_embedder needs five points"):
        people(embed=str(toys.card("embedder")))
    path = tmp_path / "templates.toml"
    path.write_text(
        CARD.format(task="embed", url="https://api.example.org", answer='embedding = "e"\ndimension = 4').replace(
            '"vendor"', '"templates"', 1
        )
    )
    with pytest.raises(ModelError, match="a black-box service detects faces itself and is audited alone"):
        people(embed=str(path), detect=str(toys.card("detector")))


# ---- the command line ----


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    from facegap.cli import main

    monkeypatch.setattr(sys, "argv", ["facegap", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_the_command_shows_what_it_would_send(
    server: Server,
    people: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["audit", tmp_path / "people.csv", "--out", tmp_path / "run", "--allow-missing"]
    asked += ["--detect", "none", "--classify", tmp_path / "vendor.toml"]
    assert run_command(monkeypatch, *asked) == 2
    assert f"6 images, whole files, to {server.host}" in capsys.readouterr().err
    assert run_command(monkeypatch, *asked, "--send-images", "--max-calls", "3", "--calls-per-second", "500") == 0
    shown = capsys.readouterr()
    assert "at most 3 calls in all" in shown.err
    assert "3 images were sent to" in shown.out
    assert len(server.seen) == 3


def test_the_command_for_a_file_of_predictions_prints_its_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, manifest = write(tmp_path)
    out = tmp_path / "run"
    assert (
        run_command(monkeypatch, "audit-predictions", vendor, manifest, "--out", out, "--by", "gender", "--verbose")
        == 0
    )
    assert "no answer" in capsys.readouterr().out
    assert run_command(monkeypatch, "recheck", out) == 0


# ---- margins and alpha ----


def test_the_auditors_margins_and_alpha_are_recorded_and_judge_every_family(tmp_path: Path) -> None:
    rows = [(f"{k}.jpg", f"p{k}", "female" if k < 60 else "male") for k in range(120)]
    wrong = {f"{k}.jpg" for k in (*range(30), *range(60, 66))}  # 30 of 60 women, 6 of 60 men
    manifest = "image,subject,gender\n" + "".join(f"{','.join(row)}\n" for row in rows)
    other = {"female": "male", "male": "female"}
    predictions = "image,prediction\n" + "".join(
        f"{image},{other[gender] if image in wrong else gender}\n" for image, _, gender in rows
    )
    files = write(tmp_path, predictions, manifest)
    plain = audit_predictions(*files)
    own = audit_predictions(
        *files,
        groups={"margin": ["error_rate_all=x1.5", "error_rate_answered=0.6"], "alpha": 0.01},
        out=tmp_path / "run",
    )
    (before,), (after,) = (run.gaps[run.gaps["metric"] == "error_rate_all"].to_dict("records") for run in (plain, own))
    assert (before["scale"], before["margin"], before["verdict"]) == ("difference", 0.02, "gap larger than the margin")
    assert (after["scale"], after["margin"], after["verdict"]) == ("ratio", 1.5, "gap larger than the margin")
    assert before["decided_level"] == pytest.approx(0.95)
    assert after["decided_level"] == pytest.approx(0.99)
    assert (after["p"], after["decided_low"] > 1.5) == (pytest.approx(after["p_adjusted"]), True)
    (answered,) = own.gaps[own.gaps["metric"] == "error_rate_answered"].to_dict("records")
    assert (answered["scale"], answered["margin"]) == ("difference", 0.6)
    assert answered["verdict"] == "exploratory"  # 40 points, within the margin, but different from 0
    assert answered["within_margin"]
    assert answered["differs"]
    stated = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["request"]
    assert (stated["alpha"], stated["settings"]["groups"]["alpha"]) == (0.01, 0.01)
    assert stated["margins"]["error_rate_all"] == {"scale": "ratio", "size": 1.5}
    assert stated["margins"]["fnmr"] == {"scale": "ratio", "size": 2.0}
    assert recheck(tmp_path / "run") == []


def test_a_margin_of_an_unknown_metric_stops_the_audit(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--margin fnrm=x2: there is no metric 'fnrm'; did you mean 'fnmr'"):
        audit_predictions(*write(tmp_path), groups={"margin": "fnrm=x2"})
