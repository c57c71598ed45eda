"""docs/privacy.md lists the files of a run that name images or people; an audit with every kind of table has no others."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.report.page import report_again
from fixtures.documents import ROOT
from fixtures.settings import audited

MODES = ("by default", "with `--include-ids`", "with `--no-ids`")
EVERY_OTHER = "every other file"


def documented() -> dict[str, dict[str, str]]:
    """The entries of the table for each file, by mode."""
    lines = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("| file | by default"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 :]]
    table = rows[: next(k for k, row in enumerate(rows) if len(row) < 4)]
    return {row[0]: dict(zip(MODES, row[1:], strict=True)) for row in table}


@pytest.fixture(scope="module")
def photographed(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A folder with two sets of people; one file is not an image, so that a warning could name it."""
    folder = tmp_path_factory.mktemp("photographed")
    rng = np.random.default_rng(5)
    for people, words in (("people", "photo-of"), ("others", "shot-of")):
        lines = []
        for k in range(60):
            for copy in range(2):
                name = f"{words}-{k}-{copy}.png"
                cv2.imwrite(str(folder / name), draw(green=int(rng.integers(1, 200)), red=int(rng.integers(1, 200))))
                lines.append(f"{name},person-{words}-{k},{'female' if k % 2 else 'male'}")
        (folder / f"{people}.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    (folder / "photo-of-3-0.png").write_text("no picture")
    return folder


def naming(folder: Path) -> dict[str, set[str]]:
    """The files that contain names, and whether these are of images or subjects."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        text = io.StringIO()
        if path.suffix == ".parquet":
            pd.read_parquet(path).to_csv(text)
        else:
            text.write(path.read_bytes().decode("utf-8", "replace"))
        kinds = {"images": r"(?:photo|shot)-of-\d+-\d\.png", "subjects": r"person-(?:photo|shot)-of-\d+"}
        hits = {kind for kind, pattern in kinds.items() if re.search(pattern, text.getvalue())}
        if hits:
            found[path.relative_to(folder).as_posix()] = hits
    return found


@pytest.mark.parametrize("mode", MODES)
def test_no_file_names_more_than_the_table_says(photographed: Path, toys: Any, tmp_path: Path, mode: str) -> None:
    audited(
        photographed / "people.csv",
        **{**toys.three, "threshold": []},
        fmr=[0.01],
        threshold_on=photographed / "others.csv",
        by="gender",
        identify=True,
        keep_ids="no-ids" not in mode,
        out=tmp_path / "run",
    )
    report_again(tmp_path / "run", include_ids="include" in mode)
    told, found = documented(), naming(tmp_path / "run")
    for file, kinds in found.items():
        assert file in told, f"{file} names {kinds} and is not in the table"
        assert kinds <= set(re.findall(r"images|subjects", told[file][mode])), file
    if "no-ids" in mode:
        assert found == {}
    else:
        always = [
            name
            for name, row in told.items()
            if row[mode].startswith("images") and name not in ("run.json", "report.html")
        ]
        assert set(always) <= set(found), "the table names files that name nobody"
    assert told[EVERY_OTHER][mode] == "none"


def test_a_run_of_pooled_templates_names_no_more_than_the_table_says(
    photographed: Path, toys: Any, tmp_path: Path
) -> None:
    frame = pd.read_csv(photographed / "people.csv", dtype=str).iloc[20:60]
    frame.assign(template=[f"t{k // 2}" for k in range(len(frame))]).to_csv(photographed / "pooled.csv", index=False)
    models = {task: toys.card(model) for task, model in (("detect", "detector"), ("embed", "embedder"))}
    audited(photographed / "pooled.csv", **models, threshold=[0.5], out=tmp_path / "run")
    told, found = documented(), naming(tmp_path / "run")
    assert found["templates.parquet"] == {"subjects"}
    for file, kinds in found.items():
        assert kinds <= set(re.findall(r"images|subjects", told[file]["by default"])), file
