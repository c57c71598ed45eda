"""The command line: parsing and printing only. Every command calls one function and prints what comes back.

Exit codes: 0 done, 1 done and something does not agree (recheck), 2 an error that the message explains.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facegap.errors import FacegapError

app = typer.Typer(
    name="facegap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""
Measure how the errors of face models differ between groups of people.

Start with a CSV that has a column `image` (paths beside the CSV) and any of `subject`, `gender`, `age`, and columns of
your own:

    facegap check people.csv

    facegap audit people.csv --classify faceapi_age_gender --by gender,gender*race --out run

For evaluation, never for identifying anyone. Faces are biometric data: the lawful basis is yours to have.
""",
)

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
View = Annotated[
    Literal["plain", "gender-shades"] | None,
    typer.Option(help="A further view of the same numbers: the columns and labels of Gender Shades"),
]


@app.command()
def audit(
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    detect: Annotated[
        str,
        typer.Option(help="Detector: a card's name, a .toml card, an .onnx with a card beside; 'none' for a closed service"),
    ] = "yunet",
    classify: Annotated[str | None, typer.Option(help="Classifier of gender and age, named likewise")] = None,
    embed: Annotated[str | None, typer.Option(help="Embedder, named likewise")] = None,
    by: By = None,
    where: Where = None,
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Where the models run; a promise, never a wish")
    ] = "cpu",
    batch: Annotated[
        int, typer.Option(min=1, max=1024, help="Faces through a model at once, where its graph allows")
    ] = 8,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Parts under way at once [default: processors]")
    ] = None,
    many_faces: Annotated[
        Literal["largest", "refuse", "centre"], typer.Option(help="Which face counts where there are several")
    ] = "largest",
    min_face: Annotated[
        int, typer.Option(min=1, help="Smaller faces, in pixels of the shorter side, end as too_small")
    ] = 12,
    min_subjects: Annotated[int, typer.Option(min=2, help="Smaller groups are shown, never ranked or tested")] = 20,
    models_dir: ModelsDir = None,
    allow_outside: AllowOutside = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was broken off, same command")
    ] = False,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name images in tables and pages")] = False,
    no_embeddings: Annotated[
        bool, typer.Option("--no-embeddings", help="Leave templates out of the run folder")
    ] = False,
    fmr: Annotated[
        list[float] | None, typer.Option(help="Target false match rate of --embed; may be given again [default: 0.001]")
    ] = None,
    fmr_on: Annotated[str | None, typer.Option(help="Meet the target over this group's impostor pairs only")] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="A score to accept from, or 'published' for the card's own, instead of --fmr")
    ] = None,
    calibrate_on: Annotated[
        Path | None, typer.Option(help="Manifest of other people on whom thresholds are found", show_default=False)
    ] = None,
    split: Annotated[float, typer.Option(min=0.05, max=0.95, help="Without it: share of the subjects set aside")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of that split")] = 0,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Find thresholds on the pairs they are judged on; the tables will say so")
    ] = False,
    pairs: Annotated[Path | None, typer.Option(help="CSV left,right: compare only these pairs")] = None,
    exclude_pairs: Annotated[Path | None, typer.Option(help="CSV left,right: reviewed pairs to leave out")] = None,
    tail_limit: Annotated[int, typer.Option(min=1, help="Longest list of impostor pairs kept")] = 2_000_000,
    identify: Annotated[
        bool, typer.Option("--identify", help="Search a gallery as well (1:N), at the same thresholds")
    ] = False,
    role_column: Annotated[
        str | None, typer.Option(help="--identify: column that says gallery or probe [default: the rule that follows]")
    ] = None,
    enrol: Annotated[
        Literal["first", "last"], typer.Option(help="--identify: which image of each subject is enrolled")
    ] = "first",
    non_mates: Annotated[
        float, typer.Option(min=0, max=0.95, help="--identify: share of the subjects kept out of the gallery")
    ] = 0.3,
    rank: Annotated[
        list[int] | None, typer.Option(min=1, help="--identify: candidates read; may be given again [default: 1, 10]")
    ] = None,
    fpir: Annotated[
        list[float] | None, typer.Option(help="--identify: target false positive identification rate; may be given again")
    ] = None,
    send_images: Annotated[
        bool, typer.Option("--send-images", help="Let whole images go to the closed service of --classify")
    ] = False,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="--send-images: calls in all, repeated ones included [default: no limit]")
    ] = None,
    calls_per_second: Annotated[
        float, typer.Option(min=0.001, max=1000, help="--send-images: calls of all workers together")
    ] = 2.0,
    view: View = None,
) -> None:
    """Run models on portraits and measure their errors by group.

    Every image ends in one outcome, every rate comes with its counts, subjects and interval. The run folder holds
    rates.csv, gaps.csv, faces.parquet, predictions.parquet, embeddings.npy, report.html and SHA256SUMS.

    facegap audit people.csv --classify faceapi_age_gender --by 'gender,gender*race' --out run
    """
    from facegap.audit import audit as run_audit
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run, progress_bar

    given = [float_of(text) for text in threshold or () if text != "published"]
    with progress_bar() as progress:
        run = run_audit(
            manifest, detect=detect, classify=classify, embed=embed, by=by, where=where, device=device, batch=batch,
            workers=workers, many_faces=many_faces, min_face_px=min_face, min_subjects=min_subjects,
            models_dirs=models_dir or (), allow_outside=allow_outside, keep_embeddings=not no_embeddings, out=out,
            resume=resume, progress=progress, fmr=fmr or (1e-3,), fmr_on=fmr_on, threshold=given,
            published_threshold="published" in (threshold or ()), calibrate_on=calibrate_on, split=split, seed=seed,
            in_sample=in_sample, pairs=pairs, exclude_pairs=exclude_pairs, tail_limit=tail_limit,
            identify=identify, role_column=role_column, enrol=enrol, non_mates=non_mates, rank=rank or (1, 10),
            fpir=fpir or (), send_images=send_images, max_calls=max_calls, calls_per_second=calls_per_second,
        )  # fmt: skip
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=view, include_ids=include_ids)


