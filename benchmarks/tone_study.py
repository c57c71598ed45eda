"""Quality of measured skin tone: separation, two photographs of a person, calibration, illustrated faces of known colour.

    FACEGAP_TEST_DATA=... python benchmarks/tone_study.py --tables folder [--charts docs/skin_tone] [--witnesses]

The two tables of `facegap tone` are created in `--tables` if they are missing (some minutes). Race labels of FairFace are
read only here, for evaluation, and are never used by the measurement. Everything is seeded.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, spearmanr

from facegap.audit.models import load_models
from facegap.audit.settings import settings_from
from facegap.demo.illustrated.portraits import PLAIN, draw, draw_person
from facegap.groups.lab import ita, lab_of_srgb, nearest_monk
from facegap.groups.light import find_light
from facegap.groups.prior import GRID, darker_probability, learnt_prior
from facegap.groups.skin import Skin, find_skin, log_luminance
from facegap.groups.tone import (
    FLOOR_SD,
    LEAST_SHINE,
    PORTRAIT_ITA,
    SPREAD_SHARE,
    SURE,
    Measurement,
    ita_of_reflectance,
    light_chroma,
    measure,
    witnesses,
)
from facegap.inputs.images.decode import Picture, read_picture
from facegap.tone.measure import framed, measure_manifest, thumbnail
from facegap.types import AnyArray, FloatArray
from facegap.vision.detect import Detector, choose, detect

SETS = {"fairface": "fairface_val", "congress": "congress"}
ADULTS = "age not in ('0-2','3-9','10-19')"
CUT = 28.0
FOLDS = 10
FLOORS, SHARES = np.arange(3.0, 13.0, 1.0), np.arange(0.0, 0.9, 0.1)
LIGHTS = {
    "even": {},
    "dim": {"exposure": 0.6},
    "bright": {"exposure": 1.3},
    "warm": {"warmth": 0.7},
    "cool and from the side": {"warmth": -0.7, "light_from": (55.0, 20.0), "harsh": 0.8},
}
PEOPLE_PER_TONE = 6


def table(data: Path, folder: Path, name: str) -> pd.DataFrame:
    """The measured tones of one data set, read if available, otherwise created by the command's own function."""
    out = folder / f"{name}.parquet"
    if out.exists():
        return pd.read_parquet(out)
    manifest, where = {
        "fairface": (data / "data" / SETS["fairface"] / "labels.csv", ADULTS),
        "congress": (data / "data" / SETS["congress"] / "members.csv", None),
    }[name]
    return measure_manifest(manifest, out=out, where=where, models_dirs=[data / "models"])


# ---- separation ----


