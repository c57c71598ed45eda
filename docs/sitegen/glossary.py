"""The glossary of the site: the terms of reports, those of the documentation alone, and every metric."""

from __future__ import annotations

import re
from collections.abc import Mapping

from facegap.derive.metrics import METRICS
from facegap.report.glossary import TERMS
from sitegen.markdown import code, escaped, table

# What no link can stand in: code, links and pictures, headings, heads of tables, directives, tags.
NO_PROSE = re.compile(
    r"^( *)(`{3,}|:{3,}).*?^\1\2 *$|`[^`\n]+`|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^()\s]+\)|^#+ [^\n]*$|"
    r"^\|[^\n]*\n(?=\|[-| ]+\|$)|<[^>\n]+>",
    re.MULTILINE | re.DOTALL,
)
# Terms that no report explains, because none uses them or a report says them in whole words.
OF_THE_SITE: Mapping[str, str] = {
    "APCER and BPCER": "attack and bona fide presentation classification error rate (ISO/IEC 30107-3): the proportion of presentation "
    "attacks that are taken for genuine presentations, and of genuine presentations that are taken for attacks.",
    "AUC and ROC": "the curve of the true positive rate over the false positive rate at every threshold, and the area under it.",
    "card": "the TOML file that describes a model or a data set: source, licence, and how it is run.",
    "CMC": "cumulative match characteristic: the proportion of mated searches whose mate is among the first R candidates, over R.",
    "covariate": "a property of a photograph, such as sharpness or pose, that may differ between groups and affect errors.",
    "DET curve": "FNMR over FMR at every threshold, on logarithmic axes.",
    "FAR and FRR": "false accept and false reject rate, as protocols and bob.measure print them; a page that has one says how it "
    "differs from FMR and FNMR.",
    "FTA": "failure to acquire: the proportion of images shown to the detector that give no usable face or no template.",
    "FTE": "failure to enrol: the proportion of gallery images that give no template.",
    "gallery and probe": "in identification, the images that are searched in, and the image that is searched for. In verification, the "
    "two images of a comparison are the reference and the probe.",
    "group": "all images, people or pairs with the same labels, such as gender female and tone darker.",
    "HTER": "half total error rate: the mean of FAR and FRR.",
    "IAPAR": "impostor attack presentation accept rate: the proportion of presentation attacks that a comparison accepts.",
    "ITA": "individual typology angle: a skin colour as an angle in degrees, computed from CIELAB; higher is lighter.",
    "label": "what the manifest says of an image or person; a prediction is what a model says.",
    "manifest": "the table of an audit, one row per image, with labels.",
    "mated and non-mated": "of one person, and of two different people; a mated search is for a person who is in the gallery.",
    "Monk scale": "ten printed skin colours (Monk Skin Tone), 1 the lightest.",
    "outcome": "the result of processing an image or pair, such as ok or no_face; each has exactly one.",
    "primary family": "the gaps that were named before the data were seen and that are tested together for verdicts.",
    "run folder": "what an audit writes: rows, counts, tables, charts, report and hashes.",
    "score": "how alike a model says two photographs are; higher is more alike.",
    "TAR": "true accept rate, 1 - FNMR, at a stated FAR.",
    "template": "what an embedder makes of one image, or of several images of one person that are pooled.",
    "TPIR": "true positive identification rate: 1 - FNIR.",
    "TPR, FPR and PPV": "true and false positive rate, and positive predictive value, as other tools and papers print them.",
}


def names_of(entry: str) -> list[str]:
    """The terms that one entry defines.

    Examples
    --------
    >>> names_of("TPR, FPR and PPV"), names_of("genuine and impostor pairs")
    (['TPR', 'FPR', 'PPV'], ['genuine and impostor pairs'])
    """
    names = re.split(r", | and ", entry)
    return names if all(name.isupper() for name in names) else [entry]


# Terms that pages link to where they first use them: abbreviations, since ordinary words also have ordinary meanings.
LINKED = tuple(name for entry in TERMS | OF_THE_SITE for name in names_of(entry) if name.isupper())


def with_terms(text: str) -> str:
    """A page on which the first use of each abbreviation, outside of code, links and headings, leads to the glossary."""
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
    """The terms in the order of the alphabet, then every metric with its definition."""
    listed = [
        "\n".join([*map(escaped, names_of(entry)), f"  {escaped(text)}", ""])
        for entry, text in sorted((TERMS | OF_THE_SITE).items(), key=lambda item: item[0].lower())
    ]
    metrics = [(code(name), metric.title, metric.method, metric.source) for name, metric in sorted(METRICS.items())]
    return "\n".join(
        [
            "# Glossary\n",
            "This page defines the terms of reports, tables and pages. A report explains those that it uses, in the same words. The "
            "first use of an abbreviation on a page leads here.\n",
            ":::{glossary}",
            *listed,
            ":::\n",
            "## Metrics\n",
            "A metric is a rate that facegap counts by group. Its name stands in rates.csv and in the rules of a policy.\n",
            table(("name", "title", "errors / trials", "source"), metrics),
        ]
    )
