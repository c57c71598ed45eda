"""The gallery: the charts of a report on illustrated people. `cd docs; python -m sitegen.gallery` makes it again, in about a minute."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from facegap.audit.run import audit
from facegap.audit.settings import PUBLISHED, settings_from
from facegap.compare.build import compare
from facegap.compare.charts import comparison_figures
from facegap.demo.run import MANIFEST, PEOPLE, PHOTOGRAPHS, TERM, VERSIONS, Version, card, draw_people
from facegap.report.figures import FIGURES, figures_of
from facegap.report.figures.render import drawn
from facegap.report.figures.style import Figure
from facegap.store.run import Run
from sitegen.links import DOCS
from sitegen.markdown import code

PAGE, FOLDER = "gallery.md", "gallery"


class Kind(NamedTuple):
    """A kind of chart. reading : how it is read, and which option adds it; most : how many of a run are shown"""

    title: str
    reading: str
    most: int = 1


KINDS: Mapping[str, Kind] = {
    "errors": Kind(
        "Error rates by group",
        "A point is the rate of a group, the line its interval. Included in every audit. See [verdicts](verdicts.md).",
    ),
    "threshold": Kind(
        "Rates over thresholds",
        "Each line is the rate of one group as the threshold moves. With `--embed`. See [thresholds](thresholds.md).",
    ),
    "det": Kind("DET curves", "FNMR versus FMR for each group, both on logarithmic axes. With `--embed`."),
    "scores": Kind(
        "Distributions of comparison scores", "Scores of mated and non-mated pairs by group. With `--embed`."
    ),
    "matrix": Kind(
        "False match rate by pair of groups",
        "The FMR of probes of one group against references of another. With `--embed`.",
    ),
    "transfer": Kind(
        "Threshold transfer between groups",
        "The rate of each group at the threshold that holds the target FMR in another group. With `--embed` and `--fmr`.",
    ),
    "waterfall": Kind(
        "Outcome of every image",
        "The number of images of each group lost at each step. Included in every audit of images.",
    ),
    "quality": Kind(
        "Quality by group, and error versus discard",
        "Quality of the images of each group, and FNMR after the comparisons of lowest quality are discarded. With "
        "`--quality`. See [quality](quality.md).",
        most=2,
    ),
    "balanced": Kind(
        "A gap before and after balancing covariates",
        "With `--covariates`. See [why is there a gap](why_a_gap.md).",
    ),
    "slopes": Kind(
        "Rates along a numeric column",
        "The rate at each value, by group. With `--slope`. See [population](population.md).",
    ),
    "tone": Kind(
        "Skin tones of the people",
        "The number of people by skin tone label, if the manifest has such a column. See [skin tone](skin_tone.md).",
    ),
}
# Kinds that illustrated people and the demo's models have nothing for.
NOT_SHOWN: Mapping[str, str] = {
    "ages": "no model of the demo estimates ages; see [age checks](age.md)",
    "answers": "no model of the demo answers anything but gender; see [attributes](attributes.md)",
    "frames": "the demo has no videos; see [templates and video](templates.md)",
}
COMPARED = Kind(
    "Comparison of two models",
    "Each point is one model in one group. From `facegap compare`. See [models side by side](compare.md).",
)


def audited(people: Path, version: Version, **more: object) -> Run:
    """An audit of the illustrated people by one version of the demo's models."""
    models = {"detect": card("detector"), "classify": card(f"gender_{version}"), "embed": card(f"embedder_{version}")}
    return audit(people, settings_from({**models, "by": TERM, **more}))


def charts(folder: Path, *, people: int = PEOPLE) -> Iterator[tuple[Kind, Figure]]:
    """The figures that the gallery shows, with their kinds, from audits that are made below a folder."""
    draw_people(folder, seed=0, people=people, photographs=PHOTOGRAPHS, workers=1, step=lambda *told: None)
    run = audited(
        folder / MANIFEST,
        "skewed",
        quality="sharpness",
        covariates=("sharpness", "cheek_balance"),
        slope=("monk",),
        fmr=(0.01,),
    )
    found = figures_of(run)
    for name, kind in KINDS.items():
        yield from ((kind, figure) for figure in found[name][: kind.most])
    for version in VERSIONS:
        audited(folder / MANIFEST, version, threshold=PUBLISHED, folder=folder / version)
    both = compare([folder / version for version in VERSIONS], names=VERSIONS)
    yield COMPARED, comparison_figures(both.rows, ["error_rate_all"])["errors"][0].wide


def section(kind: Kind, figure: Figure, *, first: bool) -> str:
    """A chart of the page, under the heading of its kind."""
    heading = f"## {kind.title}\n\n{kind.reading}\n\n"
    alt = re.sub(r"[\[\]\n]+", " ", figure.alt)
    note = f"\n{figure.note}\n" if figure.note else ""
    return f"{heading if first else ''}![{alt}]({FOLDER}/{figure.name}.svg)\n{note}"


def make_gallery(docs: Path, *, people: int = PEOPLE) -> None:
    """Write gallery.md and the charts beside it; charts that are no longer shown are removed."""
    pictures = docs / FOLDER
    pictures.mkdir(exist_ok=True)
    parts = [
        "# Gallery of charts\n",
        "<!-- Written by sitegen.gallery: edit that module, not this page. -->\n",
        "Charts of an audit of 1,000 illustrations of 250 people who do not exist, with the skewed models of [the demo](demo.md). No "
        "photograph of a person is in them. A run folder holds each chart in `figures/` as SVG, PNG, PDF and Vega-Lite.\n",
    ]
    seen, written = set(), set()
    with tempfile.TemporaryDirectory() as folder:
        for kind, figure in charts(Path(folder), people=people):
            path = pictures / f"{figure.name}.svg"
            path.write_text(drawn(figure).svg, encoding="utf-8")
            written.add(path)
            parts.append(section(kind, figure, first=kind.title not in seen))
            seen.add(kind.title)
    for path in {*pictures.glob("*.svg")} - written:
        path.unlink()
    missing = "; ".join(f"{code(name)}: {why}" for name, why in NOT_SHOWN.items())
    parts.append(f"## Not shown here\n\n{missing}.\n")
    (docs / PAGE).write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    assert KINDS.keys() | NOT_SHOWN.keys() == FIGURES.keys(), "a kind of chart is neither shown nor said not to be"
    make_gallery(DOCS if len(sys.argv) < 2 else Path(sys.argv[1]))
