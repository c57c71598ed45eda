"""Every base dependency is imported by the program, and the program imports nothing that is not declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer

from facegap.cli import COMMANDS

ROOT = Path(__file__).parents[1]
# Where a package is imported under another name than it is installed under.
IMPORTED_AS = {
    "opencv-python": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "vl-convert-python": "vl_convert",
    "python-multipart": "python_multipart",
    "faiss-cpu": "faiss",
    "pillow-heif": "pillow_heif",
}
# Packages that a declared one cannot work without, and that it shares its values with.
BROUGHT_BY = {
    "google": "onnx",
    "llvmlite": "numba",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "urllib3": "requests",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def import_names(requirements: list[str]) -> set[str]:
    names = [re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in requirements]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


IMPORTED = {name for path in (ROOT / "src").rglob("*.py") for name in imported(path)}


def test_every_base_dependency_is_imported_by_the_program() -> None:
    assert import_names(PROJECT["dependencies"]) - IMPORTED == set()


def test_nothing_is_imported_that_neither_the_base_nor_an_extra_installs() -> None:
    declared = import_names(PROJECT["dependencies"])
    for extra, requirements in PROJECT["optional-dependencies"].items():
        if extra != "test":
            declared |= import_names(requirements)
    brought = {name for name, by in BROUGHT_BY.items() if by in declared}
    assert IMPORTED - declared - brought - set(sys.stdlib_module_names) - {"facegap"} == set()


# ---- what a command reaches ----

MODULES = {
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "src").rglob("*.py")
}


@cache
def imports_of(module: str) -> frozenset[str]:
    """What a module imports, anywhere in it: modules of facegap, of which each brings its parents, and packages."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    own = {name for name in found if name in MODULES}
    parents = {name.rpartition(".")[0] for name in own} & MODULES.keys() - {"facegap"}
    return frozenset(own | parents | {name.split(".")[0] for name in found if not name.startswith("facegap")})


def reached(module: str) -> set[str]:
    """Every module and package that a module leads to."""
    found, waiting = {module}, [module]
    for one in waiting:  # grows while it is read
        new = (imports_of(one) if one in MODULES else frozenset()) - found
        found |= new
        waiting += new
    return found


def commands_by_package() -> dict[str, set[str]]:
    """The commands that lead to each package; of a group of commands all that stand in its module."""
    found: dict[str, set[str]] = {}
    for names in COMMANDS.values():
        for name, command in names.items():
            callbacks = (
                [one.callback for one in command.registered_commands] if isinstance(command, typer.Typer) else [command]
            )
            for callback in callbacks:
                for package in reached(getattr(callback, "__module__", "")) - MODULES.keys():
                    found.setdefault(package, set()).add(name)
    return found


def test_every_base_dependency_is_used_by_a_command() -> None:
    used = commands_by_package()
    assert [name for name in import_names(PROJECT["dependencies"]) if not used.get(name)] == []
    assert {"gate", "audit"} <= used["pydantic"]
    assert "statsmodels" not in used