def roc(light: FloatArray, dark: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """False and true positive rates of "darker" over all cuts, and the area under the curve, with ties counted half."""
    both = np.concatenate([light, dark])
    is_dark = np.r_[np.zeros(len(light)), np.ones(len(dark))]
    order = np.argsort(both)
    last = np.r_[np.diff(both[order]) != 0, True]
    true = np.r_[0, np.cumsum(is_dark[order])[last]] / len(dark)
    false = np.r_[0, np.cumsum(1 - is_dark[order])[last]] / len(light)
    return false, true, float(np.trapezoid(true, false))


def separation(tones: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """ROC points of each measure, White against Black, with its area."""
    joined = tones.merge(labels, on="image", validate="one_to_one")
    joined = joined[joined["outcome"] == "measured"]
    light, dark = (joined[joined["race"] == race] for race in ("White", "Black"))
    parts = []
    for measure_name, column in (("measured ITA", "measured_ita"), ("plain ITA", "ita"), ("plain L*", "l_star")):
        false, true, area = roc(light[column].to_numpy(), dark[column].to_numpy())
        parts.append(
            pd.DataFrame({"false": false, "true": true, "measure": f"{measure_name}: {area:.3f}", "area": area})
        )
    print(f"separation: {len(light)} White, {len(dark)} Black faces measured")
    for name in ("measured_ita", "ita"):
        print(f"  median {name}: {light[name].median():.1f} and {dark[name].median():.1f}")
    for race, group in (("White", light), ("Black", dark)):
        print(
            f"  {race} called", {k: round(v, 3) for k, v in group["measured_tone"].value_counts(normalize=True).items()}
        )
    return pd.concat(parts, ignore_index=True)


# ---- two photographs ----


def pairs(tones: pd.DataFrame, genuine: pd.DataFrame) -> AnyArray:
    """Positions of the two photographs of each person, if both were measured: int (n, 2)."""
    measured = tones[tones["outcome"] == "measured"]
    place = pd.Series(measured.index, index=measured["image"])
    known = genuine[genuine["a"].isin(place.index) & genuine["b"].isin(place.index)]
    return np.stack([place[known["a"]], place[known["b"]]], axis=1)


def disagreement(tones: pd.DataFrame) -> FloatArray:
    """Standard deviation among the witnesses, from the reported uncertainty."""
    return np.sqrt(np.maximum(tones["ita_sd"].to_numpy() ** 2 - FLOOR_SD**2, 0)) / SPREAD_SHARE


def doubt_fitted(apart: FloatArray, quarrel: FloatArray) -> tuple[float, float]:
    """FLOOR_SD and SPREAD_SHARE that maximise the likelihood of the differences between two photographs."""
    best, found = -np.inf, (FLOOR_SD, SPREAD_SHARE)
    for floor in FLOORS:
        for share in SHARES:
            deviation = np.sqrt(2 * floor**2 + share**2 * (quarrel**2).sum(axis=1))
            score = norm.logpdf(apart, scale=deviation).sum()
            if score > best:
                best, found = score, (float(floor), float(share))
    return found


def reliability(tones: pd.DataFrame, two: AnyArray, seed: int = 0) -> pd.DataFrame:
    """Prediction for the other photograph of a person and its outcome, in ordered pairs, cross-fitted over people.

    For each fold of people, the uncertainty and the prior are estimated on the others. predicted: probability that the other
    photograph's measured ITA is at or below the cut; called: of the photograph itself, under each prior.
    """
    measured = tones[tones["outcome"] == "measured"]
    fold_of = {
        name: k % FOLDS for k, name in enumerate(np.random.default_rng(seed).permutation(measured["subject"].unique()))
    }
    fold = tones["subject"].map(fold_of).to_numpy()
    value, quarrel = tones["measured_ita"].to_numpy(), disagreement(tones)
    rows = []
    for k in range(FOLDS):
        train, test = two[fold[two[:, 0]] != k], two[fold[two[:, 0]] == k]
        floor, share = doubt_fitted(value[train[:, 0]] - value[train[:, 1]], quarrel[train])
        doubt = np.hypot(floor, share * quarrel)
        others = measured.index[fold[measured.index] != k]
        learnt = learnt_prior(value[others], doubt[others])
        for name, prior in (("manifest", learnt), ("flat", None)):
            for one, other in ((test[:, 0], test[:, 1]), (test[:, 1], test[:, 0])):
                rows.append(
                    pd.DataFrame(
                        {
                            "prior": name,
                            "floor": floor,
                            "share": share,
                            "one": one,
                            "other": other,
                            "predicted": predicted(value[one], doubt[one], doubt[other], prior),
                            "darker": darker_probability(value[one], doubt[one], CUT, prior),
                            "came": value[other] <= CUT,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def predicted(value: FloatArray, doubt: FloatArray, other_doubt: FloatArray, prior: FloatArray | None) -> FloatArray:
    """Probability that another photograph with its own uncertainty is measured at or below the cut."""
    if prior is None:
        return np.asarray(norm.cdf((CUT - value) / np.hypot(doubt, other_doubt)))
    shares = norm.pdf(value[:, None], GRID, doubt[:, None]) * prior
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray((shares * norm.cdf((CUT - GRID) / other_doubt[:, None])).sum(axis=1))


def flips(found: pd.DataFrame, sure: float) -> tuple[float, float, int]:
    """Proportion of photographs called at this probability, proportion of flips among pairs called twice, and their number."""
    call = np.where(found["darker"] >= sure, -1, np.where(found["darker"] <= 1 - sure, 1, 0))
    half = found.assign(call=call)
    other = half.set_index(["one", "other"])["call"]
    mate = other.loc[list(zip(half["other"], half["one"], strict=True))].to_numpy()
    both = (call != 0) & (mate != 0)
    return (
        float((call != 0).mean()),
        float((call != mate)[both].mean()) if both.any() else float("nan"),
        int(both.sum()) // 2,
    )


# ---- illustrated faces ----


def drawn(seed: int = 0) -> pd.DataFrame:
    """Measured and painted tone of illustrated people under each light; the points are the true ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for monk in range(1, 11):
        for number in range(PEOPLE_PER_TONE):
            person = draw_person(rng, monk=monk)
            painted = lab_of_srgb(np.array(person.skin[::-1]))
            truth = float(ita(painted[0], painted[2]))
            for name, change in LIGHTS.items():
                drawing = draw(person, replace(PLAIN, **change), size=(360, 450))
                face = framed(Picture(drawing.pixels, grey=False), drawing.points)
                assert face is not None
                found = measure(*face, thumbnail(drawing.pixels))
                row = {"person": f"{monk}-{number}", "monk": monk, "light": name, "truth": truth}
                if isinstance(found, Measurement):
                    plain = found.photographed
                    row |= {
                        "measured": found.ita,
                        "doubt": found.ita_sd,
                        "plain": float(ita(plain[0], plain[2])),
                        "measured_monk": int(nearest_monk(found.lab)[0]),
                        "plain_monk": int(nearest_monk(plain)[0]),
                    }
                rows.append(row)
    return pd.DataFrame(rows)


def drawn_summary(faces: pd.DataFrame) -> str:
    """Markdown: mean absolute error of ITA and of the position on Monk's scale, per light."""
    spread = {column: faces.groupby("person")[column].std().mean() for column in ("measured", "plain")}
    print(
        f"one drawn face under five lights: standard deviation {spread['measured']:.1f} measured, {spread['plain']:.1f} plain"
    )
    for column in ("measured", "plain"):
        seen = faces.dropna(subset=column)
        print(f"  rank correlation with the paint, {column}: {spearmanr(seen[column], seen['truth']).statistic:.3f}")
    lines = [
        "| light | faces | measured | ITA error, measured | plain | Monk rank error, measured | plain |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, group in [*faces.groupby("light", sort=False), ("all", faces)]:
        seen = group.dropna(subset="measured")
        errors = [(seen[column] - seen["truth"]).abs().mean() for column in ("measured", "plain")]
        ranks = [(seen[column] - seen["monk"]).abs().mean() for column in ("measured_monk", "plain_monk")]
        lines.append(
            f"| {name} | {len(group)} | {len(seen)} | {errors[0]:.1f} | {errors[1]:.1f} | {ranks[0]:.2f} | {ranks[1]:.2f} |"
        )
    return "\n".join(lines)


# ---- witnesses ----


def witness_rows(name: str, tones: pd.DataFrame, data: Path, folder: Path) -> pd.DataFrame:
    """Each witness of each measured photograph, and the underlying logarithms; stored next to the tables."""
    out = folder / f"{name}_witnesses.parquet"
    if out.exists():
        return pd.read_parquet(out)
    model = load_models(settings_from({"models_dir": (data / "models",), "workers": 1})).stages.detector
    assert model is not None
    images = tones.loc[tones["outcome"] == "measured", "image"]
    rows = [witnessed(data / "data" / SETS[name] / image, model) for image in images]
    frame = pd.DataFrame(rows).assign(image=images.to_numpy())
    frame.to_parquet(out)
    return frame


def witnessed(path: Path, model: Detector) -> dict[str, float]:
    """The witnesses of one photograph as ITA, and (log_) what each compares with the light of portraits."""
    picture = read_picture(path)
    assert isinstance(picture, Picture)
    faces = detect(model, picture.pixels)
    chosen = choose(faces, "largest", picture.pixels.shape[1::-1])
    face = framed(picture, faces.points[chosen])
    assert face is not None
    skin = find_skin(*face)
    assert isinstance(skin, Skin)
    light = find_light(*face, thumbnail(picture.pixels), skin.colour)
    level = float(log_luminance(skin.colour))
    whites = np.array([log_luminance(light.eyes), log_luminance(light.teeth)])
    known = whites[np.isfinite(whites)]
    logs = {
        "log_exposure": level,
        "log_picture": level - float(np.mean([log_luminance(light.brightest), log_luminance(light.edges)])),
        "log_whites": level - float(known.mean()) if len(known) else np.nan,
        "log_shine": -float(np.log(skin.shine)) if skin.shine >= LEAST_SHINE else np.nan,
        "log_chroma": float(skin.colour[0] - skin.colour[2]) - light_chroma(light),
    }
    return logs | asdict(witnesses(skin, light))


def anchors(tones: pd.DataFrame, seen: pd.DataFrame) -> None:
    """Print the constants of groups/tone.py: medians over colour portraits, aligned with their plain ITA."""
    steps = np.linspace(-4, 0, 4001)
    target = float(np.interp(PORTRAIT_ITA, [ita_of_reflectance(float(step)) for step in steps], steps))
    print(f"plain ITA of the portraits: median {tones['ita'].median():.1f}")
    for name in ("exposure", "picture", "whites", "shine"):
        print(f"  shift of {name}: {target - seen[f'log_{name}'].median():.3f}")
    print(f"  PORTRAIT_CHROMA: {seen['log_chroma'].median():.3f}")


def witness_table(rows: dict[str, pd.DataFrame], labels: pd.DataFrame, genuine: pd.DataFrame) -> str:
    """Markdown: how well each witness alone separates groups, and agrees between two photographs."""
    fairface = rows["fairface"].merge(labels, on="image", validate="one_to_one")
    congress = rows["congress"].set_index("image")
    known = genuine[genuine["a"].isin(congress.index) & genuine["b"].isin(congress.index)]
    lines = ["| witness | AUC, White against Black | r, two photographs | seen, FairFace |", "|---|---|---|---|"]
    for name in ("exposure", "picture", "whites", "shine", "chroma"):
        light, dark = (fairface.loc[fairface["race"] == race, name].dropna().to_numpy() for race in ("White", "Black"))
        one, other = (congress[name].loc[known[side]].to_numpy() for side in ("a", "b"))
        both = np.isfinite(one) & np.isfinite(other)
        r = np.corrcoef(one[both], other[both])[0, 1]
        lines.append(f"| {name} | {roc(light, dark)[2]:.3f} | {r:.3f} | {fairface[name].notna().mean():.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Print every number of docs/skin_tone.md; write its charts if a folder is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="folder for the two tables of measured tone")
    parser.add_argument("--charts", type=Path, help="folder for the charts")
    parser.add_argument("--witnesses", action="store_true", help="each witness alone, and their constants found again")
    asked = parser.parse_args()
    data = Path(os.environ["FACEGAP_TEST_DATA"])
    tones = {name: table(data, asked.tables, name) for name in ("fairface", "congress")}
    labels = pd.read_csv(data / "data/fairface_val/labels.csv", dtype=str)[["image", "race"]]
    genuine = pd.read_csv(data / "data/congress/genuine_pairs.csv", dtype=str)
    if asked.witnesses:
        rows = {name: witness_rows(name, frame, data, asked.tables) for name, frame in tones.items()}
        anchors(tones["congress"], rows["congress"])
        print(witness_table(rows, labels, genuine))
    for name, frame in tones.items():
        coloured = frame[~frame["outcome"].isin(("grey", "no_face", "unreadable", "missing_file", "too_small"))]
        share = (coloured["outcome"] == "measured").mean()
        print(f"{name}: {dict(frame['outcome'].value_counts())}; measured of detected colour faces {share:.4f}")
        print(f"  called {dict(frame['measured_tone'].value_counts())}")
    curves = separation(
        tones["fairface"], pd.read_csv(data / "data/fairface_val/labels.csv", dtype=str)[["image", "race"]]
    )
    print(curves.groupby("measure")["area"].first())
    congress = tones["congress"]
    two = pairs(congress, genuine)
    for name in ("measured_ita", "ita"):
        one, other = congress[name].to_numpy()[two].T
        print(f"  mean of 2015 and 2024: {one.mean():.1f} and {other.mean():.1f}")
        flipped = ((one <= CUT) != (other <= CUT)).mean()
        r, rank = np.corrcoef(one, other)[0, 1], spearmanr(one, other).statistic
        print(
            f"two photographs, {name}: {len(two)} people, r {r:.3f}, rank {rank:.3f}, flips at {CUT:g}: {flipped:.3f}"
        )
    found = reliability(congress, two)
    print("doubt found in the folds:", sorted(set(zip(found["floor"], found["share"].round(1), strict=True))))
    for name, group in found.groupby("prior"):
        share, flipped, both = flips(group, SURE)
        brier = ((group["predicted"] - group["came"]) ** 2).mean()
        print(f"prior {name}: called {share:.3f}, flips {flipped:.3f} of {both} pairs called twice, Brier {brier:.4f}")
    faces = drawn()
    print(drawn_summary(faces))
    if asked.charts:
        from tone_charts import write_charts

        write_charts(asked.charts, curves, congress, two, found, faces, flips)


if __name__ == "__main__":
    main()
