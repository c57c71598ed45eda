"""Speed and memory of the audit's pipeline compared with a simple loop, and the start time of the command.

    FACEGAP_TEST_DATA=... python benchmarks/bench_pipeline.py                # the table
    FACEGAP_TEST_DATA=... python -m pytest benchmarks/bench_pipeline.py      # the same, with limits

Both sides decode, detect, align, embed and classify the same portraits with the same models, and must find the same
faces, templates and classes. Each run has a separate process, facegap and the loop take turns, and the ratio is computed
within each turn, so that a busy machine slows down both sides. Loading of models is not timed on either side;
facegap's time includes writing its results to the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, TURNS = 300, 5
MEMORY_IMAGES = (150, 300, 879)
LEAST_RATIO, MOST_GROWTH_MIB, MOST_HELP_S = 1.5, 64, 0.4  # 729 portraits as pixels would take 135 MiB
ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def portraits(data: Path, count: int) -> list[Path]:
    """The first portraits of the congress set."""
    return sorted((data / "data" / "congress" / "2015").glob("*.jpg"))[:count]


# ---- the loop ----


class OneThread:
    """A session of one thread that adds up the processor time of its runs."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session, self.spent = onnxruntime.InferenceSession(path, options), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, *given: Any) -> Any:
        """As the session's."""
        started = time.thread_time()
        try:
            return self.session.run(*given)
        finally:
            self.spent += time.thread_time() - started


def plain_loop(data: Path, images: Sequence[Path], embedder: str, *, one_thread: bool = False) -> dict[str, Any]:
    """One image after another through three sessions with default settings, or with one thread each.

    With one thread the models' own processor time is told as well, which no number of workers can fall below.
    """
    import cv2
    import onnxruntime

    open_one = OneThread if one_thread else onnxruntime.InferenceSession
    sessions = [
        open_one(str(data / "models" / f"{name}.onnx")) for name in ("yunet_2023mar", embedder, "faceapi_age_gender")
    ]
    plain_image(cv2, sessions, images[0], embedder)
    before = sum(session.spent for session in sessions) if one_thread else 0.0
    started = time.perf_counter()
    found = [plain_image(cv2, sessions, path, embedder) for path in images]
    return {
        "seconds": time.perf_counter() - started,
        "models_s": sum(session.spent for session in sessions) - before if one_thread else None,
        "templates": np.stack([template for template, _ in found]),
        "female": sum(female for _, female in found),
    }


def plain_image(cv2: Any, sessions: Sequence[Any], path: Path, embedder: str) -> tuple[Any, bool]:
    """Template and class of the largest face of one image."""
    detector, embeds, classifies = sessions
    image = cv2.imread(str(path))
    box, points = largest_face(cv2, detector, image)
    side = 128 if embedder == "face_reid_0095" else 112
    template = REID_0095 if embedder == "face_reid_0095" else ARCFACE
    face = cv2.warpAffine(image, similarity(points, np.array(template)), (side, side))
    if embedder != "face_reid_0095":
        face = face[..., ::-1]
    vector = run(embeds, face.transpose(2, 0, 1)[None].astype(np.float32))[0][0]
    longer = max(box[2] - box[0], box[3] - box[1]) * 1.1
    left, top, width = (round(float(v)) for v in (*((box[:2] + box[2:]) / 2 - longer / 2), longer))
    padded = cv2.copyMakeBorder(image, width, width, width, width, cv2.BORDER_CONSTANT)
    square = padded[top + width : top + 2 * width, left + width : left + 2 * width]
    crop = cv2.resize(square, (112, 112))[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    _, gender = run(classifies, crop)
    return vector / np.linalg.norm(vector), bool(gender[0, 1] > gender[0, 0])


REID_0095 = (
    (40.39280, 59.08149),
    (87.37573, 59.08149),
    (64.0336, 81.98468),
    (44.7324, 105.56057),
    (83.6398, 105.56057),
)


def run(session: Any, tensor: Any) -> list[Any]:
    """All outputs of a session with one input."""
    outputs: list[Any] = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(tensor)})
    return outputs


