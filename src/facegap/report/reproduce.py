"""How to reproduce a run: its command, and the hashes of its inputs and outputs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facegap.audit.settings import differing
from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.store.record import ProtocolRecord, RunRecord
from facegap.store.run import Run, root_hash, sha256
from facegap.types import Isolation

RESULTS = ("rates.csv", "gaps.csv", "counts.npz", "faces.parquet", "predictions.parquet")
OF_A_PROTOCOL = ("--fold-column", "--identify", "--role-column", "--rank")  # the protocol command sets these itself
POINTS_OF_IJB = "_name_5pts_score.txt"  # next to the images, and found there
MANIFEST = "MANIFEST.csv"  # its name is not recorded: run folders are shared, and paths reveal who made them
FILES = {  # of the audits of black boxes
    "predictions": ("PREDICTIONS.csv", MANIFEST),
    "embeddings": ("TEMPLATES.npy", MANIFEST),
    "scores": ("SCORES",),
}


def command_of(record: RunRecord) -> str:
    """The command of an audit, with file names instead of paths; for black boxes with placeholders for their files.

    Its options are the settings in run.json that differ from their defaults in audit/settings/. What a command cannot express
    follows as a shell comment: a manifest given in memory, a Python function as a model.
    """
    request = record.request
    options = differing(request.settings) | {"--classes": ",".join(request.classes), "--model": request.model}
    if request.audit == "scores" and request.manifest_sha256:
        options["--manifest"] = MANIFEST
    options["--by"] = ",".join("*".join(grouping) for grouping in record.groupings)
    functions = {option: value for option, value in options.items() if isinstance(value, Mapping)}
    named = {option: value for option, value in options.items() if option not in functions}
    if request.protocol is not None:
        named = protocol_options(request.protocol, named)
    command = words_of_command(request.audit) if request.protocol is None else ["protocol", request.protocol.name]
    words = ["facegap", *command, *option_words(named), "--out", "RUN"]
    remarks = [f"{option} was the Python function {clean(value['function'])}" for option, value in functions.items()]
    if request.in_memory:
        remarks.insert(0, f"the manifest was given in memory; save it as {MANIFEST}")
    return " ".join([*words, f"# {'; '.join(remarks)}"] if remarks else words)


def protocol_options(protocol: ProtocolRecord, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a protocol: its folder, its outputs, and those options of the audit that the command has."""
    given = {name: value for name, value in options.items() if name not in OF_A_PROTOCOL}
    if str(given.get("--points", "")).endswith(POINTS_OF_IJB):
        del given["--points"]
    return {
        "--root": "FOLDER",
        "--gallery": protocol.gallery,
        **given,
        "--far": list(protocol.far),
        "--like": protocol.like,
        "--allow-incomplete": not protocol.whole,
    }


def words_of_command(kind: str) -> list[str]:
    """The command and its files."""
    return [f"audit-{kind}", *FILES[kind]] if kind in FILES else ["audit", MANIFEST]


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a shell command; a list repeats the option, True is an option without a value."""
    words: list[str] = []
    for option, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True:
                words.append(option)
            elif one is not None and one is not False and one != "":
                words += [option, shlex.quote(clean(one))]
    return words


def hash_table(run: Run, folder: Path | None) -> TextTable:
    """sha256 of the inputs (manifest, weights, lists of pairs) and of the output tables; without a folder, of the inputs only."""
    record, request = run.record, run.record.request
    rows = [("manifest", record.manifest.sha256)]
    rows += [("threshold-set manifest", request.threshold_set_sha256)] if request.threshold_set_sha256 else []
    rows += list(request.protocol.files.items()) if request.protocol else []
    rows += [("list of pairs", one) for one in request.pair_lists_sha256 if not request.protocol]
    rows += list(record.labels.files.items()) if record.labels else []
    rows += [("points", request.points_sha256)] if request.points_sha256 else []
    rows += [("qualities", request.quality.sha256)] if request.quality else []
    rows += [("enrolment log", one) for one in request.enrolment_logs_sha256]
    rows += [("plan", request.plan.sha256)] if request.plan else []
    rows += [("predictions", request.predictions_sha256)] if request.predictions_sha256 else []
    rows += [("scores", request.scores_sha256)] if request.scores_sha256 else []
    rows += [(f"model {clean(name)}", value) for name, value in record.execution.models.items()]
    if folder is not None:
        rows += [(name, sha256(folder / name)) for name in RESULTS if (folder / name).is_file()]
        rows += [("every file of the run except report.html (root hash)", root_hash(folder))]
    return TextTable("inputs and outputs", ("file", "sha256"), tuple((name, clean(value)) for name, value in rows))


def version_table(run: Run) -> TextTable:
    """Versions of the packages that computed the results."""
    rows = tuple((clean(name), clean(version)) for name, version in run.record.execution.versions.items())
    return TextTable("versions", ("package", "version"), rows)


def isolation_words(one: Isolation) -> str:
    """How a model was isolated from the audit, in words."""
    if not one.isolated:
        return "none: it ran in the process of the audit (--no-isolation), without limits on time, memory and files"
    limits = f"{one.timeout_s:g} s per batch" + (f", {one.memory_bytes / 1024**3:.1f} GiB" if one.memory_bytes else "")
    absent = f"; not available: {', '.join(one.absent)}" if one.absent else ""
    return f"{', '.join(one.restrictions)} ({limits}){absent}"


def execution_table(run: Run) -> TextTable:
    """The devices and settings with which the models actually ran, as found after they were opened."""
    used = run.record.execution
    rows = [
        ("requested device", used.device_asked),
        ("device", used.device_name),
        ("requested provider", ", ".join(used.providers_asked)),
        ("provider used", ", ".join(used.providers_used)),
        ("workers, threads each", f"{used.workers}, {used.threads}"),
        ("batch", str(used.batch)),
        ("precision", used.precision),
        *((f"isolation of {name}", isolation_words(one)) for name, one in used.isolation.items()),
        *(
            (f"graph nodes of {name}", ", ".join(f"{count} on {where}" for where, count in nodes.items()))
            for name, nodes in used.nodes.items()
        ),
    ]
    shown = tuple((clean(key), clean(value)) for key, value in rows if value)
    return TextTable("execution", ("what", "value"), shown, notes=tuple(clean(note) for note in used.notes))
