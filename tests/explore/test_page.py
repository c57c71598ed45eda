"""The explore page without a browser: its numbers are those of the run, access is controlled, hostile text stays text."""

from __future__ import annotations

import csv
import html
import io
import math
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.errors import FacegapError
from facegap.explore.failures import MOST_MATCHES, failures
from facegap.explore.page import create_app
from facegap.explore.rates import explored, matrix_at, people_moved, predictions_at, rates_at
from facegap.explore.settings import settings_of
from facegap.explore.view import frame_of, matrix_frame, people_frame, rates_frame
from facegap.store.run import Run, read_run
from fixtures.settings import audit_embeddings, audit_predictions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY, HOST = "a-key-of-this-start-only", "127.0.0.1:8322"
HOSTILE = '=cmd|"x"<script>alert(1)</script>'


def templates_run(folder: Path, *, tail: int = 100_000) -> Run:
    """60 people of two towns with two images each; one image has no template; the first town's name is hostile."""
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 2)
    rows = np.repeat(rng.normal(size=(60, 10)), 2, axis=0) + 0.6 * rng.normal(size=(120, 10))
    rows[7] = 0
    np.save(folder / "t.npy", rows.astype(np.float32))
    frame = pd.DataFrame({"image": [f"secret-{k}.png" for k in range(120)], "subject": people})
    frame["town"] = np.where(people < 30, HOSTILE, "Bonn")
    frame.to_csv(folder / "people.csv", index=False)
    settings = Verify(fmr=(), threshold=(0.7,), tail_limit=tail)
    audit_embeddings(folder / "t.npy", folder / "people.csv", by="town", verify=settings, out=folder / "run")
    return read_run(folder / "run")


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return templates_run(tmp_path_factory.mktemp("verified"))


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """40 women and 40 men; correct predictions have probability 0.9, wrong ones (5 women) 0.6, and 3 men have none."""
    folder = tmp_path_factory.mktemp("classified")
    image = [f"secret-{k}.png" for k in range(80)]
    gender = ["female"] * 40 + ["male"] * 40
    pd.DataFrame({"image": image, "subject": image, "gender": gender}).to_csv(folder / "people.csv", index=False)
    said, sure = list(gender), [0.9] * 80
    for k in range(5):
        said[k], sure[k] = "male", 0.6
    for k in range(77, 80):
        said[k] = ""
    pd.DataFrame({"image": image, "prediction": said, "confidence": sure}).to_csv(folder / "said.csv", index=False)
    audit_predictions(folder / "said.csv", folder / "people.csv", by="gender", out=folder / "run")
    return read_run(folder / "run")


def pick(frame: pd.DataFrame, **cells: Any) -> dict[str, Any]:
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, frame
    return dict(frame.iloc[0])


# ---- numbers ----


def test_at_the_threshold_of_the_run_the_rates_are_the_runs(verified: Run) -> None:
    view = explored(verified)
    assert view.threshold == 0.7
    found = rates_frame(rates_at(view, ("town",), 0.7))
    own = verified.rates[verified.rates["other_town"] == ""]
    for town in (HOSTILE, "Bonn"):
        for metric in ("fmr", "fnmr"):
            here, there = pick(found, group=town, metric=metric), pick(own, town=town, metric=metric)
            for column in ("errors", "trials", "subjects", "value", "low", "high"):
                assert here[column] == pytest.approx(there[column])
            assert here["change"] == 0
    across = pick(verified.rates, metric="fmr", town=HOSTILE, other_town="Bonn")
    cell = pick(matrix_frame(matrix_at(view, ("town",), 0.7)), group=HOSTILE, other="Bonn")
    assert (cell["errors"], cell["trials"]) == (across["errors"], across["trials"])
    assert cell["value"] == pytest.approx(across["value"])


def test_a_moved_threshold_counts_the_stored_scores_again(verified: Run) -> None:
    view = explored(verified)
    assert view.pairs is not None
    found = rates_frame(rates_at(view, (), 0.5))
    wrong = int((view.pairs.impostor_scores >= 0.5).sum())
    missed = int((view.pairs.genuine_scores < 0.5).sum())
    fmr, fnmr = pick(found, metric="fmr"), pick(found, metric="fnmr")
    assert fmr["errors"] == wrong > fmr["run_errors"]
    assert fnmr["errors"] == missed < fnmr["run_errors"]
    assert fmr["change"] == pytest.approx(fmr["value"] - fmr["run_value"])