def largest_face(cv2: Any, detector: Any, image: Any) -> tuple[Any, Any]:
    """Box and five points of the largest face that YuNet finds with score 0.6 or more, in pixels of the image."""
    height, width = image.shape[:2]
    scale = min(640 / height, 640 / width, 1.5)
    small = cv2.resize(image, (round(width * scale), round(height * scale)))
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    outputs = run(detector, canvas.transpose(2, 0, 1)[None].astype(np.float32))
    heads = {entry.name: value[0] for entry, value in zip(detector.get_outputs(), outputs, strict=True)}
    boxes, points, scores = [], [], []
    for stride in (8, 16, 32):
        cells = np.stack(np.meshgrid(np.arange(640 // stride), np.arange(640 // stride)), -1).reshape(-1, 2)
        centre = (cells + heads[f"bbox_{stride}"][:, :2]) * stride
        half = np.exp(heads[f"bbox_{stride}"][:, 2:]) * stride / 2
        boxes.append(np.hstack([centre - half, centre + half]))
        points.append((heads[f"kps_{stride}"].reshape(-1, 5, 2) + cells[:, None]) * stride)
        scores.append(np.sqrt(heads[f"cls_{stride}"] * heads[f"obj_{stride}"])[:, 0])
    box, point, score = np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
    likely = score > 0.6
    box, point, score = box[likely], point[likely], score[likely]
    sizes = np.hstack([box[:, :2], box[:, 2:] - box[:, :2]])
    kept = np.array(cv2.dnn.NMSBoxes(sizes.tolist(), score.tolist(), 0.6, 0.3)).reshape(-1)
    best = kept[np.argmax(sizes[kept, 2] * sizes[kept, 3])]
    back = np.array([width / small.shape[1], height / small.shape[0]])  # sides were rounded to whole pixels
    return box[best] * np.tile(back, 2), point[best] * back


def similarity(points: Any, template: Any) -> Any:
    """Least-squares similarity of five points."""
    z, w = points @ np.array([1, 1j]), template @ np.array([1, 1j])
    turn = np.vdot(z - z.mean(), w - w.mean()) / np.vdot(z - z.mean(), z - z.mean()).real
    shift = w.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


# ---- facegap ----


def facegap_pipeline(data: Path, images: Sequence[Path], embedder: str, workers: int | None) -> dict[str, Any]:
    """The same images through the audit's own pipeline, results committed to a folder."""
    from facegap.audit.models import load_models
    from facegap.audit.run import process
    from facegap.audit.settings import settings_from
    from facegap.inputs.manifests.read import read_manifest
    from facegap.store import run as store

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = ["image", *(str(path) for path in images)]
        (folder / "people.csv").write_text("\n".join(lines) + "\n")
        table = read_manifest(folder / "people.csv", allow_outside=True)
        settings = settings_from(
            {
                "classify": "faceapi_age_gender",
                "embed": embedder,
                "models_dir": (data / "models",),
                "workers": workers,
                "colour": "as-stored",  # as cv2.imread reads them on the other side
            }
        )
        loaded = load_models(settings)
        started = time.perf_counter()
        process(folder, table, loaded, settings)
        seconds = time.perf_counter() - started
        loaded.close()
        rows = store.read_part_rows(folder, len(store.committed_parts(folder, embedded=True)))
        parts = sorted((folder / store.PARTS).glob("*.npy"))
        templates = np.concatenate([np.load(part) for part in parts])
    return {"seconds": seconds, "templates": templates, "female": int((rows["prediction"] == "female").sum())}


# ---- turns ----


def in_own_process(side: str, data: Path, count: int, embedder: str, workers: int | None = None) -> dict[str, Any]:
    """One run of one side: seconds, peak memory, and the path of its templates."""
    command = [
        sys.executable,
        __file__,
        "--side",
        side,
        "--images",
        str(count),
        "--embed",
        embedder,
        "--data",
        str(data),
    ]
    command += ["--workers", str(workers)] if workers else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def one_side(arguments: argparse.Namespace) -> None:
    """Run one side in a separate process and print its result."""
    images = portraits(arguments.data, arguments.images)
    if arguments.side in ("plain", "models"):
        found = plain_loop(arguments.data, images, arguments.embed, one_thread=arguments.side == "models")
    else:
        found = facegap_pipeline(arguments.data, images, arguments.embed, arguments.workers)
    templates = found.pop("templates")
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["faces"] = len(templates)
    found["check"] = templates[:: max(1, len(templates) // 8)].astype(float).round(5).tolist()
    print(json.dumps(found))


def turns(data: Path, embedder: str, *, images: int = IMAGES, count: int = TURNS) -> dict[str, Any]:
    """Images per second of both sides, and their ratio per turn.

    limit : the ratio that a pipeline would reach which keeps all cores in the models and does nothing else
    """
    from facegap.runtime import usable_cores

    pairs = []
    for turn in range(count):
        order = ("plain", "facegap", "models")[:: 1 if turn % 2 else -1]  # none always runs last
        found = {side: in_own_process(side, data, images, embedder) for side in order}
        agree(found["plain"], found["facegap"], images)
        pairs.append(found)
    ratios = [pair["plain"]["seconds"] / pair["facegap"]["seconds"] for pair in pairs]
    cores = usable_cores()
    limits = [pair["plain"]["seconds"] * cores / pair["models"]["models_s"] for pair in pairs]
    return {
        "limit": statistics.median(limits),
        **{side: statistics.median(images / pair[side]["seconds"] for pair in pairs) for side in ("plain", "facegap")},
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def agree(plain: dict[str, Any], own: dict[str, Any], images: int) -> None:
    """Raise unless both sides have the same results."""
    assert plain["faces"] == own["faces"] == images
    cosines = (np.array(plain["check"]) * np.array(own["check"])).sum(axis=1)
    assert cosines.min() > 0.999, cosines
    assert abs(plain["female"] - own["female"]) <= images // 100


def growth(data: Path) -> dict[int, float]:
    """Peak memory in MiB of facegap's side by number of images; the first one includes all libraries."""
    return {count: in_own_process("facegap", data, count, "mobileface_v2")["peak_mib"] for count in MEMORY_IMAGES}


HELP = "import sys; from facegap.cli import main; sys.argv = ['facegap', '--help']; main()"  # what the installed script does


def help_seconds(count: int = 9) -> dict[str, float]:
    """Median processor and wall seconds of `facegap --help`, including the start of Python."""
    spent, walls = [], []
    for _ in range(count):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", HELP], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - started)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"processor_s": statistics.median(spent), "wall_s": statistics.median(walls)}


def folder_of_data() -> Path:
    """The folder with the real models and portraits."""
    named = os.environ.get("FACEGAP_TEST_DATA")
    if not named:
        raise SystemExit("FACEGAP_TEST_DATA names no folder with the real models and portraits")
    return Path(named)


# ---- limits ----


def test_the_pipeline_is_faster_than_the_loop() -> None:
    found = turns(folder_of_data(), "mobileface_v2", count=3)
    assert found["ratio"] >= LEAST_RATIO, found


def test_memory_does_not_grow_with_the_number_of_images() -> None:
    peaks = growth(folder_of_data())
    assert peaks[MEMORY_IMAGES[-1]] - peaks[MEMORY_IMAGES[0]] < MOST_GROWTH_MIB, peaks


def test_help_answers_at_once() -> None:
    assert help_seconds()["processor_s"] < MOST_HELP_S


def main() -> None:
    """Print the table, or run one side of a turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=("plain", "facegap", "models"))
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--embed", default="mobileface_v2")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.side:
        one_side(arguments)
        return
    data = arguments.data or folder_of_data()
    print(
        "| embedder | plain loop, images/s | facegap, images/s | ratio (median of turns) | ratios | limit |\n"
        "|---|---|---|---|---|---|"
    )
    for embedder in ("mobileface_v2", "face_reid_0095"):
        found = turns(data, embedder, images=arguments.images, count=arguments.turns)
        each = ", ".join(f"{ratio:.2f}" for ratio in found["ratios"])
        print(
            f"| {embedder} | {found['plain']:.1f} | {found['facegap']:.1f} | {found['ratio']:.2f} | {each} | "
            f"{found['limit']:.2f} |",
            flush=True,
        )
    print("\npeak memory: " + ", ".join(f"{mib:.0f} MiB at {count} images" for count, mib in growth(data).items()))
    spent = help_seconds()
    print(f"facegap --help: {spent['processor_s']:.2f} s of processor time, {spent['wall_s']:.2f} s of wall time")


if __name__ == "__main__":
    main()
