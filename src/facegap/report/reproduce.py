"""How to make a run again: the command that it answers to, and the hashes of what went in and came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.store.run import Run, sha256

RESULTS = ("rates.csv", "gaps.csv", "counts.npz", "faces.parquet", "predictions.parquet")
LABEL_FILES: Mapping[str, str] = {"tone": "TONE.parquet", "annotations": "ANNOTATIONS.csv"}
USUAL_DRAWS, USUAL_TAIL = 200, 2_000_000  # what a command does without --label-draws and --tail-limit
MANIFEST = "MANIFEST.csv"  # its name is not kept: run folders are handed on, and paths say who made them


def command_of(record: Mapping[str, Any]) -> str:
    """The command of an audit, with file names for paths; for black boxes the names of their files stay open."""
    request = record.get("request", {})
    settings = request.get("settings", {})
    if "predictions_sha256" in request:
        words = ["facegap", "audit-predictions", "PREDICTIONS.csv", MANIFEST]
        options = {"--where": request.get("where"), "--classes": ",".join(request.get("classes", []))}
    elif "verify" not in settings:
        words = ["facegap", closed_command(record), "FILE"]
        options = verify_options(settings)
    else:
        words = ["facegap", "audit", MANIFEST]
        options = audit_options(settings)
    options |= label_options(record, options)
    options["--send-images"] = bool(record.get("sent"))
    options["--by"] = ",".join("*".join(grouping) for grouping in record["groupings"])
    options["--min-subjects"] = record["min_subjects"] if record["min_subjects"] != 20 else None
    return " ".join([*words, *option_words(options), "--out", "RUN"])


def label_options(record: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of labels of tone that were joined; their files' names are not kept, as the manifest's is not."""
    joined = record.get("labels") or {}
    found: dict[str, Any] = {f"--{name}": file for name, file in LABEL_FILES.items() if name in joined}
    if joined and joined["draws"] != USUAL_DRAWS:
        found["--label-draws"] = joined["draws"]
    if joined and joined["seed"] and options.get("--seed") is None:
        found["--seed"] = joined["seed"]
    return found


def closed_command(record: Mapping[str, Any]) -> str:
    """Which black box of comparisons a record is of."""
    return "audit-scores" if "pairs" in record else "audit-embeddings"


def audit_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `facegap audit` that differ from what it does without them."""
    usual = {"device": "cpu", "batch": 8, "many_faces": "largest", "min_face_px": 12}
    names = {"min_face_px": "--min-face"}
    found: dict[str, Any] = {
        f"--{task}": file_name(settings.get(task)) for task in ("detect", "classify", "embed") if settings.get(task)
    }
    found["--where"] = settings.get("where")
    for key, value in usual.items():
        if settings.get(key, value) != value:
            found[names.get(key, f"--{key.replace('_', '-')}")] = settings[key]
    if settings.get("embed"):
        found |= verify_options(settings.get("verify", {}))
    if identify := settings.get("identify"):
        found |= {
            "--identify": True,
            "--role-column": identify.get("role_column"),
            "--enrol": identify.get("enrol"),
            "--rank": identify.get("ranks"),
            "--fpir": identify.get("fpir") or None,
        }
        if not identify.get("role_column"):
            found["--non-mates"] = identify.get("non_mates")
    return found


def verify_options(verify: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the comparisons."""
    found: dict[str, Any] = {
        "--fmr": verify.get("fmr") or None,
        "--fmr-on": verify.get("fmr_on"),
        "--threshold": [*verify.get("thresholds", []), *(["published"] if verify.get("published") else [])] or None,
        "--threshold-on": file_name(verify.get("threshold_on")),
        "--in-sample": bool(verify.get("in_sample")),
        "--pairs": file_name(verify.get("pairs")),
        "--exclude-pairs": file_name(verify.get("exclude_pairs")),
        "--tail-limit": verify.get("tail_limit") if verify.get("tail_limit") != USUAL_TAIL else None,
    }
    if found["--fmr"] and not found["--threshold-on"] and not found["--in-sample"]:
        found |= {"--split": verify.get("split"), "--seed": verify.get("seed")}
    return found


def file_name(path: Any) -> str | None:
    """A path without its folders."""
    return PurePath(str(path)).name if path else None


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a shell; a list is an option given again, True one without a value."""
    words: list[str] = []
    for option, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True:
                words.append(option)
            elif one is not None and one is not False and one != "":
                words += [option, shlex.quote(clean(f"{one:g}" if isinstance(one, float) else one))]
    return words


def hash_table(run: Run, folder: Path | None) -> TextTable:
    """sha256 of what went in (manifest, weights, lists of pairs) and of the tables that came out; of no table without a folder."""
    record, request = run.record, run.record.get("request", {})
    rows = [("manifest", str(record["manifest"]["sha256"]))]
    if request.get("threshold_set_sha256"):
        rows.append(("threshold-set manifest", str(request["threshold_set_sha256"])))
    rows += [("list of pairs", str(value)) for value in request.get("pair_lists_sha256", [])]
    joined = record.get("labels") or {}
    rows += [(name, str(joined[name]["sha256"])) for name in LABEL_FILES if name in joined]
    if "predictions_sha256" in request:
        rows.append(("predictions", str(request["predictions_sha256"])))
    rows += [(f"model {clean(name)}", str(value)) for name, value in record["execution"]["models"].items()]
    if folder is not None:
        rows += [(name, sha256(folder / name)) for name in RESULTS if (folder / name).is_file()]
    return TextTable(
        "what went in, and what came out", ("file", "sha256"), tuple((name, clean(value)) for name, value in rows)
    )


def version_table(run: Run) -> TextTable:
    """Versions of what computed."""
    rows = tuple((clean(name), clean(version)) for name, version in run.record["execution"]["versions"].items())
    return TextTable("versions", ("package", "version"), rows)


def execution_table(run: Run) -> TextTable:
    """What the models really ran on, as found out after they were opened."""
    used = run.record["execution"]
    rows = [
        ("device asked for", used.get("device_asked", "")),
        ("device", used["device_name"]),
        ("provider asked for", ", ".join(used.get("providers_asked", []))),
        ("provider used", ", ".join(used["providers_used"])),
        ("workers, threads each", f"{used['workers']}, {used.get('threads', 0)}"),
        ("batch", str(used["batch"])),
        ("precision", used.get("precision", "")),
        *(
            (f"graph nodes of {name}", ", ".join(f"{count} on {where}" for where, count in nodes.items()))
            for name, nodes in used.get("nodes", {}).items()
        ),
    ]
    shown = tuple((clean(key), clean(value)) for key, value in rows if value)
    return TextTable("execution", ("what", "value"), shown, notes=tuple(clean(note) for note in used.get("notes", [])))
