"""The content of run.json for a finished run, a run in progress and a shard."""

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

VERSION = 3  # of the run folder format
COMPLETE, RUNNING, SHARD = "complete", "running", "shard"
OTHER_VERSION = "written by another version of facegap; run the audit again"

Level = Annotated[float, Between(0.5, 0.9999)]


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json of a finished run.

    models         : names by task
    classes        : gender classes of the classifier; empty without one
    says_age       : whether the classifier predicts age
    groupings      : groupings, each a tuple of label columns
    level          : of the intervals
    min_subjects   : smaller groups are shown but not ranked or tested; compared with effective subjects
    cluster        : label columns that form the sampling unit; none: the subject is the unit
    per_person     : whether rates and gaps weight people, rather than trials, equally
    shares         : composition of the population for which rates are also standardised; None without one
    outputs        : outputs other than gender and age
    labels         : tone labels that were joined; None without any
    colour         : None if no image was opened
    comparison     : None if nothing is compared; identification: None if nothing is searched
    sent           : None if nothing was sent to a service; stopping: None without sequential stopping
    scores         : only for a score audit
    alarms         : reasons to doubt the result; also included in the warnings
    checked        : checks of `facegap doctor` that passed
    warnings       : notes for the reader
    plugins        : contributions of other packages to the computation
    date           : day on which the audit ended (UTC, YYYY-MM-DD); empty if nothing was audited
    source         : origin of rows that were rebuilt from published figures rather than audited, else empty
    forgotten      : number of people whom `facegap forget` removed after the end of the run
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
        """Return the significance level of the primary family of gaps and of each exploratory family."""
        return self.request.alpha

    @property
    def margins(self) -> Mapping[str, Margin]:
        """Return the pre-specified margins by metric; empty: the default margins."""
        return self.request.margins

    @property
    def plan(self) -> PlanRecord | None:
        """Return the plan of the run; None without one."""
        return self.request.plan

    @property
    def protocol(self) -> ProtocolRecord | None:
        """Return the benchmark protocol whose pairs were compared; None without one."""
        return self.request.protocol

    @property
    def data_name(self) -> str:
        """Return the name of the data in reports: --data-name, else the title of the protocol, else empty."""
        named = self.request.setting("groups", "data_name")
        return str(named or (self.protocol.title if self.protocol else ""))

    @property
    def operating(self) -> tuple[Operating, ...]:
        """Return the thresholds of comparisons; empty if nothing is compared."""
        return self.comparison.operating if self.comparison else ()

    @property
    def has_curve(self) -> bool:
        """Return whether other thresholds can be evaluated: comparisons are neither bare decisions nor a sample."""
        decisions = any(told is not None and told.decisions for told in (self.scores, self.sent))
        return self.comparison is not None and not self.sampled and not decisions

    @property
    def sampled(self) -> bool:
        """Return whether the comparisons are a sample of all pairs, so that their rates are weighted."""
        listed = None if self.comparison is None else self.comparison.listed_pairs
        return listed is not None and listed.sampled

    @property
    def transfer_points(self) -> tuple[TransferPoint, ...]:
        """Return the thresholds of single groups; empty if nothing is compared."""
        return self.comparison.transfer_points if self.comparison else ()

    @property
    def label_columns(self) -> Mapping[str, LabelColumn]:
        """Return the joined label columns; empty if all are in the manifest."""
        return self.labels.columns if self.labels else {}

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, with its version and state."""
        return {"version": VERSION, "state": COMPLETE, **to_json(self)}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any], file: str | Path) -> RunRecord:
        """Read the record of a finished run from a JSON object.

        Raises
        ------
        RunError : If the version differs, the run was interrupted, a key is missing or unknown, or a value is not allowed;
                   the message names file and key.
        """
        found = record_from_json(stated, file)
        if isinstance(found, ShardRecord):
            raise RunError(f"{file}: {found.words}")
        if isinstance(found, BegunRecord):
            raise RunError(f"{file}: the run in it was interrupted; finish it with --resume")
        return found


@dataclass(frozen=True)
class BegunRecord:
    """The content of run.json of a run that is in progress or was interrupted.

    max_calls : limit on the calls of a black-box service, in all; None without a limit or a service
    """

    request: RequestRecord
    max_calls: Count | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, with its version and state."""
        return {"version": VERSION, "state": RUNNING, **to_json(self)}


@dataclass(frozen=True)
class ShardRecord:
    """The content of run.json of a shard: some parts of an audit, and everything that `facegap merge` needs to join them.

    files             : input files other than images and models, stored in the folder `inputs`: setting -> file name
    manifest_warnings : warnings on the manifest, including duplicate files
    models            : facts about the models beyond their cards
    """

    request: RequestRecord
    shard: Shard
    files: Mapping[str, str]
    manifest_warnings: tuple[str, ...]
    models: ModelsRecord

    @property
    def words(self) -> str:
        """Explain what a shard is and what to do with it."""
        return (
            f"shard {self.shard} of an audit, which has no tables; combine all shards with: facegap merge RUN... "
            f"--out DIR"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, with its version and state."""
        return {"version": VERSION, "state": SHARD, **to_json(self)}


def parse_record(text: str, file: str | Path) -> RunRecord | BegunRecord | ShardRecord:
    """Parse the text of run.json.

    Raises
    ------
    RunError : If the text is not a JSON object; see `record_from_json`.
    """
    return record_from_json(parse_object(text, Place(str(file))), file)


def record_from_json(stated: Mapping[str, Any], file: str | Path) -> RunRecord | BegunRecord | ShardRecord:
    """Read the record of a finished run, an interrupted run or a shard from a JSON object.

    Raises
    ------
    RunError : If the version differs, a key is missing or unknown, or a value is not allowed.
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
    """Raise RunError if entries that are valid by themselves contradict each other."""
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
