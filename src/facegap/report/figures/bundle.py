"""The script that draws the charts in the page: Vega with a few lines of facegap's own, in one piece that loads nothing.

To bundle takes seconds of a processor and gives the same script every time, so it is kept in the user's cache. Where it
is not there yet, a process of its own begins with it while the tables are read and the charts are made.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import platformdirs

from facegap.errors import RunError
from facegap.store.run import write_bytes

Begun = subprocess.Popen[str]
# vl-convert holds the interpreter while it bundles, so that a thread would gain nothing.
CODE = """
import sys, vl_convert
sys.stdout.reconfigure(encoding="utf-8")
sys.stdin.reconfigure(encoding="utf-8")
sys.stdout.write(vl_convert.javascript_bundle(sys.stdin.read(), vl_version=sys.argv[1]))
"""


def begin_bundle(snippet: str, version: str) -> Begun | None:
    """A process that bundles; None where the script is kept already, or where no process can be had."""
    if kept_script(place_of(snippet, version)) is not None:
        return None
    command = [sys.executable, "-I", "-c", CODE, version]
    try:
        begun = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
    except OSError:
        return None
    assert begun.stdin is not None
    with contextlib.suppress(OSError):  # it may have ended already
        begun.stdin.write(snippet)
        begun.stdin.close()
    begun.stdin = None  # or `communicate` would close it again
    return begun


def runtime_script(snippet: str, version: str, begun: Begun | None = None) -> str:
    """`snippet` bundled with the Vega that it calls as vegaEmbed, of the Vega-Lite `version`.

    begun : what `begin_bundle` gave for the same two. Where it failed, and where nothing is kept, it is made here.
    """
    import vl_convert

    kept = place_of(snippet, version)
    if begun is None and (script := kept_script(kept)) is not None:
        return script
    script = "" if begun is None else begun.communicate()[0]
    if begun is None or begun.returncode != 0 or not script:
        script = str(vl_convert.javascript_bundle(snippet, vl_version=version))
    with contextlib.suppress(OSError, RunError):
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_bytes(kept, f"{hash_of(script)}\n{script}".encode())
    return script


def place_of(snippet: str, version: str) -> Path:
    """Where the script is kept: by everything that decides its content."""
    made_by = importlib.metadata.version("vl-convert-python")
    key = hashlib.sha256(f"{made_by} {version}\n{snippet}".encode()).hexdigest()
    return Path(platformdirs.user_cache_dir("facegap")) / "page" / f"{key}.js"


def kept_script(path: Path) -> str | None:
    """A script that was kept: its sha256, a line end, then the script; None where it is not there or not whole."""
    try:
        stated, _, script = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return script if script and hash_of(script) == stated else None


def hash_of(script: str) -> str:
    """sha256 in hex."""
    return hashlib.sha256(script.encode()).hexdigest()
