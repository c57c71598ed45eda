"""How much memory a model may take, and what its process takes: from what the system states, where it states it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GIB, MIB = 1024**3, 1024**2
FLOOR_BYTES = 4 * GIB  # beyond what the process takes before it sees the model
PER_LANE_BYTES = GIB  # an arena of the allocator, a stack, and the results between operators
PER_PICTURE_BYTES = 64 * MIB  # of a batch: some five results of 64 channels at 224 x 224 at once
PER_MODEL_BYTE = 16  # the file, its message, the graph, and weights packed anew
CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit(model_bytes: int, *, lanes: int, batch: int) -> int:
    """Bytes that a model may take, from the size of its file; never more than this machine or container has.

    Parameters
    ----------
    model_bytes : int
        Size of the file.
    lanes, batch : int
        Batches that may be under way at once, and pictures in each.

    Returns
    -------
    int
        At least 1 GiB, whatever the machine has: with less no model here runs.

    Examples
    --------
    >>> memory_limit(0, lanes=1, batch=1) <= 5 * GIB + 64 * MIB
    True
    """
    wanted = FLOOR_BYTES + lanes * (PER_LANE_BYTES + batch * PER_PICTURE_BYTES) + PER_MODEL_BYTE * model_bytes
    return max(GIB, min(wanted, machine_bytes()))


def machine_bytes() -> int:
    """Memory of this machine, or of the container where that has less; very much where neither is stated."""
    stated = [2**62]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        stated.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # the word max: no limit
            stated.append(int(Path(name).read_text("ascii")))
    return min(size for size in stated if size > 0)


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where the system does not say, or the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def spent_seconds(pid: int) -> float:
    """Processor time that a process has used.

    Raises
    ------
    OSError, ValueError : it is gone, or the system does not say
    """
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
