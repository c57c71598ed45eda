"""Code of other packages: entry points that add to the tables of metrics, decoders, adapters and charts.

Nothing is looked up before one of these tables is asked for, and no package is imported before its group is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from facegap.errors import PluginError

PluginGroup = Literal["facegap.metrics", "facegap.decoders", "facegap.adapters", "facegap.charts"]
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Plugin:
    """One name that a package adds to a table, as run.json states it."""

    group: PluginGroup
    name: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def installed(group: PluginGroup) -> tuple[Plugin, ...]:
    """What the installed packages add to a table, in order of their names; read from their metadata, nothing is imported.

    Raises
    ------
    PluginError : two packages give one name
    """
    return tuple(plugin for plugin, _ in _found(group))


def extended(
    group: PluginGroup, built_in: Mapping[str, Entry], accept: Callable[[str, Any], Entry]
) -> Mapping[str, Entry]:
    """A table with what packages add to it, the built-in entries first.

    accept : the loaded object of an entry point, by its name, as an entry of the table; ValueError where it is none

    Raises
    ------
    PluginError : one name is given twice, an object cannot be loaded or is none of the table
    """
    added = _loaded(group)
    if not added:
        return built_in
    whole = dict(built_in)
    for plugin, value in added:
        if plugin.name in built_in:
            raise PluginError(
                f"{group}: {plugin.name!r} of {plugin} is a name of facegap itself; rename or uninstall it"
            )
        try:
            whole[plugin.name] = accept(plugin.name, value)
        except ValueError as error:
            raise PluginError(f"{group}: {plugin.name!r} of {plugin}: {error}") from error
    return whole


@cache
def _loaded(group: PluginGroup) -> tuple[tuple[Plugin, Any], ...]:
    """The objects of a group's entry points."""
    return tuple((plugin, _load(plugin, entry)) for plugin, entry in _found(group))


@cache
def _found(group: PluginGroup) -> tuple[tuple[Plugin, EntryPoint], ...]:
    """The entry points of a group by name."""
    found: dict[str, tuple[Plugin, EntryPoint]] = {}
    for entry in entry_points(group=group):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("a package without metadata", "")
        plugin = Plugin(group, entry.name, package, version)
        if entry.name in found:
            raise PluginError(
                f"{group}: {entry.name!r} is given by {found[entry.name][0]} and by {plugin}; uninstall one of them"
            )
        found[entry.name] = (plugin, entry)
    return tuple(found[name] for name in sorted(found))


def _load(plugin: Plugin, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{plugin.group}: {plugin.name!r} of {plugin} cannot be loaded from {entry.value!r}: {error}"
        ) from error


def forget() -> None:
    """Look everything up anew when it is asked for next: packages were installed or removed while this process ran."""
    _found.cache_clear()
    _loaded.cache_clear()
