"""Speed on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.bench.spectra import SPECTRA

JOB_NAMES = ("counts", "search", "open set", "pairs")

bench = typer.Typer(no_args_is_help=True, help="Measure speed on this machine, as ratios to named peers in one run.")


@bench.command(name="matching")
def bench_matching(
    rows: Annotated[int, typer.Option(min=64, help="Number of embeddings compared with each other")] = 32_768,
    depth: Annotated[int, typer.Option(min=1, max=4096, help="Dimension of the embeddings")] = 512,
    threads: Annotated[int, typer.Option(min=1, help="Number of threads per candidate")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="Number of measured runs per candidate")] = 5,
    fmr: Annotated[
        float,
        typer.Option(
            min=1e-9, max=0.5, help="Count pairs from the score that this proportion of impostor pairs reaches"
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
        rng=np.random.default_rng(0),
    )
    target = out or Path("bench-matching.json")
    write_bytes(target, bench_command.as_json(found).encode())
    typer.echo(bench_command.as_markdown(found))
    typer.echo(f"Written to {target}")
