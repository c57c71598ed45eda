"""The last stage of every audit: tables are computed from its evidence, written and hashed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from facegap.audit.resolved import ResolvedAudit
    from facegap.audit.settings import Output
    from facegap.store.record import RequestRecord, RunRecord
    from facegap.store.run import ByFrames, Matched, Pooled, Run, Searched


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of an audit, from which all tables are computed.

    record             : the content of run.json
    faces, predictions : FACES and PREDICTIONS, one row per row of the manifest
    embeddings         : float32 (templates, dimension); None if there are none
    matched, searched  : comparisons and searches; None if there are none
    pooled             : the images from which templates are pooled; `faces` and `predictions` then have one row per template
    by_frames          : results from the first frames of each template alone
    attacks            : presentation attacks in a file of scores
    """

    record: RunRecord
    faces: pd.DataFrame
    predictions: pd.DataFrame
    embeddings: NDArray[np.float32] | None = None
    matched: Matched | None = None
    searched: Searched | None = None
    pooled: Pooled | None = None
    by_frames: ByFrames | None = None
    attacks: pd.DataFrame | None = None


@dataclass(frozen=True)
class Place:
    """Where a run is written: its folder, and whether the folder is kept afterwards."""

    folder: Path
    lasting: bool


@contextlib.contextmanager
def run_folder(output: Output) -> Iterator[Place]:
    """The folder of a run, locked against other processes; a temporary one if the run is wanted in memory only."""
    from facegap.store.run import open_folder
    from facegap.store.temporary import temporary_folder

    if output.folder is None:
        with temporary_folder() as temporary:
            yield Place(temporary, lasting=False)
    else:
        with open_folder(output.folder, resume=output.resume):
            yield Place(output.folder, lasting=True)


def begun(place: Place, request: RequestRecord) -> Run | None:
    """The finished run in a folder; None if it still has to be computed, in which case the request is recorded there.

    For audits of black boxes, which run no model. They keep no parts except the counts of finished blocks of a large comparison;
    everything else that was interrupted is computed again.

    Raises
    ------
    RunError : if the folder contains another run, or a run that was changed after it finished
    """
    from facegap.audit.record import require_same_request
    from facegap.store import run as store
    from facegap.store.finished import read_to_resume
    from facegap.store.record import BegunRecord

    folder = place.folder
    if not place.lasting:
        return None
    if (folder / store.RECORD).exists():
        require_same_request(folder, store.read_any_record(folder).request, request)
        if store.is_whole(folder):
            return read_to_resume(folder)
    else:
        store.write_record(folder, BegunRecord(request))
    return None


def finish(resolved: ResolvedAudit, evidence: Evidence, place: Place) -> Run:
    """The run with every table computed from the evidence, written with its SHA256SUMS if the folder is kept."""
    import pandas as pd

    from facegap.audit.hashed_names import salt_of, without_names
    from facegap.audit.outputs import rejected_alarms
    from facegap.audit.phases import RATES
    from facegap.derive.run import derived
    from facegap.derive.weights import concentrated_trials, dominated_rates, rates_by_weight
    from facegap.store import run as store

    resolved.settings.output.phase(RATES)
    nothing = pd.DataFrame()
    unmet = [point.unmet for point in evidence.record.operating if point.unmet]
    record = replace(evidence.record, warnings=(*evidence.record.warnings, *unmet))
    joined, keep = resolved.manifest.joined, resolved.settings.output.keep_embeddings
    pooled = evidence.pooled
    seen = store.Run(
        record,
        resolved.manifest.frame if pooled is None else pooled.rows()[0],
        evidence.faces,
        evidence.predictions,
        rates=nothing,
        gaps=nothing,
        age=nothing,
        embeddings=evidence.embeddings,
        matched=evidence.matched,
        searched=evidence.searched,
        labels=None if joined is None else joined.probabilities,
        pooled=pooled,
        by_frames=evidence.by_frames,
        attacks=evidence.attacks,
    )
    run = derived(seen if resolved.settings.output.keep_ids else without_names(seen, salt_of(place.folder)))
    groupings = run.record.groupings
    notes = (
        *concentrated_trials(run.rates, groupings, run.record.cluster, run.counted),
        *dominated_rates(run.rates, groupings),
        *rates_by_weight(run.rates, groupings),
    )
    doubts = rejected_alarms(run)
    run = replace(
        run,
        record=replace(
            run.record, warnings=(*run.record.warnings, *doubts, *notes), alarms=(*run.record.alarms, *doubts)
        ),
    )
    if place.lasting:
        store.write_run(run, place.folder)
        store.finish(place.folder, keep_embeddings=keep)
    return run if keep else replace(run, embeddings=None)
