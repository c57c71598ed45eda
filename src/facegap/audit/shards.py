"""A shard of an audit: some of its parts, run separately on one machine and merged by `facegap merge`.

A shard consists of whole parts, determined by its number alone. The whole manifest is resolved on every machine, so that
errors are found before the first image; only the images of its own parts are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from facegap.audit.consent import service_among
from facegap.audit.finish import run_folder
from facegap.audit.models import Loaded, ModelFacts, open_models
from facegap.audit.phases import IMAGES, THRESHOLD_SET
from facegap.audit.record import as_first_read, request_of, require_same_request, with_models
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.restored import files_read, keep_inputs, plain_name
from facegap.audit.run import print_remarks, process, require_all_files, resolved_audit, share_of
from facegap.audit.settings import AuditSettings, CallableModel
from facegap.errors import RunError, SettingError
from facegap.runtime import without_cores
from facegap.store import run as store
from facegap.store.record import ModelsRecord, Shard, ShardRecord
from facegap.store.record.shard import MOST_SHARDS

WRITTEN = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class ShardDone:
    """A finished shard: its folder, the number of images it ran, and their total number in all shards."""

    folder: Path
    shard: Shard
    images: int
    of_images: int


def parse_shard(text: str) -> Shard:
    """The shard that --shard names.

    Raises
    ------
    SettingError : if the text is not K/N with 1 <= K <= N

    Examples
    --------
    >>> parse_shard("3/16")
    Shard(number=3, of=16)
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]) or int(found[2]) > MOST_SHARDS:
        raise SettingError(f"--shard {text}: write K/N with K from 1 to N, such as 3/16: the third of sixteen")
    return Shard(int(found[1]), int(found[2]))


def audit_shard(manifest: Path, settings: AuditSettings, shard: Shard) -> ShardDone:
    """Run the parts of one shard and store them in the folder of the settings.

    Raises
    ------
    SettingError : if a model is a service or a Python function, or no folder is given
    FacegapError : as in `facegap.audit.run.audit`
    """
    require_shardable(settings)
    resolved = resolved_audit(manifest, settings)
    if service_among(resolved.models.cards) is not None:
        raise SettingError(f"--shard {shard}: calls to a service must be counted in a single process; omit --shard")
    require_all_files(resolved, shard)
    loaded = open_models(resolved.models, resolved.settings)
    try:
        print_remarks(loaded, settings)
        with run_folder(settings.output) as place:
            run_shard(place.folder, manifest, resolved, loaded, shard)
    finally:
        loaded.close()
    assert settings.output.folder is not None
    whole = resolved.manifest.by_image
    return ShardDone(settings.output.folder, shard, len(share_of(whole, shard).frame), len(whole.frame))


def require_shardable(settings: AuditSettings) -> None:
    """Raise SettingError for an audit that cannot be divided into shards."""
    if settings.output.folder is None:
        raise SettingError("--shard: needs a folder for its parts; give one with --out")
    if settings.models.scheduler is not None:
        raise SettingError("--shard and --scheduler: a shard runs in one process; give only one of the two")
    for name, given in (
        ("--verify-service", settings.service.verify_service),
        ("--search-service", settings.service.search_service),
    ):
        if given is not None:
            raise SettingError(
                f"--shard and {name}: calls to a service must be counted in a single process; omit --shard"
            )
    for model in (settings.classify, settings.embed):
        if isinstance(model, CallableModel):
            raise SettingError(
                f"--shard: the model {model.name} is a Python function, which cannot be recorded; omit it"
            )


def run_shard(folder: Path, manifest: Path, resolved: ResolvedAudit, loaded: Loaded, shard: Shard) -> None:
    """Run the parts of a shard that are not done yet. The record is written first, so that an interrupted shard can be resumed."""
    settings = resolved.settings
    files = files_read(manifest, settings)
    request = with_models(request_of(resolved, "images"), loaded.facts)
    names = {name: plain_name(path) for name, path in files.items()}
    record = ShardRecord(request, shard, names, resolved.manifest.warnings, models_record(loaded.facts))
    if (folder / store.RECORD).exists():
        require_same_shard(folder, record)
    else:
        store.write_record(folder, record)
    keep_inputs(folder, files)
    if resolved.threshold_set is not None:
        settings.output.phase(THRESHOLD_SET)
        process(folder / store.THRESHOLD_SET, resolved.threshold_set.by_image, loaded, settings, shard)
    settings.output.phase(IMAGES)
    process(folder, resolved.manifest.by_image, loaded, settings, shard)


def require_same_shard(folder: Path, expected: ShardRecord) -> None:
    """Raise RunError unless a folder contains the requested shard, started on the same type of processor."""
    found = store.read_any_record(folder)
    if not isinstance(found, ShardRecord):
        raise RunError(f"{folder}: a complete run, not a shard; resume it without --shard, or choose another --out")
    if found.shard != expected.shard:
        raise RunError(f"{folder}: shard {found.shard}, not {expected.shard}; choose another --out")
    require_same_request(folder, found.request, as_first_read(expected.request, found.request))
    before, now = (without_cores(one.models.execution.device_name) for one in (found, expected))
    if before != now:
        raise RunError(
            f"{folder}: started on {before}, but this is {now}, which may round differently; resume it there, or "
            f"choose another --out"
        )


def models_record(facts: ModelFacts) -> ModelsRecord:
    """The record of the models in run.json of a shard."""
    remembered, remarks = facts.remembered, facts.remarks
    return ModelsRecord(
        facts.execution,
        facts.dimension,
        remembered.alarms,
        remembered.warnings,
        remembered.checked,
        remarks.alarms,
        remarks.notices,
    )
