"""An audit with a quality from a file: the same tables as for the same measured numbers, the notes, and resuming."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.quality import require_quality
from facegap.audit.run import recheck
from facegap.audit.settings import settings_from
from facegap.derive.balanced.covariates import covariates_of
from facegap.errors import RunError, SettingError
from facegap.inputs.manifests.read import read_manifest
from facegap.report.quality import quality_report
from facegap.report.reproduce import command_of, hash_table
from facegap.store.finished import read_to_resume
from fixtures.settings import audited

PEOPLE = 8
TABLES = ("quality_gate.csv", "quality_gaps.csv", "edc.csv")


@pytest.fixture(scope="module")
def pictures(draw: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of each person, one of them without a face."""
    folder = tmp_path_factory.mktemp("given")
    rng = np.random.default_rng(4)
    rows = []
    for k in range(PEOPLE):
        for shot in (0, 1):
            green, red = (int(v) for v in rng.integers(20, 200, 2))
            cv2.imwrite(
                str(folder / f"{k}_{shot}.png"),
                draw(green=green, red=red, quadrants=() if (k, shot) == (3, 1) else (0,)),
            )
            rows.append((f"{k}_{shot}.png", str(k), ("female", "male")[k % 2]))
    pd.DataFrame(rows, columns=["image", "subject", "gender"]).to_csv(folder / "people.csv", index=False)
    return folder


def gated(pictures: Path, toys: Any, quality: Path | str, **words: Any) -> Any:
    return audited(
        pictures / "people.csv",
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        by="gender",
        threshold=0.97,
        quality=str(quality),
        quality_discard=0.25,
        min_subjects=2,
        no_isolation=True,
        impostors_only=False,
        images_are_people=False,
        **words,
    )


def ofiq(path: Path, qualities: dict[str, int]) -> Path:
    rows = [f"/portraits/{image};1;{quality}" for image, quality in qualities.items()]
    path.write_text("\n".join(["Filename;UnifiedQualityScore;UnifiedQualityScore.scalar;", *rows]) + "\n")
    return path


def broken_off(*_given: Any, **_words: Any) -> None:
    raise KeyboardInterrupt


def test_measured_numbers_from_a_file_give_the_tables_of_the_column_also_where_the_run_was_broken_off(
    pictures: Path, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = gated(pictures, toys, "template_norm")
    measured.faces[["image", "template_norm"]].to_csv(tmp_path / "q.csv", index=False)
    with monkeypatch.context() as patch:
        patch.setattr(import_module("facegap.audit.verify"), "match", broken_off)
        with pytest.raises(KeyboardInterrupt):
            gated(pictures, toys, tmp_path / "q.csv", out=tmp_path / "run")
    given = gated(pictures, toys, tmp_path / "q.csv", out=tmp_path / "run", resume=True)
    for name in TABLES:
        one, other = (run.extra[name].replace({"q.csv:template_norm": "template_norm"}) for run in (measured, given))
        assert len(one)
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert "1 of 16 images have no quality: template_norm of q.csv is empty" in " ".join(given.record.warnings)


def test_the_run_keeps_values_and_hash_says_who_has_none_and_resumes_with_the_same_file_only(
    pictures: Path, toys: Any, tmp_path: Path
) -> None:
    images = [f"{k}_{shot}.png" for k in range(PEOPLE) for shot in (0, 1)]
    qualities = {image: 10 * k % 97 for k, image in enumerate(images)}
    qualities |= {"1_0.png": -1, "nobody.png": 50}
    del qualities["0_0.png"], qualities["2_1.png"]
    path, out = ofiq(tmp_path / "ofiq.csv", qualities), tmp_path / "run"
    run = gated(pictures, toys, path, out=out)

    expected = [np.nan if qualities.get(image, -1) == -1 else qualities[image] for image in images]
    assert run.faces["given_quality"].tolist() == pytest.approx(expected, nan_ok=True)
    gate = run.extra["quality_gate.csv"].set_index("gender")
    assert gate["without_quality"].to_dict() == {"any": 3, "female": 2, "male": 1}
    assert gate.loc["any", "refused_errors"] == (np.array(expected) < gate.loc["any", "quality_threshold"]).sum() == 3
    said = " ".join(run.record.warnings)
    assert "2 of 16 images have no row in ofiq.csv, and so no quality. By group: 2 of 8 female, 0 of 8 male" in said
    assert "1 of 16 images have no quality: UnifiedQualityScore.scalar of ofiq.csv is -1 (the measure failed)" in said
    assert "1 of 15 rows of ofiq.csv belong to no image of the manifest" in said

    kept = read_to_resume(out).record
    assert kept.request.quality is not None
    assert (kept.request.quality.layout, kept.request.quality.column) == ("OFIQ", "UnifiedQualityScore.scalar")
    assert "--quality ofiq.csv" in command_of(kept)
    assert ("qualities", kept.request.quality.sha256) in hash_table(run, None).rows
    assert "Quality: ofiq.csv:UnifiedQualityScore.scalar" in " ".join(quality_report(run)[2].notes)
    assert "given_quality" not in covariates_of(run)
    assert recheck(out) == []

    resumed = gated(pictures, toys, path, out=out, resume=True)
    pd.testing.assert_frame_equal(resumed.faces, run.faces)
    ofiq(path, qualities | {"5_0.png": 99})
    with pytest.raises(RunError, match=r"differs in quality\.sha256"):
        gated(pictures, toys, path, out=out, resume=True)


def test_a_file_named_as_a_measured_quality_is_refused(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "sharpness").write_text("image,quality\n0_0.png,1\n")
    settings = settings_from({"embed": "mobileface_v2", "quality": str(tmp_path / "sharpness")})
    with pytest.raises(SettingError, match="a file with the name of a quality measure of facegap; rename it"):
        require_quality(settings, read_manifest(pictures / "people.csv"))
