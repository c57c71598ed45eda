"""Audits of models, and of predictions, templates and scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.api.given import Files, Words, named, output_of
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
    from facegap.report.notebook import Run


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
        1:1 comparison, with `embed`: how thresholds are set, and which pairs are compared.
    identify : Identify, mapping or bool, optional
        1:N search, with `embed`; True searches a gallery with the default settings.
    service : Service or mapping, optional
        What is sent to a black-box service, and within which limits.
    out : path, Output or mapping, optional
        Run folder to write. If None, the run is kept in memory only. An `Output` also sets whether an interrupted run is
        resumed, and which functions report progress.

    Returns
    -------
    Run
        Tables, finding, charts and report of the run.

    Raises
    ------
    FacegapError
        One of its subclasses; the message states what was wrong, where, and what to do.

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
        Images without a row, or with an empty prediction, have no answer.

    Raises
    ------
    TableError
        If a table is malformed, or a prediction is for an image that is not in the manifest.

    Examples
    --------
    >>> import facegap as fg
    >>> people = [{"image": f"{k}.jpg", "gender": "female" if k % 2 else "male"} for k in range(80)]
    >>> predictions = [{"image": row["image"], "prediction": row["gender"]} for row in people]
    >>> run = fg.audit_predictions(predictions, people, by="gender")
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
        predicted = files.path(predictions, "predictions")
        run = stage.audit_predictions(
            predicted, path, settings, model=model, classes=classes, output=output, label=label, bona_fide=bona_fide
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
        As for `audit`, but only the quality is used: `template_norm`, if templates are not normalised, or a file.

    Returns
    -------
    Run
        Exact comparisons of all pairs.

    Raises
    ------
    TableError
        If the file is not an array of numbers, or its number of rows differs from that of the manifest.

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
        If a row is malformed (the message names the line), or a name is not in the manifest.

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
