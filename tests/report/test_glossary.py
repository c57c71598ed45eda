"""The glossary of reports: each term once, in a fixed order, and all explained."""

from __future__ import annotations

import pytest

from facegap.report.glossary import TERMS, terms_of


def test_terms_come_once_and_in_the_order_of_the_glossary() -> None:
    found = terms_of(("FMR", "interval"), ("interval", "margin"))
    assert list(found) == ["interval", "margin", "FMR"]
    assert found["FMR"] == TERMS["FMR"]


def test_a_term_without_a_meaning_is_an_error() -> None:
    with pytest.raises(KeyError):
        terms_of(("luck",))


def test_every_meaning_is_a_sentence() -> None:
    assert all(meaning.endswith(".") and len(meaning) > 30 for meaning in TERMS.values())
