"""A model in a separate process: the same numbers, and every attempt to do harm is an error that names the file."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import FacegapError, ModelError, ModelStoppedError
from facegap.runtime.isolation import messages, process, restrictions, session
from facegap.runtime.isolation.session import IsolatedSession
from facegap.runtime.models import isolation_of, open_model, stop_model
from fixtures import hostile_graphs as hostile
from fixtures.campaigns import short_and_full

PICTURES = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="restrictions of Linux")


def opened(content: bytes, **words: Any) -> Any:
    return open_model(content, **{"name": "toy", "file": "toy.onnx", "timeout_s": 60.0, **words})


@pytest.fixture(scope="module")
def mean() -> Iterator[Any]:
    made = opened(hostile.sound(), at_once=3)
    yield made
    stop_model(made)


def gone(pid: int, within_s: float = 10) -> bool:
    """Whether a process ends soon; zombies count as ended."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text("ascii"):
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


# ---- the same numbers ----


def test_the_mean_of_a_picture_of_sevens_is_seven(mean: Any) -> None:
    assert mean.run(["y"], {"x": np.full((1, 3, 64, 64), 7, np.float32)})[0].tolist() == [[7, 7, 7]]


def test_ports_providers_and_bytes_are_those_of_a_session_in_this_process(mean: Any) -> None:
    plain = opened(hostile.sound(), timeout_s=None)
    for one, other in ((mean.get_inputs(), plain.get_inputs()), (mean.get_outputs(), plain.get_outputs())):
        assert [(p.name, p.type, list(p.shape)) for p in one] == [(p.name, p.type, list(p.shape)) for p in other]
    assert mean.get_providers() == plain.get_providers() == ["CPUExecutionProvider"]
    assert mean.run(None, {"x": PICTURES})[0].tobytes() == plain.run(None, {"x": PICTURES})[0].tobytes()
    assert not isolation_of(plain).isolated


def test_several_threads_get_their_own_answers(mean: Any) -> None:
    def ask(value: int) -> bool:
        given = np.full((1 + value % 4, 3, 64, 64), value, np.float32)
        return bool((mean.run(None, {"x": given})[0] == value).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(100)))


