"""The sampling unit of a run, in words that accompany its intervals."""

from __future__ import annotations

from facegap.report.text import clean
from facegap.store.record import RunRecord

NO_PEOPLE = "No column names the subjects: each image was treated as a different person."


def unit_in_words(record: RunRecord) -> str:
    """One sentence: subjects, the units of --cluster, or images that were treated as different people."""
    if record.cluster:
        named = clean(" and ".join(record.cluster))
        return f"The sampling unit is {named}, not the person or image."
    return "The sampling unit is the subject, not the image." if record.manifest.has_subjects else NO_PEOPLE
