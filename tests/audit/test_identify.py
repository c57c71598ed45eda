"""Candidate lists against brute force with ties, thresholds for FPIR, whole audits of illustrated and real people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.audit.enrolment import search_roles
from facegap.audit.identify import Side, candidate_lists, fpir_point, fpir_point_of_lists, identify
from facegap.audit.run import recheck
from facegap.audit.settings import Identify, Verify
from facegap.audit.thresholds import Templates
from facegap.derive.identification import mates_of, outcomes_of
from facegap.errors import StatisticsError
from facegap.store.record import ComparisonRecord, Operating
from facegap.store.run import Matched, Run, read_run
from fixtures.records import made_record
from fixtures.resolved import resolved_of
from fixtures.settings import audited

NO_PAIRS = np.empty((0, 2), np.int64)


def manifest_of(subjects: Sequence[str], **columns: Sequence[str]) -> pd.DataFrame:
    """MANIFEST of images named by their number."""
    rows = range(len(subjects))
    fixed = {"row": rows, "line": [row + 2 for row in rows], "image": [f"{row}.png" for row in rows]}
    return pd.DataFrame({**fixed, "path": fixed["image"], "subject": list(subjects), **columns})


# ---- candidate lists ----


def side(people: Sequence[int], templates: Sequence[Sequence[float]], first_row: int = 0) -> Side:
    return Side(np.arange(len(people)) + first_row, np.asarray(templates, np.float32), np.asarray(people, np.int64))


def listed(gallery: Side, probes: Side, length: int, excluded: Any = NO_PAIRS) -> list[tuple[int, int, int, float]]:
    lists = candidate_lists(gallery, probes, excluded, length, workers=1)
    return list(lists.itertuples(index=False, name=None))


def test_a_list_holds_the_best_candidates_in_order() -> None:
    gallery = side([0, 1, 2], np.eye(3))
    probes = side([0, 9], [[0.75, 0.25, 0.5], [0.25, 0.5, 1.0]], first_row=10)
    assert listed(gallery, probes, 2) == [(10, 1, 0, 0.75), (10, 2, 2, 0.5), (11, 1, 2, 1.0), (11, 2, 1, 0.5)]


def test_of_the_person_itself_only_the_best_image_is_listed_however_many_there_are() -> None:
    gallery = side([0, 0, 0, 1, 0], [[1.0], [1.0], [1.0], [1.0], [0.5]])
    probes = side([0, 1], [[1.0], [1.0]], first_row=10)
    # Tied scores of own images would fill a list of two, and the tied non-mate would not be seen.
    assert listed(gallery, probes, 2) == [(10, 1, 0, 1.0), (10, 2, 3, 1.0), (11, 1, 0, 1.0), (11, 2, 1, 1.0)]


def test_a_reviewed_pair_makes_room_for_the_next_candidate() -> None:
    gallery = side([0, 1, 2], np.eye(3))
    probes = side([9], [[0.75, 0.25, 0.5]], first_row=10)
    excluded = np.array([[0, 10]])  # in the order of the manifest, whichever is the probe
    assert listed(gallery, probes, 2, excluded) == [(10, 1, 2, 0.5), (10, 2, 1, 0.25)]


def test_without_a_template_on_either_side_there_are_no_lists() -> None:
    nobody = side([], np.empty((0, 3)))
    assert listed(nobody, side([0], [[1.0, 0.0, 0.0]]), 2) == []
    assert listed(side([0], [[1.0, 0.0, 0.0]]), nobody, 2) == []


# ---- equality with brute force ----


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_outcome_equals_brute_force_over_all_pairs(seed: int) -> None:
    """Few distinct scores, so that there are many ties; several gallery images per person; lost templates."""
    rng = np.random.default_rng(seed)
    images = int(rng.integers(4, 30))
    subjects = rng.integers(0, rng.integers(2, 9), images)
    roles = rng.choice(["gallery", "probe"], images)
    roles[:2] = "gallery", "probe"
    manifest = manifest_of([f"s{k}" for k in subjects], role=roles.tolist())
    ok = rng.random(images) < 0.8
    rows = np.flatnonzero(ok)
    templates = (rng.integers(0, 3, (images, 4)) + 0.5).astype(np.float32)
    excluded = rng.integers(0, images, (int(rng.integers(0, 4)), 2))
    excluded = excluded[excluded[:, 0] != excluded[:, 1]]
    ranks = tuple(sorted({1, int(rng.integers(1, 6))}))
    threshold = float(rng.choice([3.0, 6.0, 9.0]))

    chosen = Identify(role_column="role", rank=ranks)
    evaluated = np.full(images, "evaluation")
    resolved = resolved_of(
        manifest, Verify(), identify=chosen, roles=evaluated, search_roles=np.asarray(roles, str), excluded=excluded
    )
    found = identify(Templates(manifest, rows, templates[rows]), None, resolved, workers=1)
    faces = pd.DataFrame({"outcome": np.where(ok, "ok", "no_face")})
    nothing = pd.DataFrame()
    record = made_record(
        comparison=ComparisonRecord((Operating(threshold, "given"),)), identification=found.record, groupings=()
    )
    matched = Matched(np.full(images, "evaluation"), excluded)
    run = Run(record, manifest, faces, nothing, nothing, nothing, nothing, matched=matched, searched=found.searched)
    for point, trials, errors in outcomes_of(run, found.searched):
        expected = brute_force(templates, ok, subjects, roles, excluded, point.metric, point.rank, point.threshold)
        for row in range(images):
            assert (bool(trials[row]), bool(errors[row])) == expected[row], (point, row)


def brute_force(
    templates: Any, ok: Any, subjects: Any, roles: Any, excluded: Any, metric: str, rank: int | None, threshold: float
) -> list[tuple[bool, bool]]:
    """(trial, error) of each image, from all scores."""
    scores = templates.astype(np.float64) @ templates.astype(np.float64).T
    reviewed = {frozenset(pair) for pair in excluded.tolist()}
    threshold = -math.inf if math.isnan(threshold) else threshold
    outcomes = []
    for probe in range(len(ok)):
        enrolled = [k for k in range(len(ok)) if roles[k] == "gallery"]
        allowed = [k for k in enrolled if frozenset((probe, k)) not in reviewed]
        own, usable = ([k for k in places if subjects[k] == subjects[probe]] for places in (enrolled, allowed))
        seen = [k for k in allowed if ok[k] and ok[probe]]
        if roles[probe] != "probe" or (own and not usable) or (metric == "fnir") != bool(own):
            outcomes.append((False, False))
        elif metric == "fpir":
            outcomes.append((True, any(scores[probe, k] >= threshold for k in seen)))
        else:
            best = max((scores[probe, k] for k in seen if subjects[k] == subjects[probe]), default=-math.inf)
            before = sum(scores[probe, k] >= best for k in seen if subjects[k] != subjects[probe])
            assert rank is not None
            outcomes.append((True, best == -math.inf or best < threshold or before >= rank))
    return outcomes


def test_only_lists_are_kept_never_all_pairs() -> None:
    people = 400
    rng = np.random.default_rng(0)
    templates = rng.standard_normal((2 * people, 8)).astype(np.float32)
    gallery = Side(np.arange(people), templates[:people], np.arange(people))
    probes = Side(np.arange(people, 2 * people), templates[people:], np.arange(people))
    lists = candidate_lists(gallery, probes, NO_PAIRS, 4, workers=1)
    assert len(lists) <= 4 * people
    scores = templates[people:].astype(np.float64) @ templates[:people].astype(np.float64).T
    first = lists[lists["rank"] == 1]
    assert np.allclose(first["score"], scores.max(axis=1), atol=1e-9)
    assert (first["gallery"].to_numpy() == scores.argmax(axis=1)).all()


# ---- thresholds for a target FPIR ----


def calibrated(*, target: float = 0.5, elsewhere: Templates | None = None, **verify: Any) -> Any:
    """Two people enrolled, one non-mate searched at evaluation, two probes and a gallery image of threshold-set people."""
    manifest = manifest_of(["a", "b", "a", "z", "c", "d", "d"], role=["gallery"] * 2 + ["probe"] * 4 + ["gallery"])
    templates = np.array([[1, 0], [0, 1], [0.75, 0], [0.5, 0.25], [0.25, 0.375], [0.125, 0.625], [1, 0]], np.float32)
    roles = np.array(["evaluation"] * 4 + ["threshold_set"] * 3)
    images = Templates(manifest, np.arange(7), templates)
    chosen = Identify(role_column="role", rank=(1,), fpir=(target,))
    settings = Verify(**verify)
    resolved = resolved_of(
        manifest,
        settings,
        elsewhere=None if elsewhere is None else elsewhere.table,
        identify=chosen,
        roles=roles,
        search_roles=search_roles(manifest, chosen, settings.seed, roles == "evaluation"),
    )
    return identify(images, elsewhere, resolved, workers=1)


def test_the_threshold_for_an_fpir_is_found_on_calibration_people_who_search_the_same_gallery() -> None:
    found = calibrated(seed=7)
    assert found.searched.roles.tolist() == ["gallery", "gallery", "probe", "probe", "", "", ""]
    assert found.record.operating == (Operating(0.625, "FPIR 0.5 on subjects held out (seed 7): 1 of 2 searches"),)


def test_people_of_another_manifest_are_left_out_where_they_are_enrolled_here() -> None:
    other = Templates(manifest_of(["a", "x", "y"]), np.arange(3), np.array([[1, 0], [0.5, 0], [0, 0.25]], np.float32))
    found = calibrated(elsewhere=other)
    assert found.record.operating == (Operating(0.5, "FPIR 0.5 on other subjects (--threshold-on): 1 of 2 searches"),)


def test_an_in_sample_fpir_is_labelled_so() -> None:
    with pytest.raises(StatisticsError, match=r"--fpir 0.5 needs at least 2 searches .* there are 1"):
        calibrated(in_sample=True)
    found = calibrated(in_sample=True, target=1.0)  # only of z: a has a mate, whatever its score
    assert found.record.operating == (
        Operating(0.5, "FPIR 1 on the same searches on which it is evaluated (IN-SAMPLE): 1 of 1 searches"),
    )


@pytest.mark.parametrize(("target", "threshold"), [(0.25, 0.75), (0.5, 0.75), (0.75, 0.25), (1.0, 0.125), (0.0, 0.75)])
def test_an_fpir_is_never_above_its_target(target: float, threshold: float) -> None:
    tops = np.array([0.25, 0.75, 0.125, 0.25])
    found = fpir_point(tops, target, "others").threshold
    assert (tops >= found).mean() <= target
    assert found == (threshold if target else np.nextafter(threshold, 1))


def test_an_impossible_fpir_is_refused() -> None:
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        fpir_point(np.array([0.5]), 1.5, "others")
    with pytest.raises(StatisticsError, match="needs at least 1 searches"):
        fpir_point(np.empty(0), 0.0, "others")


def test_searches_that_returned_nobody_count_where_a_threshold_for_an_fpir_is_set() -> None:
    tops = 0.5 + np.arange(100) / 1000  # 0.500 to 0.599; 900 more searches returned no candidate
    where, least = "1,000 strangers", "at the lowest score of a list (0.4), as the others returned no candidate"
    for target, threshold, count, reaches in (
        (0.001, 0.599, 1, False),
        (0.05, 0.55, 50, False),  # of 1,000, not of 100
        (0.1, 0.5, 100, False),
        (0.101, 0.4, 100, True),
        (1.0, 0.4, 100, True),
    ):
        found = fpir_point_of_lists(tops, 900, target, where, 0.4)
        assert found.threshold == pytest.approx(threshold, abs=1e-12)
        assert (tops >= found.threshold).sum() == count
        words = f"FPIR {target:g} on {where}: {count} of 1000 searches"
        assert found.source == (f"{words}, {least}" if reaches else words)
    assert fpir_point_of_lists(tops, 900, 0.0, where, 0.4).threshold == np.nextafter(tops[-1], 1)
    # A card may state a higher minimum than the lists show; without any candidate the lowest score is the threshold.
    assert fpir_point_of_lists(tops, 900, 0.2, where, 0.55).threshold == 0.5
    for target in (0.0, 0.5, 1.0):
        nobody = fpir_point_of_lists(np.empty(0), 4, target, where, 0.4)
        assert (nobody.threshold, nobody.source.partition(": ")[2]) == (0.4, f"0 of 4 searches, {least}")
    assert fpir_point_of_lists(tops, 0, 0.05, where, 0.4) == fpir_point(tops, 0.05, where)


# ---- whole audits ----

# subject: proportion of green in each image; None: no face. The embedder uses the direction only.
DRAWN: dict[str, tuple[int | None, ...]] = {
    "ada": (0, 0, None),
    "bea": (60, 60),
    "cyd": (120, 120),
    "dan": (180, 180),
    "eli": (None, 240),
    "fox": (240, 240),
}


@pytest.fixture
def drawn(tmp_path: Path, draw: Any) -> Path:
    """A manifest of thirteen illustrated faces of six people; three images show no face."""
    folder = tmp_path / "people"
    folder.mkdir()
    lines = ["image,subject,gender,role"]
    for subject, images in DRAWN.items():
        for k, green in enumerate(images):
            name = f"{subject}{k}.png"
            picture = draw(quadrants=()) if green is None else draw(green=green, red=120)
            cv2.imwrite(str(folder / name), picture)
            role = "probe" if k or subject == "fox" else "gallery"
            lines.append(f"{name},{subject},{'f' if subject < 'd' else 'm'},{role}")
    path = folder / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def searched_audit(manifest: Path, toys: Any, **options: Any) -> Run:
    return audited(
        manifest,
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        identify=True,
        min_subjects=2,
        workers=1,
        **options,
    )


def rate(run: Run, metric: str, gender: str = "any") -> dict[str, Any]:
    """The one row of RATES for a metric and gender."""
    rows = run.rates[(run.rates["metric"] == metric) & (run.rates["gender"] == gender)]
    assert len(rows) == 1
    return dict(rows.iloc[0])


def test_an_audit_counts_failed_enrolments_and_probes_and_rechecks(drawn: Path, toys: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = searched_audit(drawn, toys, role_column="role", threshold=(0.999,), rank=(1,), out=out)
    assert run.record.groupings == (("gender",),)  # a role does not define a group of people
    rates = run.rates[run.rates["metric"] == "fnir"]
    # Mated: ada1, ada2 (lost), bea1, cyd1, dan1, eli1 (never enrolled); fox is not in the gallery.
    for threshold in (math.nan, 0.999):
        at = rates[rates["threshold"].isna()] if math.isnan(threshold) else rates[rates["threshold"] == threshold]
        counted = {row["gender"]: (row["errors"], row["trials"]) for row in at.to_dict("records")}
        assert counted == {"any": (2, 6), "female": (1, 4), "male": (1, 2)}
    alarms = rate(run, "fpir", "male")
    assert (alarms["errors"], alarms["trials"], alarms["subjects"]) == (0, 2, 1)
    assert math.isnan(rate(run, "fpir", "female")["value"])
    assert "gallery of 5 images of 5 people, 1 without a template" in alarms["threshold_from"]
    assert recheck(out) == []
    again = read_run(out)
    assert again.searched is not None
    assert run.searched is not None
    assert (again.searched.roles == run.searched.roles).all()
    pd.testing.assert_frame_equal(again.searched.lists, run.searched.lists)
    assert (out / "identification.csv").is_file()


def test_recheck_notices_another_candidate(drawn: Path, toys: Any, tmp_path: Path) -> None:
    from facegap.store import run as store

    out = tmp_path / "run"
    run = searched_audit(drawn, toys, role_column="role", threshold=(0.999,), rank=(1,), out=out)
    assert run.searched is not None
    lists = run.searched.lists.assign(score=0.0)
    lists.to_parquet(out / "identification.parquet", index=False)
    store.finish(out)
    assert "rates.csv: differs from the result of the stored rows" in recheck(out)


def test_thresholds_of_the_comparisons_are_those_of_the_search(drawn: Path, toys: Any) -> None:
    run = searched_audit(drawn, toys, role_column="role", fmr=(0.5,), in_sample=True, rank=(1,))
    compared, searched = (set(run.rates.loc[run.rates["metric"] == metric, "threshold"]) for metric in ("fmr", "fpir"))
    assert len(searched) == 1
    assert compared == searched
    assert run.rates.loc[run.rates["metric"] == "fpir", "threshold_from"].str.contains("IN-SAMPLE").all()


def test_a_rule_enrols_where_no_column_says_so(drawn: Path, toys: Any) -> None:
    run = searched_audit(drawn, toys, threshold=(0.999,), rank=(1,), non_mates=0.5, by="gender", seed=1)
    assert run.searched is not None
    enrolled = run.manifest["subject"][run.searched.roles == "gallery"]
    assert len(enrolled) == enrolled.nunique() == 3
    mates, _ = mates_of(run.searched.roles, pd.factorize(run.manifest["subject"])[0].astype(np.int64), NO_PAIRS)
    probes = run.searched.roles == "probe"
    assert rate(run, "fpir")["trials"] == int((probes & (mates == 0)).sum())
    assert run.record.identification is not None
    assert "50% of the subjects not enrolled in the gallery (seed 1)" in run.record.identification.roles


def test_the_command_line_searches(drawn: Path, toys: Any, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from facegap.cli import app

    arguments = [
        "audit",
        str(drawn),
        "--detect",
        toys.card("detector"),
        "--embed",
        toys.card("embedder"),
        "--identify",
        "--role-column",
        "role",
        "--threshold",
        "0.999",
        "--rank",
        "2",
        "--out",
        str(tmp_path / "run"),
        "--workers",
        "1",
        "--verbose",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "all subjects: search, threshold 0.9990" in result.output
    assert "falsely identified (FPIR)" in result.output


@pytest.mark.real
def test_members_of_congress_are_found_nine_years_later(congress_run: Any, test_data: Path, tmp_path: Path) -> None:
    """198 members, their portrait of 2015 enrolled and that of 2024 searched, and 60 later members."""
    data = test_data / "data" / "congress"
    members = pd.read_csv(congress_run.manifest, dtype=str)
    same_photo = set(pd.read_csv(data / "same_photo_subjects.csv", dtype=str)["subject"])
    earlier, later = (set(members["subject"][members["snapshot"] == year]) for year in ("2015", "2024"))
    mated = (earlier & later) - same_photo
    strangers = sorted(later - earlier)[:60]
    chosen = members[members["subject"].isin(mated | set(strangers))].copy()
    chosen["role"] = np.where(chosen["snapshot"] == "2015", "gallery", "probe")
    chosen[["image", "subject", "gender", "role"]].to_csv(tmp_path / "people.csv", index=False)

    run = audited(
        tmp_path / "people.csv",
        embed="face_reid_0095",
        points=congress_run.manifest.parent / "run" / "faces.parquet",
        by="gender",
        threshold=(0.45,),
        identify=True,
        role_column="role",
        rank=(1, 5),
        models_dir=[test_data / "models"],
        allow_outside=True,
    )

    first = run.extra["identification.csv"]
    first = first[(first["rank"] == 1) & (first["gender"] == "any")].iloc[0]
    assert (first["mated"], first["gallery"], first["non_mated"]) == (198, 198, 60)
    assert first["value"] >= 0.98
    at = run.rates[(run.rates["threshold"] == 0.45) & (run.rates["gender"] == "any")].set_index("metric")
    assert (at.loc[["fnir"], "value"] <= 0.05).all()
    assert at.loc["fpir", "trials"] == 60
    assert at.loc["fpir", "value"] <= 0.15
