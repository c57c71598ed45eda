"""Hair styles as data: the inner and outer edge of the hair on the right side of the head, and how it falls.

Both edges run from the parting over the top of the head to the tips. Strands are painted between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Texture = Literal["straight", "wavy", "curly", "coily", "shaved", "ropes"]
Edge = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Style:
    """One hair style, in head space.

    inner, outer : the same number of points each; the first of inner is on the parting, the last of both are the tips
    back         : half width and lower end of the hair behind the neck; None: not visible
    parted       : whether the parting varies between people
    fringe       : lowest y of hair over the forehead; None: no fringe
    top          : a bun or tail above the head: centre x, y and radius
    long         : whether the length varies between people
    """

    inner: Edge
    outer: Edge
    texture: Texture
    back: tuple[float, float] | None = None
    parted: bool = False
    fringe: float | None = None
    top: tuple[float, float, float] | None = None
    long: bool = False


SHORT_INNER: Edge = ((0.0, -0.92), (0.34, -0.90), (0.66, -0.76), (0.83, -0.50), (0.90, -0.25), (0.955, 0.06))
SHORT_OUTER: Edge = ((0.0, -1.50), (0.42, -1.46), (0.80, -1.20), (1.04, -0.72), (1.06, -0.28), (1.00, 0.06))
LONG_INNER: Edge = ((0.0, -0.95), (0.36, -0.80), (0.74, -0.46), (0.93, 0.05), (0.92, 0.75), (0.86, 1.40), (0.74, 1.95))
LONG_OUTER: Edge = ((0.0, -1.53), (0.58, -1.43), (1.02, -0.98), (1.20, -0.22), (1.24, 0.60), (1.27, 1.35), (1.16, 2.02))

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "bald": Style(
            ((0.0, -1.39), (0.5, -1.27), (0.84, -0.90)), ((0.0, -1.40), (0.5, -1.28), (0.85, -0.91)), "shaved"
        ),
        "buzz": Style(
            ((0.0, -0.90), (0.34, -0.88), (0.64, -0.78), (0.80, -0.52), (0.90, -0.28), (0.955, 0.02)),
            ((0.0, -1.42), (0.42, -1.35), (0.78, -1.06), (0.97, -0.66), (1.00, -0.28), (0.985, 0.02)),
            "shaved",
        ),
        "crop": Style(SHORT_INNER, SHORT_OUTER, "straight", fringe=-0.72),
        "side part": Style(
            ((0.0, -0.96), (0.34, -0.84), (0.64, -0.72), (0.84, -0.50), (0.91, -0.25), (0.955, 0.08)),
            ((0.0, -1.56), (0.48, -1.52), (0.88, -1.20), (1.07, -0.70), (1.07, -0.26), (1.00, 0.08)),
            "straight",
            parted=True,
        ),
        "quiff": Style(
            ((0.0, -1.02), (0.34, -1.00), (0.62, -0.82), (0.82, -0.52), (0.90, -0.25), (0.955, 0.05)),
            ((0.0, -1.72), (0.46, -1.66), (0.80, -1.28), (1.02, -0.72), (1.04, -0.28), (0.99, 0.05)),
            "straight",
            parted=True,
        ),
        "fade": Style(
            ((0.0, -0.92), (0.34, -0.91), (0.64, -0.82), (0.78, -0.60), (0.88, -0.40)),
            ((0.0, -1.58), (0.44, -1.54), (0.78, -1.28), (0.96, -0.86), (0.99, -0.44)),
            "coily",
        ),
        "receding": Style(
            ((0.0, -1.20), (0.30, -1.24), (0.62, -1.00), (0.84, -0.62), (0.90, -0.26), (0.955, 0.08)),
            ((0.0, -1.42), (0.42, -1.38), (0.80, -1.14), (1.02, -0.70), (1.05, -0.26), (1.00, 0.08)),
            "straight",
        ),
        "coily short": Style(
            ((0.0, -0.92), (0.36, -0.91), (0.68, -0.80), (0.82, -0.52), (0.90, -0.26), (0.955, 0.02)),
            ((0.0, -1.56), (0.46, -1.50), (0.84, -1.20), (1.06, -0.72), (1.06, -0.28), (1.00, 0.02)),
            "coily",
        ),
        "curly short": Style(
            ((0.0, -0.82), (0.36, -0.80), (0.70, -0.66), (0.86, -0.40), (0.92, -0.16), (0.96, 0.12)),
            ((0.0, -1.66), (0.54, -1.60), (0.98, -1.26), (1.18, -0.74), (1.16, -0.24), (1.03, 0.14)),
            "curly",
        ),
        "pixie": Style(
            ((0.0, -0.90), (0.30, -0.72), (0.62, -0.56), (0.86, -0.36), (0.93, -0.06), (0.94, 0.34)),
            ((0.0, -1.56), (0.52, -1.50), (0.94, -1.16), (1.12, -0.66), (1.11, -0.10), (0.99, 0.38)),
            "straight",
            parted=True,
        ),
        "bob": Style(
            ((0.0, -0.96), (0.36, -0.80), (0.74, -0.44), (0.92, 0.06), (0.90, 0.62), (0.80, 1.16)),
            ((0.0, -1.55), (0.58, -1.46), (1.04, -1.02), (1.24, -0.24), (1.28, 0.52), (1.16, 1.24)),
            "straight",
            back=(1.08, 1.26),
            parted=True,
        ),
        "fringe": Style(
            ((0.0, -0.96), (0.36, -0.82), (0.78, -0.46), (0.93, 0.06), (0.90, 0.75), (0.84, 1.40), (0.72, 1.95)),
            LONG_OUTER,
            "straight",
            back=(1.10, 2.1),
            fringe=-0.42,
            long=True,
        ),
        "long straight": Style(LONG_INNER, LONG_OUTER, "straight", back=(1.10, 2.2), parted=True, long=True),
        "long wavy": Style(
            LONG_INNER,
            ((0.0, -1.56), (0.62, -1.46), (1.08, -1.00), (1.27, -0.22), (1.34, 0.60), (1.42, 1.35), (1.30, 2.02)),
            "wavy",
            back=(1.2, 2.2),
            parted=True,
            long=True,
        ),
        "long curls": Style(
            ((0.0, -0.93), (0.36, -0.80), (0.74, -0.46), (0.92, 0.05), (0.90, 0.75), (0.84, 1.35), (0.74, 1.85)),
            ((0.0, -1.62), (0.68, -1.50), (1.18, -1.02), (1.42, -0.22), (1.50, 0.60), (1.54, 1.30), (1.36, 1.92)),
            "curly",
            back=(1.3, 2.0),
            parted=True,
            long=True,
        ),
        "bun": Style(
            ((0.0, -0.95), (0.36, -0.89), (0.68, -0.74), (0.84, -0.48), (0.91, -0.22), (0.955, 0.04)),
            ((0.0, -1.47), (0.44, -1.41), (0.82, -1.14), (1.02, -0.68), (1.03, -0.26), (0.985, 0.04)),
            "straight",
            top=(0.0, -1.66, 0.36),
        ),
        "ponytail": Style(
            ((0.0, -0.95), (0.36, -0.88), (0.68, -0.72), (0.84, -0.48), (0.91, -0.22), (0.955, 0.04)),
            ((0.0, -1.50), (0.46, -1.43), (0.84, -1.15), (1.03, -0.68), (1.04, -0.26), (0.985, 0.04)),
            "straight",
            back=(0.62, 2.1),
            parted=True,
        ),
        "afro": Style(
            ((0.0, -0.90), (0.38, -0.88), (0.70, -0.74), (0.86, -0.44), (0.92, -0.12), (0.95, 0.30)),
            ((0.0, -1.94), (0.70, -1.84), (1.26, -1.40), (1.54, -0.74), (1.50, -0.06), (1.20, 0.44)),
            "coily",
            back=(1.30, 0.50),
        ),
        "braids": Style(LONG_INNER, LONG_OUTER, "ropes", back=(1.10, 2.2), parted=True, long=True),
        "locs": Style(
            ((0.0, -0.94), (0.34, -0.84), (0.70, -0.56), (0.90, -0.06), (0.93, 0.50), (0.90, 1.05)),
            ((0.0, -1.60), (0.56, -1.52), (1.02, -1.10), (1.24, -0.36), (1.28, 0.40), (1.20, 1.15)),
            "ropes",
            back=(1.12, 1.2),
            parted=True,
        ),
    }
)
