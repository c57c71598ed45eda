"""Machine-hours, memory and cost of an audit, from measured rates: the tables of docs/scale.md, also for other numbers.

    python benchmarks/machine_hours.py
    python benchmarks/machine_hours.py --images 3e7 --images-per-core-s 82 --price 0.03

Every rate is an option, with a default from benchmarks/README.md or docs/scale.md. The price is an assumption, not a
quotation. The cost of models and of sampling grows linearly with the images, that of all pairs quadratically.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

SIZES = (1e6, 1e7, 1e8, 1e9)
PROBES = 100_000  # number of searches of a gallery
PART = 32  # images committed together
HOUR_S = 3600


@dataclass(frozen=True)
class Rates:
    """Measured rates, and assumptions.

    images_per_core_s   : with decoding, yunet, face_reid_0095 and faceapi_age_gender
    pairs_per_core_s    : for all pairs, dimension 512, 200,000 templates, AMX
    searched_per_core_s : probes times gallery of a search, dimension 512, k = 10, AMX
    commit_ms           : time of the command's process for each part of 32 images
    choose_s            : time of the command's process to sample pairs, per 1,000,000 images
    memory_gib          : memory of the command's process per 1,000,000 rows, for `facegap report`
    depth               : dimension of a template, in numbers of 4 bytes
    price               : per core-hour, in any currency; an assumption
    """

    images_per_core_s: float = 17.3
    pairs_per_core_s: float = 0.615e9
    searched_per_core_s: float = 0.65e9
    commit_ms: float = 8.5
    choose_s: float = 6.8
    memory_gib: float = 1.5
    depth: float = 512
    price: float = 0.05


@dataclass(frozen=True)
class Audit:
    """Resources for an audit of some images; hours are core-hours."""

    images: float
    rates: Rates

    @property
    def models_h(self) -> float:
        """Core-hours for the models; linear in the images."""
        return self.images / self.rates.images_per_core_s / HOUR_S

    @property
    def pairs(self) -> float:
        """All pairs of images."""
        return self.images * (self.images - 1) / 2

    @property
    def pairs_h(self) -> float:
        """Core-hours for all pairs; quadratic in the images."""
        return self.pairs / self.rates.pairs_per_core_s / HOUR_S

    @property
    def search_h(self) -> float:
        """Core-hours for PROBES searches of a gallery of all images."""
        return PROBES * self.images / self.rates.searched_per_core_s / HOUR_S

    @property
    def commit_h(self) -> float:
        """Hours of the single process that commits parts, independent of the number of workers."""
        return self.images / PART * self.rates.commit_ms / 1e3 / HOUR_S

    @property
    def choose_s(self) -> float:
        """Seconds of the single process that samples pairs."""
        return self.images / 1e6 * self.rates.choose_s

    @property
    def memory_gib(self) -> float:
        """Memory of the command's process for the manifest."""
        return self.images / 1e6 * self.rates.memory_gib

    @property
    def templates_gb(self) -> float:
        """Size of the file of templates."""
        return self.images * self.rates.depth * 4 / 1e9

    def cost(self, hours: float) -> float:
        """Cost of core-hours."""
        return hours * self.rates.price


def balance(rates: Rates) -> float:
    """Number of images for which all pairs take as long as the models."""
    return 2 * rates.pairs_per_core_s / rates.images_per_core_s


def workers_at_most(rates: Rates) -> float:
    """Cores that one command can keep busy: as many as produce a part in the time of one commit."""
    return PART / (rates.commit_ms / 1e3) / rates.images_per_core_s


def table(sizes: Sequence[float], rates: Rates) -> Iterator[str]:
    """Lines of the table in Markdown."""
    yield (
        f"| images | models, core-hours | all pairs, core-hours | {PROBES:,} searches, core-hours | cost without / with all pairs | "
        "commits, hours | choosing pairs, s | memory, GiB | templates, GB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for images in sizes:
        one = Audit(images, rates)
        cost, more = one.cost(one.models_h), one.cost(one.models_h + one.pairs_h)
        values = (
            f"{images:,.0f}",
            number(one.models_h),
            number(one.pairs_h),
            number(one.search_h),
            f"{number(cost)} / {number(more)}",
            number(one.commit_h),
            number(one.choose_s),
            number(one.memory_gib),
            number(one.templates_gb),
        )
        yield f"| {' | '.join(values)} |"


def number(value: float) -> str:
    """A number with two or three significant digits."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.2g}"


def main() -> None:
    """Print the table and its consequences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, nargs="+", default=SIZES)
    for one in fields(Rates):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=float, default=one.default)
    given = parser.parse_args()
    rates = Rates(**{one.name: getattr(given, one.name) for one in fields(Rates)})
    print("\n".join(table(given.images, rates)))
    print(f"\nall pairs take as long as the models at {balance(rates):.2g} images")
    print(f"one command keeps {workers_at_most(rates):.0f} cores busy")


if __name__ == "__main__":
    main()
