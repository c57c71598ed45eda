"""run.json as a typed value: what was asked for, what it ran on, how long it took, and what a reader must know.

This is the only reader of run.json. Every key is always there: what a run does not have is null or empty. A run folder
may come from anywhere, so what is read is held to these classes, see `typed_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from facegap.errors import RunError
from facegap.plugins import Plugin
from facegap.store.typed_json import Between, Count, Place, from_json, parse_object, to_json
from facegap.types import Execution, Scale

VERSION = 3  # of the form of a run folder
COMPLETE, RUNNING = "complete", "running"
OTHER_VERSION = "made by another version of facegap; make the run again"
MOST_RANKS, MOST_DRAWS = 10_000, 10_000  # rows of a table and turns of a loop are made of them
MOST_FOLDS = 1_000  # a square table is made of them

Task = Literal["detect", "embed", "classify"]
AuditKind = Literal["images", "predictions", "embeddings", "scores"]
Rank = Annotated[int, Between(1, MOST_RANKS)]
Draws = Annotated[int, Between(2, MOST_DRAWS)]
Seed = Annotated[int, Between(0)]
Level = Annotated[float, Between(0.5, 0.9999)]
Alpha = Annotated[float, Between(0.0001, 0.2)]
Proportion = Annotated[float, Between(0, 1)]


# ---- what was asked for ----


@dataclass(frozen=True)
class LabelsRequest:
    """Of joined labels what decides the tables.

    files : sha256 of the tables of tone and of annotations, by these words
    draws, seed : how often labels are resampled, and from which seed
    """

    files: Mapping[str, str]
    draws: Draws
    seed: Seed


@dataclass(frozen=True)
class Margin:
    """The gap of a metric that matters. size : above 1 on the scale of ratios, between 0 and 1 on that of differences"""

    scale: Scale
    size: float

    @property
    def is_ratio(self) -> bool:
        """Whether groups are compared by ratio."""
        return self.scale == "ratio"

    @property
    def is_on_scale(self) -> bool:
        """Whether a margin of this size can be on its scale."""
        return self.size > 1 if self.is_ratio else 0 < self.size < 1


@dataclass(frozen=True)
class PlannedSample:
    """How many people of each group a plan says for a metric, and photographs of each of them."""

    metric: str
    people: Count
    photographs: Count


@dataclass(frozen=True)
class PlanRecord:
    """The plan that a run was made by, as it was read before anything was looked at.

    file    : its name; sha256: of its text
    read_at : when the first start of the run read it, ISO 8601, UTC
    by, metrics : of the primary family
    groups  : those that it names, as they are printed; empty: all
    """

    file: str
    sha256: str
    read_at: str
    by: tuple[tuple[str, ...], ...]
    metrics: tuple[str, ...]
    groups: tuple[str, ...] = ()
    samples: tuple[PlannedSample, ...] = ()


@dataclass(frozen=True)
class RequestRecord:
    """What was asked for. Of an audit of images it must be the same for --resume to end with the same tables.

    settings          : settings that decide a result, as audit/settings.py keeps them
    manifest_sha256   : of the file; None where scores came without one
    in_memory         : whether the manifest was given in memory
    threshold_set_sha256 : of the manifest of --threshold-on; None without one
    pair_lists_sha256 : of --pairs and --exclude-pairs
    shares_sha256     : of --shares; None without one
    labels            : None where none were joined
    alpha             : false-alarm rate of the primary family, and of each exploratory one
    margins           : by metric; empty: those of the metrics
    plan              : None without one
    rows, part_rows   : of the manifest, and of the parts it is worked off in, 0 where no image is opened
    cards             : of the models, by task
    versions          : of what computes
    model             : what the tables call a black box; None where models run here
    predictions_sha256, classes : of an audit of predictions: the file, and the classes that the black box can give
    scores_sha256     : of the file of an audit of scores
    embeddings_sha256 : of the file of an audit of templates
    """

    audit: AuditKind
    settings: Mapping[str, Any]
    manifest_sha256: str | None
    in_memory: bool = False
    threshold_set_sha256: str | None = None
    pair_lists_sha256: tuple[str, ...] = ()
    shares_sha256: str | None = None
    labels: LabelsRequest | None = None
    alpha: Alpha = 0.05
    margins: Mapping[str, Margin] = field(default_factory=dict)
    plan: PlanRecord | None = None
    rows: Count = 0
    part_rows: Count = 0
    cards: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    predictions_sha256: str | None = None
    scores_sha256: str | None = None
    embeddings_sha256: str | None = None
    classes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The request as an object of JSON."""
        plain: dict[str, Any] = to_json(self)
        return plain

    def setting(self, section: str, name: str) -> Any:
        """The value of a setting; None where the request does not state it."""
        stated = self.settings.get(section)
        return stated.get(name) if isinstance(stated, Mapping) else None

    def card(self, task: str) -> Mapping[str, Any]:
        """The card of a model; empty where no model ran for the task."""
        card = self.cards.get(task)
        return card if isinstance(card, Mapping) else {}


