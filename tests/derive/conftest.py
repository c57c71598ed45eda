"""People on a circle: a template is a direction, a score the cosine of the angle between two, so all is counted by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.closed_comparisons import audit_embeddings
from facegap.store import Run
from facegap.verify import VerifySettings

# image: (subject, gender, glasses, degrees; None: no template)
SIX = {
    "ada1": ("ada", "female", "yes", 0),
    "ada2": ("ada", "female", "no", 10),
    "bea1": ("bea", "female", "yes", 30),
    "bea2": ("bea", "female", "no", 90),
    "cyd1": ("cyd", "", "no", 200),
    "cyd2": ("cyd", "", "no", 205),
    "dan1": ("dan", "male", "no", 20),
    "dan2": ("dan", "male", "yes", 100),
    "eli1": ("eli", "male", "no", 300),
    "eli2": ("eli", "male", "no", None),
    "fox1": ("fox", "male", "no", 185),
}
WITHIN_25_DEGREES = float(np.cos(np.deg2rad(25.5)))


@dataclass(frozen=True)
class Circle:
    """Templates and manifest in a folder."""

    folder: Path
    templates: Path
    manifest: Path

    def run(self, **settings: Any) -> Run:
        """The audit of these people at 25 degrees, unless settings say otherwise."""
        by = settings.pop("by", "gender,glasses")
        least, out = settings.pop("min_subjects", 2), settings.pop("out", None)
        verify = VerifySettings(**{"fmr": (), "thresholds": (WITHIN_25_DEGREES,), **settings})
        return audit_embeddings(self.templates, self.manifest, by=by, verify=verify, min_subjects=least, out=out)


def directions(degrees: list[float | None]) -> np.ndarray[Any, Any]:
    """One template per angle; a row of zeros for None."""
    return np.array([(0.0, 0.0) if d is None else (np.cos(np.deg2rad(d)), np.sin(np.deg2rad(d))) for d in degrees], np.float32)


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Circle:
    """Six people, eleven images, one without a template, one person without a gender, glasses on some images."""
    folder = tmp_path_factory.mktemp("six")
    np.save(folder / "templates.npy", directions([person[3] for person in SIX.values()]))
    lines = [",".join((image, *person[:3])) for image, person in SIX.items()]
    (folder / "people.csv").write_text("image,subject,gender,glasses\n" + "\n".join(lines) + "\n")
    return Circle(folder, folder / "templates.npy", folder / "people.csv")


@pytest.fixture(scope="session")
def six_run(six: Circle) -> Run:
    """The six people at 25 degrees, not to be changed."""
    return six.run()


@pytest.fixture(scope="session")
def six_listed(six: Circle) -> Run:
    """The same, where a list names every pair, now and then the other way round."""
    images = list(SIX)
    pairs = [(a, b) if (i + j) % 3 else (b, a) for i, a in enumerate(images) for j, b in enumerate(images) if i < j]
    path = six.folder / "pairs.csv"
    path.write_text("left,right\n" + "".join(f"{a},{b}\n" for a, b in pairs))
    return six.run(pairs=str(path))


@pytest.fixture(scope="session")
def count_of() -> Any:
    """`errors_and_trials`, for tests of tables in the shape of RATES."""
    return errors_and_trials


def errors_and_trials(rates: Any, metric: str, other: dict[str, str] | None = None, **groups: str) -> tuple[int, int]:
    """Errors and trials of one row of RATES; attributes not named are `any`, `other` is the second group of the matrix."""
    chosen = rates[rates["metric"] == metric]
    attributes = [name.removeprefix("other_") for name in rates.columns if name.startswith("other_")]
    for name in attributes:
        chosen = chosen[chosen[name] == groups.get(name, "any")]
        across = "" if other is None else other.get(name, "any")
        chosen = chosen[chosen[f"other_{name}"] == across]
    assert len(chosen) == 1, chosen
    return int(chosen["errors"].iloc[0]), int(chosen["trials"].iloc[0])
