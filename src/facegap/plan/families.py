"""The families of a run as input of simulations: trials per person, pooled rate, and variation between people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from facegap.derive.comparisons import Comparisons, between, genuine_errors, templates_of
from facegap.derive.gaps import known_codes
from facegap.derive.groupings import Cells, cells_of
from facegap.derive.identification import outcomes_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.primary import primary_family
from facegap.derive.results import run_metrics
from facegap.derive.run import all_comparisons_of, operating_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.plan.power import OwnFamily, People, intraclass_correlation, rho_of, shared_correlation
from facegap.statistics.effective import weights_of
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, IntArray

FEW_ERRORS = 10
ASSUMED = 0.1  # variation between people if there are too few errors to estimate it
MOST_PEOPLE = 20_000  # in a group, for pairs
MOST_MATCHES = 300_000  # expected in one simulation at the observed rate
MOST_GROUPS = 40


def own_families(run: Run) -> tuple[list[OwnFamily], list[str]]:
    """The parts of the primary family that can be simulated, and a sentence for each that cannot.

    A part has one grouping and metric, at the first threshold; all parts are tested together. Exploratory families have no
    verdict, so no gap can be found in them. Groups below the run's minimum are in no family. The sampling unit is the person,
    or the unit of --cluster.
    """
    found, left_out = list[OwnFamily](), list[str]()
    primary = run.gaps[run.gaps["primary"]]
    others = len(run.gaps) - len(primary)
    left_out += [f"{others:,} exploratory gaps, which have no verdict"] if others else []
    parts = set(zip(primary["family"].str.split(",").str[0], primary["metric"], strict=True))
    for family in [*single_families(run), *pair_families(run, left_out)]:
        if (family.grouping, family.metric) not in parts and len(family.groups) > 1:
            continue
        if len(family.groups) < 2:
            left_out.append(
                f"{family.metric} by {family.grouping}: fewer than two groups of {run.record.min_subjects} subjects"
            )
        elif len(family.groups) > MOST_GROUPS:
            left_out.append(
                f"{family.metric} by {family.grouping}: more than {MOST_GROUPS} groups, which have too many pairs to "
                f"show"
            )
        else:
            found.append(family)
    return [replace(one, beside=len(primary) - pairs_in(one)) for one in found], list(dict.fromkeys(left_out))


def pairs_in(family: OwnFamily) -> int:
    """Number of pairs of groups in a family."""
    return len(family.groups) * (len(family.groups) - 1) // 2


def single_families(run: Run) -> Iterator[OwnFamily]:
    """Families whose trials belong to one person each: predictions and searches."""
    units, metrics = units_of_run(run), run_metrics(run)
    subjects = subject_codes(run.manifest) if units is None else units
    named = primary_family(run.record, run.rates["metric"])
    chosen = [name for name in metrics if name in named.metrics]
    outcomes = [(metric, Operating(np.nan, ""), *metrics[metric]) for metric in chosen]
    outcomes += search_outcomes(run)
    for metric, operating, trials, errors in outcomes:
        for grouping in named.groupings:
            cells = cells_of(run.manifest, grouping)
            codes = known_codes(cells, trials)
            rows = codes >= 0
            yield singles(run, metric, cells, operating, subjects[rows], codes[rows], errors[rows])


def search_outcomes(run: Run) -> list[tuple[str, Operating, BoolArray, BoolArray]]:
    """The first evaluation of FNIR and of FPIR with a threshold, as trials and errors by manifest row."""
    if run.searched is None:
        return []
    found: dict[str, tuple[str, Operating, BoolArray, BoolArray]] = {}
    for point, trials, errors in outcomes_of(run, run.searched):
        if not np.isnan(point.threshold):
            found.setdefault(point.metric, (point.metric, Operating(point.threshold, point.source), trials, errors))
    return list(found.values())


def pair_families(run: Run, left_out: list[str]) -> Iterator[OwnFamily]:
    """FNMR and FMR at the run's first threshold; appends the reason to `left_out` if there is none."""
    pairs, operating = all_comparisons_of(run, "facegap plan --run"), operating_of(run)
    if pairs is None or not operating:
        return
    point = operating[0]
    if len(operating) > 1:
        left_out.append(f"the other {len(operating) - 1} thresholds of the run")
    for grouping in primary_family(run.record, run.rates["metric"]).groupings:
        cells = cells_of(run.manifest, grouping)
        yield refusals(run, pairs, cells, point)
        if pairs.listed_only:
            left_out.append("fmr: only listed pairs were compared, but the simulation compares all pairs")
        elif (family := matches(run, pairs, cells, point)) is not None:
            yield family
        else:
            left_out.append(f"fmr by {'*'.join(grouping)}: too many people or false matches for repeated simulation")


