"""Adapters for data sets with labels in file and folder names: CFD, DemogPairs, BUPT-Balancedface, CASIA-Face-Africa."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.datasets.layout import (
    by_race,
    counted,
    first_folder,
    images_of,
    other_shape,
    place_of_images,
    with_notes,
)
from facegap.store.opened import NotRegularError, TooLargeError, read_file

CFD_NAME = re.compile(r"CFD-([A-Z])([FM])-(\d+)-(\d+)(?:-(\d+))?-([A-Z]{1,2})\.jpe?g", re.IGNORECASE)
DEMOGPAIRS_GROUPS = tuple(f"{race}_{gender}s" for race in ("Asian", "Black", "White") for gender in ("Female", "Male"))
DEMOGPAIRS_TABLES = ("", "Metadata", "MetaData", "metadata")
DEMOGPAIRS_IMAGES = ("DemogPairs", "images", "DemogPairs_112x112", "")
DEMOGPAIRS_HEADER = ("db_code", "image_path")
MOST_BYTES = 64 * 2**20
AFRICA_NAME = re.compile(r"(\d{4})\D.*")
AFRICA_CAMERA = re.compile(r"(?<![A-Za-z0-9])(C[123])(?![A-Za-z0-9])")


def cfd(folder: Path) -> pd.DataFrame:
    """Chicago Face Database: files CFD-WF-034-006-N.jpg anywhere below the folder, including CFD-MR and CFD-INDIA.

    Labels : race and gender of the person, from the letters of the file name (A, B, L, W; M multiracial and I photographed in
             India), expression (N neutral, HO and HC happy with mouth open and closed, A angry, F fearful). subject consists of
             the letters and the first number
    Source : file names and public code that reads them; the norming workbook is not read
    """
    found = [(path, CFD_NAME.fullmatch(path.name)) for path in images_of(folder)]
    rows = [
        (
            path.relative_to(folder).as_posix(),
            f"{race}{gender}-{person}".upper(),
            gender.upper(),
            race.upper(),
            what.upper(),
        )
        for path, name in found
        if name
        for race, gender, person, _, _, what in (name.groups(),)
    ]
    if not rows:
        raise other_shape("cfd", folder, "images named CFD-WF-034-006-N.jpg")
    frame = pd.DataFrame(rows, columns=["image", "subject", "gender", "race", "expression"], dtype="str")
    return with_notes(frame, counted(len(found) - len(rows), "images have names of another form and were left out"))


def demogpairs(folder: Path) -> pd.DataFrame:
    """DemogPairs: six lists Asian_Females.txt ... White_Males.txt in Metadata/, images in DemogPairs/<person>/ (or images/).

    Labels : gender and race from the name of the list, db_code: the set from which an image was taken
    Source : public code and notes (a header db_code image_path, then lines such as: CWF able_wanamakok/002.jpg)
    """
    base = first_folder(
        folder, DEMOGPAIRS_TABLES, lambda at: all((at / f"{name}.txt").is_file() for name in DEMOGPAIRS_GROUPS)
    )
    if base is None:
        raise other_shape(
            "demogpairs",
            folder,
            f"{DEMOGPAIRS_GROUPS[0]}.txt ... {DEMOGPAIRS_GROUPS[-1]}.txt (in the folder given, or in Metadata/)",
        )
    rows = [
        (name, name.partition("/")[0], gender, race, code)
        for group in DEMOGPAIRS_GROUPS
        for race, gender in (group.removesuffix("s").split("_"),)
        for code, name in list_of(base / f"{group}.txt")
    ]
    prefix = place_of_images(folder, (row[0] for row in rows), DEMOGPAIRS_IMAGES, "demogpairs", "Metadata")
    frame = pd.DataFrame(rows, columns=["image", "subject", "gender", "race", "db_code"], dtype="str")
    frame["image"] = [prefix + name for name in frame["image"]]
    frame["gender"] = frame["gender"].str.lower()
    return frame


def list_of(path: Path) -> list[tuple[str, str]]:
    """Return source and image of each line of a list.

    Raises
    ------
    TableError : If a line is not two words, the second of the form <person>/<image>.
    """
    found = []
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        words = tuple(text.split())
        if not words or words == DEMOGPAIRS_HEADER:
            continue
        if len(words) != 2 or words[1].count("/") != 1:
            raise TableError(
                f"{path.name} line {line}: {text[:60]!r} is not a source and <person>/<image>; download the list again"
            )
        found.append((words[0], words[1]))
    return found


def text_of(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark."""
    try:
        return read_file(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (NotRegularError, TooLargeError, OSError) as error:
        raise TableError(f"{path}: {error.strerror or error}") from error


def bupt_balancedface(folder: Path) -> pd.DataFrame:
    """BUPT-Balancedface: race_per_7000/<race>/<person>/<image>, race one of African, Asian, Caucasian, Indian.

    Labels : race, the term of the set, assigned as in RFW from nationality and by a commercial service
    Source : public code that reads the folder (images/race_per_7000, race_per_7000)
    """
    places = ("", "race_per_7000", "images/race_per_7000", "images")
    return by_race(folder, places, "bupt_balancedface", "race_per_7000/<race>/<person>/")


def casia_face_africa(folder: Path) -> pd.DataFrame:
    """CASIA-Face-Africa: file names begin with the person's four digits, and the path contains camera C1, C2 or C3.

    Labels : camera (C1 and C2 visible light, C3 near infrared). Age, sex and ethnic group are in files of unknown layout: add
             them with `facegap manifest csv`
    Source : README of bob.bio.face (cameras, protocols) and code of github.com/vitorpmh/STW (digits, C1 and C2 in paths)
    """
    rows, others = [], 0
    for path in images_of(folder):
        name = path.relative_to(folder).as_posix()
        person, cameras = AFRICA_NAME.fullmatch(path.name), sorted(set(AFRICA_CAMERA.findall(name.replace("_", "-"))))
        if person and len(cameras) == 1:
            rows.append((name, person[1], cameras[0]))
        else:
            others += 1
    if not rows:
        raise other_shape(
            "casia_face_africa", folder, "images whose names begin with four digits, in folders C1, C2 or C3"
        )
    frame = pd.DataFrame(rows, columns=["image", "subject", "camera"], dtype="str")
    infrared = int((frame["camera"] == "C3").sum())
    return with_notes(
        frame,
        counted(others, "images lack the four digits or the camera in their path and were left out"),
        counted(infrared, "images are from camera C3 (near infrared); leave them out with --where \"camera != 'C3'\""),
    )
