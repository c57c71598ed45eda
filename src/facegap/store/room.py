"""Estimate free memory, and reject a file that needs more before it is read.

Files state their size: a parquet file in its footer, an npz file in its directory, a CSV file by its separators. The memory
needed is compared with the memory that this process can still allocate, so that a small file which unpacks to billions of cells
raises an error instead of getting this or another process killed by the kernel.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from facegap.errors import FacegapError

# Bytes per cell while a table is read: a Python object, a pointer to it, and a copy.
CELL_BYTES = 64
JSON_EXPANSION = 24  # bytes of memory per byte of text, for a list of empty lists
LEAST_ROOM = 64 * 2**20  # smaller requests always pass, because the estimates are rough
CGROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Return the bytes that this process can still allocate: the minimum over machine, control group and process limit.

    Returns
    -------
    int
        At least 0. File cache counts as free. Half of all memory on a system that reports none of these.

    Examples
    --------
    >>> free_memory() > 0
    True
    """
    found = [machine_free(), *cgroup_free(), *own_limit_free()]
    return max(0, min(found))


def machine_free() -> int:
    """Return the memory available without swapping (proc(5), MemAvailable)."""
    stated = numbers_of(Path("/proc/meminfo")).get("MemAvailable:")
    if stated is not None:
        return stated * 1024
    if sys.platform == "win32":
        return windows_free()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def windows_free() -> int:
    """Return free physical memory by GlobalMemoryStatusEx, whose result is a length, a percentage and seven 8-byte numbers."""
    import ctypes

    answer = (ctypes.c_uint64 * 8)()
    ctypes.cast(answer, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(answer)
    told = ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(answer))  # type: ignore[attr-defined, unused-ignore]
    return int(answer[2]) if told else LEAST_ROOM * 16


def cgroup_free() -> list[int]:
    """Return the memory left to the control group and its ancestors (version 2, or 1 as containers mount it); may be empty."""
    groups = []
    for line in lines_of(Path("/proc/self/cgroup")):
        _, kinds, name = [*line.split(":", 2), "", ""][:3]
        if not kinds:
            place = CGROUPS / name.strip("/")
            groups += [folder for folder in (place, *place.parents) if folder.is_relative_to(CGROUPS)]
        elif "memory" in kinds.split(","):
            groups += [CGROUPS / "memory" / name.strip("/"), CGROUPS / "memory"]
    return [free for folder in dict.fromkeys([*groups, CGROUPS]) for free in left_in(folder)]


def left_in(folder: Path) -> list[int]:
    """Return the memory left to one control group; empty if it has no limit."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = (number_in(folder / name) for name in (limit, used))
        if most is not None and now is not None and most < 2**60:
            return [most - now + numbers_of(folder / "memory.stat").get(cached, 0)]
    return []


def own_limit_free() -> list[int]:
    """Return the address space left under `ulimit -v`; empty without a limit."""
    if sys.platform == "win32":
        return []
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit in (resource.RLIM_INFINITY, -1):
        return []
    taken = numbers_of(Path("/proc/self/status")).get("VmSize:", 0) * 1024
    return [limit - taken]


def numbers_of(path: Path) -> dict[str, int]:
    """Parse the lines `NAME NUMBER ...` of a kernel file; empty if there is no such file."""
    cells = (line.split() for line in lines_of(path))
    return {row[0]: int(row[1]) for row in cells if len(row) > 1 and row[1].isdigit()}


def number_in(path: Path) -> int | None:
    """Read the single number in a kernel file; None if there is none."""
    lines = lines_of(path)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def lines_of(path: Path) -> list[str]:
    """Read the lines of a small file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def require_room(needed: int, what: str, error: type[FacegapError], cure: str) -> None:
    """Raise `error` if more memory is needed than is free. what : file name and size, for the message"""
    if needed <= LEAST_ROOM:
        return
    free = free_memory()
    if needed > free:
        raise error(f"{what}: about {needed:,} bytes of memory are needed, and {free:,} are free; {cure}")
