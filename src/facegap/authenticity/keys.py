"""Ed25519 keys in PEM, as OpenSSL writes them. The signature is raw, so that OpenSSL alone can verify it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from facegap.errors import SealError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSPHRASE_VARIABLE = "FACEGAP_SEAL_PASSPHRASE"  # noqa: S105  (the name of a variable, not a secret)
MAX_KEY_BYTES = 64 * 1024
HOW_TO_MAKE = (
    "create one with: openssl genpkey -algorithm ed25519 -out auditor.pem; chmod 600 auditor.pem; "
    "openssl pkey -in auditor.pem -pubout -out auditor.pub"
)


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key from a PEM file; the passphrase of an encrypted key is read from FACEGAP_SEAL_PASSPHRASE.

    Raises
    ------
    SealError : If the file is missing or readable by others, the key is of another type, or the passphrase is wrong.
    """
    require_library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = read_key_file(path, private=True)
    passphrase = os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError as error:  # an unneeded passphrase was given, or a needed one is missing
        raise SealError(f"{path}: {error}; the passphrase is read from {PASSPHRASE_VARIABLE}") from error
    except ValueError as error:
        raise SealError(f"{path}: not a private key in PEM, or a wrong passphrase; {HOW_TO_MAKE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SealError(f"{path}: not an Ed25519 key; {HOW_TO_MAKE}")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key from a PEM file.

    Raises
    ------
    SealError : If the file is missing or is not an Ed25519 public key.
    """
    require_library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = read_key_file(path, private=False)
    if b"PRIVATE KEY" in content:
        raise SealError(f"{path}: this is a private key; give the public key, which may be published")
    try:
        key = serialization.load_pem_public_key(content)
    except ValueError as error:
        raise SealError(f"{path}: not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SealError(f"{path}: not an Ed25519 key")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key in DER, in hexadecimal: `openssl pkey -pubin -in auditor.pub -outform DER | sha256sum`."""
    from cryptography.hazmat.primitives import serialization

    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def read_key_file(path: Path, *, private: bool) -> bytes:
    """Read a key file. The checks and the read use the same open file.

    Raises
    ------
    SealError : If the file is missing, not a regular file, too large, or a private key that the group or others may read.
    """
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        hint = f"; {HOW_TO_MAKE}" if private else ""
        raise SealError(f"{path}: cannot be read: {error.strerror or error}{hint}") from error
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_KEY_BYTES:
            raise SealError(f"{path}: not a key file")
        if private and os.name == "posix" and status.st_mode & 0o077:
            raise SealError(f"{path}: other users of this machine can read this private key; run chmod 600 {path}")
        return os.read(opened, MAX_KEY_BYTES)
    finally:
        os.close(opened)


def require_library() -> None:
    """Raise SealError if the cryptography library (extra `seal`) is not installed."""
    if importlib.util.find_spec("cryptography") is None:
        raise SealError("signatures need the cryptography library; install facegap[seal]")
