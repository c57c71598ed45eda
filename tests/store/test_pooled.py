"""Outcomes of templates from the outcomes of their images, and removal of images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from facegap.store.pooled import Pooled, pooled_from
from facegap.tables import FACES, check

ROWS = [  # template, media, outcome
    ("a", "1", "ok"),
    ("b", "1", "no_face"),
    ("a", "1", "no_face"),
    ("a", "2", "too_small"),
    ("b", "2", "unreadable"),
    ("b", "2", "unreadable"),
    ("c", "1", "missing_file"),
    ("d", "1", "too_small"),
    ("d", "2", "no_face"),
    ("e", "1", "ok"),
]


@pytest.fixture
def made() -> Pooled:
    template, media, outcome = (list(column) for column in zip(*ROWS, strict=True))
    names = [f"{k}.png" for k in range(len(ROWS))]
    frame = pd.DataFrame({"row": range(len(ROWS)), "line": range(2, len(ROWS) + 2), "image": names, "path": names})
    manifest = frame.assign(subject=[name.upper() for name in template], template=template, media=media, gender="x")
    empty = {name: np.nan for name, column in FACES.columns.items() if column.kind == "float"}
    texts = dict.fromkeys(("detail", "sha256", "colour", "profile", "policy"), "")
    given = frame[["row", "image"]].assign(
        outcome=outcome, faces=1, embedding_row=-1, width=9, height=9, **empty, **texts
    )
    found = pooled_from(manifest, check(given, FACES, "faces"))
    return found.numbered((found.templates["outcome"] == "ok").to_numpy())


def test_a_failed_frame_lowers_the_count_and_a_template_without_any_is_lost(made: Pooled) -> None:
    table = made.templates.set_index("template")
    assert table["outcome"].to_dict() == {"a": "ok", "b": "no_face", "c": "missing_file", "d": "no_face", "e": "ok"}
    assert table.loc["a", ["frames_given", "frames_used", "media_given", "media_used"]].tolist() == [3, 1, 2, 1]
    assert table.loc["a", "detail"] == "1 of 3 frames used; 1 no_face, 1 too_small"
    assert table.loc["e", "detail"] == ""
    assert table["embedding_row"].to_dict() == {"a": 0, "b": -1, "c": -1, "d": -1, "e": 1}
    assert made.faces["embedding_row"].tolist() == [0, -1, -1, -1, -1, -1, -1, -1, -1, 1]


def test_what_was_never_shown_decides_only_where_nothing_was_shown(made: Pooled) -> None:
    assert made.templates.set_index("template").loc["b", "outcome"] == "no_face"  # although two files cannot be read


def test_the_rows_of_templates_carry_the_image_that_stands_for_them(made: Pooled) -> None:
    manifest, faces = made.rows()
    assert manifest["image"].tolist() == faces["image"].tolist() == ["a", "b", "c", "d", "e"]
    assert manifest["path"].tolist() == ["0.png", "1.png", "6.png", "8.png", "9.png"]
    assert list(manifest.columns) == ["row", "line", "image", "path", "subject", "gender"]
    assert faces["outcome"].tolist() == made.templates["outcome"].tolist()


def test_images_that_go_take_their_templates_and_leave_the_others_numbered(made: Pooled) -> None:
    left = made.kept((made.manifest["template"] != "a").to_numpy())
    assert left.templates["template"].tolist() == ["b", "c", "d", "e"]
    assert left.templates["embedding_row"].tolist() == [-1, -1, -1, 0]
    assert left.rows()[0]["path"].tolist() == ["1.png", "6.png", "8.png", "9.png"]
    assert left.faces["embedding_row"].max() == 0
