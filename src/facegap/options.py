"""Options of the commands: those of audit settings, generated from the settings classes, and a few shared ones.

A command declares its settings as one parameter, and is called with a checked AuditSettings:

    @with_settings
    def tone(manifest: ManifestPath, settings: Annotated[AuditSettings, Only("detect", "where")], ...) -> None:
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from facegap.audit.settings import (
    SECTIONS,
    SETTING,
    TARGET_AND_THRESHOLD,
    AuditSettings,
    CallableModel,
    Setting,
    leaves,
    option_name,
    settings_from,
)
from facegap.errors import SettingError

ManifestPath = Annotated[Path, typer.Argument(help="CSV or parquet file with a column image", show_default=False)]
ModelName = Annotated[str, typer.Option(help="Name of the system in the tables")]
IncludeIds = Annotated[bool, typer.Option("--include-ids", help="Name images in tables and pages")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print all tables instead of one screen")]
View = Annotated[
    Literal["plain", "gender-shades"] | None,
    typer.Option(help="Additional view of the same numbers, with the columns and labels of Gender Shades"),
]

CONTEXT = "context"  # of a command: typer passes it
SWITCHED = {"identify": "--identify"}  # sections that are off unless their option is given


@dataclass(frozen=True)
class Only:
    """The settings that a command has as options: names of settings or of sections; `said` replaces their help."""

    names: tuple[str, ...]
    said: Mapping[str, str] = field(default_factory=dict)

    def __init__(self, *names: str, said: Mapping[str, str] | None = None) -> None:
        known = {*SECTIONS, *(one.name for _, one in leaves())}
        unknown = [name for name in (*names, *(said or {})) if name not in known]
        assert not unknown, unknown
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "said", said or {})

    def has(self, section: str, name: str) -> bool:
        """Whether the command has a setting."""
        return not self.names or name in self.names or section in self.names


@dataclass(frozen=True)
class Option:
    """One option of a command: its parameter, and the conversion of a given value to the setting."""

    parameter: inspect.Parameter
    value: Callable[[Any], Any]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `settings` by the corresponding options; typer reads the signature."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    only = next((part for part in get_args(hints["settings"])[1:] if isinstance(part, Only)), Only())
    options = list(options_of(only))
    switches = [name for name in SWITCHED if only.has(name, name)]
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name == "settings":
            parameters += with_switches(options, switches)
        else:
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=keyword))

    @functools.wraps(command)
    def run(**given: Any) -> None:
        typed = typed_settings(given.pop(CONTEXT, None))
        on = {switch for switch in switches if given.pop(switch)}
        words = {option.parameter.name: given.pop(option.parameter.name) for option in options}
        command(**given, settings=replace(chosen_settings(options, words, on), stated=typed))

    parameters.append(inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def typed_settings(context: typer.Context | None) -> tuple[str, ...]:
    """Names of the settings given on the command line, whatever their value; none without a command line."""
    if context is None:
        return ()
    sources = {one.name: context.get_parameter_source(one.name) for _, one in leaves()}
    return tuple(
        sorted(name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")
    )


def options_of(only: Only) -> Iterator[Option]:
    """The options of the settings that a command has, in the order of the settings classes."""
    kinds = kinds_of_settings()
    for section, one in leaves():
        known = one.metadata.get(SETTING)
        if known is not None and known.option and only.has(section, one.name):
            yield option_of(one, known, kinds[section][one.name], only.said.get(one.name, known.help), section)


@functools.cache
def kinds_of_settings() -> Mapping[str, Mapping[str, Any]]:
    """The type of every setting by section and name; cached, because every --help needs it."""
    return {
        section: get_type_hints(kind, localns={"CallableModel": CallableModel})
        for section, kind in {"": AuditSettings, **SECTIONS}.items()
    }


def option_of(one: Field[Any], known: Setting, kind: Any, help: str, section: str) -> Option:
    """One setting as an option."""
    default = one.default if known.command_default is None else known.command_default
    several = isinstance(default, tuple)
    words = words_of_default(known, default)
    if section in SWITCHED:
        help = f"{SWITCHED[section]}: {help[0].lower()}{help[1:]}"
    info = typer.Option(
        option_name(one),
        help=f"{help} [default: {words}]" if words else help,
        min=known.minimum,
        max=known.maximum,
        rich_help_panel=known.heading or None,
        show_default=default is not None and not several and not isinstance(default, bool),
    )
    if isinstance(default, bool):
        # A setting that is on by default can only be switched off: --no-embeddings.
        return option(one.name, bool, info, False, (lambda given: not given) if default else (lambda given: given))
    if several:
        many: Any = list[kind_on_the_command_line(kind)]  # type: ignore[misc]  # a type that is known at run time only
        return option(one.name, many | None, info, None, lambda given: given or None)
    single = kind_on_the_command_line(kind)
    return option(one.name, single | None if default is None else single, info, default, lambda given: given)


def option(name: str, kind: Any, info: Any, default: Any, value: Callable[[Any], Any]) -> Option:
    """An option with its parameter for typer."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    return Option(inspect.Parameter(name, keyword, default=default, annotation=Annotated[kind, info]), value)


