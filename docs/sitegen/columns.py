"""The reference of tables: every column of every schema in facegap/tables, described by the comments there."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from facegap import types
from facegap.tables import (
    ages,
    causes,
    comparisons,
    explored,
    images,
    images_lost,
    labels,
    outcomes,
    pairs,
    population,
    protocols,
    published,
    quality,
    rates,
    searches,
)
from facegap.tables.schema import FIRST, Column, Schema
from sitegen.fields import notes_of
from sitegen.markdown import code, table

# Descriptions of columns by name, for columns without a comment.
COMMON: Mapping[str, str] = {
    "row": "position in the manifest, from 0",
    "line": "line of the manifest file",
    "image": "image, as the manifest names it",
    "subject": "the person",
    "outcome": "result: one of the values listed",
    "detail": "reason for the outcome, if it needs one",
    "label": "label in the manifest",
    "prediction": "prediction of the model",
    "metric": "name of the metric",
    "model": "name of the model",
    "threshold": "score at or above which two images are accepted as one person",
    "threshold_from": "how the threshold was set",
    "errors": "errors among the trials",
    "trials": "trials",
    "subjects": "number of people in the trials",
    "value": "the rate or number itself",
    "low": "lower limit of the interval",
    "high": "upper limit of the interval",
    "level": "confidence level of the interval",
    "method": "method of the interval",
    "images": "images",
    "comparisons": "comparisons",
    "score": "score of the detector",
    "width": "pixels",
    "height": "pixels",
    "colour": "whether the image has colours",
    "policy": "rule by which one of several faces was selected",
    "family": "label columns of the grouping, whose pairs of groups are tested together",
    "group": "the group",
    "group_a": "first group",
    "group_b": "second group",
    "difference": "first group minus second group",
    "p": "two-sided p-value",
    "p_adjusted": "p-value adjusted for the tests of the family",
    "margin": "the smallest difference that matters",
    "verdict": "verdict",
    "decided_low": "lower limit of the interval on which the verdict is based",
    "decided_high": "upper limit of the interval on which the verdict is based",
    "decided_level": "level of that interval",
    "age_limit": "legal age, in years",
    "seed": "seed of the random numbers",
    "unit": "unit of the dose",
    "perturbation": "name of the perturbation",
    "dose": "strength of the perturbation",
    "output": "name of the output of the model",
    "measure": "what is measured",
    "annotator": "name of the annotator",
    "scale": "scale",
    "faces": "number of faces found by the detector",
    "challenge": "estimated age at or above which no document is required",
    "primary": "whether the gap is in the primary family of the run and gets a verdict",
    "ratio": "rate of the first group / rate of the second group",
    "differs": "whether the adjusted p-value is at most alpha",
    "within_margin": "whether the interval lies within the margin",
    "beyond_margin": "whether the interval lies beyond the margin",
    "subjects_needed": "people per group for 80% power to detect the margin",
    "species": "species of the presentation attack",
    "accepted": "attacks that were accepted",
    "without_score": "attacks without a score, which are not trials",
    "answer": "prediction that is counted",
    "rate": "error rate of the group",
    "mean": "mean",
    "median": "median",
    "statistic": "statistic that is compared: mean or median",
    "estimate": "raw, or how the covariates were balanced",
    "interval_from": "method of the interval",
    "weights": "for equal ages: weights of the age bands",
    "alarms": "false positives",
    "searches": "searches",
    "person_hours": "hours of video, summed over the people",
    "darker_probability": "probability that the tone is darker",
    "frames_used": "frames with a usable face",
    "media_given": "media of the template: videos, and image files",
    "media_used": "media with a usable face",
    "not_shown": "images that were given to no model",
    "no_estimate_under": "images of people under the limit without an estimate",
    "no_estimate_from_limit": "images of people at or over the limit without an estimate",
    "error": "type of error",
    "signed_error": "mean of estimated minus true age, in years",
    "absolute_error": "mean absolute difference between both, in years",
    "number": "name of the number in the protocol",
    "rule": "source of the rule of computation",
    "impostors": "impostor pairs, or searches without a mate",
    "background_under": "proportion of the background below 26",
    "background_over": "proportion of the background above 246",
}
PARTS: Mapping[str, str] = {
    "errors": "errors",
    "trials": "trials",
    "value": "errors / trials",
    "low": "lower limit of the interval",
    "high": "upper limit of the interval",
    "a": "of the first group",
    "b": "of the second group",
    "x": "pixels from the left edge",
    "y": "pixels from the upper edge",
    "before": "without the perturbation",
}


# Types of tables, each in one file of facegap/tables, in the order of the page.
KINDS: Mapping[str, ModuleType] = {
    "Images and people": images,
    "Outcomes of images": images_lost,
    "Rates and gaps": rates,
    "Pairs and scores": pairs,
    "Searches": searches,
    "Labels and annotators": labels,
    "Rates for a population, and along a column": population,
    "Quality": quality,
    "Ages": ages,
    "Protocols": protocols,
    "Comparisons of runs": comparisons,
    "Causes": causes,
    "Downloads of explore": explored,
    "The demo and published results": published,
}


AS_IN = {"FIXED_THRESHOLD": "PAIRED", "GAP_CHANGES": "PAIRED"}  # that take columns of another, with what is said there


def schemas() -> list[Schema]:
    """Return every schema, in the order of the page."""
    return [schema for kind in KINDS.values() for schema in schemas_of(kind)]


def schemas_of(kind: ModuleType) -> list[Schema]:
    """The schemas that a file states, in its order; one that it imports is another file's."""
    source = ast.parse(source_of(kind))
    stated = [
        name.id
        for node in source.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    ]
    return [value for name in stated if isinstance(value := getattr(kind, name), Schema)]


