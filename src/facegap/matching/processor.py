"""Capabilities of the processor that determine which filters may be used; all choices and checks of filters use this module."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from facegap.matching.kernels import numba_is_installed


@dataclass(frozen=True)
class Processor:
    """Capabilities of a processor that the filters need.

    exact_int8  : products of uint8 and int8 codes are computed in vector registers, and are exact (AVX2, AVX-512 or VNNI)
    matrix_unit : int8 tiles are multiplied in registers (AMX), and the system and numba let this process use them
    """

    exact_int8: bool
    matrix_unit: bool


@functools.cache
def this_processor() -> Processor:
    """The capabilities of this processor, by self-test at the first call in a process: names and flags can be wrong."""
    return Processor(exact_int8=codes_are_usable(), matrix_unit=matrix_unit_is_usable())


def codes_are_usable() -> bool:
    """Whether numba has instructions for codes here, with exact integers."""
    if not numba_is_installed():
        return False
    from facegap.matching.kernels_fused import codes_are_exact

    return codes_are_exact()


def matrix_unit_is_usable() -> bool:
    """Whether the matrix unit can be programmed here, with exact integers."""
    if not numba_is_installed():
        return False
    from facegap.matching.kernels_amx import tiles_are_exact

    return tiles_are_exact()
