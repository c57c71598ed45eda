"""From templates to counted comparisons: who is compared, on whom the threshold is found, and the exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.derive.comparisons import PairRows
from facegap.derive.terms import Cells, Term, attribute_columns, cells_of
from facegap.derive.verification import Operating
from facegap.errors import StatisticsError, TableError
from facegap.matching import count_scores, score_pairs
from facegap.statistics.counted import threshold_from_counts
from facegap.statistics.curves import threshold_at_fmr
from facegap.store import Matched
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, ScoreCounts

EVALUATION, CALIBRATION = "evaluation", "calibration"
MOST_COUNTED_GROUPS = 64  # counts are kept per pair of groups; finer crossings are counted as one group
BINS = 1024
PLOT_BINS = 400  # of the histogram over all scores
MOST_PLOTTED_IMAGES = 20_000  # beyond this a histogram of all scores would cost more than the audit
SAMPLED_PAIRS = 200_000


@dataclass(frozen=True)
class VerifySettings:
    """How the threshold is found and which pairs count.

    fmr          : targets; a threshold each, over all calibration impostors, or those of one group (`fmr_on`)
    thresholds   : given instead; `published` takes the card's own
    calibrate_on : manifest of other people; without, a share `split` of the subjects is set aside by `seed`
    in_sample    : find the threshold on the very pairs that it is judged on; said wherever it is printed
    pairs        : CSV of the only pairs to compare; exclude_pairs: CSV of reviewed pairs that are counted nowhere
    tail_limit   : longest list of impostor pairs kept
    """

    fmr: tuple[float, ...] = (1e-3,)
    fmr_on: str | None = None
    thresholds: tuple[float, ...] = ()
    published: bool = False
    calibrate_on: str | None = None
    split: float = 0.5
    seed: int = 0
    in_sample: bool = False
    pairs: str | None = None
    exclude_pairs: str | None = None
    tail_limit: int = 2_000_000


@dataclass(frozen=True)
class Matching:
    """What matching gave: the stored comparisons, entries of run.json, and tables by file name."""

    matched: Matched
    record: dict[str, Any]
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Images:
    """The images of one set that gave a template, and their templates.

    manifest : MANIFEST of the set, all rows; rows : positions in it, int64 (n,); templates : float32 (n, dimension)
    """

    manifest: pd.DataFrame
    rows: IntArray
    templates: NDArray[np.float32]


def match(
    images: Images,
    calibration: Images | None,
    terms: Sequence[Term],
    settings: VerifySettings,
    *,
    published_threshold: float | None,
    workers: int,
) -> Matching:
    """Compare the images of a run, and find its thresholds.

    Raises
    ------
    StatisticsError, MatchingError, TableError : too few pairs for a target, unusable templates, unusable pair lists
    """
    manifest, rows = images.manifest, images.rows
    excluded = np.empty((0, 2), np.int64)
    if settings.exclude_pairs is not None:
        listed = read_pairs(Path(settings.exclude_pairs), manifest, meaning="--exclude-pairs")
        excluded = listed[["left", "right"]].to_numpy(np.int64)
    given = given_points(settings, published_threshold)
    roles = roles_of(manifest["subject"], settings, needed=calibration is None and not given)
    if settings.pairs is not None:
        return match_listed(images, calibration, terms, settings, roles, excluded, given, workers=workers)
    evaluated = roles[rows] == EVALUATION
    limit = settings.tail_limit
    counts = count(images, evaluated, terms, excluded, tail_limit=limit, workers=workers)
    found, points = given, []
    if not given:
        basis = calibration_basis(images, calibration, roles, settings)
        inside = basis.taking_part
        own = counts if settings.in_sample else count(
            basis.images, inside, terms, basis.excluded(excluded), tail_limit=limit, workers=workers
        )  # fmt: skip
        found = operating_points(own, basis.images, inside, terms, settings, basis.words)
        points = transfer_points(own, basis.images, inside, terms, settings)
    record = {
        "operating": [{"threshold": point.threshold, "source": point.source} for point in found],
        "transfer_points": points,
        "unknown_pairs": counts.unknown_pairs,
    }
    review = review_pairs(counts, manifest, rows[evaluated])
    return Matching(Matched(roles, excluded, counts), record, {"review_pairs.csv": review})


def given_points(settings: VerifySettings, published: float | None) -> list[Operating]:
    """Thresholds that need no calibration.

    Raises
    ------
    TableError : the card publishes none
    """
    if not settings.published:
        return [Operating(value, "given") for value in settings.thresholds]
    if published is None:
        raise TableError("--threshold published: the embedder's card publishes no threshold; give a number, or --fmr")
    return [Operating(published, "published by the model's card")]


@dataclass(frozen=True)
class Basis:
    """What thresholds are found on: images, which of them take part, and in words."""

    images: Images
    taking_part: BoolArray
    words: str
    own_manifest: bool

    def excluded(self, pairs: PairRows) -> PairRows:
        """Reviewed pairs name rows of the audited manifest; a set of its own has none."""
        return pairs if self.own_manifest else np.empty((0, 2), np.int64)


def calibration_basis(
    images: Images, calibration: Images | None, roles: NDArray[np.str_], settings: VerifySettings
) -> Basis:
    """The calibration set in order of preference: one of its own, the very pairs (in-sample), or the subjects set aside."""
    if calibration is not None:
        people = calibration.manifest["subject"].iloc[calibration.rows].nunique()
        words = f"{people} other subjects (--calibrate-on)"
        return Basis(calibration, np.ones(len(calibration.rows), np.bool_), words, own_manifest=False)
    if settings.in_sample:
        words = "the very pairs it is judged on (IN-SAMPLE)"
        return Basis(images, roles[images.rows] == EVALUATION, words, own_manifest=True)
    inside = roles[images.rows] == CALIBRATION
    people = images.manifest["subject"].iloc[images.rows[inside]].nunique()
    words = f"{people} subjects set aside (seed {settings.seed})"
    return Basis(images, inside, words, own_manifest=True)


def roles_of(subjects: pd.Series, settings: VerifySettings, *, needed: bool) -> NDArray[np.str_]:
    """What each image is for: `evaluation`, or `calibration` where the threshold is found on a part of the subjects.

    The split is by subject, so nobody is on both sides, and by scikit-learn's GroupShuffleSplit with the given seed.

    Raises
    ------
    TableError : fewer than four subjects to split
    """
    roles = np.full(len(subjects), CALIBRATION)  # the longer word first: numpy cuts text to the length it began with
    roles[:] = EVALUATION
    if not needed or settings.in_sample:
        return roles
    if subjects.nunique() < 4:
        raise TableError(
            f"{subjects.nunique()} subjects are too few to find a threshold on some and judge it on others; "
            "give --threshold, --calibrate-on, or --in-sample"
        )
    from sklearn.model_selection import GroupShuffleSplit

    splitter = GroupShuffleSplit(n_splits=1, train_size=settings.split, random_state=settings.seed)
    chosen, _ = next(splitter.split(np.zeros(len(subjects)), groups=subjects.to_numpy()))
    roles[chosen] = CALIBRATION
    return roles


def counted_groups(manifest: pd.DataFrame, terms: Sequence[Term]) -> Cells:
    """The finest groups that every term can be put together from; one group where they are too many to count by.

    A calibration set may lack columns of the audited one: its groups are those that it has.
    """
    cells = cells_of(manifest, tuple(name for name in attribute_columns(terms) if name in manifest.columns))
    return cells if len(cells.groups) <= MOST_COUNTED_GROUPS else cells_of(manifest, ())


def group_names(cells: Cells) -> list[str]:
    """Distinct names of groups for the counts, the values of their attributes in order."""
    return ["*".join(value for _, value in group.attributes) or "all" for group in cells.groups]


def count(
    images: Images, taking_part: BoolArray, terms: Sequence[Term], excluded: PairRows, *, tail_limit: int, workers: int
) -> ScoreCounts:
    """Exact counts among the images that take part; left and right in its lists are positions among those.

    taking_part : bool (n,), over `images.rows`
    excluded    : int64 (m, 2), manifest rows of pairs that are counted nowhere
    """
    chosen = np.flatnonzero(taking_part)
    templates = images.templates[chosen] if len(chosen) < len(images.rows) else images.templates
    rows = images.rows[chosen]
    subjects = pd.factorize(images.manifest["subject"])[0].astype(np.int64)[rows]
    cells = counted_groups(images.manifest, terms)
    return count_scores(
        templates, subjects, cells.codes[rows],
        floor=floor_for(templates, tail_limit), bins=BINS, tail_limit=tail_limit, names=group_names(cells),
        exclude=positions(excluded, rows, len(images.manifest)), workers=workers,
        full_range=PLOT_BINS if len(rows) <= MOST_PLOTTED_IMAGES else None,
    )  # fmt: skip


def floor_for(templates: NDArray[np.float32], tail_limit: int) -> float:
    """A floor above which about two thirds of `tail_limit` pairs lie, from a seeded sample of pairs.

    Too low a floor costs time and never a result: the list is cut to its highest pairs, and says where.
    """
    images = len(templates)
    pairs = images * (images - 1) / 2
    if pairs <= tail_limit:
        return -1.0
    rng = np.random.default_rng(0)
    left = rng.integers(0, images, SAMPLED_PAIRS)
    right = (left + rng.integers(1, images, SAMPLED_PAIRS)) % images
    scores = score_pairs(templates, left, right)
    share = 2 / 3 * tail_limit / pairs
    return float(min(np.quantile(scores, 1 - share), 0.99))


def positions(pairs: PairRows, rows: IntArray, images: int) -> PairRows:
    """Pairs of manifest rows as positions among `rows`; pairs with a row that is not there fall away."""
    place = np.full(images, -1, np.int64)
    place[rows] = np.arange(len(rows))
    found = place[pairs]
    return found[(found >= 0).all(axis=1)]


def operating_points(
    counts: ScoreCounts,
    images: Images,
    taking_part: BoolArray,
    terms: Sequence[Term],
    settings: VerifySettings,
    where: str,
) -> list[Operating]:
    """A threshold for each target FMR, with the words on where it comes from.

    counts, images, taking_part : of the calibration set
    where                       : which images the threshold is found on, in words

    Raises
    ------
    StatisticsError : too few impostor pairs for a target, a group that is not there, or a tail list too short
    """
    found = []
    codes = counted_groups(images.manifest, terms).codes[images.rows[taking_part]]
    for target in settings.fmr:
        on, scope, row_groups = settings.fmr_on, counts, codes
        if on is not None:
            scope, row_groups = merged_to(counts, on, codes)
        choice = threshold_from_counts(scope, target, on=on, row_groups=row_groups)
        among = f"impostor pairs of {on}" if on else "impostor pairs"
        words = f"FMR {target:g} on {where}: {choice.false_matches} of {choice.impostor_pairs} {among}"
        found.append(Operating(choice.threshold, words))
    return found


def transfer_points(
    counts: ScoreCounts, images: Images, taking_part: BoolArray, terms: Sequence[Term], settings: VerifySettings
) -> list[dict[str, Any]]:
    """Per target, term and known group the threshold at the target among the group's own impostor pairs.

    Groups whose calibration impostors are too few for the target, or whose threshold lies below the list, have none.
    """
    points = []
    rows = images.rows[taking_part]
    listed = counts.tail
    for term in terms:
        if not set(term) <= set(images.manifest.columns):
            continue  # a calibration set of its own without this label: its people cannot be told apart by it
        cells = cells_of(images.manifest, term)
        codes = cells.codes[rows]
        for k, (group, known) in enumerate(zip(cells.groups, cells.known, strict=True)):
            if not known:
                continue
            inside = codes == k
            scores = listed["score"][inside[listed["left"]] & inside[listed["right"]]]
            pairs = impostor_pairs_within(images.manifest["subject"].to_numpy()[rows[inside]])
            for target in settings.fmr:
                threshold = group_threshold(scores, pairs, target)
                if threshold is not None:
                    points.append({
                        "term": list(term), "on": str(group), "target": target, "threshold": threshold,
                        "source": f"FMR {target:g} on {group}, {pairs} impostor pairs of the calibration set",
                    })  # fmt: skip
    return points


def group_threshold(listed: FloatArray, pairs: int, target: float) -> float | None:
    """The threshold at a target among a group's impostor pairs of which the highest are listed; None where unknown."""
    allowed = int(np.floor(target * pairs * (1 + 1e-12)))
    if allowed < 1 or allowed >= len(listed):
        return None
    reached = int(np.searchsorted(-listed, -listed[allowed], side="left"))
    return float(listed[reached - 1]) if reached else float(np.nextafter(listed[0], np.inf))


