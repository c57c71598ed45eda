"""The functions that `import facegap` offers. Each is one call of the audit or of a tool, with settings as small values.

This module is loaded with the package, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.audit.settings import (
    AuditSettings,
    CallableModel,
    Faces,
    Groups,
    Identify,
    Models,
    Output,
    Service,
    Verify,
    section_of,
)

if TYPE_CHECKING:
    from facegap.compare.build import Comparison
    from facegap.derive.metric_frame import MetricFrame
    from facegap.explain.notebook import Explanation
    from facegap.inputs.manifests.read import Manifest
    from facegap.report.notebook import Run
    from facegap.stress.notebook import StressTest
    from facegap.types import Scale

Words = Mapping[str, Any]  # settings in the words of the command line: {"min_subjects": 10}


def audit(
    manifest: Any,
    *,
    detect: str | Path = AuditSettings.detect,
    classify: str | Path | CallableModel | None = AuditSettings.classify,
    embed: str | Path | CallableModel | None = AuditSettings.embed,
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    identify: Identify | Words | bool | None = None,
    service: Service | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Run face models on the portraits of a manifest and measure how their errors differ between groups.

    Parameters
    ----------
    manifest : path, DataFrame or list of dicts
        One row per image: a column `image` and, optionally, `subject`, `gender`, `age` and labels of your own. Image paths are
        relative to the folder of the file, or to the working folder for a table in memory; ``faces={"images_dir": ...}``
        names another folder.
    detect, classify, embed : str, path or CallableModel, optional
        The name of a card, the path of a card or of an .onnx file with a card next to it, or (classify, embed) a function.
    by : str or sequence of str, optional
        Groups: ``"gender,race"`` uses each column separately, ``"gender*race"`` crosses them. Default: each label column separately.
    models : Models or mapping, optional
        Location of the models, and how they run.
    faces : Faces or mapping, optional
        Which images are opened, and which face of an image is used.
    groups : Groups or mapping, optional
        Selection of rows, labels of skin tone, minimum number of subjects, level of the intervals.
    verify : Verify or mapping, optional
        1:1, with `embed`: how thresholds are set, and which pairs are compared.
    identify : Identify, mapping or bool, optional
        1:N, with `embed`: True also searches a gallery.
    service : Service or mapping, optional
        What may be sent to a black-box service.
    out : path, Output or mapping, optional
        Run folder to write. If None, the run is kept in memory only. An `Output` also states whether an interrupted run is
        resumed, and which functions report progress.

    Returns
    -------
    Run
        Tables, finding, charts and report of the run.

    Raises
    ------
    FacegapError
        Any subclass, stating what was wrong, where, and what to do.

    Notes
    -----
    A score is accepted at or above the threshold. Intervals treat the subject, not the image or pair, as the sampling unit.

    Examples
    --------
    >>> import facegap as fg
    >>> run = fg.audit("people.csv", classify="faceapi_age_gender", by="gender")  # doctest: +SKIP
    >>> run.rates  # doctest: +SKIP
    """
    from facegap.audit import run as stage

    settings = AuditSettings(
        str(detect),
        named(classify),
        named(embed),
        by,  # type: ignore[arg-type]
        output_of(out),
        section_of(Models, models),
        section_of(Faces, faces),
        section_of(Groups, groups),
        section_of(Verify, verify),
        None if identify is None or identify is False else section_of(Identify, identify),
        section_of(Service, service),
    )
    with Files() as files:
        path, settings = files.manifest(manifest, settings)
        return files.shown(stage.audit(path, settings))


