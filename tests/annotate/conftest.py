"""Drawn people on a manifest, and the annotation pages with and without a real server."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.groups.scales import MONK, SCALES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another client than httpx
    from starlette.testclient import TestClient

HOST = "127.0.0.1:8321"
ORIGIN = f"http://{HOST}"


def drawn_portrait(tone: int, seed: int = 0, side: int = 96) -> np.ndarray[Any, Any]:
    """A person of ovals, BGR, whose skin is the colour `tone` (0..9) of Monk's scale."""
    rng = np.random.default_rng(seed)
    swatch = MONK.swatches[tone] if MONK.swatches else ""
    skin = tuple(int(swatch[k : k + 2], 16) for k in (5, 3, 1))
    picture = np.full((side, side, 3), rng.integers(120, 220, 3), np.uint8)

    def oval(x: float, y: float, a: float, b: float, colour: Any) -> None:
        centre, axes = (round(x * side), round(y * side)), (round(a * side), round(b * side))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval(0.5, 1.05, 0.42, 0.3, tuple(int(v) for v in rng.integers(40, 200, 3)))
    oval(0.5, 0.36, 0.27, 0.3, (25, 30, 40))
    oval(0.5, 0.5, 0.23, 0.33, skin)
    for x in (0.41, 0.59):
        oval(x, 0.45, 0.04, 0.025, (255, 255, 255))
        oval(x, 0.45, 0.018, 0.018, (40, 30, 20))
    oval(0.5, 0.68, 0.09, 0.02, (70, 70, 160))
    return picture


@dataclass(frozen=True)
class People:
    """Drawn people: a manifest in a folder of its own, and the tone (0..9) of each."""

    manifest: Path
    images: tuple[str, ...]
    tones: tuple[int, ...]


@pytest.fixture(scope="session")
def people_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], People]:
    """Maker of manifests of drawn people."""

    def make(count: int, folder: Path | None = None) -> People:
        folder = folder or tmp_path_factory.mktemp("people")
        (folder / "secret names").mkdir()
        tones = tuple(int(t) for t in np.random.default_rng(count).integers(0, 10, count))
        images = tuple(f"secret names/person {k:03d}.png" for k in range(count))
        for k, (image, tone) in enumerate(zip(images, tones, strict=True)):
            cv2.imwrite(str(folder / image), drawn_portrait(tone, k))
        lines = [f"{image},subject {k}" for k, image in enumerate(images)]
        (folder / "people.csv").write_text("image,subject\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return People(folder / "people.csv", images, tones)

    return make


@pytest.fixture
def people(people_of: Callable[..., People], tmp_path: Path) -> People:
    """Six drawn people, one manifest for each test."""
    return people_of(6, tmp_path)


@dataclass
class Visitor:
    """A browser without a screen: it keeps cookies and reads forms out of pages."""

    client: TestClient
    page: str = ""
    status: int = 0
    headers: Any = field(default_factory=dict)

    def get(self, path: str, **options: Any) -> Any:
        """Open a page, following redirects."""
        return self._keep(self.client.get(path, **options))

    def post(self, path: str, fields: dict[str, str], **options: Any) -> Any:
        """Send a form as our own page would."""
        headers = {"origin": ORIGIN, **options.pop("headers", {})}
        return self._keep(self.client.post(path, data=fields, headers=headers, **options))

    def _keep(self, response: Any) -> Any:
        self.page, self.status, self.headers = response.text, response.status_code, response.headers
        return response

    def hidden(self, form: str) -> dict[str, str]:
        """The hidden fields of the form with that id or action on the page."""
        found = re.search(rf'<form[^>]*(?:id|action)="{re.escape(form)}".*?</form>', self.page, re.DOTALL)
        assert found, f"no form {form} on the page"
        pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[0])
        return dict(pairs)

    def answer(self, value: str = "", skipped: str = "", note: str = "") -> dict[str, str]:
        """Answer or skip the photograph on the page; what was sent."""
        fields = self.hidden("answer") | ({"value": value} if value else {"skipped": skipped, "note": note})
        self.post("/answer", fields)
        return fields

    def undo(self) -> dict[str, str]:
        """Take the last answer back; what was sent."""
        fields = self.hidden("undo")
        self.post("/undo", fields)
        return fields

    @property
    def title(self) -> str:
        """Title of the page."""
        found = re.search(r"<title>(.*?) – facegap</title>", self.page)
        return found[1] if found else ""


@dataclass
class Site:
    """The pages of one manifest, and the file of answers behind them."""

    people: People
    store: Any
    app: Any

    def visitor(self, *, host: str = HOST) -> Visitor:
        """Somebody with an empty cookie jar."""
        return Visitor(TestClient(self.app, base_url=f"http://{host}"))


@pytest.fixture
def site_of(people: People) -> Iterator[Callable[..., Site]]:
    """Maker of sites: site_of(annotator=..., token=..., practice=..., scale=..., db=...)."""
    from facegap.inputs.manifest import read_manifest
    from facegap.web.annotate import Door, Task, create_app
    from facegap.web.annotations_db import open_store
    from facegap.web.pictures import Pictures

    opened = []

    def make(*, annotator: str | None = "Ada", token: str | None = None, practice: int = 0, scale: str = "monk",
             host: str = "127.0.0.1", db: Path | None = None) -> Site:  # fmt: skip
        manifest = read_manifest(people.manifest, allow_outside=True)
        store = open_store(db or people.manifest.with_suffix(".sqlite"), manifest.sha256)
        opened.append(store)
        pictures = Pictures(manifest, store.secret)
        app = create_app(Task(SCALES[scale], annotator, 0, practice), store, pictures, Door(host, 8321, token))
        return Site(people, store, app)

    yield make
    for store in opened:
        store.close()
