"""`facegap explore RUN`: a page over a finished run, on this machine only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facegap.store.finished import read_finished
from facegap.store.run import fitting_together

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Started:
    """What is announced once the page can be opened. address : with the key that lets its visitor in."""

    address: str
    images: int


def explore(
    folder: Path,
    *,
    port: int,
    include_ids: bool,
    announce: Callable[[Started], None],
    images: Path | None = None,
    allow_outside: bool = False,
) -> None:
    """Serve the page until Ctrl-C.

    images : folder of the run's manifest, whose photographs are shown; None shows none

    Raises
    ------
    RunError     : no finished run, or one that was changed after it finished
    FacegapError : the packages of the web pages are missing, or the port is taken
    """
    from facegap.web.serve import address, listening_socket, require_web, serve

    require_web()
    from facegap.explore.page import create_app

    run = read_finished(folder)
    listening = listening_socket(HOST, port)
    with listening:
        bound, key = int(listening.getsockname()[1]), secrets.token_urlsafe(24)
        with fitting_together(folder):
            app = create_app(
                run,
                key=key,
                port=bound,
                include_ids=include_ids,
                folder=folder,
                images=images,
                allow_outside=allow_outside,
            )
        announce(Started(f"{address(HOST, bound)}?key={key}", len(run.manifest)))
        serve(app, listening)
