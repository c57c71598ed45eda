"""Convert classifier outputs of each kind to class probabilities, or raise an error that names the kind.

A wrong kind is a serious and inconspicuous mistake: a logit read as a probability gives wrong classes, and softmax values read as
logits merely look uncertain. The values of every batch are therefore checked against their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from facegap.errors import ModelError
from facegap.inputs.cards.schema import LabelKind
from facegap.types import FloatArray

SUM_SLACK = 0.02  # tolerance of the sum of a face's probabilities
VALUE_SLACK = 1e-3  # tolerance outside 0..1, for rounding of float16
STEPS = 256  # levels of an 8-bit output


@dataclass(frozen=True)
class Reading:
    """How the values of one output are read, and its location for error messages.

    kind      : the kind in the card
    classes   : number of classes
    where     : "card: outputs.gender"; `key` is the key of the kind in that table
    quantised : the graph computes in 8 bits, so a probability is a multiple of 1/256
    checked   : raise an error for values that the kind cannot have; False to try settings that may be wrong
    """

    kind: LabelKind
    classes: int
    where: str
    key: str = "kind"
    quantised: bool = False
    checked: bool = True


def probabilities(values: FloatArray, reading: Reading) -> FloatArray:
    """Return the probability of each class for each row.

    values  : float64 (rows, values), all finite
    returns : float64 (rows, classes), in 0..1 and adding up to 1 within the model's rounding

    Raises
    ------
    ModelError : If the values do not fit the kind; the message names the kinds that do.
    """
    return READERS[reading.kind](values, reading)


def class_numbers(values: FloatArray, reading: Reading) -> NDArray[np.int64]:
    """Return the class index in each row of an output of kind index.

    Raises
    ------
    ModelError : If a value is not a whole number from 0 to the number of classes minus one.
    """
    column = values[:, 0]
    wrong = (column != np.floor(column)) | (column < 0) | (column >= reading.classes)
    if wrong.any():
        raise refused(values, wrong, reading, f"index needs whole numbers from 0 to {reading.classes - 1}")
    return column.astype(np.int64)


def from_softmax(values: FloatArray, reading: Reading) -> FloatArray:
    """Return the values unchanged."""
    require_shares(values, reading, whole=1.0)
    return values


def from_logits(values: FloatArray, reading: Reading) -> FloatArray:  # noqa: ARG001
    """Return the softmax of the values."""
    return np.asarray(softmax(values, axis=1), np.float64)


def from_probability(values: FloatArray, reading: Reading) -> FloatArray:
    """Return each value p as (p, 1 - p)."""
    require_range(values, reading, whole=1.0)
    return two_columns(values)


def from_logit(values: FloatArray, reading: Reading) -> FloatArray:  # noqa: ARG001
    """Return p and 1 - p for the logistic function p of each value."""
    return two_columns(np.asarray(expit(values), np.float64))


def from_percent(values: FloatArray, reading: Reading) -> FloatArray:
    """Return values divided by 100; a single value p becomes (p, 1 - p)."""
    if values.shape[1] == 1:
        require_range(values, reading, whole=100.0)
        return two_columns(values / 100)
    require_shares(values, reading, whole=100.0)
    return values / 100


READERS: dict[str, Callable[[FloatArray, Reading], FloatArray]] = {
    "softmax": from_softmax,
    "logits": from_logits,
    "probability_of": from_probability,
    "logit": from_logit,
    "percent": from_percent,
}


def two_columns(first: FloatArray) -> FloatArray:
    """Return the columns p and 1 - p."""
    return np.hstack([first, 1 - first])


def require_range(values: FloatArray, reading: Reading, *, whole: float) -> None:
    """Raise ModelError for values outside 0..whole."""
    wrong = np.asarray(~within(values, reading, whole).all(axis=1))
    if reading.checked and wrong.any():
        raise refused(values, wrong, reading, f"{reading.kind} needs values from 0 to {whole:g}")


def require_shares(values: FloatArray, reading: Reading, *, whole: float) -> None:
    """Raise ModelError for rows that are not proportions adding up to `whole`."""
    slack = max(SUM_SLACK, reading.classes / STEPS) if reading.quantised else SUM_SLACK
    adds_up = np.abs(values.sum(axis=1) - whole) <= slack * whole
    wrong = np.asarray(~(within(values, reading, whole).all(axis=1) & adds_up))
    if reading.checked and wrong.any():
        raise refused(
            values, wrong, reading, f"{reading.kind} needs values from 0 to {whole:g} that add up to {whole:g}"
        )


def within(values: FloatArray, reading: Reading, whole: float) -> NDArray[np.bool_]:
    """Return which values lie in 0..whole, up to rounding."""
    slack = whole * (1 / STEPS if reading.quantised else VALUE_SLACK)
    return np.asarray((values >= -slack) & (values <= whole + slack))


def refused(values: FloatArray, wrong: NDArray[np.bool_], reading: Reading, needs: str) -> ModelError:
    """Return the error for rows that do not fit their kind; it shows the first of them."""
    first = values[np.argmax(wrong)]
    shown = ", ".join(f"{value:.4g}" for value in first[:6]) + (", ..." if len(first) > 6 else "")
    return ModelError(
        f"{reading.where}.{reading.key}: {needs}; the model returns {shown} for a face; {cure(values, reading)}"
    )


def cure(values: FloatArray, reading: Reading) -> str:
    """Suggest another kind, from all rows of a batch."""
    fitting = [kind for kind in fitting_kinds(values, reading.classes) if kind != reading.kind]
    if reading.key == "values":
        fitting = [kind for kind in fitting if kind in ("softmax", "logits", "percent")]
    if fitting:
        written = " or ".join(f'{reading.key} = "{kind}"' for kind in fitting)
        return f"write {written}" + (", as stated by its authors" if len(fitting) > 1 else "")
    if values.shape[1] == 2:
        return (
            "each class has a separate probability here, as from two logistic functions; read one of them: "
            'kind = "probability_of", columns = [k]'
        )
    return "no kind in a card fits such values; export the model with logits or softmax output"


def fitting_kinds(values: FloatArray, classes: int) -> list[LabelKind]:
    """Return the kinds that fit these rows, likeliest first; logits fit if nothing else does."""
    low, high, sums = float(values.min()), float(values.max()), values.sum(axis=1)
    if values.shape[1] == 1:
        if (values == np.floor(values)).all() and low >= 0 and high < classes:
            return ["index"]
        if classes != 2:
            return []
        if low >= 0 and high <= 1:
            return ["probability_of"]
        return ["percent", "logit"] if low >= 0 and high <= 100 else ["logit"]
    if low >= 0 and (np.abs(sums - 1) <= SUM_SLACK).all():
        return ["softmax"]
    if low >= 0 and (np.abs(sums - 100) <= 100 * SUM_SLACK).all():
        return ["percent"]
    return [] if low >= 0 and high <= 1 else ["logits"]
