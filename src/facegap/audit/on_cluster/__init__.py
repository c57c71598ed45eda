"""The parts of an audit on the workers of a dask.distributed cluster: what is sent, what a worker does, who commits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegap.audit.models import Loaded
    from facegap.audit.on_cluster.parts import Cluster
    from facegap.audit.settings import AuditSettings
    from facegap.inputs.cards.schema import ModelCard, Task


def require_no_cluster_of_services(settings: AuditSettings) -> None:
    """Raise SettingError for a service that compares or searches on a cluster: its calls are counted in one process."""
    from facegap.errors import SettingError

    asked = settings.service.verify_service or settings.service.search_service
    if asked is not None and settings.models.scheduler is not None:
        raise SettingError(
            f"--scheduler: calls to the service {asked} must be counted in a single process; omit --scheduler"
        )


@contextlib.contextmanager
def opened_cluster(settings: AuditSettings, cards: Mapping[Task, ModelCard]) -> Iterator[Cluster | None]:
    """The cluster that these models run on, connected; None where they run in this process.

    Raises
    ------
    SettingError, MatchingError, ClusterError : see `facegap.audit.on_cluster.parts.opened_cluster`
    """
    if settings.models.scheduler is None:  # without a look at what only clusters need
        yield None
        return
    from facegap.audit.consent import service_among
    from facegap.audit.on_cluster.parts import opened_cluster
    from facegap.errors import SettingError

    if service_among(cards) is not None:
        raise SettingError("--scheduler: calls to a service must be counted in a single process; omit --scheduler")
    with opened_cluster(settings) as cluster:
        yield cluster


def on_workers(loaded: Loaded, cluster: Cluster | None) -> Loaded:
    """The models with the cluster that they run on: what they are is known by now, and they are closed here."""
    if cluster is None:
        return loaded
    loaded.close()
    told = f"ran on {cluster.workers} workers of dask.distributed at the start"
    execution = replace(loaded.execution, device_name=cluster.machine.processor, notes=(*loaded.execution.notes, told))
    return replace(loaded, execution=execution, cluster=cluster)