# ---- who took part ----


@dataclass(frozen=True)
class ManifestRecord:
    """The manifest: its hash, its rows without those that --where left out, and its label columns."""

    sha256: str
    rows: Count
    excluded_by_where: Count
    has_subjects: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelColumn:
    """A label column that was joined to the manifest.

    source        : measured or annotated
    rows          : of each label
    without_label : rows that have none, by reason; without_label_but_drawn: of those, how many have probabilities
    uncertainty   : whether it is known how sure the labels are; why_unknown: the end of a clause where it is not
    """

    source: Literal["measured", "annotated"]
    rows: Mapping[str, Count]
    without_label: Mapping[str, Count]
    without_label_but_drawn: Count
    uncertainty: Literal["known", "unknown"]
    why_unknown: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnnotationsFile:
    """A table of annotations: its hash, how many answers of how many annotators it has, and on which scales."""

    sha256: str
    answers: Count
    annotators: Count
    scales: tuple[str, ...]


@dataclass(frozen=True)
class LabelsRecord:
    """Labels of tone that were joined to the manifest.

    draws, seed : how often they are resampled for the gaps, and from which seed
    tone_sha256 : of the table of measurements; None without one
    """

    draws: Draws
    seed: Seed
    columns: Mapping[str, LabelColumn]
    tone_sha256: str | None = None
    annotations: AnnotationsFile | None = None

    @property
    def files(self) -> dict[str, str]:
        """sha256 of the joined files by their words: tone, annotations."""
        found = {"tone": self.tone_sha256, "annotations": self.annotations.sha256 if self.annotations else None}
        return {name: sha256 for name, sha256 in found.items() if sha256 is not None}


@dataclass(frozen=True)
class ShareRecord:
    """One cell of a population: a label for each column, and its share."""

    labels: tuple[str, ...]
    share: Proportion


@dataclass(frozen=True)
class SharesRecord:
    """The composition of a population, which --shares gives: label columns, and the share of each of their cells."""

    sha256: str
    columns: tuple[str, ...]
    cells: tuple[ShareRecord, ...]


# ---- what it ran on ----


@dataclass(frozen=True)
class StageTime:
    """Milliseconds per image of one stage; None where no image reached it."""

    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class GroupTime:
    """Milliseconds per image of all stages together, of one group; None where none of its images was timed."""

    group: Mapping[str, str]
    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class TimingRecord:
    """How long it took; empty where no model ran here.

    per_image : by stage
    by_group  : everybody, and every group of every grouping
    wall_s_of_last_start : seconds of the start that ended the run
    """

    per_image: Mapping[str, StageTime] = field(default_factory=dict)
    by_group: tuple[GroupTime, ...] = ()
    wall_s_of_last_start: float | None = None


@dataclass(frozen=True)
class ConventionsRecord:
    """How orientation tags were treated, and what the labels mean."""

    exif: str
    labels: str


@dataclass(frozen=True)
class ColourRecord:
    """How colour profiles were treated, how many images carry which, and how many were brought to sRGB."""

    treatment: str
    profiles: Mapping[str, Count]
    converted: Count


@dataclass(frozen=True)
class SentRecord:
    """What was sent to a black-box service. max_calls : None without a limit"""

    recipient: str
    images: Count
    calls: Count
    max_calls: Count | None


@dataclass(frozen=True)
class ScoresFile:
    """The file of scores of an audit of scores: its hash, layout, rows, and how many of those have no score.

    decisions : the scores have two values only, so that there is one threshold, the vendor's, and no curve over others
    """

    sha256: str
    layout: str
    rows: Count
    without_score: Count
    decisions: bool = False


# ---- thresholds ----


@dataclass(frozen=True)
class FoldThresholds:
    """A threshold for every pair of folds, each set on the impostor pairs of people outside both; in the order of `fold_pairs`.

    folds         : how many there are
    false_matches : among those pairs, that reach the threshold; impostor_pairs : how many pairs those are
    """

    folds: Annotated[int, Between(1, MOST_FOLDS)]
    thresholds: tuple[float, ...]
    false_matches: tuple[Count, ...]
    impostor_pairs: tuple[Count, ...]


@dataclass(frozen=True)
class ThresholdInterval:
    """How well the threshold at a target FMR is known from its threshold set, at the level of the run.

    fmr_low, fmr_high : interval of the FMR at the threshold, by the subjects of the threshold set
    low, high         : thresholds at which the threshold set has fmr_high and fmr_low
    same_people       : the threshold set is the evaluation set, so that chance moves both together
    """

    fmr_low: Proportion
    fmr_high: Proportion
    low: float
    high: float
    same_people: bool


@dataclass(frozen=True)
class Operating:
    """A threshold, and where it comes from: printed wherever a rate at it is printed.

    targets  : the FMR that it was found for; several where they lead to one threshold, none where it was given
    unmet    : a sentence where equal scores keep the FMR well below its target; empty where it is met
    interval : None where the threshold was given, or does not meet its target
    by_folds : where each pair was judged at a threshold set on other people: these; `threshold` is then the one for use
    """

    threshold: float
    source: str
    targets: tuple[float, ...] = ()
    unmet: str = ""
    interval: ThresholdInterval | None = None
    by_folds: FoldThresholds | None = None


