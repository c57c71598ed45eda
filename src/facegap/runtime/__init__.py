"""All onnxruntime sessions are created here. They run on the requested device, or an error is raised."""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facegap.errors import DeviceError, ModelError
from facegap.runtime.model_files import require_sound
from facegap.runtime.providers import PACKAGES, PROVIDERS, options_asked, plugin_devices
from facegap.types import AnyArray, Device, Execution, Isolation, Unmade, VariantOf

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# Not even errors: they are raised as well, and onnxruntime prints names from the model file with their escape sequences.
LOG_NOTHING = 4
NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
LONGEST_REASON, MOST_OF_AN_ERROR = 300, 20_000  # onnxruntime quotes whole graphs
# Patterns in onnxruntime's error messages and their replacements, applied in this order.
PLAIN_WORDS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "), ""),
    (re.compile(r"\S*/onnxruntime/\S+\.(?:cc|cpp|cu|h|cuh):\d+ .*?\)(?: const)? (?=\S)"), ""),
    (re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'' Status Message: "), r"\1: "),
    (
        re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: "),
        r"\1 (node \2): ",
    ),
    (re.compile(r"(?<=: )\S[^.:]* was false\. (?=\S)"), ""),  # the condition as in the source code
    (
        re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+).*"),
        r"it has IR version \1, and onnxruntime {version} supports up to \2; update onnxruntime, or export the model "
        r"with "
        r"an IR version of \2 or lower",
    ),
    (
        re.compile(
            r"ONNX Runtime only \*guarantees\* support .*?Opset (\d+) .* for domain (\S+) is till opset (\d+).*"
        ),
        r"it uses opset \1 of \2, and onnxruntime {version} supports up to \3; update onnxruntime, or export the "
        r"model with "
        r"opset \3 or lower",
    ),
    (
        re.compile(r"(?:Fatal error: )?([\w.]*):(\w+)\(-?\d+\) is not a registered function/op"),
        r"it uses the operator \2 of domain \1, which onnxruntime {version} does not have; export the model with "
        r"standard ONNX operators only",
    ),
)
PLUGINS = tuple(provider.plugin.replace("_", "-") for provider in PROVIDERS.values() if provider.plugin)
VERSIONED = ("facegap", *PACKAGES, *PLUGINS, "numpy", "opencv-python", "scipy", "pandas", "numba")


def open_session(
    model: bytes, *, name: str, device: Device = "cpu", threads: int = 1, fixed: Mapping[str, int] | None = None
) -> InferenceSession:
    """A session for `model` on `device`, or an error; it never falls back to another device.

    model   : bytes of an .onnx file, already checked against its card; a file from a third party belongs in a separate process,
             see `facegap.runtime.models`
    name    : name in error messages
    threads : threads within one operator; several sessions of one thread are faster than one session of several
    fixed   : free dimension name -> size, for graphs that onnxruntime optimises better when sizes are known

    Raises
    ------
    DeviceError : if the installed onnxruntime lacks the provider, or the session did not get it
    ModelError  : if the file is not an ONNX graph, is damaged, or has weights in other files
    """
    require_sound(model, name)
    require_one_onnxruntime()
    return start_session(model, name=name, device=device, threads=threads, fixed=fixed)


def start_session(
    model: bytes, *, name: str, device: Device, threads: int, fixed: Mapping[str, int] | None = None
) -> InferenceSession:
    """A session for bytes that have passed `require_sound`.

    Raises
    ------
    DeviceError, ModelError : as in `open_session`
    """
    disable_telemetry()
    import onnxruntime

    provider, options, given = PROVIDERS[device], session_options(threads, fixed or {}), {}
    present = onnxruntime.get_available_providers()
    devices = plugin_devices(device, onnxruntime)
    if not devices:
        require_provider(device, present)
        given = {"providers": [(provider.name, dict(options_asked(device)))]}
    if device == "directml":
        options.enable_mem_pattern = False  # DirectML does not support it
    try:
        if devices:
            options.add_provider_for_devices(devices, dict(options_asked(device)))
        session = onnxruntime.InferenceSession(
            model,
            options,
            enable_fallback=0,  # it would print the error and open the session on the CPU instead
            **given,
        )
    except refusals() as error:
        raise ModelError(f"{name}: onnxruntime cannot open this file: {reason(error)}") from error
    except RuntimeError as error:
        raise DeviceError(f"{name}: {provider.name} does not start: {first_line(error)}; {provider.install}") from error
    session.disable_fallback()
    require_provider(device, session.get_providers())
    require_used(device, nodes_per_provider(session), name)
    return session


