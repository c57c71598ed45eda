"""The seal of a run: a signature of its SHA256SUMS, which lists the hash of every other file."""

from __future__ import annotations

from pathlib import Path

from facegap.authenticity.keys import fingerprint, private_key, public_key, require_library
from facegap.errors import RunError, SealError
from facegap.store.begun import SUMS
from facegap.store.checksums import SIGNATURE, broken_hashes, is_sealed
from facegap.store.files import write_bytes
from facegap.store.run import open_folder

SIGNATURE_BYTES = 64


def seal(folder: Path, key: Path) -> str:
    """Sign a finished run and return the fingerprint of the key.

    The signature is 64 bytes in SHA256SUMS.sig. Sealing again with the same or another key replaces it.

    Raises
    ------
    RunError  : If the run is not finished, was changed after it finished, or is being written by another process.
    SealError : See `private_key`.
    """
    signer = private_key(key)
    if problems := broken_hashes(folder):
        raise RunError(f"{folder}: the run was changed after it finished: {'; '.join(problems[:3])}; it was not sealed")
    with open_folder(folder, resume=True):
        write_bytes(folder / SIGNATURE, signer.sign((folder / SUMS).read_bytes()))
    return fingerprint(signer.public_key())


def signer_of(folder: Path, key: Path) -> str:
    """Verify the seal of a run and return the fingerprint of the public key.

    Raises
    ------
    SealError : If the run is not sealed, or was sealed with a different key.
    """
    require_library()
    from cryptography.exceptions import InvalidSignature

    known = public_key(key)
    if not is_sealed(folder):
        raise SealError(f"{folder}: not sealed: there is no {SIGNATURE}")
    signature = (folder / SIGNATURE).read_bytes() if (folder / SIGNATURE).stat().st_size == SIGNATURE_BYTES else b""
    try:
        known.verify(signature, (folder / SUMS).read_bytes())
    except InvalidSignature:
        raise SealError(
            f"{folder}: {SIGNATURE} was not created with the private key that belongs to {key}, or {SUMS} was "
            f"changed afterwards"
        ) from None
    return fingerprint(known)
