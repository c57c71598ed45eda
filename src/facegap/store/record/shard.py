"""A shard of an audit: which parts it has, and what it keeps of its models for `facegap merge`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from facegap.store.typed_json import Between, Count
from facegap.types import Execution

MOST_SHARDS = 100_000


@dataclass(frozen=True)
class Shard:
    """One of several equal pieces of an audit.

    number : from 1 on; of: how many there are

    Examples
    --------
    >>> list(Shard(2, 3).parts(8))
    [1, 4, 7]
    """

    number: Annotated[int, Between(1, MOST_SHARDS)]
    of: Annotated[int, Between(1, MOST_SHARDS)]

    def __str__(self) -> str:
        """As --shard has it: 3/16."""
        return f"{self.number}/{self.of}"

    def parts(self, count: int) -> range:
        """Numbers of the parts of this shard, of `count` parts in all."""
        return range(self.number - 1, count, self.of)


@dataclass(frozen=True)
class ModelsRecord:
    """What is known of the models of an audit beside their cards: for run.json, where no model is open any more.

    dimension   : numbers per template; None without an embedder
    doctor_...  : what `facegap doctor` remembers of their settings, in sentences
    dry_run_... : what the dry run found that is no error
    """

    execution: Execution
    dimension: Count | None = None
    doctor_alarms: tuple[str, ...] = ()
    doctor_warnings: tuple[str, ...] = ()
    doctor_checked: tuple[str, ...] = ()
    dry_run_alarms: tuple[str, ...] = ()
    dry_run_notices: tuple[str, ...] = ()


def missing_shards(found: Mapping[int, object], of: int) -> Iterator[int]:
    """The shards of `of` that are not among those found, by number."""
    return (number for number in range(1, of + 1) if number not in found)
