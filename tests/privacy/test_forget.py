"""Removal of a person leaves the run that would exist without them, and no file in the folder names them."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from facegap.audit.recount import comparisons_differing, same_counts
from facegap.audit.run import recheck
from facegap.authenticity.seal import seal, signer_of
from facegap.errors import RunError
from facegap.privacy.forget import forget, hidden_folder
from facegap.store.checksums import SIGNATURE
from facegap.store.run import Run, read_run
from fixtures.circle import SIX, Circle, directions
from fixtures.keys import write_key
from fixtures.settings import asked, audited


def without(six: Circle, subject: str, folder: Path) -> Circle:
    """The same people without one, who was never photographed."""
    people = {image: person for image, person in SIX.items() if person[0] != subject}
    folder.mkdir()
    np.save(folder / "templates.npy", directions([person[3] for person in people.values()]))
    lines = [",".join((image, *person[:3])) for image, person in people.items()]
    (folder / "people.csv").write_text("image,subject,gender,glasses\n" + "\n".join(lines) + "\n")
    return Circle(folder, folder / "templates.npy", folder / "people.csv")


def tables_of(run: Run) -> dict[str, str]:
    """The tables of a run as text."""
    return {name: getattr(run, name).to_csv(index=False) for name in ("rates", "gaps")} | {
        name: frame.to_csv(index=False) for name, frame in run.extra.items() if name != "review_pairs.csv"
    }


@pytest.mark.parametrize("subject", ["ada", "bea", "cyd", "eli", "fox"])
def test_what_is_left_is_the_run_that_never_had_the_person(six: Circle, tmp_path: Path, subject: str) -> None:
    six.run(by="glasses", out={"folder": tmp_path / "run"})
    images = forget(tmp_path / "run", subject)
    left, never = read_run(tmp_path / "run"), without(six, subject, tmp_path / "others").run(by="glasses")
    assert images == sum(person[0] == subject for person in SIX.values())
    assert tables_of(left) == tables_of(never)
    assert left.matched is not None and left.matched.counts is not None
    assert never.matched is not None and never.matched.counts is not None
    assert left.matched.counts.impostor_pairs.tolist() == never.matched.counts.impostor_pairs.tolist()
    assert len(left.matched.counts.tail) == len(never.matched.counts.tail)
    assert recheck(tmp_path / "run") == []
    assert comparisons_differing(left) == []


def test_no_file_of_the_folder_names_the_person_any_more(six: Circle, tmp_path: Path) -> None:
    six.run(out={"folder": tmp_path / "run"})
    assert named_in(tmp_path / "run", "bea")
    forget(tmp_path / "run", "bea")
    assert named_in(tmp_path / "run", "bea") == []


def named_in(folder: Path, word: str) -> list[str]:
    """Files that contain a word; parquet files are decompressed."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            text = io.StringIO()
            pd.read_parquet(path).to_csv(text)
            data = text.getvalue().encode()
        if re.search(rf"\b{word}\d?\b".encode(), data):
            found.append(path.name)
    return found


def test_the_threshold_stays_and_the_run_says_that_somebody_was_removed(six: Circle, tmp_path: Path) -> None:
    before = six.run(out={"folder": tmp_path / "run"})
    for count, subject in enumerate(("bea", "cyd"), start=1):
        forget(tmp_path / "run", subject)
        left = read_run(tmp_path / "run")
        assert left.record.operating == before.record.operating
        assert left.record.forgotten == count
    said = [text for text in left.record.warnings if "facegap forget" in text]
    assert said == [
        "2 people were removed from this run after it finished (facegap forget); thresholds are those set before, "
        "and numbers of people, images or pairs in warnings are those before the removal"
    ]


def test_listed_pairs_keep_their_scores(six: Circle, six_listed: Run, tmp_path: Path) -> None:
    six.run(pairs=str(six.folder / "pairs.csv"), out={"folder": tmp_path / "run"})
    forget(tmp_path / "run", "dan")
    left = read_run(tmp_path / "run")
    assert left.matched is not None and left.matched.pairs is not None
    assert six_listed.matched is not None and six_listed.matched.pairs is not None
    old, images = six_listed.matched.pairs, list(six_listed.manifest["image"])
    scores = {(images[a], images[b]): s for a, b, s in zip(old["left"], old["right"], old["score"], strict=True)}
    kept = left.matched.pairs
    mine = list(left.manifest["image"])
    again = {(mine[a], mine[b]): s for a, b, s in zip(kept["left"], kept["right"], kept["score"], strict=True)}
    expected = {pair: score for pair, score in scores.items() if not any(name.startswith("dan") for name in pair)}
    assert again.keys() == expected.keys()
    np.testing.assert_array_equal(list(again.values()), [expected[pair] for pair in again])
    assert recheck(tmp_path / "run") == []


def test_a_seal_is_broken_by_it(six: Circle, tmp_path: Path) -> None:
    six.run(out={"folder": tmp_path / "run"})
    (tmp_path / "run" / SIGNATURE).write_bytes(b"s" * 64)
    forget(tmp_path / "run", "bea")
    assert not (tmp_path / "run" / SIGNATURE).exists()
    assert recheck(tmp_path / "run") == []


def test_nobody_and_everybody_and_runs_without_templates_are_refused(six: Circle, tmp_path: Path) -> None:
    six.run(out={"folder": tmp_path / "run"})
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(RunError, match="the run contains no person with this name"):
        forget(tmp_path / "run", "BEA")
    six.run(out={"folder": tmp_path / "bare", "keep_embeddings": False})
    with pytest.raises(
        RunError, match=r"contains no templates .* remove the person from the manifest and run: facegap audit"
    ):
        forget(tmp_path / "bare", "bea")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before


