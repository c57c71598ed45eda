"""Audits of templates pooled from several images, from the files to the tables and back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.audit.pooling import NO_SUM
from facegap.audit.recount import comparisons_differing
from facegap.audit.run import recheck
from facegap.authenticity.again import sample_again
from facegap.authenticity.images import hashed_again
from facegap.errors import TableError
from facegap.privacy.forget import forget
from facegap.report.summary import all_tables
from facegap.store.run import Run, read_run
from facegap.vision.pool import pooled
from fixtures.settings import asked, audit_embeddings, audited

PEOPLE, FRAMES = 12, 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Two templates of each of twelve people, three images each in two media; one template has no face."""
    folder = tmp_path_factory.mktemp("pooled")
    rng, lines = np.random.default_rng(3), []
    for k in range(PEOPLE):
        for side in "xy":
            for frame in range(FRAMES):
                name = f"{k}{side}{frame}.png"
                picture = draw(green=20 * k + int(rng.integers(0, 9)), red=250 - 20 * k + int(rng.integers(0, 5)))
                lost = (k, side) == (4, "y") or (k == 5 and frame == 1)
                cv2.imwrite(str(folder / name), np.zeros_like(picture) if lost else picture)
                lines.append(f"{name},p{k},{'female' if k % 2 else 'male'},{k}{side},{'video' if frame else 'photo'}")
    (folder / "people.csv").write_text("image,subject,gender,template,media\n" + "\n".join(lines) + "\n")
    return folder


def two(toys: Any) -> dict[str, Any]:
    """Detector and embedder."""
    return {key: value for key, value in toys.three.items() if key != "classify"}


