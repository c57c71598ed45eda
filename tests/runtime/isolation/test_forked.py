"""Processes of models as copies of the fork server: the same restrictions as newly started ones, and the same ends."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError, ModelStoppedError
from facegap.runtime.isolation import forked, process
from facegap.runtime.isolation.forked import Forked
from facegap.runtime.models import isolation_of, open_model, stop_model
from fixtures import hostile_graphs as hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is of Linux")

PICTURES = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)
ENDS_WITHIN_S = 10.0


def opened(content: bytes | None = None, **words: Any) -> Any:
    given = {"name": "toy", "file": "toy.onnx", "timeout_s": 60.0, **words}
    return open_model(hostile.sound() if content is None else content, **given)


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Opens a model in a newly started process, as on systems where processes cannot be forked."""

    def made() -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(process, "forked", lambda words, environment: None)
            return opened()

    return made


def copy_of(made: Any) -> Forked:
    popen = made._process.popen
    assert isinstance(popen, Forked)
    return popen


def stated(pid: int) -> dict[str, str]:
    """What the system reports on the restrictions of a process."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    limits = Path(f"/proc/{pid}/limits").read_text("ascii")
    named = {name: re.search(rf"^{name}:\s*(.*)$", status, re.M)[1] for name in ("Seccomp", "NoNewPrivs")}  # type: ignore[index]
    for name in ("Max open files", "Max core file size"):
        named[name] = " ".join(re.search(rf"^{name} (.*)$", limits, re.M)[1].split())  # type: ignore[index]
    cpu = re.search(r"^Max cpu time +(\S+)", limits, re.M)[1]  # type: ignore[index]
    return named | {"processor time is limited": str(cpu != "unlimited")}


def handles(pid: int) -> list[str]:
    """The open handles of a process, without numbers."""
    return sorted(re.sub(r"\d+", "", str(path.readlink())) for path in Path(f"/proc/{pid}/fd").iterdir())


def variables(pid: int) -> list[bytes]:
    """The environment of a process."""
    return sorted(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))


def gone(pid: int) -> bool:
    """Whether a process ends soon; zombies count as ended."""
    until = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < until:
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text("ascii"):
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_copy_has_the_walls_the_handles_and_the_answers_of_a_process_that_is_started_anew(anew: Any) -> None:
    copy, plain = opened(), anew()
    one, other = copy_of(copy).pid, plain._process.popen.pid
    time.sleep(2 * process.LOOK_EVERY_S)  # until the limit on processor time is set
    assert isolation_of(copy).restrictions == isolation_of(plain).restrictions
    assert stated(one) == stated(other)
    assert handles(one) == handles(other)
    assert os.getpgid(one) == one and os.getpgid(other) == other
    assert variables(one) == variables(other)
    assert str(Path(f"/proc/{one}/cwd").readlink()).endswith(" (deleted)")
    assert copy.run(None, {"x": PICTURES})[0].tobytes() == plain.run(None, {"x": PICTURES})[0].tobytes()
    stop_model(copy)
    stop_model(plain)


def test_models_are_copies_of_one_server_which_has_one_thread_and_no_model() -> None:
    one, other = opened(), opened()
    server = copy_of(one)._server
    assert copy_of(other)._server is server
    assert copy_of(one).pid != copy_of(other).pid
    assert len(list(Path(f"/proc/{server.popen.pid}/task").iterdir())) == 1
    assert len(handles(server.popen.pid)) == 4  # none of a copy: three for /dev/null, and its socket
    stop_model(one)
    assert other.run(None, {"x": PICTURES})[0].shape == (3, 3)
    stop_model(other)
    assert copy_of(one).poll() == copy_of(other).poll() == -signal.SIGKILL


def test_a_copy_that_ended_keeps_its_pid_until_it_was_asked_for_its_end() -> None:
    made = opened()
    copy = copy_of(made)
    os.kill(copy.pid, signal.SIGSEGV)
    with pytest.raises(ModelStoppedError, match=r"crashed \(SIGSEGV\)"):
        made.run(None, {"x": PICTURES})
    assert copy.poll() == -signal.SIGSEGV
    assert not Path(f"/proc/{copy.pid}").exists()


def test_a_server_that_was_killed_takes_no_model_with_it_and_the_next_model_gets_another() -> None:
    made = opened()
    server = copy_of(made)._server
    server.popen.kill()
    server.popen.wait()
    assert made.run(None, {"x": PICTURES})[0].shape == (3, 3)
    second, third = opened(), opened()  # the second finds that the server has ended
    assert all(model.run(None, {"x": PICTURES})[0].shape == (3, 3) for model in (second, third))
    assert copy_of(third)._server is not server
    pid = copy_of(made).pid
    for model in (made, second, third):
        stop_model(model)
    assert gone(pid)
    assert copy_of(made).poll() == -signal.SIGKILL


def test_an_answer_that_was_not_waited_for_is_not_taken_for_that_of_the_next_request() -> None:
    made = opened()
    server = copy_of(made)._server

    class Interrupted:
        """A socket whose reply is preceded by Ctrl-C."""

        def __getattr__(self, name: str) -> Any:
            return getattr(control, name)

        def recvmsg(self, *given: Any) -> Any:
            raise KeyboardInterrupt

    control = server.control
    server.control = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        opened()
    server.control = control
    after = opened()
    assert after.run(None, {"x": PICTURES})[0].shape == (3, 3)
    assert opened()._process.popen._server is not server
    stop_model(after)


def test_other_variables_for_the_loader_get_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened()
    monkeypatch.setenv("VENDOR_KEY", "a key of nobody")  # no copy gets it
    same = opened()
    monkeypatch.setenv("LC_ALL", "C")
    other = opened()
    assert copy_of(same)._server is copy_of(before)._server
    assert copy_of(other)._server is not copy_of(before)._server
    assert b"LC_ALL=C" in Path(f"/proc/{copy_of(other).pid}/environ").read_bytes()
    for model in (before, same, other):
        stop_model(model)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN])
def test_where_the_system_gives_no_further_process_or_file_the_error_says_what_to_do(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(forked.Server, "ask", refused)
    with pytest.raises(
        ModelError, match=r"toy: cannot start a process for the model toy\.onnx: .*ulimit -n, ulimit -u"
    ):
        opened()


LIMITED = """
import resource
from fixtures import hostile_graphs
from facegap.errors import ModelError
from facegap.runtime.models import open_model
first = open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0)
server = first._process.popen._server.popen.pid
most = resource.prlimit(server, resource.RLIMIT_NOFILE)
resource.prlimit(server, resource.RLIMIT_NOFILE, (6, most[1]))
for lanes in (4, 1):
    try:
        open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0, at_once=lanes)
    except ModelError as error:
        print(error)
