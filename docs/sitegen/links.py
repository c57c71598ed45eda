"""Links of Markdown pages: found, resolved against the repository, and rewritten for the site."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = "docs/reference"  # generated, in no commit
# Files outside docs/ that are pages of the site, and where.
FROM_ROOT = {
    "datasets.md": f"{REFERENCE}/datasets.md",
    "models/README.md": f"{REFERENCE}/model_cards.md",
    "benchmarks/README.md": f"{REFERENCE}/benchmarks.md",
    "benchmarks/coverage.md": f"{REFERENCE}/coverage.md",
    "CHANGELOG.md": f"{REFERENCE}/changelog.md",
}
NO_PAGES = ("docs/report/README.md",)  # Markdown below docs/ that is for readers of the repository
LINK = re.compile(r"(?<!\!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
TARGET = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
GLOSSARY = re.compile(r"^(:{3,})\{glossary\}\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^(:{3,})\{toctree\}\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Link:
    """A link of a page. document, target : paths from the root, the target empty for another site; anchor : or empty."""

    document: str
    target: str
    anchor: str


def pages() -> list[str]:
    """The Markdown pages of docs/ that are in the repository, as paths from the root."""
    found = (path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))
    return sorted(page for page in found if page not in NO_PAGES and not page.startswith((f"{REFERENCE}/", "docs/_")))


def text_of(document: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / document).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """A page without its fenced blocks and code within sentences."""
    return CODE.sub("`code`", FENCED.sub("", text))


def resolved(document: str, target: str) -> str:
    """The path from the root that a relative link of a document means."""
    return os.path.normpath(PurePosixPath(document).parent / target).replace(os.sep, "/")


def links(document: str, text: str) -> Iterator[Link]:
    """The links of a page that stay within the repository."""
    for found in LINK.finditer(FENCED.sub("", text)):
        path, _, anchor = found[2].partition("#")
        if ":" not in path:
            yield Link(document, resolved(document, path) if path else document, anchor)


def anchors(text: str) -> set[str]:
    """Return what a link into a page can name: headings as GitHub and MyST spell them, explicit targets, terms of a glossary."""
    plain = FENCED.sub("", text)
    found = {*ANCHOR.findall(plain), *TARGET.findall(plain)}
    found |= {
        slug_of(term) for block in GLOSSARY.finditer(plain) for term in re.findall(r"^\S.*", block[2], re.MULTILINE)
    }
    for heading in HEADING.findall(plain):
        slug, number = slug_of(heading), 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def slug_of(heading: str) -> str:
    """The anchor of a heading.

    Examples
    --------
    >>> slug_of("How sure can you be? (`plan`)")
    'how-sure-can-you-be-plan'
    """
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def toctree_entries(document: str, text: str) -> list[str]:
    """The pages that the toctrees of a page name, as paths from the root; a pattern gives those that it matches."""
    found: list[str] = []
    for block in TOCTREE.finditer(text):
        for line in block[2].splitlines():
            if not line.strip() or line.startswith(":"):
                continue
            name = line.strip()
            if titled := re.fullmatch(r".*<(.+)>", name):
                name = titled[1]
            if "*" in name:
                matched = (ROOT / document).parent.glob(f"{name}.md")
                found += sorted(path.relative_to(ROOT).as_posix() for path in matched)
            else:
                found.append(resolved(document, f"{name}.md"))
    return found


def repository_url() -> str:
    """The address of the repository by pyproject.toml; empty until the maintainers fill it in."""
    urls = tomllib.loads(text_of("pyproject.toml"))["project"].get("urls", {})
    return str(urls.get("Repository", "")).rstrip("/")


def for_the_site(document: str, text: str, page: str | None = None) -> str:
    """The text of a document as the site shows it.

    Links to files that are no pages lead to the repository, or are plain text where its address is not known; HTML anchors
    become targets of MyST.

    Parameters
    ----------
    document : str
        Path from the root that the links of the text are relative to.
    text : str
        Markdown.
    page : str, optional
        Path from the root of the page that shows it, where that is another.
    """
    shown = page or document
    repository = repository_url()

    def rewritten(found: re.Match[str]) -> str:
        words, (path, _, anchor) = found[1], found[2].partition("#")
        if ":" in path or not path:
            return found[0]
        target = resolved(document, path)
        target = FROM_ROOT.get(target, target)
        if target == "README.md":
            target = "docs/index.md"
            anchor = ""
        if target.startswith("docs/") and target.endswith(".md") and target not in NO_PAGES:
            place = os.path.relpath(target, PurePosixPath(shown).parent).replace(os.sep, "/")
            return f"[{words}]({place}{'#' * bool(anchor)}{anchor})"
        if not repository:
            return words
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"[{words}]({repository}/{kind}/main/{target}{'#' * bool(anchor)}{anchor})"

    parts, last = [], 0
    for block in FENCED.finditer(text):
        parts += [ANCHOR.sub(r"(\1)=", LINK.sub(rewritten, text[last : block.start()])), block[0]]
        last = block.end()
    return "".join([*parts, ANCHOR.sub(r"(\1)=", LINK.sub(rewritten, text[last:]))])
