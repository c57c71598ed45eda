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
        One row per image: a column `image` and any of `subject`, `gender`, `age` and labels of your own. Paths of images are
        relative to the folder of the file, and for a table in memory to the working folder; ``faces={"images_dir": ...}``
        names another.
    detect, classify, embed : str, path or CallableModel, optional
        A card's name, the path of a card or of an .onnx file beside which a card lies, or (classify, embed) a function.
    by : str or sequence of str, optional
        Groups: ``"gender,race"`` each alone, ``"gender*race"`` crossed. Every label column alone where None.
    models : Models or mapping, optional
        Where models are found and how they run.
    faces : Faces or mapping, optional
        Which images are opened and which face of an image counts.
    groups : Groups or mapping, optional
        Which rows take part, labels of skin tone, the minimum of subjects, the level of the intervals.
    verify : Verify or mapping, optional
        1:1, with `embed`: how thresholds are set, and which pairs are compared.
    identify : Identify, mapping or bool, optional
        1:N, with `embed`: True searches a gallery as well.
    service : Service or mapping, optional
        What may be sent to a black-box service.
    out : path, Output or mapping, optional
        Run folder to write. In memory only where None. An `Output` says also whether a broken-off run is resumed and who is
        told of progress.

    Returns
    -------
    Run
        Tables, finding, charts and report of the run.

    Raises
    ------
    FacegapError
        Each of its kinds: what was wrong, where, and what to do.

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
    """Error rates by group from the predictions alone that a vendor or a service gave for the images of a manifest.

    Parameters
    ----------
    predictions : path, DataFrame or list of dicts
        Columns `image` (as the manifest names it), `prediction`, and perhaps `confidence` (0 to 1) and `age` (years).
    manifest : path, DataFrame or list of dicts
        As for `audit`; the image files need not be there.
    model : str, optional
        What the tables call the black box; the name of the file where None.
    classes : str or sequence of str, optional
        The predictions that it can give. Where None: those of the labels.
    output : str, optional
        What is predicted in place of gender, such as ``"emotion"``; then `classes` is needed.
    label : str, optional
        Column of the manifest that says what is true of `output`; its name where None. Without such a column the rates of
        answers are compared, and nothing is right or wrong.
    bona_fide : str, optional
        The class of `output` that means a living person; then BPCER is counted, and APCER per species of `label`.
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
        A malformed table, or a prediction for an image that the manifest does not have.

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
    """Verification from templates alone: row k of the embeddings belongs to row k of the manifest.

    Parameters
    ----------
    embeddings : path of an .npy file, or float array (rows, dimension)
        Rows are divided by their length. Rows of zeros, or with NaN, are failures to acquire.
    manifest : path, DataFrame or list of dicts
        Columns `image` (any text that names the row), `subject`, and labels.
    model : str
        What the tables call the system.
    by, models, groups, verify, out
        As for `audit`.
    faces
        As for `audit`; of it only the quality: `template_norm`, where templates are not of length 1 already, or a file.

    Returns
    -------
    Run
        Comparisons of everyone with everyone, exact.

    Raises
    ------
    TableError
        No array of numbers, or another number of rows than the manifest has.

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
    """Verification from scores alone, as bob writes them or as a table of left, right and score.

    Parameters
    ----------
    scores : path, DataFrame or list of dicts
        One row per comparison. Higher scores are more alike. NaN is a comparison that could not be made.
    manifest : path, DataFrame or list of dicts, optional
        Groups: of images where the scores name images, of subjects where they name subjects. Everybody is one group without.
    model : str
        What the tables call the system.
    by, groups, verify, out
        As for `audit`.

    Returns
    -------
    Run
        FMR and FNMR by group at a threshold set on held-out subjects, or at the one that is given.

    Raises
    ------
    TableError
        A malformed row, by line; a name that the manifest does not have.

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
    """A manifest, checked in full as an audit would check it.

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
        `frame` is the table with normalised labels; `warnings` is what a person should look at.

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
    """A finished run from its folder.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    Run
        As the audit returned it. Hashes are not checked; see `recheck`.

    Raises
    ------
    RunError
        No finished run is there.

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
        What does not agree; empty where everything does.

    Raises
    ------
    RunError
        No finished run is there.

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
    """Models side by side on the same people: paired differences, and gaps that grew or shrank.

    Parameters
    ----------
    runs : sequence of paths
        Run folders, two or more; the others are held against the first.
    names : sequence of str, optional
        What tables and charts call the runs; else their models.
    allow_different_people : bool
        Compare what the runs share where their people differ.
    seed : int
        Seed of the bootstrap over subjects.

    Returns
    -------
    Comparison
        `frames` holds the tables by file name.

    Raises
    ------
    RunError
        Fewer than two runs, one that is not finished, other people, or nothing that both measured.

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
    """What is left of the gaps of a run after balancing measured covariates between its groups.

    Parameters
    ----------
    run : path or Run
        The run folder, or a run as an audit returned it.
    covariates : str or sequence of str
        What is balanced: columns of numbers in faces.parquet, ``"detector_score"``, ``"age"``, or columns of `covariates_file`.
    by : str, optional
        One grouping, such as ``"gender*race"``. The first of the run where None.
    covariates_file : path, DataFrame or list of dicts, optional
        A column `image` and one column of numbers per covariate.
    within : str or sequence of str, optional
        Covariates that are followed from image to image of one person; those of `covariates` where empty.
    reliability : mapping, optional
        By covariate the proportion of its variance within a group that is no noise, above 0 and at most 1. Below 0.95 the gap
        is marked attenuated.
    metric : str, optional
        A metric of the run; the classifier's error, FMR and FNMR where None.
    reference : str, optional
        The group that the others are compared with; that with most people where None.
    allow_overadjustment : bool
        Balance the brightness of skin between groups of skin tone, and say so everywhere.
    replicates : int
        Resamples of the sampling units behind the intervals, 2 or more.
    seed : int
        Seed of the resamples, and of sampled impostor pairs.
    out : path, optional
        New folder for explain.html and explain.csv.

    Returns
    -------
    Explanation
        `frame` has a row per estimate, NaN with a `reason` where a gap cannot be estimated; `gaps` those with verdicts.

    Raises
    ------
    RunError
        No finished run, or nothing in it that could be looked into.
    SettingError
        A covariate, group or metric that the run does not have, or a covariate that makes the groups.
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
        Perturbations, each with its doses or those of its own: ``["exposure", "blur=3,6,10"]``; exposure, blur, resolution,
        jpeg and noise where empty.
    classify, embed : str, path or CallableModel, optional
        The one model whose errors are measured.
    verify : Verify or mapping, optional
        With `embed`: how the threshold of the unperturbed images is set, excluded pairs, and the seed.
    out : path, Output or mapping, optional
        Folder for stress.html and the tables. In memory only where None.

    Returns
    -------
    StressTest
        `rates` and `gaps` as DataFrames; a rate without trials is NaN.

    Raises
    ------
    FacegapError
        Each of its kinds: what was wrong, where, and what to do.

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
    """Proportions by group of labels and predictions, as fairlearn's MetricFrame has them, with intervals and verdicts.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        The class of each trial and the class that was predicted, in the same spelling.
    sensitive_features : Series, array_like of shape (n,), DataFrame or dict of columns
        Groups; several columns are crossed. A missing label is `unknown`: shown, and in no difference, ratio or gap.
    subject : array_like, shape (n,), optional
        Id of the person of each trial. None: every trial is of another person, which makes intervals too narrow where
        people have several images.
    metrics : str or sequence of str
        ``"error_rate"``, ``"accuracy"``, ``"selection_rate"``, ``"true_positive_rate"``, ``"false_negative_rate"``,
        ``"false_positive_rate"``, ``"true_negative_rate"``.
    positive : default 1
        The class that the last five refer to.
    margin : float, optional
        The gap that matters, fixed before the data are seen; that of an audit's error rate where None (0.02).
    scale : {"difference", "ratio"}
        What the margin and the verdict refer to.
    alpha : float
        False-alarm rate of the gaps of all metrics together (Holm).
    level : float
        Confidence level of the intervals.
    min_subjects : int
        Groups with fewer subjects are in no gap and stand in `left_out`.

    Returns
    -------
    MetricFrame
        `overall`, `by_group`, `group_min()`, `group_max()`, `difference()` and `ratio()` as fairlearn has them;
        `intervals`, `gaps` and `left_out` beside them.

    Raises
    ------
    StatisticsError
        Columns of different lengths, a missing value, one class in two spellings, an unknown metric.

    Notes
    -----
    The statistics are those of `facegap.statistics.rates` and `gaps`. Labels of groups are texts in the result.

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
        from tempfile import TemporaryDirectory

        return Path(self.enter_context(TemporaryDirectory(prefix="facegap-")))

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
