"""Manifests and finished runs: reading, checking, comparing and explaining them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.api.given import Files

if TYPE_CHECKING:
    from facegap.compare.build import Comparison
    from facegap.explain.notebook import Explanation
    from facegap.inputs.manifests.read import Manifest
    from facegap.report.notebook import Run


def read_manifest(manifest: Any, *, where: str | None = None, allow_outside: bool = False) -> Manifest:
    """Read a manifest with all checks of an audit.

    Parameters
    ----------
    manifest : path, DataFrame or list of dicts
        As for `audit`.
    where : str, optional
        A condition on its columns, such as ``"age not in ('0-2', '3-9')"``.
    allow_outside : bool
        Accept images outside the folder.

    Returns
    -------
    Manifest
        `frame` is the table with normalised labels; `warnings` lists values to review.

    Raises
    ------
    TableError
        If the table is malformed; the message names file, line, column and what to do.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.read_manifest([{"image": "a.jpg", "gender": "F"}]).frame["gender"].tolist()
    ['female']
    """
    from facegap.inputs.given import is_path
    from facegap.inputs.manifests.read import read_manifest as read

    with Files() as files:
        folder = None if is_path(manifest) else Path.cwd()
        path = files.path(manifest, "manifest")
        return read(path, where=where, allow_outside=allow_outside, images_dir=folder)


def read_run(run: str | Path) -> Run:
    """Read a finished run from its folder.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    Run
        The run as returned by an audit. Hashes are not checked; see `recheck`.

    Raises
    ------
    RunError
        If the folder contains no finished run.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.read_run("run").finding  # doctest: +SKIP
    """
    from facegap.report.notebook import Run
    from facegap.store.finished import read_finished

    return Run.of(read_finished(Path(run)))


def recheck(run: str | Path) -> list[str]:
    """Check the hash of every file of a finished run, and derive its tables again from the stored rows.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    list of str
        Discrepancies; empty if there are none.

    Raises
    ------
    RunError
        If the folder contains no finished run.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.recheck("run")  # doctest: +SKIP
    []
    """
    from facegap.audit import run as stage

    return stage.recheck(run)


def compare(
    runs: Sequence[str | Path],
    *,
    names: Sequence[str] = (),
    allow_different_people: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare models on the same people: paired differences of error rates, and changes of gaps.

    Parameters
    ----------
    runs : sequence of paths
        Two or more run folders; the others are compared with the first.
    names : sequence of str, optional
        Names of the runs in tables and charts. Default: their models.
    allow_different_people : bool
        If the people differ, compare the images that the runs have in common.
    seed : int
        Seed of the bootstrap over subjects.

    Returns
    -------
    Comparison
        `frames` contains the tables by file name.

    Raises
    ------
    RunError
        If there are fewer than two runs, an unfinished run, different people, or no metric in common.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.compare(["before", "after"]).frames["paired.csv"]  # doctest: +SKIP
    """
    from facegap.compare.build import compare as compare_folders

    folders = [Path(run) for run in runs]
    return compare_folders(folders, names=names, allow_different_people=allow_different_people, seed=seed)


def explain(
    run: str | Path | Run,
    *,
    covariates: str | Sequence[str],
    by: str | None = None,
    covariates_file: Any = None,
    within: str | Sequence[str] = (),
    reliability: Mapping[str, float] | None = None,
    metric: str | None = None,
    reference: str | None = None,
    allow_overadjustment: bool = False,
    replicates: int = 1000,
    seed: int = 0,
    out: str | Path | None = None,
) -> Explanation:
    """Estimate how much of the gaps of a run remains after balancing measured covariates between its groups.

    Parameters
    ----------
    run : path or Run
        The run folder, or a run returned by an audit.
    covariates : str or sequence of str
        Covariates to balance: columns of numbers in faces.parquet, ``"detector_score"``, ``"age"``, or columns of `covariates_file`.
    by : str, optional
        Grouping, such as ``"gender*race"``. Default: the first of the run.
    covariates_file : path, DataFrame or list of dicts, optional
        A column `image` and one column of numbers per covariate.
    within : str or sequence of str, optional
        Covariates compared between images of the same person. Default: those of `covariates`.
    reliability : mapping, optional
        For each covariate, the proportion of its within-group variance that is not noise, above 0 and at most 1. Below 0.95 the
        gap is marked attenuated.
    metric : str, optional
        Metric of the run. Default: the classifier's error rate, FMR and FNMR.
    reference : str, optional
        Reference group. Default: the group with the most people.
    allow_overadjustment : bool
        Allow balancing of skin brightness between groups of skin tone; every output states this.
    replicates : int
        Number of resamples of the sampling units for the intervals, 2 or more.
    seed : int
        Random seed for the resamples and for sampled impostor pairs.
    out : path, optional
        New folder for explain.html and explain.csv.

    Returns
    -------
    Explanation
        `frame` has one row per estimate, with NaN and a `reason` if a gap cannot be estimated; `gaps` has the rows with verdicts.

    Raises
    ------
    RunError
        If the folder contains no finished run, or the run has no metric to explain.
    SettingError
        If a covariate, group or metric is not in the run, or a covariate defines the groups.
    TableError
        If a grouping or a file of covariates cannot be used.

    Notes
    -----
    Overlap weights (Li, Morgan and Zaslavsky 2018), a logistic regression with the decomposition of Kitagawa, Oaxaca and
    Blinder, and the change within people. All results are associations.

    Examples
    --------
    >>> import facegap as fg
    >>> people = [{"image": str(k), "gender": "fm"[k % 2], "age": 20 + 10 * (k % 3 + k % 2)} for k in range(240)]
    >>> predictions = [{"image": row["image"], "prediction": "f" if row["age"] == 40 else row["gender"]} for row in people]
    >>> run = fg.audit_predictions(predictions, people, by="gender")
    >>> found = fg.explain(run, covariates="age", replicates=100)
    >>> found.gaps[["group", "reference", "errors", "trials", "verdict"]].to_numpy().tolist()
    [['male', 'female', 40, 120, 'gap larger than the margin']]
    """
    from facegap.audit.settings import column_names
    from facegap.derive.balanced.work import Choices
    from facegap.explain.build import explain as explain_folder
    from facegap.explain.build import explain_run, write_explained
    from facegap.explain.notebook import Explanation

    with Files() as files:
        choices = Choices(
            by=by,
            covariates=column_names(covariates),
            covariates_file=None if covariates_file is None else files.path(covariates_file, "covariates_file"),
            within=column_names(within),
            reliability=tuple(f"{name}={value!r}" for name, value in (reliability or {}).items()),
            metric=metric,
            reference=reference,
            allow_overadjustment=allow_overadjustment,
            replicates=replicates,
            seed=seed,
        )
        found = explain_folder(Path(run), choices) if isinstance(run, str | Path) else explain_run(run.stored, choices)
    if out is not None:
        write_explained(found, Path(out))
    return Explanation(found)
