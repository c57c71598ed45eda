"""Audits on real worker processes that are killed in between give the files of one process; differing workers are rejected."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.models import choose_models
from facegap.audit.on_cluster import parts as client_side
from facegap.audit.on_cluster import require_no_cluster_of_services
from facegap.audit.on_cluster import worker as worker_side
from facegap.audit.on_cluster.machines import Machine, machine_here, mixed_sentence
from facegap.audit.on_cluster.parts import Cluster, part_to_run, parts_done
from facegap.audit.on_cluster.worker import LOOK, NO_FILE, PartToRun, Setup, run_here
from facegap.audit.run import audit
from facegap.audit.settings import AuditSettings, CallableModel, Identify, Service, settings_from
from facegap.errors import ClusterError, ModelError, ModelStoppedError, RunError, SettingError
from facegap.inputs.images.decode import Unreadable
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.matching import cluster as matching
from facegap.matching import cluster_search
from facegap.vision import pipeline
from facegap.vision.pipeline import Part
from fixtures.campaigns import campaign, short_and_full
from fixtures.command_lines import require_accepted
from fixtures.documents import ROOT
from fixtures.interrupted import tables
from fixtures.kills import killing

pytest.importorskip("distributed")

IMAGES = 40


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    """Parts of two images: twenty of them, so that kills fall between any two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PART_ROWS", 2)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """A manifest of illustrated people with their images: one file is missing, one is not an image, one is a link."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(2)
    for k in range(IMAGES):
        green, red = rng.integers(20, 200, 2)
        cv2.imwrite(str(folder / f"{k}.png"), draw(green=int(green), red=int(red), quadrants=[0][: k % 9]))
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes(b"no picture")
    (folder / "7.png").rename(folder / "elsewhere.png")
    (folder / "7.png").symlink_to(folder / "elsewhere.png")
    lines = [f"{k}.png,person {k // 2},{'mf'[k // 2 % 2]}" for k in range(IMAGES)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


@pytest.fixture
def words(toys: Any) -> dict[str, Any]:
    """The settings of an audit of all three models, as keywords."""
    return {**toys.three, "by": "gender", "no_isolation": True, "allow_missing": True, "many_faces": "refuse"}


def unequal(one: Path, other: Path) -> list[str]:
    """Names of files that differ, except run.json, which records how a run was made."""
    first, second = (tables(folder, frozenset({"run.json"})) for folder in (one, other))
    assert {"rates.csv", "counts.npz", "faces.parquet", "embeddings.npy"} <= set(first)
    return [name for name in {**first, **second} if first.get(name) != second.get(name)]


def counted_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """A list that gets an entry for each call of a function from now on."""
    plain, calls = getattr(module, name), list[str]()

    def called(*given: Any) -> Any:
        calls.append(name)
        return plain(*given)

    monkeypatch.setattr(module, name, called)
    return calls


@short_and_full("kills", 2, 20)
def test_workers_that_are_killed_change_no_byte(
    kills: int, people: Path, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_search, "FEWEST_PROBES", 4)  # so that there are several blocks of searches

    def settings(**more: Any) -> AuditSettings:
        return replace(settings_from({**words, **more}), identify=Identify(rank=(1, 3)))

    audit(people, settings(folder=tmp_path / "one"))
    blocks = counted_calls(monkeypatch, cluster_search, "answer_of")
    killed = killing(monkeypatch, kills, np.random.default_rng(7))
    run, rounds = None, 0
    while len(killed) < kills or run is None:
        rounds += 1
        run = audit(
            people, settings(scheduler="local:2", ship_images=rounds % 2 == 0, folder=tmp_path / f"run{rounds}")
        )
        assert unequal(tmp_path / "one", tmp_path / f"run{rounds}") == []
    assert len(killed) == kills
    assert len(blocks) > 1


# ---- what a worker does, in this process ----


def models_of(words: dict[str, Any]) -> tuple[Any, AuditSettings, dict[Any, bytes]]:
    from facegap.audit.models import contents_of

    settings = settings_from(words)
    chosen = choose_models(settings)
    return chosen, settings, dict(contents_of(chosen, settings))


@pytest.fixture
def setup(words: dict[str, Any]) -> Iterator[Setup[Part]]:
    """What workers receive; nothing stays open afterwards."""
    chosen, settings, contents = models_of(words)
    yield Setup("a", LOOK, chosen, settings, contents, machine_here("cpu"), mixed=False)
    while worker_side._OPEN:
        worker_side._OPEN.popitem()[1].stop()


@pytest.fixture
def table(people: Path) -> Manifest:
    return read_manifest(people)


def without_times(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[[name for name in rows.columns if not name.endswith("_ns")]]


def test_a_part_of_images_that_were_sent_is_that_of_the_folder_to_the_stamp(
    setup: Setup[Part], table: Manifest
) -> None:
    for number in range(IMAGES // 2):
        here, sent = (run_here(setup, part_to_run(number, table, ship=ship)).part for ship in (False, True))
        pd.testing.assert_frame_equal(without_times(here.rows), without_times(sent.rows))
        assert np.array_equal(here.embeddings, sent.embeddings)  # type: ignore[arg-type]


def test_a_worker_refuses_a_model_whose_sha256_is_not_that_of_its_card(setup: Setup[Part], table: Manifest) -> None:
    contents = {**setup.contents, "embed": setup.contents["embed"] + b" "}
    with pytest.raises(ClusterError, match="received for toy_embedder differs from that on the card"):
        run_here(replace(setup, name="b", contents=contents), part_to_run(0, table, ship=False))


def test_a_worker_of_another_processor_or_version_is_refused_unless_that_is_accepted(
    setup: Setup[Part], table: Manifest
) -> None:
    other = Machine("Other 9000", {**setup.machine.versions, "numpy": "1.0"})
    with pytest.raises(ClusterError, match=r"not Other 9000; numpy .*, not 1\.0: .* --mixed-workers"):
        run_here(replace(setup, machine=other), part_to_run(0, table, ship=False))
    done = run_here(replace(setup, machine=other, mixed=True), part_to_run(0, table, ship=False))
    assert done.machine == setup.machine
    assert "2 types of processors" in mixed_sentence([done.machine.processor, "Other 9000", "Other 9000"])[0]
    assert mixed_sentence(["Other 9000", "Other 9000"]) == ()


def test_a_worker_that_does_not_see_an_image_as_the_audit_does_is_refused(setup: Setup[Part], table: Manifest) -> None:
    todo = part_to_run(1, table, ship=False)  # images 2 and 3, of which 3 is missing
    assert todo.sizes[1] == NO_FILE
    for sizes in ((NO_FILE, NO_FILE), (todo.sizes[0], 12), (todo.sizes[0] + 1, NO_FILE)):
        with pytest.raises(
            ClusterError, match=r"does not find the same file at \S+\d.png as this machine; mount .* --ship-images"
        ):
            run_here(setup, replace(todo, sizes=sizes))


def test_images_that_are_sent_are_bounded(table: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = part_to_run(1, table, ship=True).sent
    assert sent is not None and isinstance(sent[1], Unreadable)
    monkeypatch.setattr(client_side, "SHIPPED_BYTES", 10)
    with pytest.raises(ClusterError, match=r"part 0: its 2 images have .* bytes, but --ship-images sends at most 10;"):
        part_to_run(0, table, ship=True)


# ---- what the client does ----


class Future:
    """The result of a cluster for a part."""

    def __init__(self, result: Any) -> None:
        self.given = result
        self.status = "error" if isinstance(result, BaseException) else "cancelled" if result is None else "finished"

    def result(self) -> Any:
        return self.given

    def exception(self) -> Any:
        return self.given


class Client:
    """A cluster that returns for each start of a part what the test specifies: an error, None for a lost part, else a real one."""

    status = "running"

    def __init__(self, setup: Setup[Part], says: dict[int, list[Any]]) -> None:
        self.setup, self.says, self.starts = setup, says, list[int]()

    def submit(self, function: Any, *given: Any, **_: Any) -> Any:
        if function is worker_side.same:
            return "held"
        todo: PartToRun = given[1]
        self.starts.append(todo.number)
        said = self.says.get(todo.number)
        return Future(said.pop(0) if said else run_here(self.setup, todo))

    def nthreads(self) -> dict[str, int]:
        return {"one": 1}

    def cancel(self, _: Any) -> None:
        pass


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Futures that are done when they are queried."""
    monkeypatch.setattr(client_side, "ended", lambda client, running: list(running))


def test_a_part_that_fails_twice_is_tried_again_and_comes_once(
    setup: Setup[Part], table: Manifest, at_once: None
) -> None:
    client = Client(setup, {1: [ModelError("crashed"), OSError("no disk")]})
    done = list(parts_done(client, setup, table, [0, 1, 2], ship=False))  # type: ignore[arg-type]
    assert sorted(one.number for one in done) == [0, 1, 2]
    assert sorted(client.starts) == [0, 1, 1, 1, 2]


def test_a_part_that_fails_three_times_is_reported_with_its_images(
    setup: Setup[Part], table: Manifest, at_once: None
) -> None:
    client = Client(setup, {1: [ModelError("crashed")] * 3})
    with pytest.raises(
        RunError, match=r"part 1 \(2 images, '2.png' to '3.png'\) failed 3 times; .*ModelError: crashed"
    ):
        list(parts_done(client, setup, table, [0, 1, 2], ship=False))  # type: ignore[arg-type]


def test_a_worker_that_is_refused_and_a_lost_scheduler_end_the_audit_at_once(
    setup: Setup[Part], table: Manifest, at_once: None
) -> None:
    for said, words in (
        (ClusterError("refused"), "refused"),
        (None, "lost what it was sent; .* --resume"),
    ):
        client = Client(setup, {0: [said]})
        with pytest.raises(ClusterError, match=words):
            list(parts_done(client, setup, table, [0, 1], ship=False))  # type: ignore[arg-type]
        assert client.starts.count(0) == 1


def test_a_scheduler_that_is_gone_is_said_and_not_waited_for(setup: Setup[Part]) -> None:
    client = Client(setup, {})
    client.status = "closed"
    with pytest.raises(ClusterError, match=r"the scheduler has ended, .* continue with --resume"):
        client_side.ended(client, {})  # type: ignore[arg-type]


def test_a_scheduler_without_workers_is_not_waited_for_without_end(
    setup: Setup[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_yet(*_: Any, **__: Any) -> None:
        raise TimeoutError

    client = Client(setup, {})
    monkeypatch.setattr(client, "nthreads", dict, raising=True)
    monkeypatch.setattr(client_side, "dask", lambda: SimpleNamespace(wait=not_yet))
    monkeypatch.setattr(client_side, "WAIT_FOR_WORKERS_S", 0.01)
    with pytest.raises(ClusterError, match=r"no worker has been available .* continue with --resume"):
        client_side.ended(client, {})  # type: ignore[arg-type]


def test_workers_are_held_against_each_other_and_this_machines_versions() -> None:
    here = machine_here("cpu")

    class Workers:
        def __init__(self, *machines: Machine) -> None:
            self.machines = {f"w{k}": machine for k, machine in enumerate(machines)}

        def run(self, *_: Any) -> dict[str, Machine]:
            return self.machines

    far = replace(here, processor="Other 9000")
    found = client_side.machine_of_workers
    assert found(Workers(far, far), "cpu", mixed=False) == far  # type: ignore[arg-type]  # the laptop that asks may differ
    with pytest.raises(ClusterError, match="worker w1 has Other 9000, not "):
        found(Workers(here, far), "cpu", mixed=False)  # type: ignore[arg-type]
    assert found(Workers(here, far), "cpu", mixed=True) == here  # type: ignore[arg-type]
    old = replace(here, versions={**here.versions, "onnxruntime": "1.0"})
    with pytest.raises(ClusterError, match=r"worker w0 has onnxruntime 1\.0, not "):
        found(Workers(old), "cpu", mixed=False)  # type: ignore[arg-type]


def test_scores_of_several_blocks_are_counted_by_the_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(client_side, "count_scores_on_cluster", lambda *_, **words: asked.append(words))
    client = Client(None, {})  # type: ignore[arg-type]
    cluster = Cluster(client, "tcp://far:8786", machine_here("cpu"), False, False)  # type: ignore[arg-type]
    cluster.counter(tmp_path)("vectors", "subjects", "codes", workers=64, floor=0.1)
    assert asked[0] == {"cluster": "tcp://far:8786", "client": client, "folder": tmp_path, "workers": 1, "floor": 0.1}


# ---- what is refused before anything begins ----


@pytest.mark.parametrize("place", ["local:0", "local:x", "local:1000", "host:8786", "nowhere", ""])
def test_what_is_no_scheduler_is_refused_with_examples(place: str) -> None:
    with pytest.raises(SettingError, match=r"local:N for N processes .* tcp://host:8786"):
        settings_from({"scheduler": place})


def test_options_of_a_cluster_need_one() -> None:
    with pytest.raises(SettingError, match="--ship-images and --mixed-workers need --scheduler"):
        settings_from({"ship_images": True})


def test_a_function_cannot_be_sent(people: Path) -> None:
    answers = CallableModel(len, "classify", size=(16, 16), classes=("male", "female"))
    with pytest.raises(SettingError, match="is a Python function of this process"):
        client_side.require_clusterable(settings_from({"classify": answers}))


def test_a_service_that_compares_or_searches_has_no_cluster() -> None:
    for service in ("verify_service", "search_service"):
        chosen = replace(settings_from({"scheduler": "local:2"}), service=Service(**{service: "vendor"}))
        with pytest.raises(SettingError, match="calls to the service vendor must be counted in a single process"):
            require_no_cluster_of_services(chosen)


def test_without_dask_the_extra_is_named(people: Path, words: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(matching.MatchingError, match=r"pip install 'facegap\[cluster\]'"):
        audit(people, settings_from({**words, "scheduler": "local:1"}))


def test_a_scheduler_that_does_not_answer_is_named(
    people: Path, words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "CONNECT_S", 0.5)
    with pytest.raises(matching.MatchingError, match=r"no dask scheduler responds at 'tcp://127\.0\.0\.1:9'"):
        audit(people, settings_from({**words, "scheduler": "tcp://127.0.0.1:9"}))


# ---- recipes ----

RECIPES = ROOT / "docs" / "scale"
OPERATOR = "dask.org/cluster-name"
SLURM_WORDS = {
    "queue",
    "cores",
    "processes",
    "memory",
    "walltime",
    "python",
    "job_extra_directives",
}  # of dask-jobqueue


def test_the_recipe_for_kubernetes_has_one_image_and_the_ports_that_its_service_names() -> None:
    import yaml

    recipe, policy = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text())
    assert (recipe["apiVersion"], recipe["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    assert set(recipe["spec"]) == {"worker", "scheduler"}
    worker, scheduler = (recipe["spec"][name]["spec"] for name in ("worker", "scheduler"))
    assert worker["containers"][0]["image"] == scheduler["containers"][0]["image"]
    assert [one["containers"][0]["args"][:2] for one in (worker, scheduler)] == [
        ["dask", "worker"],
        ["dask", "scheduler"],
    ]
    ports = {port["name"] for port in scheduler["containers"][0]["ports"]}
    assert {port["targetPort"] for port in recipe["spec"]["scheduler"]["service"]["ports"]} == ports
    assert {mount["name"] for mount in worker["containers"][0]["volumeMounts"]} == {
        one["name"] for one in worker["volumes"]
    }
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")


def test_the_recipe_for_kubernetes_lets_nobody_but_its_own_pods_and_the_command_reach_it() -> None:
    import yaml

    recipe, policy = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text())
    name, rules = recipe["metadata"]["name"], policy["spec"]
    # The labels that the operator gives to the scheduler and workers of a cluster with this name.
    own, command = ({"podSelector": {"matchLabels": one}} for one in ({OPERATOR: name}, {"facegap": "audit"}))
    assert recipe["spec"]["scheduler"]["service"]["selector"][OPERATOR] == name
    assert rules["podSelector"] == own["podSelector"]
    assert set(rules["policyTypes"]) == {"Ingress", "Egress"}
    assert rules["ingress"] == [{"from": [own, command]}]
    inside, names = rules["egress"]
    assert inside == {"to": [own, command]}
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == {("UDP", 53), ("TCP", 53)}


def test_the_recipe_for_slurm_calls_what_dask_jobqueue_has_and_a_command_that_is_accepted() -> None:
    calls = [node for node in ast.walk(ast.parse((RECIPES / "slurm.py").read_text())) if isinstance(node, ast.Call)]
    made = next(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "SLURMCluster")
    assert {word.arg for word in made.keywords} <= SLURM_WORDS
    usage = next(line for line in (RECIPES / "slurm.py").read_text().splitlines() if "people.csv" in line)
    words = usage.split("slurm.py ")[1].split()
    require_accepted(["audit", *words, "--scheduler", "tcp://10.0.0.5:8786"])


# ---- a separate scheduler and workers, on separate addresses ----


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A program of dask in a separate folder."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@campaign
def test_workers_of_other_hosts_and_a_scheduler_that_is_started_again_give_the_same_files(
    people: Path, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(people, settings_from({**words, "folder": tmp_path / "one"}))
    place = tmp_path / "scheduler.json"
    chosen = {**words, "scheduler": str(place), "ship_images": True, "folder": tmp_path / "run"}
    plain = client_side.parts_done
    for start in (1, 2):
        place.unlink(missing_ok=True)
        there = ("--scheduler-file", str(place))
        programs = [
            started(
                tmp_path / f"scheduler{start}",
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                *there,
            )
        ]
        programs += [
            started(
                tmp_path / f"host{start}{k}",
                "worker",
                *there,
                "--host",
                f"127.0.0.{k}",
                "--nthreads",
                "1",
                "--no-dashboard",
            )
            for k in (2, 3)
        ]

        def until_the_scheduler_dies(*given: Any, **more: Any) -> Iterator[Any]:
            for k, done in enumerate(plain(*given, **more)):
                yield done
                if k == 5:
                    programs[0].kill()  # noqa: B023  (this start's)

        try:
            while not place.exists():
                time.sleep(0.1)
            with monkeypatch.context() as patch:
                if start == 1:
                    patch.setattr(client_side, "parts_done", until_the_scheduler_dies)
                    with pytest.raises(ClusterError, match="--resume"):
                        audit(people, settings_from(chosen))
                else:
                    run = audit(people, settings_from({**chosen, "resume": True}))
                    assert len(run.faces) == IMAGES
        finally:
            for program in programs:
                program.kill()
                program.wait()
    assert unequal(tmp_path / "one", tmp_path / "run") == []


def test_a_model_that_stopped_is_opened_anew_and_one_in_use_is_left_open(
    setup: Setup[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    opened = iter("abcd")

    def stages(*_: Any, **__: Any) -> Any:
        name = next(opened)
        return SimpleNamespace(stages=SimpleNamespace(name=name, stop=lambda: stopped.append(name)))

    monkeypatch.setattr(worker_side, "open_models", stages)
    monkeypatch.setattr(worker_side, "_OPEN", {})
    monkeypatch.setattr(worker_side, "_IN_USE", Counter())
    other = replace(setup, name="other")
    with worker_side.models_of(setup) as mine, worker_side.models_of(other):
        assert stopped == []  # a part of the first audit is still running here

    def part_that_fails() -> None:
        with worker_side.models_of(setup) as again:
            assert again is mine
            raise ModelStoppedError("the process ended")

    with pytest.raises(ModelStoppedError):
        part_that_fails()
    assert stopped == ["a"]
    with worker_side.models_of(setup) as anew:
        assert anew.name == "c"  # type: ignore[attr-defined]
    assert stopped == ["a", "b"]
