"""Fixtures of the whole suite. Nothing here touches the network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with the real models and portraits; a test that asks for it skips where it is not named."""
    named = os.environ.get("FACEGAP_TEST_DATA")
    if not named:
        pytest.skip("FACEGAP_TEST_DATA names no folder with the real models and portraits")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"FACEGAP_TEST_DATA={named} is not a folder")
    return folder
