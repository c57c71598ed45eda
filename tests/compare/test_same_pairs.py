"""Two runs of one model on templates: their common comparisons, and the decisions of each run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.compare.build import compare
from facegap.errors import RunError
from facegap.store.run import read_run

PEOPLE = 24  # with two images each, half in each group
AT = {"threshold": [0.3]}


class Templates:
    """Templates of people in a folder, and audits of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(7)
        self.vectors = np.repeat(rng.normal(size=(PEOPLE, 6)), 2, axis=0) + 0.5 * rng.normal(size=(2 * PEOPLE, 6))
        self.subjects = np.repeat(np.arange(PEOPLE), 2)
        rows = [{"image": f"{k}{n}.png", "subject": f"p{k}", "group": "xy"[k % 2]} for k in range(PEOPLE) for n in "ab"]
        self.table = pd.DataFrame(rows)
        self.table.to_csv(folder / "people.csv", index=False)

    def run(self, name: str, vectors: Any = None, **verify: Any) -> Path:
        """A finished run; vectors : templates of another form of the model."""
        np.save(self.folder / f"{name}.npy", self.vectors if vectors is None else vectors)
        fg.audit_embeddings(
            self.folder / f"{name}.npy",
            self.folder / "people.csv",
            by="group",
            groups=fg.Groups(min_subjects=2),
            verify=fg.Verify(**verify),
            out=self.folder / name,
        )
        return self.folder / name

    def accepted(self, threshold: float) -> list[tuple[int, int]]:
        """Rows of the non-mated pairs that are accepted."""
        unit = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        left, right = np.triu_indices(len(unit), 1)
        chosen = ((unit @ unit.T)[left, right] >= threshold) & (self.subjects[left] != self.subjects[right])
        return list(zip(left[chosen].tolist(), right[chosen].tolist(), strict=True))

    def listed(self, name: str, pairs: Any) -> str:
        """A file that lists pairs of rows."""
        images = self.table["image"]
        path = self.folder / name
        pd.DataFrame([(images[i], images[j]) for i, j in pairs], columns=["left", "right"]).to_csv(path, index=False)
        return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(scope="module")
def whole(made: Templates) -> Path:
    return made.run("whole", **AT)


def test_pairs_excluded_by_one_run_do_not_flip(made: Templates, whole: Path) -> None:
    pairs = made.accepted(0.3)
    assert len(pairs) > 20
    fewer = made.run("fewer", exclude_pairs=made.listed("reviewed.csv", pairs[:10]), **AT)
    with pytest.raises(RunError, match="10 pairs are excluded by --exclude-pairs in only one of the two"):
        compare([whole, fewer], names=["all", "fewer"])
    groups = compare([whole, fewer], names=["all", "fewer"], allow_different_people=True).flips.groups
    assert groups["flips"].sum() == 0
    everybody = groups.query("kind == 'impostor' and family == ''").iloc[0]
    assert everybody["trials"] == 48 * 47 // 2 - PEOPLE - 10


def test_a_list_and_all_pairs_give_no_flips_of_non_mated_comparisons_but_a_note(made: Templates, whole: Path) -> None:
    mates = [(2 * k, 2 * k + 1) for k in range(PEOPLE)]
    some = made.run("some", pairs=made.listed("some.csv", [*mates, *made.accepted(0.3)[:10], (0, 4), (2, 6)]), **AT)
    for runs in ([whole, some], [some, whole]):
        with pytest.raises(RunError, match="compared listed pairs, the other all pairs"):
            compare(runs, names=["one", "other"])
        found = compare(runs, names=["one", "other"], allow_different_people=True)
        assert set(found.flips.groups["kind"]) == set(found.drift["kind"]) == {"genuine"}
        assert found.flips.groups["flips"].sum() == 0
        assert any("one run compared listed pairs and the other all pairs" in said for said in found.warnings)


