"""The published results that facegap reproduces, by the name of the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from facegap.reproduce.actionable_auditing import reproduce_actionable_auditing
from facegap.reproduce.found import Reproduction
from facegap.reproduce.gender_shades import reproduce_gender_shades
from facegap.reproduce.nist_2020 import reproduce_nist_2020

REPRODUCTIONS: Mapping[str, Callable[[Path | None, int], Reproduction]] = {
    "gender-shades": reproduce_gender_shades,
    "actionable-auditing": reproduce_actionable_auditing,
    "nist-2020": reproduce_nist_2020,
}
