"""Convert a model to lower precision with onnxruntime's tools: half precision, or 8-bit integers with calibrated ranges.

The tools read and optimise the graph in this process, without the restrictions of `isolation`; calibration runs in a
session that the caller opens.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facegap.errors import ModelError
from facegap.runtime import disable_telemetry, reason, refusals, session_options
from facegap.runtime.model_files import require_sound
from facegap.types import AnyArray

OLDEST_OPSET = 11  # older ones have no QuantizeLinear, and are converted to it


def half_precision(content: bytes, *, name: str) -> bytes:
    """The graph with float16 weights and operators; its inputs and outputs are unchanged.

    Parameters
    ----------
    content : bytes
        The .onnx file of a model in float32.
    name : str
        Name in error messages.

    Returns
    -------
    bytes
        An .onnx file.

    Raises
    ------
    ModelError
        If it is not a valid ONNX graph, or the tool cannot convert it.

    Notes
    -----
    Uses ``onnxruntime.transformers.float16.convert_float_to_float16`` with ``keep_io_types``. Operators without a half-precision
    kernel in onnxruntime compute in float32 between two casts.
    """
    require_sound(content, name)
    disable_telemetry()
    import onnx

    with tools_found():
        from onnxruntime.transformers.float16 import convert_float_to_float16
    with tool_errors(name, "half precision"):
        return bytes(convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True).SerializeToString())


def eight_bit(
    content: bytes, batches: Iterable[Mapping[str, AnyArray]], *, name: str, opened: Callable[[bytes], Any]
) -> bytes:
    """The graph with 8-bit weights and activations (QDQ), with ranges calibrated on some batches.

    Parameters
    ----------
    content : bytes
        The .onnx file of a model in float32.
    batches : iterable of Mapping[str, numpy.ndarray]
        Input of the model: arrays by input name.
    name : str
        Name in error messages.
    opened : Callable[[bytes], session]
        Opens the graph that also outputs the range of each of its tensors.

    Returns
    -------
    bytes
        An .onnx file.

    Raises
    ------
    ModelError
        If it is not a valid ONNX graph, the tool cannot convert it, or there is no batch.

    Notes
    -----
    Static quantisation by onnxruntime.quantization: batch normalisation is folded into convolutions by onnxruntime's basic
    optimisations; ranges are the minimum and maximum of each tensor; weights are int8 per channel, activations uint8.
    """
    require_sound(content, name)
    disable_telemetry()
    with tools_found():
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.calibrate import MinMaxCalibrater
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
        from onnxruntime.quantization.registry import QDQRegistry

    operators = list(QDQRegistry)
    with tool_errors(name, "8-bit integers"), tempfile.TemporaryDirectory(prefix="facegap-") as folder:
        place, augmented = Path(folder, "optimised.onnx"), Path(folder, "augmented.onnx")
        place.write_bytes(optimised(content, folder))
        calibrator = MinMaxCalibrater(place, operators, str(augmented))
        calibrator.augment_graph()
        calibrator.infer_session = opened(augmented.read_bytes())
        calibrator.collect_data(Reader(iter(batches)))
        ranges = calibrator.compute_data()
        quantizer = QDQQuantizer(
            with_shapes(place.read_bytes()),
            True,
            False,
            QuantType.QInt8,
            QuantType.QUInt8,
            ranges,
            [],
            [],
            operators,
            {},
        )
        quantizer.quantize_model()
        return bytes(quantizer.model.model.SerializeToString())


class Reader:
    """Batches with the interface that onnxruntime's calibration expects."""

    def __init__(self, batches: Iterator[Mapping[str, AnyArray]]) -> None:
        self.batches = batches

    def get_next(self) -> Mapping[str, AnyArray] | None:
        """The next batch; None after the last."""
        return next(self.batches, None)


def optimised(content: bytes, folder: str) -> bytes:
    """The graph after onnxruntime's basic optimisations, with the shapes of its tensors."""
    import onnx
    import onnxruntime

    graph = onnx.load_from_string(content)
    versions = [one.version for one in graph.opset_import if one.domain in ("", "ai.onnx")]
    if versions and versions[0] < OLDEST_OPSET:
        graph = onnx.version_converter.convert_version(graph, OLDEST_OPSET)
    options, place = session_options(1, {}), Path(folder, "written.onnx")
    options.optimized_model_filepath = str(place)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return bytes(with_shapes(place.read_bytes()).SerializeToString())


def with_shapes(content: bytes) -> Any:
    """The graph with the shapes inferred by ONNX."""
    import onnx

    return onnx.shape_inference.infer_shapes(onnx.load_from_string(content))


@contextlib.contextmanager
def tools_found() -> Iterator[None]:
    """Make onnxruntime's tools importable: some of them import each other as top-level modules."""
    import onnxruntime

    before = list(sys.path)
    sys.path.append(str(Path(onnxruntime.__file__).parent / "transformers"))
    try:
        yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def tool_errors(name: str, what: str) -> Iterator[None]:
    """Convert errors of the tools, which check little, to ModelError."""
    from onnx.checker import ValidationError

    kinds: tuple[type[Exception], ...] = (
        *refusals(),
        ValidationError,
        RuntimeError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
    )
    root = logging.getLogger()
    root.addFilter(unsaid)  # remarks for the developers of the tools
    try:
        yield
    except ModelError:
        raise
    except kinds as error:
        raise ModelError(f"{name}: onnxruntime's tools cannot convert this graph to {what}: {reason(error)}") from error
    finally:
        root.removeFilter(unsaid)


def unsaid(_: logging.LogRecord) -> bool:
    """Reject every log record."""
    return False
