"""Merge the shards of one audit: they are checked against each other, joined, and evaluated like the parts of a single run.

No model runs and no image is opened. The tables follow from the committed parts and the input files, which every shard
keeps; those of the first shard are used, and their hashes are equal in all records.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facegap.audit.evidence import evidence_of
from facegap.audit.files import Unreadable
from facegap.audit.finish import finish, run_folder
from facegap.audit.kept_parts import rows_of
from facegap.audit.models import ChosenModels, ModelFacts
from facegap.audit.on_cluster.machines import mixed_sentence
from facegap.audit.record import differing_keys, request_of, require_same_request, with_models
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.restored import MANIFEST, kept_inputs, models_again, settings_again
from facegap.audit.run import resolved_audit
from facegap.audit.settings import Output
from facegap.errors import RunError
from facegap.inputs.cards.diagnoses import StoredFindings
from facegap.inputs.manifests.read import Manifest
from facegap.runtime import usable_cores, version_of, without_cores
from facegap.store import run as store
from facegap.store.finished import read_to_resume
from facegap.store.opened import opened
from facegap.store.parts import files_of, is_as_written
from facegap.store.record import BegunRecord, RequestRecord, Shard, ShardRecord, missing_shards
from facegap.store.run import Run
from facegap.vision import pipeline
from facegap.vision.rehearsal import Remarks

MOST_NAMED = 8  # numbers in an error
DERIVES = ("facegap", "numpy")  # packages whose versions must be the same in shards and merge


@dataclass(frozen=True)
class Piece:
    """One shard: its folder and its record."""

    folder: Path
    record: ShardRecord

    @property
    def processor(self) -> str:
        """Type of the processor or device on which the shard ran."""
        return without_cores(self.record.models.execution.device_name)


def merge(folders: Sequence[Path], output: Output, *, mixed_workers: bool = False) -> Run:
    """Merge all shards of an audit into one run, written to the folder of `output`.

    mixed_workers : accept shards from different types of processor, whose results may differ in the last digits; the run
        reports this

    Raises
    ------
    RunError : if shards are missing, duplicated, unfinished, changed, or of different audits; names the folder
    """
    pieces = whole_set([piece_of(folder) for folder in folders])
    require_alike(pieces, mixed_workers=mixed_workers)
    first = pieces[0]
    request = first_read_of(pieces)
    with store.fitting_together(first.folder):
        inputs = kept_inputs(first.folder, first.record.files)
        settings = replace(settings_again(request, inputs), output=output_of(request, output))
        facts = facts_of(pieces, models_again(request, settings))
        resolved = with_warnings(resolved_audit(inputs[MANIFEST], settings, chosen=facts.models), pieces)
    require_as_recorded(first, request, resolved, facts)
    require_parts(pieces, resolved, embedded=facts.dimension is not None)
    with run_folder(settings.output) as place:
        if (place.folder / store.RECORD).exists():
            require_same_request(place.folder, store.read_any_record(place.folder).request, request)
            if store.is_whole(place.folder):
                return read_to_resume(place.folder)
        else:
            store.write_record(place.folder, BegunRecord(request))
        started = time.perf_counter_ns()
        copy_parts(pieces, place.folder, resolved, embedded=facts.dimension is not None)
        with store.fitting_together(first.folder):
            evidence = evidence_of(place.folder, resolved, facts, request, started)
            warnings = (*evidence.record.warnings, *mixed_warnings(pieces))
            return finish(resolved, replace(evidence, record=replace(evidence.record, warnings=warnings)), place)


def piece_of(folder: Path) -> Piece:
    """The shard in a folder. Raises RunError if there is none."""
    record = store.read_any_record(folder)
    if not isinstance(record, ShardRecord):
        raise RunError(f"{folder}: a complete run, not a shard; facegap merge needs folders created by audit --shard")
    return Piece(folder, record)


def whole_set(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces in the order of their numbers.

    Raises
    ------
    RunError : if a piece has another number of shards, is present twice, or is missing
    """
    first, found = pieces[0], dict[int, Piece]()
    for piece in pieces:
        shard = piece.record.shard
        if shard.of != first.record.shard.of:
            raise RunError(
                f"{piece.folder}: shard {shard}, and {first.folder} is shard {first.record.shard}; all shards of one "
                f"audit must have the same N in K/N"
            )
        if shard.number in found:
            raise RunError(f"{piece.folder} and {found[shard.number].folder} overlap: both are shard {shard}; omit one")
        found[shard.number] = piece
    of = first.record.shard.of
    if missing := [f"{number}/{of}" for number in missing_shards(found, of)]:
        said = f"shard {missing[0]} is" if len(missing) == 1 else f"shards {listed(missing)} are"
        raise RunError(f"{said} missing; give the folders of all {of}")
    return [found[number] for number in sorted(found)]


