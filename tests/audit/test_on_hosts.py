"""Audits with workers on two hosts, with separate networks and folders, give the files of one process."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import audit
from facegap.audit.settings import settings_from
from fixtures import hosts
from fixtures.campaigns import campaign
from fixtures.hosts import Hosts, two_hosts
from fixtures.interrupted import tables

pytest.importorskip("distributed")

IMAGES = 224  # seven parts
WAIT_S = 3000.0
WORKER = ("--nthreads", "1", "--no-dashboard", "--no-nanny")
# Without the report, which contains its date.
AUDIT = """
import json, sys
from pathlib import Path
from facegap.audit.run import audit
from facegap.audit.settings import settings_from
audit(Path(sys.argv[1]), settings_from({**json.loads(sys.argv[2]), "notice": print, "progress": lambda done, of: print(done, of)}))
"""


@dataclass
class Lab:
    """Hosts with a scheduler and a worker on each, ready for commands.

    place    : folder for what they write
    programs : the scheduler, then the workers
    """

    hosts: Hosts
    place: Path
    programs: list[Popen[bytes]] = field(default_factory=list)

    def begin(self) -> None:
        """Start the scheduler and the workers."""
        desk = self.hosts.desk
        scheduler = ("--host", desk.address, "--port", "8786", "--no-dashboard")
        self.programs.append(desk.start(self.place / "scheduler", "-m", "dask", "scheduler", *scheduler))
        for k in (0, 1):
            self.begin_worker(k, f"host{k}")
        until = time.monotonic() + WAIT_S
        while not all("Registered to" in (self.place / f"host{k}.txt").read_text() for k in (0, 1)):
            assert time.monotonic() < until, (self.place / "host0.txt").read_text()
            time.sleep(0.1)

    def begin_worker(self, k: int, folder: str) -> None:
        """Start a worker of one host."""
        host = self.hosts.workers[k]
        words = ("worker", f"tcp://{self.hosts.desk.address}:8786", "--host", host.address, *WORKER)
        with (self.place / f"{folder}.txt").open("wb") as output:
            self.programs.append(host.start(self.place / folder, "-m", "dask", *words, output=output))

    def audit(
        self, manifest: Path, words: dict[str, Any], meanwhile: Callable[[str], None] = lambda said: None
    ) -> tuple[Path, str]:
        """The run of an audit started on the desk, and its output. meanwhile : called with the output repeatedly"""
        run, log = self.place / "run", self.place / "said.txt"
        chosen = {**words, "scheduler": f"tcp://{self.hosts.desk.address}:8786", "folder": str(run)}
        with log.open("wb") as output:
            asked = self.hosts.desk.start(
                self.place / "desk", "-u", "-c", AUDIT, str(manifest), json.dumps(chosen), output=output
            )
            self.programs.append(asked)
            until = time.monotonic() + WAIT_S
            while asked.poll() is None:
                assert time.monotonic() < until, log.read_text()
                meanwhile(log.read_text())
                time.sleep(0.1)
        assert asked.returncode == 0, log.read_text()
        return run, log.read_text()

    def require_both_worked(self, said: str) -> None:
        """Check that each of the hosts ran a part of the images."""
        for host in self.hosts.workers:
            assert re.search(rf"worker tcp://{host.address}:\d+: [\d,]+ images", said), said


@contextmanager
def lab(place: Path, record: Callable[[str, object], None]) -> Iterator[Lab]:
    """Hosts and their programs, ended afterwards; the kind of host is recorded with the result of the test."""
    with two_hosts() as hosts:
        record("hosts", hosts.kind)
        found = Lab(hosts, place)
        try:
            yield found
        finally:
            for program in found.programs[::-1]:
                program.terminate()
                program.wait(20)


@pytest.fixture
def people(tmp_path: Path, draw: Any) -> Path:
    """A manifest of illustrated people with their images; one file is missing, one is not an image."""
    folder = tmp_path / "people"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for k in range(IMAGES):
        green, red = rng.integers(20, 200, 2)
        cv2.imwrite(str(folder / f"{k}.png"), draw(green=int(green), red=int(red), quadrants=[0][: k % 9]))
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes(b"no picture")
    lines = [f"{k}.png,person {k // 2},{'mf'[k // 2 % 2]}" for k in range(IMAGES)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


@pytest.fixture
def words(toys: Any) -> dict[str, Any]:
    """An audit of all three models."""
    return {**toys.three, "by": "gender", "allow_missing": True, "many_faces": "refuse", "no_isolation": True}


def require_same(one: Path, other: Path) -> None:
    """Check that all files of two runs are identical, except run.json, which records how a run was made."""
    first, second = (tables(folder, frozenset({"run.json"})) for folder in (one, other))
    assert {"rates.csv", "counts.npz", "faces.parquet", "embeddings.npy"} <= set(first)
    assert [name for name in {**first, **second} if first.get(name) != second.get(name)] == []


def test_workers_of_two_hosts_that_see_no_image_give_the_files_of_one_process(
    people: Path, words: dict[str, Any], tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    audit(people, settings_from({**words, "folder": tmp_path / "one"}))
    with lab(tmp_path, record_testsuite_property) as found:
        if found.hosts.apart:
            for host in found.hosts.workers:
                host.hide(people.parent)
        found.begin()
        run, said = found.audit(people, {**words, "ship_images": True})
    found.require_both_worked(said)
    require_same(tmp_path / "one", run)


@campaign
def test_workers_of_two_loopback_addresses_give_the_files_of_one_process(
    people: Path,
    words: dict[str, Any],
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fallback of the tests if the kernel provides no namespaces."""
    monkeypatch.setattr(hosts, "TOOLS", ("no such tool",))
    audit(people, settings_from({**words, "folder": tmp_path / "one"}))
    with lab(tmp_path, record_testsuite_property) as found:
        assert found.hosts.kind == hosts.ALIASES
        found.begin()
        run, said = found.audit(people, {**words, "ship_images": True})
    found.require_both_worked(said)
    require_same(tmp_path / "one", run)


