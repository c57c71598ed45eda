"""Failed searches of a gallery on the explore page: consistent with FNIR and FPIR, with the pictures of both sides."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.errors import FacegapError
from facegap.explore.failures import failures
from facegap.explore.page import create_app
from facegap.explore.rates import explored
from facegap.explore.searches import BELOW, LOST, first_of, searches_at
from facegap.explore.settings import settings_of, thresholds_of
from facegap.explore.view import frame_of
from facegap.store.run import Run, read_run
from fixtures.settings import audited

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY, HOST = "a-key-of-this-start-only", "127.0.0.1:8322"
# The green level of each picture per person, None for one without a face. The first is enrolled, except for the last two people.
DRAWN: dict[str, tuple[int | None, ...]] = {
    "ann": (40, 44),
    "bea": (70, 160),
    "cat": (100, None),
    "dan": (None, 130),
    "eli": (160, 164),
    "fox": (190,),
    "gus": (250,),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> Path:
    made = tmp_path_factory.mktemp("searched")
    lines = ["image,subject,gender,role"]
    for subject, images in DRAWN.items():
        for k, green in enumerate(images):
            picture = draw(quadrants=()) if green is None else draw(green=green, red=120)
            cv2.imwrite(str(made / f"{subject}{k}.png"), picture)
            role = "probe" if k or subject in ("fox", "gus") else "gallery"
            lines.append(f"{subject}{k}.png,{subject},{'female' if subject < 'd' else 'male'},{role}")
    (made / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    audited(
        made / "people.csv",
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        identify=True,
        min_subjects=2,
        workers=1,
        role_column="role",
        threshold=(0.99, 0.9999),
        rank=(1, 3),
        by="gender",
        out=made / "run",
    )
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return read_run(folder / "run")


def test_failures_are_as_many_as_the_rates_of_the_run_at_every_threshold_and_rank(run: Run) -> None:
    view = explored(run)
    seen = 0
    for row in run.rates[run.rates["metric"].isin(["fnir", "fpir"]) & (run.rates["gender"] == "any")].to_dict(
        "records"
    ):
        if math.isnan(row["threshold"]):
            continue
        rank = 3 if "rank 3" in row["threshold_from"] else 1
        found = failures(view, (), row["threshold"], 0.0, include_ids=False, rank=rank)
        kind = {"fnir": "missed", "fpir": "named"}[row["metric"]]
        assert (found["kind"] == kind).sum() == row["errors"], row
        (moved,) = [one for one in searches_at(view, (), row["threshold"], rank) if one.metric == row["metric"]]
        assert moved.now is not None
        assert (moved.now.errors, moved.now.trials) == (row["errors"], row["trials"])
        seen += int(row["errors"])
    assert seen > 6


def test_a_miss_shows_the_enrolled_picture_and_says_why(run: Run) -> None:
    found = failures(explored(run), (), 0.9999, 0.0, include_ids=True, rank=1).set_index("image")
    missed = found[found["kind"] == "missed"]
    assert (missed["other_subject"] == missed["subject"]).all()
    assert missed.loc["cat1.png", "outcome"] == missed.loc["dan1.png", "outcome"] == LOST
    assert math.isnan(missed.loc["cat1.png", "score"])
    assert missed.loc["cat1.png", "other_image"] == "cat0.png"
    assert (missed.loc[missed["score"] < 0.9999, "outcome"] == BELOW).all()


def test_a_false_identification_shows_the_candidate_with_the_highest_score(run: Run) -> None:
    found = failures(explored(run), (), 0.99, 0.0, include_ids=True, rank=1)
    named = found[found["kind"] == "named"]
    assert set(named["subject"]) <= {"fox", "gus"}
    assert len(named) >= 1
    assert run.searched is not None
    lists = run.searched.lists
    for row in named.to_dict("records"):
        of_probe = lists[lists["probe"] == row["row"]]
        best = of_probe.loc[of_probe["score"].idxmax()]
        assert (row["other_row"], row["score"]) == (best["gallery"], best["score"])
        assert row["score"] >= 0.99


def test_a_group_is_that_of_the_probe_and_the_export_is_the_view(run: Run) -> None:
    view = explored(run)
    settings = settings_of(
        {"by": "gender", "threshold": "0.9999", "rank": "3", "kind": "missed", "group": "female"}, view
    )
    frame = frame_of("failures", view, settings, include_ids=False)
    (row,) = run.rates[
        (run.rates["metric"] == "fnir")
        & (run.rates["gender"] == "female")
        & (run.rates["threshold"] == 0.9999)
        & run.rates["threshold_from"].str.contains("rank 3")
    ].to_dict("records")
    assert len(frame) == row["errors"] > 0
    assert not {"image", "subject", "row"} & set(frame.columns)
    assert len(frame_of("searches", view, settings, include_ids=False)) == 4


def test_every_threshold_of_the_run_is_offered_in_full_precision(run: Run) -> None:
    view = explored(run)
    offered = [address for _, address in thresholds_of(view, settings_of({}, view))]
    assert [f"threshold={value!r}" in address for value, address in zip((0.99, 0.9999), offered, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("rank", ["2", "0", "x"])
def test_a_rank_that_the_run_does_not_have_is_refused(rank: str, run: Run) -> None:
    with pytest.raises(FacegapError, match="rank"):
        settings_of({"rank": rank}, explored(run))


def test_the_page_shows_both_pictures_of_a_failed_search(run: Run, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = create_app(run, key=KEY, port=8322, include_ids=False, images=folder)
        client = TestClient(app, base_url=f"http://{HOST}")
    client.get("/", params={"key": KEY})
    page = client.get("/", params={"threshold": "0.9999", "kind": "missed"}).text
    sheet = page.split('class="sheet"')[1].split("</ul>")[0]
    assert sheet.count("<strong>not found in the gallery</strong>") == sheet.count("<li>") > 0
    assert sheet.count("<img ") == 2 * sheet.count("<li>")
    assert "errors of searches of the gallery, rank 1" in page
    assert '<option value="3">first 3</option>' in page


def test_a_mate_whose_pair_was_excluded_is_not_shown() -> None:
    assert first_of(5, np.array([1, 2]), {(5, 1), (1, 5)}) == 2
    assert first_of(5, np.array([1]), {(5, 1)}) == -1
