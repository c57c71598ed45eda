"""A page for one finished run: change the threshold and see its effect on rates, matrix and people; inspect the failures.

The page is for this machine only. The printed address has a key that is generated at every start; the page requires it
once, so that other users of the machine cannot read the run. Nothing can be changed: all requests are GET.
"""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from facegap.errors import FacegapError
from facegap.explore.failures import KINDS
from facegap.explore.pictures import Pictures
from facegap.explore.rates import explored
from facegap.explore.searches import ranks_of
from facegap.explore.settings import Settings, grouping_name, settings_of, sorts_of, thresholds_of
from facegap.explore.view import (
    PAGE_ROWS,
    TABLES,
    cards,
    chosen_of,
    failures_of,
    failures_text,
    floor_note,
    frame_of,
    heads,
    shown_tables,
    text_of,
)
from facegap.report.page import SHARED, asset, breakable
from facegap.report.sections import PageTable
from facegap.report.text import clean, score
from facegap.store.run import Run, csv_bytes, fitting_together
from facegap.tables import EXPLORED, check_known
from facegap.web.render import Renderer
from facegap.web.security import Guard, Sessions, host_names

STATIC = {"explore.css": "text/css", "explore.js": "text/javascript"}


def create_app(
    run: Run,
    *,
    key: str,
    port: int,
    include_ids: bool,
    folder: Path = Path("the run"),
    images: Path | None = None,
    allow_outside: bool = False,
) -> ASGIApp:
    """The page, with access control.

    key    : required once from every visitor
    port   : part of the cookie's name
    folder : of the run, for error messages
    images : folder of the run's manifest, to show photographs; None shows none

    Raises
    ------
    TableError : the folder has none of the images of the run
    """
    secret = secrets.token_bytes(32)
    pictures = None if images is None else Pictures(run, images, secret, allow_outside=allow_outside)
    pages = Pages(run, key=key, port=port, include_ids=include_ids, folder=folder, pictures=pictures)
    routes = [
        Route("/", pages.show, methods=["GET"]),
        Route("/image/{number}.jpg", pages.image, methods=["GET"]),
        Route("/export.csv", pages.export, methods=["GET"]),
        Route("/static/{name}", static, methods=["GET"]),
        Route("/favicon.ico", no_icon, methods=["GET"]),
    ]
    return Guard(Starlette(routes=routes), host_names("127.0.0.1"), any_address=False)


