"""The parts of a run that cover items of Annex IV of the EU's AI Act (technical documentation); no claim of conformity.

Items and their letters follow Annex IV of Regulation (EU) 2024/1689, paraphrased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegap.export.markdown import md, table
from facegap.store.record import RunRecord

REGULATION = "Regulation (EU) 2024/1689, Annex IV"
ABSENT = "not in this run"


@dataclass(frozen=True)
class Requirement:
    """One item. where : the file and part of a run that cover it; "" if none does."""

    item: str
    asks: str
    where: str = ""


def annex_iv(record: RunRecord, whole: Mapping[str, Any]) -> str:
    """The table as Markdown. whole : the document of `run_export`."""
    models = ", ".join(dict.fromkeys(entry["name"] for entry in whole["system"]["models"]))
    rows = [(entry.item, entry.asks, entry.where or ABSENT) for entry in requirements(record, whole)]
    spoken = sum(bool(entry.where) for entry in requirements(record, whole))
    return (
        "\n\n".join(
            [
                f"# {REGULATION}: coverage by a facegap run",
                f"Run of {md(models)}. {spoken} of {len(rows)} items have an entry in the run; the others are for the provider to "
                "write. An entry says where a measurement is, not that it is sufficient. No conformity is claimed.",
                "\n".join(table(("item", "requirement", "where in the run"), rows)),
            ]
        )
        + "\n"
    )


def requirements(record: RunRecord, whole: Mapping[str, Any]) -> list[Requirement]:
    """Every item in the order of the annex, with the part of this run that covers it."""
    system, data = whole["system"], whole["data"]
    trained = [entry["name"] for entry in system["models"] if entry["training_data"]]
    hashed = [entry["name"] for entry in system["models"] if entry["sha256"]]
    limited = [entry["name"] for entry in system["models"] if entry["known_limits"]]
    planned = "plan: run.json, plan; " if record.plan is not None else ""
    return [
        Requirement(
            "1(a)",
            "intended purpose, provider, version of the system",
            f"SHA-256 of each model file: run.json, execution.models ({', '.join(hashed)}); purpose and provider: {ABSENT}"
            if hashed
            else "",
        ),
        Requirement("1(b)", "interaction with other hardware and software"),
        Requirement(
            "1(c)",
            "versions of software and firmware",
            "versions of the software that ran the models: run.json, execution.versions" if system["versions"] else "",
        ),
        Requirement("1(d)", "forms in which the system is placed on the market"),
        Requirement(
            "1(e)",
            "hardware on which the system is intended to run",
            f"hardware of this audit: run.json, execution ({system['device']}); intended hardware: {ABSENT}"
            if system["device"]
            else "",
        ),
        Requirement("1(f)", "photographs or illustrations of the product"),
        Requirement("1(g)", "user interface provided to the deployer"),
        Requirement("1(h)", "instructions for use"),
        Requirement(
            "2(a)",
            "development, and pre-trained systems used",
            "licence and citation of each model, from its card: run.json, request"
            if any(entry["licence"] or entry["citation"] for entry in system["models"])
            else "",
        ),
        Requirement("2(b)", "design specifications and key design choices"),
        Requirement("2(c)", "system architecture and computational resources"),
        Requirement(
            "2(d)",
            "training data: provenance, scope, selection, labelling",
            f"one sentence from the card of {', '.join(trained)}: run.json, request" if trained else "",
        ),
        Requirement("2(e)", "human oversight measures"),
        Requirement("2(f)", "pre-determined changes"),
        Requirement(
            "2(g), data",
            "validation and testing data and their main characteristics",
            f"SHA-256 of the manifest ({data['manifest_sha256'][:12]}...), {data['images']:,} images, groups and who labelled "
            "them: run.json, manifest.parquet, report.html",
        ),
        Requirement(
            "2(g), metrics",
            "metrics of accuracy, robustness and potentially discriminatory impacts",
            "rates.csv; gaps.csv with intervals and verdicts; losses of images by group: faces.parquet, report.html",
        ),
        Requirement(
            "2(g), reports",
            "test logs and reports, dated and signed by the responsible persons",
            f"{planned}date: run.json, date; hashes of all files: SHA256SUMS; signature: facegap seal",
        ),
        Requirement("2(h)", "cybersecurity measures"),
        Requirement(
            "3, performance",
            "capabilities and limitations, degrees of accuracy for specific persons or groups, expected overall accuracy",
            "rates.csv: every group and all people, with intervals; report.html"
            + (f"; known limits from the card of {', '.join(limited)}" if limited else ""),
        ),
        Requirement("3, risks", "foreseeable unintended outcomes and risks to rights"),
        Requirement("3, oversight", "human oversight measures in use"),
        Requirement("3, input", "specifications of input data"),
        Requirement(
            "4",
            "appropriateness of the performance metrics",
            "the margin of each metric and the tests behind a verdict: gaps.csv, report.html; why these metrics suit the use: "
            + ABSENT,
        ),
        Requirement("5", "risk management system"),
        Requirement("6", "changes through the lifecycle"),
        Requirement(
            "7",
            "harmonised standards and other specifications applied",
            f"items of {whole['standard']['name']} that the run reports and lacks: facegap export --format json; "
            "no conformity is claimed",
        ),
        Requirement("8", "EU declaration of conformity"),
        Requirement("9", "post-market monitoring"),
    ]