@pytest.fixture(scope="module")
def written(pictures: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their audit; not to be changed."""
    folder = tmp_path_factory.mktemp("written") / "run"
    audited(pictures / "people.csv", **two(toys), by="gender", min_subjects=2, identify=True, out=folder)
    return folder


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "run"))


def test_every_image_has_one_outcome_and_every_template_one_of_its_own(written: Path) -> None:
    run = read_run(written)
    images, faces = run.by_image
    assert (len(images), len(run.manifest), run.counted) == (PEOPLE * 2 * FRAMES, PEOPLE * 2, "templates")
    assert faces["outcome"].value_counts().to_dict() == {"ok": 67, "no_face": 5}
    assert run.faces["outcome"].value_counts().to_dict() == {"ok": 23, "no_face": 1}
    assert run.pooled is not None
    used = run.pooled.templates.set_index("template")["frames_used"]
    assert (used["4y"], used["5x"], used["0x"]) == (0, 2, 3)
    assert recheck(written) == []
    assert comparisons_differing(run) == []


@pytest.fixture(scope="module")
def plain(pictures: Path, toys: Any) -> Run:
    """The same images, one template each."""
    frame = pd.read_csv(pictures / "people.csv", dtype=str)
    frame.drop(columns=["template", "media"]).to_csv(pictures / "plain.csv", index=False)
    return audited(pictures / "plain.csv", **two(toys), by="gender", min_subjects=2)


def test_templates_are_the_pooled_embeddings_of_their_images(written: Path, pictures: Path, plain: Run) -> None:
    run, frame = read_run(written), pd.read_csv(pictures / "people.csv", dtype=str)
    assert plain.pooled is None
    assert plain.embeddings is not None
    assert run.embeddings is not None
    ok = (plain.faces["outcome"] == "ok").to_numpy()
    template = pd.factorize(frame["template"])[0]
    media = frame.groupby(["template", "media"], sort=False).ngroup().to_numpy()
    assert np.array_equal(run.embeddings, pooled(np.asarray(plain.embeddings), template[ok], media[ok]))


def test_rates_count_templates_and_their_tables_say_so(written: Path) -> None:
    run = read_run(written)
    everybody = run.rates[run.rates["gender"] == "any"].set_index("metric")
    assert everybody.loc["fta", ["errors", "trials", "subjects"]].tolist() == [1, PEOPLE * 2, PEOPLE]
    genuine = everybody.loc["fnmr"].iloc[0] if everybody.loc[["fnmr"]].shape[0] > 1 else everybody.loc["fnmr"]
    assert genuine["trials"] == PEOPLE - 1  # one template was lost
    assert list(run.extra["waterfall.csv"].columns)[1] == "templates"
    text = "\n".join(
        f"{table.title} {table.columns} {table.rows} {table.notes}"
        for table in all_tables(run, view=None, include_ids=False)
    )
    assert "outcomes of templates" in text and "outcomes of images" in text
    assert "gallery of 12 templates" in text or "templates of" in text
    assert "Pooled from 67 of 72 frames; 2 templates are based on fewer frames than were given." in text


def test_templates_of_one_image_give_the_numbers_of_images(pictures: Path, plain: Run, toys: Any) -> None:
    frame = pd.read_csv(pictures / "people.csv", dtype=str).drop(columns="media")
    frame.assign(template=frame["image"]).to_csv(pictures / "single.csv", index=False)
    each = audited(pictures / "single.csv", **two(toys), by="gender", min_subjects=2)
    pd.testing.assert_frame_equal(each.rates, plain.rates)
    pd.testing.assert_frame_equal(each.gaps, plain.gaps)
    assert np.allclose(each.embeddings, plain.embeddings, atol=1e-7)


def test_listed_pairs_name_templates(pictures: Path, toys: Any, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("left,right\n0x,0y\n0x,1x\n2x,4y\n3y,3x\n4x,4y\n")
    run = audited(pictures / "people.csv", **two(toys), pairs=tmp_path / "pairs.csv")
    assert run.matched is not None and run.matched.pairs is not None
    assert run.matched.pairs["score"].isna().tolist() == [False, False, True, False, True]


def test_a_person_is_forgotten_with_templates_and_images(run: Path) -> None:
    assert forget(run, "p3") == 2 * FRAMES
    left = read_run(run)
    assert (len(left.manifest), len(left.by_image[0])) == (PEOPLE * 2 - 2, (PEOPLE * 2 - 2) * FRAMES)
    assert recheck(run) == []
    assert comparisons_differing(left) == []
    assert left.record.manifest.rows == (PEOPLE * 2 - 2) * FRAMES


def test_images_are_hashed_and_whole_templates_run_again(written: Path, pictures: Path, toys: Any) -> None:
    run = read_run(written)
    assert hashed_again(run, pictures).same == PEOPLE * 2 * FRAMES
    found = sample_again(run, pictures, [toys.folder], 10, np.random.default_rng(1))
    assert len(found.rows) == 9 and found.differing == ()


def test_a_template_that_was_made_up_is_found_by_the_sample(written: Path, pictures: Path, toys: Any) -> None:
    run = read_run(written)
    assert run.embeddings is not None
    object.__setattr__(run, "embeddings", np.roll(run.embeddings, 1, axis=1))
    found = sample_again(run, pictures, [toys.folder], 100, np.random.default_rng(1))
    assert len(found.differing) == 23
    assert all("pooled again" in said for said in found.differing)


def test_no_ids_leaves_no_name_of_an_image_template_or_person(pictures: Path, toys: Any, tmp_path: Path) -> None:
    run = audited(pictures / "people.csv", **two(toys), keep_ids=False, out=tmp_path / "run")
    assert recheck(tmp_path / "run") == []
    assert run.pooled is not None
    names = (
        {f"{k}{side}" for k in range(PEOPLE) for side in "xy"} | {f"p{k}" for k in range(PEOPLE)} | {"video", "photo"}
    )
    for table in (run.manifest, run.pooled.manifest, run.pooled.templates, run.pooled.faces):
        assert not names & set(table.astype(str).to_numpy().ravel())


def test_a_threshold_set_is_pooled_too_and_forgets(pictures: Path, toys: Any, tmp_path: Path) -> None:
    settings = {**two(toys), "threshold": [], "fmr": [0.1], "threshold_on": pictures / "people.csv"}
    audited(pictures / "people.csv", **settings, out=tmp_path / "run")
    templates = pd.read_parquet(tmp_path / "run" / "threshold_set" / "templates.parquet")
    assert len(templates) == PEOPLE * 2
    forget(tmp_path / "run", "p3")
    left = pd.read_parquet(tmp_path / "run" / "threshold_set" / "templates.parquet")
    assert len(left) == PEOPLE * 2 - 2 and "p3" not in set(left["subject"])


def test_a_broken_off_run_is_resumed_to_the_same_tables(
    written: Path, pictures: Path, toys: Any, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > 50:
            raise StopError

    settings = {**two(toys), "by": "gender", "min_subjects": 2, "identify": True, "out": tmp_path / "run"}
    with pytest.raises(StopError):
        audited(pictures / "people.csv", **settings, progress=stop)
    audited(pictures / "people.csv", **settings, resume=True)
    for name in ("rates.csv", "gaps.csv", "templates.parquet", "embeddings.npy", "identification.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (written / name).read_bytes(), name


def test_a_classifier_beside_pooled_templates_is_refused(pictures: Path, toys: Any) -> None:
    with pytest.raises(
        TableError, match=r"line 1, column template: --embed compares templates, but --classify evaluates single images"
    ):
        audited(pictures / "people.csv", **toys.three)
    alone = fg.audit(
        pictures / "people.csv",
        **asked(detect=toys.card("detector"), classify=toys.card("classifier"), allow_missing=True, no_isolation=True),
    )
    assert len(alone.faces) == PEOPLE * 2 * FRAMES  # each image separately


def test_given_embeddings_are_pooled_and_opposite_media_are_no_template(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.float32([[1, 0], [-1, 0], [0, 1], [1, 1], [0, 0]]))
    (tmp_path / "m.csv").write_text("image,subject,template\na,s,t\nb,s,t\nc,s,u\nd,r,v\ne,r,v\n")
    run: Run = audit_embeddings(tmp_path / "v.npy", tmp_path / "m.csv", verify=fg.Verify(threshold=(0.5,)))
    assert run.pooled is not None and run.embeddings is not None
    assert run.pooled.templates["detail"].tolist() == [NO_SUM, "", "1 of 2 frames used; 1 no_template"]
    assert run.embeddings == pytest.approx(np.float32([[0, 1], [0.70710677, 0.70710677]]))
