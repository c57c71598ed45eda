"""The gallery: the charts of a report on illustrated people. `cd docs; python -m sitegen.gallery` generates it, in about a minute."""

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
    """A type of chart. reading : how to read it, and the option that adds it; most : maximum number shown per run"""

    title: str
    reading: str
    most: int = 1


KINDS: Mapping[str, Kind] = {
    "errors": Kind(
        "Error rates by group",
        "Each point is the rate of a group, and the line is its interval. Included in every audit. See [verdicts](verdicts.md).",
    ),
    "threshold": Kind(
        "FMR and FNMR of each group",
        "Each point is a group at the threshold of the run, with the intervals of both rates. With `--embed`. See "
        "[thresholds](thresholds.md).",
    ),
    "det": Kind("DET curves", "FNMR against FMR for each group, both on logarithmic axes. With `--embed`."),
    "scores": Kind(
        "Distributions of comparison scores", "Scores of mated and non-mated pairs by group. With `--embed`."
    ),
    "matrix": Kind(
        "False match rate by pair of groups",
        "FMR of probes of one group compared with references of another. With `--embed`.",
    ),
    "transfer": Kind(
        "Threshold transfer between groups",
        "The rate of each group at the threshold that holds the target FMR in another group. With `--embed` and `--fmr`.",
    ),
    "waterfall": Kind(
        "Outcome of every image",
        "The number of images that reach each step and that are lost there. Included in every audit of images.",
    ),
    "quality": Kind(
        "Quality by group, and error versus discard",
        "Quality of the images of each group, and FNMR after the comparisons of lowest quality are discarded. With "
        "`--quality`. See [quality](quality.md).",
        most=2,
    ),
    "balanced": Kind(
        "A gap before and after balancing covariates",
        "The gap between each group and the reference group, raw and after balancing one covariate or all. With "
        "`--covariates`. See [why is there a gap?](why_a_gap.md)",
    ),
    "slopes": Kind(
        "Rates along a numeric column",
        "The rate as a function of the column, with its band. With `--slope`. See [slopes](population.md#slopes).",
    ),
    "tone": Kind(
        "Skin tones of the people",
        "The number of people by skin tone label, if the manifest has such a column. See [skin tone](skin_tone.md).",
    ),
}
# Types of charts for which the illustrated people and the demo's models have no data.
NOT_SHOWN: Mapping[str, str] = {
    "ages": "no model of the demo estimates ages; see [age checks](age.md)",
    "answers": "no model of the demo predicts anything but gender; see [attributes](attributes.md)",
    "frames": "the demo has no videos; see [templates and video](templates.md)",
}
COMPARED = Kind(
    "Comparison of two models",
    "Each point is one model in one group. From `facegap compare`. See [compare models](compare.md).",
)


def audited(people: Path, version: Version, **more: object) -> Run:
    """Audit the illustrated people with one version of the demo's models."""
    models = {"detect": card("detector"), "classify": card(f"gender_{version}"), "embed": card(f"embedder_{version}")}
    return audit(people, settings_from({**models, "by": TERM, **more}))


def charts(folder: Path, *, people: int = PEOPLE) -> Iterator[tuple[Kind, Figure]]:
    """Yield the figures of the gallery with their types, from audits in a folder."""
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
    """Return a chart of the page, after the heading of its type if it is the first one."""
    heading = f"## {kind.title}\n\n{kind.reading}\n\n"
    alt = re.sub(r"[\[\]\n]+", " ", figure.alt)
    note = f"\n{figure.note}\n" if figure.note else ""
    return f"{heading if first else ''}![{alt}]({FOLDER}/{figure.name}.svg)\n{note}"


def make_gallery(docs: Path, *, people: int = PEOPLE) -> None:
    """Write gallery.md and its charts; charts that are no longer shown are removed."""
    pictures = docs / FOLDER
    pictures.mkdir(exist_ok=True)
    parts = [
        "# Gallery of charts\n",
        "<!-- Written by sitegen.gallery: edit that module, not this page. -->\n",
        "The charts are of an audit of 1,000 illustrations of 250 people who do not exist, with the skewed models of [the "
        "demo](demo.md). None contains a photograph of a person. A run folder has each chart in `figures/` as SVG, PNG, PDF and "
        "Vega-Lite.\n",
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
    assert KINDS.keys() | NOT_SHOWN.keys() == FIGURES.keys(), "a type of chart is neither shown nor listed as not shown"
    make_gallery(DOCS if len(sys.argv) < 2 else Path(sys.argv[1]))
