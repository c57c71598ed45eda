"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

LABELS = "Labels of skin tone"  # a heading of the help

ManifestPath = Annotated[Path, typer.Argument(help="CSV or parquet with a column image", show_default=False)]
ModelsDir = Annotated[
    list[Path] | None,
    typer.Option("--models-dir", help="A folder with .onnx files; may be given again. FACEGAP_MODELS names more"),
]
Where = Annotated[
    str | None, typer.Option(help="Keep rows by a condition: \"age not in ('0-2', '3-9') and gender == 'female'\"")
]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Accept images outside the manifest's folder")]
By = Annotated[
    str | None,
    typer.Option(help="Groups: 'gender,race' each alone, 'gender*race' crossed [default: every label column alone]"),
]
Tone = Annotated[
    Path | None,
    typer.Option(
        help="Table of `facegap tone`: adds the labels measured_tone and measured_monk",
        show_default=False,
        rich_help_panel=LABELS,
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(
        help="CSV of `facegap annotate`: adds annotated_tone and annotated_<scale>",
        show_default=False,
        rich_help_panel=LABELS,
    ),
]
LabelDraws = Annotated[
    int,
    typer.Option(
        min=2,
        max=10_000,
        help="How often such labels are drawn (by --seed), to carry their doubt into the gaps",
        rich_help_panel=LABELS,
    ),
]
View = Annotated[
    Literal["plain", "gender-shades"] | None,
    typer.Option(help="A further view of the same numbers: the columns and labels of Gender Shades"),
]
ModelName = Annotated[str, typer.Option(help="What the tables call the system")]
Fmr = Annotated[list[float] | None, typer.Option(help="Target false match rate; may be given again [default: 0.001]")]
FmrOn = Annotated[str | None, typer.Option(help="Meet the target over this group's impostor pairs only")]
Threshold = Annotated[list[float] | None, typer.Option(help="A score to accept from, instead of --fmr")]
Split = Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the subjects on whom thresholds are found")]
Seed = Annotated[int, typer.Option(min=0, help="Of that split, and of drawn labels")]
InSample = Annotated[
    bool, typer.Option("--in-sample", help="Find thresholds on the pairs they are judged on; it is said")
]
ExcludePairs = Annotated[
    Path | None, typer.Option(help="CSV left,right: reviewed pairs that are counted nowhere", show_default=False)
]
TailLimit = Annotated[int, typer.Option(min=1, help="Longest list of impostor pairs kept")]
MinSubjects = Annotated[int, typer.Option(min=2, help="Smaller groups are shown, never ranked or tested")]


def refuse_both(fmr: list[float] | None, threshold: Sequence[object] | None) -> None:
    """An error where a target and a threshold are asked for together: only one of them could be kept."""
    if fmr and threshold:
        raise typer.BadParameter(
            "a target (--fmr) and a threshold (--threshold) cannot both set where a score is accepted; give one of them",
            param_hint="--fmr",
        )
