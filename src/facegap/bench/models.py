"""Time of models by batch and threads, and changes relative to an older result file.

Each turn of each setting is a separate process, and the settings take turns, so that clock drift and differences between
processes appear as spread between turns. Intervals are based on turns, never on calls.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from facegap.errors import FetchError, ModelError, SettingError, TableError
from facegap.inputs.cards.graph import weights_precision
from facegap.inputs.cards.read import find_card
from facegap.inputs.cards.schema import MAX_WEIGHTS_BYTES, ModelCard
from facegap.inputs.cards.weights import find_weights, how_to_get, models_folders
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean, milliseconds, number
from facegap.runtime import processor_name, usable_cores, version_of
from facegap.store.opened import read_file
from facegap.types import Device, FloatArray

FORMAT, MOST_BYTES = 1, 100_000_000
FEWEST_TURNS = 3  # with fewer there is no interval
LEVEL = 0.95
CHANGED, NOISE = "changed", "no change beyond noise"
PACKAGES = ("facegap", "onnxruntime", "onnxruntime-gpu", "numpy")
TURN_WITHIN_S = 600


@dataclass(frozen=True)
class Timed:
    """One model at one batch size and number of threads.

    ns               : for each turn, the time of every call after the warm-up
    rss_growth_bytes : for each turn, from before opening the session to after the last call
    providers, nodes : execution providers of the session, and the number of graph nodes assigned to each
    """

    model: str
    sha256: str
    size_bytes: int
    precision: str
    batch: int
    threads: int
    ns: tuple[tuple[int, ...], ...]
    rss_growth_bytes: tuple[int, ...]
    providers: tuple[str, ...]
    nodes: dict[str, int]

    @property
    def quantiles_ms(self) -> tuple[float, float, float]:
        """5th percentile, median and 95th percentile of all calls of all turns, in milliseconds."""
        low, middle, high = np.quantile(np.concatenate(self.ns), [0.05, 0.5, 0.95]) / 1e6
        return float(low), float(middle), float(high)

    @property
    def log_medians(self) -> FloatArray:
        """Logarithm of the median time of each turn, in nanoseconds."""
        return np.log([float(np.median(turn)) for turn in self.ns])


@dataclass(frozen=True)
class ModelsBench:
    """All measurements, and the machine. left_out : settings that a graph does not accept, and why"""

    format: int
    processor: str
    cores: int
    device: str
    versions: dict[str, str]
    load_before: float | None
    warm_up: int
    calls: int
    timed: tuple[Timed, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One setting in two files: new time / old time, with an interval over the turns of both."""

    model: str
    batch: int
    threads: int
    old_ms: float
    new_ms: float
    ratio: float
    low: float
    high: float
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the interval excludes 1; without an interval no change is reported."""
        if math.isnan(self.low):
            return "too few turns"
        return NOISE if self.low <= 1 <= self.high else CHANGED


def bench_models(
    models: Sequence[str],
    *,
    models_dir: Sequence[Path] = (),
    batches: Sequence[int] = (1, 8),
    threads: Sequence[int] = (1,),
    turns: int = 5,
    calls: int = 30,
    warm_up: int = 5,
    device: Device = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ModelsBench:
    """Time models on noise images, prepared as their cards say.

    models         : cards by name, or .toml or .onnx files, as in an audit
    batches        : images per call; threads: intra-op threads of the session
    turns          : processes per setting; calls: timed calls in each, after `warm_up` untimed ones

    Raises
    ------
    CardError, FetchError   : no such card, or its file is missing
    DeviceError, ModelError : a model does not start on the requested device; there is no fallback
    """
    folders = models_folders(models_dir)
    found = [weights_of(text, folders) for text in dict.fromkeys(models)]
    settings = [(k, batch, many) for k in range(len(found)) for batch in batches for many in threads]
    answers: dict[tuple[int, int, int], list[dict[str, Any]]] = {setting: [] for setting in settings}
    left_out: dict[tuple[int, int, int], str] = {}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    done = 0
    for _ in range(turns):
        for setting in settings:
            k, batch, many = setting
            card, path, _ = found[k]
            if setting not in left_out:
                spec = {"card": card.model_dump_json(), "path": str(path), "batch": batch, "threads": many}
                answer = answer_of(card, spec | {"device": device, "warm_up": warm_up, "calls": calls})
                if "refused" in answer:
                    left_out[setting] = f"{card.name}, batch {batch}: {answer['refused']}"
                else:
                    answers[setting].append(answer)
            done += 1
            progress(done, turns * len(settings))
    timed = [
        timed_of(*found[k], batch, many, answers[k, batch, many])
        for k, batch, many in settings
        if answers[k, batch, many]
    ]
    versions = {"python": sys.version.split()[0], **{name: version_of(name) for name in PACKAGES if version_of(name)}}
    return ModelsBench(
        FORMAT,
        processor_name(),
        usable_cores(),
        device,
        versions,
        load,
        warm_up,
        calls,
        tuple(timed),
        tuple(dict.fromkeys(left_out.values())),
    )


def weights_of(text: str, folders: Sequence[Path]) -> tuple[ModelCard, Path, bytes]:
    """The card, path and bytes of a model named by the user."""
    card, given = find_card(text)
    if card is None:
        raise ModelError(f"{text}: no card describes this file; write one with facegap card new {text}")
    if card.backend != "onnx":
        raise ModelError(f"{card.name}: a black-box service has no model to time")
    path = find_weights(card, folders, given)
    if path is None:
        raise FetchError(how_to_get(card, folders))
    return card, path, read_file(path, MAX_WEIGHTS_BYTES)


def answer_of(card: ModelCard, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The result of one turn. Raises ModelError if the process exits without a result, or with an error."""
    command = [sys.executable, "-m", "facegap.bench.model_peer", json.dumps(dict(spec))]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TURN_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{card.name}: one turn took more than {TURN_WITHIN_S} s; ask for fewer --calls") from error
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        last = (ended.stderr.splitlines() or ["nothing"])[-1]
        raise ModelError(f"{card.name}: its process ended with code {ended.returncode}: {last[:300]}")
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        raise ModelError(str(answer["error"]))
    return answer


