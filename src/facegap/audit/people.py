"""Whether a manifest says who is who, as far as an audit of comparisons needs it."""

from __future__ import annotations

from facegap.audit.settings import Verify
from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest

SUBJECT_WORDS = frozenset(
    (
        "subject",
        "subjects",
        "subjectid",
        "person",
        "personid",
        "people",
        "identity",
        "identityid",
        "individual",
        "name",
        "id",
    )
)


def require_people(table: Manifest, verify: Verify) -> None:
    """Refuse comparisons that could only be between strangers, or whose people are unknown, unless that is asked for.

    Raises
    ------
    TableError : no column subject, with columns that may be it; nobody with two images
    """
    if not table.has_subjects and not verify.images_are_people:
        near = [name for name in table.labels if name.casefold().replace("_", "").replace(" ", "") in SUBJECT_WORDS]
        cure = f"rename {near[0]} to subject" if near else "add it"
        raise TableError(
            f"the manifest has no column subject, so two images of one person would count as strangers; {cure}, or pass "
            "--images-are-people if every image shows another person"
        )
    if verify.pairs is None and not verify.impostors_only and table.frame["subject"].nunique() == len(table.frame):
        raise TableError(
            "nobody has two images in the manifest, so there is no genuine pair and nothing can be said of false non-matches; "
            "add second images, mend the column subject, or pass --impostors-only to measure false matches alone"
        )
