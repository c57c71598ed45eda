"""A forged run passes every consistency check; rerunning its images and models, or its templates, reveals it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.recount import comparisons_differing
from facegap.audit.run import recheck
from facegap.authenticity.again import sample_again
from facegap.authenticity.images import hashed_again
from facegap.derive.run import derived
from facegap.errors import RunError
from facegap.store import run as store
from facegap.store.run import Run, read_run
from fixtures.circle import Circle
from fixtures.settings import audited

PEOPLE = 12


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A folder of illustrated people, two images each: women have green faces, men do not."""
    folder = tmp_path_factory.mktemp("pictures")
    lines = []
    for k in range(PEOPLE):
        for copy in range(2):
            name = f"{k}_{copy}.png"
            cv2.imwrite(str(folder / name), draw(green=204 if k % 2 else 51, red=20 * k + 3 * copy + 5))
            lines.append(f"{name},p{k},{'female' if k % 2 else 'male'}")
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def written(pictures: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their audit with four models; must not be changed."""
    folder = tmp_path_factory.mktemp("written") / "run"
    words = {**toys.three, "quality": toys.card("quality")}
    audited(pictures / "people.csv", **words, by="gender", min_subjects=2, out=folder)
    return folder


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """A copy of the audit."""
    return Path(shutil.copytree(written, tmp_path / "run"))


def sampled(run: Run, pictures: Path, toys: Any, size: int = 2 * PEOPLE) -> Any:
    """Rerun a sample of a run, by default all of it."""
    return sample_again(run, pictures, [toys.folder], size, np.random.default_rng(7))


def forge(folder: Path, table: str, change: Any) -> None:
    """Change a stored table, derive every other table and hash all files again, as a careful forger would."""
    frame = pd.read_parquet(folder / table)
    change(frame)
    frame.to_parquet(folder / table, index=False)
    store.write_run(derived(read_run(folder)), folder)
    store.finish(folder)
    assert recheck(folder) == [], "the forgery is consistent"


def test_an_honest_run_repeats_in_every_row(written: Path, pictures: Path, toys: Any) -> None:
    run = read_run(written)
    found = sampled(run, pictures, toys)
    assert found.rows == tuple(range(2 * PEOPLE))
    assert found.differing == ()
    assert found.limits == ()
    assert comparisons_differing(run) == []


def test_the_sample_is_of_the_size_asked_for_and_the_same_for_the_same_seed(
    written: Path, pictures: Path, toys: Any
) -> None:
    run = read_run(written)
    first, second = (sampled(run, pictures, toys, size=5).rows for _ in range(2))
    assert len(first) == 5
    assert first == second


def test_a_quality_that_was_made_up_is_found_though_the_run_is_consistent(run: Path, pictures: Path, toys: Any) -> None:
    """The toy model's quality is the red of the face, here 5 to 228 with a standard deviation of 69; a thousandth is 0.069."""
    stored = read_run(run).faces["model_quality"].to_numpy()
    assert stored[:3] == pytest.approx([5, 8, 25], abs=0.01)

    def better(faces: pd.DataFrame) -> None:
        faces.loc[3, "model_quality"] += 0.05
        faces.loc[4, "model_quality"] += 0.2

    forge(run, "faces.parquet", better)
    (said,) = sampled(read_run(run), pictures, toys).differing
    assert said == f"row 4: the quality was {stored[4] + 0.2:.6g} and is now {stored[4]:.6g}"


def test_a_prediction_that_was_made_up_is_found_though_the_run_is_consistent(
    run: Path, pictures: Path, toys: Any
) -> None:
    def made_right(frame: pd.DataFrame) -> None:
        frame.loc[4, ["prediction", "outcome"]] = ["female", "wrong"]
        frame.loc[6, "probability"] += 0.001

    forge(run, "predictions.parquet", made_right)
    assert sampled(read_run(run), pictures, toys).differing == (
        "row 4: the predicted class was female and is now male",
        "row 6: the probability was 0.801000 and is now 0.800000",
    )


def test_a_face_that_was_lost_on_paper_only_is_found(run: Path, pictures: Path, toys: Any) -> None:
    stored = read_run(run)
    stored.faces.loc[3, "outcome"] = "no_face"
    assert "row 3: the outcome was no_face and is now ok" in sampled(stored, pictures, toys).differing


def test_templates_of_other_people_are_found_by_the_sample_and_their_scores_by_the_comparison(
    run: Path, pictures: Path, toys: Any
) -> None:
    stored = read_run(run)
    assert stored.embeddings is not None
    swapped = np.array(stored.embeddings)
    swapped[[0, 5]] = swapped[[5, 0]]
    forged = Run(**{**vars(stored), "embeddings": swapped})
    assert [said.split(":")[0] for said in sampled(forged, pictures, toys).differing] == ["row 0", "row 5"]
    assert comparisons_differing(forged) == ["counts.npz: differs from the result of the stored templates"]


def test_scores_of_listed_pairs_are_computed_again(six_listed: Run) -> None:
    assert comparisons_differing(six_listed) == []
    assert six_listed.matched is not None and six_listed.matched.pairs is not None
    pairs = six_listed.matched.pairs.copy()
    pairs.loc[0, "score"] -= 1e-6
    matched = store.Matched(six_listed.matched.roles, six_listed.matched.excluded, pairs=pairs)
    forged = Run(**{**vars(six_listed), "matched": matched})
    assert comparisons_differing(forged) == ["pairs.parquet: 1 scores differ from the results of the stored templates"]


def test_a_run_without_models_cannot_be_sampled(six: Circle, tmp_path: Path) -> None:
    six.run(out={"folder": tmp_path / "run"})
    with pytest.raises(RunError, match="no model ran in this run"):
        sample_again(read_run(tmp_path / "run"), tmp_path, [], 3, np.random.default_rng(0))


def test_a_manifest_that_leads_out_of_the_folder_opens_nothing(written: Path, pictures: Path, toys: Any) -> None:
    run = read_run(written)
    run.manifest.loc[:, "path"] = "../../etc/passwd"
    with pytest.raises(RunError, match="lie outside"):
        sampled(run, pictures, toys)


def test_a_folder_without_the_images_is_named(written: Path, tmp_path: Path, toys: Any) -> None:
    with pytest.raises(RunError, match="contains none of the images to run again"):
        sampled(read_run(written), tmp_path, toys)


@pytest.mark.parametrize("value", [None, {"name": "x", "backend": "onnx", "sha256": "0" * 64}])
def test_a_card_in_a_record_that_is_no_card_is_one_error(written: Path, pictures: Path, toys: Any, value: Any) -> None:
    run = read_run(written)
    run.record.request.cards["detect"] = value  # type: ignore[index]
    with pytest.raises(RunError, match=r"not a card that this version can read|can be run again"):
        sampled(run, pictures, toys)


def test_every_image_has_the_hash_that_the_run_states(written: Path, pictures: Path) -> None:
    found = hashed_again(read_run(written), pictures)
    assert (found.same, found.differing, found.unstated) == (2 * PEOPLE, (), 0)


def test_exchanged_and_missing_images_and_links_are_found(written: Path, pictures: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pictures, tmp_path / "pictures"))
    shutil.copy(folder / "1_0.png", folder / "0_0.png")
    (folder / "0_1.png").unlink()
    (folder / "1_1.png").rename(tmp_path / "elsewhere.png")
    (folder / "1_1.png").symlink_to(tmp_path / "elsewhere.png")
    found = hashed_again(read_run(written), folder)
    assert [said.split(":")[0] for said in found.differing] == ["row 0", "row 1", "row 3"]
    assert "differs from the file" in found.differing[0]
    assert "cannot be read here" in found.differing[1]
    assert found.same == 2 * PEOPLE - 3


def test_a_folder_without_any_of_the_images_and_a_run_without_hashes_are_refused(
    written: Path, tmp_path: Path, six_run: Run
) -> None:
    with pytest.raises(RunError, match="contains none of the 24 images"):
        hashed_again(read_run(written), tmp_path)
    with pytest.raises(RunError, match="contains no hashes"):
        hashed_again(six_run, tmp_path)
