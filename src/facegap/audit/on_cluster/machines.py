"""Properties of a machine that affect the last digits: type of processor or device, and versions of packages that compute."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegap.runtime import VERSIONED, device_name, version_of, without_cores
from facegap.types import Device

DECODES = ("pillow", "pi-heif")  # decode colour profiles, AVIF and HEIC


@dataclass(frozen=True)
class Machine:
    """A machine, as far as it affects results. Threads (one per operator) and batch size are sent with the work.

    processor : type of processor or device, without the number of cores
    versions  : of Python and of the packages that compute, by name
    """

    processor: str
    versions: Mapping[str, str]

    def differs_from(self, other: Machine) -> list[str]:
        """The differences in words, such as "onnxruntime 1.27.0, not 1.28.0"."""
        names = sorted({*self.versions, *other.versions})
        said = [
            f"{name} {self.versions.get(name) or 'missing'}, not {other.versions.get(name) or 'none'}"
            for name in names
            if self.versions.get(name) != other.versions.get(name)
        ]
        return ([] if self.processor == other.processor else [f"{self.processor}, not {other.processor}"]) + said


def machine_here(device: Device) -> Machine:
    """This machine."""
    versions = {name: version_of(name) for name in (*VERSIONED, *DECODES) if version_of(name)}
    return Machine(without_cores(device_name(device)), {"python": platform.python_version(), **versions})


def mixed_sentence(processors: Sequence[str]) -> tuple[str, ...]:
    """A warning if parts ran on different types of processor; empty otherwise."""
    types = sorted(set(processors))
    if len(types) < 2:
        return ()
    return (
        f"--mixed-workers: parts ran on {len(types)} types of processors ({'; '.join(types)}); a single type may "
        f"give different last digits, and so different counts at a threshold",
    )
