"""The result of a reproduction, and its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facegap.report.figures.render import drawn
from facegap.report.figures.style import Figure
from facegap.report.tables import TextTable
from facegap.store.run import Run, write_bytes


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The result of `reproduce`.

    introduction : sentences to read first
    tables       : in reading order
    runs         : ordinary runs by company, if the study has people
    folders      : of these runs, empty without `out`
    files        : other written files, empty without `out`
    figures      : the charts, written to `out` as SVG, PNG, PDF and Vega-Lite
    """

    introduction: tuple[str, ...]
    tables: tuple[TextTable, ...]
    runs: Mapping[str, Run] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    figures: tuple[Figure, ...] = ()


def write_figures(out: Path, figures: tuple[Figure, ...]) -> tuple[Path, ...]:
    """Write the charts to the folder; return their paths."""
    files = {name: content for figure in figures for name, content in drawn(figure).files().items()}
    for name, content in files.items():
        write_bytes(out / name, content)
    return tuple(out / name for name in files)
