"""The demo's networks, small enough to be committed, and how a trained one becomes an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

MEAN, SCALE = 127.5, 1 / 128
OPSET, IR = 13, 8  # old enough for every onnxruntime that facegap allows
Floats = NDArray[np.float32]


def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A 3 x 3 convolution, normalised over the batch, cut at zero."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def classifier() -> nn.Sequential:
    """64 x 64 faces to two logits: male, female."""
    return nn.Sequential(
        block(3, 16, 2),
        block(16, 32, 2),
        block(32, 48, 1),
        block(48, 64, 2),
        block(64, 96, 2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(96 * 16, 2),
    )


def embedder(dimension: int) -> nn.Sequential:
    """64 x 64 faces to a template."""
    return nn.Sequential(
        block(3, 16, 2),
        block(16, 32, 2),
        block(32, 64, 2),
        block(64, 64, 1),
        block(64, 96, 2),
        nn.Flatten(),
        nn.Linear(96 * 16, dimension),
    )


def detector() -> nn.Sequential:
    """160 x 128 pictures to 16 maps of stride 16: face, face, centre and size of its box, five points (yunet's layout)."""
    return nn.Sequential(
        block(3, 12, 2),
        block(12, 24, 2),
        block(24, 32, 2),
        block(32, 48, 2),
        block(48, 64, 1),
        block(64, 64, 1),
        nn.Conv2d(64, 16, 1),
    )


def folded(layer: nn.Sequential) -> tuple[Floats, Floats]:
    """Weights and biases of a block with the normalisation worked into them."""
    convolution, normal = layer[0], layer[1]
    gain = normal.weight / torch.sqrt(normal.running_var + normal.eps)
    weight = convolution.weight * gain[:, None, None, None]
    return weight.detach().numpy(), (normal.bias - normal.running_mean * gain).detach().numpy()


def layers_of(network: nn.Sequential) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]:
    """Nodes and weights of a network that reads `input`, and the name of what comes out."""
    nodes, stored, last = [], [], "input"

    def keep(name: str, value: torch.Tensor | Floats) -> str:
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        stored.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    for k, layer in enumerate(network):
        out = f"layer{k}"
        if isinstance(layer, nn.Sequential):
            weight, bias = folded(layer)
            names = [last, keep(f"weight{k}", weight), keep(f"bias{k}", bias)]
            stride = layer[0].stride[0]
            nodes += [
                helper.make_node(
                    "Conv", names, [f"{out}_sum"], kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4
                ),
                helper.make_node("Relu", [f"{out}_sum"], [out]),
            ]
        elif isinstance(layer, nn.Conv2d):
            names = [last, keep(f"weight{k}", layer.weight), keep(f"bias{k}", layer.bias)]
            nodes.append(helper.make_node("Conv", names, [out], kernel_shape=[1, 1]))
        elif isinstance(layer, nn.Linear):
            names = [last, keep(f"weight{k}", layer.weight), keep(f"bias{k}", layer.bias)]
            nodes.append(helper.make_node("Gemm", names, [out], transB=1))
        elif isinstance(layer, nn.Dropout):
            continue  # of use in training only
        else:
            nodes.append(helper.make_node("Flatten", [last], [out], axis=1))
        last = out
    return nodes, stored, last


def as_onnx(network: nn.Sequential, size: tuple[int, int], output: str, width: int) -> bytes:
    """A file whose input takes any number of faces of `size` (width, height) and which gives `width` values each."""
    nodes, stored, last = layers_of(network.eval())
    nodes.append(helper.make_node("Identity", [last], [output]))
    return file_of(nodes, stored, ("N", 3, size[1], size[0]), {output: ("N", width)})


def detector_as_onnx(network: nn.Sequential, size: tuple[int, int]) -> bytes:
    """The detector with yunet's four heads at stride 16, for one picture of `size` (width, height)."""
    nodes, stored, last = layers_of(network.eval())
    cells = size[0] // 16 * (size[1] // 16)
    stored.append(numpy_helper.from_array(np.array([1, cells, 16], np.int64), "rows"))
    stored.append(numpy_helper.from_array(np.array([1, 1, 4, 10], np.int64), "widths"))
    nodes += [
        helper.make_node("Transpose", [last], ["turned"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["turned", "rows"], ["cells"]),
        helper.make_node("Split", ["cells", "widths"], ["cls_logit", "obj_logit", "bbox_16", "kps_16"], axis=2),
        helper.make_node("Sigmoid", ["cls_logit"], ["cls_16"]),
        helper.make_node("Sigmoid", ["obj_logit"], ["obj_16"]),
    ]
    heads = {"cls_16": 1, "obj_16": 1, "bbox_16": 4, "kps_16": 10}
    return file_of(nodes, stored, (1, 3, size[1], size[0]), {name: (1, cells, width) for name, width in heads.items()})


def file_of(
    nodes: Sequence[onnx.NodeProto],
    stored: Sequence[onnx.TensorProto],
    shape: tuple[int | str, ...],
    outputs: dict[str, tuple[int | str, ...]],
) -> bytes:
    """The bytes of a checked ONNX file with one float input `input`."""
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    graph = helper.make_graph(list(nodes), "facegap demo", [given], described, list(stored))
    model = helper.make_model(
        graph, ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="facegap"
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
