"""Download weights from the address in their card to the user's cache: https only, limited in size, verified before use.

pooch moves a download into place only after its hash matches. It uses the downloader below, which follows redirects itself so
that every hop stays on https, and stops as soon as the data cannot be the expected file.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from facegap.errors import FetchError
from facegap.inputs.cards.read import hash_file
from facegap.inputs.cards.schema import MAX_WEIGHTS_BYTES, ModelCard
from facegap.inputs.cards.weights import cache_folder

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]  # bytes so far, total bytes if known

MAX_REDIRECTS = 5
CHUNK_BYTES = 256 * 1024
TIMEOUT_S = (15.0, 60.0)  # to connect, and between two chunks of the body
STALE_AFTER_S = 24 * 3600
INCOMING = "incoming-"  # folders of downloads in progress; a killed fetch leaves one behind
WEB_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")
LFS_POINTER_START = b"version https://git-lfs"


def fetch(
    card: ModelCard,
    *,
    cache: Path | None = None,
    accept: Callable[[ModelCard], bool],
    progress: Progress | None = None,
    session: requests.Session | None = None,
) -> Path:
    """Return the path of the card's weights in the cache, after downloading them if necessary.

    cache    : folder to use, created if missing; None: the user's cache
    accept   : called with the card before a download; False cancels it. Not called if the file is already in the cache
    progress : called with the bytes so far and the total, None if the server does not state it
    session  : the transport, for tests

    Raises
    ------
    FetchError : If there is no source, the licence is not accepted, there is no connection, a redirect leaves https, the file
                 differs from the card, or the cache cannot be written. Partial downloads are deleted.
    """
    folder = cache_folder() if cache is None else cache
    if card.source is None or card.file is None or card.sha256 is None:
        raise FetchError(
            f"{card.name}: the card has no download address. {card.obtain or 'It is a black-box service.'}"
        )
    target = folder / card.file
    if target.is_file() and hash_file(target) == card.sha256:
        return target
    if not accept(card):
        raise FetchError(f"{card.name}: the licence ({card.licence}) was not accepted; nothing was fetched")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=folder))
        try:
            _retrieve(card, incoming, progress, session).replace(target)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    except OSError as error:
        raise FetchError(f"{card.name}: cannot write into {folder}: {error.strerror or error}") from error
    return target


def by_hand(card: ModelCard, folder: Path) -> str:
    """Explain manual installation: the file, the folder to put it in, and its size and hash."""
    size = f"{card.size_bytes:,} bytes, " if card.size_bytes is not None else ""
    return (
        f"To install it manually: download {card.source} on another machine and save it as {card.file} in {folder} "
        f"({size}sha256 {card.sha256}), or in any folder given by --models-dir"
    )


def _retrieve(card: ModelCard, incoming: Path, progress: Progress | None, session: requests.Session | None) -> Path:
    """Download the file into `incoming` with pooch and verify it."""
    import pooch
    import requests

    def download(url: str, output_file: str | IO[bytes], _: Any) -> None:
        with own_session() if session is None else contextlib.nullcontext(session) as transport:
            _download(card, url, Path(str(output_file)), transport, progress)

    folder = incoming.parent
    try:
        with _quiet(pooch.get_logger()):
            done = pooch.retrieve(card.source, f"sha256:{card.sha256}", card.file, incoming, downloader=download)
    except requests.exceptions.SSLError as error:
        raise FetchError(f"{card.name}: the server's certificate is not trusted: {_short(error)}") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise FetchError(
            f"{card.name}: truncated because the connection was lost: {_short(error)}; download it again"
        ) from error
    except requests.exceptions.RequestException as error:
        host = urlsplit(card.source or "").hostname
        raise FetchError(f"{card.name}: cannot reach {host}: {_short(error)}. {by_hand(card, folder)}") from error
    except ValueError as error:  # a redirect to an invalid address
        raise FetchError(f"{card.name}: {_short(error)}") from error
    return Path(done)


def own_session() -> requests.Session:
    """Return a session that sends no .netrc password and no cookie, with the user's proxies and CAs."""
    import http.cookiejar

    import requests

    session = requests.Session()
    session.auth = _no_auth  # with any auth set, requests does not read .netrc
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "facegap"
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request unchanged."""
    return request


def _download(card: ModelCard, url: str, output: Path, session: requests.Session, progress: Progress | None) -> None:
    """Download `url` to `output`; raise FetchError as soon as it cannot be the card's file."""
    limit = card.size_bytes or MAX_WEIGHTS_BYTES
    with contextlib.closing(_open(card, url, session)) as response:
        expected = _content_length(response)
        if expected is not None and expected > limit:
            raise FetchError(f"{card.name}: too large: {expected:,} bytes announced, {limit:,} allowed")
        digest, received, start = hashlib.sha256(), 0, b""
        with output.open("wb") as stream:
            for chunk in response.iter_content(CHUNK_BYTES):
                received += len(chunk)
                if received > limit:
                    raise FetchError(f"{card.name}: too large: stopped after {limit:,} bytes")
                start = start or chunk[:4096]
                digest.update(chunk)
                stream.write(chunk)
                if progress is not None:
                    progress(received, card.size_bytes or expected)
    if digest.hexdigest() != card.sha256:
        raise FetchError(f"{card.name}: {_why_not_the_file(card, start, received, expected, digest.hexdigest())}")


