"""Settings of identification (1:N)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facegap.audit.settings.setting import IDENTIFICATION, setting, settle
from facegap.audit.settings.values import in_order, one_or_many
from facegap.errors import SettingError


@dataclass(frozen=True)
class Identify:
    """Who is enrolled in the gallery, who is searched, and the length of candidate lists (1:N)."""

    role_column: str | None = setting(
        None,
        help="Column with the values gallery or probe",
        heading=IDENTIFICATION,
        without="determined by --enrol and --non-mates",
    )
    enrol: Literal["first", "last"] = setting(
        "first", help="Which image of each subject is enrolled", heading=IDENTIFICATION
    )
    non_mates: float = setting(
        0.3,
        help="Proportion of the subjects not enrolled in the gallery",
        heading=IDENTIFICATION,
        minimum=0,
        maximum=0.95,
    )
    rank: tuple[int, ...] = setting(
        (1, 10),
        help="Length of the candidate list; repeatable",
        heading=IDENTIFICATION,
        minimum=1,
        maximum=10_000,
        read=in_order,
    )
    fpir: tuple[float, ...] = setting(
        (),
        help="Target false positive identification rate; repeatable",
        heading=IDENTIFICATION,
        minimum=0,
        maximum=1,
        read=one_or_many(float),
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
        if not self.rank:
            raise SettingError("--rank: give at least one rank; ranks start at 1")