def test_a_batch_larger_than_the_shared_memory_goes_through_the_connection(
    mean: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ROOM_BYTES", 4096)
    small = opened(hostile.sound())
    assert small.run(None, {"x": PICTURES})[0].tobytes() == mean.run(None, {"x": PICTURES})[0].tobytes()
    stop_model(small)


def test_where_there_is_no_shared_memory_everything_goes_through_the_connection(
    mean: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "shared_memory", lambda size: None)
    piped = opened(hostile.sound())
    assert piped.run(None, {"x": PICTURES})[0].tobytes() == mean.run(None, {"x": PICTURES})[0].tobytes()
    stop_model(piped)


def test_an_input_that_the_graph_refuses_is_an_error_and_the_next_batch_is_answered(mean: Any) -> None:
    with pytest.raises(ModelError, match=r"toy: the model fails on input of shape \(1, 1, 64, 64\)"):
        mean.run(None, {"x": PICTURES[:1, :1]})
    assert mean.run(None, {"x": PICTURES})[0].shape == (3, 3)


@pytest.mark.real
@pytest.mark.parametrize("name", ["yunet_2023mar", "face_reid_0095", "mobileface_v2", "faceapi_age_gender"])
def test_real_models_give_the_same_bytes_under_restrictions(test_data: Path, name: str) -> None:
    content = (test_data / "models" / f"{name}.onnx").read_bytes()
    isolated, plain = (opened(content, timeout_s=timeout) for timeout in (120.0, None))
    (port,) = plain.get_inputs()
    shape = [2 if k == 0 and not isinstance(side, int) else side for k, side in enumerate(port.shape)]
    given = {port.name: np.random.default_rng(1).random([int(side) for side in shape]).astype(np.float32) * 255}
    names = [output.name for output in plain.get_outputs()]
    one, other = (ready.run(names, given) for ready in (isolated, plain))
    assert [(a.dtype, a.shape, a.tobytes()) for a in one] == [(b.dtype, b.shape, b.tobytes()) for b in other]
    assert isolated.nodes == {"CPUExecutionProvider": sum(isolated.nodes.values())}
    stop_model(isolated)


# ---- restrictions ----


@LINUX
def test_the_walls_that_stand_are_listed(mean: Any) -> None:
    said = isolation_of(mean)
    assert {
        restrictions.OWN_PROCESS,
        restrictions.DEADLINE,
        restrictions.EMPTY_FOLDER,
        restrictions.OPEN_FILES,
        restrictions.ADDRESS_SPACE,
    } <= set(said.restrictions)
    assert set(said.restrictions) | set(said.absent) == set(restrictions.ALL_RESTRICTIONS)
    assert not set(said.restrictions) & set(said.absent)
    assert said.memory_bytes >= 1024**3


@LINUX
def test_the_process_knows_no_key_of_a_service_and_stands_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", "very secret")
    made = opened(hostile.sound())
    pid = made._process.popen.pid
    assert b"very secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    # A removed folder cannot contain files, and is not left behind if the audit is killed.
    assert str(Path(f"/proc/{pid}/cwd").readlink()).endswith(" (deleted)")
    assert made._process.folder is None
    stop_model(made)


def test_the_process_of_a_model_loads_numpy_and_onnxruntime_and_none_of_the_heavy_packages() -> None:
    script = "import sys; from facegap.runtime.isolation import worker; worker.warm_up(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"numpy", "onnxruntime"} <= loaded
    assert not loaded & {"pandas", "pydantic", "altair", "scipy", "numba", "onnx", "cv2", "pyarrow", "typer"}


TRIES = """
import os, resource, socket, sys, threading
from facegap.runtime.isolation import restrictions, worker
worker.warm_up()
kept = os.open(os.devnull, os.O_WRONLY)
print(sorted(restrictions.apply(2**31)))
def tried(what, *given):
    try:
        what(*given)
    except (OSError, MemoryError, ValueError) as error:
        return type(error).__name__
    return "worked"
print([tried(open, "/etc/passwd"), tried(open, "new", "w"), tried(socket.socket), tried(os.fork), tried(bytearray, 2**33)])
print([tried(os.unlink, "x"), tried(os.mkdir, "y"), tried(os.rename, "a", "b"), tried(os.chmod, "/tmp", 0)])
print(tried(resource.setrlimit, resource.RLIMIT_NOFILE, (64, 64)), os.write(kept, b"x"))
thread = threading.Thread(target=lambda: print("a thread", tried(open, "/etc/passwd"))); thread.start(); thread.join()
"""


@LINUX
def test_behind_the_walls_nothing_opens_nothing_is_made_and_nothing_starts(tmp_path: Path) -> None:
    pytest.importorskip("pyseccomp")
    done = subprocess.run([sys.executable, "-c", TRIES], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == str(sorted((restrictions.ADDRESS_SPACE, restrictions.OPEN_FILES, restrictions.SYSTEM_CALLS)))
    assert lines[1] == "['PermissionError', 'PermissionError', 'PermissionError', 'PermissionError', 'MemoryError']"
    assert lines[2] == str(["PermissionError"] * 4)
    assert lines[3] in ("PermissionError 1", "ValueError 1")
    assert lines[4] == "a thread PermissionError"
    assert list(tmp_path.iterdir()) == []


# ---- harm ----


def test_a_loop_that_never_ends_is_an_error_that_names_the_file_and_the_option() -> None:
    endless = opened(hostile.endless())
    endless._process.guarded = replace(
        endless._process.guarded, timeout_s=2.0
    )  # opening may take longer on a busy machine
    for _ in range(2):  # the second fails immediately
        with pytest.raises(
            ModelStoppedError, match=r"toy: the model toy\.onnx did not respond within 2 s on input .*--model-timeout"
        ):
            endless.run(None, {"x": PICTURES})
    assert endless._process.popen.poll() == -signal.SIGKILL


@LINUX
def test_a_crash_is_an_error_that_names_the_signal_for_every_thread() -> None:
    endless = opened(hostile.endless(), at_once=2)
    threading.Timer(1.0, os.kill, (endless._process.popen.pid, signal.SIGSEGV)).start()
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(endless.run, None, {"x": PICTURES}) for _ in range(2)]
    for task in tasks:
        with pytest.raises(
            ModelStoppedError, match=r"toy: the model toy\.onnx crashed \(SIGSEGV\) on input of shape .*; the file"
        ):
            task.result()


@LINUX
@pytest.mark.parametrize("size", [2**33, 2**40])
def test_an_output_beyond_the_memory_limit_is_an_error_and_not_the_end_of_the_machine(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "memory_limit", lambda *given, **words: 2**30)
    with pytest.raises(
        ModelError, match=r"may use 1\.0 GiB; use a smaller --batch|crashed|the model fails|cannot open"
    ):
        opened(hostile.terabytes(size)).run(None, {"x": PICTURES})


@LINUX
def test_a_process_that_is_killed_from_outside_says_so(graphs: Any) -> None:
    made = opened(graphs.mean_of_channels())
    os.kill(made._process.popen.pid, signal.SIGKILL)
    with pytest.raises(
        ModelStoppedError,
        match=r"was killed from outside \(SIGKILL\).*; operating systems do this when memory runs out",
    ):
        made.run(None, {"input": np.zeros((1, 3, 16, 16), np.float32)})


def test_a_session_that_nobody_holds_any_more_takes_its_process_with_it() -> None:
    made = opened(hostile.sound())
    pid = made._process.popen.pid
    del made
    gc.collect()
    assert gone(pid)


def test_an_error_while_opening_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    real = process.running

    def counted(words: messages.Words) -> Any:
        popen, folder = real(words)
        begun.append(popen.pid)
        return popen, folder

    monkeypatch.setattr(process, "running", counted)
    with pytest.raises(ModelError, match="toy: onnxruntime cannot open this file"):
        opened(hostile.model([hostile_node()]))
    assert len(begun) == 1 and gone(begun[0])


def hostile_node() -> Any:
    from onnx import helper

    return helper.make_node("NoSuchOperator", ["x"], ["y"])


ORPHAN = """
import sys, time, threading
import numpy as np
from fixtures import hostile_graphs
from facegap.runtime.models import open_model
made = open_model(hostile_graphs.endless(), name="toy", timeout_s=600.0)
threading.Thread(target=made.run, args=(None, {"x": np.zeros((1, 3, 64, 64), np.float32)}), daemon=True).start()
time.sleep(0.5)
print(made._process.popen.pid, flush=True)
time.sleep(600)
"""


@LINUX
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_audit_that_started_it_however_it_ends(how: signal.Signals) -> None:
    tests = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, env=env) as audit:
        assert audit.stdout is not None
        pid = int(audit.stdout.readline())
        assert not gone(pid, 0.2)
        audit.send_signal(how)
        audit.wait(30)
        assert gone(pid)


