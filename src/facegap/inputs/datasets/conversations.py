"""Adapters for frames of Casual Conversations v1 and v2: images extracted from the videos, and the JSON file of labels."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.datasets.layout import counted, images_of, other_shape, with_notes
from facegap.store.opened import NotRegularError, TooLargeError, read_file

MOST_BYTES = 256 * 2**20
ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}
PLACES = ("", "annotations", "Annotations", "CC_annotations", "labels", "Labels")


def casual_conversations(folder: Path) -> pd.DataFrame:
    """Casual Conversations v1: CasualConversations.json and frames whose file or folder is named after their video.

    A frame of CasualConversationsA/1140/1140_02.MP4 is any image in a folder 1140_02, or with a name such as 1140_02 or
    1140_02_7. The subject is the person, never the video.

    Labels : age and gender as self-reported (N/A is empty), fitzpatrick by annotators, light (dark, bright)
    Source : public code that reads the JSON ({person: {files, dark_files, label: {age, gender, skin-type}}})
    """
    people = json_of(folder, "CasualConversations.json", dict, "casual_conversations")
    videos: dict[str, tuple[str, str]] = {}
    labels: dict[str, dict[str, str]] = {}
    for person, entry in people.items():
        label = entry.get("label", {}) if isinstance(entry, dict) else {}
        if not isinstance(entry, dict) or not isinstance(label, dict):
            raise TableError(
                f"CasualConversations.json, person {str(person)[:20]!r}: no files and label; download it again"
            )
        dark = {stem_of(name) for name in entry.get("dark_files", ())}
        for name in entry.get("files", ()):
            videos[stem_of(name)] = (str(person), "dark" if stem_of(name) in dark else "bright")
        labels[str(person)] = {
            "age": known(label.get("age")),
            "gender": known(label.get("gender")),
            "fitzpatrick": ROMAN.get(known(label.get("skin-type")), ""),
        }
    rows, others = [], 0
    for name, video in frames_of(folder, videos, re.compile(r"\d+_\d+")):
        if video is None:
            others += 1
            continue
        person, light = videos[video]
        rows.append({"image": name, "subject": person, "video": video, **labels[person], "light": light})
    return framed(folder, rows, others, "casual_conversations", "frames named after their video, such as 1140_02_7.jpg")


def casual_conversations_v2(folder: Path) -> pd.DataFrame:
    """Casual Conversations v2: CasualConversationsV2.json and the frames of the set, <person>/<video>_raw_frame00000381.jpg.

    Labels : monk and fitzpatrick of the person's videos by annotators, age, gender and country as self-reported, each as in the
             JSON; video, to distinguish frames of different videos
    Source : public code and notes (a list of {video_name, subject_id, monk_skin_tone: {scale: "scale 5"},
             fitzpatrick_skin_tone: {type: "type iii"}, age, gender, geo_location: {country}}; frames by person)
    """
    entries = json_of(folder, "CasualConversationsV2.json", list, "casual_conversations_v2")
    labels: dict[str, dict[str, str]] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not entry.get("video_name") or "subject_id" not in entry:
            raise TableError(
                f"CasualConversationsV2.json, entry {number}: no video_name and subject_id; download it again"
            )
        labels[stem_of(entry["video_name"])] = {
            "subject": known(entry["subject_id"]),
            "monk": last_word(entry.get("monk_skin_tone"), "scale"),
            "fitzpatrick": last_word(entry.get("fitzpatrick_skin_tone"), "type").upper(),
            "age": known(entry.get("age")),
            "gender": known(entry.get("gender")),
            "country": last_word(entry.get("geo_location"), "country", whole=True),
        }
    rows, others = [], 0
    for name, video in frames_of(folder, labels, re.compile(r"(.+?)_raw_frame\d+")):
        if video is None:
            others += 1
        else:
            found = labels[video]
            rows.append(
                {
                    "image": name,
                    "subject": found["subject"],
                    "video": video,
                    **{k: v for k, v in found.items() if k != "subject"},
                }
            )
    return framed(
        folder,
        rows,
        others,
        "casual_conversations_v2",
        "frames such as 0000/0000_portuguese_nonscripted_1_raw_frame00000381.jpg",
    )


def framed(folder: Path, rows: list[dict[str, str]], others: int, adapter: str, looked_for: str) -> pd.DataFrame:
    """Return the manifest of the frames, with notes on what was omitted."""
    if not rows:
        raise other_shape(adapter, folder, looked_for)
    frame = pd.DataFrame(rows, dtype="str")
    per_video = Counter(frame["video"])
    return with_notes(
        frame,
        counted(others, "images belong to no video in the JSON file and were left out"),
        f"{len(frame):,} frames of {len(per_video):,} videos: genuine pairs from the same video are much too easy"
        if max(per_video.values()) > 1
        else "",
    )


def frames_of(folder: Path, videos: Mapping[str, Any], stem: re.Pattern[str]) -> list[tuple[str, str | None]]:
    """Return every image with the video in its file or folder name; None if that is not a video in the JSON.

    stem : pattern of a video name at the beginning of a frame name; its first group, or the whole match
    """
    found = []
    for path in images_of(folder):
        name = path.relative_to(folder).as_posix()
        parts = [*PurePosixPath(name).parts[:-1], path.stem]
        begun = [match for part in reversed(parts) for match in (stem.match(part),) if match]
        named = [part for part in reversed(parts) if part in videos]
        candidates = [*named, *(match[match.re.groups] for match in begun)]
        found.append((name, next((one for one in candidates if one in videos), None)))
    return found


def json_of(folder: Path, name: str, kind: type, adapter: str) -> Any:
    """Read the JSON file of labels and check its type.

    Raises
    ------
    TableError : If it is missing, too large, damaged, or of another type.
    """
    path = next((folder / place / name for place in PLACES if (folder / place / name).is_file()), None)
    if path is None:
        raise other_shape(adapter, folder, f"{name} (in the folder given, or in annotations/)")
    try:
        content = json.loads(read_file(path, MOST_BYTES).decode("utf-8-sig"))
    except (NotRegularError, TooLargeError, OSError) as error:
        raise TableError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{name}: damaged JSON ({str(error)[:80]}); download it again") from None
    if not isinstance(content, kind):
        raise TableError(
            f"{name}: a {type(content).__name__} where the data set has a {kind.__name__}; download it again"
        )
    return content


def stem_of(name: object) -> str:
    """Return the name of a video without folders and extension."""
    return PurePosixPath(str(name).replace("\\", "/")).stem


def known(value: object) -> str:
    """Convert a scalar value to text; empty for None, N/A and other types."""
    text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    return "" if text.casefold() in ("n/a", "nan", "none", "") else text


def last_word(entry: object, key: str, *, whole: bool = False) -> str:
    """Return the last word of a label such as "scale 5" or "type iii", or the whole text with `whole`; empty if none."""
    text = known(entry.get(key)) if isinstance(entry, dict) else ""
    return text if whole or not text else text.split()[-1]