def disable_telemetry() -> None:
    """Prevent onnxruntime from sending usage data to its makers and from storing an identifier of this machine.

    From 1.29 on, its official builds for Linux and macOS report processes, sessions and models (including names and hashes)
    unless this variable is set before it is loaded. A value that is already set is kept. A program that loaded onnxruntime
    before facegap must set it itself: only reports that its makers call optional can be stopped afterwards.

    Source : onnxruntime, pull request 27379; tests/test_runtime.py checks that no identifier and no report is written
    """
    if os.environ.setdefault(NO_TELEMETRY, "1") == "1" and "onnxruntime" in sys.modules:
        sys.modules["onnxruntime"].disable_telemetry_events()


def run_session(
    session: InferenceSession, names: Sequence[str] | None, feed: Mapping[str, AnyArray | Unmade], *, name: str
) -> list[AnyArray]:
    """Outputs `names` (all if None) of one run of a session.

    Raises
    ------
    ModelError : if the graph rejects an input, or fails
    """
    try:
        outputs: list[AnyArray] = session.run(names, dict(feed))
    except ModelError:  # from a model in a separate process, already in this form
        raise
    except failures() as error:
        shapes = ", ".join(str(value.shape) for value in feed.values())
        raise ModelError(f"{name}: the model fails on input of shape {shapes}: {reason(error)}") from error
    return outputs


def refusals() -> tuple[type[Exception], ...]:
    """Exceptions of onnxruntime for a file that it cannot open."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
        state.NoSuchFile,
        state.EPFail,
        ValueError,  # onnxruntime quotes names from the file that are not UTF-8
    )


def failures() -> tuple[type[Exception], ...]:
    """Exceptions of onnxruntime if a graph rejects an input or fails."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.RuntimeException,
        state.NotImplemented,
        state.EPFail,
        ValueError,
        RuntimeError,  # an output of a type that numpy does not have
    )