def timed_of(
    card: ModelCard, path: Path, content: bytes, batch: int, threads: int, answers: Sequence[Mapping[str, Any]]
) -> Timed:
    """The turns of one setting."""
    return Timed(
        card.name,
        str(card.sha256),
        path.stat().st_size,
        weights_precision(content),
        batch,
        threads,
        tuple(tuple(answer["ns"]) for answer in answers),
        tuple(answer["rss_growth_bytes"] for answer in answers),
        tuple(answers[-1]["providers"]),
        dict(answers[-1]["nodes"]),
    )


# ---- comparison of two files ----


def changes(old: ModelsBench, new: ModelsBench, *, level: float = LEVEL) -> list[Change]:
    """Every setting that both files have, new / old. level : of all intervals together (Bonferroni)"""
    before = {(one.model, one.batch, one.threads): one for one in old.timed}
    both = [(before[key], one) for one in new.timed if (key := (one.model, one.batch, one.threads)) in before]
    each = 1 - (1 - level) / max(len(both), 1)
    return [change(first, second, each) for first, second in both]


def change(old: Timed, new: Timed, level: float) -> Change:
    """One setting: Welch's interval of the difference of the log medians of turns.

    Examples
    --------
    >>> one = Timed("m", "", 1, "", 1, 1, ((100,), (110,), (105,)), (0,), (), {})
    >>> change(one, one, 0.95).verdict
    'no change beyond noise'
    """
    a, b = old.log_medians, new.log_medians
    value, low, high = float(b.mean() - a.mean()), math.nan, math.nan
    if min(len(a), len(b)) >= FEWEST_TURNS:
        parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
        variance = sum(parts)
        freedom = (
            variance**2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b), strict=True)) if variance else 1.0
        )
        half = float(stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance)
        low, high = value - half, value + half
    note = "another file of the model" if old.sha256 != new.sha256 else ""
    before_ms, now_ms = (float(np.exp(x.mean())) / 1e6 for x in (a, b))
    return Change(
        new.model, new.batch, new.threads, before_ms, now_ms, math.exp(value), math.exp(low), math.exp(high), note
    )


def differences_of_machines(old: ModelsBench, new: ModelsBench) -> list[str]:
    """Differences between the machines of two files, in sentences."""
    named = [
        (name, getattr(old, name), getattr(new, name)) for name in ("processor", "cores", "device", "warm_up", "calls")
    ]
    named += [(name, old.versions.get(name), new.versions.get(name)) for name in {**old.versions, **new.versions}]
    return [f"{name}: {before} before, {now} now" for name, before, now in named if before != now]


