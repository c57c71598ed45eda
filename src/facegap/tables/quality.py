"""Tables of the quality of images."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Column, Schema, counted

QUALITY_GATE = Schema(
    "QUALITY_GATE",  # quality_gate.csv: images rejected by a quality gate, and an error rate with and without it
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "quality_threshold": FLOAT,  # images with a lower quality are rejected; NaN if no image has one
        "images": INT,
        "without_quality": INT,  # images without a quality: not trials of the rejection rate, and they do not pass
        **counted("refused"),
        "subjects": INT,  # of the images with a quality
        "metric": TEXT,  # of before and after; empty if the run has none
        **counted("before"),
        **counted("after"),
    },
    labels_after="quality_threshold",
)

QUALITY_BY_GROUP = Schema(
    "QUALITY_BY_GROUP",  # quality_by_group.csv: distribution of image quality in each group
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "images": INT,
        "without_quality": INT,  # images without a quality: not in the other numbers of the row
        "subjects": INT,  # of the images with a quality
        **dict.fromkeys(("mean", "mean_low", "mean_high", "median", "median_low", "median_high"), FLOAT),
        **dict.fromkeys(("quantile_05", "quantile_25", "quantile_75", "quantile_95"), FLOAT),  # of the images
        "level": FLOAT,
    },
    labels_after="quality",
)

QUALITY_DIFFERENCES = Schema(
    "QUALITY_DIFFERENCES",  # quality_differences.csv: differences of quality between two groups
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
    "EDC_POINTS",  # edc.csv: FNMR of a group after discarding the mated comparisons of lowest quality
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "threshold": FLOAT,  # of the scores
        "discard": FLOAT,  # requested proportion
        "discarded": FLOAT,  # at most that: comparisons of equal quality are discarded together
        "quality_from": FLOAT,  # lowest remaining quality; infinite if none remains
        "without_quality": INT,  # comparisons without a quality, not in the curve
        **counted("fnmr"),
        "subjects": INT,
        "area_limit": FLOAT,  # proportion discarded, upper limit of the area
        **dict.fromkeys(("area", "area_low", "area_high"), FLOAT),  # under the curve; lower is better
    },
    labels_after="threshold",
)