# ---- a process that sends false messages ----


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"arrays": []}, "did not return the"),
        ({"arrays": [["<f4", [1], 2**40]]}, "outside its limits"),
        ({"arrays": [["<f4", [2**30, 2**30], None]]}, "outside its limits"),
        ({"arrays": [["<f4", [-1], 0]]}, "an unknown type or shape"),
        ({"arrays": [["|O8", [1], 0]]}, "an unknown type or shape"),
        ({"arrays": [["<f4", [1] * 99, 0]]}, "an unknown type or shape"),
        ({"arrays": [["<f4", [1], True]]}, "outside its limits"),
        ({"arrays": [["<f4", [1], 3]]}, "outside its limits"),
        ({"arrays": 7}, "did not return the"),
        ({}, "did not return the"),
    ],
)
def test_what_the_process_says_of_its_arrays_is_held_to_the_shared_memory(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(messages.Untrue, match=words):
        messages.places_of(answer, "arrays", 1, 4096)


@pytest.mark.parametrize("said", [b"", b"[]", b"\xff", b"{" * 5000, b'{"inputs": [[1, 2]]}', b'{"inputs": {}}'])
def test_a_header_that_is_none_is_not_believed(said: bytes) -> None:
    mine, theirs = process.pair()
    theirs.send_bytes(said)
    with pytest.raises(messages.Untrue):
        messages.description_of(messages.receive(mine))


def test_batches_of_changing_shapes_are_answered_as_in_this_process(mean: Any) -> None:
    here = open_model(hostile.sound(), name="toy", timeout_s=None)
    for count in (2, 2, 1, 3, 3, 1, 2):
        pictures = np.random.default_rng(count).normal(size=(count, *PICTURES.shape[1:])).astype(np.float32)
        theirs, ours = (model.run(None, {"x": pictures}) for model in (mean, here))
        assert [array.tobytes() for array in theirs] == [array.tobytes() for array in ours]


@pytest.mark.parametrize("room_bytes", [0, 2**18, process.ROOM_BYTES])
def test_batches_that_are_sent_ahead_are_answered_in_their_order(
    monkeypatch: pytest.MonkeyPatch, room_bytes: int
) -> None:
    # An image takes 48 KiB: with three in half of 256 KiB, or without shared memory, the numbers follow the header.
    monkeypatch.setattr(process, "ROOM_BYTES", room_bytes)
    if not room_bytes:
        monkeypatch.setattr(process, "shared_memory", lambda size: None)
    counts = (1, 1, 3, 1, 5, 5, 1, 1, 1, 2)
    feeds = [
        {"x": np.random.default_rng(k).normal(size=(count, 3, 64, 64)).astype(np.float32)}
        for k, count in enumerate(counts)
    ]
    here, there = opened(hostile.sound(), timeout_s=None), opened(hostile.sound())
    for _ in range(2):
        found = there.run_each(None, feeds)
        assert [one.tobytes() for (one,) in found] == [here.run(None, feed)[0].tobytes() for feed in feeds]
    assert there.run_each(None, []) == []
    stop_model(there)


def test_a_batch_that_is_refused_leaves_no_answer_to_the_next_one(mean: Any) -> None:
    good, bad = {"x": np.full((1, 3, 64, 64), 4, np.float32)}, {"x": np.zeros((1, 3, 64), np.float32)}
    for feeds in ([good, bad, good, good], [bad, good], [good, bad], [bad, bad, bad]):
        with pytest.raises(ModelError, match="toy"):
            mean.run_each(None, feeds)
        assert mean.run(None, {"x": np.full((1, 3, 64, 64), 9, np.float32)})[0].tolist() == [[9, 9, 9]]


def test_outputs_whose_shape_depends_on_the_numbers_are_answered_as_in_this_process() -> None:
    here, there = opened(hostile.places(), timeout_s=None), opened(hostile.places())
    feeds = []
    for lit in (3, 3, 3, 5, 0, 2, 3, 3):
        feeds.append({"x": np.zeros((1, 3, 64, 64), np.float32)})
        feeds[-1]["x"].flat[: 7 * lit : 7] = 1
    for feed, (found,) in zip(feeds, there.run_each(None, feeds), strict=True):
        assert np.array_equal(found, here.run(None, feed)[0])
        assert np.array_equal(there.run(None, feed)[0], found)
    stop_model(there)


def test_each_batch_that_is_sent_ahead_has_the_whole_deadline() -> None:
    lane = process.Lane(process.pair()[0], None)
    watched: Any = type("Watched", (), {"guarded": type("Held", (), {"timeout_s": 60.0}), "why": None})
    with session.under_way(watched, lane, "one") as guard:
        first = lane.until
        time.sleep(0.01)
        guard.next("two")
        assert first is not None
        assert lane.until is not None
        assert lane.until > first
    assert lane.until is None


def test_what_is_made_of_something_is_made_once_and_the_last_two_are_kept() -> None:
    memo: messages.Memo[list[int]] = messages.Memo()
    first = memo.of((1, 2), lambda: [1])
    assert memo.of((1, 2), lambda: [2]) is first
    with pytest.raises(ZeroDivisionError):
        memo.of((1, 3), lambda: [1 // 0])
    assert memo.of((1, 2), lambda: [4]) is first
    assert memo.of((1, 3), lambda: [3]) == [3]
    assert memo.of((1, 2), lambda: [4]) is first
    assert memo.of((1, 4), lambda: [5]) == [5]
    assert memo.of((1, 2), lambda: [6]) == [6]


@pytest.mark.parametrize("before", [0, 2])
def test_the_process_that_lies_is_ended(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    made = opened(hostile.sound())
    for _ in range(before):  # earlier valid messages do not make a process trusted
        made.run(None, {"x": PICTURES[:1]})
    monkeypatch.setattr(messages, "header_in", lambda content: {"arrays": [["<f4", [9], 2**39]]})
    with pytest.raises(
        ModelStoppedError, match=r"toy\.onnx returned an array outside its limits on input .*do not trust a model"
    ):
        made.run(None, {"x": PICTURES})
    assert made._process.popen.poll() is not None


def test_pickles_are_never_read() -> None:
    source = Path(process.__file__).parent
    text = "".join(path.read_text("utf-8") for path in source.glob("*.py"))
    assert "pickle" not in text.replace("unpickled", "") and ".recv()" not in text


# ---- everything at once ----


@short_and_full("count", 60, 400)
def test_of_hostile_graphs_none_ends_in_a_traceback_a_hang_or_a_file_that_was_read(tmp_path: Path, count: int) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(hostile.SECRET)
    paths = [str(secret), "secret.bin", "../" * 12 + str(secret).lstrip("/")]
    ends: dict[str, int] = {}
    for name, content in hostile.hostile_graphs(7, count, paths):
        end = "answered"
        made = None
        started = time.monotonic()
        try:
            made = opened(content, timeout_s=5.0)
            feed = {port.name: PICTURES[:1] for port in made.get_inputs()}
            for values in made.run(None, feed):
                assert hostile.SECRET[:6] not in values.astype(np.uint8, casting="unsafe").tobytes(), name
        except FacegapError as error:
            end = type(error).__name__
            assert str(error).startswith("toy"), name
        finally:
            if made is not None:
                stop_model(made)
        ends[end] = ends.get(end, 0) + 1
        assert time.monotonic() - started < 120, name
    print(json.dumps(ends))
    assert sum(ends.values()) == count
    assert ends.get("ModelError", 0) > count / 4


@pytest.mark.real
def test_the_graphs_of_the_campaign_end_in_one_error(test_data: Path) -> None:
    folder = test_data / "cases" / "security"
    words = {
        "leaky": "stores weights in other files",
        "fn_billion_laughs": "536,870,912 operators with its functions expanded",
        "loop_endless": "did not respond within 10 s",
        "in_scalar": r"input\.layout: the graph's input 'x' is declared as a single number",
        "out_sequence": "no numerical output",
        "out_none": "no numerical output",
        "out_bf16": "bfloat16",
    }
    for name, said in words.items():
        content = (folder / f"{name}.onnx").read_bytes()
        with pytest.raises(ModelError, match=f"^{name}: .*{said}"):
            opened(content, name=name, timeout_s=10.0).run(None, {"x": PICTURES[:1]})


def test_a_session_is_recognised() -> None:
    assert isolation_of(None).isolated is False
    assert issubclass(IsolatedSession, object)
