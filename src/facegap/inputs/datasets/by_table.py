"""Adapters for data sets with a table of labels: FHIBE-Face, MORPH, MEDS-II, MST-E, FACET."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.datasets.dates import AMERICAN, years_between
from facegap.inputs.datasets.layout import (
    clean_path,
    counted,
    first_folder,
    images_of,
    is_image,
    other_shape,
    place_of_images,
    table_with,
    with_notes,
)

FHIBE_TABLE = "fhibe_face_crop_align.csv"
FHIBE_PLACES = ("", "data", "data/processed", "data/processed/fhibe_face_crop_align", "fhibe_face_crop_align")
FHIBE_IMAGES = ("", "data", "data/raw", "data/raw/fhibe_downsampled")
FHIBE_LISTS = ("pronoun", "ancestry", "nationality", "lighting")  # cells with a list in Python notation
FHIBE_WORDS = (
    "age",
    "natural_skin_color",
    "apparent_skin_color",
    "scene",
    "camera_distance",
    "camera_position",
    "head_pose",
    "is_primary",
    "multiple_subjects",
)
FHIBE_RELEASE = re.compile(r"fhibe\.(.+?)(_downsampled)?(_public)?")
MEDS_NAME = re.compile(r"(S\d{3})-(\d{2})-t10_\d{2}\.jpg", re.IGNORECASE)
FACET_GENDERS = ("masc", "fem", "non_binary", "na")
FACET_AGES = ("young", "middle", "older", "na")
MOST_NESTED = 3  # brackets in a cell that is read as a list


def fhibe(folder: Path) -> pd.DataFrame:
    """FHIBE-Face, cropped and aligned: data/processed/fhibe_face_crop_align/fhibe_face_crop_align.csv.

    Image names are those of the table, so that its keypoints can be joined; attrs["root"] is the folder to which they are
    relative: the given one, or data/ and others in it.

    Labels : age (years), pronoun, ancestry, nationality, natural_skin_color and apparent_skin_color ("2. [164, 131, 103]":
             the step and its sRGB), lighting, scene and others, in the terms of the set with their numbers; several terms
             in a cell are joined by " + ". Pronouns are not gender, so there is no column gender. release is the version
             in the name of the unpacked folder
    Source : README, docs/supported_attributes.md and code of github.com/SonyResearch/fhibe_evaluation_api
    """
    base = first_folder(folder, FHIBE_PLACES, lambda at: (at / FHIBE_TABLE).is_file())
    if base is None:
        raise other_shape("fhibe", folder, f"data/processed/fhibe_face_crop_align/{FHIBE_TABLE}")
    records = table_with(base / FHIBE_TABLE, ("filepath", "subject_id"))
    cells = records.frame
    names = [clean_path(name) for name in cells["filepath"]]
    prefix = place_of_images(folder, names, FHIBE_IMAGES, "fhibe", FHIBE_TABLE)
    columns: dict[str, Any] = {"image": names, "subject": cells["subject_id"]}
    for name in (name for name in (*FHIBE_LISTS, *FHIBE_WORDS) if name in cells.columns):
        columns[name] = cells[name]
        if name in FHIBE_LISTS:
            columns[name] = [
                joined_list(cell, f"{FHIBE_TABLE} {records.unit} {line}, column {name}")
                for cell, line in zip(cells[name], records.lines, strict=True)
            ]
    release = release_of(folder)
    if release:
        columns["release"] = release
    frame = pd.DataFrame(columns, dtype="str")
    frame.attrs["root"] = prefix
    return with_notes(
        frame,
        f"the release is {release}; people withdraw from FHIBE every month, so keep your copy up to date"
        if release
        else "the folder's name does not show the release of FHIBE; give it with --data-name when you audit",
    )


def release_of(folder: Path) -> str:
    """Return the version in the name of the unpacked FHIBE folder or a parent folder; empty if there is none."""
    for at in (folder.resolve(), *folder.resolve().parents):
        if found := FHIBE_RELEASE.fullmatch(at.name):
            return found[1]
    return ""


def joined_list(cell: str, where: str) -> str:
    """Join the words of a list in Python notation by " + "; a cell that is not a list is returned unchanged.

    Raises
    ------
    TableError : If a list cannot be read, or does not consist of words.
    """
    text = cell.strip()
    if not text.startswith("["):
        return text
    try:
        found = ast.literal_eval(text) if text.count("[") <= MOST_NESTED else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        found = None
    if not isinstance(found, list) or not all(isinstance(word, (str, int, float)) for word in found):
        raise TableError(f"{where}: {text[:60]!r} is not a list of words; download the table again")
    return " + ".join(str(word).strip() for word in found)


def morph(folder: Path) -> pd.DataFrame:
    """MORPH Album 2: a CSV with id_num, dob, doa, race, gender, age, photo; photographs under the names in it, Album2/<file>.JPG.

    Labels : gender, race (the letter of the record: B, W, A, H, O), age in years as recorded or, if empty, computed from the
             dates of birth and of arrest
    Source : code that reads morph_2008_nonCommercial.csv (columns id_num, picture_num, dob, doa, race, gender, facial_hair,
             age, age_diff, glasses, photo)
    """
    tables = [path for path in sorted(folder.glob("*.csv")) if path.name.lower().startswith("morph")]
    if len(tables) != 1:
        raise other_shape(
            "morph", folder, f"one table morph_*.csv, such as morph_2008_nonCommercial.csv ({len(tables)} are there)"
        )
    records = table_with(tables[0], ("id_num", "race", "gender", "photo"))
    cells = records.frame
    names = [clean_path(name) for name in cells["photo"]]
    prefix = place_of_images(folder, names, ("", "Images", "images"), "morph", tables[0].name)
    given = cells["age"].str.strip() if "age" in cells.columns else pd.Series([""] * len(cells), dtype="str")
    ages, computed = [], 0
    for k, age in enumerate(given):
        years = (
            ""
            if age or not {"dob", "doa"} <= set(cells.columns)
            else years_between(cells["dob"][k], cells["doa"][k], form=AMERICAN)
        )
        computed += years != ""
        ages.append(age or years)
    frame = pd.DataFrame(
        {
            "image": [prefix + name for name in names],
            "subject": cells["id_num"],
            "gender": cells["gender"],
            "race": cells["race"].str.strip(),
            "age": ages,
        },
        dtype="str",
    )
    return with_notes(frame, counted(computed, "ages were computed from the dates of birth and of arrest"))


def meds(folder: Path) -> pd.DataFrame:
    """MEDS-II: data/<aa..>/S001-01-t10_01.jpg, or all in one folder, optionally with subject_metadata.csv.

    Labels : with the table: gender (sex), race (the letter of the record: A, B, I, U, W; U is unknown), age in years, pose;
             without it, only the subject, from the file name
    Source : subject_metadata.csv and scripts of github.com/biometrics/openbr, data/MEDS
    """
    images = {path.name: path for path in images_of(folder) if MEDS_NAME.fullmatch(path.name)}
    if not images:
        raise other_shape("meds", folder, "images named S001-01-t10_01.jpg")
    names = {name: path.relative_to(folder).as_posix() for name, path in images.items()}
    subjects = [name[:4].upper() for name in names]
    frame = pd.DataFrame({"image": list(names.values()), "subject": subjects}, dtype="str")
    base = first_folder(folder, ("", "truth", "doc", "docs"), lambda at: (at / "subject_metadata.csv").is_file())
    if base is None:
        return with_notes(frame, "no subject_metadata.csv was found, so the manifest has subjects and no labels")
    cells = table_with(base / "subject_metadata.csv", ("img_name", "sex", "rac", "age_phd", "label")).frame
    labels = cells.set_index(cells["img_name"].str.strip())[["sex", "rac", "age_phd", "label"]]
    labels = labels[~labels.index.duplicated()].reindex(list(names)).fillna("").reset_index(drop=True)
    labels.columns = pd.Index(["gender", "race", "age", "pose"])
    bare = int((labels == "").all(axis=1).sum())
    absent = len(set(cells["img_name"].str.strip()) - set(names))
    return with_notes(
        pd.concat([frame, labels], axis=1),
        counted(bare, "images have no row in subject_metadata.csv and so no labels"),
        counted(absent, "rows of subject_metadata.csv name images that do not exist"),
    )


def mst_e(folder: Path) -> pd.DataFrame:
    """MST-E: mst-e_image_details.csv next to subject_0/ ... subject_18/.

    Labels : monk (the person's step on the Monk scale), lighting, pose, mask, in the terms of the table
    Source : public code that reads the table (columns subject_name, image_ID, MST, lighting, pose, mask)
    """
    base = first_folder(folder, ("", "mst-e_data"), lambda at: (at / "mst-e_image_details.csv").is_file())
    if base is None:
        raise other_shape("mst_e", folder, "mst-e_image_details.csv (in the folder given, or in mst-e_data/)")
    cells = table_with(base / "mst-e_image_details.csv", ("subject_name", "image_ID", "MST")).frame
    is_picture = pd.Series([is_image(name.strip()) for name in cells["image_ID"]], dtype=bool)
    kept = cells[is_picture.to_numpy()].reset_index(drop=True)
    prefix = "" if base == folder else "mst-e_data/"
    names = [
        f"{prefix}{who.strip()}/{name.strip()}"
        for who, name in zip(kept["subject_name"], kept["image_ID"], strict=True)
    ]
    frame = pd.DataFrame({"image": names, "subject": kept["subject_name"], "monk": kept["MST"]}, dtype="str")
    for name in ("lighting", "pose", "mask"):
        if name in kept.columns:
            frame[name] = kept[name]
    return with_notes(
        frame, counted(int((~is_picture).sum()), "rows that are not images (videos, raw files) were left out")
    )


def facet(folder: Path) -> pd.DataFrame:
    """FACET: annotations/annotations.csv and imgs_1/ ... imgs_3/ (or img/). People are not identified, so there is no subject column.

    Only images with one annotated person are included: a manifest has one row per image.

    Labels : gender_presentation (masc, fem, non_binary, na) and age_presentation (young, middle, older, na) as perceived by
             annotators; monk, the step marked by most annotators, empty if tied or not marked; class1, the class of the
             person
    Source : public code that reads annotations.csv (filename, person_id, gender_presentation_*, age_presentation_*,
             skin_tone_1 ... skin_tone_10, class1)
    """
    base = first_folder(folder, ("annotations", ""), lambda at: (at / "annotations.csv").is_file())
    if base is None:
        raise other_shape("facet", folder, "annotations/annotations.csv or annotations.csv")
    tones = [f"skin_tone_{step}" for step in range(1, 11)]
    genders = [f"gender_presentation_{word}" for word in FACET_GENDERS]
    cells = table_with(base / "annotations.csv", ("filename", *genders, *tones)).frame
    crowded = cells["filename"].duplicated(keep=False)
    kept = cells[~crowded].reset_index(drop=True)
    places = [
        path.name for path in sorted(folder.iterdir()) if path.is_dir() and path.name.startswith(("img", "image"))
    ]
    found = {path.name: path.relative_to(folder).as_posix() for place in places for path in images_of(folder / place)}
    if not found.keys() & set(kept["filename"]):
        raise other_shape("facet", folder, "the images of annotations.csv in imgs_1/, imgs_2/, imgs_3/ or img/")
    frame = pd.DataFrame(
        {
            "image": [found.get(name, name) for name in kept["filename"]],
            "gender_presentation": [marked(row, "gender_presentation_", FACET_GENDERS) for row in rows_of(kept)],
            "monk": [most_marked(row, tones) for row in rows_of(kept)],
        },
        dtype="str",
    )
    if all(f"age_presentation_{word}" in kept.columns for word in FACET_AGES):
        frame["age_presentation"] = [marked(row, "age_presentation_", FACET_AGES) for row in rows_of(kept)]
    if "class1" in kept.columns:
        frame["class1"] = kept["class1"]
    several = int(cells["filename"][crowded].nunique())
    return with_notes(
        frame,
        counted(
            several,
            f"images with several annotated people ({int(crowded.sum()):,} rows) were left out; crop them to one "
            f"person per image",
        ),
        counted(int((frame["monk"] == "").sum()), "images have no step of the Monk scale marked by most annotators"),
    )


def rows_of(frame: pd.DataFrame) -> list[Mapping[str, str]]:
    """Return the rows of a frame of text."""
    return [{str(key): str(value) for key, value in row.items()} for row in frame.to_dict("records")]


def marked(row: Mapping[str, str], prefix: str, words: tuple[str, ...]) -> str:
    """Return the word whose column is 1; empty if none or several are."""
    found = [word for word in words if number_of(row[prefix + word]) > 0]
    return found[0] if len(found) == 1 else ""


def most_marked(row: Mapping[str, str], columns: list[str]) -> str:
    """Return the step whose column has the largest number; empty if there is none or a tie."""
    votes = [number_of(row[column]) for column in columns]
    most = max(votes)
    return str(votes.index(most) + 1) if most > 0 and votes.count(most) == 1 else ""


def number_of(cell: str) -> float:
    """Convert a cell to a number, 0 if it is not one."""
    try:
        return float(cell.replace("_", "?"))  # Python would accept 1_000
    except ValueError:
        return 0.0
