"""Compilation of the inner loops: without the global lock, and cached on disk if possible.

numba's cache tracks only the file of a function. A compiled function must therefore be in the same file as everything
that it inlines, or an edit elsewhere would leave outdated machine code in use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` without the global lock, and cache it on disk if possible.

    numba writes next to this file or to the user's cache folder, and raises an error if it can do neither: on a read-only
    file system the loops are compiled again in each process, which takes a few seconds.
    """
    return compiled_with(function, frozenset())


def compiled_with(function: Callable[..., Any], reassociation: frozenset[str]) -> Callable[..., Any]:
    """Compile `function` with these fast-math flags of LLVM; see `compiled`."""
    flags = set(reassociation) or False
    try:
        return numba.njit(nogil=True, cache=True, fastmath=flags, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=flags, error_model="numpy")(function)


def compiled_for_norms(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `compiled`, with sums in any order: only for norms, where filters.ROUNDING covers the difference."""
    return compiled_with(function, frozenset({"reassoc", "contract", "nsz", "nnan"}))