def test_with_folds_the_printed_difference_matches_the_printed_rates(made: Templates) -> None:
    blurred = made.vectors + 0.3 * np.random.default_rng(8).normal(size=made.vectors.shape)
    folders = [made.run("sharp", fmr=[0.05]), made.run("blurred", blurred, fmr=[0.05])]
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        point = run.record.operating[0]
        assert point.by_folds is not None and len(set(point.by_folds.thresholds)) > 1
    found = compare(folders, names=["first", "other"])
    keys = ["metric", "family", "group"]
    sides = [
        run.rates.query("metric in ('fmr', 'fnmr') and other_group == ''")
        .assign(family=lambda rows: rows["group"].map({"any": "", "x": "group", "y": "group"}))
        .assign(group=lambda rows: rows["group"].map({"any": "all", "x": "x", "y": "y"}))
        .set_index(keys)
        for run in runs
    ]
    rows = found.found.paired.query("metric in ('fmr', 'fnmr')").set_index(keys)
    assert len(rows) == 6
    for name, row in rows.iterrows():
        for end, side in zip("ab", sides, strict=True):
            assert (row[f"errors_{end}"], row[f"trials_{end}"]) == tuple(side.loc[name, ["errors", "trials"]])
        assert row["difference"] == pytest.approx(sides[1].loc[name, "value"] - sides[0].loc[name, "value"], abs=1e-12)
    # decisions at the folds of the first run are included in the flips and at the fixed threshold
    fixed = found.flips.fixed.set_index(keys)
    assert fixed["errors_a"].to_dict() == rows["errors_a"].to_dict()
    flips = found.flips.groups.set_index(["kind", "family", "group"])
    for (metric, family, group), row in fixed.iterrows():
        flip = flips.loc[("impostor" if metric == "fmr" else "genuine", family, group)]
        more = flip["gained"] - flip["lost"]
        assert row["errors_b"] - row["errors_a"] == (more if metric == "fmr" else -more)
    assert found.flips.groups["flips"].sum() > 0
    by_itself = compare([folders[0], folders[0]], names=["first", "again"])
    assert by_itself.flips.groups["flips"].sum() == 0


def test_comparisons_that_one_run_lost_are_counted_by_group(made: Templates, whole: Path) -> None:
    gaps = made.vectors.copy()
    gaps[[0, 1, 7]] = np.nan  # both images of a person of x, and one of a person of y
    lossy = made.run("lossy", gaps, exclude_pairs=made.listed("lost.csv", [(0, 4), (0, 20), (2, 6)]), **AT)
    for runs, lost, none in (
        ([whole, lossy], "lost_by_other", "lost_by_first"),
        ([lossy, whole], "lost_by_first", "lost_by_other"),
    ):
        rows = compare(runs, names=["one", "two"], allow_different_people=True).flips.groups.set_index(
            ["kind", "family", "group"]
        )
        assert (rows[none] == 0).all()
        for group, expected in (("x", (1, 2 * 22 - 2)), ("y", (1, 22))):
            assert tuple(rows.loc[[("genuine", "group", group), ("impostor", "group", group)], lost]) == expected
        everybody = rows.loc[("impostor", "", "all")]
        assert everybody[lost] + everybody["trials"] == 48 * 47 // 2 - PEOPLE - 3


def test_lists_of_different_pairs_are_rejected_and_the_order_within_pairs_is_ignored(
    made: Templates,
) -> None:
    mates = [(2 * k, 2 * k + 1) for k in range(PEOPLE)]
    others = made.accepted(0.3)
    one = made.run("one_list", pairs=made.listed("one.csv", [*mates, *others]), **AT)
    turned = made.run("turned", pairs=made.listed("turned.csv", [(b, a) for a, b in [*others, *mates]]), **AT)
    fewer = made.run("fewer_pairs", pairs=made.listed("fewer.csv", [*mates, *others[:-3]]), **AT)
    assert compare([one, turned], names=["one", "turned"]).flips.groups["flips"].sum() == 0
    with pytest.raises(RunError, match="3 pairs are in the list of only one of the two"):
        compare([one, fewer], names=["one", "fewer"])
