"""Make PDFs of charts reproducible to the byte.

The library that writes them numbers the fonts of a page, and all later objects, in an order that varies between calls.
Here fonts are sorted by name, and objects by the order in which the page refers to them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_FONT_ENTRY = re.compile(rb"/(fo\d+) (\d+) 0 R")
_ENTRY = re.compile(rb"/([a-z]+)(\d+) (\d+) 0 R")
_TABLE = re.compile(rb"(?:/[a-z]+\d+ \d+ 0 R\s+)+")  # of fonts, drawings or states, in any order
_NAME = re.compile(rb"/BaseFont /(?:[A-Z]{6}\+)?([^\s/]+)")
_STREAM = re.compile(rb"^(.*?\nstream\n)(.*)(\nendstream)$", re.DOTALL)
_LENGTH = re.compile(rb"/Length \d+")


def stable_pdf(data: bytes) -> bytes:
    """Sort the fonts and objects of a document.

    Parameters
    ----------
    data
        A PDF as written by svg2pdf: one cross-reference table, no object streams.

    Returns
    -------
    bytes
        A PDF with the same content; `data` itself if it has another structure.
    """
    objects, root = parsed(data)
    if root not in objects:
        return data
    names = font_names(objects)
    objects = {number: renamed(content, names) for number, content in objects.items()}
    order = reached(objects, root)
    return written([renumbered(objects[number], order) for number in order], order[root])


def parsed(data: bytes) -> tuple[dict[int, bytes], int]:
    """The objects of a document by number, and the number of its root; empty if its cross-reference table has another structure."""
    start = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", data)
    trailer = data.rfind(b"trailer")
    root = re.search(rb"/Root (\d+) 0 R", data[trailer:]) if trailer >= 0 else None
    if start is None or root is None:
        return {}, -1
    offsets = sorted(int(line[:10]) for line in re.findall(rb"\d{10} \d{5} n", data[int(start[1]) : trailer]))
    if not offsets:
        return {}, -1
    objects = {}
    for at, end in zip(offsets, [*offsets[1:], int(start[1])], strict=True):
        found = re.match(rb"(\d+) 0 obj\n(.*)\nendobj\s*$", data[at:end], re.DOTALL)
        if found is None:
            return {}, -1
        objects[int(found[1])] = found[2]
    return objects, int(root[1])


def font_names(objects: Mapping[int, bytes]) -> dict[bytes, bytes]:
    """A new name for each font name in the pages: by the font's own name, without its subset prefix."""
    entries = {entry for content in objects.values() for entry in _FONT_ENTRY.findall(head_of(content))}
    by_name = sorted(entries, key=lambda entry: (own_name(objects, int(entry[1])), entry))
    return {name: b"fo%d" % k for k, (name, _) in enumerate(by_name)}


def own_name(objects: Mapping[int, bytes], number: int) -> bytes:
    """Name of a font."""
    found = _NAME.search(objects.get(number, b""))
    return found[1] if found else b""


def head_of(content: bytes) -> bytes:
    """An object without its stream."""
    return content.partition(b"\nstream\n")[0]


def renamed(content: bytes, names: Mapping[bytes, bytes]) -> bytes:
    """An object with the new font names in its tables and its content."""
    found = _STREAM.match(content)
    if found is None:
        return _TABLE.sub(lambda table: sorted_table(table[0], names), content)
    head, stream = found[1], found[2]
    if b"/FlateDecode" not in head or (b"/Type /XObject" in head and b"/Image" in head):
        return content
    try:
        plain = zlib.decompress(stream)
    except zlib.error:
        return content
    drawn = re.sub(rb"/(fo\d+)(?= )", lambda name: b"/" + names.get(name[1], name[1]), plain)
    head = _TABLE.sub(lambda table: sorted_table(table[0], names), head)
    if drawn == plain:
        return head + stream + found[3]
    packed = zlib.compress(drawn, 9)
    return _LENGTH.sub(b"/Length %d" % len(packed), head, count=1) + packed + found[3]


def sorted_table(table: bytes, names: Mapping[bytes, bytes]) -> bytes:
    """A resource table sorted by name, with the new font names; white space is unchanged."""
    gaps = re.split(_ENTRY.pattern.replace(b"(", b"(?:"), table)[1:]
    entries = []
    for kind, number, target in _ENTRY.findall(table):
        name = names.get(kind + number, kind + number)
        digits = re.search(rb"\d+$", name)
        entries.append((kind, int(digits[0]) if digits else 0, b"/%s %s 0 R" % (name, target)))
    return b"".join(entry[2] + gap for entry, gap in zip(sorted(entries), gaps, strict=True))


def reached(objects: Mapping[int, bytes], root: int) -> dict[int, int]:
    """The new number of every object reachable from the root, in the order in which it is reached."""
    order: dict[int, int] = {}
    waiting = [root]
    while waiting:
        number = waiting.pop()
        if number in order or number not in objects:
            continue
        order[number] = len(order) + 1
        waiting += [int(found) for found in _REFERENCE.findall(head_of(objects[number]))][::-1]
    return order


def renumbered(content: bytes, order: Mapping[int, int]) -> bytes:
    """An object with the new numbers in its references; streams are unchanged."""
    head = head_of(content)
    return _REFERENCE.sub(lambda found: b"%d 0 R" % order.get(int(found[1]), 0), head) + content[len(head) :]


def written(contents: list[bytes], root: int) -> bytes:
    """A document of objects 1, 2, ... with its cross-reference table."""
    out = bytearray(b"%PDF-1.7\n%\x80\x80\x80\x80\n\n")
    offsets = []
    for number, content in enumerate(contents, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n\n" % (number, content)
    table = b"".join(b"%010d 00000 n\r\n" % at for at in offsets)
    size = len(contents) + 1
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f\r\n%s" % (size, table)
    out += b"trailer\n<<\n  /Size %d\n  /Root %d 0 R\n>>\nstartxref\n%d\n%%%%EOF" % (size, root, start)
    return bytes(out)