def _open(card: ModelCard, url: str, session: requests.Session) -> requests.Response:
    """Follow redirects, each of which must stay on https, and return the final streaming response."""
    for _ in range(MAX_REDIRECTS + 1):
        if urlsplit(url).scheme != "https":
            raise FetchError(f"{card.name}: redirected to {url[:200]!r}, which is not https; nothing was read from it")
        response = _get(card, url, session)
        if response.is_redirect or response.is_permanent_redirect:
            url = urljoin(url, response.headers["location"])
            response.close()
            continue
        if response.status_code != 200:
            response.close()
            raise FetchError(f"{card.name}: the server returned status {response.status_code} for {url[:200]!r}")
        return response
    raise FetchError(f"{card.name}: more than {MAX_REDIRECTS} redirects; the address in its card is broken")


def _get(card: ModelCard, url: str, session: requests.Session) -> requests.Response:
    """Return one response with its body unread; uncompressed, so that its length is that of the file."""
    import requests

    try:
        return session.get(
            url, stream=True, allow_redirects=False, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"}
        )
    except requests.exceptions.RequestException:
        raise
    except OSError as error:  # the user's settings name a certificate bundle that does not exist
        raise FetchError(f"{card.name}: {_short(error)}; check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE") from error


def _content_length(response: requests.Response) -> int | None:
    """Return the announced length of the body, None if absent or invalid."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _why_not_the_file(card: ModelCard, start: bytes, received: int, expected: int | None, sha256: str) -> str:
    """Explain why a complete body is not the file: a web page, an LFS pointer, truncated, or another file."""
    begin = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith(WEB_PAGE_STARTS):
        return "the server sent a web page (HTML) instead of the model; is there a login page between you and it?"
    if begin.startswith(LFS_POINTER_START):
        return "the server sent a Git LFS pointer instead of the model; the address in its card is wrong"
    promised = card.size_bytes if card.size_bytes is not None else expected
    if promised is not None and received < promised:
        return f"truncated: {received:,} of {promised:,} bytes arrived; download it again"
    return f"wrong file: sha256 is {sha256}, the card says {card.sha256}; do not use it, and tell the card's author"


def _remove_stale(folder: Path) -> None:
    """Delete what killed fetches left in the cache, once it is too old to belong to one in progress."""
    for left in folder.glob(INCOMING + "*"):
        with contextlib.suppress(FileNotFoundError):  # another fetch has just finished and deleted its own
            if time.time() - left.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Suppress pooch's own messages, except warnings, while progress is shown."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _short(error: Exception) -> str:
    """Return the first 200 characters of an error on one line, without control characters that a server may have inserted."""
    text = " ".join(str(error).split())[:200]
    return "".join(character if character.isprintable() else "?" for character in text)
