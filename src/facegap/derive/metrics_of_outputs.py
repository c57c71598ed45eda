"""Error rates of outputs other than gender and age. Names contain the output and the class: emotion.missed.angry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from facegap.derive.answers import bona_fide_rejected, missed, presentations, unanswered, without_response
from facegap.derive.metric import Metric
from facegap.store.record import OutputRecord

WORD = r"[a-z][a-z0-9_]{0,39}"
MISSED, SPECIES = re.compile(rf"({WORD})\.missed(?:\.({WORD}))?"), re.compile(rf"apcer\.({WORD})")
FROM_PREDICTIONS = "counts in predictions.parquet"

BPCER = Metric(
    name="bpcer",
    title="bona fide presentations called attacks (BPCER)",
    of_what="images of ",
    order=12,
    scale="difference",
    margin=0.02,
    task="classify",
    trial="image",
    method="bona fide presentations classified as attacks / bona fide presentations with a prediction",
    source="ISO/IEC 30107-3, bona fide presentation classification error rate",
    trials=bona_fide_rejected,
    lost=without_response,
    is_headline=True,
)


def metrics_of_output(output: OutputRecord) -> tuple[Metric, ...]:
    """The metrics of an output other than BPCER, which every run may have; none without true labels."""
    if output.bona_fide:
        return tuple(apcer(species) for species in output.species)
    if not output.label:
        return ()
    return (miss_rate(output.name), *(miss_rate(output.name, word) for word in output.classes))


def metrics_of_outputs(outputs: Sequence[OutputRecord]) -> tuple[Metric, ...]:
    """The metrics of several outputs."""
    return tuple(metric for output in outputs for metric in metrics_of_output(output))


def named_metric(name: str) -> Metric | None:
    """The metric with this name; None if no output can have it."""
    if found := MISSED.fullmatch(name):
        return miss_rate(found[1], found[2])
    if found := SPECIES.fullmatch(name):
        return apcer(found[1])
    return None


def is_of_output(name: str) -> bool:
    """Whether a metric evaluates an output other than gender and age."""
    return name == BPCER.name or named_metric(name) is not None


def miss_rate(name: str, word: str | None = None) -> Metric:
    """1 - recall of a class of an output; without a class the error rate over all labelled images."""
    what = f"labelled “{spoken(word)}” and predicted otherwise or not at all" if word else "answer wrong or missing"
    of_class = f"labelled {word}" if word else "labelled with a class"
    return Metric(
        name=f"{name}.missed.{word}" if word else f"{name}.missed",
        title=f"{spoken(name)}: {what}",
        of_what="images of ",
        order=13 if word else 11,
        scale="difference",
        margin=0.02,
        task="classify",
        trial="image",
        method=f"images {of_class} with another answer of {name}, or none / images {of_class}; 1 - recall",
        source=FROM_PREDICTIONS,
        trials=partial(missed, name=name, word=word),
        lost=partial(unanswered, name=name, word=word),
        is_headline=True,
    )


def apcer(species: str) -> Metric:
    """Attacks of one species that were classified as bona fide presentations."""
    return Metric(
        name=f"apcer.{species}",
        title=f"attacks by {spoken(species)} taken for bona fide (APCER)",
        of_what="attacks on ",
        order=14,
        scale="difference",
        margin=0.02,
        task="classify",
        trial="image",
        method="attack presentations of the species classified as bona fide / attack presentations of the species "
        "with a prediction; species are never pooled, and the system is described by the worst",
        source="ISO/IEC 30107-3, attack presentation classification error rate",
        trials=partial(presentations, kind=species),
        lost=partial(without_response, kind=species),
        is_headline=True,
    )


def spoken(name: str) -> str:
    """A name in a card in readable form."""
    return name.replace("_", " ")
