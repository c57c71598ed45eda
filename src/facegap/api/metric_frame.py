"""Proportions by group from arrays of labels and predictions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from facegap.audit.settings import Groups

if TYPE_CHECKING:
    from facegap.derive.metric_frame import MetricFrame
    from facegap.types import Scale


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
        Groups; several columns are crossed. A missing label is the group `unknown`, which is in `by_group` but in no
        difference, ratio or gap.
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
        If columns have different lengths, a value is missing, a class has two spellings, or a metric is unknown.

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
