"""Runs over made-up templates and answers, with hostile names where they are asked for; no image file exists for any."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.closed_boxes import audit_predictions
from facegap.closed_comparisons import audit_embeddings
from facegap.store import Run
from facegap.verify import VerifySettings

# Ends elements, attributes, scripts and comments; a formula; an escape of the terminal; a letter that turns text round.
HOSTILE = "=\"'><script>alert(1)</script><img src=x onerror=alert(2)><!--]]>&amp;\x1b[2J\u202e\ufffe"

RunMaker = Callable[..., Run]


def compared(
    folder: Path, towns: Sequence[str], *, people: int = 24, noise: float = 0.5, photographs: int = 2,
    by: str = "gender,town*gender", out: Path | None = None,
) -> Run:  # fmt: skip
    """Two photographs of each of `people` persons per town, half of them women; columns town and gender."""
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(len(towns) * people), photographs)
    templates = rng.normal(size=(len(towns) * people, 8))[subjects] + noise * rng.normal(size=(len(subjects), 8))
    np.save(folder / "templates.npy", templates)
    frame = pd.DataFrame({"image": [f"i{k}.png" for k in range(len(subjects))], "subject": subjects})
    frame["town"] = [towns[subject // people] for subject in subjects]
    frame["gender"] = np.where(subjects % 2 == 0, "female", "male")
    frame.to_csv(folder / "people.csv", index=False)
    chosen = VerifySettings(fmr=(0.01,))
    return audit_embeddings(
        folder / "templates.npy", folder / "people.csv", by=by, verify=chosen, min_subjects=5, out=out
    )


def renamed(run: Run, old: str, new: str) -> Run:
    """The run with one label written otherwise in every table, as an edited run folder may have it."""

    def with_new(frame: pd.DataFrame) -> pd.DataFrame:
        words = {name: column.map(lambda text: text.replace(old, new)) for name, column in frame.items() if is_text(column)}
        return frame.assign(**words)

    def is_text(column: pd.Series) -> bool:
        return len(column) > 0 and column.map(lambda value: isinstance(value, str)).all()

    record = json.loads(json.dumps(run.record).replace(old, json.dumps(new)[1:-1]))
    frames = {name: with_new(getattr(run, name)) for name in ("manifest", "rates", "gaps")}
    return replace(run, record=record, extra={name: with_new(table) for name, table in run.extra.items()}, **frames)


def answered(
    folder: Path, towns: Sequence[str], *, people: int = 40, out: Path | None = None, **columns: Sequence[str]
) -> Run:
    """One answer per person of some towns; the k-th town errs on every (k + 2)-th person, one person in ten is silent."""
    count = len(towns) * people
    frame = pd.DataFrame({"image": [f"i{k}.png" for k in range(count)], "town": np.repeat(list(towns), people)})
    frame["gender"] = ["female" if k % 2 else "male" for k in range(count)]
    wrong = np.array([k % (k // people + 2) == 0 for k in range(count)])
    other = frame["gender"].map({"female": "male", "male": "female"})
    said = frame["gender"].where(~wrong, other).where(np.arange(count) % 10 != 9, "")
    for name, values in columns.items():
        frame[name] = list(values)
    frame.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": frame["image"], "prediction": said}).to_csv(folder / "answers.csv", index=False)
    by = ",".join(["gender", "town*gender", *columns])
    return audit_predictions(folder / "answers.csv", folder / "people.csv", by=by, min_subjects=5, out=out)


@pytest.fixture(scope="session")
def compared_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A verification run of three towns and its folder."""
    folder = tmp_path_factory.mktemp("compared")
    return folder / "run", compared(folder, ["Ayr", "Bonn", "Cadiz"], out=folder / "run")


@pytest.fixture(scope="session")
def answered_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A run of answers alone over two towns and its folder."""
    folder = tmp_path_factory.mktemp("answered")
    return folder / "run", answered(folder, ["Ayr", "Bonn"], out=folder / "run")


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A verification run in which a town is markup, a formula and an escape at once."""
    folder = tmp_path_factory.mktemp("hostile")
    run = renamed(compared(folder, ["Ayr", "Xanadu"], people=16), "Xanadu", HOSTILE)
    run.write(folder / "run")
    return folder / "run", run


@pytest.fixture(scope="session")
def make_answered() -> Any:
    """`answered`, for tests with people of their own."""
    return answered


@pytest.fixture(scope="session")
def make_compared() -> Any:
    """`compared`, for tests with people of their own."""
    return compared


@pytest.fixture(scope="session")
def hostile() -> str:
    """The hostile name."""
    return HOSTILE
