"""Sessions: a device is used or rejected, a damaged or dangerous file is an error, the record states what was found."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap import runtime
from facegap.errors import DeviceError, ModelError
from facegap.runtime import (
    execution_record,
    nodes_per_provider,
    open_session,
    require_one_onnxruntime,
    require_provider,
    run_session,
)

ZEROS = np.zeros((1, 3, 16, 16), np.float32)


def test_a_session_runs_and_says_where(graphs: Any) -> None:
    session = open_session(graphs.mean_of_channels(), name="toy")
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert run_session(session, ["means"], {"input": ZEROS + 7}, name="toy")[0].tolist() == [[7, 7, 7]]


def test_threads_and_spinning_are_as_asked(graphs: Any) -> None:
    options = open_session(graphs.mean_of_channels(), name="toy", threads=3).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_free_dimension_can_be_fixed(graphs: Any) -> None:
    session = open_session(graphs.mean_of_channels(), name="toy", fixed={"N": 4})
    with pytest.raises(ModelError, match=r"toy: the model fails on input of shape \(1, 3, 16, 16\)"):
        run_session(session, None, {"input": ZEROS}, name="toy")


# ---- devices ----


def test_cuda_on_a_machine_without_it_is_an_error_that_says_what_to_install(graphs: Any, monkeypatch: Any) -> None:
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(DeviceError, match="pip uninstall onnxruntime, then pip install 'onnxruntime-gpu") as caught:
        open_session(graphs.mean_of_channels(), name="toy", device="cuda")
    assert "--device cpu" in str(caught.value)
    assert "onnxruntime offers AzureExecutionProvider, CPUExecutionProvider and not CUDA" in str(caught.value)


def test_a_session_that_fell_back_to_the_cpu_is_an_error_and_not_slow(graphs: Any, monkeypatch: Any) -> None:
    import onnxruntime

    cpu_session = onnxruntime.InferenceSession

    def falls_back(model: bytes, options: Any, providers: Any, **_: Any) -> Any:
        return cpu_session(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    with pytest.raises(DeviceError, match="asked for --device cuda"):
        open_session(graphs.mean_of_channels(), name="toy", device="cuda")


def test_a_present_provider_is_no_error() -> None:
    require_provider("cuda", ["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_two_onnxruntime_packages_are_an_error_that_says_which_to_uninstall() -> None:
    with pytest.raises(DeviceError, match="pip uninstall onnxruntime onnxruntime-gpu, then install the one you need"):
        require_one_onnxruntime(["onnxruntime", "onnxruntime-gpu"])
    for alone in (["onnxruntime"], ["onnxruntime-gpu"], []):
        require_one_onnxruntime(alone)


def test_two_onnxruntime_packages_stop_every_session(graphs: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        runtime, "version_of", lambda name: "1.20" if name in ("onnxruntime", "onnxruntime-gpu") else ""
    )
    with pytest.raises(DeviceError, match="overwrite each other's files"):
        open_session(graphs.mean_of_channels(), name="toy")


def test_a_failing_provider_is_not_exchanged_for_the_cpu_by_onnxruntime_itself(
    graphs: Any, monkeypatch: Any, capfd: Any
) -> None:
    import onnxruntime

    def fails(self: Any, providers: Any, *_: Any) -> None:
        raise RuntimeError(f"no device for {providers}")

    monkeypatch.setattr(onnxruntime.InferenceSession, "_create_inference_session", fails)
    with pytest.raises(DeviceError, match="toy: CPUExecutionProvider does not start: no device"):
        open_session(graphs.mean_of_channels(), name="toy")
    assert "Falling back" not in capfd.readouterr().out


# ---- files ----


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"<!DOCTYPE html><html>404</html>", b"\x08\x08", b"\xff" * 100])
def test_what_is_no_onnx_file_is_named(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"^toy: "):
        open_session(data, name="toy")


def test_a_model_cut_off_anywhere_is_a_model_error(graphs: Any) -> None:
    whole = graphs.mean_of_channels()
    for end in range(0, len(whole), 7):
        with pytest.raises(ModelError, match=r"^toy: "):
            open_session(whole[:end], name="toy")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_model_with_changed_bytes_opens_or_is_a_model_error(graphs: Any, data: st.DataObject) -> None:
    changed = bytearray(graphs.mean_of_channels())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        open_session(bytes(changed), name="toy")
    except ModelError as error:
        said = str(error)
        assert said.startswith("toy: ")
        assert len(said) < 600


def test_an_unknown_operator_is_a_model_error(graphs: Any) -> None:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("NoSuchOperator", ["a"], ["b"])], "toy", ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    with pytest.raises(ModelError, match=r"onnxruntime cannot open this file: .*NoSuchOperator"):
        open_session(model.SerializeToString(), name="toy")


def relu_model(
    *, ir_version: int = 8, operator: str = "Relu", opsets: tuple[tuple[str, int], ...] = (("", 13),)
) -> bytes:
    """A model with one operator, of the last domain given."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph(
        [helper.make_node(operator, ["a"], ["b"], domain=opsets[-1][0])], "toy", ends[:1], ends[1:]
    )
    named = [helper.make_opsetid(domain, version) for domain, version in opsets]
    return bytes(helper.make_model(graph, ir_version=ir_version, opset_imports=named).SerializeToString())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ir_version": 99},
            r"it has IR version 99, and onnxruntime [\d.]+ supports up to \d+; update onnxruntime, or",
        ),
        ({"opsets": (("", 99),)}, r"it uses opset 99 of ai\.onnx, and onnxruntime [\d.]+ supports up to \d+; update"),
        (
            {"operator": "Fancy", "opsets": (("", 13), ("com.acme", 1))},
            r"it uses the operator Fancy of domain com\.acme, which onnxruntime [\d.]+ does not have",
        ),
    ],
)
def test_a_model_that_this_onnxruntime_cannot_read_is_refused_in_plain_words(changes: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        open_session(relu_model(**changes), name="toy")
    assert "::" not in str(caught.value)
    assert ".cc" not in str(caught.value)


def test_a_failing_operator_is_named_without_the_place_in_the_source_of_onnxruntime(graphs: Any) -> None:
    model = graphs.build(
        [("Reshape", ["input", "shape"], ["y"], {})],
        inputs={"input": ("N", 3, 2, 2)},
        outputs={"y": ("M", 12)},
        constants={"shape": np.array([1, 12])},
    )
    with pytest.raises(ModelError, match=r"\(2, 3, 2, 2\): Reshape: The input tensor cannot be reshaped") as caught:
        run_session(open_session(model, name="toy"), None, {"input": np.zeros((2, 3, 2, 2), np.float32)}, name="toy")
    assert "::" not in str(caught.value)


def with_external_data(place: str) -> bytes:
    """A model that refers to another file: in an initialiser, in a constant, or in a constant of a branch."""
    from onnx import TensorProto, helper

    outside = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    outside.ClearField("float_data")
    outside.data_location = TensorProto.EXTERNAL
    entry = outside.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")

    def branch(name: str) -> Any:
        constant = helper.make_node("Constant", [], [name], value=outside)
        return helper.make_graph([constant], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])])

    nodes: dict[str, Callable[[], list[Any]]] = {
        "initialiser": lambda: [helper.make_node("Add", ["x", "w"], ["y"])],
        "constant": lambda: [
            helper.make_node("Constant", [], ["k"], value=outside),
            helper.make_node("Add", ["x", "k"], ["y"]),
        ],
        "branch": lambda: [
            helper.make_node("If", ["c"], ["k"], then_branch=branch("one"), else_branch=branch("two")),
            helper.make_node("Add", ["x", "k"], ["y"]),
        ],
    }
    stored = [condition, *([outside] if place == "initialiser" else [])]
    graph = helper.make_graph(nodes[place](), "toy", [x], [y], stored)
    return bytes(
        helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
    )