ModelName = Annotated[str, typer.Option(help="What the tables call the system")]
Fmr = Annotated[list[float] | None, typer.Option(help="Target false match rate; may be given again [default: 0.001]")]
FmrOn = Annotated[str | None, typer.Option(help="Meet the target over this group's impostor pairs only")]
Threshold = Annotated[list[float] | None, typer.Option(help="A score to accept from, instead of --fmr")]
Split = Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the subjects on whom thresholds are found")]
Seed = Annotated[int, typer.Option(min=0, help="Of that split")]
InSample = Annotated[bool, typer.Option("--in-sample", help="Find thresholds on the pairs they are judged on; it is said")]
MinSubjects = Annotated[int, typer.Option(min=2, help="Smaller groups are shown, never ranked or tested")]


@app.command(name="audit-predictions")
def audit_predictions(
    predictions: Annotated[
        Path, typer.Argument(help="CSV or parquet: image, prediction, perhaps confidence and age", show_default=False)
    ],
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: Annotated[str | None, typer.Option(help="What the tables call the box [default: the file's name]")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Answers that it can give [default: 'female,male', or those it gave]")
    ] = None,
    by: By = None,
    where: Where = None,
    min_subjects: MinSubjects = 20,
    allow_outside: AllowOutside = False,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name images in tables and pages")] = False,
    view: View = None,
) -> None:
    """Error rates by group from answers alone, as a vendor or an API gave them. No image is opened.

    Images without a row, or with an empty prediction, count as no answer; see docs/closed_boxes.md.
    """
    from facegap.closed_boxes import audit_predictions as run_audit
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run

    run = run_audit(
        predictions, manifest, model=model, classes=classes, by=by, where=where, min_subjects=min_subjects,
        allow_outside=allow_outside, out=out,
    )  # fmt: skip
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=view, include_ids=include_ids)