def session_options(threads: int, fixed: Mapping[str, int]) -> Any:
    """Options of one session: `threads` threads within an operator, one operator at a time, deterministic results."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_NOTHING
    # Otherwise bytes that are valid ONNX and contain the mark of onnxruntime's own format would be read as that, unchecked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Threads that spin while waiting would take processor time from the other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for dimension, size in fixed.items():
        options.add_free_dimension_override_by_name(dimension, size)
    return options


def require_provider(device: Device, present: Sequence[str]) -> None:
    """Raise DeviceError unless the provider of a device is among `present`."""
    provider = PROVIDERS[device]
    if provider.name not in present:
        raise DeviceError(
            f"asked for --device {device}, but onnxruntime offers {', '.join(present)} and not {provider.name}; {provider.install}"
        )


def require_used(device: Device, nodes: Mapping[str, int], name: str) -> None:
    """Raise DeviceError if the provider of a device runs no node of a graph that has some, because another one runs all.

    nodes : number of graph nodes by provider; empty if unknown
    """
    if nodes and not nodes.get(PROVIDERS[device].name):
        ran = ", ".join(f"{provider} {count}" for provider, count in nodes.items())
        raise DeviceError(
            f"{name}: asked for --device {device}, but {PROVIDERS[device].name} supports none of its operators "
            f"({ran}); use --device cpu"
        )


def require_one_onnxruntime(installed: Sequence[str] | None = None) -> None:
    """Raise DeviceError if several packages of onnxruntime are installed: the later one has overwritten files of the earlier."""
    names = installed_packages(PACKAGES) if installed is None else installed
    if len(names) > 1:
        raise DeviceError(
            f"{' and '.join(names)} are both installed and overwrite each other's files; first pip uninstall {' '.join(names)}, "
            "then install the one you need: pip install onnxruntime (CPU) or pip install 'onnxruntime-gpu[cuda,cudnn]' (CUDA)"
        )


def installed_packages(names: Sequence[str]) -> list[str]:
    """The `names` that are installed here."""
    return [name for name in names if version_of(name)]


@functools.cache
def version_of(package: str) -> str:
    """Version of an installed package, empty if it is not installed."""
    from importlib import metadata  # imports the e-mail parser, which the process of a model need not load

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def nodes_per_provider(session: Any) -> dict[str, int]:
    """Number of graph nodes assigned to each provider; empty if onnxruntime does not report it (before 1.24)."""
    if hasattr(session, "nodes"):  # of a model in a separate process
        return dict(session.nodes)
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[part.ep_name] += len(part.get_nodes())
    return dict(counts)


def execution_record(
    sessions: Mapping[str, Any],
    hashes: Mapping[str, str],
    *,
    device: Device,
    threads: int,
    workers: int,
    batch: int,
    notes: Sequence[str] = (),
    isolation: Mapping[str, Isolation] | None = None,
    sizes: Mapping[str, int] | None = None,
    variants: Mapping[str, VariantOf] | None = None,
) -> Execution:
    """Where the sessions of a run actually run; sessions, hashes, isolation, sizes and variants are by model name."""
    used = {provider for session in sessions.values() for provider in session.get_providers()}
    return Execution(
        device_asked=device,
        providers_asked=(PROVIDERS[device].name,),
        providers_used=tuple(sorted(used, key=lambda provider: provider != PROVIDERS[device].name)),
        device_name=device_name(device),
        threads=threads,
        workers=workers,
        batch=batch,
        precision="; ".join(
            [PROVIDERS[device].precision, *(f"{name} in {of.precision}" for name, of in (variants or {}).items())]
        ),
        versions=versions_here(),
        models=dict(hashes),
        nodes={name: nodes_per_provider(session) for name, session in sessions.items()},
        notes=tuple(notes),
        isolation=dict(isolation or {}),
        provider_options=dict(options_asked(device)),
        sizes=dict(sizes or {}),
        variants=dict(variants or {}),
    )


def versions_here() -> dict[str, str]:
    """Versions of the packages that compute, by name."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in VERSIONED if version_of(name)}}


def device_name(device: Device) -> str:
    """Name of the processor, or for other devices of the provider's hardware, as far as known."""
    if device == "cpu":
        return processor_name()
    on = "CUDA device 0" if device == "cuda" else PROVIDERS[device].name.removesuffix("ExecutionProvider")
    return f"{on}, host {processor_name()}"


def processor_name() -> str:
    """Model name of the processor; its architecture if the system does not report a name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return f"{line.split(':', 1)[1].strip()}, {usable_cores()} cores"
    except OSError:
        pass  # not Linux
    return f"{platform.processor() or platform.machine()}, {usable_cores()} cores"


def without_cores(device_name: str) -> str:
    """The type of a processor or device from its name: machines that differ only in cores round alike.

    Examples
    --------
    >>> without_cores("AMD EPYC 7B13, 16 cores")
    'AMD EPYC 7B13'
    """
    return re.sub(r", \d+ cores$", "", device_name)


def usable_cores() -> int:
    """Number of processors that this process may use, which containers and taskset can limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def reason(error: BaseException) -> str:
    """The reason in an error of onnxruntime, as one bounded line without the location in its C++ source."""
    text = " ".join(str(error)[:MOST_OF_AN_ERROR].split())
    for pattern, words in PLAIN_WORDS:
        text = pattern.sub(words, text)
    text = text.replace(
        "{version}", sys.modules["onnxruntime"].__version__ if "onnxruntime" in sys.modules else ""
    ).strip()
    return text[:LONGEST_REASON] or type(error).__name__


def first_line(error: BaseException) -> str:
    """First line of an error message, bounded: onnxruntime quotes whole graphs."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
