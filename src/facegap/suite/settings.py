"""The suite file: a strict TOML file of models, sets and groupings, and the audits that it defines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from facegap.audit.settings import (
    SETTING,
    AuditSettings,
    CallableModel,
    leaves,
    option_name,
    settings_from,
    suggestion,
)
from facegap.errors import SettingError, TableError
from facegap.inputs.strict_toml import Table, Tables, checked, line_numbers, line_of, read_toml
from facegap.options import kinds_of_settings

MOST_BYTES = 1_000_000
MOST_MODELS, MOST_SETS = 64, 64
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$"  # name of a set, used as the name of a folder
SUITE, RUNS = "suite.toml", "runs"
Task = Literal["embed", "classify"]
TASKS: tuple[Task, ...] = ("classify", "embed")
OF_THE_SUITE = frozenset(  # settings with their own keys in the file, and settings of the command line only
    (
        *(
            "detect",
            "classify",
            "embed",
            "by",
            "detect_only",
            "verify_service",
            "send_images",
            "keep_ids",
            "keep_embeddings",
        ),
        *("no_isolation", "allow_outside"),  # a suite file may be untrusted, so it cannot remove restrictions
        "sample_pairs",  # models are ranked on their common pairs
        *("scheduler", "ship_images", "mixed_workers"),  # a suite runs in one process
    )
)


def _one_or_many(value: Any) -> Any:
    """A single text as a list."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Words = Mapping[str, Any]


class SetTable(Table):
    """One [[set]]. Omitted keys have the values of the file."""

    name: str = Field(pattern=NAME, description="a name of letters, digits, - and _, used as a folder name")
    manifest: str = Field(min_length=1, description="the path of a CSV or parquet, relative to the suite file")
    title: str = Field("", max_length=120, description="the name of the set in reports, up to 120 characters")
    detect: str | None = Field(None, min_length=1, description="the name of a detector, as in facegap audit")
    embed: Names | None = Field(None, description="a list of embedders; [] for none")
    classify: Names | None = Field(None, description="a list of classifiers; [] for none")
    by: Names | None = Field(None, min_length=1, description="a list of groupings, such as ['gender', 'gender*race']")
    settings: dict[str, Any] = Field(default={}, description="settings of facegap audit, such as fmr = [0.001]")
    embed_settings: dict[str, Any] = Field(default={}, description="settings of the audits of embedders")
    classify_settings: dict[str, Any] = Field(default={}, description="settings of the audits of classifiers")


