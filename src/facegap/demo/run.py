"""A complete audit of illustrated people: two versions of one model, one of them biased by its training data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facegap.derive.metrics import ERROR_RATE_ALL, FMR
from facegap.errors import RunError

if TYPE_CHECKING:
    import numpy as np

    from facegap.compare.build import Comparison
    from facegap.demo.illustrated.portraits import Drawing, Person
    from facegap.store.run import Run

Version = Literal["balanced", "skewed"]
VERSIONS: tuple[Version, ...] = ("balanced", "skewed")
PEOPLE, PHOTOGRAPHS = 250, 4
TERM = "gender*tone"
METRICS = (ERROR_RATE_ALL.name, FMR.name)  # shown by the demo; the run folders have all metrics
WORST, BEST = "darker female", "lighter male"  # the pair of groups chosen in advance
CELLS = tuple((gender, tone) for tone in ("darker", "lighter") for gender in ("female", "male"))
JPEG_QUALITY = 92
MANIFEST, IMAGES, COMPARISON = "people.csv", "people", "comparison"
SEEDS = 1_000_000  # seeds from here on are reserved for the truth (models/demo/measure_truth.py)
STREAM = 7  # random stream that separates the demo's people from the training data
ILLUSTRATING, COMPARING = "illustrating people", "comparing both"
Row = tuple[str, str, str, str, int]  # of the manifest
Step = Callable[[str, int, int], None]  # phase, number done, total number


@dataclass(frozen=True, eq=False)
class Demo:
    """The results of a demo: the folder, the run of each version, their comparison, and the truth measured in advance."""

    folder: Path
    runs: Mapping[Version, Run]
    comparison: Comparison
    truth: Mapping[str, Any]


def demo(
    out: Path,
    *,
    seed: int = 0,
    people: int = PEOPLE,
    photographs: int = PHOTOGRAPHS,
    workers: int | None = None,
    step: Step = lambda what, done, total: None,
) -> Demo:
    """Illustrate people, audit both versions on them, write two run folders with reports, and compare them.

    seed : of the people, below SEEDS

    Raises
    ------
    RunError : a seed reserved for the truth, or `out` exists or cannot be created
    """
    from facegap.audit.run import audit
    from facegap.audit.settings import PUBLISHED, settings_from
    from facegap.compare.build import compare, write_comparison
    from facegap.report.page import add_report

    if not 0 <= seed < SEEDS:
        raise RunError(f"seed {seed}: must be from 0 to {SEEDS - 1:,}; larger seeds are reserved for the truth")
    make_folder(out)
    draw_people(out, seed=seed, people=people, photographs=photographs, workers=workers, step=step)
    runs: dict[Version, Run] = {}
    for version in VERSIONS:
        what = auditing(version)
        run = audit(
            out / MANIFEST,
            settings_from(
                {
                    "detect": card("detector"),
                    "classify": card(f"gender_{version}"),
                    "embed": card(f"embedder_{version}"),
                    "by": TERM,
                    "data_name": f"illustrations of {people} people who do not exist",
                    "threshold": PUBLISHED,
                    "folder": out / version,
                    "workers": workers,
                    "progress": lambda done, total, what=what: step(what, done, total),
                }
            ),
        )
        step(reporting(version), 0, 1)
        add_report(out / version, run, include_ids=False)
        step(reporting(version), 1, 1)
        runs[version] = run
    step(COMPARING, 0, 1)
    folders = [out / version for version in VERSIONS]
    both = compare(folders, names=VERSIONS)
    write_comparison(both, out / COMPARISON)
    step(COMPARING, 1, 1)
    return Demo(out, runs, both, read_truth())


def auditing(version: Version) -> str:
    """The name of the phase that audits a version."""
    return f"auditing the {version} model"


def reporting(version: Version) -> str:
    """The name of the phase that writes the report of a version."""
    return f"writing the report of the {version} model"


PHASES = (
    ILLUSTRATING,
    *(phase(version) for version in VERSIONS for phase in (auditing, reporting)),
    COMPARING,
)


def make_folder(out: Path) -> None:
    """Create the folder of a demo, accessible to its owner only.

    Raises
    ------
    RunError : it exists or cannot be created, or its name is not UTF-8
    """
    from facegap.store.run import require_text_name

    require_text_name(out)
    try:
        out.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise RunError(f"{out}: already exists and was not changed; choose another --out, or remove it") from None
    except OSError as error:
        raise RunError(f"{out}: cannot be created: {error.strerror or error}; choose another --out") from error


def model_folder() -> Path:
    """The folder of the demo's models and cards: with the project's own cards, in the source tree and in an installed wheel."""
    from facegap.inputs.cards.read import cards_folder

    return cards_folder() / "demo"


def card(name: str) -> str:
    """The card of one of the demo's models, as an argument of `audit`."""
    return str(model_folder() / f"demo_{name}.toml")


