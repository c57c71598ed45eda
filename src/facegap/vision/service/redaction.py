"""Keeping the key of a service out of what is kept of its answers, in whatever spelling the service repeats it.

A service that echoes its request may write the key as JSON escapes (``\\/``, ``\\u0073``), percent signs, entities, hexadecimal
or decimal numbers, base64 or base32, with other letters in between, in the other case, or one of these inside another. So a
text is decoded in each of these ways, again and again to a bounded depth, and what holds the key afterwards is replaced.
A key that was compressed, encrypted, or cut into pieces that stand apart is not found.
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
DEPTH = 4  # encodings inside each other
MOST_LETTERS = 8 * 2**20  # looked at for one text, all its decodings together
FEWEST_TAIL = 4  # letters of the beginning of a key at the end of a body that was cut off
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
    """A body without the key.

    Parameters
    ----------
    body
        What a service sent.
    key
        The key, None where there is none.
    cut_off
        The body broke off: a beginning of the key at its end goes too.

    Returns
    -------
    bytes
        The same bytes where the key is not in them. JSON is written anew with the texts that hold the key replaced; where even
        that leaves it, WITHHELD.

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
    """A short text, such as a header, without the key."""
    return without_key(text.encode("utf-8", "replace"), key).decode("utf-8", "replace")


def redacted(text: str, key: str) -> str:
    """A text that holds the key, without it."""
    try:
        clean = json.dumps(_in_json(json.loads(text), key))
    except (ValueError, RecursionError):  # no JSON
        clean = re.sub(re.escape(key), MARK, text, flags=re.IGNORECASE)
    return WITHHELD if holds(clean, key) else clean


def _in_json(value: Any, key: str) -> Any:
    """A JSON value whose texts do not hold the key; a list that spells it letter by letter, or byte by byte, is one text."""
    if isinstance(value, dict):
        return {_in_text(name, key): _in_json(item, key) for name, item in value.items()}
    if isinstance(value, list):
        if not any(isinstance(item, dict | list) for item in value) and holds(_joined(value), key):
            inside = [_in_json(item, key) for item in value]
            return MARK if holds(_joined(inside), key) else inside
        return [_in_json(item, key) for item in value]
    return _in_text(value, key) if isinstance(value, str) else value


def _in_text(text: str, key: str) -> str:
    """A text with the key replaced where it stands plainly, and all of it where it is coded."""
    if not holds(text, key):
        return text
    plain = re.sub(re.escape(key), MARK, text, flags=re.IGNORECASE)
    return MARK if holds(plain, key) else plain


def _joined(values: list[Any]) -> str:
    """The texts and small numbers of a list, one after the other."""
    whole = [item for item in values if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 256]
    return "".join(item for item in values if isinstance(item, str)) + "\0" + bytes(whole).decode("latin-1")


def without_tail(text: str, key: str) -> str:
    """A text that broke off, without the beginning of a key that it may end in."""
    for length in range(min(len(key), len(text)), FEWEST_TAIL - 1, -1):
        if text[-length:].casefold() == key[:length].casefold():
            return text[:-length] + MARK
    return text


# ---- finding the key ----


def holds(text: str, key: str) -> bool:
    """Whether a text holds the key, plainly or after decoding."""
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
            if budget < 0:  # more decodings than any answer has: nothing can be said of it any more
                return True
            deeper += decodings(one)
        level = deeper
    return any(is_plain_in(one, key) for one in level)


def is_plain_in(text: str, key: str) -> bool:
    """Whether the key stands in a text: in any case, backwards, with other signs between its letters, or as numbers."""
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
    """The bytes of a key in hex, in the cases and encodings that texts have."""
    cases = (key, key.lower(), key.upper(), key.swapcase(), key[::-1])
    return frozenset(case.encode(coding).hex() for case in cases for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def decodings(text: str) -> Iterator[str]:
    """What a text says when it is decoded in each of the ways that change it."""
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
    """The letter that an escape stands for."""
    *figures, octal, letter = found.groups()
    if letter is not None:
        return _BLANKS.get(letter, letter)
    point = int(octal, 8) if octal else int(next(one for one in figures if one), 16)
    return chr(point) if point < 0x110000 else ""


def coded(text: str) -> Iterator[str]:
    """What the words of a text say as base64, base64url and base32, wherever in them the coding begins."""
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
    """A coded word decoded, its last unit filled up; nothing where it is too short to hold a key."""
    if len(piece) < unit + 4:
        return
    rest = len(piece) % unit
    for text in (piece[: len(piece) - rest], piece + "=" * (-rest % unit)) if rest else (piece,):
        try:
            found = _READABLE.findall(decode(text).replace(b"\0", b""))
        except (binascii.Error, ValueError):
            continue
        if found:  # of an image, say, next to nothing
            yield b"\n".join(found).decode("ascii")
