"""One analysis of a run: groups against a reference, before and after balancing measured covariates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd

from facegap.derive.balanced.covariates import Covariate, chosen, covariates_of, parse_reliabilities
from facegap.derive.balanced.overadjustment import require_no_overadjustment
from facegap.derive.balanced.rows import Row, frame_of
from facegap.derive.balanced.trials import metrics_to_explain
from facegap.derive.balanced.work import Choices, Work
from facegap.derive.comparisons import Comparisons
from facegap.derive.groupings import Cells, Grouping, cells_of, parse_by
from facegap.errors import RunError, SettingError
from facegap.store.run import Run

Progress = Callable[[int, int], None]
MOST_GROUPS = 60  # against one reference; each takes seconds


@dataclass(frozen=True, eq=False)
class Answer:
    """Results of an analysis.

    rows         : estimates in order of metric, group, step
    overadjusted : the sentence required wherever a result is shown; empty if no covariate is part of the groups
    notes        : notes for the reader
    """

    run: Run
    grouping: Grouping
    reference: str
    covariates: tuple[Covariate, ...]
    rows: tuple[Row, ...]
    overadjusted: str
    notes: tuple[str, ...]
    verdict_level: float
    seed: int

    @property
    def frame(self) -> pd.DataFrame:
        """Return EXPLAIN; rows with covariates that are part of the groups state this in `reason`."""
        frame = frame_of(self.rows)
        silent = frame["overadjusted"] & (frame["reason"] == "")
        return frame.assign(reason=frame["reason"].mask(silent, self.overadjusted))


def silent(_done: int, _total: int) -> None:
    """Ignore progress."""


def explained_run(run: Run, pairs: Comparisons | None, choices: Choices, progress: Progress = silent) -> Answer:
    """Analyse the gaps of a run.

    pairs    : its comparisons, None without any
    progress : called with the number of gaps done and in total
    """
    if not choices.covariates:
        raise SettingError(
            f"--covariates: give at least one; the run has "
            f"{', '.join(covariates_of(run, choices.covariates_file)) or 'none'}"
        )
    grouping = grouping_of(run, choices.by)
    known = covariates_of(run, choices.covariates_file)
    stated = parse_reliabilities(choices.reliability)
    balanced = chosen(known, choices.covariates, stated, "--covariates")
    followed = chosen(known, choices.within or choices.covariates, stated, "--within")
    unused = [name for name in stated if name not in {one.name for one in (*balanced, *followed)}]
    if unused:
        raise SettingError(
            f"--reliability {unused[0]}: not among the covariates to balance; also give it in --covariates"
        )
    said = require_no_overadjustment(grouping, [one.name for one in balanced], allowed=choices.allow_overadjustment)
    cells = cells_of(run.manifest, grouping)
    metrics = metrics_to_explain(run, choices.metric)
    reference = reference_of(run, cells, choices.reference)
    groups = [k for k in range(len(cells.groups)) if cells.known[k] and k != reference]
    if not groups:
        raise SettingError(f"--by {'*'.join(grouping)}: only one group has known labels, so there is no gap")
    if len(groups) > MOST_GROUPS:
        raise SettingError(
            f"--by {'*'.join(grouping)}: {len(groups) + 1} groups, more than {MOST_GROUPS + 1}; cross fewer columns"
        )
    level = 1 - run.record.alpha / (len(groups) * len(metrics))
    work = Work(
        run, cells, reference, tuple(groups), tuple(balanced), tuple(followed), level, choices, bool(said), pairs
    )
    total, done = len(metrics) * len(groups), count(1)

    def advance() -> None:
        progress(next(done), total)

    rows = [row for metric in metrics for row in work.rows(metric, advance)]
    return Answer(
        run,
        grouping,
        str(cells.groups[reference]),
        tuple(balanced),
        tuple(rows),
        said,
        notes_of(rows, balanced),
        level,
        choices.seed,
    )


def grouping_of(run: Run, by: str | None) -> Grouping:
    """The requested grouping, or the first of the run.

    Raises
    ------
    SettingError : if there are several groupings, or none; RunError : if the run has none
    """
    if by is None:
        if not run.record.groupings:
            raise RunError("the run has no grouping; give one with --by")
        return run.record.groupings[0]
    found = parse_by(by, run.record.manifest.labels)
    if len(found) != 1:
        raise SettingError(f"--by {by!r}: give one grouping, for example gender*race; run again for another")
    return found[0]


def reference_of(run: Run, cells: Cells, requested: str | None) -> int:
    """The reference group: the one requested, or that with most people, whatever its errors.

    Raises
    ------
    SettingError : if there is no such group
    """
    names = [str(group) for group in cells.groups]
    if requested is not None:
        if requested not in names or not cells.known[names.index(requested)]:
            known = ", ".join(name for name, is_known in zip(names, cells.known, strict=True) if is_known)
            raise SettingError(f"--reference {requested!r}: no such group; there are {known}")
        return names.index(requested)
    people = [
        run.manifest["subject"][cells.codes == k].nunique() if known else -1 for k, known in enumerate(cells.known)
    ]
    return int(np.argmax(people))


def notes_of(rows: Sequence[Row], covariates: Sequence[Covariate]) -> tuple[str, ...]:
    """Notes for the reader on these rows."""
    noisy = [one for one in covariates if one.is_noisy]
    said = []
    for one in noisy:
        why = "a crude measure" if np.isnan(one.reliability) else f"reliability stated as {one.reliability:g}"
        said.append(f"{one.name}: {why}, so part of its association stays in the remaining gap (attenuation).")
    return (*said, *without_trials(rows))


def without_trials(rows: Sequence[Row]) -> tuple[str, ...]:
    """Numbers of trials excluded by group because a covariate could not be measured; empty if none."""
    whole = [row for row in rows if row.is_of_all]
    lost = sorted({(row.group, row.without_covariates) for row in whole if row.without_covariates})
    lost += sorted(
        {(row.reference, row.reference_without_covariates) for row in whole if row.reference_without_covariates}
    )
    if lost:
        named = ", ".join(f"{count:,} of {group}" for group, count in lost[:8]) + (
            " and others" if len(lost) > 8 else ""
        )
        return (f"Trials in which a covariate could not be measured are excluded from these gaps: {named}.",)
    return ()
