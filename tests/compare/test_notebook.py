"""A comparison in a notebook: finding, table and one chart, escaped and self-contained."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from facegap.compare.build import Comparison, compare
from fixtures.settings import audit_predictions

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, make_answered: Any) -> Comparison:
    folder = tmp_path_factory.mktemp("vendors")
    make_answered(folder, [HOSTILE, "Bonn"], out=folder / "first")
    said = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    said["prediction"] = "female"
    said.to_csv(folder / "others.csv", index=False)
    audit_predictions(
        folder / "others.csv",
        folder / "people.csv",
        by="gender,town*gender",
        groups={"min_subjects": 5},
        out=folder / "b",
    )
    return compare([folder / "first", folder / "b"], names=["first", HOSTILE])


def test_the_repr_has_sentences_and_names_the_tables(found: Comparison) -> None:
    lines = repr(found).splitlines()
    assert lines[0].startswith("facegap comparison: first, <img")
    assert lines[-1] == f"Tables in frames: {', '.join(found.frames)}"


def test_the_view_has_finding_table_and_chart_and_loads_nothing(found: Comparison) -> None:
    html = found._repr_html_()
    assert html.count("<table") == 1
    assert HOSTILE not in html and "&lt;img src=x" in html
    sources = re.findall(r'src="([^"]+)"', html)
    assert len(sources) == 1 and sources[0].startswith("data:image/svg+xml;base64,")
