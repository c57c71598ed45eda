"""Sphinx builds the site from the pages of this folder and those that `sitegen` generates: sphinx-build -W docs site."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, ClassVar

from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from pygments.token import Name

sys.path.insert(0, str(Path(__file__).parent))

from sitegen.api import notes_as_lists
from sitegen.glossary import with_terms
from sitegen.links import ROOT, for_the_site, repository_url
from sitegen.pages import write_pages

project = "facegap"
author = "The facegap maintainers"
copyright = "The facegap maintainers"
version = release = installed("facegap")
html_baseurl = (
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    .get("urls", {})
    .get("Documentation", "")
)

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["report/README.md", "sitegen/**", "_*/**"]
default_role = "code"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nitpicky = False
smartquotes = False  # an option in a sentence, --classify, keeps both hyphens
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
show_warning_types = True

html_theme = "pydata_sphinx_theme"
html_title = "facegap"
html_show_sourcelink = False
html_sidebars = {"gallery": []}  # a page without pages below it
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options: dict[str, Any] = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "icon_links": [{"name": "Source", "url": url, "icon": "fa-solid fa-code"} for url in [repository_url()] if url],
}


class CommandLexer(BashLexer):
    """Bash in which an option is one token, so that site.css can keep a line from breaking within it."""

    tokens: ClassVar[dict[str, Any]] = {
        **BashLexer.tokens,
        "data": [(r"(?<=\s)--?[a-zA-Z][\w-]*", Name.Attribute), *BashLexer.tokens["data"]],
    }


def rewrite_links(_app: Any, page: str, source: list[str]) -> None:
    """Links of a page of the repository as the site needs them, and links to the glossary."""
    if not page.startswith("reference/"):
        source[0] = with_terms(for_the_site(f"docs/{page}.md", source[0]))


def list_notes(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Lines `name : meaning` of a docstring as a list."""
    lines[:] = notes_as_lists(lines)


def setup(app: Any) -> None:
    """Generate the reference before Sphinx looks for pages, and rewrite links as they are read."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("bash", CommandLexer)
    app.connect("config-inited", lambda *_: write_pages())
    app.connect("source-read", rewrite_links)
    app.connect("autodoc-process-docstring", list_notes, priority=400)  # before numpydoc
