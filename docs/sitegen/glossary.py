"""The glossary of the site: the terms of reports, those of the documentation alone, and every metric."""

from __future__ import annotations

import re
from collections.abc import Mapping

from facegap.derive.metrics import METRICS
from facegap.report.glossary import TERMS
from sitegen.links import slug_of
from sitegen.markdown import code, escaped, table

# Where no term is linked: code, links and pictures, headings, heads of tables, directives, tags.
NO_PROSE = re.compile(
    r"^( *)(`{3,}|:{3,}).*?^\1\2 *$|`[^`\n]+`|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^()\s]+\)|^#+ [^\n]*$|"
    r"^\|[^\n]*\n(?=\|[-| ]+\|$)|<[^>\n]+>",
    re.MULTILINE | re.DOTALL,
)
# A link that a page gives itself, for a word with an ordinary meaning: [margin](reference/glossary.md#margin).
TO_A_TERM = re.compile(r"\[([^\[\]]+)\]\((?:[\w.]+/)*glossary\.md#([\w-]+)\)")
# Terms that no report explains, because none uses them or a report writes them out.
OF_THE_SITE: Mapping[str, str] = {
    "APCER and BPCER": "attack and bona fide presentation classification error rate (ISO/IEC 30107-3): the proportion of presentation "
    "attacks that are classified as bona fide, and of bona fide presentations that are classified as attacks.",
    "AUC and ROC": "ROC is the curve of the true positive rate against the false positive rate at every threshold; AUC is the area "
    "under it.",
    "card": "the TOML file that describes a model or a data set: source, licence, and how it is run.",
    "CMC": "cumulative match characteristic: the proportion of mated searches whose mate is among the first R candidates, as a "
    "function of R.",
    "covariate": "a property of a photograph, such as sharpness or pose, that may differ between groups and affect errors.",
    "DET curve": "FNMR against FMR at every threshold, on logarithmic axes.",
    "FAR and FRR": "false accept and false reject rate, as protocols and bob.measure print them; a page that uses one states how it "
    "differs from FMR and FNMR.",
    "FTA": "failure to acquire: the proportion of images given to the detector that yield no usable face or no template.",
    "FTE": "failure to enrol: the proportion of gallery images that yield no template.",
    "gallery and probe": "in identification, the enrolled images, and the image for which they are searched. In verification, the two "
    "images of a comparison are the reference and the probe.",
    "group": "all images, people or pairs with the same labels, such as gender female and tone darker.",
    "HTER": "half total error rate: the mean of FAR and FRR.",
    "IAPAR": "impostor attack presentation accept rate: the proportion of presentation attacks that a comparison accepts.",
    "ITA": "individual typology angle: a skin colour as an angle in degrees, computed from CIELAB; higher is lighter.",
    "label": "the value that the manifest gives for an image or person; a prediction is the value that a model gives.",
    "manifest": "the table of an audit, one row per image, with labels.",
    "mated and non-mated": "a comparison of two images of one person, and of two different people; a mated search is for a person who "
    "is in the gallery.",
    "Monk scale": "ten printed skin colours (Monk Skin Tone), 1 the lightest.",
    "outcome": "the result of processing an image or pair, such as ok or no_face; each has exactly one.",
    "primary family": "the gaps that were named before the data were seen and are tested together for verdicts.",
    "run folder": "the folder that an audit writes: rows, counts, tables, charts, report and hashes.",
    "score": "the similarity of two photographs according to a model; higher is more similar.",
    "TAR": "true accept rate, 1 - FNMR, at a stated FAR.",
    "template": "the vector that an embedder computes from one image, or that is pooled from several images of one person.",
    "TPIR": "true positive identification rate: 1 - FNIR.",
    "TPR, FPR and PPV": "true and false positive rate, and positive predictive value, as other tools and papers print them.",
}


def names_of(entry: str) -> list[str]:
    """Return the terms that one entry defines.

    Examples
    --------
    >>> names_of("TPR, FPR and PPV"), names_of("genuine and impostor pairs")
    (['TPR', 'FPR', 'PPV'], ['genuine and impostor pairs'])
    """
    names = re.split(r", | and ", entry)
    return names if all(name.isupper() for name in names) else [entry]


NAMES = tuple(name for entry in TERMS | OF_THE_SITE for name in names_of(entry))
# Terms that are linked where a page first uses them: abbreviations, and phrases without an ordinary meaning.
PHRASES = (
    "challenge age",
    "DET curve",
    "Monk scale",
    "Monte Carlo error",
    "naive interval",
    "planted gap",
    "primary family",
    "run folder",
    "score drift",
    "simulated world",
)
LINKED = (*(name for name in NAMES if name.isupper()), *PHRASES)


def with_terms(text: str) -> str:
    """Return a page whose first use of each linked term, outside of code, links and headings, is a link to the glossary.

    Examples
    --------
    >>> with_terms("A [margin](reference/glossary.md#margin) of FMR; FMR is a rate.")
    'A {term}`margin <margin>` of {term}`FMR`; FMR is a rate.'
    """
    by_anchor = {slug_of(name): name for name in NAMES}
    text = TO_A_TERM.sub(lambda found: f"{{term}}`{' '.join(found[1].split())} <{by_anchor[found[2]]}>`", text)
    seen: set[str] = set()
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(LINKED, key=len, reverse=True))})\b")

    def linked(found: re.Match[str]) -> str:
        if found[0] in seen:
            return found[0]
        seen.add(found[0])
        return f"{{term}}`{found[0]}`"

    parts, last = [], 0
    for kept in NO_PROSE.finditer(text):
        parts += [pattern.sub(linked, text[last : kept.start()]), kept[0]]
        last = kept.end()
    return "".join([*parts, pattern.sub(linked, text[last:])])


def glossary_page() -> str:
    """Return the terms in alphabetical order, then every metric with its definition."""
    listed = [
        "\n".join([*map(escaped, names_of(entry)), f"  {escaped(text)}", ""])
        for entry, text in sorted((TERMS | OF_THE_SITE).items(), key=lambda item: item[0].lower())
    ]
    metrics = [(code(name), metric.title, metric.method, metric.source) for name, metric in sorted(METRICS.items())]
    return "\n".join(
        [
            "# Glossary\n",
            "This page defines the terms of reports, tables and pages. A report defines those that it uses, in the same words. On "
            "every page the first use of an abbreviation links here.\n",
            ":::{glossary}",
            *listed,
            ":::\n",
            "## Metrics\n",
            "A metric is a rate that facegap counts by group. rates.csv and the rules of a policy use its name.\n",
            table(("name", "title", "errors / trials", "source"), metrics),
        ]
    )
