"""The record as a whole: what run.json holds, of a run that ended and of one that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from facegap.errors import RunError
from facegap.plugins import Plugin
from facegap.store.record.data import (
    ColourRecord,
    ConventionsRecord,
    LabelColumn,
    LabelsRecord,
    ManifestRecord,
    OutputRecord,
    ScoresFile,
    SentRecord,
    SharesRecord,
    StoppingRecord,
    TimingRecord,
)
from facegap.store.record.protocols import ProtocolRecord
from facegap.store.record.request import Margin, PlanRecord, RequestRecord, Task, require_margins
from facegap.store.record.shard import ModelsRecord, Shard
from facegap.store.record.thresholds import ComparisonRecord, IdentificationRecord, Operating, TransferPoint
from facegap.store.typed_json import Between, Count, Place, from_json, parse_object, to_json
from facegap.types import Execution

VERSION = 3  # of the form of a run folder
COMPLETE, RUNNING, SHARD = "complete", "running", "shard"
OTHER_VERSION = "written by another version of facegap; run the audit again"

Level = Annotated[float, Between(0.5, 0.9999)]


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json of a run that reached its end.

    models         : names by task
    classes        : of gender, that the classifier can give; empty without a classifier of gender
    says_age       : whether the classifier gives an age
    groupings      : label columns that people are grouped by, each grouping a tuple of them
    level          : of the intervals
    min_subjects   : smaller groups are shown, never ranked or tested; effective subjects count, not heads
    cluster        : label columns that make the sampling unit; none: the subject is the unit
    per_person     : whether rates and gaps weigh people equally, and not trials
    shares         : the composition of the population that rates are made for as well; None without one
    outputs        : answers besides gender and age
    labels         : labels of tone that were joined; None without any
    colour         : None where no image was opened
    comparison     : None where nothing is compared; identification: None where nothing is searched
    sent           : None where nothing was sent to a service; stopping: None but where it was to stop when gaps are decided
    scores         : None but in an audit of scores
    alarms         : what makes the result doubtful; they are among the warnings too
    checked        : what `facegap doctor` found in order
    warnings       : what a reader must know
    plugins        : what other packages added to what computed this run
    date           : day on which the audit ended (UTC, YYYY-MM-DD); empty where nothing was audited
    source         : where the rows come from if they were not audited but rebuilt from published figures, else empty
    forgotten      : people whom `facegap forget` removed after the end of the run
    """

    request: RequestRecord
    manifest: ManifestRecord
    models: Mapping[Task, str]
    groupings: tuple[tuple[str, ...], ...]
    level: Level
    min_subjects: Count
    execution: Execution
    conventions: ConventionsRecord
    classes: tuple[str, ...] = ()
    says_age: bool = False
    labels: LabelsRecord | None = None
    timing: TimingRecord = field(default_factory=TimingRecord)
    colour: ColourRecord | None = None
    comparison: ComparisonRecord | None = None
    identification: IdentificationRecord | None = None
    sent: SentRecord | None = None
    scores: ScoresFile | None = None
    alarms: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    source: str = ""
    cluster: tuple[str, ...] = ()
    forgotten: Count = 0
    per_person: bool = False
    date: str = ""
    shares: SharesRecord | None = None
    outputs: tuple[OutputRecord, ...] = ()
    stopping: StoppingRecord | None = None

    @property
    def alpha(self) -> float:
        """The false-alarm rate of the primary family of gaps, and of each exploratory one."""
        return self.request.alpha

    @property
    def margins(self) -> Mapping[str, Margin]:
        """The margins that were fixed before the data were seen, by metric; empty: those of the metrics."""
        return self.request.margins

    @property
    def plan(self) -> PlanRecord | None:
        """The plan that the run was made by; None without one."""
        return self.request.plan

    @property
    def protocol(self) -> ProtocolRecord | None:
        """The benchmark protocol whose pairs were compared; None without one."""
        return self.request.protocol

    @property
    def data_name(self) -> str:
        """What reports call the data: --data-name, else the title of the protocol; empty where there is neither."""
        named = self.request.setting("groups", "data_name")
        return str(named or (self.protocol.title if self.protocol else ""))

    @property
    def operating(self) -> tuple[Operating, ...]:
        """The thresholds of comparisons; none where nothing is compared."""
        return self.comparison.operating if self.comparison else ()

    @property
    def has_curve(self) -> bool:
        """Whether comparisons have scores at which other thresholds could be set: neither mere decisions nor a sample."""
        decisions = any(told is not None and told.decisions for told in (self.scores, self.sent))
        return self.comparison is not None and not self.sampled and not decisions

    @property
    def sampled(self) -> bool:
        """Whether the comparisons are a sample of all pairs, so that their rates are weighted."""
        listed = None if self.comparison is None else self.comparison.listed_pairs
        return listed is not None and listed.sampled

    @property
    def transfer_points(self) -> tuple[TransferPoint, ...]:
        """The thresholds of each group alone; none where nothing is compared."""
        return self.comparison.transfer_points if self.comparison else ()

    @property
    def label_columns(self) -> Mapping[str, LabelColumn]:
        """The label columns that were joined; none where the manifest has all."""
        return self.labels.columns if self.labels else {}

    def to_json(self) -> dict[str, Any]:
        """The record as an object of JSON, with its version and state."""
        return {"version": VERSION, "state": COMPLETE, **to_json(self)}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any], file: str | Path) -> RunRecord:
        """The record of a run from an object of JSON.

        Raises
        ------
        RunError : another version, a run that was broken off, a key that is missing or not known, a value that no run
                   has; the message names file and key
        """
        found = record_from_json(stated, file)
        if isinstance(found, ShardRecord):
            raise RunError(f"{file}: {found.words}")
        if isinstance(found, BegunRecord):
            raise RunError(f"{file}: the run in it was interrupted; finish it with --resume")
        return found


