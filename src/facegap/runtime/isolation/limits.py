"""Memory limit and memory use of a model's process, from what the operating system reports, if it does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GIB, MIB = 1024**3, 1024**2
FLOOR_BYTES = 4 * GIB  # besides the memory in use before the process receives the model
PER_LANE_BYTES = GIB  # an arena of the allocator, a stack, and the results between operators
PER_PICTURE_BYTES = 64 * MIB  # of a batch: about five results of 64 channels at 224 x 224 at the same time
PER_MODEL_BYTE = 16  # the file, its message, the graph, and repacked weights
CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit(model_bytes: int, *, lanes: int, batch: int) -> int:
    """Memory in bytes that a model may use, from the size of its file; at most what this machine or container has.

    Parameters
    ----------
    model_bytes : int
        Size of the file.
    lanes, batch : int
        Batches that may run at the same time, and images in each.

    Returns
    -------
    int
        At least 1 GiB on any machine: no model here runs with less.

    Examples
    --------
    >>> memory_limit(0, lanes=1, batch=1) <= 5 * GIB + 64 * MIB
    True
    """
    wanted = FLOOR_BYTES + lanes * (PER_LANE_BYTES + batch * PER_PICTURE_BYTES) + PER_MODEL_BYTE * model_bytes
    return max(GIB, min(wanted, machine_bytes()))


def machine_bytes() -> int:
    """Memory of this machine, or of the container if that has less; a very large number if neither is reported."""
    stated = [2**62]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        stated.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # the word max: no limit
            stated.append(int(Path(name).read_text("ascii")))
    return min(size for size in stated if size > 0)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if the system does not report it, or the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def spent_seconds(pid: int) -> float:
    """Processor time used by a process.

    Raises
    ------
    OSError, ValueError : if the process has ended, or the system does not report it
    """
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
