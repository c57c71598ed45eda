"""The sampling unit in words, on every surface that shows intervals."""

from __future__ import annotations

from dataclasses import replace

from facegap.export.document import uncertainty_of
from facegap.report.glossary import limits_of
from facegap.report.groups import gap_notes
from facegap.report.notebook import verdict_lines
from facegap.report.rate_tables import rate_tables
from facegap.report.units import NO_PEOPLE, unit_in_words
from facegap.store.run import Run


def with_people(run: Run, *, named: bool, cluster: tuple[str, ...] = ()) -> Run:
    manifest = replace(run.record.manifest, has_subjects=named)
    return replace(run, record=replace(run.record, manifest=manifest, cluster=cluster))


def test_images_that_were_taken_as_people_are_told_on_every_surface(towns_run: Run) -> None:
    run = with_people(towns_run, named=False)
    assert NO_PEOPLE in rate_tables(run)[0].notes  # terminal and page
    assert any(NO_PEOPLE in note for note in gap_notes(run))
    assert any("was treated as a different person" in said for said in limits_of(run))
    assert NO_PEOPLE in verdict_lines(run).notes  # notebook
    assert uncertainty_of(run)["unit"].startswith("each image was treated as a different person")


def test_units_are_named_by_their_columns(towns_run: Run) -> None:
    run = with_people(towns_run, named=True, cluster=("session", "studio"))
    said = "The sampling unit is session and studio, not the person or image."
    assert unit_in_words(run.record) == said
    assert said in rate_tables(run)[0].notes
    assert said in verdict_lines(run).notes
    assert uncertainty_of(run)["unit"] == "units of session and studio, as given by --cluster"


def test_subjects_vary_where_nothing_else_is_asked_for(towns_run: Run) -> None:
    assert unit_in_words(towns_run.record) == "The sampling unit is the subject, not the image."
    assert NO_PEOPLE not in rate_tables(towns_run)[0].notes
