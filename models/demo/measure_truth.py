"""What the demo's models do on 20,000 drawings that nothing was trained or tuned on; writes truth.json beside this file.

    python models/demo/measure_truth.py

The people are drawn as `facegap demo` draws them, under a seed of their own, go through the same files, detector and
crops, and are counted as an audit counts them. About ten minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from facegap.demo.run import VERSIONS, card, person_of, pictures_of, tone_of
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.weights import read_weights
from facegap.inputs.images.decode import decode
from facegap.runtime import open_session
from facegap.vision import classify, detect, embed

SEED, PEOPLE, PHOTOGRAPHS = 1_000_003, 5000, 4
CELLS = ("darker female", "darker male", "lighter female", "lighter male")


@lru_cache(maxsize=1)
def models() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Detector, classifiers and embedders of this process, ready to run."""

    def ready(name: str, task: Any) -> tuple[Any, Any]:
        found, path = resolve_card(card(name), task)
        return found, open_session(read_weights(found, [], path), name=found.name)

    return (
        detect.detector(*ready("detector", "detect")),
        {version: classify.classifier(*ready(f"gender_{version}", "classify"), 8) for version in VERSIONS},
        {version: embed.embedder(*ready(f"embedder_{version}", "embed"), 8) for version in VERSIONS},
    )


def looked_at(number: int) -> tuple[str, str, int, list[dict[str, Any]]]:
    """Gender, tone and monk of a person, and what every model made of each picture; an empty answer where no face was found."""
    import cv2

    cv2.setNumThreads(1)
    detector, classifiers, embedders = models()
    person, _ = person_of(SEED, number)
    answers = []
    for _, data in pictures_of(SEED, number, PHOTOGRAPHS):
        pixels = decode(data).pixels
        faces = detect.detect(detector, pixels)
        best = detect.choose(faces, "largest", (pixels.shape[1], pixels.shape[0])) if len(faces) else None
        if best is None:
            answers.append({})
            continue
        found: dict[str, Any] = {}
        for version in VERSIONS:
            crop = classify.face_crop(classifiers[version], pixels, faces.boxes[best])
            face = embed.face_crop(embedders[version], pixels, faces.points[best])
            found[version] = (
                classify.classify(classifiers[version], [crop]).prediction[0],
                None if face is None else embed.embed(embedders[version], [face])[0],
            )
        answers.append(found)
    return person.gender, tone_of(person), person.monk, answers


def counted(
    people: Iterable[tuple[str, str, int, list[dict[str, Any]]]], version: str, threshold: float
) -> dict[str, Any]:
    """Errors and trials of one version in every cell: gender, false matches, false refusals."""
    people = list(people)
    result: dict[str, Any] = {"threshold": threshold, "error_rate_all": {}, "fmr": {}, "fnmr": {}}
    for cell in CELLS:
        inside = [one for one in people if f"{one[1]} {one[0]}" == cell]
        called = [
            (gender, answer.get(version, ("", None))[0]) for gender, _, _, answers in inside for answer in answers
        ]
        result["error_rate_all"][cell] = {"errors": sum(a != b for a, b in called), "trials": len(called)}
        result["fmr"][cell], result["fnmr"][cell] = pair_errors(inside, version, threshold)
    return result


def pair_errors(people: list[Any], version: str, threshold: float) -> tuple[dict[str, int], dict[str, int]]:
    """False matches among pairs of two people, and false refusals among pairs of one."""
    kept = [
        (k, answer[version][1])
        for k, (_, _, _, answers) in enumerate(people)
        for answer in answers
        if version in answer and answer[version][1] is not None
    ]
    who, templates = np.array([k for k, _ in kept]), np.stack([template for _, template in kept])
    false_matches = impostors = refused = genuine = 0
    for start in range(0, len(who), 500):
        rows = slice(start, start + 500)
        accepted = templates[rows].astype(np.float64) @ templates.T.astype(np.float64) >= threshold
        same = who[rows, None] == who[None]
        later = np.arange(len(who))[None] > np.arange(len(who))[rows, None]
        false_matches += int((accepted & ~same & later).sum())
        impostors += int((~same & later).sum())
        refused += int((~accepted & same & later).sum())
        genuine += int((same & later).sum())
    return {"errors": false_matches, "trials": impostors}, {"errors": refused, "trials": genuine}


def found_by_monk(people: list[Any]) -> dict[str, dict[str, int]]:
    """How many pictures of each tone had a face that the demo's detector found."""
    result = {}
    for monk in range(1, 11):
        answers = [answer for _, _, m, four in people if m == monk for answer in four]
        result[str(monk)] = {"found": sum(bool(answer) for answer in answers), "drawings": len(answers)}
    return result


def main() -> None:
    """Draw, look, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=PEOPLE, help="fewer for a first look")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "truth.json")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(2) as processes:
        people = list(processes.map(looked_at, range(arguments.people), chunksize=25))
    truth = {
        "command": "python models/demo/measure_truth.py",
        "seed": SEED,
        "people": len(people),
        "drawings": len(people) * PHOTOGRAPHS,
        "detector_by_monk": found_by_monk(people),
        "models": {name: str(resolve_card(card(name), task)[0].sha256) for name, task in named_models()},
        "versions": {},
    }
    for version in VERSIONS:
        threshold = resolve_card(card(f"embedder_{version}"), "embed")[0].published_threshold
        assert threshold is not None
        truth["versions"][version] = counted(people, version, threshold)
    arguments.out.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    for version in VERSIONS:
        for metric in ("error_rate_all", "fmr", "fnmr"):
            rates = {
                cell: round(one["errors"] / one["trials"], 4)
                for cell, one in truth["versions"][version][metric].items()
            }
            print(version, metric, rates)
    print("found", {monk: f"{one['found']}/{one['drawings']}" for monk, one in truth["detector_by_monk"].items()})


def named_models() -> list[tuple[str, Any]]:
    """Every model of the demo and its task."""
    return [
        ("detector", "detect"),
        *((f"gender_{version}", "classify") for version in VERSIONS),
        *((f"embedder_{version}", "embed") for version in VERSIONS),
    ]


if __name__ == "__main__":
    main()
