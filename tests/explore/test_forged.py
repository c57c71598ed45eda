"""A forged or modified run: the page opens, or a sentence says why it does not."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.errors import FacegapError
from facegap.explore.page import create_app
from facegap.store import run as store
from facegap.store.finished import read_finished
from fixtures.campaigns import short_and_full
from fixtures.settings import audit_embeddings, audit_predictions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY, PORT = "a-key-of-this-start-only", 8322
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 0.5, 1e308, -1e308, 2**70, "", "x", "\u202e=1", [], {}, [None], ["a", "a"], {"a": 1}, [[["a"]]],
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run on predictions and one on templates."""
    from facegap.audit.settings import Verify

    folder = tmp_path_factory.mktemp("forged")
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(30), 2)
    frame = pd.DataFrame(
        {"image": [f"{k}.png" for k in range(60)], "subject": people, "gender": np.where(people % 2, "male", "female")}
    )
    frame.to_csv(folder / "people.csv", index=False)
    answers = frame[["image"]].assign(prediction=rng.choice(["male", "female"], 60), confidence=0.9)
    answers.to_csv(folder / "a.csv", index=False)
    np.save(folder / "t.npy", rng.normal(size=(60, 8)))
    audit_predictions(folder / "a.csv", folder / "people.csv", by="gender", out=folder / "answers")
    settings = Verify(fmr=(), threshold=(0.5,))
    audit_embeddings(folder / "t.npy", folder / "people.csv", by="gender", verify=settings, out=folder / "templates")
    return [folder / "answers", folder / "templates"]


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places_in(item, (*path, key)))][(path == ()) :]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    found = copy.deepcopy(value)
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = new
    return found


def looked_at(folder: Path) -> str:
    """The result of opening the page and exporting its tables."""
    try:
        run = read_finished(folder)
        with store.fitting_together(folder):
            app = create_app(run, key=KEY, port=PORT, include_ids=True, folder=folder)
    except FacegapError as error:
        return f"refused: {error}"
    client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
    seen = [client.get(f"/?key={KEY}").status_code]
    for path in ("/?threshold=0.1", "/?sort=score", "/export.csv?table=rates", "/export.csv?table=failures"):
        seen.append(client.get(path).status_code)
    assert set(seen) <= {200, 400}, seen
    return "opened"


@short_and_full("count", 25, 600)
def test_a_changed_record_gives_a_sentence_or_a_page_and_never_a_traceback(runs: list[Path], count: int) -> None:
    rng = np.random.default_rng(5)
    outcomes = {"opened": 0, "refused": 0}
    for folder in runs:
        before = (folder / "run.json").read_bytes()
        record = json.loads(before)
        places = places_in(record)
        try:
            for _ in range(count):
                place = places[int(rng.integers(len(places)))]
                new = VALUES[int(rng.integers(len(VALUES)))]
                (folder / "run.json").write_text(json.dumps(changed(record, place, new)))
                store.finish(folder)  # as a forger would: every hash is valid again
                outcomes[looked_at(folder).split(":")[0]] += 1
        finally:
            (folder / "run.json").write_bytes(before)
            store.finish(folder)
    assert outcomes["refused"]
    assert outcomes["opened"]


def test_an_impossible_level_is_rejected_by_its_key(runs: list[Path]) -> None:
    for folder in runs:
        before = (folder / "run.json").read_bytes()
        try:
            for level in (0, 1, 1.5, -0.5, "0.95", None):
                (folder / "run.json").write_text(json.dumps({**json.loads(before), "level": level}))
                store.finish(folder)
                assert "key level: " in looked_at(folder)
        finally:
            (folder / "run.json").write_bytes(before)
            store.finish(folder)


DAMAGED = [
    "manifest.parquet",
    "faces.parquet",
    "predictions.parquet",
    "rates.csv",
    "gaps.csv",
    "counts.npz",
    "embeddings.npy",
]


@short_and_full("rounds", 2, 15)
@pytest.mark.parametrize("name", DAMAGED)
def test_a_changed_table_gives_a_sentence_or_a_page(runs: list[Path], name: str, rounds: int) -> None:
    rng = np.random.default_rng(len(name))
    for folder in runs:
        path = folder / name
        if not path.exists():
            continue
        before = path.read_bytes()
        try:
            for k in range(rounds):
                if name.endswith(".parquet") and k % 2 == 0:
                    frame = pd.read_parquet(path)
                    frame = frame.sample(frac=1.5, replace=True, random_state=k).drop(columns=rng.choice(frame.columns))
                    frame.to_parquet(path, index=False)
                else:
                    data = bytearray(before)
                    for at in rng.integers(0, len(data), 5):
                        data[at] = int(rng.integers(256))
                    path.write_bytes(bytes(data[: int(rng.integers(len(data) // 2, len(data) + 1))]))
                store.finish(folder)
                looked_at(folder)
                path.write_bytes(before)
        finally:
            path.write_bytes(before)
            store.finish(folder)
