"""The main command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.options import (
    AllowOutside,
    Annotations,
    By,
    LabelDraws,
    ManifestPath,
    ModelsDir,
    Tone,
    View,
    Where,
    refuse_both,
)

# headings of the help
MODELS = "Models"
FACES = "Faces"
GROUPS = "Groups"
VERIFICATION = "Verification (1:1)"
IDENTIFICATION = "Identification (1:N)"
SERVICE = "Black-box service"


def audit(
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    detect: Annotated[
        str,
        typer.Option(
            help="Detector: a card's name, a .toml card, an .onnx with a card beside; 'none' for a black-box service",
            rich_help_panel=MODELS,
        ),
    ] = "yunet",
    classify: Annotated[
        str | None, typer.Option(help="Classifier of gender and age, named likewise", rich_help_panel=MODELS)
    ] = None,
    embed: Annotated[str | None, typer.Option(help="Embedder, named likewise", rich_help_panel=MODELS)] = None,
    detect_only: Annotated[
        bool,
        typer.Option(
            "--detect-only", help="Audit the detector alone, without --classify and --embed", rich_help_panel=MODELS
        ),
    ] = False,
    by: By = None,
    where: Where = None,
    tone: Tone = None,
    annotations: Annotations = None,
    label_draws: LabelDraws = 200,
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="Where the models run; a promise, never a wish", rich_help_panel=MODELS),
    ] = "cpu",
    batch: Annotated[
        int,
        typer.Option(
            min=1, max=1024, help="Faces through a model at once, where its graph allows", rich_help_panel=MODELS
        ),
    ] = 8,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Parts under way at once [default: processors]", rich_help_panel=MODELS),
    ] = None,
    many_faces: Annotated[
        Literal["largest", "refuse", "centre"],
        typer.Option(help="Which face counts where there are several", rich_help_panel=FACES),
    ] = "largest",
    min_face: Annotated[
        int,
        typer.Option(
            min=1, help="Smaller faces, in pixels of the shorter side, end as too_small", rich_help_panel=FACES
        ),
    ] = 12,
    min_subjects: Annotated[
        int, typer.Option(min=2, help="Smaller groups are shown, never ranked or tested", rich_help_panel=GROUPS)
    ] = 20,
    models_dir: ModelsDir = None,
    allow_outside: AllowOutside = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was broken off, same command")
    ] = False,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name images in tables and pages")] = False,
    include_images: Annotated[
        bool, typer.Option("--include-images", help="Show small copies of images that failed in report.html")
    ] = False,
    no_embeddings: Annotated[
        bool, typer.Option("--no-embeddings", help="Leave templates out of the run folder")
    ] = False,
    fmr: Annotated[
        list[float] | None,
        typer.Option(
            help="Target false match rate of --embed; may be given again [default: 0.001]", rich_help_panel=VERIFICATION
        ),
    ] = None,
    fmr_on: Annotated[
        str | None,
        typer.Option(help="Meet the target over this group's impostor pairs only", rich_help_panel=VERIFICATION),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="A score to accept from, or 'published' for the card's own, instead of --fmr",
            rich_help_panel=VERIFICATION,
        ),
    ] = None,
    threshold_on: Annotated[
        Path | None,
        typer.Option(
            help="Manifest of other people on whom thresholds are found",
            show_default=False,
            rich_help_panel=VERIFICATION,
        ),
    ] = None,
    split: Annotated[
        float,
        typer.Option(
            min=0.05, max=0.95, help="Without it: share of the subjects set aside", rich_help_panel=VERIFICATION
        ),
    ] = 0.5,
    seed: Annotated[
        int, typer.Option(min=0, help="Of that split, and of drawn labels", rich_help_panel=VERIFICATION)
    ] = 0,
    in_sample: Annotated[
        bool,
        typer.Option(
            "--in-sample",
            help="Find thresholds on the pairs they are judged on; the tables will say so",
            rich_help_panel=VERIFICATION,
        ),
    ] = False,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV left,right: compare only these pairs", rich_help_panel=VERIFICATION)
    ] = None,
    exclude_pairs: Annotated[
        Path | None, typer.Option(help="CSV left,right: reviewed pairs to leave out", rich_help_panel=VERIFICATION)
    ] = None,
    tail_limit: Annotated[
        int, typer.Option(min=1, help="Longest list of impostor pairs kept", rich_help_panel=VERIFICATION)
    ] = 2_000_000,
    identify: Annotated[
        bool,
        typer.Option(
            "--identify", help="Search a gallery as well (1:N), at the same thresholds", rich_help_panel=IDENTIFICATION
        ),
    ] = False,
    role_column: Annotated[
        str | None,
        typer.Option(
            help="--identify: column that says gallery or probe [default: the rule that follows]",
            rich_help_panel=IDENTIFICATION,
        ),
    ] = None,
    enrol: Annotated[
        Literal["first", "last"],
        typer.Option(help="--identify: which image of each subject is enrolled", rich_help_panel=IDENTIFICATION),
    ] = "first",
    non_mates: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.95,
            help="--identify: share of the subjects kept out of the gallery",
            rich_help_panel=IDENTIFICATION,
        ),
    ] = 0.3,
    rank: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="--identify: candidates read; may be given again [default: 1, 10]",
            rich_help_panel=IDENTIFICATION,
        ),
    ] = None,
    fpir: Annotated[
        list[float] | None,
        typer.Option(
            help="--identify: target false positive identification rate; may be given again",
            rich_help_panel=IDENTIFICATION,
        ),
    ] = None,
    send_images: Annotated[
        bool,
        typer.Option(
            "--send-images", help="Let whole images go to the black-box service of --classify", rich_help_panel=SERVICE
        ),
    ] = False,
    max_calls: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="--send-images: calls in all, repeated ones included [default: no limit]",
            rich_help_panel=SERVICE,
        ),
    ] = None,
    calls_per_second: Annotated[
        float,
        typer.Option(min=0.001, max=1000, help="--send-images: calls of all workers together", rich_help_panel=SERVICE),
    ] = 2.0,
    view: View = None,
) -> None:
    """Run models on portraits and measure their errors by group.

    Every image ends in one outcome, every rate comes with its counts, subjects and interval. The run folder holds
    rates.csv, gaps.csv, faces.parquet, predictions.parquet, embeddings.npy, report.html and SHA256SUMS.

    facegap audit people.csv --classify faceapi_age_gender --by 'gender,gender*race' --out run
    """
    from facegap.audit.run import audit as run_audit
    from facegap.report.page import Images, add_report
    from facegap.report.terminal import print_run, progress_bar

    refuse_both(fmr, threshold)
    given = [float_of(text) for text in threshold or () if text != "published"]
    with progress_bar() as progress:
        run = run_audit(
            manifest,
            detect=detect,
            classify=classify,
            embed=embed,
            detect_only=detect_only,
            by=by,
            where=where,
            tone=tone,
            annotations=annotations,
            label_draws=label_draws,
            device=device,
            batch=batch,
            workers=workers,
            many_faces=many_faces,
            min_face_px=min_face,
            min_subjects=min_subjects,
            models_dirs=models_dir or (),
            allow_outside=allow_outside,
            keep_embeddings=not no_embeddings,
            out=out,
            resume=resume,
            progress=progress,
            fmr=fmr or (1e-3,),
            fmr_on=fmr_on,
            threshold=given,
            published_threshold="published" in (threshold or ()),
            threshold_on=threshold_on,
            split=split,
            seed=seed,
            in_sample=in_sample,
            pairs=pairs,
            exclude_pairs=exclude_pairs,
            tail_limit=tail_limit,
            identify=identify,
            role_column=role_column,
            enrol=enrol,
            non_mates=non_mates,
            rank=rank or (1, 10),
            fpir=fpir or (),
            send_images=send_images,
            max_calls=max_calls,
            calls_per_second=calls_per_second,
        )
    images = Images(manifest.parent, allow_outside) if include_images else None
    add_report(out, run, include_ids=include_ids, images=images)
    print_run(run, out, view=view, include_ids=include_ids)


def float_of(text: str) -> float:
    """A threshold as a number, or an error that says what it may be."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor 'published'", param_hint="--threshold") from None
