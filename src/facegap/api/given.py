"""Conversion of the arguments of public functions to files and settings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.audit.settings import AuditSettings, CallableModel, Output, section_of

if TYPE_CHECKING:
    from facegap.report.notebook import Run

Words = Mapping[str, Any]  # settings by the names of the command line: {"min_subjects": 10}


class Files(ExitStack):
    """Temporary files for the tables and arrays that callers pass, removed when the call ends."""

    def path(self, given: Any, what: str) -> Path:
        """Return the path of a file with the given content."""
        from facegap.inputs.given import as_file

        return self.enter_context(as_file(given, what))

    def manifest(self, given: Any, settings: AuditSettings) -> tuple[Path, AuditSettings]:
        """Return the path of a manifest, and the settings; image paths of a table in memory are relative to the working folder."""
        from facegap.inputs.given import is_path

        if not is_path(given) and settings.faces.images_dir is None:
            settings = replace(settings, faces=replace(settings.faces, images_dir=Path.cwd()))
        return self.path(given, "manifest"), settings

    def folder(self) -> Path:
        """Return an empty temporary folder."""
        from facegap.store.temporary import temporary_folder

        return self.enter_context(temporary_folder())

    def shown(self, stored: Any) -> Run:
        """Return a run as the object that public functions return."""
        from facegap.report.notebook import Run

        return Run.of(stored)


def named(model: str | Path | CallableModel | None) -> str | CallableModel | None:
    """Return a model as settings store it: a path as a string."""
    return model if model is None or isinstance(model, CallableModel) else str(model)


def output_of(out: str | Path | Output | Words | None) -> Output:
    """Return the output settings for a folder, a mapping or an Output."""
    return Output(Path(out)) if isinstance(out, str | Path) else section_of(Output, out)