# ---- files and tables ----


def as_json(bench: ModelsBench) -> str:
    """The complete results, including every call of every turn."""
    return json.dumps(asdict(bench), indent=1) + "\n"


def read_bench(path: Path) -> ModelsBench:
    """Read a file written from `as_json`.

    Raises
    ------
    TableError : it cannot be read, or has another format
    """
    try:
        found = TypeAdapter(ModelsBench).validate_json(read_file(path, MOST_BYTES))
    except (OSError, ValidationError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"key {'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise TableError(f"{path}: not a result of facegap bench models: {why}") from error
    if found.format != FORMAT or any(not turn for one in found.timed for turn in (one.ns or ((),))):
        raise TableError(f"{path}: not a result of this version of facegap bench models; measure again")
    return found


def bench_table(bench: ModelsBench) -> TextTable:
    """One row per model, batch size and number of threads."""
    columns = (
        Column[Timed]("model", lambda one: clean(one.model)),
        Column[Timed]("batch", lambda one: str(one.batch)),
        Column[Timed]("threads", lambda one: str(one.threads)),
        Column[Timed]("median", lambda one: milliseconds(one.quantiles_ms[1])),
        Column[Timed]("p5 to p95", lambda one: f"{number(one.quantiles_ms[0])} to {milliseconds(one.quantiles_ms[2])}"),
        Column[Timed]("images per second", lambda one: number(1e3 * one.batch / one.quantiles_ms[1], 1)),
        Column[Timed]("memory", lambda one: f"{np.median(one.rss_growth_bytes) / 2**20:.0f} MiB"),
        Column[Timed]("provider", lambda one: clean(provider_text(one))),
        Column[Timed]("file", lambda one: clean(f"{one.size_bytes / 1e6:.2f} MB, {one.precision}")),
    )
    return table_of("time of one call", columns, bench.timed, notes=bench_notes(bench))


def provider_text(one: Timed) -> str:
    """The execution providers, with the number of nodes of each if onnxruntime reports it."""
    return ", ".join(f"{name} ({count} nodes)" for name, count in one.nodes.items()) or ", ".join(one.providers)


def bench_notes(bench: ModelsBench) -> list[str]:
    """What the times depend on."""
    turns = max((len(one.ns) for one in bench.timed), default=0)
    versions = ", ".join(f"{name} {version}" for name, version in bench.versions.items())
    load = "" if bench.load_before is None else f" Load before: {bench.load_before:.1f}."
    return [
        f"{clean(bench.processor)}; {clean(versions)}.{load}",
        f"{turns} turns, each a fresh process with {bench.warm_up} calls of warm-up, then {bench.calls} timed ones. The model alone: "
        "no decoding, detection or crop. Memory: growth of the resident set from before the session was opened.",
        *(f"Omitted: {clean(one)}." for one in bench.left_out),
    ]


def change_table(found: Sequence[Change]) -> TextTable:
    """One row per setting that both files have."""
    columns = (
        Column[Change]("model", lambda one: clean(one.model)),
        Column[Change]("batch", lambda one: str(one.batch)),
        Column[Change]("threads", lambda one: str(one.threads)),
        Column[Change]("before", lambda one: milliseconds(one.old_ms)),
        Column[Change]("now", lambda one: milliseconds(one.new_ms)),
        Column[Change]("now / before", lambda one: f"{number(one.ratio)} [{number(one.low)}, {number(one.high)}]"),
        Column[Change]("result", lambda one: f"{one.verdict}{f'; {one.note}' if one.note else ''}"),
    )
    note = f"Intervals are over turns, at {100 * LEVEL:g}% for all rows together; means over turns of the medians of the calls."
    return table_of("what changed", columns, found, notes=[note])


def whole_numbers(text: str, option: str, most: int) -> tuple[int, ...]:
    """`1,8` as numbers without duplicates.

    Raises
    ------
    SettingError : another format, or a number outside 1 to `most`

    Examples
    --------
    >>> whole_numbers("1, 8,8", "--batch", 1024)
    (1, 8)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise SettingError(f"{option} {text!r}: give whole numbers from 1 to {most:,} separated by commas, such as 1,8")
    return tuple(dict.fromkeys(map(int, parts)))
