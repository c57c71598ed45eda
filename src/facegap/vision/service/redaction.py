"""Keep the key of a service out of its stored responses, in whatever encoding the service repeats it.

A service that echoes its request may write the key as JSON escapes (``\\/``, ``\\u0073``), percent-encoding, HTML entities,
hexadecimal or decimal numbers, base64 or base32, with separators between its characters, in the other case, or with these
encodings nested. Text is therefore decoded in each of these ways, repeatedly to a limited depth, and text that then contains the
key is replaced. A key that was compressed, encrypted, or split into separate pieces is not found.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

MARK = "[key]"
WITHHELD = "[a response that contains the key in an unknown encoding is not kept]"
DEPTH = 4  # of nested encodings
MOST_LETTERS = 8 * 2**20  # examined for one text, including all its decodings
FEWEST_TAIL = 4  # least length of the beginning of a key removed at the end of a truncated body
_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{8,}")
_BASE32 = re.compile(r"[A-Z2-7]{12,}|[a-z2-7]{12,}")
_ESCAPE = re.compile(
    r"\\+(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL
)
_BLANKS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b"}
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
_READABLE = re.compile(rb"[\t\n\r\x20-\x7e]{8,}")
_QUOTED_PRINTABLE = re.compile(r"=([0-9A-Fa-f]{2})|=\r?\n")
_NOISE = re.compile(r"[^a-z0-9]+")
_HEX_NOISE = re.compile(r"\\x|0x|%|[^0-9a-f]")
_NUMBER = re.compile(r"[0-9]+")


def without_key(body: bytes, key: str | None, *, cut_off: bool = False) -> bytes:
    """Remove the key from a body.

    Parameters
    ----------
    body
        Body of a response.
    key
        The key, or None.
    cut_off
        Whether the body is truncated: the beginning of a key at its end is then also removed.

    Returns
    -------
    bytes
        The same bytes if they do not contain the key. Otherwise JSON with every string that contains the key replaced, or
        WITHHELD if that does not remove it.

    Examples
    --------
    >>> without_key(rb'{"sent": "secret\\u002dkey", "age": 41}', "secret-key")
    b'{"sent": "[key]", "age": 41}'
    """
    if key is None:
        return body
    text = body.decode("utf-8", "surrogateescape")
    if cut_off:
        text = without_tail(text, key)
    if holds(text, key):
        text = redacted(text, key)
    return text.encode("utf-8", "surrogateescape")


def text_without_key(text: str, key: str | None) -> str:
    """Remove the key from a short text, such as a header."""
    return without_key(text.encode("utf-8", "replace"), key).decode("utf-8", "replace")


def redacted(text: str, key: str) -> str:
    """Remove the key from a text that contains it."""
    try:
        clean = json.dumps(_in_json(json.loads(text), key))
    except (ValueError, RecursionError):  # not JSON
        clean = re.sub(re.escape(key), MARK, text, flags=re.IGNORECASE)
    return WITHHELD if holds(clean, key) else clean


def _in_json(value: Any, key: str) -> Any:
    """Remove the key from the strings of a JSON value; a list that spells it out in letters or bytes is treated as one text."""
    if isinstance(value, dict):
        return {_in_text(name, key): _in_json(item, key) for name, item in value.items()}
    if isinstance(value, list):
        if not any(isinstance(item, dict | list) for item in value) and holds(_joined(value), key):
            inside = [_in_json(item, key) for item in value]
            return MARK if holds(_joined(inside), key) else inside
        return [_in_json(item, key) for item in value]
    return _in_text(value, key) if isinstance(value, str) else value


def _in_text(text: str, key: str) -> str:
    """Replace the key where it occurs in plain text, and the whole text if the key is encoded."""
    if not holds(text, key):
        return text
    plain = re.sub(re.escape(key), MARK, text, flags=re.IGNORECASE)
    return MARK if holds(plain, key) else plain


def _joined(values: list[Any]) -> str:
    """Join the strings and small numbers of a list."""
    whole = [item for item in values if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 256]
    return "".join(item for item in values if isinstance(item, str)) + "\0" + bytes(whole).decode("latin-1")


def without_tail(text: str, key: str) -> str:
    """Remove the beginning of a key from the end of a truncated text."""
    for length in range(min(len(key), len(text)), FEWEST_TAIL - 1, -1):
        if text[-length:].casefold() == key[:length].casefold():
            return text[:-length] + MARK
    return text


# ---- finding the key ----


def holds(text: str, key: str) -> bool:
    """Return whether a text contains the key, as it is or after decoding."""
    budget, level = MOST_LETTERS, [text]
    seen: set[str] = set()
    for _ in range(DEPTH):
        deeper: list[str] = []
        for one in level:
            if one in seen:
                continue
            seen.add(one)
            budget -= len(one)
            if is_plain_in(one, key):
                return True
            if budget < 0:  # more decodings than any benign response has, so it may contain the key
                return True
            deeper += decodings(one)
        level = deeper
    return any(is_plain_in(one, key) for one in level)


def is_plain_in(text: str, key: str) -> bool:
    """Return whether a text contains the key: in any case, reversed, with separators, or as numbers."""
    low, wanted = text.casefold(), key.casefold()
    if wanted in low or wanted[::-1] in low:
        return True
    bare, bare_key = _NOISE.sub("", low), _NOISE.sub("", wanted)
    if len(bare_key) >= 8 and (bare_key in bare or bare_key[::-1] in bare):
        return True
    figures = _HEX_NOISE.sub("", low)
    if any(one in figures for one in hex_spellings(key)):
        return True
    numbers = _NUMBER.findall(low)
    return len(numbers) >= len(key) and f",{','.join(str(ord(letter)) for letter in key)}," in f",{','.join(numbers)},"


@lru_cache(maxsize=8)
def hex_spellings(key: str) -> frozenset[str]:
    """Return the hexadecimal spellings of a key, in the cases and encodings that texts use."""
    cases = (key, key.lower(), key.upper(), key.swapcase(), key[::-1])
    return frozenset(case.encode(coding).hex() for case in cases for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def decodings(text: str) -> Iterator[str]:
    """Yield each decoding of a text that differs from it."""
    found: list[str] = []
    if "\\" in text:
        found.append(_ESCAPE.sub(_unescaped, text))
    if "%" in text:
        found.append(unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode("latin-1"))
    if "&" in text:
        found.append(html.unescape(text))
    if "=" in text:
        found.append(_QUOTED_PRINTABLE.sub(lambda sign: chr(int(sign[1], 16)) if sign[1] else "", text))
    if "\0" in text:
        found.append(text.replace("\0", ""))
    yield from (one for one in found if one != text)
    for tokens in ("".join(text.split()) if "\n" in text or " " in text else "", text):
        yield from coded(tokens)


def _unescaped(found: re.Match[str]) -> str:
    """Return the character that an escape represents."""
    *figures, octal, letter = found.groups()
    if letter is not None:
        return _BLANKS.get(letter, letter)
    point = int(octal, 8) if octal else int(next(one for one in figures if one), 16)
    return chr(point) if point < 0x110000 else ""


def coded(text: str) -> Iterator[str]:
    """Yield the words of a text decoded as base64, base64url and base32, starting at any offset."""
    for token in _TOKEN.findall(text):
        plain = token.replace("-", "+").replace("_", "/")
        for piece in re.split("=+", plain):
            for start in range(4):
                yield from decoded(piece[start:], 4, base64.b64decode)
    for token in _BASE32.findall(text):
        for start in range(8):
            yield from decoded(token[start:].upper(), 8, base64.b32decode)
    for token in _HEX.findall(text):
        for start in range(2):
            yield from decoded(token[start : start + (len(token) - start) // 2 * 2], 2, bytes.fromhex)


def decoded(piece: str, unit: int, decode: Callable[[str], bytes]) -> Iterator[str]:
    """Yield an encoded word decoded, with padding added; nothing if it is too short to contain a key."""
    if len(piece) < unit + 4:
        return
    rest = len(piece) % unit
    for text in (piece[: len(piece) - rest], piece + "=" * (-rest % unit)) if rest else (piece,):
        try:
            found = _READABLE.findall(decode(text).replace(b"\0", b""))
        except (binascii.Error, ValueError):
            continue
        if found:  # an image, for example, leaves almost nothing
            yield b"\n".join(found).decode("ascii")
