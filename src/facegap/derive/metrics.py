"""The table of all metrics of facegap: names, comparison and computation.

All output, exports, charts and tests of rates use this table. A package adds a metric of single images with an entry
point of the group facegap.metrics, see docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from facegap.derive.ages.trials import of_age_unanswered, passed_under_age, stopped_of_age, under_age_unanswered
from facegap.derive.metric import Metric as Metric
from facegap.derive.metrics_of_outputs import BPCER, metrics_of_outputs, named_metric
from facegap.derive.outcomes import (
    TrialsAndErrors,
    ages_missing,
    ages_off,
    answers_missing,
    answers_wrong,
    answers_wrong_or_missing,
    faces_lost,
    pictures_unanswered,
)
from facegap.errors import PluginError, RunError
from facegap.plugins import extended
from facegap.store.run import Run
from facegap.types import BoolArray

FTA = Metric(
    name="fta",
    title="no usable face (FTA)",
    of_what="images of ",
    order=70,
    scale="ratio",
    margin=2.0,
    task="detect",
    trial="image",
    method="images without a usable face / images that were shown to the detector",
    source="ISO/IEC 19795-1, failure to acquire",
    trials=faces_lost,
    is_failure=True,
)
NO_ANSWER_RATE = Metric(
    name="no_answer_rate",
    title="no answer",
    of_what="images of ",
    order=60,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="images without a response / images that were sent; for a black box that detects faces itself",
    source="counts in predictions.parquet",
    trials=pictures_unanswered,
    is_failure=True,
)
ERROR_RATE_ANSWERED = Metric(
    name="error_rate_answered",
    title="gender misclassified, of those answered",
    order=80,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="wrong predictions / predictions, for images labelled with a class of the model",
    source="counts in predictions.parquet",
    trials=answers_wrong,
    lost=answers_missing,
)
ERROR_RATE_ALL = Metric(
    name="error_rate_all",
    title="gender misclassified or unanswered",
    order=10,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="(wrong predictions + images without a prediction) / images labelled with a class of the model",
    source="counts in predictions.parquet",
    trials=answers_wrong_or_missing,
    lost=answers_missing,
    is_headline=True,
)
AGE_ERROR_OVER_5 = Metric(
    name="age_error_over_5",
    title="age off by more than 5 years",
    order=90,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="predictions more than 5 years beyond the nearest end of the labelled range / images with both",
    source="counts in predictions.parquet",
    trials=ages_off,
    lost=ages_missing,
)
AGE_FALSE_POSITIVE = Metric(
    name="age_false_positive",
    title="passed under the age limit (age false positive)",
    of_what="under-age ",
    order=4,
    scale="ratio",
    margin=2.0,
    task="classify",
    trial="image",
    method="images of people under --age-limit with an estimate of at least --challenge / images of people under it "
    "with an estimate",
    source="NIST IR 8525 and FATE age estimation, challenge 25; ISO/IEC 27566",
    trials=passed_under_age,
    lost=under_age_unanswered,
    is_headline=True,
)
AGE_FALSE_NEGATIVE = Metric(
    name="age_false_negative",
    title="of age, must show a document (age false negative)",
    order=6,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="images of people of at least --age-limit with an estimate under --challenge / images of such people with "
    "an estimate",
    source="NIST IR 8525 and FATE age estimation, challenge 25; ISO/IEC 27566",
    trials=stopped_of_age,
    lost=of_age_unanswered,
    is_headline=True,
)
FMR = Metric(
    name="fmr",
    title="falsely matched (FMR)",
    of_what="pairs of ",
    order=20,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="impostor pair",
    method="FMR(t) = impostor pairs with score ≥ t / impostor pairs; of a group: pairs with both people in it",
    source="ISO/IEC 19795-1",
    is_headline=True,
)
FNMR = Metric(
    name="fnmr",
    title="falsely rejected (FNMR)",
    of_what="same-person pairs of ",
    order=30,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="genuine pair",
    method="FNMR(t) = genuine pairs with score < t / genuine pairs",
    source="ISO/IEC 19795-1",
    is_headline=True,
)
GFAR = Metric(
    name="gfar",
    title="falsely matched, of all pairs (GFAR)",
    of_what="pairs of ",
    order=100,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="impostor pair",
    method="false matches / all impostor pairs; a lost photograph has no matches",
    source="ISO/IEC 19795-1, for sets without roles",
    counts_lost=True,
)
GFRR = Metric(
    name="gfrr",
    title="rejected or lost, of all pairs (GFRR)",
    of_what="same-person pairs of ",
    order=110,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="genuine pair",
    method="(false non-matches + genuine pairs with a lost photograph) / all genuine pairs",
    source="ISO/IEC 19795-1, for sets without roles",
    counts_lost=True,
)
FNIR = Metric(
    name="fnir",
    title="not found in the gallery (FNIR)",
    of_what="mated searches for ",
    order=40,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="mated search",
    method="searches whose person is not among the first R candidates at or above the threshold / searches for a "
    "person in the gallery. Ties count against the system",
    source="ISO/IEC 19795-1",
)
FPIR = Metric(
    name="fpir",
    title="falsely identified (FPIR)",
    of_what="non-mated searches for ",
    order=50,
    scale="ratio",
    margin=2.0,
    task="embed",
    trial="non-mated search",
    method="searches with any candidate at or above the threshold / searches for people who are not in the gallery",
    source="ISO/IEC 19795-1",
)
PAIR_METRICS = (FMR, FNMR, GFAR, GFRR)
SEARCH_METRICS = (FNIR, FPIR)
# In the order of rates.csv and of the columns of tables.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            FTA,
            NO_ANSWER_RATE,
            ERROR_RATE_ANSWERED,
            ERROR_RATE_ALL,
            AGE_ERROR_OVER_5,
            BPCER,
            AGE_FALSE_POSITIVE,
            AGE_FALSE_NEGATIVE,
            *PAIR_METRICS,
            *SEARCH_METRICS,
        )
    }
)


def metrics() -> Mapping[str, Metric]:
    """METRICS and the additions of installed packages.

    Raises
    ------
    PluginError : if a package provides a metric with an existing name, or an object that is not a metric of images
    """
    return extended("facegap.metrics", METRICS, _of_plugin)


def metric_of(name: str) -> Metric:
    """The metric of a row of RATES or GAPS.

    Raises
    ------
    RunError : if the metric is unknown
    """
    known = metrics()
    if name not in known and (of_output := named_metric(name)) is not None:
        return of_output
    if name not in known:
        raise RunError(
            f"metric {name[:64]!a} is not known; install the package that provides it (named in run.json under "
            f"plugins), or run the audit again"
        )
    return known[name]


def by_order() -> list[Metric]:
    """All metrics that a run may have, in the order of findings."""
    return sorted(metrics().values(), key=lambda metric: metric.order)


def in_order(names: Iterable[str]) -> list[Metric]:
    """The metrics of some rows of RATES or GAPS, each once, in the order of findings.

    Raises
    ------
    RunError : if one of them is unknown
    """
    known = list(metrics())
    found = sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))
    return sorted(map(metric_of, found), key=lambda metric: metric.order)


def metrics_of(run: Run) -> list[Metric]:
    """The metrics of single images of a run: the built-in ones, and those of plugins in its record.

    Raises
    ------
    RunError : if a metric of the record is not installed
    """
    built_in = [metric for metric in METRICS.values() if metric.is_image]
    built_in += metrics_of_outputs(run.record.outputs)
    added = [
        plugin for plugin in run.record.plugins if plugin.group == "facegap.metrics" and plugin.name not in METRICS
    ]
    if not added:
        return built_in
    known = metrics()
    missing = next((plugin for plugin in added if plugin.name not in known), None)
    if missing is not None:
        raise RunError(
            f"the run has the metric {missing.name[:64]!a} of {str(missing)[:99]!a}, which is not installed here; install it "
            "to derive the tables of this run"
        )
    return [*built_in, *(known[name] for name in dict.fromkeys(plugin.name for plugin in added))]


def counts_of(run: Run, metric: Metric) -> TrialsAndErrors | None:
    """Trials and errors of one metric of images; None if the run has no such trials.

    Raises
    ------
    PluginError : if the metric's function returns something else
    """
    assert metric.trials is not None
    found = metric.trials(run)
    if found is None:
        return None
    rows = len(run.manifest)
    for array in found:
        if not isinstance(array, np.ndarray) or array.dtype != np.bool_ or array.shape != (rows,):
            raise PluginError(
                f"metric {metric.name}: `trials` must return two boolean arrays of {rows} rows, one per row of the "
                f"manifest"
            )
    return found


def lost_trials(run: Run, metric: Metric) -> BoolArray:
    """Lost images of a metric, bool (rows of the manifest,); all False if it cannot lose any.

    Raises
    ------
    PluginError : if the metric's function returns something else
    """
    rows = len(run.manifest)
    if metric.lost is None:
        return np.zeros(rows, np.bool_)
    found = metric.lost(run)
    if not isinstance(found, np.ndarray) or found.dtype != np.bool_ or found.shape != (rows,):
        raise PluginError(f"metric {metric.name}: `lost` must return a boolean array of {rows} rows")
    return found


def _of_plugin(name: str, value: Any) -> Metric:
    if not isinstance(value, Metric):
        raise ValueError(f"it is a {type(value).__name__}, not a facegap.derive.metrics.Metric")
    if value.name != name:
        raise ValueError(f"the entry point is named {name!r} and the metric {value.name!r}; use the same name for both")
    if not value.is_image:
        raise ValueError(
            "a plugin adds metrics of single images only; pairs and searches are counted by facegap itself"
        )
    return value
