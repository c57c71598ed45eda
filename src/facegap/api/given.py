"""What callers pass in place of files and settings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.audit.settings import AuditSettings, CallableModel, Output, section_of

if TYPE_CHECKING:
    from facegap.report.notebook import Run

Words = Mapping[str, Any]  # settings in the words of the command line: {"min_subjects": 10}


class Files(ExitStack):
    """Files for what callers give in their place, gone when the call ends."""

    def path(self, given: Any, what: str) -> Path:
        """The path of a file with what was given."""
        from facegap.inputs.given import as_file

        return self.enter_context(as_file(given, what))

    def manifest(self, given: Any, settings: AuditSettings) -> tuple[Path, AuditSettings]:
        """The path of a manifest, and the settings; images of a table in memory are relative to the working folder."""
        from facegap.inputs.given import is_path

        if not is_path(given) and settings.faces.images_dir is None:
            settings = replace(settings, faces=replace(settings.faces, images_dir=Path.cwd()))
        return self.path(given, "manifest"), settings

    def folder(self) -> Path:
        """An empty folder."""
        from facegap.store.temporary import temporary_folder

        return self.enter_context(temporary_folder())

    def shown(self, stored: Any) -> Run:
        """A run as callers hold it."""
        from facegap.report.notebook import Run

        return Run.of(stored)


def named(model: str | Path | CallableModel | None) -> str | CallableModel | None:
    """A model as settings hold it: a path as text."""
    return model if model is None or isinstance(model, CallableModel) else str(model)


def output_of(out: str | Path | Output | Words | None) -> Output:
    """Where a run goes: a folder, or an Output that says more."""
    return Output(Path(out)) if isinstance(out, str | Path) else section_of(Output, out)
