"""The command line: parsing and printing only. Every command calls one function and prints the result.

COMMANDS lists all commands: heading, name, function. The commands of a tool are in the tool's folder.
"""

# First, so that Ctrl-C while the commands below are loaded ends the process without a traceback.
import facegap.cli.interrupt  # noqa: F401

# isort: split
from collections.abc import Callable
from typing import Any

import typer

from facegap.annotate.command import agreement, annotate, answers
from facegap.authenticity.command import recheck, seal
from facegap.bench.command import bench
from facegap.catalogue.command import check, datasets, fetch, make_manifest, models
from facegap.catalogue.new_card.command import card
from facegap.cli.app import app, main, register
from facegap.cli.audit import audit
from facegap.cli.black_box import audit_embeddings, audit_predictions, audit_scores
from facegap.cli.runs import merge, report
from facegap.compare.command import compare
from facegap.demo.command import demo
from facegap.doctor.command import doctor
from facegap.explain.command import explain
from facegap.explore.command import explore
from facegap.export.command import export
from facegap.gate.command import gate
from facegap.plan.command import plan
from facegap.privacy.command import forget
from facegap.protocol.command import protocol
from facegap.reproduce.command import reproduce
from facegap.scenarios.command import scenario
from facegap.selfcheck.command import selfcheck
from facegap.stress.command import stress
from facegap.suite.command import suite
from facegap.tone.command import tone
from facegap.variants.command import variants

__all__ = ["app", "main"]

COMMANDS: dict[str, dict[str, Callable[..., Any] | typer.Typer]] = {
    "Start here": {
        "demo": demo,
        "check": check,
        "audit": audit,
        "protocol": protocol,
        "suite": suite,
        "stress": stress,
    },
    "Black boxes: audits without the model": {
        "audit-predictions": audit_predictions,
        "audit-scores": audit_scores,
        "audit-embeddings": audit_embeddings,
    },
    "Runs: work with a finished audit": {
        "report": report,
        "merge": merge,
        "recheck": recheck,
        "seal": seal,
        "forget": forget,
        "compare": compare,
        "explain": explain,
        "gate": gate,
        "explore": explore,
        "export": export,
        "scenario": scenario,
    },
    "People: manifests and labels": {
        "manifest": make_manifest,
        "tone": tone,
        "annotate": annotate,
        "annotations": answers,
        "agreement": agreement,
        "datasets": datasets,
    },
    "Models": {"models": models, "fetch": fetch, "card": card, "doctor": doctor, "variants": variants},
    "Validation and planning": {
        "plan": plan,
        "selfcheck": selfcheck,
        "reproduce": reproduce,
        "bench": bench,
    },
}

for _heading, _commands in COMMANDS.items():
    for _name, _command in _commands.items():
        register(_heading, _name, _command)
