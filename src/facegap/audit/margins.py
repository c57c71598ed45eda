"""The margins that a run judges its gaps by: those of the metrics, and those that --margin sets in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facegap.audit.settings import margin_parts, suggestion
from facegap.derive.metrics import metrics
from facegap.errors import SettingError
from facegap.store.record import Margin


def margins_of(chosen: Sequence[str]) -> Mapping[str, Margin]:
    """The margin of every metric, in the order of the metrics.

    Parameters
    ----------
    chosen : sequence of str
        As the setting `margin` has them: "fnmr=x2" is a ratio, "fnmr=0.02" a difference.

    Raises
    ------
    SettingError
        A metric that is not known here.

    Examples
    --------
    >>> margins_of(["error_rate_all=x1.5"])["error_rate_all"]
    Margin(scale='ratio', size=1.5)
    """
    found = {name: Margin(metric.scale, metric.margin) for name, metric in metrics().items()}
    for text in chosen:
        name, scale, size = margin_parts(text)
        if name not in found:
            raise SettingError(f"--margin {text}: no metric is named {name!r}{suggestion(name, list(found))}")
        found[name] = Margin(scale, size)
    return found
