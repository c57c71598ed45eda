"""The Python reference: a page per public name, generated from its docstring by autodoc and numpydoc."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import facegap
from facegap import statistics
from facegap.audit.settings import SETTING, option_name
from sitegen.markdown import code, escaped, table

HEADINGS = {"function": "Functions", "class": "Classes", "value": "Values", "module": "Modules"}
NOT_A_PAGE = ("__version__",)
SAID = re.compile(
    r"^(?P<names>[A-Za-z_][\w.]*(?: \d+)?(?:, [\w.]+)*) +: (?P<text>.+)$"
)  # of a name, or of Raises and Source


def kind_of(value: Any) -> str:
    """Return the kind of a public name: class, module, function or value."""
    if inspect.isclass(value):
        return "class"
    if inspect.ismodule(value):
        return "module"
    return "function" if callable(value) else "value"


def summary(value: Any) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def directive(kind: str, name: str) -> str:
    """Return the directive that documents a name."""
    auto = {"class": "autoclass", "function": "autofunction", "value": "autodata"}[kind]
    members = "   :members:\n" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. {auto}:: {name}\n{members}```\n"


def api_pages() -> Iterator[tuple[str, str]]:
    """Yield name and text of the pages of `facegap.__all__` and of `facegap.statistics.__all__`."""
    public = {name: getattr(facegap, name) for name in facegap.__all__ if name not in NOT_A_PAGE}
    parts = [
        "# Python\n",
        "The public names of `import facegap as fg`. Names that are not listed may change without notice. `facegap.__version__` is "
        "the version as text.\n",
    ]
    for kind, heading in HEADINGS.items():
        rows = [(f"[{name}](api/{name}.md)", summary(one)) for name, one in public.items() if kind_of(one) == kind]
        if rows:
            parts += [f"## {heading}\n", table(("name", "purpose"), rows)]
    entries = "\n".join(f"api/{name}" for name in public)
    yield "api", "\n".join([*parts, f":::{{toctree}}\n:hidden:\n\n{entries}\n:::\n"])
    for name, value in public.items():
        if kind_of(value) != "module":
            yield f"api/{name}", f"# {name}\n\n{directive(kind_of(value), f'facegap.{name}')}{settings_table(value)}"
    yield "api/statistics", statistics_page()


def settings_table(value: Any) -> str:
    """Return the table of a settings class with defaults and help texts; empty for anything else."""
    known = [one for one in fields(value) if SETTING in one.metadata] if is_dataclass(value) else []
    rows = [
        (code(one.name), code(option_name(one)), code(repr(one.default)), escaped(one.metadata[SETTING].help))
        for one in known
    ]
    return f"\n## Settings\n\n{table(('name', 'option', 'default', 'description'), rows)}" if rows else ""


def statistics_page() -> str:
    """Return the page of all public names of facegap.statistics."""
    parts = ["# statistics\n", f"{inspect.getdoc(statistics)}\n"]
    for name in statistics.__all__:
        parts += [f"## {name}\n", directive(kind_of(getattr(statistics, name)), f"facegap.statistics.{name}")]
    return "\n".join(parts)


def notes_as_lists(lines: list[str]) -> list[str]:
    """Convert lines `name : meaning` outside of numpydoc's sections to a list; they would otherwise be joined to one paragraph."""
    found: list[str] = []
    in_section = in_note = False
    for k, line in enumerate(lines):
        following = lines[k + 1] if k + 1 < len(lines) else ""
        if line.strip() and re.fullmatch(r"-{3,}", following.strip()):
            in_section = True
        said = SAID.match(line.strip()) if not in_section else None
        if said and not line.startswith(" "):
            found += ([] if in_note else [""]) + [f"- **{said['names']}** : {said['text'].strip()}"]
            in_note = True
        elif in_note and line.startswith(" ") and line.strip():
            found.append(f"  {line.strip()}")
        else:
            found += [""] if in_note and line.strip() else []
            found.append(line)
            in_note = False
    return found
