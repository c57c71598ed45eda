"""Settings of groups, their gaps and margins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facegap.audit.settings.setting import GROUPS, LABELS, setting, settle
from facegap.audit.settings.values import column_names, file_name, margin_texts, one_or_many, path, short_text


@dataclass(frozen=True)
class Groups:
    """Which rows are used, which labels are joined to them, and which groups are large enough to test."""

    where: str | None = setting(
        None, help="Keep only rows that meet a condition: \"age not in ('0-2', '3-9') and gender == 'female'\""
    )
    map: tuple[str, ...] = setting(
        (),
        help="COLUMN:WORD=LABEL translates words in the manifest: gender:weiblich=female,gender:maennlich=male",
        read=one_or_many(str),
    )
    keep_words: bool = setting(False, help="Treat None, null, nan, n/a, - and ? as labels, not as missing values")
    merge_spellings: bool = setting(
        False, help="Merge labels that differ only in case, Unicode form, spaces or number format"
    )
    subjects_as_written: bool = setting(False, help="Treat every spelling of a subject as a different person")
    data_name: str | None = setting(
        None, help="Name of the data in reports, such as 'FairFace validation'", read=short_text, without="no name"
    )
    tone: Path | None = setting(
        None,
        help="Table from `facegap tone`: adds the labels measured_tone and measured_monk",
        heading=LABELS,
        read=path,
        write=file_name,
    )
    annotations: Path | None = setting(
        None,
        help="CSV file from `facegap annotate`: adds the labels annotated_tone and annotated_SCALE",
        heading=LABELS,
        read=path,
        write=file_name,
    )
    label_draws: int = setting(
        200,
        help="Number of times these labels are resampled (with --seed), so that gaps include their uncertainty",
        heading=LABELS,
        minimum=2,
        maximum=10_000,
    )
    label_errors: float | None = setting(
        None,
        help="Proportion of images, pairs or searches whose group label may be wrong: verdicts hold even if all of them are errors",
        heading=LABELS,
        minimum=0,
        maximum=0.5,
        without="labels are taken as correct, or label errors as independent of the model's errors",
    )
    cluster: tuple[str, ...] = setting(
        (),
        help="COLUMN[,COLUMN] that defines the sampling unit, such as photographer, session, family or source",
        heading=GROUPS,
        read=column_names,
        without="the subject",
    )
    weights: str | None = setting(
        None,
        help="COLUMN with the population weight of each image: adds weighted rates and gaps",
        heading=GROUPS,
        without="equal weights",
    )
    shares: Path | None = setting(
        None,
        help="CSV file with label columns and 'share': adds rates standardised to the composition of this population",
        heading=GROUPS,
        read=path,
        write=file_name,
    )
    slope: tuple[str, ...] = setting(
        (),
        help="COLUMN[,COLUMN] of numbers, such as age in years or measured_ita: how each error rate changes with it",
        heading=GROUPS,
        read=column_names,
    )
    covariates: tuple[str, ...] = setting(
        (),
        help="NAME[,NAME]: report how much of each gap of the first grouping remains after balancing these covariates, such as "
        "background_luminance_50,sharpness (docs/covariates.md)",
        heading=GROUPS,
        read=column_names,
    )
    min_subjects: int = setting(
        20,
        help="Groups with fewer effective subjects are shown but neither ranked nor tested",
        heading=GROUPS,
        minimum=2,
    )
    per_person: bool = setting(
        False,
        help="Give equal weight to people (for impostor pairs, to pairs of people) rather than to images or pairs",
        heading=GROUPS,
    )
    level: float = setting(0.95, help="Confidence level of the intervals", heading=GROUPS, minimum=0.5, maximum=0.9999)
    margin: tuple[str, ...] = setting(
        (),
        help="METRIC=VALUE, the smallest gap that matters: fnmr=x2 is a ratio, fnmr=0.02 a difference; repeatable",
        heading=GROUPS,
        read=margin_texts,
        without="each metric's default margin",
    )
    alpha: float = setting(
        0.05,
        help="Probability of any false alarm among the gaps of the primary family",
        heading=GROUPS,
        minimum=0.0001,
        maximum=0.2,
    )
    plan: Path | None = setting(
        None,
        help="plan.toml from `facegap plan`: evaluate the run by this plan; an option that contradicts it is an error",
        heading=GROUPS,
        read=path,
        write=file_name,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
