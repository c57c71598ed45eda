"""Train the demo's models on drawn people and write them, with their cards, beside this file.

    python models/demo/train.py --work FOLDER

Needs PyTorch (2.13 was used; nothing else in the project does) and facegap. Everything is seeded; one machine with one
version of PyTorch gives the same files again. The drawings are kept in FOLDER, so that a second run only trains.

Five networks: a detector of drawn faces; an embedder and a classifier of gender, each twice. `balanced` and `skewed`
differ in nothing but who they were trained on. Both learn from as many people; the skewed ones are mostly lighter and
male (PEOPLE in pictures.py). No rule in any graph knows of tone or gender: what gap there is comes from the pictures.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import torch
from cards import write_models
from numpy.typing import NDArray
from pictures import CANVAS, CROP_SIDE, HELD_OUT, PEOPLE, PHOTOGRAPHS, SEED, Pictures, drawn_pictures, even_pictures
from torch import nn
from torch.nn import functional

DIMENSION = 64
TARGET_FMR = 1e-2  # of the threshold that each embedder's card publishes
EPOCHS = {"detector": 14, "classifier": 20, "embedder": 18}
BATCH = 96
MARGIN, SHARPNESS = 0.25, 24.0  # of the embedder's loss, CosFace (Wang et al. 2018)
Indices = NDArray[np.int64]


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the drawings")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where models and cards go")
    work, out = (value.resolve() for value in (parser.parse_args().work, parser.parse_args().out))
    work.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(2)
    started = time.perf_counter()
    people, canvases = drawn_pictures(work, workers=min(2, os.cpu_count() or 1))
    print(f"{people.faces.shape[0]} people, {len(canvases[0])} canvases: {time.perf_counter() - started:.0f} s")
    files = {"demo_detector": networks.detector_as_onnx(trained_detector(*canvases), CANVAS)}
    thresholds, classifiers = {}, {}
    for version in PEOPLE:
        learning, held_out = people_of(people, version)
        classifiers[version] = trained_classifier(people, learning)
        files[f"demo_embedder_{version}"], thresholds[version] = trained_embedder(people, learning, held_out)
    lean = even_lean(classifiers["balanced"], *even_pictures(work, workers=min(2, os.cpu_count() or 1)))
    print(f"added to the logit of female in both versions: {lean}")
    for version, network in classifiers.items():
        files[f"demo_gender_{version}"] = classifier_file(network, lean)
    write_models(out, files, thresholds)
    print(f"in all {time.perf_counter() - started:.0f} s")


def people_of(people: Pictures, version: str) -> tuple[Indices, Indices]:
    """Indices of the people a version learns from, and of HELD_OUT others of the same mix."""
    learning, held_out = [], []
    for (gender, tone), count in PEOPLE[version].items():
        cell = np.flatnonzero(people.cell == f"{gender} {tone}")
        more = round(count * HELD_OUT / sum(PEOPLE[version].values()))
        learning.append(cell[:count])
        held_out.append(cell[count : count + more])
    return np.concatenate(learning), np.concatenate(held_out)


def tensor_of(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (n, h, w, 3), blue, green, red, as the graphs take them: (n, 3, h, w), red, green, blue."""
    rgb = np.ascontiguousarray(pictures[..., ::-1].transpose(0, 3, 1, 2))
    return (torch.from_numpy(rgb).float() - networks.MEAN) * networks.SCALE


def varied(batch: torch.Tensor, generator: torch.Generator, *, flip: bool) -> torch.Tensor:
    """A batch a little brighter or darker, a pixel or two beside itself, half of it mirrored where `flip`."""
    count = len(batch)
    gain = 1 + 0.12 * torch.randn(count, 1, 1, 1, generator=generator)
    shade = 0.08 * torch.randn(count, 1, 1, 1, generator=generator)
    dx, dy = (int(torch.randint(-2, 3, (1,), generator=generator)) for _ in range(2))
    batch = torch.roll(batch * gain + shade, (dy, dx), (2, 3))
    if flip:
        mirrored = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
        batch = torch.where(mirrored, batch.flip(3), batch)
    return batch