@app.command(name="audit-embeddings")
def audit_embeddings(
    embeddings: Annotated[Path, typer.Argument(help="Templates: .npy, float (rows, dimension)", show_default=False)],
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: ModelName = "embeddings",
    by: By = None,
    fmr: Fmr = None,
    fmr_on: FmrOn = None,
    threshold: Threshold = None,
    split: Split = 0.5,
    seed: Seed = 0,
    in_sample: InSample = False,
    min_subjects: MinSubjects = 20,
) -> None:
    """Verification from templates alone: row k of the .npy belongs to row k of the manifest.

    Rows of zeros, or with NaN, are faces that gave no template: they count as lost, never dropped.
    """
    from facegap.closed_comparisons import audit_embeddings as run_audit
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run
    from facegap.verify import VerifySettings

    given = tuple(dict.fromkeys(threshold or ()))
    settings = VerifySettings(() if given else tuple(fmr or (1e-3,)), fmr_on, given, split=split, seed=seed, in_sample=in_sample)
    run = run_audit(embeddings, manifest, model=model, by=by, verify=settings, min_subjects=min_subjects, out=out)
    add_report(out, run, include_ids=False)
    print_run(run, out, view=None, include_ids=False)


@app.command(name="audit-scores")
def audit_scores(
    scores: Annotated[Path, typer.Argument(help="Comparisons and their scores, see docs/closed_boxes.md", show_default=False)],
    manifest: Annotated[Path | None, typer.Option(help="CSV or parquet that gives images or subjects their groups")] = None,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: ModelName = "scores",
    by: By = None,
    fmr: Fmr = None,
    threshold: Threshold = None,
    split: Split = 0.5,
    seed: Seed = 0,
    in_sample: InSample = False,
    min_subjects: MinSubjects = 20,
) -> None:
    """Verification from scores alone: files as Bob writes them, or CSV with left, right, score.

    Higher scores are more alike. A score of NaN is a comparison that could not be made; it is counted as lost.
    """
    from facegap.closed_comparisons import audit_scores as run_audit
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run
    from facegap.verify import VerifySettings

    given = tuple(dict.fromkeys(threshold or ()))
    settings = VerifySettings(() if given else tuple(fmr or (1e-3,)), None, given, split=split, seed=seed, in_sample=in_sample)
    run = run_audit(scores, manifest, model=model, by=by, verify=settings, min_subjects=min_subjects, out=out)
    add_report(out, run, include_ids=False)
    print_run(run, out, view=None, include_ids=False)


@app.command()
def recheck(run: Annotated[Path, typer.Argument(help="A run folder")]) -> None:
    """Hash every file of a run and derive its tables again from the stored rows."""
    from facegap.audit import recheck as check_again

    problems = check_again(run)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{run}: every file has its stated hash, and the stored rows give the same tables")


@app.command()
def scenario(
    name: Annotated[
        Literal["watchlist", "unlock", "registration", "payment", "attributes"],
        typer.Argument(help="What the model is used for", show_default=False),
    ],
    run: Annotated[Path, typer.Argument(help="A run folder", show_default=False)],
    by: Annotated[str | None, typer.Option(help="Groups: one term of the run [default: its first]")] = None,
    threshold: Annotated[float | None, typer.Option(help="A threshold of the run [default: all of them]")] = None,
    people: Annotated[
        float | None,
        typer.Option(
            help="Crowd of the watchlist [60,000], honest attempts a day [registration: 1,000,000], visitors "
            "[attributes: 10,000]"
        ),
    ] = None,
    people_of: Annotated[
        list[str] | None, typer.Option(help="GROUP=SHARE of these people, once per group [default: equal shares]")
    ] = None,
    entries: Annotated[float | None, typer.Option(help="watchlist: entries on the list [1,000]")] = None,
    entries_of: Annotated[
        list[str] | None, typer.Option(help="watchlist: GROUP=SHARE of the list [default: equal shares]")
    ] = None,
    listed_share: Annotated[
        float | None, typer.Option(help="watchlist: share of the crowd that is on the list, for right stops")
    ] = None,
    tries: Annotated[int | None, typer.Option(help="unlock: tries that a stranger has [5]")] = None,
    impostors: Annotated[float | None, typer.Option(help="registration: impostor attempts a day [1,000]")] = None,
    target: Annotated[float | None, typer.Option(help="payment: the false match rate that is claimed [1e-6]")] = None,
) -> None:
    """From the rates of a run to what happens to people, by group, with intervals and assumptions.

    facegap scenario watchlist run --by gender --people-of female=.5 --people-of male=.5 --listed-share 0.0001
    """
    from facegap.commands.scenario import parse_shares, scenario_tables
    from facegap.report.terminal import print_tables
    from facegap.report.text import clean

    options = {
        "people": people, "people_of": parse_shares(people_of, "--people-of"), "entries": entries,
        "entries_of": parse_shares(entries_of, "--entries-of"), "listed_share": listed_share, "tries": tries,
        "impostors": impostors, "target": target,
    }  # fmt: skip
    tables, assumptions = scenario_tables(name, run, by=by, threshold=threshold, options=options)
    print_tables(tables)
    typer.echo("Assumptions:")
    for sentence in assumptions:
        typer.echo(f"- {clean(sentence)}")


