"""Stored responses never contain the key of a service, however it is repeated, and other text is unchanged."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.vision.service.redaction import MARK, WITHHELD, holds, text_without_key, without_key

KEY = "sk/live+0123-Ab_9xyz"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "as PHP writes JSON": lambda key: key.replace("/", "\\/"),
    "escapes": lambda key: "".join(f"\\u{ord(letter):04x}" for letter in key),
    "escapes in capitals": lambda key: "".join(f"\\u{ord(letter):04X}" for letter in key),
    "some escapes": lambda key: "".join(f"\\u{ord(c):04x}" if k % 2 else c for k, c in enumerate(key)),
    "escapes of escapes": lambda key: json.dumps(json.dumps(key.replace("/", "\\/"))),
    "bytes of C": lambda key: "".join(f"\\x{ord(letter):02x}" for letter in key),
    "octal": lambda key: "".join(f"\\{ord(letter):03o}" for letter in key),
    "escapes of ECMAScript": lambda key: "".join(f"\\u{{{ord(letter):x}}}" for letter in key),
    "percent": lambda key: quote(key, safe=""),
    "all percent": lambda key: "".join(f"%{ord(letter):02x}" for letter in key),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "entities": lambda key: "".join(f"&#{ord(letter)};" for letter in key),
    "entities in hex": lambda key: "".join(f"&#x{ord(letter):x};" for letter in key),
    "named entities": lambda key: key.replace("/", "&sol;").replace("+", "&plus;").replace("_", "&lowbar;"),
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "hex with colons": lambda key: key.encode().hex(":"),
    "hex with 0x": lambda key: ", ".join(f"0x{ord(letter):02X}" for letter in key),
    "hex of the other case": lambda key: key.swapcase().encode().hex(),
    "numbers": lambda key: str([ord(letter) for letter in key]),
    "base64": b64,
    "base64url": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "base64 without filling": lambda key: b64(key).rstrip("="),
    "base64 in a header": lambda key: b64(f"user:{key}"),
    "base64 one further": lambda key: b64(f"x{key}x"),
    "base64 two further": lambda key: b64(f"xy{key}x"),
    "base64 behind letters": lambda key: f"abc{b64(key)}",
    "base64 in lines": lambda key: "\n".join(b64(key)[k : k + 8] for k in range(0, len(b64(key)), 8)),
    "base64 as PHP writes JSON": lambda key: b64(key + "?????>>>>").replace("/", "\\/"),
    "base64 of base64": lambda key: b64(b64(key)),
    "base64 of hex": lambda key: b64(key.encode().hex()),
    "base64 of UTF-16": lambda key: base64.b64encode(key.encode("utf-16")).decode(),
    "hex of base64": lambda key: b64(key).encode().hex(),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "base32 in small letters": lambda key: base64.b32encode(f"a{key}".encode()).decode().lower(),
    "quoted printable": lambda key: (
        quopri.encodestring(key.encode(), quotetabs=True).decode() + "".join(f"={ord(letter):02X}" for letter in key)
    ),
    "other case": lambda key: key.swapcase(),
    "backwards": lambda key: key[::-1],
    "with blanks between": lambda key: " ".join(key),
    "with hyphens between": lambda key: "-".join(key),
    "percent of base64": lambda key: quote(b64(key), safe=""),
    "entity of escape": lambda key: html.escape("".join(f"\\u{ord(letter):04x}" for letter in key)),
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("where", ["value", "name", "inside", "list", "raw escape", "no json", "header"])
def test_the_key_is_found_in_every_spelling_at_every_place(name: str, where: str) -> None:
    spelled = SPELLINGS[name](KEY)
    bodies = {
        "value": json.dumps({"gender": "male", "echo": spelled}),
        "name": json.dumps({"gender": "male", spelled: 1}),
        "inside": json.dumps({"gender": "male", "echo": {"deep": [f"you sent {spelled} to us"]}}),
        "list": json.dumps(["male", spelled]),
        "raw escape": f'{{"gender": "male", "echo": "{spelled}"}}',  # perhaps not valid JSON
        "no json": f"<html>{spelled}</html>",
        "header": f"text/html; key={spelled}",
    }
    body = bodies[where]
    kept = without_key(body.encode(), KEY).decode()
    assert not holds(kept, KEY)
    assert MARK in kept or kept == WITHHELD
    assert KEY not in kept
    assert spelled not in kept
    if where in ("value", "name", "inside"):
        assert json.loads(kept)["gender"] == "male"  # the response is paid for and is kept
    if where == "header":
        assert not holds(text_without_key(body, KEY), KEY)


def test_a_list_that_spells_the_key_is_one_text() -> None:
    for spelled in (list(KEY), [ord(letter) for letter in KEY], [KEY[:9], KEY[9:]]):
        kept = json.loads(without_key(json.dumps({"gender": "male", "echo": spelled}).encode(), KEY))
        assert kept == {"gender": "male", "echo": MARK}


def test_a_name_that_stands_twice_hides_nothing() -> None:
    kept = without_key(f'{{"a": "{KEY}", "a": 1}}'.encode(), KEY)
    assert json.loads(kept) == {"a": 1}


def test_the_beginning_of_a_key_at_the_end_of_half_a_body_goes_too() -> None:
    assert without_key(b'{"echo": "' + KEY[:7].encode(), KEY, cut_off=True) == b'{"echo": "[key]'
    assert without_key(b'{"echo": "sk', KEY, cut_off=True) == b'{"echo": "sk'  # two letters are not secret
    assert without_key(b"", KEY, cut_off=True) == b""


ORDINARY = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ORDINARY)
def test_a_body_without_the_key_stays_as_it_is_to_the_byte(value: object) -> None:
    body = json.dumps(value).encode()
    assert without_key(body, KEY) == body


@given(st.binary(max_size=300))
def test_bytes_that_are_no_text_stay_as_they_are(body: bytes) -> None:
    assert without_key(body, KEY) == body


@given(ORDINARY, st.sampled_from(sorted(SPELLINGS)), st.text(max_size=5), st.text(max_size=5))
def test_whatever_stands_beside_it_the_key_is_gone(value: object, name: str, before: str, after: str) -> None:
    body = json.dumps([value, {"echo": f"{before} {SPELLINGS[name](KEY)} {after}"}]).encode()
    kept = without_key(body, KEY)
    assert not holds(kept.decode("utf-8", "surrogateescape"), KEY)
    assert KEY.encode() not in kept


def test_an_image_sent_back_in_base64_is_looked_through_and_kept() -> None:
    import numpy as np

    picture = base64.b64encode(np.random.default_rng(1).bytes(150_000)).decode()
    body = json.dumps({"gender": "male", "image": picture}).encode()
    assert without_key(body, KEY) == body
    with_key = json.dumps({"gender": "male", "image": picture, "auth": b64(KEY)}).encode()
    assert json.loads(without_key(with_key, KEY)) == {"gender": "male", "image": picture, "auth": MARK}
