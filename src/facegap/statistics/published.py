"""The published table of Gender Shades: the counts compatible with it, and people reconstructed from them.

Buolamwini and Gebru (2018), table of the Pilot Parliaments Benchmark, 1,270 faces, three vendors. The numbers here are
secondary: subgroup errors from copies of the paper, the rest recalled and confirmed by arithmetic. Wherever they are
shown, they have `source = secondary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.types import AnyArray

SOURCE = "secondary"
COLUMNS = ("All", "F", "M", "Darker", "Lighter", "DF", "DM", "LF", "LM")
SUBGROUPS = ("DF", "DM", "LF", "LM")
GROUP_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "All": 1270,
        "F": 567,
        "M": 703,
        "Darker": 589,
        "Lighter": 681,
        "DF": 271,
        "DM": 318,
        "LF": 296,
        "LM": 385,
    }
)
_PARTS = {"D": "darker", "L": "lighter", "F": "female", "M": "male"}
PRINTED: Mapping[str, Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "Microsoft": {
            "PPV": (93.7, 89.3, 97.4, 87.1, 99.3, 79.2, 94.0, 98.3, 100.0),
            "Error": (6.3, 10.7, 2.6, 12.9, 0.7, 20.8, 6.0, 1.7, 0.0),
            "TPR": (93.7, 96.5, 91.7, 87.1, 99.3, 92.1, 83.7, 100.0, 98.7),
            "FPR": (6.3, 8.3, 3.5, 12.9, 0.7, 16.3, 7.9, 1.3, 0.0),
        },
        "Face++": {
            "PPV": (90.0, 78.7, 99.3, 83.5, 95.3, 65.5, 99.3, 90.2, 99.2),
            "Error": (10.0, 21.3, 0.7, 16.5, 4.7, 34.5, 0.7, 9.8, 0.8),
            "TPR": (90.0, 98.9, 85.1, 83.5, 95.3, 98.8, 76.6, 98.9, 92.9),
            "FPR": (10.0, 14.9, 1.1, 16.5, 4.7, 23.4, 1.2, 7.1, 1.1),
        },
        "IBM": {
            "PPV": (87.9, 79.7, 94.4, 77.6, 96.8, 65.3, 88.0, 92.9, 99.7),
            "Error": (12.1, 20.3, 5.6, 22.4, 3.2, 34.7, 12.0, 7.1, 0.3),
            "TPR": (87.9, 92.1, 85.2, 77.6, 96.8, 82.3, 74.8, 99.6, 94.8),
            "FPR": (12.1, 14.8, 7.9, 22.4, 3.2, 25.2, 17.7, 5.2, 0.4),
        },
    }
)
# Meaning of the paper's labels, inferred by reconstructing every cell from the error row.
PLAIN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "PPV": "accuracy within true group",
        "Error": "error rate within true group",
        "TPR": "precision",
        "FPR": "one minus the precision of the other gender",
    }
)
LABELS_MEAN = (
    'The row labelled "PPV" is the accuracy within the true group (correct / people of the group), "TPR" is precision '
    '(correct / predicted as that gender), and "FPR" is one minus the precision of the other gender.'
)
LABEL_NOTE = (
    f"{LABELS_MEAN} Read by their usual definitions the labels differ from the printed values by up to 13 points for "
    f"Microsoft and 33 for Face++."
)


@dataclass(frozen=True)
class PossibleCounts:
    """The integers compatible with a published proportion.

    Attributes
    ----------
    counts
        Every count out of `size` that rounds to the published proportion; empty if none does.
    nearest
        The count whose proportion is closest to the published one, whether or not it rounds to it.
    """

    share: float
    size: int
    counts: tuple[int, ...]
    nearest: int

    @property
    def possible(self) -> bool:
        """Whether any count gives the published proportion."""
        return bool(self.counts)


@dataclass(frozen=True)
class PublishedCell:
    """An error rate in the table that does not correspond to a whole number of people in the stated group."""

    vendor: str
    column: str
    printed: float
    size: int
    nearest: int


@dataclass(frozen=True, eq=False)
class RebuiltPeople:
    """One entry per person, as returned by a black-box API: str [n] each."""

    tone: AnyArray
    gender: AnyArray
    prediction: AnyArray


def possible_counts(shares: ArrayLike, sizes: ArrayLike, *, decimals: int = 1) -> list[PossibleCounts]:
    """The counts compatible with published percentages, given the group sizes: a GRIM test for proportions.

    Parameters
    ----------
    shares
        Published percentages with `decimals` places.
    sizes
        People of each group, one per percentage or one for all.

    Returns
    -------
    list[PossibleCounts]
        One per percentage. Halves may have been rounded either way, so both ends are allowed.

    Raises
    ------
    StatisticsError
        If a percentage is outside 0 to 100 or a size is below 1.

    References
    ----------
    Brown and Heathers (2017), here for proportions instead of means.

    Examples
    --------
    >>> ten, fifteen = possible_counts([10.0, 15.0], 10)
    >>> ten.counts, fifteen.possible
    ((1,), False)
    """
    share, size = np.broadcast_arrays(np.atleast_1d(np.asarray(shares, np.float64)), np.asarray(sizes, np.int64))
    if np.any((share < 0) | (share > 100) | np.isnan(share)) or np.any(size < 1):
        raise StatisticsError("proportions must be percentages from 0 to 100, and sizes whole numbers of at least 1")
    half = 0.5 * 10.0**-decimals + 1e-9
    found = []
    for printed, people in zip(share.tolist(), size.tolist(), strict=True):
        low = max(int(np.ceil((printed - half) * people / 100)), 0)
        high = min(int(np.floor((printed + half) * people / 100)), people)
        nearest = min((abs(100 * k / people - printed), k) for k in _around(printed * people / 100, people))[1]
        found.append(PossibleCounts(printed, people, tuple(range(low, high + 1)), nearest))
    return found


def largest_size(share: float, size: int, *, decimals: int = 1) -> int:
    """The largest number of people, up to `size`, for which some count rounds to this percentage; 0 if there is none.

    If it is less than `size`, at least `size` minus that many people were excluded from the published percentage.

    Parameters
    ----------
    share
        Published percentage with `decimals` places; a half may have been rounded either way.

    Raises
    ------
    StatisticsError
        As in `possible_counts`.

    Examples
    --------
    >>> largest_size(15.0, 10), largest_size(33.3, 10)
    (0, 9)
    """
    found = possible_counts(share, np.arange(size, 0, -1), decimals=decimals)
    return next((one.size for one in found if one.possible), 0)


def impossible_cells() -> list[PublishedCell]:
    """The six published errors of Gender Shades that do not correspond to a whole number of people in the stated groups.

    Faces were probably excluded from these cells, so failures were hidden as missing rows.

    Examples
    --------
    >>> cell = impossible_cells()[0]
    >>> cell.vendor, cell.column, cell.printed, cell.size
    ('Microsoft', 'F', 10.7, 567)
    """
    cells = []
    for vendor, rows in PRINTED.items():
        checked = possible_counts(rows["Error"], [GROUP_SIZES[column] for column in COLUMNS])
        cells += [
            PublishedCell(vendor, column, cell.share, cell.size, cell.nearest)
            for column, cell in zip(COLUMNS, checked, strict=True)
            if not cell.possible
        ]
    return cells


def subgroup_errors(vendor: str) -> dict[str, int]:
    """People misclassified in DF, DM, LF and LM: the counts closest to the published error rates.

    Examples
    --------
    >>> subgroup_errors("Microsoft")
    {'DF': 56, 'DM': 19, 'LF': 5, 'LM': 0}
    """
    if vendor not in PRINTED:
        raise StatisticsError(f"no vendor {vendor!r} in the table; there are {', '.join(PRINTED)}")
    printed = PRINTED[vendor]["Error"]
    shares = [printed[COLUMNS.index(column)] for column in SUBGROUPS]
    counts = possible_counts(shares, [GROUP_SIZES[column] for column in SUBGROUPS])
    return {column: cell.nearest for column, cell in zip(SUBGROUPS, counts, strict=True)}


def rebuild_people(vendor: str) -> RebuiltPeople:
    """The 1,270 people of the table with the prediction of the vendor's classifier for each, errors first.

    tone is darker or lighter, gender and prediction female or male; the table contains no missing predictions

    Examples
    --------
    >>> people = rebuild_people("IBM")
    >>> len(people.gender), int((people.prediction != people.gender).sum())
    (1270, 154)
    """
    return people_with_errors(subgroup_errors(vendor))


def people_with_errors(wrong: Mapping[str, int]) -> RebuiltPeople:
    """The 1,270 people of the benchmark, with the given numbers misclassified in DF, DM, LF and LM.

    Raises : StatisticsError if a group is missing, or has more errors than people

    Examples
    --------
    >>> people = people_with_errors({"DF": 2, "DM": 0, "LF": 0, "LM": 0})
    >>> people.prediction[:3].tolist()
    ['male', 'male', 'female']
    """
    tones, genders, predictions = [], [], []
    for column in SUBGROUPS:
        size, errors = GROUP_SIZES[column], wrong.get(column, -1)
        if not 0 <= errors <= size:
            raise StatisticsError(f"{column} needs a number of errors from 0 to {size}")
        tone, gender = (_PARTS[letter] for letter in column)
        other = "male" if gender == "female" else "female"
        tones += [tone] * size
        genders += [gender] * size
        predictions += [other] * errors + [gender] * (size - errors)
    return RebuiltPeople(np.array(tones), np.array(genders), np.array(predictions))


def _around(exact: float, size: int) -> tuple[int, int]:
    below = int(np.floor(exact))
    return below, min(below + 1, size)
