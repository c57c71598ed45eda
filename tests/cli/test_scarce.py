"""A machine with few resources: few open files, or less memory than the maximum size of a file."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sets limits of Linux")

LIMITED = """
import resource, sys
kind, limit = int(sys.argv[1]), int(sys.argv[2])
from facegap.cli import main
import cv2, pandas, pyarrow, onnx, onnxruntime
resource.setrlimit(kind, (limit, limit))
sys.argv = ["facegap", *sys.argv[3:]]
main()
"""
READ = """
import resource, sys
from pathlib import Path
from facegap.store.opened import read_file
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
print(len(read_file(Path(sys.argv[1]), 2**33)))
"""


def limited(kind: int, limit: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(kind), str(limit), *words], capture_output=True, text=True, check=False
    )


def test_few_open_files_are_one_sentence_and_no_traceback(tmp_path: Path, toys: Any, draw: Any, encode: Any) -> None:
    (tmp_path / "a.png").write_bytes(encode(".png", draw(green=200)))
    (tmp_path / "people.csv").write_text("image,gender\na.png,female\n")
    words = ["audit", str(tmp_path / "people.csv"), "--detect", toys.card("detector"), "--by", "gender"]
    words += ["--classify", toys.card("classifier"), "--workers", "8", "--out", str(tmp_path / "run")]
    done = limited(resource.RLIMIT_NOFILE, 16, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "ulimit -n" in done.stderr


def test_a_small_file_is_read_if_its_maximum_size_exceeds_the_memory(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(bytes(230_000))
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "a.onnx")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "230000\n", done.stderr
