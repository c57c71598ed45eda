"""Restart the command in a process limited to some instructions, which libraries read when they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys


def with_instructions(instructions: str) -> int | None:
    """Run this command again limited to AVX2 and return its exit status; None if this process already has the requested limit."""
    from facegap.bench.matching import AVX2_ALONE, kept_to_avx2

    if instructions == "all" or kept_to_avx2():
        return None
    command = [sys.executable, "-m", "facegap.cli", *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | AVX2_ALONE, check=False).returncode
