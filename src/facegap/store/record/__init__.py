"""run.json as a typed value: what was asked for, what it ran on, how long it took, and what a reader must know.

This is the only reader of run.json. Every key is always there: what a run does not have is null or empty. A run folder
may come from anywhere, so what is read is held to these classes, see `facegap.store.typed_json`.
"""

from facegap.store.record.data import (
    AnnotationsFile,
    ColourRecord,
    ConventionsRecord,
    GroupTime,
    LabelColumn,
    LabelsRecord,
    ManifestRecord,
    ScoresFile,
    SentRecord,
    ShareRecord,
    SharesRecord,
    StageTime,
    TimingRecord,
)
from facegap.store.record.protocols import ProtocolCount, ProtocolRecord
from facegap.store.record.request import (
    MOST_DRAWS,
    AuditKind,
    LabelsRequest,
    Margin,
    PlannedSample,
    PlanRecord,
    RequestRecord,
    Task,
)
from facegap.store.record.thresholds import (
    MOST_FOLDS,
    MOST_RANKS,
    AllPairsRecord,
    ComparisonRecord,
    FoldThresholds,
    IdentificationRecord,
    ListedPairsRecord,
    Operating,
    ThresholdInterval,
    TransferPoint,
)
from facegap.store.record.whole import (
    OTHER_VERSION,
    VERSION,
    BegunRecord,
    RunRecord,
    parse_record,
    record_from_json,
)

__all__ = [
    "MOST_DRAWS",
    "MOST_FOLDS",
    "MOST_RANKS",
    "OTHER_VERSION",
    "VERSION",
    "AllPairsRecord",
    "AnnotationsFile",
    "AuditKind",
    "BegunRecord",
    "ColourRecord",
    "ComparisonRecord",
    "ConventionsRecord",
    "FoldThresholds",
    "GroupTime",
    "IdentificationRecord",
    "LabelColumn",
    "LabelsRecord",
    "LabelsRequest",
    "ListedPairsRecord",
    "ManifestRecord",
    "Margin",
    "Operating",
    "PlanRecord",
    "PlannedSample",
    "ProtocolCount",
    "ProtocolRecord",
    "RequestRecord",
    "RunRecord",
    "ScoresFile",
    "SentRecord",
    "ShareRecord",
    "SharesRecord",
    "StageTime",
    "Task",
    "ThresholdInterval",
    "TimingRecord",
    "TransferPoint",
    "parse_record",
    "record_from_json",
]