@campaign
@pytest.mark.parametrize("images", ["sent", "copied"])
def test_a_host_that_is_cut_off_and_one_that_dies_change_no_byte(
    images: str,
    people: Path,
    words: dict[str, Any],
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """The cable of one host is disconnected during the audit, then the other worker is killed and a third is started."""
    audit(people, settings_from({**words, "folder": tmp_path / "one"}))
    with lab(tmp_path, record_testsuite_property) as found:
        if not found.hosts.apart:
            pytest.skip("no network namespaces here: addresses of the loopback interface have no cable to pull")
        for k, host in enumerate(found.hosts.workers):
            if images == "sent":
                host.hide(people.parent)
            else:
                host.put(shutil.copytree(people.parent, tmp_path / f"copy{k}"), people.parent)
        found.begin()
        done: list[str] = []

        def meanwhile(said: str) -> None:
            if "cut" not in done and f"\n64 {IMAGES}" in said:
                found.hosts.cable(found.hosts.workers[0], "down")
                done.append("cut")
            elif "killed" not in done and "cut" in done:
                found.programs[2].kill()
                found.begin_worker(1, "host1 again")
                done.append("killed")

        run, _ = found.audit(people, {**words, "ship_images": images == "sent"}, meanwhile)
    assert done == ["cut", "killed"]
    require_same(tmp_path / "one", run)


@campaign
def test_fairface_on_two_hosts_gives_the_files_of_one_process(
    test_data: Path, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """5,000 validation faces by race x gender; each host has copies of them at the same path if possible."""
    folder = test_data / "data" / "fairface_val"
    words = {
        "detect": "yunet",
        "embed": "face_reid_0095",
        "models_dir": [str(test_data / "models")],
        "images_are_people": True,
        "impostors_only": True,
        "fmr": [1e-3],
        "by": "race*gender",
        "allow_missing": True,
    }
    audit(folder / "labels.csv", settings_from({**words, "folder": tmp_path / "one"}))
    with lab(tmp_path, record_testsuite_property) as found:
        if found.hosts.apart:
            for k, host in enumerate(found.hosts.workers):
                host.put(shutil.copytree(folder, tmp_path / f"copy{k}"), folder)
        found.begin()
        run, said = found.audit(folder / "labels.csv", {**words, "ship_images": not found.hosts.apart})
    found.require_both_worked(said)
    require_same(tmp_path / "one", run)
    assert len(pd.read_parquet(run / "faces.parquet")) == 5000
