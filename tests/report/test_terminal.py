"""Progress: speed and remaining time are shown only when they are known."""

from __future__ import annotations

import sys

import pytest

from facegap.report import terminal
from facegap.report.terminal import Pace, plain_progress, print_sentences


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def paced(clock: Clock, *items: tuple[float, int]) -> Pace:
    """The estimate after these counts, each this many seconds after the start."""
    pace, start = Pace(clock), clock.now
    for seconds, done in items:
        clock.now = start + seconds
        pace.saw(done)
    return pace


def test_the_first_item_after_a_long_start_says_nothing_of_the_time_left() -> None:
    pace = paced(Clock(), (160.0, 1))
    assert (pace.speed, pace.left(200)) == (None, "")


def test_the_pace_is_known_after_ten_timed_items_and_two_seconds() -> None:
    assert paced(Clock(), (160.0, 1), (161.9, 21)).speed is None
    assert paced(Clock(), (160.0, 1), (170.0, 10)).speed is None
    known = paced(Clock(), (160.0, 1), (165.0, 11))
    assert known.speed == pytest.approx(2.0)
    assert known.left(111) == "50 s left"
    assert known.left(2411) == "20 min left"
    assert known.left(11) == ""


def test_items_that_arrive_together_start_the_clock_only_with_the_last_of_them() -> None:
    burst = [(10.0, done) for done in range(1, 17)]
    pace = paced(Clock(), *burst, (14.0, 28))
    assert pace.speed == pytest.approx(12 / 4)


def test_a_count_that_starts_again_is_timed_anew() -> None:
    pace = paced(Clock(), (0.0, 1), (10.0, 101), (300.0, 1))
    assert pace.speed is None


def test_a_run_that_is_resumed_in_the_middle_is_timed_from_there() -> None:
    assert paced(Clock(), (0.0, 5001), (10.0, 5021)).speed == pytest.approx(2.0)


def test_plain_lines_leave_out_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(terminal.time, "monotonic", clock)
    monkeypatch.setattr(Pace.__init__, "__defaults__", (clock,))
    show = plain_progress()
    for seconds, done in ((164.0, 1), (170.0, 13), (176.0, 200)):
        clock.now = 1000.0 + seconds
        show(done, 200)
    assert capsys.readouterr().err.splitlines() == [
        "1/200 images",
        "13/200 images, 2.0 images/s, 94 s left",
        "200/200 images, 16.6 images/s",
    ]


def test_a_sentence_on_a_terminal_is_folded_between_words_and_never_inside_an_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_sentences(["broken       female 24.36% [19.51, 29.96] 76/312; limit 5.00%"], indent=13)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 40 for line in lines)
    assert all(line.startswith(" " * 13) for line in lines[1:])
    assert sum("[19.51, 29.96]" in line for line in lines) == 1
