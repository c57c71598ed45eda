"""Check whether the images of a run are still the files that its models processed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facegap.errors import RunError
from facegap.inputs.images.decode import Unreadable
from facegap.inputs.videos.read import read_file
from facegap.store.run import Run


@dataclass(frozen=True)
class Hashed:
    """Result of hashing the images of a run.

    same      : number of images that have their stated hash
    differing : one sentence per image that does not; rows are identified by number only
    unstated  : number of images without a stated hash, because no file was read when the run was made
    """

    same: int
    differing: tuple[str, ...]
    unstated: int


def hashed_again(run: Run, folder: Path, *, on_image: Callable[[], None] = lambda: None) -> Hashed:
    """Hash every image of a run and compare the hashes with faces.parquet.

    folder   : folder of the run's manifest; links below it are not followed, and nothing outside it is opened
    on_image : called after each image

    Raises
    ------
    RunError : If no image has a stated hash, or none of the images with a stated hash is in the folder.
    """
    manifest, faces = run.by_image
    stated = faces["sha256"].fillna("").astype(str).tolist()
    if not any(stated):
        raise RunError("no image was read in this run, so it contains no hashes of images")
    differing, missing = [], 0
    for row, (path, sha256) in enumerate(zip(manifest["path"], stated, strict=True)):
        on_image()
        if not sha256:
            continue
        file = read_file(str(path), root=folder)
        if isinstance(file, Unreadable):
            missing += 1
            differing.append(f"row {row}: the image cannot be read here: {file.detail}")
        elif file.sha256 != sha256:
            differing.append(f"row {row}: the image differs from the file on which the models were run")
    count = sum(map(bool, stated))
    if missing == count:
        raise RunError(
            f"{folder}: contains none of the {count} images of this run; give the folder of its manifest. A run with "
            f"--no-ids does not contain the names of its images, so they cannot be checked"
        )
    return Hashed(count - len(differing), tuple(differing), len(stated) - count)
