"""The execution provider of onnxruntime for each device, and how providers in separate packages are loaded.

The options of a provider are fixed here: users cannot pass options to onnxruntime, as some of them name files and libraries.
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
    """A provider and its configuration.

    Attributes
    ----------
    name : str
        Its name in onnxruntime.
    install : str
        How to install it, as the end of an error message.
    options : Mapping[str, str]
        Passed to it; float32 is requested if there is an option for it.
    precision : str
        The precision in which it computes, as far as its options determine it.
    plugin : str
        Python module of the package that provides it as a plugin; empty if there is none.
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
            # TF32 rounds the factors of a product to 10 mantissa bits; scores would then differ between GPU and CPU.
            {"use_tf32": "0"},
            "float32, TF32 off",
        ),
        "openvino": Provider(
            "OpenVINOExecutionProvider",
            f"pip install onnxruntime-ep-openvino; {CPU_INSTEAD}",
            {"device_type": "CPU", "precision": "ACCURACY"},  # precision of the graph
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
)  # only one of which may be installed


def has_plugin(provider: Provider) -> bool:
    """Whether the plugin of a provider is installed."""
    return bool(provider.plugin) and importlib.util.find_spec(provider.plugin) is not None


def options_asked(device: Device) -> Mapping[str, str]:
    """The options for the provider of a device; a plugin, which has options of its own, uses its defaults."""
    return {} if has_plugin(PROVIDERS[device]) else PROVIDERS[device].options


def plugin_devices(device: Device, onnxruntime: Any) -> list[Any]:
    """The devices that the plugin of a provider offers; none if the provider has no plugin, or it is not installed.

    Raises
    ------
    DeviceError : if the plugin cannot be loaded, or offers no device
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
    """The first of the devices that belong to a provider, as a list, as onnxruntime requires."""
    return [device for device in devices if device.ep_name == provider.name][:1]


@functools.cache  # a library can be registered only once in a process
def registered(plugin: str, name: str, onnxruntime: Any) -> str:
    """The library of a provider's plugin, after it has been registered with onnxruntime.

    Raises
    ------
    DeviceError : if it cannot be loaded
    """
    try:
        path = str(importlib.import_module(plugin).get_library_path())
        onnxruntime.register_execution_provider_library(name, path)
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise DeviceError(f"{plugin} cannot be loaded into onnxruntime: {said}; {CPU_INSTEAD}") from error
    return path