def refusals(run: Run, pairs: Comparisons, cells: Cells, point: Operating) -> OwnFamily:
    """FNMR: every genuine pair is a trial of its person."""
    subjects, codes, wrong = [], [], []
    for code, group in enumerate(known_groups(cells)):
        chosen, errors = genuine_errors(pairs, point.threshold, group, generalised=False)
        subjects.append(pairs.varying[pairs.genuine[chosen, 0]])
        codes.append(np.full(len(errors), code))
        wrong.append(errors)
    return singles(
        run,
        FNMR.name,
        cells,
        point,
        np.concatenate(subjects),
        np.concatenate(codes).astype(np.int64),
        np.concatenate(wrong),
    )


def singles(
    run: Run, metric: str, cells: Cells, point: Operating, subjects: IntArray, codes: IntArray, wrong: BoolArray
) -> OwnFamily:
    """A family whose trials belong to one person each. subjects, codes, wrong : one entry per trial."""
    people, errors, trials = list[People](), list[FloatArray](), list[FloatArray]()
    for code, name in enumerate(known_names(cells)):
        mine = codes == code
        _, person = np.unique(subjects[mine], return_inverse=True)
        tried = np.bincount(person.reshape(-1))
        if effective_count(tried) >= run.record.min_subjects:
            people.append(People(name, tried.astype(np.int64)))
            errors.append(np.bincount(person.reshape(-1), weights=wrong[mine]).astype(np.float64))
            trials.append(tried.astype(np.float64))
    seen, total = int(sum(group.sum() for group in errors)), int(sum(group.sum() for group in trials))
    repeats = any((group > 1).any() for group in trials)
    strength = intraclass_correlation(errors, trials) if repeats else 0.0
    return assembled(run, metric, cells, point, "singles", people, seen, total, strength, repeats=repeats)


def effective_count(trials: IntArray) -> float:
    """Number of people that counts towards the minimum: fewer than all if trials are unequal."""
    return float(weights_of(trials, np.zeros(len(trials), np.int64), n_cells=1).effective[0])


def matches(run: Run, pairs: Comparisons, cells: Cells, point: Operating) -> OwnFamily | None:
    """FMR within each group; None if the simulation would take too much time or memory."""
    people, matched, images = list[People](), list[tuple[IntArray, IntArray]](), list[IntArray]()
    listed = pairs.false_matches(point.threshold)
    for name, group in zip(known_names(cells), known_groups(cells), strict=True):
        usable = group & pairs.counted & pairs.enrolled
        count = templates_of(pairs.varying, usable)
        present = np.flatnonzero(count)
        if effective_count(count * (count.sum() - count)) < run.record.min_subjects:
            continue
        place = np.cumsum(count > 0) - 1
        wrong = place[pairs.varying[between(listed, usable, None)]]
        wrong = wrong[wrong[:, 0] != wrong[:, 1]]  # pairs within a unit of several people are not simulated
        people.append(People(name, count[present]))
        matched.append((wrong[:, 0], wrong[:, 1]))
        images.append(count[present])
    correlation, rate = shared_correlation(matched, images)
    seen, total = sum(len(left) for left, _ in matched), sum(pairs_among(count) for count in images)
    if any(len(count) > MOST_PEOPLE for count in images) or seen > MOST_MATCHES:
        return None
    return assembled(run, FMR.name, cells, point, "pairs", people, seen, total, rho_of(correlation, rate), repeats=True)


def assembled(
    run: Run,
    metric: str,
    cells: Cells,
    point: Operating,
    sort: str,
    people: list[People],
    errors: int,
    trials: int,
    strength: float,
    *,
    repeats: bool,
) -> OwnFamily:
    """The family, with notes on what is assumed if there are few errors.

    repeats : whether people have more than one trial, so that the variation between them matters
    """
    notes = []
    if errors < FEW_ERRORS and repeats:
        strength = max(strength, ASSUMED)
        notes.append(
            f"With {errors} errors the variation between people cannot be estimated; {strength:.2g} is assumed."
        )
    if not errors and trials:
        notes.append("No error was observed; half an error is simulated instead of none.")
    rate = max(errors, 0.5) / trials if trials else float("nan")
    margin = margin_of(run.record, metric)
    return OwnFamily(
        metric,
        "*".join(cells.grouping),
        point.threshold,
        point.source,
        "pairs" if sort == "pairs" else "singles",
        tuple(people),
        errors,
        trials,
        rate,
        strength,
        margin.is_ratio,
        margin.size,
        run.record.alpha,
        tuple(notes),
    )


def known_names(cells: Cells) -> list[str]:
    """Names of the groups with complete labels, in order."""
    return [str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known]


def known_groups(cells: Cells) -> list[BoolArray]:
    """Rows of each of these groups."""
    return [cells.codes == k for k, known in enumerate(cells.known) if known]


def pairs_among(images: IntArray) -> int:
    """Number of image pairs of different people."""
    return int((images.sum() ** 2 - (images**2).sum()) // 2)
