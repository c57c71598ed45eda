"""Serve a page for a finished run on this machine (`facegap explore RUN`)."""

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
    """What is announced once the page can be opened. address : includes the access key."""

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

    images : folder of the run's manifest, to show photographs; None shows none

    Raises
    ------
    RunError     : the run is unfinished, or was changed after it finished
    FacegapError : the packages of the web pages are missing, or the port is in use
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
