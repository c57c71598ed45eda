"""Tables of the quality of images."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Column, Schema, counted

QUALITY_GATE = Schema(
    "QUALITY_GATE",  # quality_gate.csv: whom a gate on a quality turns away, and an error rate with and without it
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "quality_threshold": FLOAT,  # images with a lower quality are refused; NaN where no image has one
        "images": INT,
        "without_quality": INT,  # of the images: no trials of the refusal rate, and they do not pass
        **counted("refused"),
        "subjects": INT,  # of the images with a quality
        "metric": TEXT,  # of before and after; empty where the run judges none
        **counted("before"),
        **counted("after"),
    },
    labels_after="quality_threshold",
)

QUALITY_BY_GROUP = Schema(
    "QUALITY_BY_GROUP",  # quality_by_group.csv: how the quality of images is distributed in each group
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "images": INT,
        "without_quality": INT,  # of the images: part of no other number of the row
        "subjects": INT,  # of the images with a quality
        **dict.fromkeys(("mean", "mean_low", "mean_high", "median", "median_low", "median_high"), FLOAT),
        **dict.fromkeys(("quantile_05", "quantile_25", "quantile_75", "quantile_95"), FLOAT),  # of the images
        "level": FLOAT,
    },
    labels_after="quality",
)

QUALITY_DIFFERENCES = Schema(
    "QUALITY_DIFFERENCES",  # quality_differences.csv: how far apart the qualities of two groups are
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "family": TEXT,  # grouping whose pairs are tested together, for each statistic
        "statistic": Column("str", choices=("mean", "median")),
        **dict.fromkeys(("group_a", "group_b"), TEXT),
        **dict.fromkeys(("images_a", "images_b"), INT),  # with a quality
        **dict.fromkeys(("value_a", "value_b", "difference", "difference_low", "difference_high"), FLOAT),
        "margin": FLOAT,  # 0.2 standard deviations of the qualities of all images
        **dict.fromkeys(("p", "p_adjusted"), FLOAT),  # adjusted by Bonferroni
        **dict.fromkeys(("decided_low", "decided_high", "decided_level"), FLOAT),
        "verdict": TEXT,
    },
)

EDC_POINTS = Schema(
    "EDC_POINTS",  # edc.csv: FNMR of a group after the mated comparisons of lowest quality were discarded
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "threshold": FLOAT,  # of the scores
        "discard": FLOAT,  # proportion that was asked for
        "discarded": FLOAT,  # at most that: comparisons of equal quality go together
        "quality_from": FLOAT,  # lowest quality that is left; infinite where nothing is
        "without_quality": INT,  # comparisons that are not part of the curve
        **counted("fnmr"),
        "subjects": INT,
        "area_limit": FLOAT,  # proportion discarded up to which the area is taken
        **dict.fromkeys(("area", "area_low", "area_high"), FLOAT),  # under the curve; lower is better
    },
    labels_after="threshold",
)