@dataclass(frozen=True)
class BegunRecord:
    """The content of run.json of a run that is under way or was broken off.

    max_calls : of a black-box service, in all; None without a limit, or without a service
    """

    request: RequestRecord
    max_calls: Count | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as an object of JSON, with its version and state."""
        return {"version": VERSION, "state": RUNNING, **to_json(self)}


@dataclass(frozen=True)
class ShardRecord:
    """The content of run.json of a shard: some parts of an audit, and all that `facegap merge` needs to put them together.

    files             : what the audit reads beside images and models, kept in the folder `inputs`: setting -> name of the file
    manifest_warnings : what a person should look at in the manifest, files with the same bytes among them
    models            : what is known of them beside their cards
    """

    request: RequestRecord
    shard: Shard
    files: Mapping[str, str]
    manifest_warnings: tuple[str, ...]
    models: ModelsRecord

    @property
    def words(self) -> str:
        """What it is, and what to do with it."""
        return (
            f"shard {self.shard} of an audit, which has no tables; combine all shards with: facegap merge RUN... "
            f"--out DIR"
        )

    def to_json(self) -> dict[str, Any]:
        """The record as an object of JSON, with its version and state."""
        return {"version": VERSION, "state": SHARD, **to_json(self)}


def parse_record(text: str, file: str | Path) -> RunRecord | BegunRecord | ShardRecord:
    """The record that the text of a run.json holds.

    Raises
    ------
    RunError : no JSON object; see `record_from_json`
    """
    return record_from_json(parse_object(text, Place(str(file))), file)


def record_from_json(stated: Mapping[str, Any], file: str | Path) -> RunRecord | BegunRecord | ShardRecord:
    """The record of a run, of one that was broken off, or of a shard.

    Raises
    ------
    RunError : another version, a key that is missing or not known, a value that no run has
    """
    place = Place(str(file))
    rest = dict(stated)
    version, state = rest.pop("version", None), rest.pop("state", None)
    if isinstance(version, bool) or version != VERSION:
        raise RunError(f"{file}: {OTHER_VERSION}")
    if state == RUNNING:
        begun: BegunRecord = from_json(BegunRecord, rest, place)
        require_margins(begun.request, place)
        return begun
    if state == SHARD:
        part: ShardRecord = from_json(ShardRecord, rest, place)
        require_margins(part.request, place)
        if part.shard.number > part.shard.of:
            place.below("shard").below("number").refuse(f"{part.shard.number} of {part.shard.of} shards")
        return part
    if state != COMPLETE:
        place.below("state").refuse(f"none of {COMPLETE}, {RUNNING} and {SHARD}")
    record: RunRecord = from_json(RunRecord, rest, place)
    require_consistent(record, place)
    return record


def require_consistent(record: RunRecord, place: Place) -> None:
    """Raise RunError where entries that are right by themselves contradict each other."""
    require_margins(record.request, place)
    for k, grouping in enumerate(record.groupings):
        foreign = [name for name in grouping if name not in record.manifest.labels]
        if foreign:
            place.below("groupings").below(k).refuse(f"{foreign[0]!a} is not a label column of the manifest")
        if not grouping or len(set(grouping)) < len(grouping):
            place.below("groupings").below(k).refuse("each grouping names one label column or several, each once")
    foreign = [name for name in record.cluster if name not in record.manifest.labels]
    if foreign or len(set(record.cluster)) < len(record.cluster):
        said = f"{foreign[0]!a} is not a label column of the manifest" if foreign else "lists a column twice"
        place.below("cluster").refuse(said)
    named = [output.name for output in record.outputs]
    if len(set(named)) < len(named):
        place.below("outputs").refuse("lists an output twice")
    if record.identification is not None and not record.identification.ranks:
        place.below("identification").below("ranks").refuse("lists no rank")
