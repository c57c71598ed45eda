"""Settings of models and of the device they run on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from facegap.audit.settings.setting import MACHINES, MODELS, setting, settle
from facegap.audit.settings.values import file_name, one_or_many, path, scheduler_place
from facegap.errors import SettingError


def model_name(value: Any) -> Any:
    """Name of a model: a path without its folders, or the recorded properties of a function."""
    return value.recorded() if isinstance(value, CallableModel) else file_name(value)


@dataclass(frozen=True)
class CallableModel:
    """A Python function in place of a model file: images in, embeddings or class probabilities out.

    The function receives uint8 (n, height, width, 3), RGB, and returns one row per image: an embedding, or a probability per
    class. It is called by one thread at a time. A run.json names the function, but the run cannot be reproduced from it.

    Parameters
    ----------
    function : callable
        The model.
    task : {"embed", "classify"}
        What the rows contain.
    size : (int, int)
        Width and height of the crops in pixels.
    classes : sequence of str
        Of a classifier: the gender labels of its columns, in order, such as ``("male", "female")``.
    template : {"arcface"}
        Of an embedder: the positions of the five points in an aligned face. `arcface` is the 112 x 112 pixel template of
        ArcFace, scaled to `size`.
    name : str, optional
        Name of the model in the tables; by default the name of the function.

    Examples
    --------
    >>> def mean_colour(faces):
    ...     return faces.mean(axis=(1, 2))
    >>> CallableModel(mean_colour, "embed", (112, 112)).name
    'mean_colour'
    """

    function: Callable[[Any], Any]
    task: Literal["embed", "classify"]
    size: tuple[int, int]
    classes: tuple[str, ...] = ()
    template: Literal["arcface"] = "arcface"
    name: str = ""

    def __post_init__(self) -> None:
        """Check what can be checked without an image."""
        if not callable(self.function):
            raise SettingError(
                f"CallableModel: {self.function!r} is not callable; give a function of a batch of images"
            )
        width, height = self.size
        if self.task not in ("embed", "classify") or self.template != "arcface" or min(width, height) < 1:
            raise SettingError(
                f"CallableModel: task {self.task!r}, size {width} x {height}, template {self.template!r}; the task is embed "
                "or classify, the size at least 1 x 1 pixels, the template arcface"
            )
        classes = tuple(self.classes)
        if self.task == "classify" and (len(classes) < 2 or len(set(classes)) < len(classes)):
            raise SettingError("CallableModel: a classifier needs at least two different classes: classes=(...)")
        object.__setattr__(self, "size", (int(width), int(height)))
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", type(self.function).__name__))

    def recorded(self) -> dict[str, Any]:
        """The properties recorded in run.json."""
        kind = type(self.function)
        module = getattr(self.function, "__module__", None) or kind.__module__
        known = {"function": f"{module}.{getattr(self.function, '__qualname__', kind.__qualname__)}"}
        placed = {"template": self.template} if self.task == "embed" else {"classes": list(self.classes)}
        return {"name": self.name, **known, "task": self.task, "size": list(self.size), **placed}


@dataclass(frozen=True)
class Models:
    """Where models are found, how they run, and whether only the detector is audited."""

    models_dir: tuple[Path, ...] = setting(
        (),
        help="Folder with .onnx files; repeatable. FACEGAP_MODELS adds more folders",
        read=one_or_many(path),
        recorded=False,
    )
    device: Literal["cpu", "cuda", "openvino", "tensorrt", "coreml", "directml", "webgpu"] = setting(
        "cpu", help="Device for inference. Fails if unavailable; never falls back", heading=MODELS
    )
    batch: int = setting(
        8, help="Faces per model call, where the graph allows it", heading=MODELS, minimum=1, maximum=1024
    )
    workers: int | None = setting(
        None,
        help="Number of parts of the manifest to process in parallel",
        heading=MODELS,
        minimum=1,
        maximum=256,
        without="processors",
        recorded=False,
    )
    model_timeout: float = setting(
        120.0,
        help="Time limit in seconds for one batch; increase it for slow machines and large batches",
        heading=MODELS,
        minimum=1,
        maximum=86_400,
        free_on_resume=True,
    )
    no_isolation: bool = setting(
        False,
        help="Run models in this process, without limits on time, memory and files; only for model files that you trust",
        heading=MODELS,
    )
    detect_only: bool = setting(False, help="Audit the detector only, without --classify and --embed", heading=MODELS)
    flip: bool = setting(
        False,
        help="Add the embedding of the mirrored face to that of the face, as in InsightFace's flip test",
        heading=MODELS,
    )

    scheduler: str | None = setting(
        None,
        help="Run on a dask.distributed cluster: local:N for N processes here, the address of a scheduler, or a scheduler file",
        heading=MACHINES,
        read=scheduler_place,
        recorded=False,
        without="in this process",
    )
    ship_images: bool = setting(
        False,
        help="--scheduler: send images to workers that do not see their folder; templates are then compared here",
        heading=MACHINES,
        recorded=False,
    )
    mixed_workers: bool = setting(
        False,
        help="--scheduler: accept workers of several processors or versions; the run says so",
        heading=MACHINES,
        recorded=False,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
        if self.scheduler is None and (self.ship_images or self.mixed_workers):
            raise SettingError("--ship-images and --mixed-workers need --scheduler; give one, or omit them")

    @property
    def timeout_s(self) -> float | None:
        """The deadline of a batch in a separate process; None where models run in this process."""
        return None if self.no_isolation else self.model_timeout