def source_of(module: ModuleType) -> str:
    """The text of a module's file."""
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def said() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """What the comments of every kind of tables say: of each schema, and of each (schema, column)."""
    of_schema: dict[str, str] = {}
    of_column: dict[tuple[str, str], str] = {}
    for kind in KINDS.values():
        schemas_said, columns_said = said_of(source_of(kind))
        of_schema |= schemas_said
        of_column |= columns_said
    return of_schema, of_column


def comments(source: str) -> dict[int, str]:
    """The comment of each line that has one, without its sign."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def said_of(source: str) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """What the comments of a file of tables say: of each schema, and of each (schema, column)."""
    said = comments(source)
    of_schema: dict[str, str] = {}
    of_column: dict[tuple[str, str], str] = {}
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        if not (isinstance(call.func, ast.Name) and call.func.id == "Schema"):
            continue
        name = str(ast.literal_eval(call.args[0]))
        of_schema[name] = said.get(call.args[0].lineno, "")
        if isinstance(call.args[1], ast.Dict):
            for names, first, last in entries(call.args[1]):
                note = " ".join(said[line] for line in range(first, last + 1) if line in said)
                of_column |= {(name, column): note for column in names}
    return of_schema, of_column


def entries(columns: ast.Dict) -> Iterator[tuple[list[str], int, int]]:
    """The columns that each entry of a schema adds, as far as they are written there, and its first and last line."""
    for key, value in zip(columns.keys, columns.values, strict=True):
        first = (key or value).lineno
        if isinstance(key, ast.Constant):
            yield [str(key.value)], first, value.end_lineno or first
        elif (
            isinstance(value, ast.Call) and value.args
        ):  # dict.fromkeys, or a function that gives a column with its interval
            names = (
                getattr(outcomes, value.args[0].id, ())
                if isinstance(value.args[0], ast.Name)
                else constants_in(value.args[0])
            )
            yield [str(name) for name in names], first, value.end_lineno or first


def constants_in(node: ast.expr) -> list[object]:
    """The constants that are written in an expression."""
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]


def lists_of_names(source: str) -> dict[str, str]:
    """Notes of columns that are listed in COVARIATES, one comment for the names of its line."""
    said, found = comments(source), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for part in node.value.elts:
                line = part.end_lineno or part.lineno
                found |= {
                    str(one.value): said[line]
                    for one in ast.walk(part)
                    if isinstance(one, ast.Constant) and line in said and isinstance(one.value, str)
                }
    return found


def note(schema: Schema, name: str, known: Mapping[tuple[str, str], str], listed: Mapping[str, str]) -> str:
    """What is said of a column, empty where nothing is."""
    own = listed if schema.name == "FACES" else {}  # each covariate has its line in COVARIATES
    direct = own.get(name) or known.get((schema.name, name)) or listed.get(name) or COMMON.get(name, "")
    if direct:
        return direct
    if name.startswith("reference_"):
        return f"of the reference group: {note(schema, name.removeprefix('reference_'), known, listed)}"
    whole, _, part = name.rpartition("_")
    if part not in PARTS or not whole:
        return ""
    words = whole.replace("_", " ")
    return f"{words} {PARTS[part]}" if part in ("a", "b", "before") else f"{words}: {PARTS[part]}"


def notes() -> dict[str, dict[str, str]]:
    """What is said of each column, by schema and name."""
    _, known = said()
    listed = lists_of_names(source_of(outcomes))
    fields = {("GAPS", name): text for name, text in notes_of(types.Gap.__doc__ or "").items()}
    taken = {
        (schema.name, name): known.get(("RATES", name))
        or fields.get(("GAPS", name))
        or known.get((AS_IN.get(schema.name, ""), name), "")
        for schema in schemas()
        for name in schema.columns
    }
    model = {("FACES", outcomes.MODEL_QUALITY): "what the model of --quality says, higher is better"}
    everything = taken | model | {key: text for key, text in (known | fields).items() if text}
    return {
        schema.name: {name: note(schema, name, everything, listed) for name in schema.columns} for schema in schemas()
    }


def kind_of(column: Column) -> str:
    """The kind of a column in words."""
    words = {
        "int": "integer",
        "nullable_int": "integer or empty",
        "float": "number",
        "str": "text",
        "bool": "true or false",
    }
    return words[column.kind] + ("" if column.required else ", optional")


def tables_page() -> str:
    """Return the page of all tables."""
    titles, _ = said()
    meanings = notes()
    parts = [
        "# Tables\n",
        "Every table that a command writes, and every column of it. An optional column that is absent is "
        "added empty. Missing numbers are NaN; empty text means none.\n",
    ]
    for title, kind in KINDS.items():
        parts += [
            f"**{title}**\n",
            table(
                ("table", "content"),
                [(f"[{one.name}](#{one.name.lower()})", titles[one.name]) for one in schemas_of(kind)],
            ),
        ]
    for schema in schemas():
        parts += [f"## {schema.name}\n", f"{titles[schema.name]}.\n"]
        if schema.labels_after == FIRST:
            parts.append("Label columns, one per attribute, are first.\n")
        elif schema.labels_after:
            parts.append(f"Label columns, one per attribute, follow `{schema.labels_after}`.\n")
        rows = [
            (
                code(name),
                kind_of(column),
                meanings[schema.name][name],
                ", ".join(code(c) for c in column.choices or () if c),
            )
            for name, column in schema.columns.items()
        ]
        parts.append(table(("column", "type", "content", "values"), rows))
    return "\n".join(parts)
