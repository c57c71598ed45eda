"""Every command that writes a run or a file, killed or out of disk at a random moment of any phase, ends as if undisturbed.

One process loads every module once and forks the command (fixtures/nursery.py). Each attempt is killed within the time that an
unbroken one takes, or meets a disk that is full from some write or some size of a file on; then the same command, with
--resume where it has it, goes on. What ends must be the files of an unbroken run to the byte, timings and SHA256SUMS apart.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from facegap.audit.run import recheck
from fixtures.campaigns import SIZE, campaign
from fixtures.dialects import KEYS, card_for, serving
from fixtures.interrupted import Services, drawn_people, given_files, tables, writing_commands

NURSERY = Path(__file__).parent / "fixtures" / "nursery.py"
COMMANDS = (
    *("audit", "audit-classify", "audit-identify", "audit-service", "audit-service-embed", "audit-service-verify"),
    *("audit-predictions", "audit-embeddings", "audit-scores", "report", "seal", "forget", "plan-run", "compare"),
    *("export", "plan", "tone", "annotations", "agreement", "manifest", "card", "demo", "reproduce", "selfcheck"),
    *("protocol", "stress", "explain", "doctor", "merge", "suite"),
)
SHORT, LONG = ("audit-predictions",), "demo"
KILLS, DISKS = max(1, round(4 * SIZE)), max(1, round(3 * SIZE))  # of each command in a campaign
SERVICE = """
name = "vendor"
task = "classify"
backend = "http"
licence = "terms of the vendor"
commercial_use = "unknown"
verified = true
citation = "a server of the tests"
known_limits = []
[training_data]
description = "not stated"
status = "proprietary"
[request]
url = "{url}/v1/faces"
encoding = "raw"
key_env = "VENDOR_KEY"
[answer]
gender = "gender"
"""


class Vendor(BaseHTTPRequestHandler):
    """Says of every image what its length gives."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.rfile.read(size)
        said = json.dumps({"gender": ("female", "male")[size % 2]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """The cards of black-box services on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as server, serving() as dialects:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        card = tmp_path / "vendor.toml"
        card.write_text(SERVICE.format(url=f"http://127.0.0.1:{server.server_address[1]}"))
        names = ("insightface_server_embed", "insightface_server_verify")
        yield Services(card, *(card_for(name, dialects, tmp_path) for name in names))
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "kills", "disks"),
    [
        *(pytest.param(name, 1, 1, id=f"short-{name}") for name in SHORT),
        *(pytest.param(name, KILLS, DISKS, id=f"full-{name}", marks=campaign) for name in COMMANDS if name != LONG),
        pytest.param(LONG, 1, 1, id=f"full-{LONG}", marks=campaign),
    ],
)
def test_a_command_that_is_interrupted_anywhere_ends_like_one_that_was_not(
    tmp_path: Path, toys: Any, draw: Any, services: Services, name: str, kills: int, disks: int
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "scratch").mkdir()
    manifest = drawn_people(tmp_path / "images", draw)
    given_files(tmp_path, manifest, toys)
    command = writing_commands(tmp_path, manifest, toys, services)[name]
    places = tmp_path / "places"
    places.mkdir()
    told = interrupted(places, command.as_json(name), kills, disks, seed=1 + COMMANDS.index(name))
    logs = "".join(path.read_text() for path in places.glob(f"{name}-*.log"))
    assert "Traceback" not in logs, logs[logs.index("Traceback") :][:4000]
    assert told["lost"] == [], logs[-3000:]
    assert (told["kill"], told["full"]) == (kills, disks)
    whole = tables(places / f"{name}-whole", command.timed)
    assert whole
    for number in range(1, told["folders"] + 1):
        ended = tables(places / f"{name}-{number}", command.timed, scratch=command.is_run)
        assert set(ended) == set(whole)
        assert [path for path in whole if ended[path] != whole[path]] == []
        if command.is_run:
            assert recheck(places / f"{name}-{number}") == []
    assert [path.name for path in places.iterdir() if path.name.startswith(".")] == []  # nothing beside a place either
    assert list((tmp_path / "scratch").glob("facegap*")) == []
    print(f"{name}: {told['kill']} kills, {told['full']} full disks in {told['folders']} folders, at {told['phases']}")


@campaign
def test_a_killed_explore_leaves_the_run_as_it_is_and_starts_again(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("image,gender\n" + "".join(f"{k}.png,{'mf'[k % 2]}\n" for k in range(40)))
    (tmp_path / "answers.csv").write_text("image,prediction\n" + "".join(f"{k}.png,male\n" for k in range(40)))
    facegap = [sys.executable, "-m", "facegap.cli"]
    made = ["audit-predictions", str(tmp_path / "answers.csv"), str(tmp_path / "people.csv"), "--by", "gender"]
    run = tmp_path / "run"
    subprocess.run([*facegap, *made, "--out", str(run)], check=True, capture_output=True)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    chance = random.Random(2)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for _ in range(KILLS):
        command = [*facegap, "explore", str(run), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            assert server.stdout is not None
            address = server.stdout.readline().split("open ")[1].strip()
            ending = threading.Timer(chance.uniform(0, 0.5), server.kill)
            ending.start()
            with contextlib.suppress(OSError, http.client.HTTPException):  # it is killed while it answers
                while True:
                    with urllib.request.urlopen(address, timeout=10) as answer:
                        assert answer.status == 200
            ending.join()
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert recheck(run) == []


def test_every_command_that_writes_is_in_the_campaign(tmp_path: Path, toys: Any) -> None:
    assert set(
        writing_commands(tmp_path, tmp_path / "people.csv", toys, Services(tmp_path, tmp_path, tmp_path))
    ) == set(COMMANDS)


def interrupted(places: Path, command: str, kills: int, disks: int, *, seed: int) -> dict[str, Any]:
    """Outcome of a command that was interrupted so often."""
    folder = places.parent
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TMPDIR": str(folder / "scratch"),
        "VENDOR_KEY": "secret-key-0123456789",
        **KEYS,
    }
    words = [sys.executable, str(NURSERY), str(places), command, str(kills), str(disks), str(seed)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=3400, env=environment, cwd=folder / "scratch"
    )
    assert done.returncode == 0, done.stderr + done.stdout
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
