"""What `import facegap` offers, and what its functions take in the place of files."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.errors import FacegapError, ModelError, RunError, SettingError, TableError

NAMES = [
    *("CallableModel", "FacegapError", "Faces", "Groups", "Identify", "Models", "Output", "Run", "Service", "Verify"),
    *("__version__", "audit", "audit_embeddings", "audit_predictions", "audit_scores", "compare", "explain"),
    *("metric_frame", "read_manifest", "read_run", "recheck", "statistics", "stress"),
]


def test_the_public_names_are_these_and_each_can_be_had() -> None:
    assert fg.__all__ == NAMES
    for name in fg.__all__:
        assert getattr(fg, name) is not None


def test_a_function_keeps_its_name_when_the_package_of_that_name_is_imported_later() -> None:
    program = (
        "import facegap as fg; import facegap.audit.settings; import facegap.compare.build, facegap.explain.build, facegap.stress.run; "
        "from facegap.audit import run; assert all(map(callable, (fg.audit, fg.compare, fg.explain, fg.stress))); print('kept')"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "kept\n"
    )


def test_importing_facegap_loads_neither_pandas_nor_opencv_nor_numpy() -> None:
    program = (
        "import sys, facegap; print([name for name in ('pandas', 'cv2', 'numpy', 'altair') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    "name",
    ["audit", "audit_predictions", "audit_embeddings", "audit_scores", "compare", "explain", "metric_frame", "stress"],
)
def test_a_public_function_takes_few_parameters_and_has_a_whole_docstring(name: str) -> None:
    function = getattr(fg, name)
    assert len(inspect.signature(function).parameters) <= 12
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n    {section}\n    ---" in function.__doc__


def faces(folder: Path, draw: Any) -> list[dict[str, str]]:
    rows = []
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), draw(green=204 if number % 2 else 51))
        rows.append({"image": f"{number}.png", "subject": f"p{number}", "gender": "f" if number % 2 else "m"})
    return rows


@pytest.mark.parametrize("kind", ["path", "text", "frame", "dicts", "columns"])
def test_a_manifest_may_be_a_path_a_frame_or_rows(
    kind: str, tmp_path: Path, toys: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = faces(tmp_path, draw)
    pd.DataFrame(rows).to_csv(tmp_path / "people.csv", index=False)
    given = {
        "path": tmp_path / "people.csv",
        "text": str(tmp_path / "people.csv"),
        "frame": pd.DataFrame(rows),
        "dicts": rows,
        "columns": {name: [row[name] for row in rows] for name in rows[0]},
    }[kind]
    monkeypatch.chdir(tmp_path)  # images of a table in memory are relative to the working folder
    run = fg.audit(given, **{task: Path(card) for task, card in toys.two.items()}, by="gender")
    assert isinstance(run, fg.Run)
    assert run.faces["outcome"].tolist() == ["ok"] * 8
    assert run.rates.query("metric == 'error_rate_all' and gender == 'any'")["trials"].tolist() == [8]


def test_what_is_no_table_is_refused_in_words() -> None:
    with pytest.raises(TableError, match="manifest: got a int; give the path of a CSV"):
        fg.audit(7, classify="x")


def test_templates_and_scores_may_be_arrays_and_rows() -> None:
    rows = np.eye(6, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    people = [{"image": str(k), "subject": f"s{s}", "gender": "f"} for k, s in enumerate([0, 0, 1, 1, 2, 3])]
    run = fg.audit_embeddings(rows, people, verify={"threshold": 0.5})
    fmr = run.rates.query("metric == 'fmr' and gender == 'any'").iloc[0]
    assert (fmr["errors"], fmr["trials"]) == (0, 13)


def test_settings_are_given_as_their_class_or_in_the_words_of_the_command_line() -> None:
    people = [{"image": str(k), "gender": "fm"[k % 2]} for k in range(80)]
    said = [{"image": row["image"], "prediction": row["gender"]} for row in people]
    for groups in (fg.Groups(min_subjects=50), {"min_subjects": 50}):
        run = fg.audit_predictions(said, people, by="gender", groups=groups)
        assert len(run.gaps) == 0
    with pytest.raises(SettingError, match="Groups has no setting 'min_subject'; did you mean 'min_subjects'"):
        fg.audit_predictions(said, people, by="gender", groups={"min_subject": 50})


# ---- functions as models ----


def colours(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean colour of the upper and the lower half."""
    halves = np.array_split(images.astype(np.float64), 2, axis=1)
    return np.hstack([half.mean(axis=(1, 2)) for half in halves])


def test_a_function_is_an_embedder_and_is_recorded_as_one_that_cannot_be_run_again(
    tmp_path: Path, toys: Any, draw: Any
) -> None:
    rows = faces(tmp_path, draw)
    pd.DataFrame(rows).to_csv(tmp_path / "people.csv", index=False)
    model = fg.CallableModel(colours, "embed", (64, 64))
    out = tmp_path / "run"
    run = fg.audit(
        tmp_path / "people.csv",
        detect=toys.card("detector"),
        embed=model,
        by="gender",
        verify={"threshold": 0.9, "impostors_only": True},
        out=out,
    )
    assert run.record.models["embed"] == "colours"
    assert run.record.request.settings["embed"]["function"].endswith("test_api.colours")
    assert any("cannot be reproduced from its record" in warning for warning in run.record.warnings)
    assert np.load(out / "embeddings.npy").shape == (8, 6)
    assert fg.recheck(out) == []
    assert isinstance(fg.read_run(out), fg.Run)
    with pytest.raises(
        RunError,
        match="colours is a Python function, and a record cannot show whether it has changed; choose another folder",
    ):
        fg.audit(
            tmp_path / "people.csv",
            detect=toys.card("detector"),
            embed=model,
            by="gender",
            verify={"threshold": 0.9, "impostors_only": True},
            out={"folder": out, "resume": True},
        )


def test_a_function_is_a_classifier(tmp_path: Path, toys: Any, draw: Any) -> None:
    rows = faces(tmp_path, draw)
    pd.DataFrame(rows).to_csv(tmp_path / "people.csv", index=False)

    def by_green(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        green = images[..., 1].mean(axis=(1, 2)) / 255
        return np.stack([green, 1 - green], axis=1)

    model = fg.CallableModel(by_green, "classify", (32, 32), classes=("female", "male"), name="by green")
    run = fg.audit(tmp_path / "people.csv", detect=toys.card("detector"), classify=model, by="gender")
    assert run.predictions["prediction"].isin(["female", "male"]).all()
    assert run.record.models["classify"] == "by_green"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda images: np.zeros(3), "one row per image"),
        (lambda images: "no", "did not return an array of numbers"),
        (lambda images: np.zeros((len(images), 3)), "returns 3 columns for 2 classes"),
    ],
)
def test_a_function_that_gives_something_else_is_refused_before_the_first_image(
    function: Any, words: str, tmp_path: Path, toys: Any, draw: Any
) -> None:
    pd.DataFrame(faces(tmp_path, draw)).to_csv(tmp_path / "people.csv", index=False)
    model = fg.CallableModel(function, "classify", (32, 32), classes=("female", "male"), name="wrong")
    with pytest.raises(ModelError, match=words):
        fg.audit(tmp_path / "people.csv", detect=toys.card("detector"), classify=model)


def test_every_error_is_a_facegap_error() -> None:
    assert issubclass(SettingError, FacegapError)
