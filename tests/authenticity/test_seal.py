"""Sealed runs: what a signature covers, what invalidates it, which keys are rejected, and verification with OpenSSL."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from facegap.audit.run import recheck
from facegap.authenticity.keys import PASSPHRASE_VARIABLE, fingerprint, public_key
from facegap.authenticity.seal import seal, signer_of
from facegap.errors import RunError, SealError
from facegap.report.page import report_again
from facegap.store.begun import SUMS
from facegap.store.checksums import PAGE, SIGNATURE, root_hash
from facegap.store.run import finish
from fixtures.circle import Circle
from fixtures.keys import write_key


@pytest.fixture(scope="module")
def written(six: Circle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; must not be changed."""
    folder = tmp_path_factory.mktemp("written") / "run"
    six.run(out={"folder": folder})
    return folder


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(written, tmp_path / "run"))


@pytest.fixture
def auditor(tmp_path: Path) -> tuple[Path, Path]:
    """The keys of an auditor."""
    return write_key(tmp_path / "auditor.pem", ed25519.Ed25519PrivateKey.generate())


def test_a_sealed_run_is_signed_by_its_key_and_still_consistent(run: Path, auditor: tuple[Path, Path]) -> None:
    private, public = auditor
    told = seal(run, private)
    assert told == signer_of(run, public) == fingerprint(public_key(public))
    assert recheck(run) == []
    assert (run / SIGNATURE).stat().st_mode & 0o777 == 0o600


def test_openssl_verifies_the_seal_without_facegap(run: Path, auditor: tuple[Path, Path]) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    private, public = auditor
    seal(run, private)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", run / SUMS]
    done = subprocess.run([*words, "-sigfile", run / SIGNATURE], capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout


def test_the_seal_of_another_key_is_refused(run: Path, auditor: tuple[Path, Path], tmp_path: Path) -> None:
    other, _ = write_key(tmp_path / "other.pem", ed25519.Ed25519PrivateKey.generate())
    seal(run, other)
    with pytest.raises(SealError, match="not created with the private key that belongs to"):
        signer_of(run, auditor[1])


@pytest.mark.parametrize("content", [b"", b"x" * 63, b"x" * 64, b"x" * 65, b"x" * 100_000])
def test_bytes_that_are_no_signature_are_refused(run: Path, auditor: tuple[Path, Path], content: bytes) -> None:
    seal(run, auditor[0])
    (run / SIGNATURE).write_bytes(content)
    with pytest.raises(SealError, match="was not created with"):
        signer_of(run, auditor[1])


def test_hashes_written_again_after_a_change_do_not_fit_the_seal(run: Path, auditor: tuple[Path, Path]) -> None:
    seal(run, auditor[0])
    kept = (run / SIGNATURE).read_bytes()
    (run / SIGNATURE).unlink()
    (run / "note.txt").write_text("added")
    finish(run)
    (run / SIGNATURE).write_bytes(kept)
    assert recheck(run) == []
    with pytest.raises(SealError, match="SHA256SUMS was changed afterwards"):
        signer_of(run, auditor[1])


def test_a_run_without_a_seal_says_so(run: Path, auditor: tuple[Path, Path]) -> None:
    with pytest.raises(SealError, match=r"not sealed: there is no SHA256SUMS\.sig"):
        signer_of(run, auditor[1])


def test_a_changed_run_is_not_sealed(run: Path, auditor: tuple[Path, Path]) -> None:
    (run / "rates.csv").write_text("made up")
    with pytest.raises(RunError, match=r"rates\.csv: changed since the run was written; it was not sealed"):
        seal(run, auditor[0])
    assert not (run / SIGNATURE).exists()


def test_nothing_is_written_into_a_sealed_run(run: Path, auditor: tuple[Path, Path]) -> None:
    seal(run, auditor[0])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="this run is signed"):
        report_again(run, include_ids=False)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_key_with_a_passphrase_needs_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = write_key(tmp_path / "kept.pem", ed25519.Ed25519PrivateKey.generate(), b"open sesame")
    with pytest.raises(SealError, match=PASSPHRASE_VARIABLE):
        seal(run, private)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(SealError, match="wrong passphrase"):
        seal(run, private)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "open sesame")
    assert seal(run, private) == signer_of(run, public)


def test_keys_that_are_none_or_that_others_may_read_are_refused(run: Path, tmp_path: Path) -> None:
    private, public = write_key(tmp_path / "auditor.pem", ed25519.Ed25519PrivateKey.generate())
    curve, curve_public = write_key(tmp_path / "curve.pem", ec.generate_private_key(ec.SECP256R1()))
    text = tmp_path / "text.pem"
    text.write_text("not a key")
    text.chmod(0o600)
    large = tmp_path / "large.pem"
    large.write_bytes(b"x" * 70_000)
    large.chmod(0o600)
    for path, said in [
        (tmp_path / "none.pem", "openssl genpkey"),
        (public, "other users of this machine can read"),
        (curve, "not an Ed25519 key"),
        (text, "not a private key in PEM"),
        (large, "not a key file"),
        (tmp_path, "not a key file"),
    ]:
        with pytest.raises(SealError, match=said):
            seal(run, path)
    private.chmod(0o640)
    with pytest.raises(SealError, match="run chmod 600"):
        seal(run, private)
    for path, said in [
        (curve_public, "not an Ed25519 key"),
        (text, ": not a public key in PEM"),
        (curve, "this is a private key"),
    ]:
        with pytest.raises(SealError, match=said):
            public_key(path)


def test_the_root_hash_is_that_of_the_lines_of_every_file_but_the_report(run: Path) -> None:
    (run / PAGE).write_text("a report")
    finish(run)
    lines = [line for line in (run / SUMS).read_text().splitlines(keepends=True) if not line.endswith(f"  {PAGE}\n")]
    assert len(lines) == len((run / SUMS).read_text().splitlines()) - 1
    assert root_hash(run) == hashlib.sha256("".join(lines).encode()).hexdigest()
    before = root_hash(run)
    (run / PAGE).write_text("another report")
    assert root_hash(run) == before
    (run / "rates.csv").write_text("made up")
    assert root_hash(run) != before
