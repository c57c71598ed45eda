"""Plugins: entry points of other packages that add to the tables of metrics, decoders, adapters and charts.

Entry points are looked up only when a table is first used, and packages are imported only when their group is used.
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
    """One name that a package adds to a table, as in run.json."""

    group: PluginGroup
    name: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def installed(group: PluginGroup) -> tuple[Plugin, ...]:
    """Additions of the installed packages to a table, in order of name, from package metadata; nothing is imported.

    Raises
    ------
    PluginError : if two packages provide the same name
    """
    return tuple(plugin for plugin, _ in _found(group))


def extended(
    group: PluginGroup, built_in: Mapping[str, Entry], accept: Callable[[str, Any], Entry]
) -> Mapping[str, Entry]:
    """A table with the additions of packages, built-in entries first.

    accept : converts the name and loaded object of an entry point to an entry of the table; ValueError if it is not valid

    Raises
    ------
    PluginError : if a name is provided twice, or an object cannot be loaded or is not valid for the table
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
    """The loaded objects of a group's entry points."""
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
    """Clear the caches, for use after packages were installed or removed while this process runs."""
    _found.cache_clear()
    _loaded.cache_clear()
