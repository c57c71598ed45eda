"""PDF files of charts: the same bytes from every process, the same fonts and words as before."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zlib

import pytest
import vl_convert

from facegap.report.figures.pdf import parsed, stable_pdf

SPEC = {
    "data": {"values": [{"a": "A", "b": 1}, {"a": "B \u80a4", "b": 2}]},
    "layer": [{"mark": "bar"}, {"mark": {"type": "point", "opacity": 0.4}}, {"mark": {"type": "rule", "opacity": 0.7}}],
    "title": "h\u00e9llo",
    "encoding": {
        "x": {"field": "a", "axis": {"labelFont": "monospace"}},
        "y": {"field": "b", "type": "quantitative", "axis": {"titleFont": "serif"}},
    },
}
CODE = """
import hashlib, sys, vl_convert
from facegap.report.figures.pdf import stable_pdf
raw = vl_convert.svg_to_pdf(sys.stdin.read())
print(hashlib.sha256(raw).hexdigest(), hashlib.sha256(stable_pdf(raw)).hexdigest())
"""


@pytest.fixture(scope="module")
def svg() -> str:
    return str(vl_convert.vegalite_to_svg(SPEC))


def test_every_call_and_every_process_writes_the_same_bytes(svg: str) -> None:
    here = {hashlib.sha256(stable_pdf(vl_convert.svg_to_pdf(svg))).hexdigest() for _ in range(8)}
    assert len(here) == 1
    done = subprocess.run([sys.executable, "-c", CODE], input=svg, capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] in here


def words(data: bytes) -> list[bytes]:
    """The content of the streams of a document without font names, sorted."""
    objects, _ = parsed(data)
    streams = [re.search(rb"stream\n(.*)\nendstream", content, re.DOTALL) for content in objects.values()]
    return sorted(re.sub(rb"/fo\d+ ", b"/fo ", plain_of(found[1])) for found in streams if found)


def plain_of(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_nothing_that_is_drawn_is_lost_or_changed(svg: str) -> None:
    raw = vl_convert.svg_to_pdf(svg)
    stable = stable_pdf(raw)
    assert words(stable) == words(raw)
    assert sorted(re.findall(rb"/BaseFont /(\S+)", stable)) == sorted(re.findall(rb"/BaseFont /(\S+)", raw))


def test_each_length_and_each_place_of_an_object_is_right(svg: str) -> None:
    stable = stable_pdf(vl_convert.svg_to_pdf(svg))
    assert stable_pdf(stable) == stable
    objects, root = parsed(stable)
    assert sorted(objects) == list(range(1, len(objects) + 1))
    assert b"/Type /Catalog" in objects[root]
    for content in objects.values():
        if b"\nstream\n" in content:
            head, stream = content.split(b"\nstream\n", 1)
            assert int(re.search(rb"/Length (\d+)", head)[1]) == len(stream) - len(b"\nendstream")  # type: ignore[index]
        assert all(int(number) in objects for number in re.findall(rb"\b(\d+) 0 R\b", content.split(b"stream")[0]))


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7 and nothing else", b"xref trailer << /Root 1 0 R >> startxref 0 %%EOF"]
)
def test_a_document_of_another_kind_stays_as_it_is(data: bytes) -> None:
    assert stable_pdf(data) == data