class Pages:
    """The handlers of one run."""

    def __init__(
        self, run: Run, *, key: str, port: int, include_ids: bool, folder: Path, pictures: Pictures | None = None
    ) -> None:
        self.view, self.include_ids, self.folder, self.pictures = explored(run), include_ids, folder, pictures
        self.sessions = Sessions(secrets.token_bytes(32), key)
        self.cookie_name = f"facegap_explore_{port}"
        self.render = Renderer("facegap.explore")

    async def show(self, request: Request) -> Response:
        """The view for an address; an address with the key first starts a session."""
        if "key" in request.query_params:
            return await self.enter(request.query_params["key"])
        if (refusal := self.refusal(request)) is not None:
            return refusal
        try:
            with fitting_together(self.folder):
                settings = settings_of(dict(request.query_params), self.view, include_ids=self.include_ids)
                values = await run_in_threadpool(self.values, settings)
                return HTMLResponse(self.render("explore.html", values))
        except FacegapError as error:
            return PlainTextResponse(f"{clean(error)}\n", status_code=400)

    async def export(self, request: Request) -> Response:
        """One table of a view as CSV, with formulas escaped."""
        if (refusal := self.refusal(request)) is not None:
            return refusal
        name = request.query_params.get("table", "")
        try:
            if name not in TABLES or (name != "failures" and name not in shown_tables(self.view)):
                raise FacegapError(f"there is no table {clean(name)!r}")
            with fitting_together(self.folder):
                settings = settings_of(dict(request.query_params), self.view, include_ids=self.include_ids)
                frame = await run_in_threadpool(frame_of, name, self.view, settings, include_ids=self.include_ids)
                check_known(frame, EXPLORED[name], name)
        except FacegapError as error:
            return PlainTextResponse(f"{clean(error)}\n", status_code=400)
        headers = {"content-disposition": f'attachment; filename="facegap-{name}.csv"'}
        return Response(csv_bytes(frame), media_type="text/csv; charset=utf-8", headers=headers)

    async def image(self, request: Request) -> Response:
        """A small copy of one photograph of the run."""
        if (refusal := self.refusal(request)) is not None:
            return refusal
        if self.pictures is None:
            return PlainTextResponse("No such picture.\n", status_code=404)
        data = await run_in_threadpool(self.pictures.jpeg, request.path_params["number"])
        if data is None:
            return PlainTextResponse("No such picture.\n", status_code=404)
        return Response(data, media_type="image/jpeg")

    def values(self, settings: Settings) -> dict[str, Any]:
        """The values for the template."""
        view = self.view
        tables = [(name, PageTable(text_of(name, view, settings), layout="wide")) for name in shown_tables(view)]
        every = failures_of(view, settings, include_ids=self.include_ids)
        found, counted = chosen_of(every, view, settings), every["kind"].value_counts()
        below = view.pairs is not None and settings.threshold < view.floor
        return {
            "settings": settings,
            "tables": tables,
            "models": view.run.record.models,
            "images": len(view.run.manifest),
            "counted": view.run.counted,
            "people": int(view.subjects.max(initial=-1)) + 1,
            "groupings": [grouping_name(grouping) for grouping in view.groupings],
            "by": grouping_name(settings.grouping),
            "groups": [str(group) for group in view.cells(settings.grouping).groups],
            "kinds": {kind: (words, int(counted.get(kind, 0))) for kind, words in KINDS.items() if counted.get(kind, 0)}
            | ({settings.kind: (KINDS[settings.kind], int(counted.get(settings.kind, 0)))} if settings.kind else {}),
            "all_kinds": len(every),
            "sorts": sorts_of(include_ids=self.include_ids),
            "heads": heads(found, settings),
            "cards": cards(found, settings) if self.pictures is not None else [],
            "pictures": self.pictures,
            "verifies": view.pairs is not None,
            "ranks": ranks_of(view),
            "cuts": view.has_probability,
            "answered": bool(view.run.record.classes),
            "thresholds": thresholds_of(view, settings),
            # a slider cannot hold a value beyond its ends, and would send back a different threshold
            "lowest": min(view.lowest, settings.threshold),
            "highest": max(view.highest, settings.threshold),
            "below": floor_note(view) if below else "",
            "score": score,
            "alarms": view.run.record.alarms,
            "failures": PageTable(failures_text(found, settings), layout="wide"),
            "clean": clean,
            "breakable": breakable,
            "earlier": settings.address(page=str(settings.page - 1)) if settings.page > 1 else "",
            "later": settings.address(page=str(settings.page + 1)) if settings.page * PAGE_ROWS < len(found) else "",
            "include_ids": self.include_ids,
        }

    async def enter(self, key: str) -> Response:
        """Start a session for a visitor with the correct key, and remove the key from the address."""
        if not await self.sessions.admits(key):
            return PlainTextResponse(
                "The key is not valid for this session; open the address that facegap printed.\n", status_code=403
            )
        response = RedirectResponse("/", status_code=303)
        value = self.sessions.cookie(self.sessions.new(admitted=True))
        response.set_cookie(self.cookie_name, value, path="/", httponly=True, samesite="strict")
        return response

    def refusal(self, request: Request) -> Response | None:
        """The response to a visitor without a session; None if there is a session."""
        session = self.sessions.read(request.cookies.get(self.cookie_name, ""))
        if session is not None and session.admitted:
            return None
        return PlainTextResponse("Open the address that facegap printed, including its key.\n", status_code=403)


async def no_icon(request: Request) -> Response:  # noqa: ARG001
    """Browsers request an icon; there is none."""
    return Response(status_code=204)


async def static(request: Request) -> Response:
    """One of the static files of the page."""
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("No such file.\n", status_code=404)
    text = files("facegap.explore").joinpath("static", name).read_text(encoding="utf-8")
    if name.endswith(".css"):
        text = f"{asset(SHARED)}\n{text}"
    return Response(text, media_type=STATIC[name])
