"""A shard of an audit: its parts, and what `facegap merge` needs to know about its models."""

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

    number : from 1; of: number of shards

    Examples
    --------
    >>> list(Shard(2, 3).parts(8))
    [1, 4, 7]
    """

    number: Annotated[int, Between(1, MOST_SHARDS)]
    of: Annotated[int, Between(1, MOST_SHARDS)]

    def __str__(self) -> str:
        """Format as for --shard: 3/16."""
        return f"{self.number}/{self.of}"

    def parts(self, count: int) -> range:
        """Return the numbers of the parts of this shard, of `count` parts in all."""
        return range(self.number - 1, count, self.of)


@dataclass(frozen=True)
class ModelsRecord:
    """Facts about the models of an audit, beyond their cards, for run.json once the models are closed.

    dimension   : numbers per template; None without an embedder
    doctor_...  : stored findings of `facegap doctor` on their settings, in sentences
    dry_run_... : findings of the dry run that are not errors
    """

    execution: Execution
    dimension: Count | None = None
    doctor_alarms: tuple[str, ...] = ()
    doctor_warnings: tuple[str, ...] = ()
    doctor_checked: tuple[str, ...] = ()
    dry_run_alarms: tuple[str, ...] = ()
    dry_run_notices: tuple[str, ...] = ()


def missing_shards(found: Mapping[int, object], of: int) -> Iterator[int]:
    """Return the numbers of the shards, out of `of`, that were not found."""
    return (number for number in range(1, of + 1) if number not in found)
