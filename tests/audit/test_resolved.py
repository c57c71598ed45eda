"""The inputs of an audit are read and resolved once, before the first image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import facegap as fg
from facegap.api import audit_embeddings, audit_predictions, audit_scores
from facegap.audit import enrolment, finish, manifests, pair_lists, resolved, thresholds, verify
from facegap.audit.resolved import groupings_of, people_of, resolve
from facegap.audit.settings import AuditSettings, Faces, Groups, Identify, Verify
from facegap.errors import TableError
from facegap.inputs import records
from fixtures.settings import audited


@pytest.fixture
def files(tmp_path: Path, draw: Any) -> dict[str, Path]:
    """Twelve illustrated people with two images each, other people, and lists of pairs."""
    lines = ["image,subject,gender,role"]
    for k in range(24):
        cv2.imwrite(str(tmp_path / f"{k:02d}.png"), draw(red=40 + 8 * k, green=240 - 9 * k))
        lines.append(f"{k:02d}.png,{k // 2:03d},{'fm'[k // 2 % 2]},{'gallery' if k % 2 else 'probe'}")
    names = {name: tmp_path / f"{name}.csv" for name in ("people", "others", "reviewed", "pairs", "scores", "said")}
    names["people"].write_text("\n".join(lines) + "\n")
    names["others"].write_text("\n".join([lines[0], *lines[5:]]).replace(",0", ",x") + "\n")
    names["reviewed"].write_text("left,right\n00.png,05.png\n")
    names["pairs"].write_text(
        "left,right\n" + "".join(f"{k:02d}.png,{j:02d}.png\n" for k in range(24) for j in range(k))
    )
    names["scores"].write_text(
        "left,right,score\n"
        + "".join(
            f"{k:02d}.png,{j:02d}.png,{0.9 if k // 2 == j // 2 else k / 48}\n" for k in range(24) for j in range(k)
        )
    )
    names["said"].write_text("image,prediction\n" + "".join(f"{k:02d}.png,f\n" for k in range(24)))
    vectors = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    np.save(tmp_path / "templates.npy", vectors)
    return {**names, "templates": tmp_path / "templates.npy"}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each table is read."""
    seen: Counter[str] = Counter()
    real = records._content

    def counted(path: Path) -> bytes:
        seen[path.name] += 1
        return real(path)

    monkeypatch.setattr(records, "_content", counted)
    return seen


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often groupings, roles, thresholds and pairs are resolved, wherever the function is imported."""
    seen: Counter[str] = Counter()
    modules = (resolved, thresholds, pair_lists, enrolment, verify)
    monkeypatch.setattr(manifests, "read_manifest", counting(seen, "read_manifest", manifests.read_manifest))
    for name in ("parse_by", "roles_of", "search_roles", "given_points", "named_group", "read_pairs"):
        for module in modules:
            real = getattr(module, name, None)
            if real is not None and module is resolved:
                monkeypatch.setattr(module, name, counting(seen, name, real))
            elif module is not resolved and real is not None and real.__module__ != module.__name__:
                raise AssertionError(f"{module.__name__} decides {name} again")
    return seen


def counting(seen: Counter[str], name: str, real: Any) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        seen[name] += 1
        return real(*arguments, **named)

    return call


def test_an_audit_of_images_reads_every_file_once_and_decides_everything_once(
    files: dict[str, Path], toys: Any, reads: Counter[str], decisions: Counter[str]
) -> None:
    few = files["pairs"].with_name("few.csv")
    few.write_text("left,right\n00.png,01.png\n00.png,05.png\n03.png,06.png\n")
    audited(
        files["people"],
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        by="gender",
        where="image != '02.png'",
        threshold_on=files["others"],
        fmr=0.2,
        fmr_on="female",
        pairs=few,
        exclude_pairs=files["reviewed"],
        identify=True,
        role_column="role",
        min_subjects=2,
        workers=1,
    )
    assert reads == {"people.csv": 1, "others.csv": 1, "few.csv": 1, "reviewed.csv": 1}
    assert decisions == {
        "parse_by": 1,
        "roles_of": 1,
        "search_roles": 1,
        "given_points": 1,
        "named_group": 1,
        "read_pairs": 2,
        "read_manifest": 2,
    }


def test_audits_of_black_boxes_read_every_file_once(files: dict[str, Path], reads: Counter[str]) -> None:
    settings = Verify(threshold=0.5, exclude_pairs=files["reviewed"])
    audit_embeddings(files["templates"], files["people"], by="gender", verify=settings)
    audit_scores(files["scores"], files["people"], by="gender", verify=settings)
    audit_predictions(files["said"], files["people"], by="gender", groups=Groups("image != '02.png'"))
    assert reads["people.csv"] == 3
    assert reads["reviewed.csv"] == 2
    assert reads["said.csv"] == 1


def test_every_kind_of_audit_ends_in_the_same_place(
    files: dict[str, Path], toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facegap.audit import predictions, scores

    ends: Counter[str] = Counter()
    for name, module in (("images", finish), ("predictions", predictions), ("scores", scores)):
        monkeypatch.setattr(module, "finish", counting(ends, name, module.finish))
    chosen = Verify(threshold=0.5)
    audit_embeddings(files["templates"], files["people"], verify=chosen)
    audit_scores(files["scores"], files["people"], verify=chosen)
    audit_predictions(files["said"], files["people"])
    fg.audit(files["people"], detect=toys.card("detector"), models={"detect_only": True})
    assert ends == {"images": 1, "predictions": 1, "scores": 2}


def test_what_is_resolved_says_who_takes_part_and_how(files: dict[str, Path], toys: Any) -> None:
    settings = AuditSettings(
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        by="gender",
        verify=Verify(fmr=0.2, seed=3, exclude_pairs=files["reviewed"]),
        identify=Identify(role_column="role"),
    )
    found = resolve(people_of(files["people"], settings, compares=True), settings, runs_models=True, compares=True)
    assert found.groupings == (("gender",),)
    assert {task: card.name for task, card in found.models.cards.items()} == {
        "detect": "toy_detector",
        "embed": "toy_embedder",
    }
    assert (found.evaluated.sum(), len(found.roles)) == (12, 24)
    assert found.search_roles is not None
    assert set(found.search_roles[found.evaluated]) == {"gallery", "probe"}
    assert set(found.search_roles[~found.evaluated]) == {""}
    assert found.excluded.rows.tolist() == [[0, 5]]
    assert len(found.pair_lists_sha256) == 1
    assert (found.pairs, found.threshold_set, found.target_group, found.given) == (None, None, None, ())


def test_a_column_of_roles_describes_images_and_is_split_by_only_where_it_is_named(files: dict[str, Path]) -> None:
    settings = AuditSettings(identify=Identify(role_column="role"))
    table = people_of(files["people"], settings, compares=True)
    assert groupings_of(table, settings)[0] == (("gender",),)
    assert groupings_of(table, AuditSettings())[0] == (("gender",), ("role",))


def test_a_label_that_a_table_would_overwrite_is_no_grouping(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("image,subject,gender,files,quality\n" + "".join(f"{k}.png,s{k},f,v{k % 2},q\n" for k in range(4)))
    table = people_of(path, AuditSettings(), compares=False, allow_outside=True)
    found, notes = groupings_of(table, AuditSettings())
    assert found == (("gender",), ("quality",))
    assert notes == (
        "column files is not used for groups, because a result table has a column with that name; rename it in the manifest",
    )
    gated = AuditSettings(faces=Faces(quality="sharpness"))
    assert groupings_of(table, gated)[0] == (("gender",),)
    with pytest.raises(TableError, match="a result table has a column named 'files'"):
        groupings_of(table, AuditSettings(by="gender*files"))
