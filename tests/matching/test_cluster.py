"""The same integers from many processes, even if one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facegap.errors import MatchingError
from facegap.matching import Probes, cluster, cluster_search, count_scores, counts, search
from facegap.matching.cluster import count_scores_on_cluster, mapped_file

pytest.importorskip("distributed")

# numpy loops: otherwise each process would spend seconds on loading numba.
SETTINGS: dict[str, Any] = {"floor": 0.2, "bins": 32, "tail_limit": 60, "filter": "float32", "kernels": "numpy"}


@pytest.fixture
def many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Super-blocks so small that a few hundred rows give many of them."""
    monkeypatch.setattr(counts, "super_rows", lambda depth: 64)


@pytest.mark.usefixtures("many_blocks")
def test_two_processes_one_of_them_killed_give_the_integers_of_one(
    rng: np.random.Generator, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 600, 32)
    settings = SETTINGS | {"row_edges": [0, 7, 20]}
    expected = count_scores(rows, subjects, groups, **settings)
    killed: list[int] = []
    plain = cluster.result_of

    def kill_one_worker_after_the_third_block(future: Any) -> Any:
        result = plain(future)
        killed.append(0)
        if len(killed) == 3:
            processes = future.client.run(os.getpid)
            os.kill(next(iter(processes.values())), signal.SIGKILL)
        return result

    monkeypatch.setattr(cluster, "result_of", kill_one_worker_after_the_third_block)
    found = count_scores_on_cluster(rows, subjects, groups, cluster="local:2", **settings)
    assert len(killed) >= 55
    tools.assert_same_counts(found, expected)


def test_a_block_that_is_answered_twice_is_added_once(rng: np.random.Generator, tools: Any, many_blocks: None) -> None:
    rows, subjects, groups = tools.hard_faces(rng, 200, 16)
    expected = count_scores(rows, subjects, groups, **SETTINGS)
    run = counts.plan(
        rows,
        subjects,
        groups,
        **SETTINGS,
        exclude=None,
        names=None,
        probes=None,
        full_range=None,
        workers=1,
        device="cpu",
        shape=None,
    )
    total, committed = counts.count_ledger(run), set()
    for block in [*run.blocks, *run.blocks]:
        total = cluster.commit(
            total,
            committed,
            (block.left_number, block.right_number),
            counts.count_blocks([block], rows, rows, run.settings),
        )
    tools.assert_same_counts(total, expected)


@pytest.mark.usefixtures("many_blocks")
def test_mapped_tables_are_read_where_they_lie_and_probes_travel_too(
    rng: np.random.Generator, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, subjects, groups = tools.made_faces(rng, 150, 16)
    np.save(tmp_path / "gallery.npy", rows[:100])
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    probes = Probes(rows[100:], subjects[100:], groups[100:])
    expected = count_scores(rows[:100], subjects[:100], groups[:100], probes=probes, full_range=8, **SETTINGS)
    client = InProcess()
    run = counts.plan(
        mapped,
        subjects[:100],
        groups[:100],
        **SETTINGS,
        exclude=None,
        names=None,
        probes=probes,
        full_range=8,
        workers=1,
        device="cpu",
        shape=None,
    )
    monkeypatch.setattr(cluster, "dask", lambda: client)
    with cluster.tables_of(run, "local:2") as tables:
        assert tables[0].path == str(tmp_path / "gallery.npy")
        assert tables[1].path != tables[0].path
        tools.assert_same_counts(cluster.count_on_client(client, run, tables), expected)  # type: ignore[arg-type]


class InProcess:
    """A simulated client: what is submitted runs here, the latest first."""

    def __init__(self) -> None:
        self.futures: list[Any] = []

    def nthreads(self) -> dict[str, int]:
        return {"one": 1}

    def submit(self, function: Any, *arguments: Any, **_options: Any) -> Any:
        return type("Done", (), {"result": lambda _self: function(*arguments), "release": lambda _self: None})()

    def as_completed(self, futures: list[Any]) -> Any:
        self.futures = list(futures)
        return self

    def add(self, future: Any) -> None:
        self.futures.append(future)

    def __iter__(self) -> Any:
        while self.futures:
            yield self.futures.pop()


def test_a_view_of_a_mapped_file_is_not_taken_for_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((6, 4), np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert mapped_file(mapped) == tmp_path / "rows.npy"
    for other in (mapped[2:], mapped[::2], mapped[:, :2], np.ones((6, 4), np.float32)):
        assert mapped_file(other) is None


def test_a_distant_cluster_needs_embeddings_that_its_workers_can_reach() -> None:
    with pytest.raises(MatchingError, match="npy"):
        cluster.table_of_rows(np.ones((6, 4), np.float32), Path("unused.npy"), seen=False)


@pytest.mark.parametrize("name", ["local:0", "local:two", "nowhere"])
def test_a_name_that_is_no_cluster_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(MatchingError, match="local:"):
        count_scores_on_cluster(rows, np.arange(3), np.zeros(3, int), cluster=name, **SETTINGS)


def test_two_processes_one_of_them_killed_give_the_candidates_of_one_search(
    rng: np.random.Generator, tools: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows, _, _ = tools.hard_faces(rng, 900, 16)  # with identical rows, so that ranks depend on row numbers
    gallery, probes = rows[:400], rows[200:]
    words = {"filter": "float32", "kernels": "numpy"}
    expected = search(gallery, probes, 7, **words)
    monkeypatch.setattr(cluster_search, "FEWEST_PROBES", 50)
    plain, answered = cluster_search.answer_of, list[int]()

    def kill_one_worker_after_the_first_block(future: Any) -> Any:
        found = plain(future)
        if not answered:
            os.kill(next(iter(future.client.run(os.getpid).values())), signal.SIGKILL)
        answered.append(len(found[1][0]))
        return found

    monkeypatch.setattr(cluster_search, "answer_of", kill_one_worker_after_the_first_block)
    with cluster.client_of("local:2") as client:
        found = cluster_search.search_on_cluster(gallery, probes, 7, cluster="local:2", client=client, **words)
    assert answered == [175] * 4
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_few_probes_are_searched_without_a_cluster(rng: np.random.Generator, tools: Any) -> None:
    rows, _, _ = tools.hard_faces(rng, 60, 16)
    client: Any = SimpleNamespace(nthreads=lambda: {"one": 1, "two": 1})
    words = {"filter": "float32", "kernels": "numpy"}
    found = cluster_search.search_on_cluster(rows, rows, 2, cluster="tcp://far:8786", client=client, **words)
    assert all(np.array_equal(one, other) for one, other in zip(found, search(rows, rows, 2, **words), strict=True))
    assert cluster_search.blocks_of(100_000, 3) == [(100_000 * k // 6, 100_000 * (k + 1) // 6) for k in range(6)]


def test_a_gallery_that_far_workers_cannot_see_is_refused(
    rng: np.random.Generator, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _, _ = tools.hard_faces(rng, 60, 16)
    monkeypatch.setattr(cluster_search, "FEWEST_PROBES", 10)
    client: Any = SimpleNamespace(nthreads=lambda: {"one": 1, "two": 1})
    with pytest.raises(MatchingError, match=r"save the embeddings as \.npy where all workers can read them"):
        cluster_search.search_on_cluster(rows, rows, 2, cluster="tcp://far:8786", client=client)
