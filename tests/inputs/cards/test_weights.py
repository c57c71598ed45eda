"""Weights are found by content, used only if their sha256 matches the card, and read once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from facegap.errors import CardError, FetchError
from facegap.inputs.cards import weights
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import (
    cache_folder,
    find_weights,
    how_to_get,
    list_models,
    models_folders,
    read_weights,
)
from fixtures.cards import age_card

CONTENT = b"the right weights"


def card_of(content: bytes = CONTENT, **changes: Any) -> ModelCard:
    """A classifier's card for weights of this content."""
    return age_card(content, **changes)


def put(folder: Path, name: str, content: bytes = CONTENT) -> Path:
    """Write a file to a folder, which is created if missing."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_file_of_the_card_is_found_and_read(tmp_path: Path) -> None:
    path = put(tmp_path, "toy.onnx")
    assert find_weights(card_of(), [tmp_path]) == path
    assert read_weights(card_of(), [tmp_path]) == CONTENT


def test_a_file_of_another_name_is_found_by_its_content(tmp_path: Path) -> None:
    put(tmp_path, "a.onnx", b"something else....")
    path = put(tmp_path, "renamed.onnx")
    assert find_weights(card_of(), [tmp_path]) == path
    assert find_weights(card_of(size_bytes=len(CONTENT)), [tmp_path]) == path


def test_a_file_of_the_right_name_and_other_content_is_passed_over_and_named(tmp_path: Path) -> None:
    wrong, right = put(tmp_path / "a", "toy.onnx", b"The right weights"), put(tmp_path / "b", "toy.onnx")
    assert find_weights(card_of(), [tmp_path / "a", tmp_path / "b"]) == right
    with pytest.raises(FetchError) as caught:
        read_weights(card_of(), [tmp_path / "a"])
    assert f"{wrong} is a different file: its sha256 differs" in str(caught.value)


def test_the_first_folder_wins(tmp_path: Path) -> None:
    first, _ = put(tmp_path / "b", "toy.onnx"), put(tmp_path / "a", "toy.onnx")
    assert find_weights(card_of(), [tmp_path / "b", tmp_path / "a"]) == first


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        read_weights(card_of(), [tmp_path])
    message = str(caught.value)
    assert "Made by the tests. If you already have a copy, save it there as" in message
    assert str(tmp_path) in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert "Run facegap fetch toy." in how_to_get(card_of(source="https://a.b/toy.onnx", obtain=None), [tmp_path])


def test_a_closed_service_has_no_weights(tmp_path: Path) -> None:
    only_onnx = ("file", "obtain", "sha256", "input", "crop", "outputs")
    keys = {key: value for key, value in card_of().model_dump(exclude_unset=True).items() if key not in only_onnx}
    service = keys | {"backend": "http", "request": {"url": "https://a.b/c"}, "answer": {"age": "age"}}
    card = ModelCard.model_validate(service)
    assert find_weights(card, [tmp_path]) is None
    assert list_models([tmp_path], {"toy": card})[0].path is None
    with pytest.raises(FetchError, match="a black-box service has no weights"):
        read_weights(card, [tmp_path])


def test_a_folder_that_does_not_exist_yet_holds_nothing(tmp_path: Path) -> None:
    assert find_weights(card_of(), [tmp_path / "cache"]) is None


def test_a_given_file_is_the_only_candidate(tmp_path: Path) -> None:
    put(tmp_path, "toy.onnx")
    other = put(tmp_path, "other.onnx", b"other")
    with pytest.raises(CardError, match="key sha256"):
        find_weights(card_of(), [tmp_path], other)
    with pytest.raises(CardError, match="no such file"):
        read_weights(card_of(), [tmp_path], tmp_path / "none.onnx")
    assert read_weights(card_of(), [], tmp_path / "toy.onnx") == CONTENT


def test_a_file_exchanged_between_check_and_use_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "toy.onnx")

    def hash_then_exchange(checked: Path) -> str:
        digest = hashlib.sha256(checked.read_bytes()).hexdigest()
        path.write_bytes(b"the evil  weights")
        return digest

    monkeypatch.setattr(weights, "hash_file", hash_then_exchange)
    with pytest.raises(CardError, match="key sha256"):
        read_weights(card_of(), [tmp_path])


def test_a_card_with_the_wrong_size_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    path = put(tmp_path, "toy.onnx")
    with pytest.raises(CardError, match="key size_bytes, says 16"):
        read_weights(card_of(size_bytes=16), [], path)


def test_only_files_of_the_right_size_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "toy.onnx", b"short")
    put(tmp_path, "big.onnx", b"x" * 1000)
    right = put(tmp_path, "right.onnx")
    hashed: list[Path] = []
    real = weights.hash_file
    monkeypatch.setattr(weights, "hash_file", lambda path: (hashed.append(path), real(path))[1])
    assert find_weights(card_of(size_bytes=len(CONTENT)), [tmp_path]) == right
    assert hashed == [right]


def test_a_file_over_the_bound_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = put(tmp_path, "toy.onnx")
    os.truncate(huge, 2 * 1024**3)  # sparse: takes no space
    assert find_weights(card_of(), [tmp_path]) is None
    with pytest.raises(CardError, match=r"2,147,483,648 bytes; an \.onnx file must be smaller than 2 GiB"):
        find_weights(card_of(), [], huge)


def test_a_pipe_is_no_weights_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "toy.onnx")
    assert find_weights(card_of(), [tmp_path]) is None
    with pytest.raises(CardError, match="no such file"):
        find_weights(card_of(), [], tmp_path / "toy.onnx")


def test_folders_come_in_order_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (tmp_path / name for name in "abc")
    for folder in (one, two, three):
        folder.mkdir()
    monkeypatch.setenv("FACEGAP_MODELS", os.pathsep.join([str(two), str(one), "", str(three)]))
    assert models_folders([one]) == [one, two, three, cache_folder()]
    monkeypatch.delenv("FACEGAP_MODELS")
    assert models_folders() == [cache_folder()]


def test_a_misspelt_folder_is_an_error_with_its_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEGAP_MODELS", raising=False)
    with pytest.raises(CardError, match=r"--models-dir: .*none is not a readable folder"):
        models_folders([tmp_path / "none"])
    monkeypatch.setenv("FACEGAP_MODELS", str(tmp_path / "gone"))
    with pytest.raises(CardError, match=r"FACEGAP_MODELS: .*gone is not a readable folder"):
        models_folders()


def test_models_are_listed_with_where_their_weights_are(tmp_path: Path) -> None:
    path = put(tmp_path, "renamed.onnx")
    rows = list_models([tmp_path], {"toy": card_of(), "other": card_of(b"elsewhere", name="other")})
    assert [(row.name, row.path, row.can_be_fetched) for row in rows] == [("toy", path, False), ("other", None, False)]


def test_each_file_is_hashed_once_for_all_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        put(tmp_path, f"{name}.onnx", name.encode())
    hashed: list[Path] = []
    real = weights.hash_file
    monkeypatch.setattr(weights, "hash_file", lambda path: (hashed.append(path), real(path))[1])
    list_models([tmp_path], {name: card_of(name.encode(), file=f"{name}.onnx") for name in "cxyz"})
    assert len(hashed) == 3


@pytest.mark.real
def test_the_real_files_are_on_this_machine_under_whatever_name(test_data: Path) -> None:
    rows = list_models([test_data / "models", test_data / "models" / "attributes"])
    assert len(rows) == len(load_cards())
    assert {row.name for row in rows if row.path} == {row.name for row in rows if row.verified}
    yunet = next(row for row in rows if row.name == "yunet")
    assert yunet.path == test_data / "models" / "yunet_2023mar.onnx"
    assert (yunet.size_bytes, yunet.licence, yunet.commercial_use, yunet.can_be_fetched) == (232589, "MIT", True, True)
