"""Roles in identification (1:N), gallery or probe: from a column of the manifest, or from a rule with a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.settings import Identify, Verify
from facegap.derive.identification import GALLERY, PROBE
from facegap.errors import ModelError, StatisticsError, TableError
from facegap.tables import MANIFEST
from facegap.types import BoolArray


def require_possible(settings: Identify, verify: Verify, embed: Any) -> None:
    """Raise an error before the first image for settings that would fail after the last.

    Raises
    ------
    ModelError : if there is no embedder; StatisticsError : if no result can satisfy the settings
    """
    if embed is None:
        raise ModelError(
            "--identify compares templates; give an embedder with --embed, or a search service with --search-service"
        )
    bare = bool(verify.threshold) and verify.threshold_on is None and not verify.in_sample
    if settings.fpir and bare:
        raise StatisticsError(
            "--fpir sets a threshold on held-out subjects, and with --threshold none are held out; omit --threshold, "
            "or give --threshold-on or --in-sample"
        )


def search_roles(manifest: pd.DataFrame, settings: Identify, seed: int, evaluated: BoolArray) -> NDArray[np.str_]:
    """Role of each manifest row: `gallery`, `probe`, or empty if the image has none, text (rows,).

    evaluated : bool (rows,); images of threshold-set subjects have no role

    Raises
    ------
    TableError : if the column is missing or contains another word (with its line), or a role has no image
    """
    if settings.role_column is None:
        roles = enrolled_by_rule(manifest["subject"], settings, seed, evaluated)
    else:
        roles = np.where(evaluated, stated_roles(manifest, settings.role_column), "")
    for role in (GALLERY, PROBE):
        if not (roles == role).any():
            source = f"column {settings.role_column}" if settings.role_column else f"--enrol {settings.enrol}"
            raise TableError(
                f"{source} leaves no image as {role}, among {int(evaluated.sum())} images of evaluation subjects; "
                "identification needs images to enrol and other images as probes"
            )
    return roles


def stated_roles(manifest: pd.DataFrame, column: str) -> NDArray[np.str_]:
    """The values of a role column, text (rows,)."""
    if column not in manifest.columns or column in MANIFEST.columns:
        raise TableError(f"--role-column: the manifest has no label column {column!r}; add one with gallery or probe")
    stated = manifest[column].to_numpy().astype(str)
    wrong = np.flatnonzero((stated != GALLERY) & (stated != PROBE))
    if len(wrong):
        raise TableError(
            f"manifest line {manifest['line'].iloc[wrong[0]]}, column {column}: {str(stated[wrong[0]])!r} is neither "
            f"'{GALLERY}' nor '{PROBE}' ({len(wrong)} such rows); correct it, or exclude the row with --where"
        )
    return stated


def enrolled_by_rule(subjects: pd.Series, settings: Identify, seed: int, evaluated: BoolArray) -> NDArray[np.str_]:
    """Roles with one image of each subject enrolled, except a proportion of subjects; all other images are probes, text (rows,).

    The outcome of an image does not matter: if a system cannot enrol a subject, that is an error of the system.
    """
    names = subjects.to_numpy()
    people = pd.unique(names[evaluated])
    outside = int(settings.non_mates * len(people) + 0.5)
    kept_out = people[np.random.default_rng(seed).permutation(len(people))[:outside]]
    rows = np.flatnonzero(evaluated & ~np.isin(names, kept_out))
    enrolled = rows[~pd.Series(names[rows]).duplicated(keep=settings.enrol).to_numpy()]
    roles = np.where(evaluated, PROBE, "").astype(f"<U{len(GALLERY)}")
    roles[enrolled] = GALLERY
    return roles


def roles_in_words(settings: Identify, seed: int, unit: str = "image") -> str:
    """How the gallery was formed. unit : what is enrolled, an image or a template."""
    if settings.role_column is not None:
        return f"column {settings.role_column} of the manifest"
    share = f"{settings.non_mates:.0%} of the subjects not enrolled in the gallery (seed {seed})"
    return f"the {settings.enrol} {unit} of each subject enrolled, {share}"