resource.prlimit(server, resource.RLIMIT_NOFILE, most)
print(len(open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0).get_inputs()))
"""


def run(script: str, *words: str) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True, env=env)


def test_a_server_with_few_open_files_says_so_and_goes_on() -> None:
    with run(LIMITED) as audit:
        lines = audit.communicate(timeout=120)[0].splitlines()
    assert len(lines) == 3 and lines[2] == "1", lines
    assert all(
        line.startswith("toy: cannot start a process for the model toy: Too many open files") for line in lines[:2]
    )


AUDIT = """
import os, sys, time
import numpy as np
from fixtures import hostile_graphs
from facegap.runtime.models import open_model
made = open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0)
copy = made._process.popen
print(copy.pid, copy._server.popen.pid, flush=True)
if sys.argv[1] == "fork":
    if os.fork() == 0:
        other = open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0)
        print(int(other._process.popen._server is copy._server), flush=True)
        sys.exit()  # as a worker may end
    os.wait()
    print(made.run(None, {"x": np.zeros((1, 3, 64, 64), np.float32)})[0].shape, flush=True)
    again = open_model(hostile_graphs.sound(), name="toy", timeout_s=60.0)
    print(int(again._process.popen._server is copy._server), flush=True)
else:
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_neither_the_server_nor_its_copies_outlive_the_audit(how: signal.Signals) -> None:
    with run(AUDIT, "wait") as audit:
        assert audit.stdout is not None
        pids = [int(pid) for pid in audit.stdout.readline().split()]
        audit.send_signal(how)
        audit.wait(30)
        assert all(gone(pid) for pid in pids)


def test_a_process_that_was_forked_from_an_audit_has_a_server_of_its_own_and_ends_no_other() -> None:
    with run(AUDIT, "fork") as audit:
        lines = audit.communicate(timeout=120)[0].splitlines()
    assert lines[1:] == ["0", "(1, 3)", "1"]
    assert all(gone(int(pid)) for pid in lines[0].split())
