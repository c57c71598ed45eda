"""Every command that writes a run, killed or out of disk at a random moment of any phase, ends as if nothing had happened.

One process loads every module once and forks the commands. Each attempt is killed within the time that an unbroken one takes,
or meets a disk that is full from some write on; then the same command, with --resume where the command has it, goes on. What
ends must be the files of an unbroken run to the byte, timings and the files that state them apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.audit.run import recheck
from fixtures.campaigns import campaign
from fixtures.interrupted import drawn_people, tables

NURSERY = """
import errno, importlib, json, os, random, shutil, signal, sys, time
from facegap.vision import pipeline

pipeline.PART_ROWS = 8
from facegap.cli import main

folder, commands, kills, disks, seed = sys.argv[1], json.loads(sys.argv[2]), *map(int, sys.argv[3:6])
chance = random.Random(seed)


def full_after(writes):
    # the disk is full from the n-th time on that something is put on it
    real, count = os.fsync, [0]

    def fsync(descriptor):
        count[0] += 1
        if count[0] > writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    os.fsync = fsync


def started(argv, log, writes=None):
    child = os.fork()
    if child == 0:
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if writes is not None:
            full_after(writes)
        sys.argv = ["facegap", *argv]
        code = 1
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        if "modules" in log:
            with open(log + ".json", "w") as file:
                json.dump(sorted(sys.modules), file)
        os._exit(code)
    return child


def ended(child, within_s):
    deadline = time.perf_counter() + within_s
    while time.perf_counter() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


told = {}
for name, (argv, again) in commands.items():
    def at(words, place):
        return [word.replace("@", place) for word in words]

    prepared = os.path.join(folder, f"{name}-before")
    def place_of(number):
        place = os.path.join(folder, f"{name}-{number}")
        if os.path.isdir(prepared):
            shutil.copytree(prepared, place)
        return place

    first = os.path.join(folder, f"{name}-modules.log")
    assert ended(started(at(argv, place_of("first")), first), 250) == 0, open(first).read()
    for module in json.load(open(first + ".json")):
        if module.split(".")[0] in ("facegap", "numba", "pandas", "pyarrow", "scipy", "onnxruntime", "onnx", "altair"):
            importlib.import_module(module)
    whole = place_of("whole")
    before = time.perf_counter()
    assert ended(started(at(argv, whole), os.path.join(folder, f"{name}-whole.log")), 250) == 0
    took_s = time.perf_counter() - before
    found = {"took_s": took_s, "killed": 0, "full": 0, "lost": [], "phases": []}
    number = 0
    for kind, count in (("kill", kills), ("full", disks)):
        broken = 0
        while broken < count:
            number += 1
            place, log = place_of(number), os.path.join(folder, f"{name}-{number}.log")
            words = argv
            while True:  # one folder, interrupted again and again until an attempt comes to its end
                last = broken >= count or chance.random() < 0.3
                if last:
                    code = ended(started(at(words, place), log), 250)
                elif kind == "kill":
                    code = ended(started(at(words, place), log), chance.random() * took_s)
                else:
                    code = ended(started(at(words, place), log, writes=int(chance.expovariate(1 / 25))), 250)
                if code is None or (kind == "full" and not last and code != 0):
                    broken += 1
                    found["killed" if kind == "kill" else "full"] += 1
                    names = set(os.listdir(place)) if os.path.isdir(place) else set()
                    found["phases"].append("report" if "figures" in names else "whole" if "SHA256SUMS" in names
                        else "tables" if "faces.parquet" in names else "parts" if "parts" in names else "begun")
                    if code not in (None, 2):
                        found["lost"].append([number, kind, code])
                    words = again
                    continue
                if code != 0:
                    found["lost"].append([number, kind, code])
                break
    found["folders"] = number
    told[name] = found
print(json.dumps(told))
"""


def inputs_of(folder: Path, manifest: Path, count: int) -> None:
    """Answers, templates and scores of black boxes for the drawn people."""
    rng = np.random.default_rng(4)
    (folder / "answers.csv").write_text(
        "image,prediction\n" + "".join(f"{k}.png,{rng.choice(['male', 'female'])}\n" for k in range(count))
    )
    np.save(folder / "t.npy", rng.normal(size=(count, 8)).astype(np.float32))
    rows = [
        f"{a}.png,{b}.png,{rng.normal() + 3 * (a // 2 == b // 2):.4f}"
        for a in range(count)
        for b in range(a)
        if (a + b) % 3
    ]
    (folder / "s.csv").write_text("left,right,score\n" + "\n".join(rows) + "\n")


COMMANDS = ("audit", "audit-predictions", "audit-embeddings", "audit-scores", "report")


@pytest.mark.parametrize(
    ("name", "kills", "disks"),
    [
        pytest.param("audit", 2, 1, id="short"),
        *(pytest.param(name, 10, 4, id=f"full-{name}", marks=campaign) for name in COMMANDS),
    ],
)
def test_a_command_that_is_interrupted_anywhere_ends_like_one_that_was_not(
    tmp_path: Path, toys: Any, draw: Any, name: str, kills: int, disks: int
) -> None:
    (tmp_path / "images").mkdir()
    manifest = drawn_people(tmp_path / "images", draw)
    inputs_of(tmp_path, manifest, 64)
    people, threshold = str(manifest), ["--threshold", "0.5"]
    models = [part for key, card in toys.three.items() if key != "threshold" for part in (f"--{key}", card)]
    begin: dict[str, list[str]] = {
        "audit": ["audit", people, *models, *threshold, "--by", "gender", "--many-faces", "refuse", "--allow-missing"],
        "audit-predictions": ["audit-predictions", str(tmp_path / "answers.csv"), people, "--by", "gender"],
        "audit-embeddings": ["audit-embeddings", str(tmp_path / "t.npy"), people, "--by", "gender", *threshold],
        "audit-scores": ["audit-scores", str(tmp_path / "s.csv"), "--manifest", people, "--by", "gender", *threshold],
        "report": ["report", "@"],
    }
    command = begin[name] if name == "report" else [*begin[name], "--out", "@"]
    again = command if name == "report" else [*command, "--resume"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if name == "report":
        made = [*begin["audit-predictions"], "--out", str(tmp_path / "report-before")]
        run(["-m", "facegap.cli", *made], environment)
    commands = json.dumps({name: [command, again]})
    seed = str(1 + sorted(begin).index(name))
    out = run(["-c", NURSERY, str(tmp_path), commands, str(kills), str(disks), seed], environment)
    told = json.loads(out.splitlines()[-1])[name]
    assert (told["killed"], told["full"]) == (kills, disks)
    logs = "".join(path.read_text() for path in tmp_path.glob(f"{name}-*.log"))
    assert "Traceback" not in logs, logs[logs.index("Traceback") :][:4000]
    assert told["lost"] == [], logs[-3000:]
    whole = tables(tmp_path / f"{name}-whole")
    whole.pop("report.html")
    assert any(path.startswith("figures/") and path.endswith(".pdf") for path in whole)
    for number in range(1, told["folders"] + 1):
        ended = tables(tmp_path / f"{name}-{number}")
        ended.pop("report.html")
        assert set(ended) == set(whole)
        assert [path for path in whole if ended[path] != whole[path]] == []
        assert recheck(tmp_path / f"{name}-{number}") == []
    print(f"{name}: {told['killed']} kills, {told['full']} full disks in {told['phases']}")


def run(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=3400, env=environment
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
