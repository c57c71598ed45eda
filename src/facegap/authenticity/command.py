"""`facegap seal` and `facegap recheck`."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facegap.store.run import Run


def seal(
    run: Annotated[Path, typer.Argument(help="Finished run folder", show_default=False)],
    key: Annotated[Path, typer.Option(help="Private key, Ed25519 in PEM, readable only by you", show_default=False)],
) -> None:
    """Sign a finished run, so that others can verify who signed it and that no file has changed since.

    The signature covers SHA256SUMS, which contains the hash of every other file, and is written to SHA256SUMS.sig. The passphrase
    of a protected key is read from FACEGAP_SEAL_PASSPHRASE. Needs the extra `seal`.

    openssl genpkey -algorithm ed25519 -out auditor.pem && chmod 600 auditor.pem

    openssl pkey -in auditor.pem -pubout -out auditor.pub

    facegap seal run --key auditor.pem

    facegap recheck run --public-key auditor.pub
    """
    from facegap.authenticity.seal import seal as sign
    from facegap.report.text import clean
    from facegap.store.begun import SUMS
    from facegap.store.files import sha256

    fingerprint = sign(run, key)
    typer.echo(f"{clean(run)}: sealed with the key whose public half has the fingerprint {fingerprint}")
    typer.echo(f"SHA-256 of {SUMS}: {sha256(run / SUMS)}")
    typer.echo("Publish the public key and these two lines where readers of the run can find them.")


def recheck(
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key of the signer in PEM, to verify the seal", show_default=False)
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the run's manifest, to hash every image again", show_default=False),
    ] = None,
    models: Annotated[
        list[Path] | None, typer.Option(help="Folder of model weights for --sample; repeatable", show_default=False)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Number of randomly chosen images to run again", min=1, show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Random seed for --sample, to repeat an earlier choice [default: a new choice]", min=0),
    ] = None,
) -> None:
    """Hash every file of a run and derive its tables again; optionally verify its seal, hash its images, and rerun a sample.

    Without a key, the result shows that nothing has changed since the run was written, but not who wrote it. A sample also shows
    whether the models and images give the results in the run. Only a run with templates (embeddings.npy) can show this for every
    pair.

    facegap recheck run

    facegap recheck run --public-key auditor.pub

    facegap recheck run --images photographs

    facegap recheck run --images photographs --models weights --sample 50
    """
    from facegap.audit.run import recheck as check_again
    from facegap.authenticity.seal import signer_of
    from facegap.report.text import clean

    if sample is None and (models or seed is not None):
        raise typer.BadParameter("these options require --sample N", param_hint="--models, --seed")
    if sample is not None and images is None:
        raise typer.BadParameter(
            "--sample needs --images FOLDER, the folder of the run's manifest", param_hint="--images"
        )
    if (run / "stress.json").is_file():
        raise typer.BadParameter(
            f"{clean(run)} is a stress test: facegap stress {clean(run)} --recheck", param_hint="RUN"
        )
    print_problems(check_again(run))
    state = "consistent (this does not show who wrote it)"
    if public_key is not None:
        state = f"consistent and signed by the key {signer_of(run, public_key)}"
    typer.echo(
        f"{clean(run)}: {state}: every file has its stated hash, and the tables can be reproduced from the stored rows"
    )
    if images is not None:
        check_images(run, images)
    if sample is not None and images is not None:
        check_sample(run, images, models or [], sample, secrets.randbits(32) if seed is None else seed)


def check_images(folder: Path, images: Path) -> None:
    """Hash every image of a run and print the result."""
    from facegap.authenticity.images import hashed_again

    run = stored(folder)
    with counted(len(run.by_image[0])) as step:
        found = hashed_again(run, images, on_image=step)
    print_problems(list(found.differing))
    unstated = f"; {found.unstated} were not read in the run and have no hash" if found.unstated else ""
    typer.echo(f"{found.same} images have their stated hash{unstated}")


def check_sample(folder: Path, images: Path, models: list[Path], size: int, seed: int) -> None:
    """Rerun a sample of a run and print the result, preceded by the seed so that the check can be repeated."""
    import numpy as np

    from facegap.audit.recount import comparisons_differing
    from facegap.authenticity.again import sample_again

    typer.echo(f"sample of {size} images, --seed {seed}")
    run = stored(folder)
    with counted(min(size, len(run.by_image[0]))) as step:
        found = sample_again(run, images, models, size, np.random.default_rng(seed), on_image=step)
    for limit in found.limits:
        typer.echo(f"not checked: {limit}")
    print_problems([*found.differing, *comparisons_differing(run)])
    typer.echo(f"{len(found.rows)} of {len(run.by_image[0])} images give the same outcome, prediction and template")
    if run.matched is not None and run.embeddings is not None:
        typer.echo("the stored templates reproduce every stored comparison")


def stored(folder: Path) -> Run:
    """Open a finished run."""
    from facegap.store.run import fitting_together, read_run

    with fitting_together(folder):
        return read_run(folder)


@contextlib.contextmanager
def counted(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar of `total` images; yields the function to call after each, which is safe to call from several threads."""
    from facegap.report.terminal import progress_bar

    done = itertools.count(1)
    with progress_bar() as progress:
        yield lambda: progress(next(done), total)


def print_problems(problems: list[str]) -> None:
    """Print the discrepancies to stderr and exit with code 1 if there are any."""
    from facegap.report.text import clean

    for problem in problems:
        typer.echo(clean(problem), err=True)
    if problems:
        raise typer.Exit(1)
