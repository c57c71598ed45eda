"""The script that draws the charts in the page: Vega, with a few lines of facegap's own after it, that loads nothing.

To bundle Vega takes seconds of a processor and gives the same script every time, so it is kept in the user's cache. What is
taken from there runs in every page that is sent on, and anybody who may write in that folder could have put it there: so its
hash stands in this package, and a script of another hash is made anew. Where it is not there yet, a separate process begins
with it while the tables are read and the charts are made.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import platformdirs

from facegap.errors import RunError
from facegap.store.files import write_bytes
from facegap.store.opened import read_file

Begun = subprocess.Popen[str]
SNIPPET = "window.vegaEmbed = vegaEmbed;"
MOST_SCRIPT_BYTES = 32 * 2**20
# sha256 of what vl-convert of that version makes of SNIPPET for that Vega-Lite. Other versions are bundled at every report.
PINNED: Mapping[tuple[str, str], str] = MappingProxyType(
    {("1.9.0.post1", "6.4"): "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"}
)
# vl-convert holds the interpreter while it bundles, so that a thread would gain nothing.
CODE = """
import sys, vl_convert
sys.stdout.reconfigure(encoding="utf-8")
sys.stdout.write(vl_convert.javascript_bundle(sys.argv[2], vl_version=sys.argv[1]))
"""


def begin_bundle(version: str) -> Begun | None:
    """A process that bundles; None where the script is kept already, or where no process can be had."""
    if kept_script(version) is not None:
        return None
    command = [sys.executable, "-I", "-c", CODE, version, SNIPPET]
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    except OSError:
        return None


def runtime_script(own: str, version: str, begun: Begun | None = None) -> str:
    """Vega of the Vega-Lite `version` as one script, then facegap's `own` lines, which call it as vegaEmbed.

    begun : what `begin_bundle` gave. Where it failed, and where nothing is kept, the script is made here.
    """
    return f"{vega(version, begun)}\n(() => {{\n{own}\n}})();\n"


def vega(version: str, begun: Begun | None) -> str:
    """The bundled Vega, kept where its hash is known."""
    import vl_convert

    if begun is None and (script := kept_script(version)) is not None:
        return script
    script = "" if begun is None else begun.communicate()[0]
    if begun is None or begun.returncode != 0 or not script:
        script = str(vl_convert.javascript_bundle(SNIPPET, vl_version=version))
    if hash_of(script) == pinned(version):
        with contextlib.suppress(OSError, RunError):
            kept = place_of(version)
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_bytes(kept, script.encode())
    return script


def pinned(version: str) -> str | None:
    """The sha256 that the bundle has; None for versions that this package does not know."""
    return PINNED.get((importlib.metadata.version("vl-convert-python"), version))


def place_of(version: str) -> Path:
    """Where the script is kept: under its hash."""
    return Path(platformdirs.user_cache_dir("facegap")) / "page" / f"{pinned(version)}.js"


def kept_script(version: str) -> str | None:
    """The script that was kept; None where it is not there, or is not the one whose hash stands in this package."""
    if pinned(version) is None:
        return None
    try:
        script = read_file(place_of(version), MOST_SCRIPT_BYTES, follow=False).decode("utf-8")
    except (OSError, ValueError):
        return None
    return script if hash_of(script) == pinned(version) else None


def hash_of(script: str) -> str:
    """sha256 in hex."""
    return hashlib.sha256(script.encode()).hexdigest()
