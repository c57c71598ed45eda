"""Gallery and probe roles from a column or by a rule, and settings that are rejected beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.enrolment import require_possible, roles_in_words, search_roles
from facegap.audit.settings import Identify, Verify
from facegap.errors import ModelError, StatisticsError, TableError


def manifest_of(subjects: Sequence[str], **columns: Sequence[str]) -> pd.DataFrame:
    """MANIFEST of images named by their number."""
    rows = range(len(subjects))
    fixed = {"row": rows, "line": [row + 2 for row in rows], "image": [f"{row}.png" for row in rows]}
    return pd.DataFrame({**fixed, "path": fixed["image"], "subject": list(subjects), **columns})


def everybody(manifest: pd.DataFrame) -> Any:
    return np.ones(len(manifest), np.bool_)


def test_the_first_image_of_each_subject_is_enrolled_and_a_share_of_the_subjects_kept_out() -> None:
    manifest = manifest_of([f"s{k % 10}" for k in range(30)])
    roles = search_roles(manifest, Identify(non_mates=0.3), 5, everybody(manifest))
    enrolled = np.flatnonzero(roles == "gallery")
    assert len(enrolled) == 7
    assert (enrolled < 10).all()
    assert (roles == "probe").sum() == 23
    again = search_roles(manifest, Identify(non_mates=0.3), 5, everybody(manifest))
    other = search_roles(manifest, Identify(non_mates=0.3), 6, everybody(manifest))
    assert (roles == again).all()
    assert (roles != other).any()


def test_the_last_image_is_enrolled_on_request() -> None:
    manifest = manifest_of(["a", "b", "a", "b", "a"])
    roles = search_roles(manifest, Identify(enrol="last", non_mates=0.0), 0, everybody(manifest))
    assert roles.tolist() == ["probe", "probe", "probe", "gallery", "gallery"]


def test_calibration_subjects_are_in_neither_role() -> None:
    manifest = manifest_of(["a", "a", "b", "b", "c", "c"])
    evaluated = np.array([True, True, False, False, True, True])
    roles = search_roles(manifest, Identify(non_mates=0.5), 0, evaluated)
    assert sorted(roles.tolist()) == ["", "", "gallery", "probe", "probe", "probe"]
    stated = manifest_of(["a", "a", "b", "b", "c", "c"], role=["gallery", "probe"] * 3)
    roles = search_roles(stated, Identify(role_column="role"), 0, evaluated)
    assert roles.tolist() == ["gallery", "probe", "", "", "gallery", "probe"]


def test_another_word_in_the_role_column_is_named_by_its_line() -> None:
    manifest = manifest_of(["a", "a", "b"], role=["gallery", "Probe", "probe"])
    with pytest.raises(
        TableError, match=r"line 3, column role: 'Probe' is neither 'gallery' nor 'probe' \(1 such rows\)"
    ):
        search_roles(manifest, Identify(role_column="role"), 0, everybody(manifest))


@pytest.mark.parametrize("column", ["rolle", "image", "line"])
def test_a_role_column_must_be_a_label_column(column: str) -> None:
    manifest = manifest_of(["a", "a", "b"], role=["gallery", "probe", "probe"])
    with pytest.raises(TableError, match=f"no label column '{column}'"):
        search_roles(manifest, Identify(role_column=column), 0, everybody(manifest))


def test_a_search_needs_a_gallery_and_probes() -> None:
    manifest = manifest_of(["a", "b"], role=["probe", "probe"])
    with pytest.raises(TableError, match="column role leaves no image as gallery, among 2 images"):
        search_roles(manifest, Identify(role_column="role"), 0, everybody(manifest))
    with pytest.raises(TableError, match="--enrol first leaves no image as probe"):
        search_roles(manifest, Identify(non_mates=0.0), 0, everybody(manifest))


@pytest.mark.parametrize(
    ("chosen", "verify", "embed", "error", "message"),
    [
        (
            Identify(),
            Verify(),
            None,
            ModelError,
            "--identify compares templates; give an embedder with --embed, or a search service with --search-service",
        ),
        (
            Identify(fpir=(0.1,)),
            Verify(threshold=(0.5,)),
            "e",
            StatisticsError,
            "with --threshold none are held out",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_image(
    chosen: Identify, verify: Verify, embed: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        require_possible(chosen, verify, embed)


def test_the_words_say_how_the_gallery_came_about() -> None:
    assert roles_in_words(Identify(role_column="part"), 3) == "column part of the manifest"
    by_rule = "the last image of each subject enrolled, 25% of the subjects not enrolled in the gallery (seed 3)"
    assert roles_in_words(Identify(enrol="last", non_mates=0.25), 3) == by_rule
