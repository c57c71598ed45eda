"""How the loops are compiled: without the global lock, kept on disk where there is a place for it.

numba's cache looks at the file of a function only. A compiled function must therefore stand in one file with everything
that it inlines, or an edit elsewhere would leave old machine code in use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled without the global lock, kept on disk where there is a place for it.

    numba writes beside this file or into the user's cache folder and raises where it may do neither: on a read-only
    file system the loops are then compiled again in each process, which takes some seconds.
    """
    return compiled_with(function, frozenset())


def compiled_with(function: Callable[..., Any], reassociation: frozenset[str]) -> Callable[..., Any]:
    """`function` compiled with these fast-math flags of LLVM; see `compiled`."""
    flags = set(reassociation) or False
    try:
        return numba.njit(nogil=True, cache=True, fastmath=flags, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=flags, error_model="numpy")(function)


def compiled_for_norms(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `compiled`, with sums in any order: only for norms, where filters.ROUNDING covers the difference."""
    return compiled_with(function, frozenset({"reassoc", "contract", "nsz", "nnan"}))
