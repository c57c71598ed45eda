"""Two annotators in two browsers label faces by keyboard while the server is killed; also what they see."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from facegap.annotate.database import open_store
from facegap.annotate.pictures import Pictures
from facegap.groups.annotations import read_annotations
from facegap.inputs.manifests.read import read_manifest
from fixtures.campaigns import short_and_full

pytestmark = pytest.mark.browser

PRACTICE = 2
LABELS = [str(k + 1) for k in range(10)]


# Locators would load Playwright's own script into each of some 800 pages.
GLANCE = """[document.title, document.querySelector('[name=image]')?.value ?? '', document.body.dataset.ready === 'yes',
  document.activeElement.name === 'value']"""


class Server:
    """`facegap annotate` as a separate process, which can be killed and started again on its port."""

    def __init__(self, manifest: Path, *options: str) -> None:
        self.manifest, self.options, self.port, self.query = manifest, options, 0, ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server, and wait until the page can be opened."""
        command = [sys.executable, "-m", "facegap.cli", "annotate", str(self.manifest), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self.options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.manifest.parent,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/(\S*)", line):
                self.port, self.query = int(found[1]), found[2]
            if line.startswith("Afterwards"):
                return
        raise AssertionError(f"the server ended with {self.process.wait()}")

    def end(self, how: signal.Signals) -> int:
        """Send a signal and wait; return the exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    @property
    def url(self) -> str:
        """The address of the page, with the printed key."""
        return f"http://127.0.0.1:{self.port}/{self.query}"


@pytest.fixture
def server_of() -> Iterator[Callable[..., Server]]:
    """Starts servers, which are stopped at the end of the test."""
    made: list[Server] = []

    def make(manifest: Path, *options: str) -> Server:
        made.append(Server(manifest, *options))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.end(signal.SIGKILL)


@dataclass
class Person:
    """A simulated annotator, who remembers the last label given to each face.

    script : whether the page's script runs, so that one key answers; otherwise arrows and Enter are used
    """

    page: Any
    script: bool
    title: str = ""
    face: str = ""  # the page's name for the current face
    said: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)

    def begin(self, url: str, name: str) -> None:
        """Open the page and enter the name."""
        self.page.goto(url)
        self.page.locator("[name=name]:focus").wait_for()
        self.page.keyboard.type(name)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys, of which the last one loads another page."""
        for key in keys[:-1]:
            self.page.keyboard.press(key)
        with self.page.expect_navigation(wait_until="load"):
            self.page.keyboard.press(keys[-1])
        self.look()

    def look(self) -> None:
        """Wait until the page accepts keys, and read what it shows."""
        for _ in range(2000):
            self.title, self.face, ready, focused = self.page.evaluate(GLANCE)
            practising = self.title.startswith("Practice")  # on the explanation page nothing has the focus
            if self.done or (ready if self.script else focused or practising):
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the page takes no keys")
        if practising and not self.script:
            self.page.keyboard.press("Tab")

    @property
    def done(self) -> bool:
        """Whether all faces are labelled."""
        return self.title.startswith("Done")

    def keys_for(self, label: int) -> list[str]:
        """The keys for a label."""
        return [str((label + 1) % 10)] if self.script else ["Space", *["ArrowDown"] * label, "Enter"]

    def label(self) -> None:
        """Read the page and give the face a label that depends on its name."""
        face = self.face
        label = int(face, 16) % 10 if len(self.said) % 7 else (int(face, 16) + 3) % 10
        self.shown.append(face)
        self.said[face] = LABELS[label]
        self.press(*self.keys_for(label))

    def skip(self) -> None:
        """Skip the face with the first reason."""
        self.shown.append(self.face)
        self.said[self.face] = "no_face"
        if self.script:
            self.press("s", "Enter")
        else:
            self.press("Tab", "Tab", "Enter", "Tab", "Enter")

    def take_back(self) -> None:
        """Withdraw the last answer; the same face must come again."""
        last = self.shown[-1]
        if self.script:
            self.press("u")
        else:
            self.page.locator("#undo button").focus()
            self.press("Enter")
        assert self.face == last
        del self.said[last]


@pytest.fixture
def persons(chromium: Any) -> Iterator[Callable[..., Person]]:
    """Creates people with their own browsers; any console error fails the test."""
    contexts, complaints = [], []

    def make(*, script: bool = True, width: int = 1280, height: int = 800) -> Person:
        context = chromium.new_context(java_script_enabled=script, viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None
        )
        return Person(page, script)

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def exported(manifest: Path, server: Server) -> dict[str, dict[str, str]]:
    """Annotator to (the page's name of a face to its label), from the CSV file of the command."""
    command = [sys.executable, "-m", "facegap.cli", "annotations", "export", str(manifest), "--out", "out.csv"]
    subprocess.run(command, cwd=manifest.parent, check=True, capture_output=True)
    table = read_manifest(manifest)
    store = open_store(manifest.parent / "people.annotations.sqlite", table.sha256)
    pictures = Pictures(table, store.secret)
    store.close()
    frame = read_annotations(manifest.parent / "out.csv")  # rejects an image that occurs twice
    found: dict[str, dict[str, str]] = {}
    for image, annotator, value, skipped in zip(
        frame["image"], frame["annotator"], frame["value"], frame["skipped"], strict=True
    ):
        found.setdefault(annotator, {})[pictures.number(image)] = value or skipped
    return found


@pytest.mark.timeout(1200)  # about 800 pages for 200 faces, four minutes next to other browsers
@short_and_full("faces", 40, 200)
def test_two_people_label_faces_by_keyboard_and_a_killed_server_neither_loses_nor_duplicates_answers(
    people_of: Callable[..., Any], server_of: Callable[..., Server], persons: Callable[..., Person], faces: int
) -> None:
    def at(turn: int) -> int:
        """The corresponding turn of the short form, for one of 200."""
        return turn * faces // 200

    people = people_of(faces)
    server = server_of(people.manifest, "--practice", str(PRACTICE))
    ada, bo = (persons(script=script, width=390, height=500) for script in (True, False))
    for person, name in ((ada, "Ada"), (bo, "Bo Æ. O'Neil")):
        person.begin(server.url, name)
        for _ in range(PRACTICE):
            person.label()
        person.said.clear()
        person.shown.clear()

    for turn in range(faces):
        if turn == at(60):  # between two answers: pages loaded before work with the new process
            server.end(signal.SIGKILL)
            server.start()
        if turn == at(120):  # while an answer is being sent, whether saved or not
            face = ada.face
            ada.said[face] = LABELS[2]
            ada.page.keyboard.press("3")
            server.end(signal.SIGKILL)
            server.start()
            ada.page.goto(server.url)
            ada.look()
            if ada.face != face:
                ada.shown.append(face)
        for person in (ada, bo):
            if turn % at(40) == at(20):
                person.skip()
            elif not person.done:
                person.label()
            if turn % at(50) == at(30):
                person.take_back()
                person.label()
            if turn == at(150):
                person.page.reload()
                person.look()

    for person in (ada, bo):
        assert person.done
        assert len(person.said) == faces
        skipped = list(person.said.values()).count("no_face")
        assert skipped == 4  # five, one of them withdrawn
        counts = f"{faces - skipped} answered, {skipped} skipped"
        assert f"All {faces} photographs are finished: {counts}." in person.page.inner_text("main")
    found = exported(people.manifest, server)
    assert found == {"Ada": ada.said, "Bo Æ. O'Neil": bo.said}
    assert list(dict.fromkeys(ada.shown)) != list(dict.fromkeys(bo.shown))  # each in their own order
    assert server.end(signal.SIGTERM) == -signal.SIGTERM
    assert not (people.manifest.parent / "people.annotations.sqlite-wal").exists()


# Two keys in quick succession, as from a bouncing key: when the page appears, and again when it accepts answers.
BOUNCE = """const press = () => { for (let k = 0; k < 5; k++)
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '9', bubbles: true})); };
window.addEventListener('load', press); window.press = press;"""


def test_a_key_that_bounces_labels_no_face_before_it_was_shown(
    people: Any, server_of: Callable[..., Server], persons: Callable[..., Person]
) -> None:
    server = server_of(people.manifest, "--annotator", "Ada", "--practice", "0")
    ada = persons()
    ada.page.add_init_script(BOUNCE)
    ada.page.goto(server.url)
    ada.look()
    assert ada.title.startswith("Photograph 1 of 6")
    for number in (2, 3):
        ada.said[ada.face] = "9"
        with ada.page.expect_navigation(wait_until="load"):
            ada.page.evaluate("window.press()")
        ada.look()
        assert ada.title.startswith(f"Photograph {number} of 6")
    assert exported(people.manifest, server) == {"Ada": ada.said}


def test_a_revisited_or_resubmitted_page_adds_nothing(
    people: Any, server_of: Callable[..., Server], persons: Callable[..., Person]
) -> None:
    server = server_of(people.manifest, "--annotator", "Ada", "--practice", "0")
    ada = persons()
    ada.page.goto(server.url)
    ada.look()
    ada.label()
    ada.label()
    ada.page.go_back()
    ada.look()
    assert ada.page.title().startswith("Photograph 3 of 6")
    ada.page.reload()
    ada.look()
    assert ada.title.startswith("Photograph 3 of 6")
    assert exported(people.manifest, server) == {"Ada": ada.said}


def test_single_keys_can_be_turned_off_and_stay_off(
    people: Any, server_of: Callable[..., Server], persons: Callable[..., Person]
) -> None:
    server = server_of(people.manifest, "--annotator", "Ada", "--practice", "0")
    ada = persons()
    ada.page.goto(server.url)
    ada.look()
    ada.page.uncheck("#keys")
    ada.page.reload()
    ada.look()
    ada.page.keyboard.press("5")
    ada.page.keyboard.press("Space")
    ada.page.keyboard.press("ArrowDown")
    ada.said[ada.face] = "2"
    ada.press("Enter")
    assert exported(people.manifest, server) == {"Ada": ada.said}


def test_a_screen_reader_reads_the_question_and_no_file_name(
    people: Any, server_of: Callable[..., Server], persons: Callable[..., Person]
) -> None:
    server = server_of(people.manifest, "--annotator", "Ada", "--practice", "0")
    page = persons().page
    page.goto(server.url)
    group = page.get_by_role("group", name="Which of the ten colours is nearest to the skin? 1 is the lightest, 10 the")
    assert group.get_by_role("radio").count() == 10
    for label in LABELS:
        assert group.get_by_role("radio", name=label, exact=True).count() == 1
    assert page.get_by_role("img", name="Photograph 1 of 6", exact=True).count() == 1
    assert page.get_by_role("heading", name="Photograph 1 of 6", exact=True).count() == 1
    assert page.get_by_role("progressbar", name="Done: 0 of 6").count() == 1
    assert page.get_by_role("button", name="Take back my last answer").count() == 1
    assert page.get_by_role("status").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.activeElement.name") == "value"
    assert "person 0" not in page.content()


# Contrast of each piece of text with the first opaque background behind it (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const found = []; const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) { const e = walk.currentNode.parentElement; const text = walk.currentNode.data.trim();
    if (!text || !e.checkVisibility() || e.closest(':disabled')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), text]); }
  return found.sort((x, y) => x[0] - y[0]); }"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
@pytest.mark.parametrize("scale", ["monk", "fitzpatrick"])
def test_face_and_answers_fit_one_screen_with_enough_contrast(
    people: Any, server_of: Callable[..., Server], persons: Callable[..., Person], scale: str, width: int, height: int
) -> None:
    server = server_of(people.manifest, "--annotator", "Ada", "--scale", scale, "--practice", "1")
    ada = persons(width=width, height=height)
    ada.page.goto(server.url)
    ada.look()
    ratios = ada.page.evaluate(CONTRAST)
    ada.press("2")
    ada.page.keyboard.press("s")
    ratios += ada.page.evaluate(CONTRAST)
    assert len(ratios) > 40
    assert min(ratios)[0] >= 4.5, min(ratios)
    assert ada.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if scale == "monk":
        ada.page.reload()
        ada.look()
        for part in ("#face", ".choices", "#send"):
            box = ada.page.locator(part).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= height, part
    assert server.end(signal.SIGINT) == 0
