"""The script that renders the charts in the page: Vega and a few lines of facegap, without external resources.

Bundling Vega takes seconds of processor time and always gives the same script, so it is cached in the user's folder. The
script runs in every report that is shared, and anybody with write access to that folder could replace it; so its hash is
stored in this package, and a script with another hash is bundled again. If it is not cached yet, a separate process starts
bundling while the tables are read and the charts are made.
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
# sha256 of the bundle of SNIPPET by this version of vl-convert for this Vega-Lite. Other versions are bundled for every report.
PINNED: Mapping[tuple[str, str], str] = MappingProxyType(
    {("1.9.0.post1", "6.4"): "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"}
)
# vl-convert holds the global lock while it bundles, so a thread would not help.
CODE = """
import sys, vl_convert
sys.stdout.reconfigure(encoding="utf-8")
sys.stdout.write(vl_convert.javascript_bundle(sys.argv[2], vl_version=sys.argv[1]))
"""


def begin_bundle(version: str) -> Begun | None:
    """A process that bundles; None if the script is cached, or no process can be started."""
    if kept_script(version) is not None:
        return None
    command = [sys.executable, "-I", "-c", CODE, version, SNIPPET]
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    except OSError:
        return None


def runtime_script(own: str, version: str, begun: Begun | None = None) -> str:
    """Vega of the Vega-Lite `version` as one script, followed by facegap's `own` lines, which call it as vegaEmbed.

    begun : result of `begin_bundle`. If it failed, or nothing is cached, the script is bundled here.
    """
    return f"{vega(version, begun)}\n(() => {{\n{own}\n}})();\n"


def vega(version: str, begun: Begun | None) -> str:
    """The bundled Vega, cached if its hash is known."""
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
    """The expected sha256 of the bundle; None for versions that this package does not know."""
    return PINNED.get((importlib.metadata.version("vl-convert-python"), version))


def place_of(version: str) -> Path:
    """Path of the cached script, named after its hash."""
    return Path(platformdirs.user_cache_dir("facegap")) / "page" / f"{pinned(version)}.js"


def kept_script(version: str) -> str | None:
    """The cached script; None if it is missing, or its hash is not the expected one."""
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
