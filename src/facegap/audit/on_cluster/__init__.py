"""Run the parts of an audit on the workers of a dask.distributed cluster."""

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
    """Raise SettingError for a service that compares or searches: its calls are counted in one process, not on a cluster."""
    from facegap.errors import SettingError

    service = settings.service.verify_service or settings.service.search_service
    if service is not None and settings.models.scheduler is not None:
        raise SettingError(
            f"--scheduler: calls to the service {service} must be counted in a single process; omit --scheduler"
        )


@contextlib.contextmanager
def opened_cluster(settings: AuditSettings, cards: Mapping[Task, ModelCard]) -> Iterator[Cluster | None]:
    """The connected cluster on which these models run; None if they run in this process.

    Raises
    ------
    SettingError, MatchingError, ClusterError : see `facegap.audit.on_cluster.parts.opened_cluster`
    """
    if settings.models.scheduler is None:  # avoids the imports that only clusters need
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
    """The models with their cluster: their properties are known by now, and their sessions here are closed."""
    if cluster is None:
        return loaded
    loaded.close()
    note = f"ran on {cluster.workers} workers of dask.distributed at the start"
    execution = replace(loaded.execution, device_name=cluster.machine.processor, notes=(*loaded.execution.notes, note))
    return replace(loaded, execution=execution, cluster=cluster)
