"""The annotation pages: one photograph at a time, one key per answer, and no lost answers.

Every answer is committed before the browser is redirected (post, redirect, get), and each form has a unique name, so that
reloading a page or submitting it twice adds nothing. The server has no state: everything is in the file of answers and in
signed cookies, so it can be killed and restarted between any two keys.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from facegap.annotate.database import AnnotationStore, Answer
from facegap.annotate.pictures import Pictures
from facegap.annotate.text import OTHER, SKIP_REASONS, skip_reason, wording_of
from facegap.annotate.turns import Turn, next_turn, shuffled
from facegap.groups.annotations import MOST_NAME_CHARACTERS
from facegap.groups.scales import Scale
from facegap.inputs.images.decode import Unreadable
from facegap.web.render import Renderer
from facegap.web.security import EVERY_ADDRESS, Guard, Session, Sessions, host_names

MOST_FIELDS = 12
FORM_NAME_CHARACTERS = 64
STATIC = {"annotate.css": "text/css", "annotate.js": "text/javascript"}
# For static files, which show no person; their address changes with their content.
KEPT = {"cache-control": "private, max-age=86400"}


@dataclass(frozen=True)
class Task:
    """What is annotated, and by whom.

    annotator : the only annotator; None: visitors enter their names
    practice  : number of images at the start whose answers are not exported
    """

    scale: Scale
    annotator: str | None
    seed: int
    practice: int


@dataclass(frozen=True)
class Door:
    """The address of the server and its access rules."""

    host: str
    port: int
    token: str | None
    tls: bool = False


def create_app(task: Task, store: AnnotationStore, pictures: Pictures, door: Door) -> ASGIApp:
    """The pages, with access control.

    Raises
    ------
    FacegapError : a scale that cannot be annotated by eye
    """
    pages = Pages(task, store, pictures, door)
    routes = [
        Route("/", pages.show, methods=["GET"]),
        Route("/answer", pages.answer, methods=["POST"]),
        Route("/undo", pages.undo, methods=["POST"]),
        Route("/start", pages.start, methods=["GET", "POST"]),
        Route("/leave", pages.leave, methods=["POST"]),
        Route("/image/{number}.png", pages.image, methods=["GET"]),
        Route("/scale.css", pages.colours, methods=["GET"]),
        Route("/static/{name}", static, methods=["GET"]),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        store.close()

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={sqlite3.Error: not_saved})
    return Guard(app, host_names(door.host), any_address=door.host in EVERY_ADDRESS)


class Pages:
    """The handlers of one task."""

    def __init__(self, task: Task, store: AnnotationStore, pictures: Pictures, door: Door) -> None:
        self.task, self.store, self.pictures = task, store, pictures
        self.sessions = Sessions(store.secret, door.token)
        self.secure = door.tls
        self.cookie_name = f"facegap_{door.port}"  # a browser shares cookies between the ports of a machine
        self.wording = wording_of(task.scale)
        self.practice = shuffled(pictures.images, "practice", str(task.seed))[: task.practice]
        self.render = Renderer("facegap.annotate")
        self.version = hashlib.sha256(b"".join(static_bytes(name) for name in STATIC)).hexdigest()[:12]

    # ---- the photographs ----

    async def show(self, request: Request) -> Response:
        """Show the next photograph, or the end."""
        session = self.session(request)
        if "key" in request.query_params:
            return await self.enter(session, request.query_params["key"])
        if not ready(session):
            return self.to("/start", session)
        return await self.page(session)

    async def enter(self, session: Session, key: str) -> Response:
        """Admit a visitor whose address has the key, and remove the key from the address."""
        if not session.admitted and not await self.sessions.admits(key):
            return self.start_page(session, fault="That is not the access token.", status=403)
        return self.to("/", session if session.admitted else self.sessions.new(session.name, admitted=True))

    async def page(self, session: Session, *, fault: str = "", status: int = 200) -> Response:
        """The page of an annotator, with a sentence on what was wrong with the last form."""
        entries = await run_in_threadpool(self.store.entries, self.task.scale.name, session.name)
        turn = next_turn(entries, self.order(session.name), self.practice)
        values: dict[str, Any] = {
            "turn": turn,
            "fault": fault,
            "taken_back": taken_back(entries, turn),
            "name": session.name,
            "fixed": self.task.annotator is not None,
            "can_undo": any(not entry.withdrawn for entry in entries),
        }
        if turn.image is not None:
            found = await run_in_threadpool(self.pictures.encoded, turn.image)
            values |= {"number": self.pictures.number(turn.image), "picture": found} | self.choices()
            values["lost"] = isinstance(found, Unreadable)
        return self.html("annotate.html" if turn.image else "done.html", session, values, status)

    async def answer(self, request: Request) -> Response:
        """Commit an answer or a skip, then continue."""
        session, form, refusal = await self.own_form(request)
        if refusal is not None:
            return refusal
        image = self.pictures.image_of(field(form, "image"))
        value, reason = field(form, "value"), field(form, "skipped")
        skipped = skip_reason(reason, field(form, "note")) if reason else ""
        if image is None or skipped is None or not field(form, "form"):
            return await self.page(session, fault="The form could not be read; nothing was saved.", status=400)
        if not reason and value not in self.task.scale.labels:
            return await self.page(session, fault="Choose one of the answers, or skip the photograph.", status=400)
        entry = Answer(
            self.task.scale.name,
            session.name,
            image,
            field(form, "practice") == "1",
            "" if reason else value,
            skipped,
            field(form, "form")[:FORM_NAME_CHARACTERS],
        )
        await run_in_threadpool(self.store.record, entry)
        return self.to("/", session)

    async def undo(self, request: Request) -> Response:
        """Withdraw the last answer, then show its photograph again."""
        session, form, refusal = await self.own_form(request)
        if refusal is not None:
            return refusal
        name = field(form, "form")[:FORM_NAME_CHARACTERS]
        if name:
            images = frozenset(self.pictures.images)
            await run_in_threadpool(self.store.withdraw, self.task.scale.name, session.name, name, images)
        return self.to("/", session)

    async def image(self, request: Request) -> Response:
        """A photograph of the manifest, for authorised visitors."""
        if not ready(self.session(request)):
            return PlainTextResponse("Sign in first.\n", status_code=403)
        image = self.pictures.image_of(request.path_params["number"])
        found = None if image is None else await run_in_threadpool(self.pictures.encoded, image)
        if found is None or isinstance(found, Unreadable):
            return PlainTextResponse("No such photograph.\n", status_code=404)
        return Response(found.png, media_type="image/png")

    # ---- who works here ----

    async def start(self, request: Request) -> Response:
        """Ask for what is missing: the access token or the name."""
        session = self.session(request)
        if request.method == "GET":
            return self.to("/", session) if ready(session) else self.start_page(session)
        session, form, refusal = await self.own_form(request, signed_in=False)
        if refusal is not None:
            return refusal
        if not session.admitted:
            if not await self.sessions.admits(field(form, "token")):
                return self.start_page(session, fault="That is not the access token.", status=403)
            session = self.sessions.new(session.name, admitted=True)
        return await self.named(session, form)

    async def named(self, session: Session, form: FormData) -> Response:
        """Sign in a visitor under a name; a known name must be confirmed."""
        if self.task.annotator is not None:
            return self.to("/", self.sessions.new(self.task.annotator, admitted=True))
        name = proper_name(field(form, "name"))
        if name is None:
            fault = f"Give a name of 1 to {MOST_NAME_CHARACTERS} characters." if "name" in form else ""
            return self.start_page(session, fault=fault, status=400 if fault else 200)
        known = await run_in_threadpool(self.store.annotators)
        same = next((other for other in known if other.casefold() == name.casefold()), None)
        if same is not None and field(form, "known") != same:
            return self.start_page(session, known=same)
        return self.to("/", self.sessions.new(same or name, admitted=True))

    async def leave(self, request: Request) -> Response:
        """Sign out, so that another person can enter a name."""
        session, _, refusal = await self.own_form(request)
        return refusal or self.to("/start", self.sessions.new(admitted=session.admitted))

    def start_page(self, session: Session, *, fault: str = "", known: str = "", status: int = 200) -> Response:
        """The sign-in page."""
        asks = {"ask_token": not session.admitted, "ask_name": self.task.annotator is None}
        return self.html("start.html", session, {"fault": fault, "known": known, **asks}, status)

    # ---- what all pages share ----

    def session(self, request: Request) -> Session:
        """The session of a request; a new one if there is none signed by this server."""
        found = self.sessions.read(request.cookies.get(self.cookie_name, "")) or self.sessions.new()
        fixed = self.task.annotator
        return found if fixed is None else Session(found.nonce, fixed, found.admitted)

    async def own_form(self, request: Request, *, signed_in: bool = True) -> tuple[Session, FormData, Response | None]:
        """The session and fields of a form from this server's own page, otherwise the response to send instead."""
        session = self.session(request)
        form = await request.form(max_files=0, max_fields=MOST_FIELDS)
        if not self.sessions.is_own_form(session, field(form, "csrf")) or (signed_in and not ready(session)):
            fault = "This page was out of date, so nothing was saved. Please try again."
            return session, form, self.html("again.html", session, {"fault": fault}, 403)
        return session, form, None

    def order(self, annotator: str) -> Sequence[str]:
        """The images in this annotator's own order."""
        return order_of(self.pictures.images, str(self.task.seed), annotator, self.task.scale.name)

    def choices(self) -> dict[str, Any]:
        """The choices on the page of a photograph."""
        labels = self.task.scale.labels
        keys = [str((k + 1) % 10) for k in range(len(labels))]
        return {
            "labels": list(zip(labels, self.wording.descriptions, keys, strict=True)),
            "wording": self.wording,
            "swatches": self.task.scale.swatches is not None,
            "reasons": SKIP_REASONS,
            "other": OTHER,
        }

    async def colours(self, request: Request) -> Response:  # noqa: ARG002
        """The colours of the scale as a style sheet: the pages carry no inline style, which the policy forbids."""
        rules = [f".swatch-{k} {{ background: {colour}; }}" for k, colour in enumerate(self.task.scale.swatches or ())]
        return Response("\n".join(rules) + "\n", media_type="text/css", headers=KEPT)

    def html(self, template: str, session: Session, values: Mapping[str, Any], status: int = 200) -> Response:
        """A page with the tokens of its forms, and the cookie of its session."""
        tokens = {"csrf": self.sessions.form_token(session), "form": secrets.token_urlsafe(12)}
        text = self.render(template, {**values, **tokens, "scale": self.task.scale, "version": self.version})
        return self.with_cookie(HTMLResponse(text, status_code=status), session)

    def to(self, path: str, session: Session) -> Response:
        """Redirect the browser to a GET request, so that a reload does not submit again."""
        return self.with_cookie(RedirectResponse(path, status_code=303), session)

    def with_cookie(self, response: Response, session: Session) -> Response:
        """Set the session cookie: for this server only, inaccessible to scripts and other sites."""
        value = self.sessions.cookie(session)
        response.set_cookie(self.cookie_name, value, path="/", httponly=True, samesite="strict", secure=self.secure)
        return response


