"""Which execution provider of onnxruntime stands for each device, and how one that comes as a package of its own is loaded.

The options of a provider are fixed here: no option of a user's reaches onnxruntime, where some name files and libraries.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from facegap.errors import DeviceError
from facegap.types import Device


@dataclass(frozen=True)
class Provider:
    """A provider and what is asked of it.

    Attributes
    ----------
    name : str
        As onnxruntime calls it.
    install : str
        What brings it, as the end of an error.
    options : Mapping[str, str]
        Handed to it; float32 is asked for wherever there is an option for it.
    precision : str
        In which precision it computes, as far as its options decide that.
    plugin : str
        Python module of the package that brings it beside onnxruntime; empty where there is none.
    """

    name: str
    install: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float32"
    plugin: str = ""


CPU_INSTEAD = "or use --device cpu"
PROVIDERS: Mapping[Device, Provider] = MappingProxyType(
    {
        "cpu": Provider("CPUExecutionProvider"),
        "cuda": Provider(
            "CUDAExecutionProvider",
            f"pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'; {CPU_INSTEAD}",
            # TF32 rounds the factors of a product to 10 bits of mantissa; scores would then differ between GPU and CPU.
            {"use_tf32": "0"},
            "float32, TF32 off",
        ),
        "openvino": Provider(
            "OpenVINOExecutionProvider",
            f"pip install onnxruntime-ep-openvino; {CPU_INSTEAD}",
            {"device_type": "CPU", "precision": "ACCURACY"},  # that of the graph
            "float32 requested; OpenVINO decides",
            "onnxruntime_ep_openvino",
        ),
        "tensorrt": Provider(
            "TensorrtExecutionProvider",
            f"pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]' and tensorrt; {CPU_INSTEAD}",
            {
                "trt_fp16_enable": "0",
                "trt_int8_enable": "0",
                "trt_engine_cache_enable": "0",
                "trt_max_workspace_size": "1073741824",
            },
            "float32 requested; TensorRT may use TF32",
        ),
        "coreml": Provider(
            "CoreMLExecutionProvider",
            f"pip install onnxruntime on macOS; {CPU_INSTEAD}",
            {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"},
            "Core ML decides; float16 is usual on its GPU and Neural Engine",
        ),
        "directml": Provider(
            "DmlExecutionProvider",
            f"pip uninstall onnxruntime, then pip install onnxruntime-directml on Windows; {CPU_INSTEAD}",
            precision="float32 requested; DirectML decides",
        ),
        "webgpu": Provider(
            "WebGpuExecutionProvider",
            f"pip install onnxruntime-ep-webgpu; {CPU_INSTEAD}",
            precision="float32 requested; WebGPU decides",
            plugin="onnxruntime_ep_webgpu",
        ),
    }
)
PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
)  # of which one may be installed


def has_plugin(provider: Provider) -> bool:
    """Whether the plugin of a provider is installed."""
    return bool(provider.plugin) and importlib.util.find_spec(provider.plugin) is not None


def options_asked(device: Device) -> Mapping[str, str]:
    """What the provider of a device is asked for; a plugin, which has options of its own, takes its defaults."""
    return {} if has_plugin(PROVIDERS[device]) else PROVIDERS[device].options


def plugin_devices(device: Device, onnxruntime: Any) -> list[Any]:
    """The devices that the plugin of a provider offers; none where the provider has no plugin, or it is not installed.

    Raises
    ------
    DeviceError : the plugin cannot be loaded, or it loads and offers no device
    """
    provider = PROVIDERS[device]
    if not has_plugin(provider):
        return []
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise DeviceError(
            f"--device {device}: {provider.plugin} needs onnxruntime 1.23 or later; {onnxruntime.__version__} is installed"
        )
    registered(provider.plugin, provider.name, onnxruntime)
    found = offered(provider, onnxruntime.get_ep_devices())
    if not found:
        raise DeviceError(
            f"--device {device}: {provider.plugin} is installed and registers {provider.name}, but offers no device "
            f"on this machine; its vendor supports none of the processors and GPUs here, or a driver is missing; "
            f"{CPU_INSTEAD}"
        )
    return found


def offered(provider: Provider, devices: Sequence[Any]) -> list[Any]:
    """The first of the devices that belong to a provider; as a list, as onnxruntime takes them."""
    return [device for device in devices if device.ep_name == provider.name][:1]


@functools.cache  # a library is registered once in a process
def registered(plugin: str, name: str, onnxruntime: Any) -> str:
    """The library of a provider's plugin, once onnxruntime has it.

    Raises
    ------
    DeviceError : it cannot be loaded
    """
    try:
        path = str(importlib.import_module(plugin).get_library_path())
        onnxruntime.register_execution_provider_library(name, path)
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise DeviceError(f"{plugin} cannot be loaded into onnxruntime: {said}; {CPU_INSTEAD}") from error
    return path
