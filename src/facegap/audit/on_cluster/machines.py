"""What of a machine decides the last digits: the type of its processor or device, and the versions of what computes."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegap.runtime import VERSIONED, device_name, version_of, without_cores
from facegap.types import Device

DECODES = ("pillow", "pi-heif")  # pixels of colour profiles, AVIF and HEIC come from these


@dataclass(frozen=True)
class Machine:
    """A machine as far as it decides a result. Threads (one per operator) and batch travel with the work.

    processor : type of processor or device, without the number of cores
    versions  : of Python and of the packages that compute, by name
    """

    processor: str
    versions: Mapping[str, str]

    def differs_from(self, other: Machine) -> list[str]:
        """What differs, in words: "onnxruntime 1.27.0, not 1.28.0"."""
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
    """That parts ran on processors of several types, where they did; empty where all are one."""
    types = sorted(set(processors))
    if len(types) < 2:
        return ()
    return (
        f"--mixed-workers: parts ran on {len(types)} types of processors ({'; '.join(types)}); a single type may "
        f"give different last digits, and so different counts at a threshold",
    )