def test_people_who_move_are_counted_once_by_hand(verified: Run) -> None:
    view = explored(verified)
    assert view.pairs is not None
    before, now = (
        {int(view.subjects[row]) for row in view.pairs.genuine[view.pairs.genuine_scores < point, 0]}
        for point in (0.7, 0.8)
    )
    row = pick(people_frame(people_moved(view, (), 0.8)), state="refused")
    assert (row["in_run"], row["here"]) == (len(before), len(now))
    assert (row["newly"], row["no_longer"]) == (len(now - before), len(before - now))
    assert row["newly"] > 0 == row["no_longer"]
    taken = pick(people_frame(people_moved(view, (), 0.8)), state="mistaken")
    assert taken["newly"] == 0 < taken["no_longer"]


def test_below_the_end_of_the_list_false_matches_are_not_known(tmp_path: Path) -> None:
    view = explored(templates_run(tmp_path, tail=200))
    assert math.isfinite(view.floor)
    below = view.floor - 0.01
    found = rates_frame(rates_at(view, ("town",), below))
    fmr = found[found["metric"] == "fmr"]
    assert fmr["value"].isna().all() and (fmr["errors"] == -1).all()
    assert found[found["metric"] == "fnmr"]["value"].notna().all()
    assert not len(matrix_frame(matrix_at(view, ("town",), below)))
    assert (
        people_frame(people_moved(view, (), below)).set_index("state").loc["mistaken", ["here", "newly"]] == -1
    ).all()
    page = entered(view.run).get(f"/?threshold={below}").text
    assert "false matches are not known" in page and "not known" in page


def test_a_cut_removes_uncertain_predictions(classified: Run) -> None:
    view = explored(classified)
    assert view.has_probability
    plain, cut = (
        rates_frame(predictions_at(view, ("gender",), 0.0)),
        rates_frame(predictions_at(view, ("gender",), 0.7)),
    )
    women = pick(plain, group="female", metric="error_rate_answered")
    assert (women["errors"], women["trials"]) == (5, 40)
    women = pick(cut, group="female", metric="error_rate_answered")
    assert (women["errors"], women["trials"]) == (0, 35)
    assert pick(cut, group="female", metric="error_rate_all")["errors"] == 5  # a missing prediction is an error here
    silent = pick(cut, group="female", metric="no_answer_share")
    assert (silent["errors"], silent["trials"], silent["run_errors"]) == (5, 40, 0)
    assert pick(cut, group="male", metric="no_answer_share")["errors"] == 3


def test_failures_have_names_only_on_request(classified: Run, verified: Run) -> None:
    for run in (classified, verified):
        view = explored(run)
        settings = settings_of({}, view)
        plain = frame_of("failures", view, settings, include_ids=False)
        assert not plain.astype(str).apply(lambda column: column.str.contains("secret")).any().any()
        assert set(plain.columns).isdisjoint({"image", "subject", "detail"})
        named = frame_of("failures", view, settings, include_ids=True)
        assert len(named) == len(plain)
        assert named["image"].str.startswith("secret").all()


def test_every_failure_is_listed_once(classified: Run, verified: Run) -> None:
    found = failures(explored(classified), ("gender",), math.nan, 0.0, include_ids=False)
    assert found["kind"].value_counts().to_dict() == {"wrong": 5, "no_answer": 3}
    view = explored(verified)
    assert view.pairs is not None
    found = failures(view, ("town",), 0.7, 0.0, include_ids=False)
    counts = found["kind"].value_counts().to_dict()
    assert counts["face"] == 1
    assert counts["matched"] == int((view.pairs.impostor_scores >= 0.7).sum()) < MOST_MATCHES
    assert counts["refused"] == int((view.pairs.genuine_scores < 0.7).sum())


def test_failures_are_filtered_and_sorted(verified: Run) -> None:
    view = explored(verified)
    settings = settings_of(
        {"kind": "matched", "sort": "score", "order": "up", "group": "Bonn", "threshold": "0.6"}, view
    )
    found = frame_of("failures", view, settings, include_ids=False)
    assert set(found["kind"]) == {"matched"}
    assert found["score"].is_monotonic_increasing
    assert all("Bonn" in group.split(" / ") for group in found["group"])
    assert any(" / " in group for group in found["group"])