@dataclass(frozen=True)
class TransferPoint:
    """The threshold at a target FMR among the impostor pairs of one group alone.

    threshold : None where there is none; `reason` says why
    subjects  : people of the group in the threshold set
    interval, by_folds : as of `Operating`
    """

    grouping: tuple[str, ...]
    on: str
    target: float
    threshold: float | None
    reason: str
    subjects: Count
    source: str
    interval: ThresholdInterval | None = None
    by_folds: FoldThresholds | None = None


@dataclass(frozen=True)
class AllPairsRecord:
    """Everyone compared with everyone.

    unknown  : pairs left out because a subject or a group is unknown
    excluded : reviewed pairs that are counted nowhere
    filter   : why the pairs were screened as they were; it changes the time and never the counts
    """

    unknown: Count
    excluded: Count
    filter: str


@dataclass(frozen=True)
class ListedPairsRecord:
    """Pairs that a file lists: how many, how many reviewed ones were left out, and how many are of which subjects.

    between : one subject of the threshold set and one of the evaluation set, so in neither
    """

    listed: Count
    reviewed_and_left_out: Count
    evaluation: Count
    threshold_set: Count
    between: Count


@dataclass(frozen=True)
class ComparisonRecord:
    """How faces were compared (1:1): the thresholds, and either all pairs or the pairs of a file."""

    operating: tuple[Operating, ...] = ()
    transfer_points: tuple[TransferPoint, ...] = ()
    all_pairs: AllPairsRecord | None = None
    listed_pairs: ListedPairsRecord | None = None


@dataclass(frozen=True)
class IdentificationRecord:
    """How a gallery was searched (1:N).

    ranks     : lengths of candidate lists that are evaluated, rising
    roles     : who is in the gallery, in words
    operating : thresholds for target false positive identification rates
    """

    ranks: tuple[Rank, ...]
    roles: str
    operating: tuple[Operating, ...] = ()


# ---- the whole ----


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
    labels         : labels of tone that were joined; None without any
    colour         : None where no image was opened
    comparison     : None where nothing is compared; identification: None where nothing is searched
    sent           : None where nothing was sent to a service
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
    def data_name(self) -> str:
        """What reports call the data (--data-name); empty where no name was given."""
        return str(self.request.setting("groups", "data_name") or "")

    @property
    def operating(self) -> tuple[Operating, ...]:
        """The thresholds of comparisons; none where nothing is compared."""
        return self.comparison.operating if self.comparison else ()

    @property
    def has_curve(self) -> bool:
        """Whether comparisons have scores at which other thresholds could be set, and are not mere decisions."""
        return self.comparison is not None and not (self.scores is not None and self.scores.decisions)

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
        if isinstance(found, BegunRecord):
            raise RunError(f"{file}: the run there was broken off; finish it with --resume")
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


def parse_record(text: str, file: str | Path) -> RunRecord | BegunRecord:
    """The record that the text of a run.json holds.

    Raises
    ------
    RunError : no JSON object; see `record_from_json`
    """
    return record_from_json(parse_object(text, Place(str(file))), file)


def record_from_json(stated: Mapping[str, Any], file: str | Path) -> RunRecord | BegunRecord:
    """The record of a run, or of one that was broken off.

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
    if state != COMPLETE:
        place.below("state").refuse(f"neither {COMPLETE} nor {RUNNING}")
    record: RunRecord = from_json(RunRecord, rest, place)
    require_consistent(record, place)
    return record


def require_consistent(record: RunRecord, place: Place) -> None:
    """Raise RunError where entries that are right by themselves contradict each other."""
    require_margins(record.request, place)
    for k, grouping in enumerate(record.groupings):
        foreign = [name for name in grouping if name not in record.manifest.labels]
        if foreign:
            place.below("groupings").below(k).refuse(f"{foreign[0]!a} is no label column of the manifest")
        if not grouping or len(set(grouping)) < len(grouping):
            place.below("groupings").below(k).refuse("each grouping names one label column or several, each once")
    foreign = [name for name in record.cluster if name not in record.manifest.labels]
    if foreign or len(set(record.cluster)) < len(record.cluster):
        said = f"{foreign[0]!a} is no label column of the manifest" if foreign else "names a column twice"
        place.below("cluster").refuse(said)
    if record.identification is not None and not record.identification.ranks:
        place.below("identification").below("ranks").refuse("names no rank")


def require_margins(request: RequestRecord, place: Place) -> None:
    """Raise RunError for a margin that is not on its scale."""
    for name, margin in request.margins.items():
        if not margin.is_on_scale:
            place.below("request").below("margins").below(name).below("size").refuse(
                f"{margin.size:g} is no margin on the scale of a {margin.scale}"
            )
