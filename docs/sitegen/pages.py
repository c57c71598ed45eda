"""The generated pages of the site, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facegap.audit.plan_file import PlanFile
from facegap.gate.policy import PolicyFile
from facegap.inputs.cards.schema import ModelCard
from facegap.store.record import RunRecord
from facegap.suite.settings import SuiteTable
from sitegen.api import api_pages
from sitegen.columns import tables_page
from sitegen.commands import command_pages
from sitegen.fields import fields_page
from sitegen.glossary import glossary_page
from sitegen.links import FROM_ROOT, REFERENCE, ROOT, for_the_site, text_of

FILES = {
    "card": (
        "Model card",
        "A model card is a TOML file; `facegap card new` writes one. [Examples](model_cards.md).",
        ModelCard,
    ),
    "plan": (
        "Plan",
        "`facegap plan --out plan.toml` writes it, and `audit --plan` reads it. [How to use it](../plan.md).",
        PlanFile,
    ),
    "policy": ("Policy", "The rules of `facegap gate`, a TOML file. [How to use it](../gate.md).", PolicyFile),
    "suite": ("Suite", "What `facegap suite` runs, a TOML file. [How to use it](../suites.md).", SuiteTable),
    "run_json": (
        "run.json",
        "The record that an audit writes into its run folder. Every key is always present; values that a run does not have "
        "are null or empty.",
        RunRecord,
    ),
}


def generated() -> Iterator[tuple[str, str]]:
    """Yield the path below docs/reference/, without suffix, and the text of every generated page."""
    yield from command_pages()
    yield from api_pages()
    yield "tables", tables_page()
    yield "glossary", glossary_page()
    for name, (title, introduction, model) in FILES.items():
        yield name, fields_page(title, introduction, model)
    for document, page in FROM_ROOT.items():
        yield (
            Path(page).relative_to(REFERENCE).with_suffix("").as_posix(),
            for_the_site(document, text_of(document), page),
        )


def write_pages() -> list[Path]:
    """Write the generated pages below docs/reference/. Unchanged files are not touched; other Markdown files are removed."""
    folder, written = ROOT / REFERENCE, []
    for name, text in generated():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        written.append(path)
    for path in sorted({*folder.rglob("*.md")} - {*written}):
        path.unlink()
    return written