def test_a_changed_run_is_refused(six: Circle, tmp_path: Path) -> None:
    six.run(out={"folder": tmp_path / "run"})
    (tmp_path / "run" / "rates.csv").write_text("made up")
    with pytest.raises(RunError, match="changed after it finished"):
        forget(tmp_path / "run", "bea")


def test_a_kill_while_building_leaves_the_old_run_and_one_between_the_renames_is_mended(
    six: Circle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    six.run(out={"folder": folder})
    kept = shutil.copytree(folder, tmp_path / "kept")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("facegap.privacy.forget.add_report", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(folder, "bea")
    assert recheck(folder) == []
    folder.rename(hidden_folder(folder, "before-forgetting"))  # as a kill after the first rename leaves it
    forget(folder, "bea")
    assert "bea" not in set(read_run(folder).manifest["subject"])
    assert not hidden_folder(folder, "before-forgetting").exists()
    assert not hidden_folder(folder, "forgetting").exists()
    assert kept.exists()


def test_a_kill_after_the_renames_leaves_nothing_of_the_person_once_the_command_runs_again(
    six: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    six.run(out={"folder": folder})
    kept = shutil.copytree(folder, tmp_path / "kept")
    forget(folder, "bea")
    without = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    shutil.move(kept, hidden_folder(folder, "before-forgetting"))  # as a kill before the last removal leaves it
    assert forget(folder, "bea") == 0
    assert not hidden_folder(folder, "before-forgetting").exists()
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == without
    shutil.copytree(folder, hidden_folder(folder, "before-forgetting"))
    assert forget(folder, "ada") > 0  # of somebody else: both are gone
    assert not hidden_folder(folder, "before-forgetting").exists()


def test_searches_are_made_again_in_the_gallery_of_those_who_stay(tmp_path: Path, toys: Any, draw: Any) -> None:
    def searched(people: list[int], folder: Path) -> Run:
        folder.mkdir()
        lines = []
        for k in people:
            for copy in range(2):
                cv2.imwrite(
                    str(folder / f"{k}_{copy}.png"), draw(green=204 if k % 2 else 51, red=20 * k + 9 * copy + 5)
                )
                lines.append(f"{k}_{copy}.png,p{k},{'female' if k % 2 else 'male'}")
        (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
        asked = {**toys.three, "by": "gender", "min_subjects": 2, "identify": True, "non_mates": 0.0, "rank": [1, 2]}
        return Run(**vars(audited(folder / "people.csv", **asked, out=folder / "run")))

    searched(list(range(8)), tmp_path / "all")
    forget(tmp_path / "all" / "run", "p3")
    left, never = read_run(tmp_path / "all" / "run"), searched([0, 1, 2, 4, 5, 6, 7], tmp_path / "others")
    assert left.searched is not None and never.searched is not None
    pd.testing.assert_frame_equal(left.searched.lists, never.searched.lists)
    assert tables_of(left) == tables_of(never)
    assert recheck(tmp_path / "all" / "run") == []


def test_counts_that_differ_in_one_pair_are_not_the_same(six: Circle, six_run: Run) -> None:
    other = without(six, "bea", six.folder / "no_bea").run(by="glasses")
    assert six_run.matched is not None and six_run.matched.counts is not None
    assert other.matched is not None and other.matched.counts is not None
    assert same_counts(six_run.matched.counts, six_run.matched.counts)
    assert not same_counts(six_run.matched.counts, other.matched.counts)


KINDS: dict[str, dict[str, Any]] = {
    "clusters": {"cluster": ("town",)},
    "weights": {"weights": "weight"},
    "sampled pairs": {"sample_pairs": 200, "seed": 3},
    "pooled templates": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_is_sealed_loses_a_person_and_stays_consistent(tmp_path: Path, kind: str) -> None:
    import facegap as fg

    rng = np.random.default_rng(1)
    templates = np.repeat(rng.normal(size=(16, 6)), 4, axis=0) + 0.4 * rng.normal(size=(64, 6))
    np.save(tmp_path / "t.npy", templates.astype(np.float32))
    frame = pd.DataFrame({"image": [f"{k}.png" for k in range(64)], "subject": [f"person {k // 4}" for k in range(64)]})
    frame = frame.assign(gender=["mf"[k // 4 % 2] for k in range(64)], town=[f"town {k // 12}" for k in range(64)])
    frame = frame.assign(weight=[1 + k // 4 % 3 for k in range(64)])
    if kind == "pooled templates":
        frame = frame.assign(template=[f"t{k // 2}" for k in range(64)])
    frame.to_csv(tmp_path / "people.csv", index=False)
    words = asked(by="gender", threshold=(0.5,), min_subjects=2, out=tmp_path / "run", **KINDS[kind])
    fg.audit_embeddings(tmp_path / "t.npy", tmp_path / "people.csv", **words)
    private, public = write_key(tmp_path / "auditor.pem", ed25519.Ed25519PrivateKey.generate())
    assert seal(tmp_path / "run", private) == signer_of(tmp_path / "run", public)
    assert forget(tmp_path / "run", "person 3") == 4
    assert recheck(tmp_path / "run") == []
    assert named_in(tmp_path / "run", "person 3") == []
    assert not (tmp_path / "run" / SIGNATURE).exists()
    left = read_run(tmp_path / "run")
    trials = left.rates[left.rates["gender"] == "any"].set_index("metric")["trials"]
    assert trials["fta"] == {"pooled templates": 30}.get(kind, 60)
    if kind != "sampled pairs":
        assert trials["fmr"] == {"pooled templates": 15 * 14 // 2 * 4}.get(kind, 15 * 14 // 2 * 16)
