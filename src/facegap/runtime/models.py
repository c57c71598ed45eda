"""Open model files from third parties: they are checked, and run in a separate process unless this is disabled."""

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
    """An opened model with the interface of an onnxruntime session.

    Parameters
    ----------
    content : bytes
        The .onnx file, already checked against its card.
    name, file : str
        Names of the model and its file in error messages.
    device : Device
        The device on which it runs.
    timeout_s : float or None
        Time limit in seconds for one batch, and for opening; None runs the model in this process, without restrictions.
    at_once, batch : int
        Number of threads that will call it, and images in each call.

    Raises
    ------
    DeviceError, ModelError
        See `facegap.runtime.open_session`.
    ModelStoppedError
        If the process of the model crashed, or exceeded its time or memory limit.

    Notes
    -----
    Stop an isolated model with `stop_model` when it is no longer needed; otherwise it is stopped when it is garbage collected.
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
    """Like `open_model`, without waiting: several models are loaded in parallel before `finish_models` waits for all."""
    if timeout_s is None:
        return runtime.open_session(content, name=name, device=device, threads=1)
    require_sound(content, name)
    runtime.require_one_onnxruntime()
    return IsolatedSession(
        content, name=name, file=file or name, timeout_s=timeout_s, device=device, lanes=at_once, batch=batch
    )


def finish_models(sessions: Iterable[Any]) -> None:
    """Wait until these models can be run; raises like `open_model`, after which the other models must be stopped."""
    apart = [session for session in sessions if isinstance(session, IsolatedSession)]
    for session in apart:
        session.send_model()
    for session in apart:
        session.opened()


def fed(session: Any, tensor: AnyArray | Unmade) -> AnyArray | Unmade:
    """A tensor in the form a session accepts; `Unmade` is kept if it can be computed directly in shared memory."""
    return tensor.made() if isinstance(tensor, Unmade) and not isinstance(session, IsolatedSession) else tensor


def run_each(
    session: Any, names: Sequence[str] | None, feeds: Sequence[Mapping[str, AnyArray | Unmade]], *, name: str
) -> list[list[AnyArray]]:
    """Outputs `names` (all if None) of several batches in order; an `Unmade` batch is computed when its turn comes.

    Raises
    ------
    ModelError : if the graph rejects an input, or fails
    """
    if isinstance(session, IsolatedSession):
        return session.run_each(names, feeds)
    return [
        runtime.run_session(session, names, {key: fed(session, value) for key, value in feed.items()}, name=name)
        for feed in feeds
    ]


def stop_model(session: Any) -> None:
    """End the process of a model, if it has one; batches in progress end with ModelStoppedError."""
    if isinstance(session, IsolatedSession):
        session.stop()


def isolation_of(session: Any) -> Isolation:
    """How a model is isolated from this process."""
    return session.isolation if isinstance(session, IsolatedSession) else NOT_ISOLATED
