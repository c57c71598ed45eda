"""Responses of a black-box service: each call as stored in the run folder, and the prediction parsed from its body."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facegap.errors import RunError
from facegap.inputs.cards.categories import class_word
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import AnswerSpec, CategoryAnswer
from facegap.inputs.manifests.labels import OLDEST, age_estimate, normalise_label
from facegap.store.opened import read_file
from facegap.store.run import write_json
from facegap.store.typed_json import Place, from_json, hints_of, parse_object

State = Literal["sent", "unheard", "failed", "answered"]
MOST_KEPT_BYTES = 16 * 2**20  # of one stored call: a body of control characters grows sixfold in JSON
KEPT = re.compile(r"(\d{7,12})(?:x(\d{7,12}))?-\d{2,}\.json", re.ASCII)
NO_JSON = "the response is not JSON"
MOST_QUOTED = 40  # characters quoted from a response


@dataclass(frozen=True)
class Query:
    """The subject of a call: one image or two. row, reference : manifest rows; reference is None for a single image"""

    row: int
    reference: int | None = None

    @property
    def name(self) -> str:
        """Return the common prefix of the file names of its calls."""
        return f"{self.row:07d}" + ("" if self.reference is None else f"x{self.reference:07d}")

    @property
    def words(self) -> str:
        """Return a description for messages."""
        return f"manifest row {self.row}" + ("" if self.reference is None else f" beside row {self.reference}")


@dataclass(frozen=True)
class Call:
    """One request with one image or two, and its result.

    row, attempt : manifest row of the image; 1 for the first call for it
    reference    : manifest row of the second image, None for a single image
    image_sha256 : of the bytes that were sent; for two images, of the concatenation of both hashes
    state        : sent (the program was killed before a response was stored), unheard (the service did not process the
                   image: no connection, key rejected, or a long pause requested), failed (a retry may succeed) or answered
                   (final, whether or not the response is usable)
    reason       : why the body cannot be used, empty if it can
    body         : as received, cut at the limit, without the key
    """

    row: int
    attempt: int
    image_sha256: str
    state: State
    sent_at: str
    seconds: float = 0.0
    status: int | None = None
    content_type: str = ""
    reason: str = ""
    body: bytes = b""
    reference: int | None = None


@dataclass(frozen=True)
class ServicePrediction:
    """The prediction of a service for an image; if `prediction` is empty, `detail` says why.

    age_low : lower end of an age range, whose middle is `age`
    sent : the image was sent to the service at least once; an image that never was is not a trial
    categories : class (empty for none) and confidence of each further output, by name
    """

    prediction: str = ""
    probability: float = math.nan
    age: float = math.nan
    age_low: float = math.nan
    detail: str = ""
    sent: bool = True
    categories: Mapping[str, tuple[str, float]] = field(default_factory=dict)


# ---- calls in the run folder ----


def call_path(folder: Path, query: Query, attempt: int) -> Path:
    """Return the file of one call."""
    return folder / f"{query.name}-{attempt:02d}.json"


def write_call(folder: Path, call: Call) -> None:
    """Store a call atomically, in a file readable only by its owner."""
    record = asdict(call)
    body = record.pop("body")
    try:
        record["body"] = body.decode("utf-8")
    except UnicodeDecodeError:
        record["body_base64"] = base64.b64encode(body).decode("ascii")
    write_json(call_path(folder, Query(call.row, call.reference), call.attempt), record)


def read_call(path: Path) -> Call:
    """Read a stored call.

    Raises
    ------
    RunError : If the file does not have the format of `write_call`.
    """
    try:
        record = parse_object(read_file(path, MOST_KEPT_BYTES, follow=False).decode("utf-8"), Place(str(path)))
        coded = record.pop("body_base64", None)
        body = record.pop("body", "").encode("utf-8") if coded is None else base64.b64decode(coded, validate=True)
        expected = {name: kind for name, kind in hints_of(Call).items() if name != "body"}
        if set(record) != set(expected):
            raise ValueError("keys that a call does not have")
        place = Place(str(path))
        return Call(
            **{name: from_json(kind, record[name], place.below(name)) for name, kind in expected.items()}, body=body
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, RunError) as error:
        raise RunError(f"{path}: the stored response cannot be read; choose another --out") from error


def kept_calls(folder: Path) -> dict[Query, list[Path]]:
    """Return the files of all stored calls by image or pair, in the order of the calls."""
    found: dict[Query, list[Path]] = {}
    for path in sorted(folder.glob("[0-9]*-[0-9]*.json")):
        if (named := KEPT.fullmatch(path.name)) is not None:
            row, reference = named.groups()
            found.setdefault(Query(int(row), None if reference is None else int(reference)), []).append(path)
    return found


def forget_images(folder: Path, rows: Sequence[int]) -> None:
    """Delete every stored call that sent an image of these manifest rows."""
    removed = set(rows)
    for query, paths in kept_calls(folder).items():
        if query.row in removed or query.reference in removed:
            for path in paths:
                path.unlink()


# ---- parsing of responses ----


def parsed_prediction(call: Call, card: ModelCard) -> ServicePrediction:
    """Parse the body of a call with the paths in the card."""
    assert card.answer is not None
    if call.reason:
        return ServicePrediction(detail=call.reason)
    answer, is_json = parsed(call.body)
    if not is_json:
        return ServicePrediction(detail=NO_JSON)
    spec = card.answer
    prediction, fault = gender_of(answer, spec, card.gender_classes) if spec.gender else ("", "")
    age, age_low, age_fault = age_of(answer, spec.age) if spec.age else (math.nan, math.nan, "")
    probability = confidence_of(answer, spec) if prediction else math.nan
    others = {name: category_of(answer, one) for name, one in spec.outputs.items()}
    faults = (fault, age_fault, *(f"{name}: {why}" for name, (_, _, why) in others.items() if why))
    said = {name: (word, sure) for name, (word, sure, _) in others.items()}
    return ServicePrediction(
        prediction, probability, age, age_low, "; ".join(text for text in faults if text), categories=said
    )


def parsed(body: bytes) -> tuple[Any, bool]:
    """Parse a body, and return whether it is JSON; truncated, HTML and too deeply nested bodies are not."""
    try:
        return json.loads(body), True
    except (ValueError, RecursionError):
        return None, False


def gender_of(answer: Any, spec: AnswerSpec, classes: Sequence[str]) -> tuple[str, str]:
    """Return the predicted class, or an empty string and the reason."""
    assert spec.gender is not None
    word, found = value_at(answer, spec.gender)
    if not found:
        return "", f"nothing at {spec.gender} in the response"
    if isinstance(word, bool) or not isinstance(word, str | int):
        return "", f"no word at {spec.gender} in the response"
    text = str(word).strip()
    named = spec.classes.get(text) if spec.classes else normalise_label("gender", text)
    if named is None or named not in classes:
        return "", f"outside the classes of the card: {quoted(text)}"
    return named, ""


def category_of(answer: Any, spec: CategoryAnswer) -> tuple[str, float, str]:
    """Return the predicted class, its confidence (NaN if not given), and the reason if there is no class."""
    word, found = value_at(answer, spec.at)
    if not found:
        return "", math.nan, f"nothing at {spec.at} in the response"
    if isinstance(word, bool):
        word = "true" if word else "false"
    if not isinstance(word, str | int):
        return "", math.nan, f"no word at {spec.at} in the response"
    text = str(word).strip()
    named = spec.words.get(text) if spec.words else class_word(text)
    if named is None or named not in spec.classes:
        return "", math.nan, f"outside the classes of the card: {quoted(text)}"
    return named, confidence_of(answer, spec), ""


def age_of(answer: Any, path: str) -> tuple[float, float, str]:
    """Return the age in years, the lower end of an age range (else NaN), and the reason if there is no age.

    A range is a string such as "25-32", a list of two numbers, or an object of two whose keys mean low and high (Low and High,
    min and max).
    """
    value, found = value_at(answer, path)
    if not found:
        return math.nan, math.nan, f"nothing at {path} in the response"
    if isinstance(value, dict):
        named = {str(name).lower(): number for name, number in value.items()}
        value = [named.get(low, named.get(other)) for low, other in (("low", "min"), ("high", "max"))]
    if isinstance(value, list):
        ends = [number_of(end) for end in value]
        if len(ends) == 2 and 0 <= ends[0] <= ends[1] <= OLDEST:
            return sum(ends) / 2, ends[0], ""
        return math.nan, math.nan, f"no age at {path} in the response"
    years = number_of(value)
    if 0 <= years <= OLDEST:
        return years, math.nan, ""
    said = age_estimate(value) if isinstance(value, str) else None
    return (*said, "") if said else (math.nan, math.nan, f"no age at {path} in the response")


def confidence_of(answer: Any, spec: AnswerSpec | CategoryAnswer) -> float:
    """Return the confidence, 0 to 1; NaN if it is not given as a number."""
    if spec.confidence is None:
        return math.nan
    value = number_of(value_at(answer, spec.confidence)[0]) * spec.confidence_scale
    return value if 0 <= value <= 1 else math.nan


def value_at(answer: Any, path: str) -> tuple[Any, bool]:
    """Return the value at a dotted path (names in objects, indices from 0 in lists) and whether it exists."""
    for name in path.split("."):
        if isinstance(answer, dict) and name in answer:
            answer = answer[name]
        elif isinstance(answer, list) and name.isdigit() and int(name) < len(answer):
            answer = answer[int(name)]
        else:
            return None, False
    return answer, answer is not None


def number_of(value: Any) -> float:
    """Return a number, or the number in a string; otherwise NaN."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        return float(value.replace("_", "?") if isinstance(value, str) else value)  # Python would accept 4_1
    except (ValueError, OverflowError):
        return math.nan


def quoted(text: str) -> str:
    """Quote a word from a response: shortened, without characters that could control a terminal."""
    short = text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
    return repr("".join(letter if letter.isprintable() else "?" for letter in short))
