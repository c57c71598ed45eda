"""Read the predictions of a black box: a table of image, prediction, and optionally confidence and age."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.labels import OLDEST, UNKNOWN, age_estimate, normalise_label
from facegap.inputs.manifests.read import IMAGE_SYNONYMS
from facegap.inputs.records import Records, read_records
from facegap.inputs.spelling import means_nothing, tidy

NO_WORDS: Mapping[str, str] = {}
COLUMNS = ("image", "prediction", "confidence", "age")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a black box, one row per row of the file.

    frame  : line (int), image (verbatim), prediction (male and female normalised, "" for none), probability (of the
             prediction, NaN if not given), age (years, NaN if not given; the middle of a range), age_low (the lower end of a
             range, else NaN)
    unit   : what `line` counts, for messages
    sha256 : of the file
    """

    frame: pd.DataFrame
    unit: str
    sha256: str


def read_predictions(path: Path, *, words: Mapping[str, str] = NO_WORDS, keep_words: bool = False) -> Predictions:
    """Read a CSV or parquet file with the columns image and prediction or age, and optionally confidence.

    words      : translations of predictions; keep_words : None, null, nan and similar words are classes

    An empty prediction, the word `unknown` and words for a missing value are not predictions; their confidence is not read. Gender
    words are normalised as in manifests, and every other word is a class.

    Raises
    ------
    TableError : If a column is missing or unknown, an image is empty or occurs twice, a confidence is outside 0 to 1, or an
                 age is not a number of years; with file, line, column and remedy.
    """
    records = read_records(path)
    cells, where = records.frame, f"{path.name} {records.unit}"
    _check_columns([str(name) for name in cells.columns], f"{path.name} line 1")
    if cells.empty:
        raise TableError(f"{path.name} line 1: a header and no rows; add one row per image")
    _check_images(cells["image"], records, where)
    blank = pd.Series("", index=cells.index, dtype="str")
    said = cells.get("prediction", blank)
    prediction = said.map({word: _class_of(word, words, keep_words=keep_words) for word in said.unique()})
    probability = _numbers(cells.get("confidence", blank), records, f"{where} {{}}, column confidence", _confidence)
    ages, low = _without_ranges(cells.get("age", blank))
    age = _numbers(ages, records, f"{where} {{}}, column age", _age)
    frame = pd.DataFrame(
        {
            "line": records.lines,
            "image": cells["image"],
            "prediction": prediction,
            "probability": np.where(prediction == "", np.nan, probability),
            "age": age,
            "age_low": low,
        }
    )
    return Predictions(frame, records.unit, records.sha256)


def _check_columns(names: list[str], where: str) -> None:
    """Raise TableError for a missing or an unknown column."""
    for name in names:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name.lower(), (*COLUMNS, "probability"), n=1)
            meant = {"probability": "confidence"}.get(close[0], close[0]) if close else None
            meant = "image" if name.lower() in IMAGE_SYNONYMS else meant
            cure = f"rename it to {meant}" if meant and meant not in names else "remove it"
            raise TableError(f"{where}, column {name}: not one of {', '.join(COLUMNS)}; {cure}")
    if "image" not in names or not {"prediction", "age"} & set(names):
        missing = "image" if "image" not in names else "prediction"
        raise TableError(f"{where}: no column {missing}; add it (found: {', '.join(names)})")


def _check_images(images: pd.Series, records: Records, where: str) -> None:
    """Raise TableError if an image is not named, or named twice."""
    empty = (images.str.strip() == "").to_numpy(dtype=bool)
    if empty.any():
        line = records.lines[int(empty.argmax())]
        raise TableError(f"{where} {line}, column image: empty; name the image as the manifest does")
    doubled = images.duplicated().to_numpy(dtype=bool)
    if doubled.any():
        second = int(doubled.argmax())
        first = records.lines[int((images == images.iloc[second]).to_numpy(dtype=bool).argmax())]
        raise TableError(
            f"{where} {records.lines[second]}, column image: {images.iloc[second]!r} repeats {records.unit} {first} "
            f"({int(doubled.sum())} repeated in all); keep one prediction per image"
        )


def _class_of(word: str, words: Mapping[str, str], *, keep_words: bool) -> str:
    """Return the class that a word means, "" for none."""
    plain = tidy(word)
    plain = words.get(word, words.get(plain, plain))
    if means_nothing(plain) and not keep_words:
        return ""
    label = normalise_label("gender", plain)
    return "" if label == UNKNOWN else label


def _numbers(cells: pd.Series, records: Records, where: str, read: Callable[[float], str | None]) -> np.ndarray:
    """Return the numbers of a column, NaN for empty cells; `read` returns what is wrong with a number, or None."""
    numbers = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        if text := str(cell).strip():
            try:
                number = float(text.replace("_", "?"))
            except ValueError:
                number = math.nan
            fault = "not a number; write one" if math.isnan(number) else read(number)
            if fault:
                raise TableError(f"{where.format(records.lines[k])}: {text!r} is {fault}, or leave the cell empty")
            numbers[k] = number
    return numbers


def _without_ranges(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Replace age ranges such as 25-32 by their middles, and return their lower ends, NaN elsewhere."""
    low, middles = np.full(len(cells), np.nan), cells.tolist()
    for k, cell in enumerate(middles):
        found = age_estimate(str(cell))
        if found is not None and not math.isnan(found[1]):
            middles[k], low[k] = repr(found[0]), found[1]
    return pd.Series(middles, index=cells.index, dtype="str"), low


def _confidence(number: float) -> str | None:
    """Describe what is wrong with a confidence; None if nothing is."""
    if 0 <= number <= 1:
        return None
    return (
        "not a confidence from 0 to 1; divide percentages by 100" if number <= 100 else "not a confidence from 0 to 1"
    )


def _age(number: float) -> str | None:
    """Describe what is wrong with an age; None if nothing is."""
    return (
        None
        if 0 <= number <= OLDEST
        else f"not an age from 0 to {OLDEST:.0f} years; write years, or a range such as 25-32"
    )