def impostor_pairs_within(subjects: AnyArray) -> int:
    """Pairs of different subjects among some images."""
    images = np.unique(subjects, return_counts=True)[1]
    return int((images.sum() ** 2 - (images**2).sum()) // 2)


def merged_to(counts: ScoreCounts, group: str, row_groups: IntArray) -> tuple[ScoreCounts, IntArray]:
    """Counts in which all groups that have `group` among their values are one group of that name.

    Raises
    ------
    StatisticsError : no such group
    """
    inside = np.array([group == name or group in name.split("*") for name in counts.groups])
    if not inside.any():
        raise StatisticsError(f"--fmr-on: no group {group!r}; there are {', '.join(counts.groups)}")
    code = np.where(inside, 0, 1)
    merged = np.zeros((2, 2), np.int64)
    np.add.at(merged, (np.minimum.outer(code, code), np.maximum.outer(code, code)), counts.impostor_pairs)
    empty = np.zeros((2, 2, counts.impostor.shape[2]), np.int64)
    names = (group, f"not {group}")
    return replace(counts, groups=names, impostor_pairs=merged, impostor=empty), code[row_groups]


def read_pairs(path: Path, manifest: pd.DataFrame, *, meaning: str) -> pd.DataFrame:
    """A CSV of pairs with columns left and right, images as the manifest names them, as manifest rows left and right.

    Raises
    ------
    TableError : unreadable, a missing column, an image that is not in the manifest, or a pair of one image
    """
    from facegap.inputs.csv_records import read_records

    records = read_records(path)
    for name in ("left", "right"):
        if name not in records.frame.columns:
            raise TableError(
                f"{path.name}: column {name} is missing; {meaning} needs columns left and right with image names"
            )
    place = pd.Series(np.arange(len(manifest)), index=manifest["image"])
    rows = {}
    for name in ("left", "right"):
        rows[name] = place.reindex(records.frame[name]).to_numpy()
        unknown = np.flatnonzero(np.isnan(rows[name]))
        if len(unknown):
            raise TableError(
                f"{path.name} {records.unit} {records.lines[unknown[0]]}, column {name}: "
                f"{str(records.frame[name].iloc[unknown[0]])!r} is no image of the manifest (of the rows that --where keeps)"
            )
    same = np.flatnonzero(rows["left"] == rows["right"])
    if len(same):
        raise TableError(
            f"{path.name} {records.unit} {records.lines[same[0]]}: an image with itself is no pair; remove the line"
        )
    return pd.DataFrame({name: values.astype(np.int64) for name, values in rows.items()})


def review_pairs(counts: ScoreCounts, manifest: pd.DataFrame, rows: IntArray, most: int = 50) -> pd.DataFrame:
    """The highest impostor and the lowest genuine pairs, for a person to look at: left, right, kind, score.

    A high impostor pair may be one person under two names; once reviewed it is left out by --exclude-pairs.
    """
    genuine = counts.genuine_scores[np.argsort(counts.genuine_scores["score"], kind="stable")[:most]]
    image = manifest["image"].to_numpy()
    parts = [review_part("impostor", counts.tail[:most], image, rows), review_part("genuine", genuine, image, rows)]
    return pd.concat(parts, ignore_index=True)


def review_part(
    kind: Literal["impostor", "genuine"], listed: AnyArray, image: AnyArray, rows: IntArray
) -> pd.DataFrame:
    """Some pairs of one kind by image name."""
    left, right = (image[rows[listed[side]]] for side in ("left", "right"))
    score: FloatArray = listed["score"]
    return pd.DataFrame({"left": left, "right": right, "kind": kind, "score": score})


def match_listed(
    images: Images, calibration: Images | None, terms: Sequence[Term], settings: VerifySettings,
    roles: NDArray[np.str_], excluded: PairRows, given: list[Operating], *, workers: int,
) -> Matching:  # fmt: skip
    """Compare only the pairs of a list; a pair with a lost template has no score and is kept.

    Thresholds are found on listed impostor pairs whose people are both of the calibration set, or on all pairs of a
    calibration set of its own. Pairs between a calibration and an evaluation subject are in neither.
    """
    assert settings.pairs is not None
    manifest = images.manifest
    listed = read_pairs(Path(settings.pairs), manifest, meaning="--pairs")
    place = np.full(len(manifest), -1, np.int64)
    place[images.rows] = np.arange(len(images.rows))
    left, right = place[listed["left"]], place[listed["right"]]
    made = (left >= 0) & (right >= 0)
    scores = np.full(len(listed), np.nan)
    scores[made] = score_pairs(images.templates, left[made], right[made])
    subjects = manifest["subject"].to_numpy()
    pairs = listed.assign(genuine=subjects[listed["left"]] == subjects[listed["right"]], score=scores)
    return listed_matching(pairs, roles, excluded, settings, given, calibration, terms, workers=workers)


def listed_matching(
    pairs: pd.DataFrame, roles: NDArray[np.str_], excluded: PairRows, settings: VerifySettings, given: list[Operating],
    calibration: Images | None, terms: Sequence[Term], *, workers: int,
) -> Matching:  # fmt: skip
    """Thresholds for listed pairs: left, right (manifest rows), genuine, score."""
    found = given
    if not given and calibration is not None:
        inside = np.ones(len(calibration.rows), np.bool_)
        nothing = np.empty((0, 2), np.int64)
        counts = count(calibration, inside, terms, nothing, tail_limit=settings.tail_limit, workers=workers)
        found = operating_points(counts, calibration, inside, terms, settings, "other subjects (--calibrate-on)")
    elif not given:
        role = EVALUATION if settings.in_sample else CALIBRATION
        sides = roles[pairs[["left", "right"]].to_numpy(np.int64)]
        basis = (sides == role).all(axis=1) & ~pairs["genuine"].to_numpy(np.bool_)
        where = (
            "the very pairs it is judged on (IN-SAMPLE)"
            if settings.in_sample
            else f"subjects set aside (seed {settings.seed})"
        )
        for target in settings.fmr:
            choice = threshold_at_fmr(pairs["score"].to_numpy(np.float64)[basis], target)
            words = (
                f"FMR {target:g} on {where}: {choice.false_matches} of {choice.impostor_pairs} listed impostor pairs"
            )
            found = [*found, Operating(choice.threshold, words)]
    record = {"operating": [{"threshold": p.threshold, "source": p.source} for p in found], "transfer_points": []}
    return Matching(Matched(roles, excluded, pairs=pairs), record, {})