def hidden(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A batch with a grey square over a part of each face, so that no one trait is all that is learnt."""
    side = batch.shape[2]
    corner = torch.randint(-side // 4, side, (2, len(batch), 1), generator=generator)
    at = torch.arange(side)[None]
    rows, columns = ((at >= one) & (at < one + side // 3) for one in corner)
    return batch.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def fit(
    parameters: list[nn.Parameter],
    count: int,
    epochs: int,
    step: Callable[[Indices, torch.Generator], torch.Tensor],
    name: str,
) -> None:
    """AdamW over `epochs` passes; `step` gives the loss of the pictures at some indices."""
    generator = torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.02)
    batches = count // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * batches, pct_start=0.15)
    for epoch in range(epochs):
        started, losses = time.perf_counter(), []
        order = torch.randperm(count, generator=generator).numpy()
        for k in range(batches):
            optimiser.zero_grad()
            loss = step(order[k * BATCH : (k + 1) * BATCH], generator)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(
            f"{name} {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, {time.perf_counter() - started:.0f} s",
            flush=True,
        )


def trained_classifier(people: Pictures, learning: Indices) -> nn.Sequential:
    """The classifier of gender."""
    torch.manual_seed(SEED)
    network = networks.classifier()
    crops = people.crops[learning].reshape(-1, *people.crops.shape[2:])
    labels = torch.from_numpy(np.repeat(people.gender[learning], PHOTOGRAPHS))

    def step(rows: Indices, generator: torch.Generator) -> torch.Tensor:
        seen = hidden(varied(tensor_of(crops[rows]), generator, flip=True), generator)
        return functional.cross_entropy(network(seen), labels[rows])

    fit(list(network.parameters()), len(crops), EPOCHS["classifier"], step, "classifier")
    return network


def even_lean(network: nn.Sequential, crops: NDArray[np.uint8], gender: Indices) -> float:
    """What must be added to the logit of female so that women and men are mistaken equally often, in steps of .05.

    Beards make men the easier half, so that a plain loss errs on women more often even where both are equally many.
    crops (n, PHOTOGRAPHS, h, w, 3) of people who were not learnt from, gender int64 (n,). Both versions get the lean of the
    balanced one: whoever trains on a skewed mix thinks it balanced, too.
    """
    network.eval()
    with torch.no_grad():
        logits = np.concatenate([network(tensor_of(one)).numpy() for one in crops.reshape(-1, 100, *crops.shape[2:])])
    female = np.repeat(gender == 1, crops.shape[1])
    margin = logits[:, 1] - logits[:, 0]

    def unequal(lean: float) -> float:
        wrong = (margin + lean > 0) != female
        return abs(float(wrong[female].mean() - wrong[~female].mean()))

    return min((round(0.05 * k, 2) for k in range(-40, 41)), key=lambda lean: (unequal(lean), abs(lean)))


def classifier_file(network: nn.Sequential, lean: float) -> bytes:
    """The classifier as an ONNX file."""
    with torch.no_grad():
        network[-1].bias[1] += lean
    return networks.as_onnx(network, (CROP_SIDE, CROP_SIDE), "gender", 2)


def trained_embedder(people: Pictures, learning: Indices, held_out: Indices) -> tuple[bytes, float]:
    """The embedder as an ONNX file, and its threshold at TARGET_FMR among held-out people of its own mix."""
    torch.manual_seed(SEED)
    network = networks.embedder(DIMENSION)
    faces = people.faces[learning].reshape(-1, *people.faces.shape[2:])
    labels = torch.from_numpy(np.repeat(np.arange(len(learning)), PHOTOGRAPHS))
    centres = nn.Parameter(torch.randn(len(learning), DIMENSION))

    def step(rows: Indices, generator: torch.Generator) -> torch.Tensor:
        templates = functional.normalize(network(varied(tensor_of(faces[rows]), generator, flip=False)))
        cosines = templates @ functional.normalize(centres).T
        cosines = cosines - MARGIN * functional.one_hot(labels[rows], len(learning))
        return functional.cross_entropy(SHARPNESS * cosines, labels[rows])

    fit([*network.parameters(), centres], len(faces), EPOCHS["embedder"], step, "embedder")
    threshold = threshold_at(network, people.faces[held_out], TARGET_FMR)
    return networks.as_onnx(network, people.faces.shape[3:1:-1], "embedding", DIMENSION), threshold


def threshold_at(network: nn.Sequential, faces: NDArray[np.uint8], target: float) -> float:
    """The smallest score of two people that so few of their pairs reach; faces (n, PHOTOGRAPHS, h, w, 3)."""
    network.eval()
    with torch.no_grad():
        templates = functional.normalize(network(tensor_of(faces.reshape(-1, *faces.shape[2:])))).numpy()
    who = np.repeat(np.arange(len(faces)), PHOTOGRAPHS)
    left, right = np.triu_indices(len(who), 1)
    impostor = np.sort((templates @ templates.T)[left, right][who[left] != who[right]])
    return round(float(impostor[len(impostor) - int(target * len(impostor))]), 4)


def trained_detector(
    canvases: NDArray[np.uint8], boxes: NDArray[np.float64], points: NDArray[np.float64]
) -> nn.Sequential:
    """The detector: faces in the cell of their middle and the four beside it."""
    torch.manual_seed(SEED)
    network = networks.detector()
    columns, rows_ = CANVAS[0] // 16, CANVAS[1] // 16
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows_)), axis=-1)  # (rows, columns, 2)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 32
    cell = np.floor(np.nan_to_num(middle, nan=-9.0))
    away = np.abs(grid[None] - cell[:, None, None]).sum(axis=-1)
    face = torch.from_numpy((away <= 1).astype(np.float32))
    size = np.log((boxes[:, 2:] - boxes[:, :2]) / 16)
    offsets = middle[:, None, None] - grid[None]
    places = (points / 16)[:, None, None] - grid[None, :, :, None]
    wide = np.broadcast_to(size[:, None, None], offsets.shape)
    target = np.concatenate([offsets, wide, places.reshape(*offsets.shape[:3], 10)], axis=-1)
    aims = torch.from_numpy(np.nan_to_num(target).astype(np.float32)).permute(0, 3, 1, 2)

    def step(rows: Indices, generator: torch.Generator) -> torch.Tensor:
        out = network(shaded(tensor_of(canvases[rows]), generator))
        here = face[rows]
        found = sum(functional.binary_cross_entropy_with_logits(out[:, k], here) for k in (0, 1))
        off = functional.smooth_l1_loss(out[:, 2:], aims[rows], reduction="none", beta=0.05)
        return found + 4 * (off.mean(dim=1) * here).sum() / here.sum()

    fit(list(network.parameters()), len(canvases), EPOCHS["detector"], step, "detector")
    return network


def shaded(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A batch a little brighter or darker."""
    count = len(batch)
    return batch * (1 + 0.1 * torch.randn(count, 1, 1, 1, generator=generator)) + 0.05 * torch.randn(
        count, 1, 1, 1, generator=generator
    )


if __name__ == "__main__":
    main()
