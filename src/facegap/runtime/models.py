"""The door for a model file that somebody else made: checked, and then run in a separate process unless that is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from facegap import runtime
from facegap.runtime.isolation.session import IsolatedSession
from facegap.runtime.model_files import require_sound
from facegap.types import AnyArray, Device, Isolation, Unmade

NOT_ISOLATED = Isolation(isolated=False)


def open_model(
    content: bytes,
    *,
    name: str,
    file: str = "",
    device: Device = "cpu",
    timeout_s: float | None,
    at_once: int = 1,
    batch: int = 1,
) -> Any:
    """A model that is ready to run; it answers what is asked of an onnxruntime session.

    Parameters
    ----------
    content : bytes
        The .onnx file, already checked against its card.
    name, file : str
        What errors call the model, and its file.
    device : Device
        Where it runs; never anywhere else.
    timeout_s : float or None
        How long one batch, and the opening, may take; None runs the model in this process, without restrictions.
    at_once, batch : int
        How many threads will call it, and pictures in each call.

    Raises
    ------
    DeviceError, ModelError
        See `facegap.runtime.open_session`.
    ModelStoppedError
        The process of the model crashed, or took longer or more memory than it may.

    Notes
    -----
    Stop an isolated model with `stop_model` as soon as it is not needed; it is stopped at the latest when nothing refers to it.
    """
    session = begin_model(
        content, name=name, file=file, device=device, timeout_s=timeout_s, at_once=at_once, batch=batch
    )
    finish_models([session])
    return session


def begin_model(
    content: bytes,
    *,
    name: str,
    file: str = "",
    device: Device = "cpu",
    timeout_s: float | None,
    at_once: int = 1,
    batch: int = 1,
) -> Any:
    """As `open_model`, without waiting: several models are loaded at the same time before `finish_models` waits for all."""
    if timeout_s is None:
        return runtime.open_session(content, name=name, device=device, threads=1)
    require_sound(content, name)
    runtime.require_one_onnxruntime()
    return IsolatedSession(
        content, name=name, file=file or name, timeout_s=timeout_s, device=device, lanes=at_once, batch=batch
    )


def finish_models(sessions: Iterable[Any]) -> None:
    """Wait until models that were begun can be run; raises as `open_model`, and then the others have to be stopped."""
    apart = [session for session in sessions if isinstance(session, IsolatedSession)]
    for session in apart:
        session.take_up()
    for session in apart:
        session.opened()


def fed(session: Any, tensor: AnyArray | Unmade) -> AnyArray | Unmade:
    """A tensor as a session takes it: unmade where it is made in the memory that the process of the model reads."""
    return tensor.made() if isinstance(tensor, Unmade) and not isinstance(session, IsolatedSession) else tensor


def run_each(
    session: Any, names: Sequence[str] | None, feeds: Sequence[Mapping[str, AnyArray | Unmade]], *, name: str
) -> list[list[AnyArray]]:
    """Outputs `names` (all where None) of several batches, one after the other; what is unmade is made when its turn comes.

    Raises
    ------
    ModelError : the graph refuses an input, or fails inside
    """
    if isinstance(session, IsolatedSession):
        return session.run_each(names, feeds)
    return [
        runtime.run_session(session, names, {key: fed(session, value) for key, value in feed.items()}, name=name)
        for feed in feeds
    ]


def stop_model(session: Any) -> None:
    """End the process of a model, if it has one; batches under way end in ModelStoppedError."""
    if isinstance(session, IsolatedSession):
        session.stop()


def isolation_of(session: Any) -> Isolation:
    """How a model is kept apart from this process."""
    return session.isolation if isinstance(session, IsolatedSession) else NOT_ISOLATED
