"""Results of real models on illustrated people, by Monk tone, and the speed of illustration.

    FACEGAP_TEST_DATA=... python benchmarks/drawn_study.py [--people 1000] [--sheet docs/drawn_people.jpg]

yunet: proportion of illustrations with exactly one face, and distance of its five points from the true ones relative to
the inter-ocular distance. face_reid_0095, which was not trained on illustrations: equal error rate over all pairs.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facegap.demo.illustrated.portraits import draw, draw_person, draw_photograph
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.weights import read_weights
from facegap.runtime import open_session
from facegap.statistics.curves import equal_error_rate
from facegap.vision import detect, embed

PHOTOGRAPHS = 4
SHEET_SIZE, SHEET_COLUMNS = (264, 330), 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=29)
    parser.add_argument("--sheet", type=Path, help="only draw the contact sheet of the docs")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.sheet is not None:
        cv2.imwrite(str(arguments.sheet), contact_sheet(), [cv2.IMWRITE_JPEG_QUALITY, 90])
        return
    speed()
    study(arguments.people, arguments.seed)


def contact_sheet() -> Any:
    """Twenty people, two of every Monk tone, without selection."""
    rng = np.random.default_rng(41)
    tiles = []
    for k in range(20):
        person = draw_person(rng, gender=("female", "male")[(k + k // 10) % 2], monk=1 + k % 10)
        tiles.append(draw(person, draw_photograph(rng), size=SHEET_SIZE).pixels)
    return np.vstack([np.hstack(tiles[k : k + SHEET_COLUMNS]) for k in range(0, 20, SHEET_COLUMNS)])


def speed() -> None:
    """Illustrations per second on one core, best of five rounds of 200, without other work."""
    rng = np.random.default_rng(0)
    pairs = [(draw_person(rng), draw_photograph(rng)) for _ in range(200)]
    rates = []
    for _ in range(5):
        started = time.process_time()
        for pair in pairs:
            draw(*pair)
        rates.append(len(pairs) / (time.process_time() - started))
    print(f"drawing: {max(rates):.0f} faces/s on one core (rounds: {', '.join(f'{rate:.0f}' for rate in rates)})")


def study(people: int, seed: int) -> None:
    """Illustrate, detect, embed, and print one line per tone."""
    models = Path(os.environ["FACEGAP_TEST_DATA"]) / "models"
    detector = detect.detector(*ready("yunet", "detect", models))
    embedder = embed.embedder(*ready("face_reid_0095", "embed", models), 8)
    rng = np.random.default_rng(seed)
    found: list[list[bool]] = [[] for _ in range(11)]
    off: list[list[Any]] = [[] for _ in range(11)]
    templates, who = [], []
    for number in range(people):
        person = draw_person(rng, monk=1 + number % 10)
        for _ in range(PHOTOGRAPHS):
            drawing = draw(person, draw_photograph(rng))
            faces = detect.detect(detector, drawing.pixels)
            found[person.monk].append(len(faces) == 1)
            if not len(faces):
                continue
            iod = np.linalg.norm(drawing.points[1] - drawing.points[0])
            off[person.monk].append(np.linalg.norm(faces.points[0] - drawing.points, axis=1) / iod)
            crop = embed.face_crop(embedder, drawing.pixels, faces.points[0])
            assert crop is not None
            templates.append(embed.embed(embedder, [crop])[0])
            who.append(number)
    for monk in range(1, 11):
        share, median = f"{sum(found[monk])}/{len(found[monk])}", np.median(off[monk])
        print(f"monk {monk:2d}: one face in {share}, points off by {median:.4f} iod (median)")
    every = np.concatenate([np.array(one) for one in off[1:]])
    print(
        f"all: one face in {sum(map(sum, found))}/{sum(map(len, found))}; median {np.median(every):.4f} iod, "
        f"by point {np.median(every, axis=0).round(4).tolist()}, 95th percentile {np.quantile(every, 0.95):.4f}"
    )
    same, other = pair_scores(np.array(templates), np.array(who))
    equal = equal_error_rate(same, other).value
    print(
        f"face_reid_0095: EER {equal:.4f}; genuine {same.mean():.3f}, impostor {other.mean():.3f}; "
        f"{len(same)} genuine pairs of {people} people"
    )


def ready(name: str, task: Any, models: Path) -> tuple[Any, Any]:
    """A card and its session."""
    card, _ = resolve_card(name, task)
    return card, open_session(read_weights(card, [models]), name=name)


def pair_scores(templates: Any, who: Any) -> tuple[Any, Any]:
    """Scores of all genuine and all impostor pairs."""
    same, other = [], []
    for k in range(len(who) - 1):
        scores = templates[k + 1 :] @ templates[k]
        mate = who[k + 1 :] == who[k]
        same.append(scores[mate])
        other.append(scores[~mate])
    return np.concatenate(same).astype(np.float64), np.concatenate(other).astype(np.float64)


if __name__ == "__main__":
    main()
