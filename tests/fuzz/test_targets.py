"""Parsers of what comes from outside: whatever the bytes, they give a value or one of facegap's own errors."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixtures.campaigns import short_and_full
from fuzz.targets import TARGETS, Target

MUTANTS, MUTANTS_IN_A_CAMPAIGN = 60, 5_000
SECONDS, SECONDS_IN_A_CAMPAIGN = 1, 20
TURNS = 3  # loading the package with its branches counted takes some 15 s, so several targets share that
STRANGE = (
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"'",
    b'"',
    b"\n",
    b"\r",
    b"1e999",
    b"-1",
    b"nan",
    b"[" * 200,
    b"\xe2\x80\xae",
    b"=",
)


@pytest.mark.parametrize("name", TARGETS)
def test_the_first_seed_of_a_parser_is_understood_as_far_as_it_goes(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@short_and_full("count", MUTANTS, MUTANTS_IN_A_CAMPAIGN)
def test_changed_bytes_give_a_value_or_an_error_of_facegap(name: str, count: int) -> None:
    for data in mutants(TARGETS[name], count):
        TARGETS[name](data)


def mutants(target: Target, count: int) -> Iterator[bytes]:
    """Seeds with bytes changed, cut, doubled and put in, the same on every machine."""
    chance = random.Random(11)
    for _ in range(count):
        data = bytearray(chance.choice(target.seeds))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            until = min(len(data), at + chance.randint(1, 20))
            match chance.randrange(5):
                case 0:
                    data[at:at] = chance.choice(STRANGE)
                case 1:
                    del data[at:until]
                case 2:
                    data[at:at] = data[at:until]
                case 3 if at < len(data):
                    data[at] = chance.randrange(256)
                case _:
                    other = chance.choice(target.seeds)
                    data[at:until] = other[at:until]
        yield bytes(data)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed here")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "names", [list(TARGETS)[start::TURNS] for start in range(TURNS)], ids=["first", "second", "third"]
)
@short_and_full("seconds", SECONDS, SECONDS_IN_A_CAMPAIGN)
def test_fuzzing_finds_no_input_that_ends_in_another_way(names: list[str], seconds: int, tmp_path: Path) -> None:
    script = Path(__file__).with_name("run.py")
    bounds = [f"-max_total_time={seconds}", "-seed=1", "-timeout=20", "-rss_limit_mb=4096", "-verbosity=0"]
    done = subprocess.run(
        [sys.executable, script, ",".join(names), *bounds], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
