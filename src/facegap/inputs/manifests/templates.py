"""Pool several images into one template: check the columns `template` and `media` of a manifest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facegap.errors import TableError
from facegap.inputs.manifests.read import JoinedLabels, Manifest
from facegap.inputs.videos.read import is_video
from facegap.store.pooled import template_codes, template_rows
from facegap.tables import TEMPLATE
from facegap.types import IntArray


def by_template(table: Manifest) -> Manifest:
    """Return a manifest with a row per template, and the pooled images as its `members`.

    Parameters
    ----------
    table
        A manifest. Without a column `template` and without a video it is returned unchanged: every image is a template.
        With a video but no such column, each row is a template.

    Returns
    -------
    Manifest
        One row per template in order of appearance: `image` is the name of the template; line, subject and labels are of
        its first row.

    Raises
    ------
    TableError
        If a template has two subjects, or two values of one label.

    Notes
    -----
    Without a subject column, each template counts as a separate person.
    """
    if table.members is not None:
        return table
    if TEMPLATE not in table.frame.columns:
        if not any(map(is_video, table.frame["path"].tolist())):
            return table
        table = replace(table, frame=table.frame.assign(**{TEMPLATE: table.frame["image"]}))
    if not table.has_subjects:
        table = replace(table, frame=table.frame.assign(subject=table.frame[TEMPLATE]))
    codes, first = template_codes(table.frame)
    for column in ("subject", *table.labels):
        require_one_value(table, column, codes, first)
    return replace(
        table,
        frame=template_rows(table.frame, first),
        joined=None if table.joined is None else joined_by_template(table.joined, codes),
        members=table,
    )


def require_one_value(table: Manifest, column: str, codes: IntArray, first: IntArray) -> None:
    """Raise TableError, with the line, if rows of one template differ in a column."""
    values = table.frame[column].to_numpy()
    differing = np.flatnonzero(values != values[first[codes]])
    if not len(differing):
        return
    row = int(differing[0])
    start = int(first[codes[row]])
    line, of = table.frame["line"], table.frame[TEMPLATE]
    raise TableError(
        f"{table.name} line {line.iloc[row]}, column {column}: template {of.iloc[row]!r} has {str(values[row])!r} here and "
        f"{str(values[start])!r} on line {line.iloc[start]} ({len(differing):,} such rows); a template belongs to "
        f"one subject with one set of labels; correct the file, or split the template in two"
    )


def joined_by_template(joined: JoinedLabels, codes: IntArray) -> JoinedLabels:
    """Return tone labels of templates: the mean probability of each class over the images of a template."""
    stated = joined.probabilities
    by_row = stated.assign(row=codes[stated["row"].to_numpy(np.int64)])
    pooled = by_row.groupby(["row", "column", "label"], sort=False)[["probability"]].mean().reset_index()
    return replace(joined, probabilities=pooled[list(stated.columns)])