def read_truth() -> dict[str, Any]:
    """The models' rates on many more illustrations, from models/demo/measure_truth.py.

    Raises
    ------
    RunError : the file is missing from the installation
    """
    path = model_folder() / "truth.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}; install facegap again") from error
    return found


def person_of(seed: int, number: int) -> tuple[Person, np.random.Generator]:
    """The person with that number, alternating between women and men and both tones, and the generator of their photographs."""
    import numpy as np

    from facegap.demo.illustrated.portraits import draw_person

    gender, darker = ("female", "male")[number % 2], number // 2 % 2
    rng = np.random.default_rng([STREAM, seed, number])
    monk = int(rng.integers(1, 6)) + 5 * darker
    return draw_person(rng, gender="female" if gender == "female" else "male", monk=monk), rng


def pictures_of(seed: int, number: int, photographs: int) -> Iterator[tuple[Drawing, bytes]]:
    """The illustrations of a person, each with the bytes of its file."""
    import cv2

    from facegap.demo.illustrated.portraits import draw, draw_photograph

    person, rng = person_of(seed, number)
    for _ in range(photographs):
        drawing = draw(person, draw_photograph(rng))
        fine, data = cv2.imencode(".jpg", drawing.pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert fine
        yield drawing, data.tobytes()


def draw_people(out: Path, *, seed: int, people: int, photographs: int, workers: int | None = None, step: Step) -> None:
    """Write the illustrations and their manifest: image, subject, gender, tone and Monk's scale.

    workers : number of processes; the bytes do not depend on it
    """
    from facegap.runtime import usable_cores
    from facegap.store.run import write_bytes
    from facegap.worlds.pool import in_processes

    (out / IMAGES).mkdir(mode=0o700)
    jobs = [(out, seed, number, photographs) for number in range(people)]
    rows: dict[int, list[Row]] = {}
    for number, drawn in in_processes(draw_one, jobs, workers or usable_cores()):
        rows[number] = drawn
        step(ILLUSTRATING, len(rows) * photographs, people * photographs)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("image", "subject", "gender", "tone", "monk"))
    lines.writerows(row for number in range(people) for row in rows[number])
    write_bytes(out / MANIFEST, text.getvalue().encode())


def draw_one(out: Path, seed: int, number: int, photographs: int) -> list[Row]:
    """Write the illustrations of one person; return their rows of the manifest."""
    import cv2

    from facegap.store.run import write_bytes

    cv2.setNumThreads(1)  # one process per processor is faster
    person, _ = person_of(seed, number)
    rows: list[Row] = []
    for k, (_, data) in enumerate(pictures_of(seed, number, photographs)):
        name = f"{IMAGES}/p{number:04d}_{k}.jpg"
        write_bytes(out / name, data)
        rows.append((name, f"p{number:04d}", person.gender, tone_of(person), person.monk))
    return rows


def tone_of(person: Person) -> str:
    """Lighter or darker, by facegap's cut of Monk's scale."""
    from facegap.groups.scales import MONK

    return "lighter" if str(person.monk) in MONK.lighter else "darker"