@app.command()
def reproduce(
    study: Annotated[Literal["gender-shades"], typer.Argument(help="A published table", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="New folder for the rebuilt files and the run folder of each vendor")
    ] = None,
) -> None:
    """Rebuild the people of a published table, audit them, and show print beside what they give.

    facegap reproduce gender-shades --out gender-shades
    """
    from facegap.commands.reproduce import REPRODUCTIONS
    from facegap.report.terminal import console, print_sentences, print_tables

    found = REPRODUCTIONS[study](out, console().width)
    print_sentences(found.introduction)
    print_tables(found.tables)
    print_sentences([f"Written to {folder}; check it with facegap recheck {folder}" for folder in found.folders])


@app.command()
def check(manifest: ManifestPath, by: By = None, where: Where = None, allow_outside: AllowOutside = False) -> None:
    """Check a manifest before any model runs: its groups, and the difference that they could show."""
    from facegap.commands.listing import check_manifest
    from facegap.report.terminal import print_tables, print_warnings

    tables, warnings = check_manifest(manifest, by=by, where=where, allow_outside=allow_outside)
    print_tables(tables)
    print_warnings(warnings)


@app.command()
def models(models_dir: ModelsDir = None) -> None:
    """List the model cards: task, size, licence, commercial use, and whether the file is on this machine."""
    from facegap.commands.listing import models_table
    from facegap.report.terminal import print_tables

    print_tables([models_table(models_dir or ())])


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="Show one data set in full")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All cards as the text of datasets.md")] = False,
) -> None:
    """List the data sets that facegap knows: labels, consent, licence, and what they cannot tell."""
    from facegap.commands.listing import datasets_table, datasets_text
    from facegap.report.terminal import print_tables

    if name or markdown:
        typer.echo(datasets_text(name))
    else:
        print_tables([datasets_table()])


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Cards, by name", show_default=False)],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences shown, for scripts")
    ] = False,
) -> None:
    """Download weights by card into the user's cache: https only, checked by sha256 before first use."""
    from facegap.commands.listing import fetch_all
    from facegap.report.terminal import confirm_licence, download_bar

    with download_bar() as progress:
        for path in fetch_all(
            names, accept=lambda card: confirm_licence(card, accepted=accept_licence), progress=progress
        ):
            typer.echo(str(path))


@app.command(name="manifest")
def make_manifest(
    adapter: Annotated[
        str, typer.Argument(help="Layout of the folder: ppb, fairface, lfw, rfw, bfw, utkface, folders")
    ],
    folder: Annotated[Path, typer.Argument(help="The data set's folder")],
    out: Annotated[Path | None, typer.Option(help="CSV to write [default: manifest.csv in the folder]")] = None,
) -> None:
    """Turn a folder of a public data set, or one folder per person, into a manifest."""
    from facegap.commands.listing import write_manifest

    typer.echo(write_manifest(adapter, folder, out))


def float_of(text: str) -> float:
    """A threshold as a number, or an error that says what it may be."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor 'published'", param_hint="--threshold") from None


def print_error(message: str) -> None:
    """An error for a person, on stderr; control characters of hostile names are taken out."""
    from facegap.report.text import clean

    typer.echo(clean(message), err=True)


def main() -> Any:
    """Entry point: errors of facegap become one line on stderr and exit code 2."""
    try:
        return app()
    except FacegapError as error:
        print_error(f"facegap: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        print_error("facegap: stopped; what was done is kept, go on with --resume")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        sys.exit(0)


if __name__ == "__main__":
    main()
