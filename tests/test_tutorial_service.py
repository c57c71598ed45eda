"""The tutorial on services, command by command, against a server on this machine and illustrated people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facegap.demo.run import draw_people
from facegap.report.figures import FIGURES
from facegap.store.run import read_run
from fixtures.command_lines import Call
from fixtures.dialects import KEYS, CompreFaceGallery, DialectServer, by_colours, compreface_verify, serving
from fixtures.documents import blocks, commands_of

DOCUMENT = "docs/tutorial_service.md"
BLOCKS = [block for block in blocks() if block.document == DOCUMENT]
CALLS = [
    words[1:]
    for block in BLOCKS
    if block.language == "bash"
    for line in block.command_lines
    for words in commands_of(line)
]


def number_of_calls(server: DialectServer) -> int:
    """Calls since this was last asked."""
    found = len(server.seen)
    server.seen.clear()
    return found


def address(card: Path, server: DialectServer) -> None:
    """What the tutorial tells to do by hand."""
    card.write_text(re.sub(r"http://localhost:\d+", server.url, card.read_text()))


@pytest.fixture
def server() -> Iterator[DialectServer]:
    """Compares and searches, in the dialect of CompreFace."""
    searching = CompreFaceGallery()
    with serving(
        says=lambda path, images: compreface_verify(by_colours, images) if "verify" in path else searching(path, images)
    ) as running:
        yield running


def test_every_command_of_the_tutorial_does_what_it_says(
    call: Call, server: DialectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("facegap.report.figures.figures_of", lambda run: {part: [] for part in FIGURES})
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    draw_people(tmp_path, seed=5, people=20, photographs=2, workers=1, step=lambda *told: None)
    made, doctor_asks, doctor, plan, asks, first, second, recheck, search = CALLS

    assert call(*made)[0] == 0
    address(tmp_path / "vendor.toml", server)

    code, _, problem = call(*doctor_asks)
    assert (code, "8 calls, 0.01 at 0.001 each" in " ".join(problem.split())) == (2, True)
    assert number_of_calls(server) == 0
    code, out, problem = call(*doctor)
    assert code in (0, 1), problem  # whether two illustrated people are told apart by colours alone is not the point
    assert "answer path" in out
    assert number_of_calls(server) == 8

    code, out, problem = call(*plan)
    assert "150 calls, 0.15 at 0.001 each" in " ".join((out + problem).split())
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 151

    code, _, problem = call(*asks)
    assert (code, "Nothing was sent" in problem) == (2, True)
    assert call(*first)[0] == 0
    assert number_of_calls(server) == 120
    run = read_run(tmp_path / "run")
    assert run.matched is not None and run.matched.pairs is not None
    assert run.matched.pairs["outcome"].value_counts().to_dict() == {"scored": 120, "not_sent": 30}
    assert call(*second)[0] == 0
    assert number_of_calls(server) == 30
    run = read_run(tmp_path / "run")
    assert run.matched is not None and run.matched.pairs is not None
    assert set(run.matched.pairs["outcome"]) == {"scored"}
    assert run.matched.pairs["genuine"].sum() == 20
    assert (tmp_path / "run" / "report.html").exists()
    assert call(*recheck)[0] == 0

    assert call("card", "new", "compreface_search", "--out", "search.toml")[0] == 0
    address(tmp_path / "search.toml", server)
    code, _, problem = call(*search)
    assert code == 0, problem
    assert number_of_calls(server) == 40
    found = read_run(tmp_path / "searched")
    assert {"fnir", "fpir"} <= set(found.rates["metric"])


def matching(_: str, images: dict[str, bytes]) -> tuple[int, Any]:
    """The service whose card the tutorial writes from a vendor's documentation."""
    sides = {side: by_colours(images[f"image{side}"]) for side in "AB"}
    for side, embedding in sides.items():
        if embedding is None:
            return 422, {"error": {"code": "FACE_NOT_FOUND", "which": side}}
    return 200, {"data": {"pairs": [{"similarity": round(50 + 50 * float(sides["A"] @ sides["B"]), 2)}]}}  # type: ignore[operator]


def test_the_card_that_the_tutorial_writes_fits_the_service_that_it_describes(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VENDOR_KEY", "a key of nobody")
    draw_people(tmp_path, seed=5, people=4, photographs=2, workers=1, step=lambda *told: None)
    (text,) = (block.text for block in BLOCKS if block.language == "toml")
    with serving(says=matching) as running:
        Path("match.toml").write_text(text.replace("https://api.example.org", running.url))
        code, out, problem = call("doctor", "match.toml", "--manifest", "people.csv", "--send-images")
        assert {headers["X-Token"] for _, headers, _ in running.seen} == {"a key of nobody"}
    assert code in (0, 1), problem  # two illustrated people may look more alike by colours than one does
    assert "7 of 7 calls returned a score" in out
    assert "the service found no face in the reference (right)" in out
