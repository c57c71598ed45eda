"""A gallery of four and eight searches by six people, with every rate worked by hand, and rates without trials."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from facegap.derive.gaps import RunFamily, gaps_table
from facegap.derive.identification import (
    cmc_table,
    gallery_in_words,
    mates_of,
    search_gaps,
    search_points,
    search_rates,
    searches_of,
)
from facegap.report.identification import search_findings, search_tables
from facegap.store.record import ComparisonRecord, IdentificationRecord, Operating
from facegap.store.run import Matched, Run, Searched
from facegap.types import Gap
from fixtures.records import made_record

# image: (subject, gender, role, outcome). eli1 and two probes have no template.
WORLD = {
    "ada1": ("ada", "female", "gallery", "ok"),
    "bea1": ("bea", "female", "gallery", "ok"),
    "dan1": ("dan", "male", "gallery", "ok"),
    "eli1": ("eli", "male", "gallery", "no_face"),
    "ada2": ("ada", "female", "probe", "ok"),
    "ada3": ("ada", "female", "probe", "ok"),
    "bea2": ("bea", "female", "probe", "no_face"),
    "dan2": ("dan", "male", "probe", "ok"),
    "eli2": ("eli", "male", "probe", "ok"),
    "cyd1": ("cyd", "female", "probe", "ok"),
    "cyd2": ("cyd", "female", "probe", "too_small"),
    "fox1": ("fox", "male", "probe", "ok"),
}
# Candidates of each search, best first. For ada3, the score of her mate ties with that of bea.
LISTS = {
    "ada2": (("ada1", 0.75), ("dan1", 0.5), ("bea1", 0.25)),
    "ada3": (("ada1", 0.5), ("bea1", 0.5), ("dan1", 0.25)),
    "dan2": (("bea1", 0.75), ("ada1", 0.5), ("dan1", 0.25)),
    "eli2": (("ada1", 0.5), ("bea1", 0.0), ("dan1", 0.0)),
    "cyd1": (("ada1", 0.5), ("bea1", 0.25), ("dan1", 0.25)),
    "fox1": (("dan1", 0.75), ("ada1", 0.25), ("bea1", 0.25)),
}
NAMES = list(WORLD)


def world(
    excluded: list[tuple[str, str]] | None = None, ranks: tuple[int, ...] = (1, 2), only: str = ""
) -> tuple[Run, Searched]:
    """The run of these six people at thresholds .5 and .75; `only` keeps probes of one gender."""
    roles = [role if role == "gallery" or only in ("", gender) else "" for _, gender, role, _ in WORLD.values()]
    manifest = pd.DataFrame(
        {
            "row": range(len(WORLD)),
            "line": range(2, len(WORLD) + 2),
            "image": NAMES,
            "subject": [person[0] for person in WORLD.values()],
            "gender": [person[1] for person in WORLD.values()],
        }
    )
    faces = pd.DataFrame({"outcome": [person[3] for person in WORLD.values()]})
    record = made_record(
        models={"embed": "toy"},
        groupings=(("gender",),),
        comparison=ComparisonRecord((Operating(0.5, "given"),)),
        identification=IdentificationRecord(tuple(ranks), "by hand", (Operating(0.75, "FPIR 0.4 on others"),)),
    )
    lists = pd.DataFrame(
        [
            (NAMES.index(probe), place + 1, NAMES.index(image), score)
            for probe, candidates in LISTS.items()
            if only in ("", WORLD[probe][1])
            for place, (image, score) in enumerate(candidates)
            if (probe, image) not in (excluded or [])
        ],
        columns=["probe", "rank", "gallery", "score"],
    )
    lists["rank"] = lists.groupby("probe").cumcount() + 1
    pairs = np.array([[NAMES.index(name) for name in pair] for pair in excluded or []], np.int64).reshape(-1, 2)
    nothing = pd.DataFrame()
    matched = Matched(np.full(len(WORLD), "evaluation"), pairs)
    searched = Searched(np.array(roles), lists)
    run = Run(record, manifest, faces, nothing, nothing, nothing, nothing, matched=matched, searched=searched)
    return run, searched


def counts(
    run: Run, searched: Searched, metric: str, threshold: float, rank: int | None, gender: str
) -> tuple[int, int]:
    """Errors and trials of one row."""
    found = [
        (row["errors"], row["trials"])
        for row in search_rates(run, searched)
        if row["metric"] == metric
        and row["gender"] == gender
        and (row["threshold"] == threshold or (math.isnan(threshold) and math.isnan(row["threshold"])))
        and (rank is None or f"rank {rank};" in row["threshold_from"])
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("threshold", "rank", "everybody", "women", "men"),
    [
        # ada3 is tied, bea2 has no template, dan2 finds his mate third, eli was never enrolled.
        (math.nan, 1, (4, 5), (2, 3), (2, 2)),
        (math.nan, 2, (3, 5), (1, 3), (2, 2)),
        (math.nan, 3, (2, 5), (1, 3), (1, 2)),
        (0.5, 2, (3, 5), (1, 3), (2, 2)),  # ada3's mate reaches .5 exactly: at or above
        (0.5, 3, (3, 5), (1, 3), (2, 2)),  # dan2's mate is third, and below the threshold
        (0.75, 1, (4, 5), (2, 3), (2, 2)),
        (0.75, 3, (4, 5), (2, 3), (2, 2)),  # now ada3's mate is below the threshold
    ],
)
def test_mates_are_missed_by_rank_threshold_tie_and_lost_template(
    threshold: float, rank: int, everybody: tuple[int, int], women: tuple[int, int], men: tuple[int, int]
) -> None:
    run, searched = world(ranks=(1, 2, 3))
    for gender, expected in (("any", everybody), ("female", women), ("male", men)):
        assert counts(run, searched, "fnir", threshold, rank, gender) == expected


@pytest.mark.parametrize(
    ("threshold", "everybody", "women", "men"), [(0.5, (2, 3), (1, 2), (1, 1)), (0.75, (1, 3), (0, 2), (1, 1))]
)
def test_a_stranger_raises_an_alarm_at_or_above_the_threshold_and_a_lost_probe_never_does(
    threshold: float, everybody: tuple[int, int], women: tuple[int, int], men: tuple[int, int]
) -> None:
    run, searched = world()
    for gender, expected in (("any", everybody), ("female", women), ("male", men)):
        assert counts(run, searched, "fpir", threshold, None, gender) == expected


def test_every_row_says_its_threshold_its_rank_and_its_gallery() -> None:
    run, searched = world()
    gallery = "gallery of 4 images of 4 people, 1 without a template"
    assert gallery_in_words(run, searched) == gallery
    assert [(point.metric, point.source) for point in search_points(run, searched)] == [
        ("fnir", f"no threshold; rank 1; {gallery}"),
        ("fnir", f"no threshold; rank 2; {gallery}"),
        ("fnir", f"given; rank 1; {gallery}"),
        ("fnir", f"given; rank 2; {gallery}"),
        ("fpir", f"given; {gallery}"),
        ("fnir", f"FPIR 0.4 on others; rank 1; {gallery}"),
        ("fnir", f"FPIR 0.4 on others; rank 2; {gallery}"),
        ("fpir", f"FPIR 0.4 on others; {gallery}"),
    ]


def test_trials_of_one_person_are_not_independent() -> None:
    run, searched = world()
    row = next(row for row in search_rates(run, searched) if row["metric"] == "fnir" and row["gender"] == "female")
    assert (row["trials"], row["subjects"]) == (3, 2)
    assert row["effective_trials"] < 3


def test_the_cmc_of_a_group_never_falls_and_names_its_gallery() -> None:
    run, searched = world(ranks=(3,))
    table = cmc_table(run, searched)
    women, men = (table[table["gender"] == gender] for gender in ("female", "male"))
    assert women["identified"].tolist() == [1, 2, 2]
    assert men["identified"].tolist() == [0, 0, 1]
    assert (women["mated"].tolist(), women["gallery"].tolist(), women["non_mated"].tolist()) == (
        [3] * 3,
        [2] * 3,
        [2] * 3,
    )
    assert np.allclose(women["value"], [1 / 3, 2 / 3, 2 / 3])
    assert (table["low"].fillna(0) <= table["value"]).all()
    assert (table["high"].fillna(1) >= table["value"]).all()


def test_without_trials_a_rate_is_nan_and_not_zero() -> None:
    run, searched = world(only="female")
    men = [row for row in search_rates(run, searched) if row["gender"] == "male"]
    assert {row["metric"] for row in men} == {"fnir", "fpir"}
    for row in men:
        assert (row["errors"], row["trials"]) == (0, 0)
        assert math.isnan(row["value"])
        assert math.isnan(row["low"])


def rows_of(looked: list[RunFamily]) -> list[Gap]:
    return [gap for one in looked for gap in one.gaps.rows()]


def test_gaps_are_of_known_groups_in_one_family_for_each_rank_and_threshold() -> None:
    run, searched = world()
    run = replace(run, record=replace(run.record, min_subjects=1))  # searches of three people, in unequal numbers
    gaps = rows_of(search_gaps(run, searched))
    assert [(gap.family, gap.metric) for gap in gaps if gap.metric == "fnir"] == [
        ("gender, rank 1", "fnir"),
        ("gender, rank 2", "fnir"),
        ("gender, rank 1", "fnir"),
        ("gender, rank 2", "fnir"),
        ("gender, rank 1", "fnir"),
        ("gender, rank 2", "fnir"),
    ]
    assert all(
        (gap.group_a, gap.group_b, gap.margin) == ("female", "male", 2.0) for gap in gaps if gap.metric == "fnir"
    )
    run = replace(run, record=replace(run.record, min_subjects=1))
    alarms = [gap for gap in rows_of(search_gaps(run, searched)) if gap.metric == "fpir"]
    assert [(gap.family, gap.margin, gap.errors_a, gap.trials_b) for gap in alarms] == [
        ("gender", 2.0, 1, 1),
        ("gender", 2.0, 0, 1),
    ]


def test_a_reviewed_stranger_is_no_candidate() -> None:
    run, searched = world(excluded=[("dan2", "bea1")])
    assert counts(run, searched, "fnir", math.nan, 2, "male") == (1, 2)


def test_a_probe_whose_only_mate_was_left_out_is_counted_nowhere() -> None:
    run, searched = world(excluded=[("ada2", "ada1"), ("ada3", "ada1")])
    assert counts(run, searched, "fnir", math.nan, 1, "any") == (3, 3)
    assert counts(run, searched, "fpir", 0.5, None, "any") == (2, 3)
    assert NAMES.index("ada2") not in searches_of(run, searched).rows


def test_mates_are_counted_before_anything_is_lost() -> None:
    roles = np.array(["gallery", "gallery", "probe", "probe", "", "gallery"])
    people = np.array([0, 0, 0, 1, 0, 2])
    excluded = np.array([[2, 0], [0, 2], [3, 5], [5, 1]])  # one pair twice, two of different people
    mates, reviewed = mates_of(roles, people, excluded)
    assert mates.tolist() == [2, 2, 2, 0, 2, 1]
    assert reviewed[2:4].tolist() == [1, 0]


def test_the_tables_name_group_gallery_and_counts() -> None:
    run, searched = world()
    run = Run(
        run.record,
        run.manifest,
        run.faces,
        run.predictions,
        pd.DataFrame(search_rates(run, searched)),
        run.gaps,
        run.age,
        matched=run.matched,
        searched=searched,
    )
    tables = search_tables(run)
    assert [table.title for table in tables] == [
        "all subjects: search, no threshold",
        "all subjects: search, threshold 0.5000",
        "all subjects: search, threshold 0.7500",
        "gender: search, no threshold",
        "gender: search, threshold 0.5000",
        "gender: search, threshold 0.7500",
    ]
    women = tables[4].rows[0]
    assert women[:3] == ("female", "2", "2 / 1")
    assert [cell.split()[-1] for cell in women[3:]] == ["2/3", "1/3", "1/2"]
    assert tables[4].dimmed == {0, 1}
    assert tables[5].notes == (
        "N: gallery of 4 images of 4 people, 1 without a template; by hand.",
        "Threshold: FPIR 0.4 on others.",
    )
    # Two women with 2 searches and 1 are 9 / 5 effective people, fewer than the run's minimum of 2.
    assert search_findings(run) == []
    said = search_findings(replace(run, record=replace(run.record, min_subjects=1)))
    assert said[0].startswith("gender: highest not found in the gallery (FNIR): male 100.00% (2 of 2, 2 subjects")
    assert said[0].endswith("(no threshold; rank 1; gallery of 4 images of 4 people, 1 without a template)")
    assert search_tables(Run(run.record, run.manifest, run.faces, run.predictions, run.rates, run.gaps, run.age)) == []


def test_searches_without_a_template_on_either_side_bound_the_gaps() -> None:
    run, searched = world()
    run = replace(run, record=replace(run.record, min_subjects=1))
    rows = gaps_table(run.record, search_gaps(run, searched))
    missed = rows[(rows["metric"] == "fnir") & rows["threshold"].isna() & (rows["family"] == "gender, rank 1")].iloc[0]
    # Women: ada3 is missed, bea2 has no template. Men: dan2 is missed, eli was never enrolled.
    assert (missed["errors_a"], missed["trials_a"], missed["lost_a"]) == (2, 3, 1)
    assert (missed["errors_b"], missed["trials_b"], missed["lost_b"]) == (2, 2, 1)
    assert missed["loss_difference_low"] == pytest.approx(1 / 3 - 2 / 2)
    assert missed["loss_difference_high"] == pytest.approx(2 / 3 - 1 / 2)
