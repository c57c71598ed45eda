"""Ctrl-C: a command ends soon whatever it is doing, at once after a second Ctrl-C, and leaves no process behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from facegap.cli.interrupt import CODE
from fixtures.campaigns import campaign

# The first argument is the grace period; then an endless model runs in this process, where no signal reaches Python.
STUCK = """
import signal, sys
import numpy as np
from facegap.cli import interrupt
from fixtures import hostile_graphs
from facegap.runtime.models import open_model
interrupt.GRACE_S = float(sys.argv[1])
model = open_model(hostile_graphs.endless(), name="toy", timeout_s=None)
signal.signal(signal.SIGINT, lambda *_: None)  # as if Python never came to see it
interrupt.end_soon("stopped")
print("ready", flush=True)
model.run(None, {"x": np.zeros((1, 3, 64, 64), np.float32)})
"""
POOL = """
import sys, time
from facegap.cli import interrupt
from facegap.worlds.pool import in_processes
if __name__ == "__main__":
    interrupt.end_soon("stopped")
    print("ready", flush=True)
    try:
        list(in_processes(time.sleep, [(3600,), (3600,)], 2))
    except KeyboardInterrupt:  # as the command line does
        sys.exit(interrupt.CODE)
"""
MOMENTS = 20


def started(words: list[str], **given: Any) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *words], stdout=pipe, stderr=pipe, text=True, env=env, **given)


def below(pid: int) -> set[int]:
    """The processes started by a process, and their descendants."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}/task")
        children = [int(child) for task in place.glob("*/children") for child in task.read_text().split()]
        waiting += children
        found |= set(children)
    return found


def wait_until_gone(pids: set[int]) -> None:
    """Wait for processes to end, as long as a test may take."""
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
        time.sleep(0.05)


def test_ctrl_c_ends_a_command_that_python_cannot_interrupt() -> None:
    with started(["-c", STUCK, "0.1"]) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        command.send_signal(signal.SIGINT)
        assert "stopped" in command.communicate()[1]
    assert command.returncode == CODE


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    with started(["-c", STUCK, "86400"]) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        command.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):  # the grace period is a day
            command.wait(1)
        command.send_signal(signal.SIGINT)
        assert "stopped" in command.communicate()[1]
    assert command.returncode == CODE


LOADING = """
import signal, sys
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "facegap.demo.command":
            print("loading", flush=True)
            signal.pause()
sys.meta_path.insert(0, Slow())
sys.argv = ["/usr/bin/facegap", "demo"]
from facegap.cli import main
"""
ENDING = """
import os, signal, sys, threading
import facegap.cli
app = sys.modules["facegap.cli.app"]
app.app = lambda: sys.exit(0)  # the command is done
sys.argv = ["facegap", "demo"]
try:
    app.main()
finally:
    print("ending", flush=True)
    signal.pause()
"""
BEGINNING = """
import signal, sys
import facegap.cli
def wait(*_):
    print("beginning", flush=True)
    signal.pause()
sys.modules["facegap.cli.app"].write_any_text = wait  # before anything catches errors
sys.argv = ["facegap", "demo"]
facegap.cli.main()
"""


@pytest.mark.parametrize("script", [LOADING, BEGINNING, ENDING], ids=["loading", "beginning", "ending"])
def test_ctrl_c_while_loading_starting_or_exiting_gives_its_exit_code_and_no_traceback(
    script: str,
) -> None:
    with started(["-c", script]) as command:
        assert command.stdout is not None
        assert command.stdout.readline() in ("loading\n", "beginning\n", "ending\n")
        command.send_signal(signal.SIGINT)
        assert "Traceback" not in command.communicate()[1]
    assert command.returncode == CODE


CLOSING = """
import atexit, sys
import facegap.cli
atexit.register(lambda: (print("closing", flush=True), sys.stdin.read(1)))  # as libraries do, after facegap itself
sys.modules["facegap.cli.app"].app = lambda: sys.exit(0)  # the command is done
sys.argv = ["facegap", "demo"]
facegap.cli.main()
"""


def test_ctrl_c_after_a_finished_command_is_not_a_failure() -> None:
    with started(["-c", CLOSING], stdin=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "closing\n"
        command.send_signal(signal.SIGINT)
        assert command.communicate("x")[1] == ""
    assert command.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_leaves_no_worker_of_a_pool_behind(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    with started([str(tmp_path / "pool.py")]) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        while len(workers := below(command.pid)) < 2:
            time.sleep(0.05)
        command.send_signal(signal.SIGINT)
        command.communicate()
    assert command.returncode == CODE
    wait_until_gone(workers)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_audit_that_waits_for_a_model_without_end_is_stopped_with_its_model(
    tmp_path: Path, toys: Any, test_data: Path, draw: Any, encode: Any
) -> None:
    (tmp_path / "a.png").write_bytes(encode(".png", draw(green=200)))
    (tmp_path / "people.csv").write_text("image,gender\na.png,female\n")
    card = test_data / "cases" / "security" / "loop_endless.toml"
    words = ["audit", str(tmp_path / "people.csv"), "--detect", toys.card("detector"), "--classify", str(card)]
    with started(["-m", "facegap.cli", *words, "--out", str(tmp_path / "run")]) as command:
        while len(models := below(command.pid)) < 2:
            time.sleep(0.05)
        command.send_signal(signal.SIGINT)
        assert "facegap: stopped; completed work is kept; continue with --resume" in command.communicate()[1]
    assert command.returncode == CODE
    wait_until_gone(models)


# Started like /usr/bin/facegap; prints when its own code starts, because before that Python exits by the signal.
BEGINS = """
import sys
class First:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            sys.meta_path.remove(self)
            print("begun", flush=True)
sys.meta_path.insert(0, First())
sys.argv = ["facegap", *sys.argv[1:]]
from facegap.cli import main
main()
"""


@campaign
def test_ctrl_c_at_any_moment_of_an_audit_ends_it_soon(tmp_path: Path, toys: Any, draw: Any) -> None:
    from fixtures.interrupted import drawn_people

    (tmp_path / "images").mkdir()
    models = [part for key, card in toys.three.items() if key != "threshold" for part in (f"--{key}", card)]
    people = str(drawn_people(tmp_path / "images", draw))
    words = ["-c", BEGINS, "audit", people, *models, "--threshold", "0.5", "--allow-missing", "--by", "gender", "--out"]

    def begun(place: str) -> subprocess.Popen[str]:
        command = started([*words, str(tmp_path / place)], process_group=0)
        assert command.stdout is not None
        assert command.stdout.readline() == "begun\n"
        return command

    start = time.perf_counter()
    with begun("whole") as command:
        command.communicate()
    whole_s = time.perf_counter() - start
    chance, took = random.Random(1), []
    for moment in range(MOMENTS):
        with begun(str(moment)) as command:
            time.sleep(chance.random() * whole_s)
            pressed = time.perf_counter()
            if command.poll() is None:
                os.killpg(command.pid, signal.SIGINT)  # like a terminal, also to the processes of models and charts
            said = command.communicate()[1]
            if command.returncode == CODE:
                took.append(time.perf_counter() - pressed)
        assert command.returncode in (0, CODE)
        assert "Traceback" not in said
    print(
        f"Ctrl-C at {len(took)} moments of {whole_s:.1f} s: {min(took):.2f} to {max(took):.2f} s, load {os.getloadavg()[0]:.1f}"
    )
    assert (
        len(took) > MOMENTS / 2
    )  # times are printed only; two seconds are specified, but a busy machine may be slower
