"""The gaps of an audit before and after balancing its selected covariates: explain.csv of the run folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.balanced.covariates import MOST_COVARIATES, covariates_of
from facegap.derive.balanced.overadjustment import require_no_overadjustment
from facegap.derive.balanced.question import MOST_GROUPS, explained_run
from facegap.derive.balanced.work import Choices
from facegap.derive.comparisons import Comparisons
from facegap.derive.groupings import Grouping, cells_of
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest
from facegap.store.run import Run
from facegap.tables import COVARIATES, EXPLAIN

EXPLAINED = "explain.csv"
DIGITS = 9  # of a number: further digits differ between processors
MEASURED = (*COVARIATES, "detector_score")


def require_covariates(
    names: Sequence[str], table: Manifest, groupings: Sequence[Grouping], *, measured: bool, embeds: bool
) -> None:
    """Reject covariates that cannot be balanced, before the first image is processed.

    measured : whether images are read, so that their covariates are measured

    Raises
    ------
    SettingError : if a covariate is unknown, not measured by this audit or part of the groups, there are too many, or
                   there are no groups
    """
    if not names:
        return
    if len(names) > MOST_COVARIATES:
        raise SettingError(
            f"--covariates: {len(names)} covariates, more than the limit of {MOST_COVARIATES}; give fewer"
        )
    if table.members is not None:
        raise SettingError(
            "--covariates: a template of several images has no single value of a covariate; omit the option"
        )
    known = [*(MEASURED if measured else ()), *(["age"] if "age" in table.labels else [])]
    for name in names:
        if name not in known:
            raise SettingError(
                f"--covariates {name}: this audit has {', '.join(known) or 'none'}; your own covariates can be "
                f"balanced with facegap "
                "explain RUN --covariates-file"
            )
    if "template_norm" in names and not embeds:
        raise SettingError("--covariates template_norm: needs an embedder; give one with --embed")
    if not groupings:
        raise SettingError("--covariates: no groups to balance; give them with --by")
    groups = sum(cells_of(table.frame, groupings[0]).known)
    if groups > MOST_GROUPS + 1:
        raise SettingError(
            f"--covariates: {'*'.join(groupings[0])} has {groups} groups, more than {MOST_GROUPS + 1}; give a "
            f"coarser term of --by first"
        )
    require_no_overadjustment(groupings[0], names, allowed=False)


def asked_of(run: Run) -> tuple[str, ...]:
    """The covariates requested for balancing in the audit."""
    return tuple(map(str, run.record.request.setting("groups", "covariates") or ()))


def without_values(run: Run) -> tuple[str, ...]:
    """Requested covariates with fewer than two distinct values, so that there is nothing to balance."""
    known = covariates_of(run) if asked_of(run) else {}
    values = {name: known[name].values if name in known else np.empty(0) for name in asked_of(run)}
    return tuple(name for name, found in values.items() if len(np.unique(found[np.isfinite(found)])) < 2)


def explained_table(run: Run, pairs: Comparisons | None) -> pd.DataFrame:
    """EXPLAIN for the first grouping of a run; empty if nothing was requested or nothing can be balanced.

    run : including its rates
    """
    names = tuple(name for name in asked_of(run) if name not in without_values(run))
    if not names or sum(cells_of(run.manifest, run.record.groupings[0]).known) < 2:
        return pd.DataFrame()
    seed = int(run.record.request.setting("verify", "seed") or 0)
    frame = explained_run(run, pairs, Choices(covariates=names, seed=seed)).frame
    floats = [name for name, column in EXPLAIN.columns.items() if column.kind == "float"]
    return frame.assign(**{name: rounded(frame[name].to_numpy(np.float64)) for name in floats})


def rounded(values: np.ndarray) -> np.ndarray:
    """Numbers rounded to DIGITS significant digits."""
    return np.array([float(f"{value:.{DIGITS}g}") for value in values], np.float64)