def listed(words: Sequence[object]) -> str:
    """The first MOST_NAMED of them, and how many more there are."""
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(map(str, words[:MOST_NAMED])) + more


def require_alike(pieces: Sequence[Piece], *, mixed_workers: bool) -> None:
    """Raise RunError if models, settings, files, versions or types of processor differ between shards."""
    first = pieces[0]
    for piece in pieces[1:]:
        request = with_reading(piece.record.request, first.record.request)
        changed = differing_keys(first.record.request, request)
        if piece.record.models.dimension != first.record.models.dimension:
            changed.append("models.dimension")
        if changed:
            raise RunError(
                f"{piece.folder}: differs from {first.folder} in {listed(changed)}; shards of one audit must come "
                f"from the same command, files, models and versions"
            )
        if piece.processor != first.processor and not mixed_workers:
            raise RunError(
                f"{piece.folder} ran on {piece.processor} and {first.folder} on {first.processor}, which may round "
                f"differently; run it again on the same type of processor, or accept this with --mixed-workers"
            )


def mixed_warnings(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """A warning if shards ran on different types of processor."""
    return mixed_sentence([piece.processor for piece in pieces])


def with_reading(request: RequestRecord, of: RequestRecord) -> RequestRecord:
    """The request with the time at which `of` read the plan; the hash of the plan shows whether it is the same."""
    if request.plan is None or of.plan is None:
        return request
    return replace(request, plan=replace(request.plan, read_at=of.plan.read_at))


def first_read_of(pieces: Sequence[Piece]) -> RequestRecord:
    """The request common to all shards, with the earliest time at which one of them read the plan."""
    requests = [piece.record.request for piece in pieces]
    read = [request.plan.read_at for request in requests if request.plan is not None]
    plan = requests[0].plan
    return requests[0] if plan is None else replace(requests[0], plan=replace(plan, read_at=min(read)))


def with_warnings(resolved: ResolvedAudit, pieces: Sequence[Piece]) -> ResolvedAudit:
    """The audit with the warnings of its shards about the manifest, as some concern images, which are not available here."""
    said = tuple(dict.fromkeys(said for piece in pieces for said in piece.record.manifest_warnings))
    return replace(resolved, manifest=replace(resolved.manifest, warnings=said))


def output_of(request: RequestRecord, output: Output) -> Output:
    """The output settings, completed with those recorded in the shards."""
    embeddings, ids = (request.setting("output", name) is not False for name in ("keep_embeddings", "keep_ids"))
    return replace(output, keep_embeddings=embeddings, keep_ids=ids)


def facts_of(pieces: Sequence[Piece], models: ChosenModels) -> ModelFacts:
    """What is known of the models from all shards; run.json says that the run was merged."""
    records = [piece.record.models for piece in pieces]

    def every(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(said for record in records for said in getattr(record, name)))

    execution = replace(
        records[0].execution,
        workers=usable_cores(),
        notes=(*records[0].execution.notes, f"merged from {len(pieces)} shards"),
    )
    return ModelFacts(
        models,
        execution,
        records[0].dimension,
        StoredFindings(every("doctor_alarms"), every("doctor_warnings"), every("doctor_checked")),
        Remarks(every("dry_run_alarms"), every("dry_run_notices")),
    )


def require_as_recorded(first: Piece, request: RequestRecord, resolved: ResolvedAudit, facts: ModelFacts) -> None:
    """Raise RunError if the files of a shard do not match its record, or this facegap is not the version of the shards."""
    other = {name: version_of(name) for name in DERIVES if version_of(name) != request.versions.get(name)}
    if other:
        said = ", ".join(f"{name} {request.versions.get(name)} (here {version})" for name, version in other.items())
        raise RunError(f"{first.folder}: written with {said}; merge shards with the versions that wrote them")
    if request.part_rows != pipeline.PART_ROWS:
        raise RunError(
            f"{first.folder}: its parts have {request.part_rows} rows, and those of this version {pipeline.PART_ROWS}"
        )
    again = with_reading(with_models(request_of(resolved, "images"), facts), request)
    if changed := differing_keys(request, again):
        raise RunError(f"{first.folder}: the files in it do not match its record, which differs in {listed(changed)}")


def sets_of(resolved: ResolvedAudit) -> Iterator[tuple[str, Manifest]]:
    """The image sets of an audit: the folder of their parts within a run, and their manifest by image."""
    yield "", resolved.manifest.by_image
    if resolved.threshold_set is not None:
        yield store.THRESHOLD_SET, resolved.threshold_set.by_image


def part_numbers(table: Manifest, shard: Shard) -> range:
    """The parts of a shard among all rows of a manifest."""
    return shard.parts(-(-len(table.frame) // pipeline.PART_ROWS))


def require_parts(pieces: Sequence[Piece], resolved: ResolvedAudit, *, embedded: bool) -> None:
    """Check the parts of every shard against the manifest.

    Raises
    ------
    RunError   : if parts are missing, changed, of other rows, or of another shard
    TableError : if more than a few images could not be passed to a model, as in a single run
    """
    for place, table in sets_of(resolved):
        unreadable = Unreadable(len(table.frame), resolved.settings.faces.allow_missing)
        for piece in pieces:
            folder, own = piece.folder / place, part_numbers(table, piece.record.shard)
            found = store.committed_parts(folder, embedded=embedded)
            if strange := sorted(found - set(own)):
                raise RunError(
                    f"{folder}: contains parts of other shards ({listed(strange)}), so the shards overlap; remove them"
                )
            if missing := [number for number in own if number not in found]:
                raise RunError(
                    f"{folder}: parts {listed(missing)} are missing or were changed after they were written; finish "
                    f"the shard with --resume"
                )
            for number in own:
                chunk = table.frame.iloc[number * pipeline.PART_ROWS : (number + 1) * pipeline.PART_ROWS]
                with store.fitting_together(piece.folder):
                    rows = rows_of(folder, number, chunk)
                    if rows is None:
                        raise RunError(
                            f"{folder}: part {number} does not contain the rows of the manifest that belong to it"
                        )
                    unreadable.add(rows)


def copy_parts(pieces: Sequence[Piece], target: Path, resolved: ResolvedAudit, *, embedded: bool) -> None:
    """Copy every part into one folder, the hashes last. Raises RunError if a part changes meanwhile."""
    for place, table in sets_of(resolved):
        parts = target / place / store.PARTS
        with store.explained(target):
            parts.mkdir(mode=0o700, parents=True, exist_ok=True)
        for piece in pieces:
            for number in part_numbers(table, piece.record.shard):
                if is_as_written(parts, number, embedded=embedded):
                    continue
                for name in (*files_of(number, embedded=embedded), f"{number:06d}.sha256"):
                    with (
                        opened(piece.folder / place / store.PARTS / name) as source,
                        store.writing(parts / name) as copy,
                    ):
                        shutil.copyfileobj(source, copy)
                if not is_as_written(parts, number, embedded=embedded):
                    raise RunError(
                        f"{piece.folder / place}: part {number} changed while it was copied; run merge again"
                    )
