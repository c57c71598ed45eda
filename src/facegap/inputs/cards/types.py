"""Types of values in a card: text and addresses."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import StringConstraints

LOOPBACK = ("localhost", "127.0.0.1", "::1")

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]


def https(address: str) -> str:
    """Return the address if it is https with a host and without a user name or password."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("not an https address with a host; if there is none, omit the key and write 'obtain'")
    _refuse_password(address)
    return address


def https_or_loopback(address: str) -> str:
    """Return the address if it is https, or plain http to this machine."""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        return https(address)
    _refuse_password(address)
    return address


def _refuse_password(address: str) -> None:
    """Raise ValueError for an address with a user name or a password in it."""
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address in a card must not contain a user name or password")
