"""Casual Conversations: frames are assigned to people by their video."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.datasets.conversations import casual_conversations, casual_conversations_v2, known
from fixtures import dataset_trees


def test_frames_of_version_1_find_their_person_by_name_or_folder(tmp_path: Path) -> None:
    dataset_trees.casual_conversations(tmp_path)
    frame = casual_conversations(tmp_path)
    assert frame.set_index("image").T.to_dict("list") == {
        "frames/1140_02_7.jpg": ["1140", "1140_02", "44", "Female", "V", "bright"],
        "frames/1140_03/0001.jpg": ["1140", "1140_03", "44", "Female", "V", "dark"],
        "frames/1141_00.png": ["1141", "1141_00", "", "", "II", "bright"],
    }
    assert list(frame.columns) == ["image", "subject", "video", "age", "gender", "fitzpatrick", "light"]
    assert frame.attrs["notes"] == ["1 images belong to no video in the JSON file and were left out"]


def test_frames_of_version_2_have_both_scales_in_columns_of_their_own(tmp_path: Path) -> None:
    dataset_trees.casual_conversations_v2(tmp_path)
    frame = casual_conversations_v2(tmp_path)
    assert list(frame["subject"]) == ["0000", "0000", "0001"]
    assert list(frame["monk"]) == ["5", "5", "8"]
    assert list(frame["fitzpatrick"]) == ["III", "III", ""]
    assert list(frame["country"]) == ["Brazil", "Brazil", ""]
    assert list(frame["gender"]) == ["cis woman", "cis woman", ""]
    assert "3 frames of 2 videos: genuine pairs from the same video are much too easy" in frame.attrs["notes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1,", "damaged JSON"),
        ("[]", "a list where the data set has a dict"),
        ("[" * 100_000, "damaged JSON"),
        ('{"1140": 3}', "person '1140': no files and label"),
    ],
)
def test_a_json_that_is_not_the_set_s_is_named(tmp_path: Path, text: str, said: str) -> None:
    dataset_trees.casual_conversations(tmp_path)
    dataset_trees.table(tmp_path, "CC_annotations/CasualConversations.json", text)
    with pytest.raises(TableError, match=rf"CasualConversations\.json.*{said}"):
        casual_conversations(tmp_path)


def test_an_entry_without_a_person_is_named(tmp_path: Path) -> None:
    dataset_trees.casual_conversations_v2(tmp_path)
    dataset_trees.table(tmp_path, "CasualConversationsV2.json", json.dumps([{"video_name": "a.mp4"}]))
    with pytest.raises(TableError, match="entry 0: no video_name and subject_id"):
        casual_conversations_v2(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [("N/A", ""), (None, ""), (23, "23"), (True, ""), ({"a": 1}, ""), (" x ", "x")]
)
def test_only_plain_values_are_labels(value: object, text: str) -> None:
    assert known(value) == text