def audit_predictions(
    predictions: Any,
    manifest: Any,
    *,
    model: str | None = None,
    classes: str | Sequence[str] | None = None,
    output: str | None = None,
    label: str | None = None,
    bona_fide: str | None = None,
    by: str | Sequence[str] | None = AuditSettings.by,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    seed: int = Verify.seed,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Measure error rates by group from the predictions of a vendor or a service for the images of a manifest.

    Parameters
    ----------
    predictions : path, DataFrame or list of dicts
        Columns `image` (as in the manifest), `prediction`, and optionally `confidence` (0 to 1) and `age` (years).
    manifest : path, DataFrame or list of dicts
        As for `audit`; the image files need not exist.
    model : str, optional
        Name of the black box in the tables. Default: the name of the file.
    classes : str or sequence of str, optional
        Possible predictions. Default: those of the labels.
    output : str, optional
        Predicted attribute if not gender, such as ``"emotion"``; `classes` is then required.
    label : str, optional
        Column of the manifest with the true value of `output`. Default: its name. Without such a column, the rates of
        predictions are compared, and no errors are counted.
    bona_fide : str, optional
        Class of `output` for bona fide presentations: adds BPCER, and APCER per species of `label`.
    by, faces, groups, out
        As for `audit`.
    seed : int
        Seed of resampled labels.

    Returns
    -------
    Run
        Images without a row, or with an empty prediction, count as no answer.

    Raises
    ------
    TableError
        A malformed table, or a prediction for an image that is not in the manifest.

    Examples
    --------
    >>> import facegap as fg
    >>> people = [{"image": f"{k}.jpg", "gender": "female" if k % 2 else "male"} for k in range(80)]
    >>> said = [{"image": row["image"], "prediction": row["gender"]} for row in people]
    >>> run = fg.audit_predictions(said, people, by="gender")
    >>> run.rates.query("metric == 'error_rate_all'")["trials"].tolist()
    [80, 40, 40]
    """
    from facegap.audit import predictions as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        faces=section_of(Faces, faces),
        groups=section_of(Groups, groups),
        verify=Verify(seed=seed),
    )
    with Files() as files:
        path, settings = files.manifest(manifest, settings)
        said = files.path(predictions, "predictions")
        run = stage.audit_predictions(
            said, path, settings, model=model, classes=classes, output=output, label=label, bona_fide=bona_fide
        )
        return files.shown(run)


def audit_embeddings(
    embeddings: Any,
    manifest: Any,
    *,
    model: str = "embeddings",
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Measure verification errors from templates: row k of the embeddings belongs to row k of the manifest.

    Parameters
    ----------
    embeddings : path of an .npy file, or float array (rows, dimension)
        Rows are normalised to unit length. Rows of zeros, or with NaN, are failures to acquire.
    manifest : path, DataFrame or list of dicts
        Columns `image` (any text that names the row), `subject`, and labels.
    model : str
        Name of the system in the tables.
    by, models, groups, verify, out
        As for `audit`.
    faces
        As for `audit`, but only the quality: `template_norm`, if templates are not normalised, or a file.

    Returns
    -------
    Run
        Exact comparisons of all pairs.

    Raises
    ------
    TableError
        Not an array of numbers, or a number of rows that differs from that of the manifest.

    Examples
    --------
    >>> import facegap as fg, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> subjects = np.repeat(np.arange(40), 2)
    >>> rows = rng.normal(size=(40, 16))[subjects] + 0.3 * rng.normal(size=(80, 16))
    >>> people = [{"image": str(k), "subject": f"s{s}", "gender": "fm"[s % 2]} for k, s in enumerate(subjects)]
    >>> run = fg.audit_embeddings(rows, people, by="gender", verify={"threshold": 0.7})
    >>> sorted(set(run.rates["metric"]))
    ['fmr', 'fnmr', 'fta', 'gfar', 'gfrr']
    """
    from facegap.audit import scores as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        models=section_of(Models, models),
        faces=section_of(Faces, faces),
        groups=section_of(Groups, groups),
        verify=section_of(Verify, verify),
    )
    with Files() as files:
        path, settings = files.manifest(manifest, settings)
        return files.shown(stage.audit_embeddings(files.path(embeddings, "embeddings"), path, settings, model=model))


