"""How much memory may still be taken, and a refusal before a file that says it needs more is read.

Files state how much they hold: a parquet file in its footer, an npz file in the directory at its end, a CSV by its commas.
What that would take is set against the memory that this process can still have, so that a small file which unpacks to
billions of cells ends in one sentence instead of in the kernel's killing of the process, or of another.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from facegap.errors import FacegapError

# Bytes that one cell takes on its way from a file into a column of a table: a Python object, a pointer to it, and a copy.
CELL_BYTES = 64
JSON_EXPANSION = 24  # times the text, of a list of empty lists
LEAST_ROOM = 64 * 2**20  # nothing that needs less is refused: the estimates are rough
CGROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that this process can still take: the least of what the machine, its control group and its own limit leave.

    Returns
    -------
    int
        At least 0. Memory that only caches files counts as free. On a system that tells nothing, half of all memory.

    Examples
    --------
    >>> free_memory() > 0
    True
    """
    found = [machine_free(), *cgroup_free(), *own_limit_free()]
    return max(0, min(found))


def machine_free() -> int:
    """What the kernel expects to be had without swapping (proc(5), MemAvailable)."""
    stated = numbers_of(Path("/proc/meminfo")).get("MemAvailable:")
    if stated is not None:
        return stated * 1024
    if sys.platform == "win32":
        return windows_free()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def windows_free() -> int:
    """Free physical memory by GlobalMemoryStatusEx: the length of the answer, a percentage, then seven numbers of 8 bytes."""
    import ctypes

    answer = (ctypes.c_uint64 * 8)()
    ctypes.cast(answer, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(answer)
    told = ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(answer))  # type: ignore[attr-defined, unused-ignore]
    return int(answer[2]) if told else LEAST_ROOM * 16


def cgroup_free() -> list[int]:
    """What is left to the control group and to each above it (version 2, or 1 as containers mount it); none without one."""
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
    """What is left to one control group; none where it has no limit."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = (number_in(folder / name) for name in (limit, used))
        if most is not None and now is not None and most < 2**60:
            return [most - now + numbers_of(folder / "memory.stat").get(cached, 0)]
    return []


def own_limit_free() -> list[int]:
    """What `ulimit -v` leaves of addresses; none without such a limit."""
    if sys.platform == "win32":
        return []
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit in (resource.RLIM_INFINITY, -1):
        return []
    taken = numbers_of(Path("/proc/self/status")).get("VmSize:", 0) * 1024
    return [limit - taken]


def numbers_of(path: Path) -> dict[str, int]:
    """The lines `NAME NUMBER ...` of a file of the kernel's; empty where there is no such file."""
    cells = (line.split() for line in lines_of(path))
    return {row[0]: int(row[1]) for row in cells if len(row) > 1 and row[1].isdigit()}


def number_in(path: Path) -> int | None:
    """The one number in a file of the kernel's; None for none."""
    lines = lines_of(path)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def lines_of(path: Path) -> list[str]:
    """The lines of a small file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def require_room(needed: int, what: str, error: type[FacegapError], cure: str) -> None:
    """Raise `error` where something would take more memory than can be had. what : with the file's name and its size."""
    if needed <= LEAST_ROOM:
        return
    free = free_memory()
    if needed > free:
        raise error(f"{what}: about {needed:,} bytes of memory are needed, and {free:,} are free; {cure}")
