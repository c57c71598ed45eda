"""Pages from the templates of a package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


class Renderer:
    """The templates in the folder `templates` of a package; every value is escaped."""

    def __init__(self, package: str) -> None:
        self._environment = Environment(
            loader=PackageLoader(package),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def __call__(self, template: str, values: Mapping[str, Any]) -> str:
        """A template filled in."""
        return self._environment.get_template(template).render(values)
