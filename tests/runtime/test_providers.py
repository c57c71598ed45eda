"""Providers other than the CPU: their options, plugins without a device, and graphs that another provider runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest

from facegap.audit.settings import Models
from facegap.errors import DeviceError
from facegap.runtime import execution_record, open_session, providers, require_one_onnxruntime, require_used
from facegap.runtime.providers import PROVIDERS, offered, options_asked, plugin_devices
from facegap.types import Device

OPENVINO = PROVIDERS["openvino"]


def plugin(monkeypatch: Any, name: str = "toy_ep_plugin") -> None:
    """An installed OpenVINO plugin without a library."""
    module = ModuleType(name)
    module.get_library_path = lambda: f"/nowhere/{name}.so"  # type: ignore[attr-defined]
    module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, name, module)
    changed = {**PROVIDERS, "openvino": replace(OPENVINO, plugin=name)}
    monkeypatch.setattr(providers, "PROVIDERS", MappingProxyType(changed))


class Onnxruntime:
    """The part of onnxruntime that `plugin_devices` uses."""

    __version__ = "1.32.0"

    def __init__(self, *devices: Any) -> None:
        self.devices, self.libraries = devices, []

    def register_execution_provider_library(self, name: str, path: str) -> None:
        self.libraries.append((name, path))

    def get_ep_devices(self) -> list[Any]:
        return [SimpleNamespace(ep_name="CPUExecutionProvider"), *self.devices]


def test_every_device_of_the_settings_has_a_provider_and_says_how_it_is_installed() -> None:
    assert get_args(get_type_hints(Models)["device"]) == get_args(Device) == tuple(PROVIDERS)
    assert all(device == "cpu" or "pip install" in provider.install for device, provider in PROVIDERS.items())


def test_no_provider_is_asked_for_less_than_float32_and_none_may_write_files() -> None:
    assert PROVIDERS["tensorrt"].options["trt_fp16_enable"] == "0"
    assert PROVIDERS["tensorrt"].options["trt_engine_cache_enable"] == "0"
    assert PROVIDERS["cuda"].options == {"use_tf32": "0"}
    keys = {key for provider in PROVIDERS.values() for key in provider.options}
    assert not {key for key in keys if "path" in key or "dir" in key.split("_")}


@pytest.mark.parametrize("device", ["tensorrt", "coreml", "directml"])
def test_a_provider_that_is_not_there_is_an_error_that_names_its_package(graphs: Any, device: Any) -> None:
    with pytest.raises(
        DeviceError, match=f"asked for --device {device}, but onnxruntime offers .*pip install"
    ) as caught:
        open_session(graphs.mean_of_channels(), name="toy", device=device)
    assert PROVIDERS[device].name in str(caught.value)


def test_a_plugin_that_registers_and_offers_no_device_is_an_error_that_says_so(monkeypatch: Any) -> None:
    plugin(monkeypatch)
    with pytest.raises(DeviceError, match="registers OpenVINOExecutionProvider, but offers no device on this machine"):
        plugin_devices("openvino", Onnxruntime())


def test_a_plugin_is_registered_once_and_its_first_device_is_taken(monkeypatch: Any) -> None:
    plugin(monkeypatch, "toy_ep_of_two")
    here = Onnxruntime(*(SimpleNamespace(ep_name=OPENVINO.name, number=k) for k in (1, 2)))
    assert [plugin_devices("openvino", here)[0].number for _ in range(2)] == [1, 1]
    assert here.libraries == [(OPENVINO.name, "/nowhere/toy_ep_of_two.so")]
    assert options_asked("openvino") == {}


def test_a_plugin_that_cannot_be_loaded_or_is_too_new_is_a_device_error(monkeypatch: Any) -> None:
    plugin(monkeypatch, "toy_ep_broken")
    broken = Onnxruntime()
    monkeypatch.setattr(
        broken, "register_execution_provider_library", lambda *_: (_ for _ in ()).throw(RuntimeError("no\nso"))
    )
    with pytest.raises(DeviceError, match="toy_ep_broken cannot be loaded into onnxruntime: no; or use --device cpu"):
        plugin_devices("openvino", broken)
    with pytest.raises(DeviceError, match=r"needs onnxruntime 1\.23 or later; 1\.20 is installed"):
        plugin_devices("openvino", SimpleNamespace(__version__="1.20"))


def test_a_device_without_a_plugin_has_no_plugin_devices() -> None:
    assert plugin_devices("cuda", Onnxruntime()) == []
    assert offered(OPENVINO, Onnxruntime().get_ep_devices()) == []


def test_a_graph_that_another_provider_runs_altogether_is_an_error() -> None:
    with pytest.raises(
        DeviceError, match=r"OpenVINOExecutionProvider supports none of its operators \(CPUExecutionProvider 7\)"
    ):
        require_used("openvino", {"CPUExecutionProvider": 7}, "toy")
    require_used("openvino", {"CPUExecutionProvider": 7, "OpenVINOExecutionProvider": 1}, "toy")
    require_used("openvino", {}, "toy")


def test_the_record_says_what_was_asked_of_the_provider() -> None:
    record = execution_record({}, {}, device="tensorrt", threads=1, workers=1, batch=1)
    assert record.provider_options["trt_fp16_enable"] == "0"
    assert record.device_name.startswith("Tensorrt, host ")
    assert "TF32" in record.precision


def test_any_two_packages_of_onnxruntime_are_an_error() -> None:
    with pytest.raises(DeviceError, match="onnxruntime and onnxruntime-openvino are both installed"):
        require_one_onnxruntime(["onnxruntime", "onnxruntime-openvino"])
