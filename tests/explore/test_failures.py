"""Failures on the explore page: consistent with the rates, sortable by every displayed column, with pictures on request."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facegap.errors import TableError
from facegap.explore.failures import COLUMNS, KINDS, NAMED, failures
from facegap.explore.page import create_app
from facegap.explore.pictures import SIDE_PX, Pictures
from facegap.explore.rates import explored
from facegap.explore.settings import settings_of
from facegap.explore.view import frame_of
from facegap.store.run import Run, read_run
from fixtures.settings import audit_predictions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY, HOST = "a-key-of-this-start-only", "127.0.0.1:8322"
WRONG, SILENT = 7, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures in different colours; 7 predictions are wrong, 2 missing; with their run."""
    made = tmp_path_factory.mktemp("pictures")
    (made / "faces").mkdir()
    names = [f"faces/{k}.png" for k in range(40)]
    for k, name in enumerate(names):
        Image.new("RGB", (300, 200), (k * 6, 255 - k * 6, 128)).save(made / name)
    gender = ["female"] * 20 + ["male"] * 20
    said = [*["male"] * WRONG, *gender[WRONG:-SILENT], *[""] * SILENT]
    pd.DataFrame({"image": names, "subject": names, "gender": gender}).to_csv(made / "people.csv", index=False)
    sure = np.linspace(0.5, 0.9, 40)
    pd.DataFrame({"image": names, "prediction": said, "confidence": sure}).to_csv(made / "said.csv", index=False)
    audit_predictions(made / "said.csv", made / "people.csv", by="gender", out=made / "run")
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return read_run(folder / "run")


def errors(run: Run, metric: str) -> int:
    (row,) = run.rates[(run.rates["metric"] == metric) & (run.rates["gender"] == "any")].to_dict("records")
    return int(row["errors"])


def test_failures_are_as_many_as_the_rates_count(run: Run) -> None:
    counts = failures(explored(run), (), math.nan, 0.0, include_ids=False)["kind"].value_counts().to_dict()
    assert counts == {"wrong": WRONG, "no_answer": SILENT}
    assert counts["wrong"] == errors(run, "error_rate_answered")
    assert sum(counts.values()) == errors(run, "error_rate_all")


def test_an_image_with_a_lost_face_is_one_failure_and_a_missing_file_is_in_no_rate(run: Run) -> None:
    faces, said = run.faces.copy(), run.predictions.copy()
    faces.loc[[38, 20], "outcome"] = ["no_face", "missing_file"]  # 38 has no prediction, because no face was found
    said.loc[20, "outcome"] = "not_shown"
    from dataclasses import replace

    found = failures(explored(replace(run, faces=faces, predictions=said)), (), math.nan, 0.0, include_ids=False)
    assert found["kind"].value_counts().to_dict() == {"wrong": WRONG, "no_answer": 1, "face": 1, "not_shown": 1}
    assert set(found[found["kind"] == "face"]["label"]) == {"male"}


@pytest.mark.parametrize("column", [*COLUMNS, *NAMED])
@pytest.mark.parametrize("order", ["up", "down"])
def test_every_column_that_is_shown_sorts(run: Run, column: str, order: str) -> None:
    view = explored(run)
    settings = settings_of({"sort": column, "order": order}, view, include_ids=True)
    found = frame_of("failures", view, settings, include_ids=True)
    values = [value for value in found[column] if value == value]
    assert values == sorted(values, reverse=order == "down")
    assert len(found) == WRONG + SILENT


def client(run: Run, images: Path | None) -> TestClient:
    app = create_app(run, key=KEY, port=8322, include_ids=False, images=images)
    return TestClient(app, base_url=f"http://{HOST}")


def test_the_contact_sheet_shows_each_failure_with_label_prediction_and_its_picture(run: Run, folder: Path) -> None:
    site = client(run, folder)
    page = site.get(f"/?key={KEY}").text
    sources = re.findall(r'<img src="(/image/[^"]+)"', page)
    assert len(sources) == len(set(sources)) == WRONG + SILENT
    assert page.count("labelled female, predicted male") == WRONG
    assert "misclassified (7)" in page and "all kinds (9)" in page
    assert "faces/" not in page  # named only on request
    response = site.get(sources[0])
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "no-store"
    shown = Image.open(io.BytesIO(response.content))
    assert shown.size == (SIDE_PX, round(200 * SIDE_PX / 300))
    assert np.abs(np.asarray(shown)[50, 50].astype(int) - (0, 255, 128)).max() < 12


def test_headings_sort_and_state_the_order(run: Run, folder: Path) -> None:
    site = client(run, None)
    site.get(f"/?key={KEY}")
    page = site.get("/?sort=probability&order=down").text
    assert 'aria-sort="descending"' in page
    links = [html.unescape(link) for link in re.findall(r'class="sort" id="[^"]+" href="([^"]+)"', page)]
    assert any("sort=probability&order=up" in link for link in links)
    assert all(site.get(link.split("#")[0]).status_code == 200 for link in links)
    assert "<img" not in page and "--images" in page


def test_pictures_need_the_key_and_belong_to_the_run(run: Run, folder: Path) -> None:
    site = client(run, folder)
    source = f"/image/{'0' * 24}.jpg"
    assert site.get(source).status_code == 403
    site.get(f"/?key={KEY}")
    for path in (source, "/image/..%2f..%2fetc%2fpasswd.jpg", "/image/faces%2f1.png.jpg", "/image/0.jpg"):
        assert site.get(path).status_code == 404
    without = client(run, None)
    without.get(f"/?key={KEY}")
    assert without.get(source).status_code == 404


def test_a_path_or_a_link_that_leads_out_of_the_folder_is_not_shown(run: Run, folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    secret = tmp_path / "secret.png"
    Image.new("RGB", (50, 50)).save(secret)
    (folder / "link.png").symlink_to(secret)
    manifest = run.manifest.copy()
    manifest.loc[0, "path"], manifest.loc[1, "path"] = str(secret), "link.png"
    moved = replace(run, manifest=manifest)
    held, open_ = (Pictures(moved, folder, b"s", allow_outside=allowed) for allowed in (False, True))
    for row in (0, 1):
        assert held.jpeg(held.number(row)) is None
        assert open_.jpeg(open_.number(row)) is not None
    assert held.jpeg(held.number(2)) is not None


def test_a_folder_without_the_images_is_refused_before_the_page_opens(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="none of the images of this run"):
        create_app(run, key=KEY, port=8322, include_ids=False, images=tmp_path)


def test_picture_numbers_reveal_no_names_and_change_with_every_start(run: Run, folder: Path) -> None:
    first, second = Pictures(run, folder, b"one"), Pictures(run, folder, b"two")
    assert first.number(0) != second.number(0)
    assert len({first.number(row) for row in range(40)}) == 40


def test_every_kind_has_a_name() -> None:
    assert all(words and words == words.strip() for words in KINDS.values())
