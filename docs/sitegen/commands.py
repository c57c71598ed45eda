"""The reference of the command line, from the application itself: a page per command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from facegap.cli import COMMANDS, app
from sitegen.markdown import code, escaped, table


def help_in_markdown(command: Any) -> str:
    """Return the help of a command, with its example calls as code blocks."""
    parts: list[str] = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines()]
        if lines and all(line.startswith("facegap ") for line in lines):
            parts.append("\n".join(["```text", *lines, "```"]))
        else:
            parts.append(" ".join(lines))
    return "\n\n".join(parts) + "\n"


def option_rows(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Return name and help of each argument and option, by heading."""
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or getattr(parameter, "hidden", False):
            continue
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        heading = getattr(parameter, "rich_help_panel", None) or kind
        spaced = record[0].replace("|", " | ")  # so that a long choice can wrap
        found.setdefault(heading, []).append((code(spaced), escaped(record[1])))
    return found


def section(words: tuple[str, ...], command: Any, level: int) -> str:
    """Return the section of one command with its options."""
    context = command.make_context(" ".join(("facegap", *words)), [], resilient_parsing=True)
    usage = re.sub(r"^Usage: ", "", command.get_usage(context))
    parts = [f"{'#' * level} facegap {' '.join(words)}\n", help_in_markdown(command), f"```text\n{usage}\n```\n"]
    for heading, rows in option_rows(command, context).items():
        parts += [
            f"{'#' * (level + 1)} {heading}\n",
            table(("argument" if heading == "Arguments" else "option", "description"), rows),
        ]
    return "\n".join(parts)


def command_page(name: str, command: Any) -> str:
    """Return the page of a command; each member of a group of commands has a section."""
    members = getattr(command, "commands", {})
    if not members:
        return section((name,), command, 1)
    sections = [section((name, member), one, 2) for member, one in members.items()]
    return "\n".join([f"# facegap {name}\n", help_in_markdown(command), *sections])


def command_pages() -> Iterator[tuple[str, str]]:
    """Yield name and text of the index of commands and of the page of each command."""
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts = ["# Command line\n", help_in_markdown(typer.main.get_command(app))]
    for heading, names in COMMANDS.items():
        rows = [(f"[facegap {name}](cli/{name}.md)", first_sentence(known[name])) for name in names]
        parts += [f"## {heading}\n", table(("command", "purpose"), rows)]
    entries = "\n".join(f"cli/{name}" for names in COMMANDS.values() for name in names)
    parts.append(f":::{{toctree}}\n:hidden:\n\n{entries}\n:::\n")
    yield "cli", "\n".join(parts)
    for name, command in known.items():
        yield f"cli/{name}", command_page(name, command)


def first_sentence(command: Any) -> str:
    """Return the first paragraph of a command's help."""
    return inspect.cleandoc(command.help or "").split("\n\n")[0]