async def static(request: Request) -> Response:
    """One of the static files of the pages."""
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("No such file.\n", status_code=404)
    return Response(static_bytes(name), media_type=STATIC[name], headers=KEPT)


def static_bytes(name: str) -> bytes:
    """The content of a static file."""
    return files("facegap.annotate").joinpath("static", name).read_bytes()


async def not_saved(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """The page shown if the disk is full or the file is gone."""
    said = (
        f"Your answer was NOT saved: {error}. Nothing that was saved before is lost. Reload this page to send it again."
    )
    return PlainTextResponse(said + "\n", status_code=503)


@lru_cache(maxsize=64)
def order_of(images: tuple[str, ...], *key: str) -> tuple[str, ...]:
    """`shuffled`, cached for active annotators."""
    return tuple(shuffled(images, *key))


def ready(session: Session) -> bool:
    """Whether a visitor may see photographs."""
    return session.admitted and session.name != ""


def field(form: FormData, name: str) -> str:
    """A text field of a form; "" if it is missing."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def proper_name(text: str) -> str | None:
    """An annotator's name with white space normalised and without control or format characters; None if it is empty."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    hidden = any(unicodedata.category(letter)[0] == "C" for letter in name)
    return name if name and not hidden and len(name) <= MOST_NAME_CHARACTERS else None


def taken_back(entries: Sequence[Answer], turn: Turn) -> str:
    """The annotator's previous answer to this photograph, if they have just withdrawn it."""
    last = entries[-1] if entries else None
    if last is None or not last.withdrawn or (last.image, last.practice) != (turn.image, turn.phase == "practice"):
        return ""
    return last.value or f"skipped ({last.skipped})"