@pytest.mark.parametrize("place", ["initialiser", "constant", "branch"])
def test_a_model_that_asks_for_further_files_is_refused_wherever_it_does(place: str) -> None:
    with pytest.raises(ModelError, match="toy: stores weights in other files"):
        open_session(with_external_data(place), name="toy")


def test_an_input_that_the_graph_has_not_is_a_model_error(graphs: Any) -> None:
    session = open_session(graphs.mean_of_channels(), name="toy")
    with pytest.raises(ModelError, match="toy: the model fails"):
        run_session(session, None, {"other": ZEROS}, name="toy")


# ---- record ----


def test_nodes_are_counted_per_provider(graphs: Any) -> None:
    session = open_session(graphs.mean_of_channels(), name="toy")
    if not hasattr(session, "get_provider_graph_assignment_info"):
        assert nodes_per_provider(session) == {}
    else:
        assert nodes_per_provider(session) == {"CPUExecutionProvider": 2}


def test_nodes_left_to_the_cpu_by_another_provider_are_counted() -> None:
    class Placed:
        def __init__(self, ep_name: str, count: int) -> None:
            self.ep_name, self.count = ep_name, count

        def get_nodes(self) -> list[int]:
            return [0] * self.count

    class Session:
        def get_provider_graph_assignment_info(self) -> list[Placed]:
            return [Placed("CUDA", 40), Placed("CPU", 2), Placed("CUDA", 5)]

    assert nodes_per_provider(Session()) == {"CUDA": 45, "CPU": 2}


