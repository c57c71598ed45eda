"""The process that renders charts: Ctrl-C works meanwhile, and the end of the process is one error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import vl_convert

from facegap.errors import RunError
from facegap.report.figures import render, renderer
from facegap.report.figures.style import Figure

SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"a": 1, "b": "x"}, {"a": 2, "b": "<&"}]},
    "mark": "bar",
    "encoding": {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "nominal"}},
}
INTERRUPTED = """
import os, signal, threading, time
from facegap.report.figures import renderer
renderer.CODE = "import time\\ntime.sleep(3600)"
threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
begun = time.perf_counter()
try:
    renderer.svg_to_pdf("<svg/>")
except KeyboardInterrupt:
    print("interrupted", renderer._running)
"""


@pytest.fixture(autouse=True)
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions themselves, which the fixture of charts replaces."""
    from fixtures import charts

    monkeypatch.setattr(renderer, "vegalite_to_svg", charts.to_svg)


def test_the_process_gives_what_vl_convert_gives_here() -> None:
    svg = renderer.vegalite_to_svg(SPEC, vl_version="6.4")
    assert svg == vl_convert.vegalite_to_svg(SPEC, vl_version="6.4", allowed_base_urls=[])
    assert renderer._answer("svg_to_png", svg, {"scale": 2.0}) == vl_convert.svg_to_png(svg, scale=2.0)


def test_nothing_is_loaded_from_elsewhere_and_a_refusal_leaves_the_process_running(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1, "b": "read from a file"}]')
    renderer.vegalite_to_svg(SPEC, vl_version="6.4")
    process = renderer._running[os.getpid()]
    with pytest.raises(ValueError, match="External data url not allowed"):
        renderer.vegalite_to_svg({**SPEC, "data": {"url": "https://127.0.0.1:9/a.json"}}, vl_version="6.4")
    read = renderer.vegalite_to_svg({**SPEC, "data": {"url": (tmp_path / "a.json").as_uri()}}, vl_version="6.4")
    assert "read from a file" not in read
    assert renderer._running[os.getpid()] is process


def test_a_process_that_was_killed_is_one_error_and_the_next_chart_has_a_new_one() -> None:
    renderer.vegalite_to_svg(SPEC, vl_version="6.4")
    process = renderer._running[os.getpid()]
    process.kill()
    process.wait()
    with pytest.raises(
        RunError, match=r"the chart errors cannot be drawn .*has ended \(exit code -9\).*facegap report RUN"
    ):
        render.drawn(Figure("errors", "Errors", "", SPEC))
    assert renderer.vegalite_to_svg(SPEC, vl_version="6.4").startswith("<svg")


def test_ctrl_c_while_a_chart_is_rendered_is_seen_at_once_and_no_process_stays() -> None:
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.stdout == "interrupted {}\n", done.stderr
    assert time.perf_counter() - begun < 60  # the chart takes an hour


def test_charts_of_several_threads_do_not_mix() -> None:
    specs = [{**SPEC, "title": f"chart {k}"} for k in range(6)]
    found: dict[int, str] = {}

    def render_one(k: int) -> None:
        found[k] = renderer.vegalite_to_svg(specs[k], vl_version="6.4")

    threads = [threading.Thread(target=render_one, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f">chart {k}<" in found[k] for k in range(6))
