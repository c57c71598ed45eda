"""The examples in the docstrings of facegap.statistics run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import facegap.statistics

MODULES = [found.name for found in pkgutil.walk_packages(facegap.statistics.__path__, "facegap.statistics.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_say(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0


def test_every_public_function_has_an_example() -> None:
    without = [
        name
        for name in facegap.statistics.__all__
        if inspect.isfunction(member := getattr(facegap.statistics, name)) and ">>>" not in (member.__doc__ or "")
    ]
    assert without == []


def test_every_public_name_is_there_and_listed_once() -> None:
    assert len(set(facegap.statistics.__all__)) == len(facegap.statistics.__all__)
    assert all(hasattr(facegap.statistics, name) for name in facegap.statistics.__all__)


def test_the_functions_for_arrays_come_first() -> None:
    assert facegap.statistics.__all__[:4] == ["rates", "gaps", "fmr", "fnmr"]