class SuiteTable(Table):
    """A suite file."""

    title: str = Field("", max_length=120, description="the title of the leaderboard, up to 120 characters")
    detect: str = Field(AuditSettings.detect, min_length=1, description="the name of a detector")
    embed: Names = Field(
        (), max_length=MOST_MODELS, description="a list of embedders: cards by name, or .toml or .onnx files"
    )
    classify: Names = Field((), max_length=MOST_MODELS, description="a list of classifiers, given in the same way")
    by: Names = Field(min_length=1, description="a list of groupings, such as ['gender', 'gender*race']")
    settings: dict[str, Any] = Field(default={}, description="settings of facegap audit, such as min_subjects = 20")
    set: Annotated[tuple[SetTable, ...], Tables] = Field(
        min_length=1, max_length=MOST_SETS, description="at least one [[set]]"
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [one.name.lower() for one in self.set]
        if len(set(names)) < len(names):
            raise ValueError("two [[set]] have the same name; each needs a separate folder")
        for key, models in (("embed", self.embed), ("classify", self.classify)):
            if len(set(models)) < len(models):
                raise ValueError(f"{key} lists a model twice")
        for one in self.set:
            if not any(models_of(self, one).values()):
                raise ValueError(f"[[set]] {one.name} has no model; list some under embed or classify")
        return self


def models_of(suite: SuiteTable, one: SetTable) -> dict[Task, tuple[str, ...]]:
    """The models of a set by task."""
    return {
        "classify": suite.classify if one.classify is None else one.classify,
        "embed": suite.embed if one.embed is None else one.embed,
    }


@dataclass(frozen=True)
class PlannedAudit:
    """One audit of a suite: an ordinary run. model : as in an audit; name : folder of the run within the set"""

    task: Task
    model: str
    name: str
    settings: AuditSettings


@dataclass(frozen=True)
class SetPlan:
    """The audits of one set, which differ only in their models."""

    name: str
    title: str
    manifest: Path
    audits: tuple[PlannedAudit, ...]


@dataclass(frozen=True)
class Suite:
    """A parsed suite file. content : of the file; a copy of it is stored in the folder"""

    title: str
    content: bytes
    sets: tuple[SetPlan, ...]


def read_suite(path: Path, out: Path, *, words: Words) -> Suite:
    """A suite file, and the audits that it defines.

    out   : folder of the suite; the run of a set's model is in runs/SET/MODEL
    words : settings for every audit from the command line, such as models_dir

    Raises
    ------
    TableError : unreadable, invalid TOML, an unknown key or an invalid value; names the file, the line and the key
    """
    content, data = read_toml(path, max_bytes=MOST_BYTES)
    text = content.decode()
    table = checked(SuiteTable, data, path, text=text)
    lines = Lines(path, line_numbers(text))
    common = typed_words(table.settings, ("settings",), lines)
    sets = tuple(set_plan(table, k, common, out, words, lines) for k in range(len(table.set)))
    return Suite(" ".join(table.title.split()) or path.stem, content, sets)


@dataclass(frozen=True)
class Lines:
    """The lines of the keys in a file, for errors."""

    file: Path
    numbers: Mapping[tuple[str | int, ...], int]

    def error(self, where: tuple[str | int, ...], reason: str) -> TableError:
        """An error at a key."""
        return TableError(f"{self.file}{line_of(self.numbers, where)}: key {where[-1]}: {reason}")


def set_plan(suite: SuiteTable, k: int, common: Words, out: Path, words: Words, lines: Lines) -> SetPlan:
    """The audits of the k-th set."""
    one = suite.set[k]
    place: tuple[str | int, ...] = ("set", k)
    own = typed_words(one.settings, (*place, "settings"), lines)
    of_task = {
        "embed": typed_words(one.embed_settings, (*place, "embed_settings"), lines),
        "classify": typed_words(one.classify_settings, (*place, "classify_settings"), lines),
    }
    title = {"data_name": " ".join(one.title.split())} if one.title.strip() else {}
    audits = []
    for task, given, name in named_models(models_of(suite, one)):
        model = located(given, lines.file)
        values = {
            **title,
            **common,
            **own,
            **of_task[task],
            **words,
            "detect": located(suite.detect if one.detect is None else one.detect, lines.file),
            task: model,
            "by": ",".join(suite.by if one.by is None else one.by),
            "folder": out / RUNS / one.name / name,
        }
        try:
            audits.append(PlannedAudit(task, model, name, settings_from(values)))
        except SettingError as error:
            raise TableError(f"{lines.file}{line_of(lines.numbers, place)}, [[set]] {one.name}: {error}") from None
    return SetPlan(one.name, title.get("data_name", one.name), beside(one.manifest, lines.file), tuple(audits))


def named_models(models: Mapping[Task, Sequence[str]]) -> Iterator[tuple[Task, str, str]]:
    """(task, model, name of its folder) of each model; folder names are distinct."""
    taken: set[str] = set()
    for task in TASKS:
        for model in models[task]:
            stem = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in Path(model).stem)[:60]
            name, count = stem or "model", 1
            while name.lower() in taken:
                count += 1
                name = f"{stem}-{count}"
            taken.add(name.lower())
            yield task, model, name


def located(model: str, file: Path) -> str:
    """A model as an argument of an audit: a file relative to the suite file, a card by its name."""
    return str(beside(model, file)) if model.endswith((".toml", ".onnx")) else model


def beside(path: str, file: Path) -> Path:
    """A path in the suite file, relative to the folder of that file."""
    return file.parent / path


def typed_words(given: Words, place: tuple[str | int, ...], lines: Lines) -> dict[str, Any]:
    """Settings of an audit in the file, converted to their types; paths are relative to the file.

    Raises
    ------
    TableError : an unknown setting, one that is not allowed in a suite, or a value of another type
    """
    known = {one.name: (section, one) for section, one in leaves()}
    allowed = [
        name
        for name, (section, one) in known.items()
        if section not in ("output", "identify", "service")
        and name not in OF_THE_SUITE
        and SETTING in one.metadata
        and one.metadata[SETTING].option
    ]
    found = {}
    for name, value in given.items():
        if name not in allowed:
            if name in known:
                reason = f"{option_name(known[name][1])} of facegap audit is not allowed here"
            else:
                reason = f"unknown{suggestion(name, allowed)}"
            raise lines.error((*place, name), reason)
        kind = kinds_of_settings()[known[name][0]][name]
        try:
            found[name] = typed(kind, value, lines.file)
        except ValidationError as error:
            raise lines.error((*place, name), f"{error.errors()[0]['msg']} (it is {value!r:.80})") from None
    return found


def typed(kind: Any, value: Any, file: Path) -> Any:
    """A value converted to the type of its setting; ValidationError if that is impossible."""
    members = [part for part in (get_args(kind) or (kind,)) if part not in (type(None), CallableModel)]
    several = any(getattr(part, "__origin__", part) is tuple for part in (kind, *members))
    paths = any("Path" in str(part) for part in (kind, *members))
    if several and not isinstance(value, list):
        value = [value]
    if paths:
        value = (
            [beside(one, file) if isinstance(one, str) else one for one in value]
            if several
            else (beside(value, file) if isinstance(value, str) else value)
        )
    return TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(tuple(value) if several else value)