def with_switches(options: Sequence[Option], switches: Sequence[str]) -> list[inspect.Parameter]:
    """The parameters of options, with the switch of each section before its options."""
    sections = {one.name: section for section, one in leaves()}
    parameters: list[inspect.Parameter] = []
    left = list(switches)
    for option in options:
        if sections[option.parameter.name] in left:
            left.remove(sections[option.parameter.name])
            parameters.append(switch_of(sections[option.parameter.name]))
        parameters.append(option.parameter)
    return parameters


def switch_of(section: str) -> inspect.Parameter:
    """The option that switches a section on."""
    known = next(one.metadata[SETTING] for one in fields(AuditSettings) if one.name == section)
    info = typer.Option(SWITCHED[section], help=known.help, rich_help_panel=known.heading)
    return option(section, bool, info, False, bool).parameter


def words_of_default(known: Setting, default: Any) -> str:
    """Help text of a default that typer does not show itself."""
    if known.without:
        return known.without
    return ", ".join(f"{value:g}" for value in default) if isinstance(default, tuple) else ""


def kind_on_the_command_line(kind: Any) -> Any:
    """The type that typer parses: for several values that of one, without None and types that exist only in Python."""
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    if get_origin(kind) is Union or isinstance(kind, type(int | str)):
        members = [member for member in get_args(kind) if member not in (type(None), CallableModel)]
        return members[0] if len(members) == 1 else str  # a number or a word is parsed by the setting
    return kind


def chosen_settings(options: Sequence[Option], words: Mapping[str, Any], on: set[str]) -> AuditSettings:
    """The settings from the options of a command line.

    Raises
    ------
    typer.BadParameter : for a target together with a threshold, settings of a section that is off, or a value out of bounds
    """
    if words.get("fmr") and words.get("threshold"):
        raise typer.BadParameter(TARGET_AND_THRESHOLD, param_hint="--fmr")
    section_of_name = {one.name: section for section, one in leaves()}
    given: dict[str, Any] = {}
    for one in options:
        name = one.parameter.name
        value = one.value(words[name])
        if value is None:
            continue
        section = section_of_name[name]
        if section not in SWITCHED or section in on:
            given[name] = value
        elif words[name] != one.parameter.default:
            raise typer.BadParameter(f"takes effect with {SWITCHED[section]} only; add it", param_hint=hint(name))
    try:
        return settings_from(given, identify="identify" in on)
    except SettingError as error:
        raise typer.BadParameter(str(error)) from None


def hint(name: str) -> str:
    """The name of an option for a message."""
    return next(option_name(one) for _, one in leaves() if one.name == name)
