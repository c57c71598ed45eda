"""Settings of comparisons and thresholds (1:1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facegap.audit.settings.setting import VERIFICATION, default_of, setting, settle
from facegap.audit.settings.values import PUBLISHED, accepted_score, file_name, file_names, one_or_many, path
from facegap.errors import SettingError


@dataclass(frozen=True)
class Verify:
    """How thresholds are set and which pairs are compared (1:1).

    A threshold replaces the targets: `Verify(threshold=0.4).fmr` is empty.
    """

    fmr: tuple[float, ...] = setting(
        (1e-3,),
        help="Target false match rate; repeatable",
        heading=VERIFICATION,
        minimum=0,
        maximum=1,
        read=one_or_many(float),
    )
    fmr_on: str | None = setting(
        None, help="Apply the target to this group's impostor pairs only", heading=VERIFICATION
    )
    threshold: tuple[float | Literal["published"], ...] = setting(
        (),
        help="Accept scores from this value, instead of setting a threshold by --fmr; 'published' uses the threshold "
        "on the card",
        heading=VERIFICATION,
        read=one_or_many(accepted_score),
    )
    threshold_on: Path | None = setting(
        None,
        help="Manifest of other people for setting thresholds",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    threshold_by: Literal["folds", "split"] | None = setting(
        None,
        help="Evaluate each pair at a threshold set on folds of other people (folds), or set thresholds on held-out subjects (split)",
        heading=VERIFICATION,
        without="folds; split if --split or --identify is given",
    )
    fold_column: str | None = setting(
        None,
        help="Column with the fold of each subject",
        heading=VERIFICATION,
        without="random folds, by --seed",
    )
    split: float = setting(
        0.5,
        help="Proportion of the subjects held out for setting thresholds",
        heading=VERIFICATION,
        minimum=0.05,
        maximum=0.95,
    )
    seed: int = setting(
        0, help="Random seed for folds or split, and for resampled labels", heading=VERIFICATION, minimum=0
    )
    in_sample: bool = setting(
        False,
        help="Set thresholds on the same pairs on which they are evaluated; the tables label the results as in-sample",
        heading=VERIFICATION,
    )
    pairs: Path | None = setting(
        None,
        help="CSV file with columns left,right: compare only these pairs",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    sample_pairs: int | None = setting(
        None,
        help="Compare a sample of this many pairs: all genuine pairs, and a random sample of impostor pairs within each pair of groups",
        heading=VERIFICATION,
        minimum=1,
        maximum=20_000_000,
        without="all pairs",
    )
    genuine_per_subject: int | None = setting(
        None,
        help="Maximum number of genuine pairs per person in the sample",
        heading=VERIFICATION,
        minimum=1,
        maximum=1_000_000,
        without="all",
    )
    exclude_pairs: Path | None = setting(
        None,
        help="CSV file with columns left,right: reviewed pairs to exclude",
        heading=VERIFICATION,
        read=path,
        write=file_name,
    )
    distance: bool = setting(
        False, help="Scores and thresholds are distances: smaller means more similar", heading=VERIFICATION
    )
    format: Literal["auto", "frte"] = setting(
        "auto",
        help="Format of the score file: detected from its first line, or the match log of NIST's FRTE driver",
        heading=VERIFICATION,
    )
    enrolment_log: tuple[Path, ...] = setting(
        (),
        help="Enrolment log for the match log: images, failures and quality of its templates; repeatable",
        heading=VERIFICATION,
        read=one_or_many(Path),
        write=file_names,
    )
    images_are_people: bool = setting(
        False, help="If no column names the people, treat every image as a different person", heading=VERIFICATION
    )
    impostors_only: bool = setting(
        False, help="Accept a set without genuine pairs: FMR is reported, FNMR is not", heading=VERIFICATION
    )
    eer: Literal["midpoint", "fvc"] = setting(
        "midpoint",
        help="Convention for the equal error rate: smallest |FMR - FNMR|, or that of the FVC competitions",
        heading=VERIFICATION,
    )
    bob_rates: bool = setting(
        False, help="Also print FTA, FAR, FRR and HTER as defined by bob.measure", heading=VERIFICATION
    )
    tail_limit: int = setting(
        2_000_000, help="Maximum number of impostor pairs to keep in the list", heading=VERIFICATION, minimum=1
    )
    edge_fmr: float | None = setting(
        None,
        help="Also write edges.csv: FMR with intervals at bin edges up to this FMR, below the list of impostor pairs as well; "
        "4 bytes for each template, group and edge",
        heading=VERIFICATION,
        minimum=1e-12,
        maximum=0.1,
    )

    def __post_init__(self) -> None:
        """Check each value and their combinations."""
        settle(self)
        if self.threshold and self.fmr and self.fmr != default_of(Verify, "fmr"):
            raise SettingError(TARGET_AND_THRESHOLD)
        if self.threshold:
            object.__setattr__(self, "fmr", ())
        if self.edge_fmr is not None and (self.pairs is not None or self.sample_pairs is not None):
            raise SettingError("--edge-fmr is about all pairs; omit it, or --pairs and --sample-pairs")
        if self.in_sample and self.threshold_on is not None:
            raise SettingError("--in-sample and --threshold-on contradict each other; give only one")
        if self.fold_column is not None and not self.by_folds:
            raise SettingError(
                "--fold-column applies to thresholds set by folds, but another option sets them differently; omit "
                "--threshold, "
                "--threshold-on, --in-sample, --split and --threshold-by split, or --fold-column"
            )
        if self.threshold_by is not None:
            others = {
                "--threshold": bool(self.threshold),
                "--threshold-on": self.threshold_on is not None,
                "--in-sample": self.in_sample,
                "--split": self.threshold_by == "folds" and self.split != default_of(Verify, "split"),
            }
            for name in (name for name, given in others.items() if given):
                raise SettingError(
                    f"--threshold-by {self.threshold_by} and {name} contradict each other; give only one"
                )

    @property
    def by_folds(self) -> bool:
        """Whether thresholds are set by folds according to these settings: all subjects are evaluated, and none is held out."""
        if self.threshold_by is not None:
            return self.threshold_by == "folds"
        settled = bool(self.threshold) or self.threshold_on is not None or self.in_sample
        return not settled and self.split == default_of(Verify, "split")

    @property
    def scores(self) -> tuple[float, ...]:
        """The thresholds that are given as numbers."""
        return tuple(value for value in self.threshold if value != PUBLISHED)

    @property
    def published(self) -> bool:
        """Whether the threshold published in the embedder's card is used."""
        return PUBLISHED in self.threshold


NO_TARGET_OF_SAMPLE = (
    "--sample-pairs compares too few pairs to set a threshold; give --threshold (a number, or published), or "
    "--threshold-on with a manifest of other people"
)


TARGET_AND_THRESHOLD = "a target (--fmr) and a threshold (--threshold) cannot both be given; give only one"
