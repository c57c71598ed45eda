"""Speed on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.bench.spectra import SPECTRA

JOB_NAMES = ("counts", "search", "open set", "pairs")

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure speed on this machine: matching compared with other libraries, and models compared with earlier "
    "results.",
)


@bench.command(name="matching")
def bench_matching(
    rows: Annotated[int, typer.Option(min=64, help="Number of embeddings compared with each other")] = 32_768,
    depth: Annotated[int, typer.Option(min=1, max=4096, help="Dimension of the embeddings")] = 512,
    threads: Annotated[int, typer.Option(min=1, help="Number of threads per candidate")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="Number of measured runs per candidate")] = 5,
    fmr: Annotated[
        float,
        typer.Option(
            min=1e-9, max=0.5, help="Count pairs above the score that this proportion of impostor pairs reaches"
        ),
    ] = 1e-3,
    spectrum: Annotated[
        str, typer.Option(help=f"Spectrum of the synthetic templates: {', '.join(SPECTRA)}")
    ] = "mobileface_v2",
    templates: Annotated[
        Path | None,
        typer.Option(help="Compare these templates instead: a float32 .npy, such as embeddings.npy of a run"),
    ] = None,
    resample: Annotated[
        bool,
        typer.Option(
            "--resample", help="Generate rows beyond those of --templates by mixing them; the output states this"
        ),
    ] = False,
    jobs: Annotated[str, typer.Option(help=f"Jobs to run, separated by commas: {', '.join(JOB_NAMES)}")] = ",".join(
        JOB_NAMES
    ),
    candidates: Annotated[
        str,
        typer.Option(
            help="Only these, separated by semicolons, such as 'float32 GEMM; ours' [default: all]",
            show_default=False,
        ),
    ] = "",
    instructions: Annotated[
        Literal["all", "avx2"],
        typer.Option(help="avx2: restrict numba, OpenBLAS and faiss to AVX2 and FMA, without integer dot products"),
    ] = "all",
    out: Annotated[Path | None, typer.Option(help="JSON file to write [default: bench-matching.json]")] = None,
) -> None:
    """Compare the speed of the matching loop with a float32 matrix product and every installed peer.

    Candidates run in turn, each in its own process. A ratio with too wide a spread is not reported as a result. The default size
    takes several minutes. The output names the instruction sets found, the chosen filter and the proportion of pairs that pass it;
    isotropic rows are the worst case for a prefix filter.

    facegap bench matching --rows 16384 --depth 128 --out bench-matching.json
    facegap bench matching --rows 4096 --templates RUN/embeddings.npy --fmr 1e-4
    facegap bench matching --rows 131072 --templates RUN/embeddings.npy --resample --jobs counts --instructions avx2
    """
    from facegap.bench.again import with_instructions

    if (code := with_instructions(instructions)) is not None:
        raise typer.Exit(code)
    import numpy as np

    from facegap.bench import matching as bench_command
    from facegap.store.run import write_bytes

    found = bench_command.bench_matching(
        rows=rows,
        depth=depth,
        threads=threads,
        turns=turns,
        fmr=fmr,
        spectrum=spectrum,
        templates=templates,
        resample=resample,
        jobs=tuple(name.strip() for name in jobs.split(",")),
        candidates=[name.strip() for name in candidates.split(";")] if candidates else None,
        rng=np.random.default_rng(0),
    )
    target = out or Path("bench-matching.json")
    write_bytes(target, bench_command.as_json(found).encode())
    typer.echo(bench_command.as_markdown(found))
    typer.echo(f"Written to {target}")


@bench.command(name="models")
def bench_models(
    cards: Annotated[list[str], typer.Argument(help="Cards by name, or .toml or .onnx files", show_default=False)],
    models_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with .onnx files; repeatable. FACEGAP_MODELS adds more folders"),
    ] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes, separated by commas")] = "1,8",
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas")] = "1",
    turns: Annotated[int, typer.Option(min=1, max=1000, help="Number of new processes for each setting")] = 5,
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="Number of timed calls per turn")] = 30,
    warm_up: Annotated[int, typer.Option(min=0, max=10_000, help="Number of untimed calls before these")] = 5,
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Device for inference. Fails if unavailable; never falls back")
    ] = "cpu",
    compare: Annotated[
        Path | None, typer.Option(help="An earlier result, to show what changed beyond noise", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="JSON to write")] = Path("bench-models.json"),
) -> None:
    """Latency, images per second and memory of models by batch and threads, with the provider that ran them.

    Each turn is a new process without restrictions, for model files that you trust. The JSON has every call. With --compare,
    a change is reported if its interval over the turns of both files excludes 1.

    facegap bench models mobileface_v2 face_reid_0095 --batch 1,8 --threads 1,2 --out new.json --compare old.json
    """
    from facegap.bench import models as command
    from facegap.report.terminal import print_sentences, print_tables, print_warnings, progress_bar
    from facegap.store.run import write_bytes

    older = None if compare is None else command.read_bench(compare)
    with progress_bar("turns") as progress:
        found = command.bench_models(
            cards,
            models_dir=models_dir or (),
            batches=command.whole_numbers(batch, "--batch", 1024),
            threads=command.whole_numbers(threads, "--threads", 256),
            turns=turns,
            calls=calls,
            warm_up=warm_up,
            device=device,
            progress=progress,
        )
    write_bytes(out, command.as_json(found).encode())
    print_tables([command.bench_table(found)])
    if older is not None:
        print_sentences([""])
        print_tables([command.change_table(command.changes(older, found))])
        print_warnings(command.differences_of_machines(older, found))
    print_sentences(["", f"Written to {out}"])
