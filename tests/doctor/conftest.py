"""Illustrated people whose correct settings are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """66 illustrated people with two pictures each; women are green, and each person has their own four reds, one per quarter."""
    folder = tmp_path_factory.mktemp("crowd")
    rng = np.random.default_rng(0)
    lines = ["image,subject,gender,age"]
    for person in range(66):
        woman = person % 2 == 0
        reds = rng.integers(20, 236, 4)
        for number in range(2):
            green = int(rng.normal(180 if woman else 70, 10))
            name = f"{person}_{number}.png"
            picture = draw(green=green)
            for quarter, red in enumerate(reds):
                top, left = 16 * (quarter // 2), 16 * (quarter % 2)
                picture[top : top + 16, left : left + 16, 2] = np.clip(red + rng.normal(0, 8), 0, 255)
            cv2.imwrite(str(folder / name), picture)
            lines.append(f"{name},P{person},{'female' if woman else 'male'},{round(reds.mean() / 2.55)}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder / "people.csv"
