"""Audits of several models in one pass: each run is the same as a separate one, and images are decoded once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import pytest

from facegap.audit.run import audit
from facegap.audit.settings import AuditSettings, Faces, Groups, Models, Output, Verify
from facegap.audit.together import audit_together, resolved_together
from facegap.errors import RunError, SettingError
from facegap.store.run import Run
from facegap.vision import look, pipeline, several

IMAGES = 12
TIMED = {"run.json", "SHA256SUMS", ".lock"}
GIVEN = Verify(threshold=(0.5,))


@pytest.fixture
def manifest(tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve illustrated people in three parts: one image without a face, one damaged."""
    monkeypatch.setattr(pipeline, "PART_ROWS", 4)
    (tmp_path / "images").mkdir()
    for k in range(IMAGES):
        faces: list[int] = [] if k == 4 else [0]
        cv2.imwrite(str(tmp_path / "images" / f"{k}.png"), draw(green=20 * k, red=20 * k, quadrants=faces))
    (tmp_path / "images" / "11.png").write_bytes(b"no picture")
    lines = [f"{k}.png,person {k // 2},{'mf'[k // 2 % 2]}" for k in range(IMAGES)]
    (tmp_path / "images" / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return tmp_path / "images" / "people.csv"


@pytest.fixture
def asked(toys: Any, tmp_path: Path) -> list[AuditSettings]:
    """A classifier, an embedder, and the same embedder once more."""
    common = AuditSettings(
        detect=toys.two["detect"],
        by="gender",
        models=Models(no_isolation=True),
        groups=Groups(min_subjects=2),
        faces=Faces(allow_missing=True),
        verify=GIVEN,
    )
    chosen = [{"classify": toys.two["classify"]}, {"embed": toys.three["embed"]}, {"embed": toys.three["embed"]}]
    return [
        replace(common, **models, output=Output(folder=tmp_path / f"run{k}", resume=True))
        for k, models in enumerate(chosen)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in TIMED}


def together(manifest: Path, asked: list[AuditSettings]) -> list[Run]:
    return audit_together(resolved_together(manifest, asked))


def test_every_run_is_byte_for_byte_the_one_that_its_model_has_alone(
    manifest: Path, asked: list[AuditSettings], tmp_path: Path
) -> None:
    together(manifest, asked)
    for k, settings in enumerate(asked):
        audit(manifest, replace(settings, output=Output(folder=tmp_path / f"alone{k}")))
        assert contents(tmp_path / f"run{k}") == contents(tmp_path / f"alone{k}")
    assert len(contents(tmp_path / "run1")) > 5


def test_an_image_is_decoded_and_searched_once_and_a_crop_is_cut_once_for_all_who_take_it(
    manifest: Path, asked: list[AuditSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()

    def counting(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*given: Any, **named: Any) -> Any:
            seen[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, call)

    for module, name in (
        (look, "decode"),
        (look, "find_faces"),
        (look, "embedder_crop"),
        (several, "cut_crops"),
    ):
        counting(module, name)
    together(manifest, asked)
    assert seen["decode"] == IMAGES
    assert seen["find_faces"] == IMAGES - 1  # one cannot be decoded
    assert seen["embedder_crop"] == IMAGES - 2  # and one has no face; once for two embedders with the same crop
    assert seen["cut_crops"] == 2 * (IMAGES - 2)  # for the embedders, and for the classifier


def test_parts_that_are_done_are_not_run_again_and_a_whole_run_is_taken_as_it_is(
    manifest: Path, asked: list[AuditSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = several.shown_to_models, []

    def broken(looked: Any, stages: Any) -> Any:
        done.append(stages)
        if len(done) > 3 * 2:  # two parts of three
            raise KeyboardInterrupt
        return real(looked, stages)

    one_by_one = [replace(settings, models=replace(settings.models, workers=1)) for settings in asked]
    with monkeypatch.context() as patch:
        patch.setattr(several, "shown_to_models", broken)
        with pytest.raises(KeyboardInterrupt):
            together(manifest, one_by_one)
    computed: list[int] = []
    monkeypatch.setattr(several, "measure_once", lambda rows: computed.append(len(rows[0])) or pipeline.measure_all([]))
    together(manifest, one_by_one)
    assert computed == [4]
    again = [replace(one_by_one[0], output=replace(one_by_one[0].output))]
    monkeypatch.setattr(
        import_module("facegap.audit.together"), "open_models", lambda *given: pytest.fail("a model was opened")
    )
    assert len(together(manifest, again)[0].faces) == IMAGES


def test_a_folder_with_another_run_is_refused(manifest: Path, asked: list[AuditSettings]) -> None:
    together(manifest, asked[:1])
    other = replace(asked[0], groups=replace(asked[0].groups, min_subjects=3))
    with pytest.raises(RunError, match=r"the run in it differs in settings\.groups\.min_subjects"):
        together(manifest, [other])


def test_audits_that_differ_in_their_detector_are_refused(manifest: Path, asked: list[AuditSettings]) -> None:
    with pytest.raises(SettingError, match="one detector"):
        together(manifest, [asked[0], replace(asked[1], detect="ultraface_rfb_320")])
    with pytest.raises(SettingError, match="no model is given"):
        together(manifest, [])
