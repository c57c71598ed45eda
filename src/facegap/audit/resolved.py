"""The inputs of an audit, resolved before the first image: subjects, groups, roles and thresholds.

Every file besides the images is read here: manifests, labels of tone, lists of pairs, points, cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.ages import require_ages, with_stated_ages
from facegap.audit.clusters import names_of_units, require_clusters
from facegap.audit.enrolment import require_possible, search_roles
from facegap.audit.folds import deal_folds, least_outside, named_folds, require_allowed
from facegap.audit.label_checks import require_labels
from facegap.audit.manifests import manifest_of, other_manifest
from facegap.audit.margins import margins_of
from facegap.audit.models import ChosenModels, choose_models
from facegap.audit.outputs import outputs_of
from facegap.audit.pair_lists import NO_LIST, PairList, read_pairs
from facegap.audit.pair_sample import PairPlan, announce, planned_pairs, require_simple, sample_sentences
from facegap.audit.people import require_impostors, require_people
from facegap.audit.plan_file import require_planned_groups
from facegap.audit.pooling import pooling_notes
from facegap.audit.population import require_slopes, require_weights, shares_of
from facegap.audit.protocols import ListedProtocol
from facegap.audit.settings import NO_TARGET_OF_SAMPLE, AuditSettings, Verify
from facegap.audit.thresholds import EVALUATION, THRESHOLD_SET, given_points, roles_of
from facegap.derive.balanced.audited import require_covariates
from facegap.derive.comparisons import PairRows, finest_cells
from facegap.derive.groupings import Grouping, cells_of, default_groupings, lost_labels, parse_by, require_kept
from facegap.derive.label_uncertainty.attach import MEASURED_ITA, with_measured_ita, with_tone
from facegap.derive.named_group import named_group
from facegap.errors import SettingError
from facegap.inputs.cards.categories import Category
from facegap.inputs.manifests.born import AGE, BIRTH_YEAR, PHOTO_YEAR
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.manifests.templates import by_template
from facegap.inputs.points import GivenPoints, require_shared
from facegap.inputs.qualities import MatchedQualities
from facegap.statistics.curves import allowed_false_matches
from facegap.store.record import Margin, Operating, OutputRecord, PlanRecord, SharesRecord
from facegap.types import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class ResolvedAudit:
    """An audit before its first image.

    settings      : as requested
    margins       : equivalence margin of every metric, fixed before any data are seen
    manifest      : the subjects, with joined labels; one row per image, or per template if templates are pooled
                    from several images
    groupings     : the groups that are compared; notes: why some label columns are not used for groups
    models        : chosen for detection, classification and embedding; empty if no model runs here
    threshold_set : manifest of other subjects, on whom thresholds are set; None without one
    given         : thresholds that need no threshold set
    roles         : per row of the manifest `evaluation` or `threshold_set`
    folds         : int64 (rows,), fold of each row if thresholds are set by folds; otherwise None
    target_group  : bool, per row of the table on which thresholds are set: the group whose impostor pairs define a target FMR;
                    None: all
    pairs         : the only pairs to compare; None: all
    excluded      : reviewed pairs that are excluded from all rates
    search_roles  : per row `gallery`, `probe` or empty; None without identification
    plan          : the analysis plan, read before anything else; None without one
    shares        : composition of the population of --shares; None without one
    protocol      : the benchmark protocol whose pairs are compared; None without
    qualities     : of the images, from the file of --quality; None without one
    outputs       : predicted outputs besides gender and age
    pair_plan     : how `pairs` were sampled; None if they are not a sample
    """

    settings: AuditSettings
    margins: Mapping[str, Margin]
    manifest: Manifest
    groupings: tuple[Grouping, ...]
    notes: tuple[str, ...]
    models: ChosenModels
    threshold_set: Manifest | None
    given: tuple[Operating, ...]
    roles: NDArray[np.str_]
    target_group: BoolArray | None
    pairs: PairList | None
    excluded: PairList
    search_roles: NDArray[np.str_] | None
    plan: PlanRecord | None = None
    folds: IntArray | None = None
    shares: SharesRecord | None = None
    protocol: ListedProtocol | None = None
    qualities: MatchedQualities | None = None
    outputs: tuple[OutputRecord, ...] = ()
    pair_plan: PairPlan | None = None

    @property
    def evaluated(self) -> BoolArray:
        """Per row of the manifest whether it is evaluated, bool (rows,)."""
        return np.asarray(self.roles == EVALUATION, np.bool_)

    @property
    def pair_lists_sha256(self) -> list[str]:
        """The sha256 of each pair list that was read."""
        return [listed.sha256 for listed in (self.pairs, self.excluded) if listed is not None and listed.sha256]


def people_of(path: Path, settings: AuditSettings, *, compares: bool, allow_outside: bool = False) -> Manifest:
    """The requested manifest, with labels of tone joined to it.

    compares      : whether images are compared; subjects are then required, and there is one row per template
    allow_outside : accept any image name, for audits that open no image

    Raises
    ------
    TableError : see `read_manifest`, `require_people` and `with_tone`
    """
    groups, verify = settings.groups, settings.verify
    table = manifest_of(path, settings, allow_outside=allow_outside)
    if compares:
        require_people(by_template(table), verify)
    labelled = with_tone(table, groups.tone, groups.annotations, draws=groups.label_draws, seed=verify.seed)
    if MEASURED_ITA in groups.slope and groups.tone is not None:
        labelled = with_measured_ita(labelled, groups.tone)
    labelled = with_stated_ages(labelled, settings)
    return by_template(labelled) if compares else labelled


def groupings_of(
    table: Manifest, settings: AuditSettings, outputs: Sequence[OutputRecord] = ()
) -> tuple[tuple[Grouping, ...], tuple[str, ...]]:
    """The groupings of --by or of every label column, and a sentence on each column that is not used.

    Columns of gallery roles, of --cluster and of --weights do not describe people; they are used for groups only if --by
    names them.
    """
    quality = settings.faces.quality is not None
    if settings.by is None:
        role_column = settings.identify.role_column if settings.identify else None
        no_groups = {role_column, settings.groups.weights, settings.verify.fold_column, *settings.groups.cluster}
        no_groups |= {MEASURED_ITA, *ages_made(table, settings), *(output.label for output in outputs)}
        lost = lost_labels(table.labels, quality=quality)
        found, notes = default_groupings(
            table.frame, [name for name in table.labels if name not in no_groups and name not in lost]
        )
        unused = tuple(
            f"column {name} is not used for groups, because a result table has a column with that name; rename it in "
            f"the manifest"
            for name in lost
            if name not in no_groups
        )
        return found, (*notes, *unused)
    groupings = parse_by(settings.by, table.labels)
    require_kept(groupings, quality=quality)
    for grouping in groupings:
        cells_of(table.frame, grouping)
    return groupings, ()


def ages_made(table: Manifest, settings: AuditSettings) -> set[str]:
    """The columns of years from which ages were computed, and the column of these ages; none if the manifest has ages itself."""
    columns = set(settings.faces.age_from) or {BIRTH_YEAR, PHOTO_YEAR}
    made = AGE in table.labels and table.labels[-1] == AGE and columns <= set(table.labels)
    return {AGE, *columns} if made else set()


def resolve(
    table: Manifest,
    settings: AuditSettings,
    *,
    runs_models: bool,
    compares: bool,
    thresholds: Verify | None = None,
    scored: PairRows | None = None,
    plan: PlanRecord | None = None,
    protocol: ListedProtocol | None = None,
    categories: Mapping[str, Category] | None = None,
    chosen: ChosenModels | None = None,
) -> ResolvedAudit:
    """Everything that is decided before the first image; what cannot succeed is rejected here.

    table       : from `people_of`
    runs_models : whether the models of the settings run here; a black box needs none
    compares    : whether templates are compared, which requires thresholds and roles
    thresholds  : the thresholds if they differ from the settings: distances are compared by their negatives
    scored      : rows of the pairs of a file of scores, int64 (m, 2)
    plan        : from `with_plan`, like the settings
    categories  : outputs of a black box besides gender and age; None: those in the cards of the models
    chosen      : the models if already known; None: those named in the settings
    protocol    : its pairs are the only ones compared; rows of the table, in their order

    Raises
    ------
    SettingError                : if a margin is given for an unknown metric
    CardError, ModelError       : if models are missing or cannot work together
    StatisticsError, TableError : if pair lists are unusable, there are too few subjects for a split, or a group is unknown
    """
    if runs_models and (settings.verify.enrolment_log or settings.verify.format != "auto"):
        named = "--enrolment-log" if settings.verify.enrolment_log else "--format"
        raise SettingError(f"{named}: for files of scores only; use it with facegap audit-scores")
    # a misspelt --by is reported before a missing card, and before an hour of detection
    split = None if settings.by is None else groupings_of(table, settings)
    models = chosen or (choose_models(settings) if runs_models else ChosenModels())
    outputs = outputs_of(table, models.categories if categories is None else categories)
    margins = margins_of(settings.groups.margin, outputs)
    groupings, notes = groupings_of(table, settings, outputs) if split is None else split
    require_planned_groups(plan, table)
    cluster = settings.groups.cluster
    weights = settings.groups.weights
    shares, share_notes = shares_of(settings.groups.shares, table, weights)
    notes = (*notes, *require_clusters(table, cluster, groupings), *require_weights(table, weights), *share_notes)
    notes = (*notes, *require_slopes(table, settings.groups.slope))
    require_covariates(
        settings.groups.covariates, table, groupings, measured=runs_models, embeds=settings.embed is not None
    )
    require_labels(table, models.classes, says_age=models.says_age)
    if runs_models:
        notes = (*notes, *require_ages(table, settings, groupings, says_age=models.says_age))
    if isinstance(models.faces, GivenPoints):
        require_shared(models.faces, (table.members or table).frame["image"].tolist(), table.name)
    verify, identify = settings.verify, settings.identify
    if identify is not None:
        require_possible(identify, verify, settings.embed or settings.service.search_service)
    if not compares:
        nobody_aside = np.full(len(table.frame), EVALUATION)
        return ResolvedAudit(
            settings,
            margins,
            table,
            groupings,
            notes,
            models,
            None,
            (),
            nobody_aside,
            None,
            None,
            NO_LIST,
            None,
            plan,
            shares=shares,
            outputs=outputs,
        )
    threshold_set = None
    if verify.threshold_on is not None:
        threshold_set = by_template(other_manifest(verify.threshold_on, settings))
    given = given_points(thresholds or verify, models.published_threshold)
    units, set_here = names_of_units(table.frame, cluster), threshold_set is None and not given
    folds = None
    if set_here and settings.by_folds:
        if verify.fold_column is None:
            folds = deal_folds(units, finest_cells(table.frame, groupings), verify.seed)
        else:
            folds = named_folds(table.frame, verify.fold_column, units)
    roles = roles_of(units, verify, needed=set_here and folds is None)
    target_group = None
    if verify.fmr_on is not None and not given:
        target_group = named_group((threshold_set or table).frame, groupings, verify.fmr_on)
    notes = (*notes, *pooling_notes(table))
    pairs, excluded = None if protocol is None else protocol.pairs, NO_LIST
    if verify.pairs is not None:
        pairs = read_pairs(verify.pairs, table.frame, meaning="--pairs", repeats=False)
    pair_plan = None
    if verify.sample_pairs is not None:
        require_simple(settings)
        if set_here:
            raise SettingError(NO_TARGET_OF_SAMPLE)
        pair_plan = planned_pairs(table.frame, groupings, verify, pairs=verify.sample_pairs)
        pairs, notes = pair_plan.listed, (*notes, *sample_sentences(pair_plan))
    if verify.exclude_pairs is not None:
        excluded = read_pairs(verify.exclude_pairs, table.frame, meaning="--exclude-pairs", repeats=True)
    searched = None if identify is None else search_roles(table.frame, identify, verify.seed, roles == EVALUATION)
    listed = scored if pairs is None else pairs.rows
    by_is_given = settings.by is not None
    notes = (*notes, *require_impostors(table.frame, groupings, roles == EVALUATION, listed, by_is_given=by_is_given))
    resolved = ResolvedAudit(
        settings,
        margins,
        table,
        groupings,
        notes,
        models,
        threshold_set,
        tuple(given),
        roles,
        target_group,
        pairs,
        excluded,
        searched,
        plan,
        folds,
        shares,
        protocol,
        outputs=outputs,
        pair_plan=pair_plan,
    )
    announce(pair_plan, table.frame, groupings, settings)
    if runs_models:
        require_enough_pairs(resolved)
    return resolved


def require_enough_pairs(resolved: ResolvedAudit) -> None:
    """Raise StatisticsError if there are too few impostor pairs for a target FMR even if every face is found."""
    verify = resolved.settings.verify
    if resolved.given or resolved.pairs is not None:
        return
    if resolved.folds is not None:
        require_enough_outside(resolved, resolved.folds)
        return
    role = EVALUATION if verify.in_sample else THRESHOLD_SET
    subjects = resolved.manifest.frame["subject"][resolved.roles == role]
    if resolved.threshold_set is not None:
        subjects = resolved.threshold_set.frame["subject"]
    images = subjects.value_counts().to_numpy(np.int64)
    for target in verify.fmr:
        allowed_false_matches(target, int((images.sum() ** 2 - (images**2).sum()) // 2))


def require_enough_outside(resolved: ResolvedAudit, folds: IntArray) -> None:
    """Raise StatisticsError if the impostor pairs outside some pair of folds are too few for a target FMR."""
    codes = pd.factorize(resolved.manifest.frame["subject"])[0]
    of_person = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    of_person[codes] = folds
    least, first, second = least_outside(np.bincount(codes).astype(np.int64), of_person)
    for target in resolved.settings.verify.fmr:
        require_allowed(target, least, first, second)
