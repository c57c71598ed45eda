"""A run that is killed repeatedly at random moments ends with the same tables as an uninterrupted run, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from facegap.audit.run import recheck
from fixtures.campaigns import short_and_full
from fixtures.interrupted import drawn_people, tables
from fixtures.settings import asked

# One process imports every module once and forks the audits, so that an attempt needs no start-up. It kills each at a
# random moment within the duration of an uninterrupted run, one in each part of that duration in any order, and begins a new
# folder after one is finished.
NURSERY = """
import importlib, json, os, random, signal, sys, time
from facegap.vision import pipeline

pipeline.PART_ROWS = 4  # many parts, so that a kill falls between any two writes
import facegap

folder, kills, request = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
chance = random.Random(20)
moments = [(k + chance.random()) / kills for k in range(kills)]
chance.shuffle(moments)


def started(name):
    child = os.fork()
    if child == 0:
        try:
            facegap.audit(**request, out={"folder": os.path.join(folder, name), "resume": True})
            with open(os.path.join(folder, "modules.json"), "w") as file:
                json.dump(sorted(sys.modules), file)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return child


def ended(child, within_s):
    deadline = time.perf_counter() + within_s
    while time.perf_counter() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def stage(run):
    names = os.listdir(run) if os.path.isdir(run) else []
    if "parts" not in names:
        return "ended" if "SHA256SUMS" in names else "begun"
    return "tables" if "embeddings.npy" in names else "parts"


assert ended(started("first"), 200)  # compiles what is compiled once on each machine, and says what it loaded
with open(os.path.join(folder, "modules.json")) as file:
    for name in json.load(file):
        if name.split(".")[0] in ("facegap", "numba", "pandas", "pyarrow", "scipy", "onnxruntime", "onnx"):
            importlib.import_module(name)
before = time.perf_counter()
assert ended(started("unbroken"), 200)
took_s = time.perf_counter() - before
folders, attempts, stages = 0, 0, []
while len(stages) < kills or stage(os.path.join(folder, f"run{folders - 1}")) != "ended":
    if ended(started(f"run{folders}"), moments[attempts % kills] * took_s if len(stages) < kills else 200):
        folders += 1
    else:
        stages.append(stage(os.path.join(folder, f"run{folders}")))
    attempts += 1
print(json.dumps({"folders": folders, "took_s": took_s, "stages": stages}))
"""


@short_and_full("kills", 5, 80)
def test_a_run_killed_at_random_moments_ends_with_the_tables_of_an_unbroken_one(
    tmp_path: Path, toys: Any, draw: Any, kills: int
) -> None:
    (tmp_path / "images").mkdir()
    manifest = drawn_people(tmp_path / "images", draw)
    request = asked(manifest=str(manifest), **toys.three, by="gender", many_faces="refuse", workers=2)
    request["models"]["no_isolation"] = (
        kills < 20
    )  # few kills must fall into the parts, and not into the start of processes
    done = subprocess.run(
        [sys.executable, "-c", NURSERY, str(tmp_path), str(kills), json.dumps(request)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280 if kills < 20 else 3000,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["stages"]) == kills
    assert "parts" in told["stages"], told
    unbroken = tables(tmp_path / "unbroken")
    assert {"faces.parquet", "predictions.parquet", "embeddings.npy", "rates.csv", "gaps.csv", "age.csv"} <= set(
        unbroken
    )
    for number in range(told["folders"]):
        broken = tables(tmp_path / f"run{number}")
        assert set(broken) == set(unbroken)
        assert [name for name in unbroken if broken[name] != unbroken[name]] == []
        assert recheck(tmp_path / f"run{number}") == []
