"""Read protocols that are text lists of pairs: LFW, CALFW, CPLFW, RFW and CFP.

Counts and layouts marked "not seen" were taken from the cited source code; the data sets themselves were not available.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from facegap.errors import TableError
from facegap.inputs.lfw_pairs import LfwPair, read_lfw
from facegap.inputs.protocols.listing import (
    Counted,
    Listing,
    PairLine,
    Picture,
    TextFile,
    contiguous_folds,
    first_folder,
    listing_of,
    read_text,
)

LFW_FOLDS, LFW_EACH = 10, 300
CFP_FOLDS, CFP_EACH = 10, 350
RFW_RACES = ("African", "Asian", "Caucasian", "Indian")
RFW_PAIRS = 6_000
SUFFIXES = (".jpg", ".png", ".jpeg")
OF_LFW = re.compile(r"(?P<person>.+)_\d{1,6}\.\w{2,5}")
# Listed under two races each, according to bob.bio.face; their images count for the race of their list.
RFW_TWICE = frozenset(
    [
        "m.023915",
        "m.0z08d8y",
        "m.0bk56n",
        "m.04f4wpb",
        "m.0gc2xf9",
        "m.08dyjb",
        "m.05y2fd",
        "m.0gbz836",
        "m.01pw5d",
        "m.0cm83zb",
        "m.02qmpkk",
        "m.05xpnv",
    ]
)


def lfw(root: Path) -> Listing:
    """Read Labeled Faces in the Wild, View 2: pairs.txt, 10 folds of 300 genuine and 300 impostor pairs, Name/Name_0001.jpg.

    Source : README of Huang, Ramesh, Berg and Learned-Miller (2007)
    """
    file = read_text(root, "pairs.txt", "lfw_home/pairs.txt")
    pairs, _ = read_lfw(root / file.name)
    header = [int(cell) for cell in file.lines[0][1].split()]
    folds, each = (1, header[0]) if len(header) == 1 else (header[0], header[1])
    inner = ("lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-funneled", "lfw_mtcnnpy_160")
    places = ("", *inner, *(f"lfw_home/{name}" for name in inner), *(f"{name}/{name}" for name in inner))
    prefix = first_folder(root, places, lambda at: any((at / p.left[0]).is_dir() for p in pairs[:50]))
    suffix = suffix_of(root, prefix, pairs)
    lines = []
    for k, p in enumerate(pairs):
        left, right = (lfw_picture(prefix, side, suffix) for side in (p.left, p.right))
        lines.append(PairLine(left, right, p.left[0] == p.right[0], k // (2 * each)))
    counts = [
        Counted("folds", folds, LFW_FOLDS),
        Counted("genuine pairs per fold", each, LFW_EACH),
        Counted("pairs", len(pairs), 2 * LFW_FOLDS * LFW_EACH),
    ]
    return listing_of("lfw", "LFW", root, lines, counts=counts, files=[file])


def lfw_picture(prefix: str, side: tuple[str, int], suffix: str, race: str = "") -> Picture:
    """Return an image with a name as in LFW. race : its label, if any"""
    person, number = side
    return Picture(f"{prefix}{person}/{person}_{number:04d}{suffix}", person, (("race", race),) if race else ())


def suffix_of(root: Path, prefix: str, pairs: list[LfwPair]) -> str:
    """Return the extension of the first image file that exists, else .jpg."""
    for pair in pairs[:50]:
        for suffix in SUFFIXES:
            if (root / lfw_picture(prefix, pair.left, suffix).image).is_file():
                return suffix
    return SUFFIXES[0]


def calfw(root: Path) -> Listing:
    """Read Cross-Age LFW: pairs_CALFW.txt, see `two_line_pairs`."""
    return two_line_pairs("calfw", "CALFW", root)


def cplfw(root: Path) -> Listing:
    """Read Cross-Pose LFW: pairs_CPLFW.txt, see `two_line_pairs`."""
    return two_line_pairs("cplfw", "CPLFW", root)


def two_line_pairs(name: str, title: str, root: Path) -> Listing:
    """Read CALFW or CPLFW: two lines per pair, "file label"; 3,000 genuine pairs, then 3,000 impostor pairs.

    Fold k has the genuine pairs 300 k to 300 k + 299 and the impostor pairs with the same numbers. In CALFW, a genuine pair has
    any label except 0. Not seen; source : FaceX-Zoo, test_protocol/lfw/pairs_parser.py

    Raises
    ------
    TableError : If the number of lines is odd, a line is malformed, a pair has two labels, or genuine pairs follow impostor pairs.
    """
    file = read_text(root, f"pairs_{title}.txt", f"{name}/pairs_{title}.txt")
    base = file.name.rpartition("/")[0]
    places = tuple(f"{base}/{inner}".strip("/") for inner in ("images", "aligned images", "aligned_images", ""))
    found = list(label_lines(file))
    if len(found) % 2:
        raise file.fault(
            found[-1][0], "a pair takes two lines, and the second is missing; the file is truncated or was edited"
        )
    prefix = first_folder(root, places, lambda at: any((at / image).is_file() for _, image, _ in found[:100]))
    pairs = list(zip(found[::2], found[1::2], strict=True))
    kinds: list[bool] = []
    for (_, _, label), (number, _, other) in pairs:
        if (label != 0) != (other != 0):
            raise file.fault(number, f"label {other}, but the line before it, of the same pair, has {label}")
        if label != 0 and kinds and not kinds[-1]:
            raise file.fault(number, "a genuine pair after impostor pairs; the protocol has all genuine pairs first")
        kinds.append(label != 0)
    genuine, impostor = sum(kinds), len(kinds) - sum(kinds)
    folds = [*contiguous_folds(genuine).tolist(), *contiguous_folds(impostor).tolist()]
    lines = [
        PairLine(named_picture(file, number, prefix, left), named_picture(file, number, prefix, right), kind, fold)
        for ((number, left, _), (_, right, _)), kind, fold in zip(pairs, kinds, folds, strict=True)
    ]
    counts = [
        Counted("genuine pairs", genuine, LFW_FOLDS * LFW_EACH),
        Counted("impostor pairs", impostor, LFW_FOLDS * LFW_EACH),
    ]
    return listing_of(name, title, root, lines, counts=counts, files=[file], notes=[NOT_SEEN])


NOT_SEEN = (
    "this reader follows published code; it was tested on synthetic folders with the same layout, not on the data set"
)


def label_lines(file: TextFile) -> Iterator[tuple[int, str, int]]:
    """Yield line number, image and label of every line "file label"; file names have no spaces, labels are integers."""
    for number, line in file.lines:
        image, _, label = line.rpartition(" ")
        if not image.strip() or not re.fullmatch(r"-?\d{1,9}", label):
            raise file.fault(
                number, f"found {line[:60]!r}; each line is an image file and a label, such as 'Ann_0001.jpg 1'"
            )
        yield number, image.strip(), int(label)


def named_picture(file: TextFile, number: int, prefix: str, image: str) -> Picture:
    """Return an image whose subject is its file name without the number."""
    found = OF_LFW.fullmatch(image)
    if found is None:
        raise file.fault(
            number, f"{image[:60]!r} does not have the form of the protocol's file names, such as Ann_Lee_0001.jpg"
        )
    return Picture(prefix + image, found["person"])


def rfw(root: Path) -> Listing:
    """Read Racial Faces in the Wild: txts/RACE/RACE_pairs.txt, 6,000 pairs of each of four races; data/RACE/ID/ID_0001.jpg.

    There is no header. Fold k of a race is the k-th tenth of its list: 300 genuine, then 300 impostor pairs. All pairs are within
    one race, so false matches between races are not covered. Twelve people are listed under two races.
    Not seen; source : bob.bio.face; FaceX-Zoo, test_protocol/lfw/pairs_parser.py
    """
    base = next((place for place in ("", "test") if (root / place / "txts").is_dir()), "")
    at = f"{base}/".lstrip("/")
    lines: list[PairLine] = []
    counts, files = [], []
    for race in RFW_RACES:
        if not (root / f"{at}txts/{race}/{race}_pairs.txt").is_file():
            counts.append(Counted(f"pairs of {race}", 0, RFW_PAIRS))
            continue
        file = read_text(root, f"{at}txts/{race}/{race}_pairs.txt")
        pairs = [rfw_pair(file, number, line) for number, line in file.lines]
        suffix = suffix_of(root, f"{at}data/{race}/", pairs)
        for p, fold in zip(pairs, contiguous_folds(len(pairs)).tolist(), strict=True):
            left, right = (lfw_picture(f"{at}data/{race}/", side, suffix, race) for side in (p.left, p.right))
            lines.append(PairLine(left, right, p.left[0] == p.right[0], fold, race))
        counts.append(Counted(f"pairs of {race}", len(pairs), RFW_PAIRS))
        counts.append(Counted(f"genuine pairs of {race}", sum(p.left[0] == p.right[0] for p in pairs), RFW_PAIRS // 2))
        files.append(file)
    if not lines:
        raise TableError(f"{root}: no file txts/RACE/RACE_pairs.txt with RACE one of {', '.join(RFW_RACES)}")
    race_of: dict[str, set[str]] = {}
    for one in lines:
        for picture in (one.left, one.right):
            race_of.setdefault(picture.subject, set()).add(one.part)
    torn = sorted(subject for subject, races in race_of.items() if len(races) > 1)
    notes = [NOT_SEEN, "all pairs are within one race, so false matches between races are not measured"]
    if torn:
        known = len(RFW_TWICE.intersection(torn))
        notes.append(
            f"{len(torn)} people are listed under two races ({known} of the 12 that are known); each image counts "
            f"under the race of its list, and intervals treat the images as one person"
        )
    return listing_of("rfw", "RFW", root, lines, counts=counts, files=files, notes=notes)


def rfw_pair(file: TextFile, number: int, line: str) -> LfwPair:
    """Parse a line of RFW: id n1 n2, or id1 n1 id2 n2."""
    cells = line.split()
    if len(cells) == 3:
        cells = [cells[0], cells[1], cells[0], cells[2]]
    if len(cells) != 4 or not all(re.fullmatch(r"\d{1,9}", cell) for cell in cells[1::2]):
        raise file.fault(number, f"found {line[:60]!r}; RFW's lists have 'id 1 2' or 'id 1 id 2'")
    return LfwPair(number, (cells[0], int(cells[1])), (cells[2], int(cells[3])))


def cfp_fp(root: Path) -> Listing:
    """Read Celebrities in Frontal-Profile, frontal-profile pairs: Protocol/Split/FP/01..10/{same,diff}.txt, 350 pairs each.

    Each line "i,j" is image i of Protocol/Pair_list_F.txt and image j of Protocol/Pair_list_P.txt, whose lines are "number
    path", with the path relative to Protocol. The subject is the three-digit folder. Not seen; source : the README of the set
    (Sengupta et al., 2016) as read by other code
    """
    base = next((place for place in ("", "cfp-dataset/") if (root / place / "Protocol").is_dir()), "")
    lists = [read_text(root, f"{base}Protocol/Pair_list_{kind}.txt") for kind in "FP"]
    pictures = [dict(cfp_images(file, base)) for file in lists]
    lines: list[PairLine] = []
    counts, files = [], list(lists)
    for fold in range(CFP_FOLDS):
        for kind, genuine in (("same", True), ("diff", False)):
            place = f"{base}Protocol/Split/FP/{fold + 1:02d}/{kind}.txt"
            if not (root / place).is_file():
                counts.append(Counted(f"pairs of {place}", 0, CFP_EACH))
                continue
            file = read_text(root, place)
            lines += [cfp_pair(file, number, line, pictures, genuine, fold) for number, line in file.lines]
            counts.append(Counted(f"pairs of {place}", len(file.lines), CFP_EACH))
            files.append(file)
    return listing_of("cfp-fp", "CFP-FP", root, lines, counts=counts, files=files, notes=[NOT_SEEN])


def cfp_images(file: TextFile, base: str) -> Iterator[tuple[int, Picture]]:
    """Yield the number and image of each line "number path"."""
    for number, line in file.lines:
        index, _, path = line.partition(" ")
        parts = [part for part in path.strip().split("/") if part not in ("..", ".")]
        if not index.isdecimal() or len(parts) < 3:
            raise file.fault(
                number,
                f"found {line[:60]!r}; each line is a number and a path, such as '1 ../Data/Images/001/frontal/01.jpg'",
            )
        yield int(index), Picture(base + "/".join(parts), parts[-3])


def cfp_pair(
    file: TextFile, number: int, line: str, pictures: list[dict[int, Picture]], genuine: bool, fold: int
) -> PairLine:
    """Parse a line "i,j" of a split."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 2 or not all(cell.isdecimal() and len(cell) < 10 for cell in cells):
        raise file.fault(
            number, f"found {line[:60]!r}; each line is 'number of a frontal image,number of a profile image'"
        )
    sides = []
    for known, cell, kind in zip(pictures, cells, "FP", strict=True):
        if int(cell) not in known:
            raise file.fault(number, f"image {cell} is not in Pair_list_{kind}.txt")
        sides.append(known[int(cell)])
    return PairLine(sides[0], sides[1], genuine, fold)