def test_the_record_says_what_ran_on_what(graphs: Any) -> None:
    session = open_session(graphs.mean_of_channels(), name="toy")
    record = execution_record(
        {"toy": session}, {"toy": "ab" * 32}, device="cpu", threads=1, workers=2, batch=8, notes=["by hand"]
    )
    assert (record.device_asked, record.providers_asked, record.providers_used) == (
        "cpu",
        ("CPUExecutionProvider",),
        ("CPUExecutionProvider",),
    )
    assert (record.threads, record.workers, record.batch, record.precision) == (1, 2, 8, "float32")
    assert record.models == {"toy": "ab" * 32}
    assert set(record.nodes) == {"toy"}
    assert {"python", "onnxruntime", "numpy", "opencv-python"} <= set(record.versions)
    assert all(record.versions.values())
    assert record.device_name.endswith("cores")
    assert record.notes == ("by hand",)
    assert dataclasses.is_dataclass(record)


def test_a_processor_has_a_name_where_the_system_does_not_say(monkeypatch: Any) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", gone)
    assert runtime.processor_name().endswith("cores")


def test_the_cores_are_those_that_this_process_may_use(monkeypatch: Any) -> None:
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert runtime.usable_cores() == 3


def test_a_long_complaint_is_cut_to_its_first_line() -> None:
    assert runtime.first_line(ValueError("one\ntwo")) == "one"
    assert len(runtime.first_line(ValueError("x" * 5000))) == 300
    assert runtime.first_line(ValueError("")) == "ValueError"


def test_only_runtime_names_onnxruntime_in_the_package() -> None:
    package = Path(runtime.__file__).parents[1]
    users = [
        p.relative_to(package).as_posix() for p in package.rglob("*.py") if "import onnxruntime" in p.read_text("utf-8")
    ]
    assert sorted(users) == ["runtime/__init__.py", "runtime/precision.py"]


LEAVES_NOTHING = """
import sys
from facegap.runtime import open_session
open_session(open(sys.argv[1], "rb").read(), name="toy")
"""


def test_onnxruntime_reports_nothing_to_its_makers_and_keeps_no_identifier(graphs: Any, tmp_path: Path) -> None:
    """From 1.29 on, it writes an identifier and its pending reports to the user's cache when it is loaded."""
    (tmp_path / "toy.onnx").write_bytes(graphs.mean_of_channels())
    (tmp_path / "home").mkdir()
    kept_silent = (
        "CI",
        "ORT_",
        "XDG_",
        "GITHUB_",
        "TF_BUILD",
        "PYTEST",
    )  # it sends nothing anyway if it detects tests
    env = {name: value for name, value in os.environ.items() if not name.startswith(kept_silent)}
    subprocess.run(
        [sys.executable, "-c", LEAVES_NOTHING, str(tmp_path / "toy.onnx")],
        check=True,
        timeout=120,
        env={**env, "HOME": str(tmp_path / "home"), "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert list((tmp_path / "home").rglob("*")) == []


def test_whoever_decided_about_reports_is_not_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runtime.NO_TELEMETRY, "0")
    runtime.disable_telemetry()
    assert os.environ[runtime.NO_TELEMETRY] == "0"
    monkeypatch.delenv(runtime.NO_TELEMETRY)
    runtime.disable_telemetry()
    assert os.environ[runtime.NO_TELEMETRY] == "1"
