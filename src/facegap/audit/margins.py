"""The equivalence margins of a run: those of the metrics, and those that --margin sets instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facegap.audit.settings import margin_parts, suggestion
from facegap.derive.metrics import metrics
from facegap.derive.metrics_of_outputs import metrics_of_outputs
from facegap.errors import SettingError
from facegap.store.record import Margin, OutputRecord


def margins_of(chosen: Sequence[str], outputs: Sequence[OutputRecord] = ()) -> Mapping[str, Margin]:
    """The margin of every metric, in the order of the metrics.

    Parameters
    ----------
    chosen : sequence of str
        As in the setting `margin`: "fnmr=x2" is a ratio, "fnmr=0.02" a difference.
    outputs : sequence of OutputRecord
        Outputs of the run, whose metrics are added.

    Raises
    ------
    SettingError
        If a metric is unknown.

    Examples
    --------
    >>> margins_of(["error_rate_all=x1.5"])["error_rate_all"]
    Margin(scale='ratio', size=1.5)
    """
    of_outputs = {metric.name: metric for metric in metrics_of_outputs(outputs)}
    found = {name: Margin(metric.scale, metric.margin) for name, metric in {**metrics(), **of_outputs}.items()}
    for text in chosen:
        name, scale, size = margin_parts(text)
        if name not in found:
            raise SettingError(f"--margin {text}: there is no metric {name!r}{suggestion(name, list(found))}")
        found[name] = Margin(scale, size)
    return found