@pytest.mark.parametrize(
    "query",
    [
        {"by": "race"},
        {"threshold": "high"},
        {"threshold": "nan"},
        {"cut": "2"},
        {"kind": "all"},
        {"sort": "image"},  # failures have no names here
        {"sort": "row"},
        {"page": "0"},
        {"page": "1.5"},
        {"colour": "red"},
        {"order": "sideways"},
        {"threshold": "1e999"},
    ],
)
def test_invalid_settings_are_rejected_and_not_replaced(query: dict[str, str], verified: Run) -> None:
    with pytest.raises(FacegapError):
        settings_of(query, explored(verified))
    assert entered(verified).get("/", params=query).status_code == 400


# ---- access ----


def site(run: Run, *, include_ids: bool = False) -> TestClient:
    app = create_app(run, key=KEY, port=8322, include_ids=include_ids)
    return TestClient(app, base_url=f"http://{HOST}")


def entered(run: Run, *, include_ids: bool = False) -> TestClient:
    client = site(run, include_ids=include_ids)
    assert client.get(f"/?key={KEY}").status_code == 200
    return client


def test_access_needs_the_key(verified: Run) -> None:
    client = site(verified)
    for path in ("/", "/export.csv?table=rates"):
        assert client.get(path).status_code == 403
    assert client.get("/?key=guess").status_code == 403
    assert client.get("/").status_code == 403
    response = client.get(f"/?key={KEY}", follow_redirects=False)
    assert response.headers["location"] == "/"  # the key does not stay in the address
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert client.get("/").status_code == 200


def test_wrong_keys_are_slow_and_lock_no_one_out(verified: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegap.web.security.WRONG_TOKEN_S", 0.02)
    client = site(verified)
    started = time.monotonic()
    assert {client.get("/?key=guess").status_code for _ in range(20)} == {403}
    assert time.monotonic() - started >= 20 * 0.02
    assert client.get(f"/?key={KEY}").status_code == 200


def test_a_cookie_of_another_start_does_not_count(verified: Run) -> None:
    cookies = dict(entered(verified).cookies)
    other = site(verified)
    other.cookies.update(cookies)
    assert other.get("/").status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8322", ""])
def test_another_host_name_is_refused(host: str, verified: Run) -> None:
    assert entered(verified).get("/", headers={"host": host}).status_code == 421


def test_only_get_is_allowed(verified: Run) -> None:
    client = entered(verified)
    assert client.post("/", data={}).status_code == 405
    assert client.request("DELETE", "/").status_code == 405


def test_every_response_restricts_other_sites(verified: Run) -> None:
    client = entered(verified)
    for path in ("/", "/export.csv?table=rates", "/static/explore.js", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
    assert client.get("/static/..%2f..%2fsecurity.py").status_code == 404


# ---- pages and files ----


def test_hostile_names_are_text_on_the_page(verified: Run) -> None:
    page = entered(verified).get("/").text
    assert "<script>alert" not in page
    assert HOSTILE in html.unescape(page)
    assert page.count("<script") == 1 and "style=" not in page and "onclick" not in page


def test_the_exported_table_equals_the_view_with_escaped_formulas(verified: Run) -> None:
    client = entered(verified, include_ids=True)
    page = client.get("/?by=town&threshold=0.6").text
    links = [html.unescape(link) for link in re.findall(r'href="(/export[^"]+)"', page)]
    assert len(links) == 5  # rates, people, matrix, faces, failures
    for link in links:
        response = client.get(link)
        assert response.headers["content-disposition"].startswith("attachment")
        cells = [cell for row in csv.reader(io.StringIO(response.text)) for cell in row]
        assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    rates = pd.read_csv(io.StringIO(client.get(links[0]).text))
    expected = rates_frame(rates_at(explored(verified), ("town",), 0.6))
    assert rates["errors"].tolist() == expected["errors"].tolist()
    assert f"'{HOSTILE}" in set(rates["group"])
    assert client.get("/export.csv?table=passwords").status_code == 400
    assert client.get("/export.csv?table=answers").status_code == 400  # a run without a classifier


def test_pages_of_failures_are_consecutive(verified: Run) -> None:
    client = entered(verified)
    first = client.get("/?threshold=0.3&kind=matched").text
    later = html.unescape(re.search(r'href="([^"]+)#failures" rel="next"', first)[1])  # type: ignore[index]
    second = client.get(later).text
    assert "Failures 26" in second or "failures 26 to 50" in second
    assert 'rel="prev"' in second


def test_a_run_of_a_classifier_has_no_threshold_and_one_cut(classified: Run) -> None:
    page = entered(classified).get("/?cut=0.7").text
    assert 'name="threshold"' not in page
    assert 'name="cut"' in page and "0.700" in page