def audit_scores(
    scores: Any,
    manifest: Any = None,
    *,
    model: str = "scores",
    by: str | Sequence[str] | None = AuditSettings.by,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Measure verification errors from scores, in Bob's formats or as a table of left, right and score.

    Parameters
    ----------
    scores : path, DataFrame or list of dicts
        One row per comparison. Higher scores mean more similar. NaN is a comparison that could not be made.
    manifest : path, DataFrame or list of dicts, optional
        Groups of images or subjects, whichever the scores name. Without it all people form one group.
    model : str
        Name of the system in the tables.
    by, groups, verify, out
        As for `audit`.

    Returns
    -------
    Run
        FMR and FNMR by group at a threshold set on other subjects, or at the given threshold.

    Raises
    ------
    TableError
        A malformed row, with its line, or a name that is not in the manifest.

    Examples
    --------
    >>> import facegap as fg
    >>> rows = [{"genuine": k < 30, "score": 0.9 - 0.001 * k if k < 30 else 0.3 + 0.0001 * k} for k in range(330)]
    >>> run = fg.audit_scores(rows, verify={"threshold": 0.6})
    >>> run.rates.query("metric == 'fnmr'")[["errors", "trials"]].to_numpy().tolist()
    [[0, 30]]
    """
    from facegap.audit import scores as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        groups=section_of(Groups, groups),
        verify=section_of(Verify, verify),
    )
    with Files() as files:
        path = None if manifest is None else files.path(manifest, "manifest")
        return files.shown(stage.audit_scores(files.path(scores, "scores"), path, settings, model=model))


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
        `frame` is the table with normalised labels; `warnings` lists values to be reviewed.

    Raises
    ------
    TableError
        With file, line, column and what to do.

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
        The run as returned by the audit. Hashes are not checked; see `recheck`.

    Raises
    ------
    RunError
        The folder contains no finished run.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.read_run("run").finding  # doctest: +SKIP
    """
    from facegap.report.notebook import Run
    from facegap.store.finished import read_finished

    return Run.of(read_finished(Path(run)))


def recheck(run: str | Path) -> list[str]:
    """Hash every file of a finished run and derive its tables again from the stored rows.

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
        The folder contains no finished run.

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
    """Compare models on the same people: paired differences, and gaps that grew or shrank.

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
        Fewer than two runs, an unfinished run, different people, or no metric in common.

    Examples
    --------
    >>> import facegap as fg
    >>> fg.compare(["before", "after"]).frames["paired.csv"]  # doctest: +SKIP
    """
    from facegap.compare.build import compare as side_by_side

    folders = [Path(run) for run in runs]
    return side_by_side(folders, names=names, allow_different_people=allow_different_people, seed=seed)


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
        Covariates to compare between images of the same person. Default: those of `covariates`.
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
        No finished run, or a run without anything to explain.
    SettingError
        A covariate, group or metric that is not in the run, or a covariate that defines the groups.
    TableError
        A grouping or a file of covariates that cannot be used.

    Notes
    -----
    Overlap weights (Li, Morgan and Zaslavsky 2018), a logistic regression with the decomposition of Kitagawa, Oaxaca and
    Blinder, and the change within people. All are associations.

    Examples
    --------
    >>> import facegap as fg
    >>> people = [{"image": str(k), "gender": "fm"[k % 2], "age": 20 + 10 * (k % 3 + k % 2)} for k in range(240)]
    >>> said = [{"image": row["image"], "prediction": "f" if row["age"] == 40 else row["gender"]} for row in people]
    >>> run = fg.audit_predictions(said, people, by="gender")
    >>> found = fg.explain(run, covariates="age", replicates=100)
    >>> found.gaps[["group", "reference", "errors", "trials", "verdict"]].to_numpy().tolist()
    [['male', 'female', 40, 120, 'gap larger than the margin']]
    """
    from facegap.audit.settings import column_names
    from facegap.derive.balanced.work import Choices
    from facegap.explain.build import explain as look_into
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
        found = look_into(Path(run), choices) if isinstance(run, str | Path) else explain_run(run.stored, choices)
    if out is not None:
        write_explained(found, Path(out))
    return Explanation(found)


def stress(
    manifest: Any,
    *,
    perturb: str | Sequence[str] = (),
    detect: str | Path = AuditSettings.detect,
    classify: str | Path | CallableModel | None = AuditSettings.classify,
    embed: str | Path | CallableModel | None = AuditSettings.embed,
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> StressTest:
    """Perturb every image and measure whether errors change more in one group than in another.

    Parameters
    ----------
    manifest, detect, by, models, faces, groups
        As for `audit`.
    perturb : str or sequence of str, optional
        Perturbations, optionally with doses: ``["exposure", "blur=3,6,10"]``. Default: exposure, blur, resolution, jpeg and noise.
    classify, embed : str, path or CallableModel, optional
        The model whose errors are measured; exactly one of the two.
    verify : Verify or mapping, optional
        With `embed`: how the threshold is set on the unperturbed images, excluded pairs, and the seed.
    out : path, Output or mapping, optional
        Folder for stress.html and the tables. If None, results are kept in memory only.

    Returns
    -------
    StressTest
        `rates` and `gaps` as DataFrames; a rate without trials is NaN.

    Raises
    ------
    FacegapError
        Any subclass, stating what was wrong, where, and what to do.

    Notes
    -----
    Each person is their own control: both rates of a change are over the same trials (docs/stress.md).

    Examples
    --------
    >>> import facegap as fg
    >>> done = fg.stress("people.csv", classify="ssrnet_gender_imdb", by="gender", perturb=["blur=3,6"])  # doctest: +SKIP
    >>> done.gaps[["dose", "group_a", "group_b", "difference", "verdict"]]  # doctest: +SKIP
    """
    from facegap.stress.notebook import StressTest
    from facegap.stress.run import stress as perturbed

    settings = AuditSettings(
        str(detect),
        named(classify),
        named(embed),
        by,  # type: ignore[arg-type]
        output_of(out),
        section_of(Models, models),
        section_of(Faces, faces),
        section_of(Groups, groups),
        section_of(Verify, verify),
    )
    doses = [perturb] if isinstance(perturb, str) else list(perturb)
    with Files() as files:
        path, settings = files.manifest(manifest, settings)
        if settings.output.folder is None:
            settings = replace(settings, output=replace(settings.output, folder=files.folder()))
        return StressTest(perturbed(path, settings, doses))


def metric_frame(
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    subject: Any = None,
    metrics: str | Sequence[str] = "error_rate",
    positive: Hashable = 1,
    margin: float | None = None,
    scale: Scale = "difference",
    alpha: float = Groups.alpha,
    level: float = Groups.level,
    min_subjects: int = Groups.min_subjects,
) -> MetricFrame:
    """Compute proportions by group from labels and predictions, like fairlearn's MetricFrame, with intervals and verdicts.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        The true and the predicted class of each trial, in the same spelling.
    sensitive_features : Series, array_like of shape (n,), DataFrame or dict of columns
        Groups; several columns are crossed. A missing label is `unknown`: it is shown, but in no difference, ratio or gap.
    subject : array_like, shape (n,), optional
        Id of the person of each trial. If None, every trial is treated as a different person, which makes intervals too narrow
        if people have several images.
    metrics : str or sequence of str
        ``"error_rate"``, ``"accuracy"``, ``"selection_rate"``, ``"true_positive_rate"``, ``"false_negative_rate"``,
        ``"false_positive_rate"``, ``"true_negative_rate"``.
    positive : default 1
        The class that the last five refer to.
    margin : float, optional
        The smallest gap that matters, fixed before the data are seen. Default: that of an audit's error rate (0.02).
    scale : {"difference", "ratio"}
        What the margin and the verdict refer to.
    alpha : float
        Probability of any false alarm among the gaps of all metrics (Holm).
    level : float
        Confidence level of the intervals.
    min_subjects : int
        Groups with fewer subjects are in no gap and are listed in `left_out`.

    Returns
    -------
    MetricFrame
        `overall`, `by_group`, `group_min()`, `group_max()`, `difference()` and `ratio()` as in fairlearn, and in addition
        `intervals`, `gaps` and `left_out`.

    Raises
    ------
    StatisticsError
        Columns of different lengths, a missing value, one class in two spellings, an unknown metric.

    Notes
    -----
    The statistics are those of `facegap.statistics.rates` and `gaps`. Group labels are strings in the result.

    References
    ----------
    fairlearn.metrics.MetricFrame, to which values are compared in tests/derive/test_metric_frame.py.

    Examples
    --------
    >>> import facegap as fg
    >>> wrong, right = [0] * 12 + [0] * 2, [1] * 28 + [1] * 38
    >>> y_pred = [*wrong[:12], *right[:28], *wrong[12:], *right[28:]]
    >>> frame = fg.metric_frame([1] * 80, y_pred, ["darker"] * 40 + ["lighter"] * 40)
    >>> frame.by_group["error_rate"].to_dict()
    {'darker': 0.3, 'lighter': 0.05}
    >>> frame.gaps["verdict"].tolist()
    ['gap larger than the margin']
    """
    from facegap.derive.metric_frame import metric_frame as frame_of
    from facegap.derive.metrics import ERROR_RATE_ALL

    return frame_of(
        y_true,
        y_pred,
        sensitive_features,
        subject=subject,
        metrics=metrics,
        positive=positive,
        margin=ERROR_RATE_ALL.margin if margin is None else margin,
        scale=scale,
        alpha=alpha,
        level=level,
        min_subjects=min_subjects,
    )


# ---- what callers give ----


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
