"""Cards: which are accepted, which are rejected, and that every error names the file and the key."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from facegap.errors import CardError
from facegap.inputs.cards import read as cards
from facegap.inputs.cards.read import (
    MAX_CARD_BYTES,
    THE_ONLY_ONE,
    ModelCard,
    cards_folder,
    hash_file,
    load_cards,
    read_card,
    resolve_card,
)

EMBEDDER = """
name = "toy"
task = "embed"
backend = "onnx"
file = "toy.onnx"
source = "https://example.org/toy.onnx"
sha256 = "{sha256}"
licence = "MIT"
commercial_use = "unknown"
verified = false
citation = "made here"
known_limits = []

[training_data]
description = "none"
status = "public"

[input]
name = "data"
layout = "NCHW"
colour = "RGB"
size = [112, 96]
mean = [0, 127.5, 0]
scale = [1, 1, 1]
dtype = "float32"

[alignment]
template = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
interpolation = "bilinear"

[outputs.embedding]
output = "out"
dimension = 16
"""
SHA = "ab" * 32


def write_card(folder: Path, name: str = "toy", sha256: str = SHA, change: tuple[str, str] = ("", "")) -> Path:
    """A valid embedder card, or one with part of its text replaced."""
    text = EMBEDDER.format(sha256=sha256).replace('"toy"', f'"{name}"')
    assert change[0] in text
    path = folder / f"{name}.toml"
    path.write_text(text.replace(*change) if change[0] else text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    """The error message for a card, which always begins with the path of the file."""
    with pytest.raises(CardError) as caught:
        read_card(path)
    assert str(caught.value).startswith(str(path))
    assert "pydantic" not in str(caught.value)
    return str(caught.value)


def test_a_correct_card_is_read_key_by_key(tmp_path: Path) -> None:
    card = read_card(write_card(tmp_path))
    assert (card.name, card.task, card.sha256, card.commercial_use) == ("toy", "embed", SHA, "unknown")
    assert card.input is not None
    assert card.input.size == (112, 96)
    assert card.input.mean == (0, 127.5, 0)
    assert card.input.enlargement_limit == 1.0
    assert card.alignment is not None
    assert card.alignment.template[4] == (9, 10)
    assert card.outputs.embedding is not None
    assert card.outputs.embedding.dimension == 16
    assert (card.outputs.gender, card.crop, card.detector, card.size_bytes) == (None, None, None, None)


def test_a_card_can_not_be_changed_once_read(tmp_path: Path) -> None:
    card = read_card(write_card(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        card.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'task = "embed"',
            'task = "guess"',
            "key task: Input should be 'detect', 'embed', 'classify', 'quality', 'verify' or 'search'",
        ),
        ('licence = "MIT"\n', "", "key licence: missing"),
        ('dtype = "float32"\n', "", "key input.dtype: missing"),
        ('licence = "MIT"', 'licence = ""', "key licence"),
        ('licence = "MIT"', 'license = "MIT"', "key license: unknown; did you mean licence?"),
        ("dimension = 16", "dimensions = 16", "key outputs.embedding.dimensions: unknown; did you mean dimension?"),
        (
            'layout = "NCHW"',
            'layout = "NCHW"\ncrop = 1',
            "key input.crop: unknown; the keys of this table are name, layout",
        ),
        ("verified = false", "verified = 0", "key verified: Input should be a valid boolean (it is 0)"),
        ('commercial_use = "unknown"', 'commercial_use = "perhaps"', "key commercial_use: Input should be"),
        ('commercial_use = "unknown"', "commercial_use = 1", "key commercial_use: Input should be"),
        ('"ab', '"xb', "key sha256: must be 64 hexadecimal digits"),
        ('"ab', '"', "key sha256: must be 64 hexadecimal digits"),
        ("size = [112, 96]", "size = [112, 96, 3]", "key input.size"),
        ("size = [112, 96]", 'size = [112, "96"]', "key input.size.1: Input should be a valid integer (it is '96')"),
        ("size = [112, 96]", "size = [112, 0]", "key input.size.1: Input should be greater than or equal to 8"),
        ("size = [112, 96]", "size = [112, 9999999]", "key input.size.1: Input should be less than or equal to 8192"),
        ("size = [112, 96]", "size = [8, 8]", "alignment.template: (9.0, 10.0) lies outside the crop"),
        ("scale = [1, 1, 1]", "scale = [1, 1]", "key input: scale has 2 numbers; colour RGB needs 3"),
        ("scale = [1, 1, 1]", "scale = [1, 0, 1]", "key input: scale contains 0, which would erase a channel"),
        ("scale = [1, 1, 1]", "scale = [1, nan, 1]", "key input.scale.1: Input should be a finite number"),
        ("scale = [1, 1, 1]", "scale = [1, true, 1]", "key input.scale.1: Input should be a valid number"),
        ('colour = "RGB"', 'colour = "GREY"', "key input: mean has 3 numbers; colour GREY needs 1"),
        ('dtype = "float32"', 'dtype = "uint8"', "key input: dtype uint8 takes pixels as they are"),
        ('dtype = "float32"', 'dtype = "float32"\ndynamic = true', "input.dynamic and input.enlargement_limit are for"),
        ("[[1, 2], ", "[", "key alignment.template"),
        ('source = "https://example.org/toy.onnx"\n', "", "'obtain' is missing"),
        ('source = "https:', 'source = "http:', "key source: not an https address"),
        (
            'source = "https://',
            'source = "https://user:word@',
            "key source: an address in a card must not contain a user name or password",
        ),
        ('"https://example.org/toy.onnx"', '"file:///etc/passwd"', "key source: not an https address"),
        ('"toy.onnx"', '"../toy.onnx"', "key file: must be a file name ending in .onnx"),
        ('"toy.onnx"', '"a/toy.onnx"', "key file: must be a file name ending in .onnx"),
        ('"toy.onnx"', "'a\\toy.onnx'", "key file: must be a file name ending in .onnx"),
        ('"toy.onnx"', '".toy.onnx"', "key file: must be a file name ending in .onnx"),
        ('"toy.onnx"', '"toy.onnx\\u0000"', "key file: contains the unprintable character U+0000"),
        ('"made here"', '"made \\u001b[2J here"', "key citation: contains the unprintable character U+001B"),
        ('"made here"', '"made \\u202e here"', "key citation: contains the unprintable character U+202E"),
        (
            "known_limits = []",
            'known_limits = ["a", "b\\nc"]',
            "key known_limits[1]: contains the unprintable character",
        ),
        (
            "known_limits = []",
            '"a\\u0007" = 1\nknown_limits = []',
            "key names: contains the unprintable character U+0007",
        ),
        ("[outputs.embedding]", "[outputs.gender]", "key outputs.gender.kind: missing"),
        ('[outputs.embedding]\noutput = "out"\ndimension = 16', "", "[outputs.embedding] is missing"),
        ("[alignment]", "[crop]\nmargin = 0.1\ninterpolation = 'bilinear'\n[alignment]", "[crop] belongs to task"),
        ("[alignment]", "[request]\nurl = 'https://a.b/c'\n[alignment]", "'request' does not belong"),
        ('licence = "MIT"', 'licence = "MIT"\nsize_bytes = 5000000000', "key size_bytes: Input should be less than or"),
        ('name = "toy"', 'name = "other"', "key name: 'other' differs from the name of the file; write 'toy'"),
        ('name = "toy"', 'name = "To-y"', "key name: must be 1 to 64 of a-z, 0-9 and _"),
    ],
)
def test_a_wrong_card_is_refused_with_file_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in refusal(write_card(tmp_path, change=(old, new)))


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    path = write_card(tmp_path, change=('licence = "MIT"', "licence = 3\nverifed = 1"))
    lines = refusal(path).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["key licence", "key verifed"]


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 3" in refusal(write_card(tmp_path, change=('task = "embed"', "task = embed")))
    path = tmp_path / "latin.toml"
    path.write_bytes('a = 1\nb = "Müller"\n'.encode("latin-1"))
    assert "line 2: not UTF-8" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a = " + "[" * 16_000, "nested too deeply"),
        ("a" + ".a" * 8_000 + " = 1", "nested more than 8 levels deep"),
        ("a = " + "9" * 16_000, "not valid TOML"),
        ("a = [" + "[" * 20 + "]" * 21, "nested more than 8 levels deep"),
        ("a = {b = {c = {d = {e = {f = {g = {h = {i = {j = 1}}}}}}}}}", "nested more than 8 levels deep"),
        ("#" * (MAX_CARD_BYTES + 1), "larger than 16 KiB"),
        ("", "key name: missing"),
        ("\ufeff", "key name: missing"),
    ],
    ids=["brackets", "dotted keys", "digits", "lists", "tables", "too large", "empty", "only a BOM"],
)
def test_hostile_text_ends_in_a_card_error(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content, encoding="utf-8")
    assert words in refusal(path)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_ends_in_a_card_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert refusal(path)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ModelCard.model_fields)), json_like)
def test_any_value_for_any_key_is_taken_or_refused_by_its_key(key: str, value: Any) -> None:
    data = tomllib.loads(EMBEDDER.format(sha256=SHA)) | {key: value}
    message = ""
    try:
        ModelCard.model_validate(data)
    except ValidationError as error:
        message = cards.describe_problems(Path("toy.toml"), error)
    assert message == "" or key in message


def test_a_folder_is_no_card_and_a_missing_file_says_so(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "none.toml")


def test_a_card_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write_card(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_card(path).name == "toy"


def test_a_file_name_with_other_signs_stands_for_underscores(tmp_path: Path) -> None:
    path = write_card(tmp_path, "my_model_2").rename(tmp_path / "My-model.2.toml")
    assert read_card(path).name == "my_model_2"


def test_a_folder_of_cards_is_read_by_name(tmp_path: Path) -> None:
    write_card(tmp_path, "second", "cd" * 32)
    write_card(tmp_path, "first")
    assert list(load_cards(tmp_path)) == ["first", "second"]


def test_two_cards_with_one_sha256_are_refused_with_both_files(tmp_path: Path) -> None:
    first, second = write_card(tmp_path, "first"), write_card(tmp_path, "second", SHA.upper())
    with pytest.raises(CardError) as caught:
        load_cards(tmp_path)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
    assert "key sha256" in str(caught.value)


def test_two_cards_with_one_name_are_refused(tmp_path: Path) -> None:
    write_card(tmp_path, "a_b").rename(tmp_path / "a-b.toml")
    write_card(tmp_path, "a_b", "cd" * 32)
    with pytest.raises(CardError, match="key name: the same value as in"):
        load_cards(tmp_path)


def test_a_folder_without_cards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="contains no model card"):
        load_cards(tmp_path)
    with pytest.raises(CardError, match="no such folder"):
        load_cards(tmp_path / "none")


def test_every_card_of_the_project_loads_and_no_two_share_a_hash_or_file() -> None:
    known = list(load_cards().values())
    models = [card for card in known if card.backend == "onnx"]
    assert (len(models), len(known) - len(models)) == (45, 7)
    assert len({card.sha256 for card in models}) == len({card.file for card in models}) == len(models)
    assert sum(card.verified for card in known) == 17


def test_cards_that_the_project_did_not_run_say_so() -> None:
    for card in load_cards().values():
        says_so = any(limit.startswith("Not run by this project yet") for limit in card.known_limits)
        assert says_so is not card.verified
        assert card.size_bytes is not None or not card.verified


def test_a_readable_example_in_the_guide_is_itself_a_card(tmp_path: Path) -> None:
    guide = (cards_folder() / "README.md").read_text(encoding="utf-8")
    example = guide.split("```toml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "my_embedder.toml"
    path.write_text(example, encoding="utf-8")
    assert read_card(path).task == "embed"


def test_every_key_is_explained_in_the_guide() -> None:
    from facegap.inputs.cards import schema as model_card

    guide = (cards_folder() / "README.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(model_card).values() if isinstance(kind, type)]
    tables = [kind for kind in kinds if issubclass(kind, model_card.Table)]
    keys = {key for table in tables for key in table.model_fields}
    assert {key for key in keys if f"`{key}`" not in guide and f"[{key}]" not in guide} == set()


def test_cards_come_from_the_copy_in_a_wheel_else_from_the_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "facegap"
    monkeypatch.setattr(cards, "__file__", str(package / "inputs" / "cards" / "read.py"))
    with pytest.raises(CardError, match=r"no model cards: .*install facegap again"):
        cards_folder()
    (tmp_path / "models").mkdir()
    assert cards_folder() == tmp_path / "models"
    (package / "_models").mkdir(parents=True)
    assert cards_folder() == package / "_models"


def test_a_name_means_the_project_card_and_no_file() -> None:
    card, weights = resolve_card("yunet", "detect")
    assert (card.name, weights) == ("yunet", None)


def test_a_wrong_task_says_which_flag_to_use() -> None:
    with pytest.raises(CardError, match="task is detect, not embed; give it as --detect yunet"):
        resolve_card("yunet", "embed")


def test_an_unknown_name_suggests_close_ones_of_the_same_task() -> None:
    with pytest.raises(CardError, match="did you mean mobileface_v2 or mobileface_v3"):
        resolve_card("mobileface_v22", "embed")
    with pytest.raises(CardError, match="cards that detect: retinaface_mnet025"):
        resolve_card("zzzzzz", "detect")


def test_a_path_to_a_card_brings_the_weights_that_lie_beside_it(tmp_path: Path) -> None:
    path = write_card(tmp_path)
    assert resolve_card(str(path), "embed") == (read_card(path), None)
    (tmp_path / "toy.onnx").write_bytes(b"weights")
    assert resolve_card(str(path), "embed")[1] == tmp_path / "toy.onnx"


def test_a_path_to_weights_finds_the_card_of_the_same_stem(tmp_path: Path) -> None:
    weights = tmp_path / "toy.onnx"
    weights.write_bytes(b"weights")
    write_card(tmp_path, sha256=hashlib.sha256(b"weights").hexdigest())
    assert resolve_card(str(weights), "embed")[1] == weights


def test_a_card_of_the_same_stem_with_another_hash_is_an_error(tmp_path: Path) -> None:
    weights = tmp_path / "toy.onnx"
    weights.write_bytes(b"weights")
    path = write_card(tmp_path)
    with pytest.raises(CardError) as caught:
        resolve_card(str(weights), "embed")
    assert str(caught.value).startswith(f"{path}: key sha256: {SHA} is not that of {weights}")


def test_a_path_to_weights_finds_any_card_of_their_hash_among_other_toml_files(tmp_path: Path) -> None:
    weights = tmp_path / "renamed.onnx"
    weights.write_bytes(b"weights")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "broken.toml").write_text("= 3")
    write_card(tmp_path, sha256=hashlib.sha256(b"weights").hexdigest())
    assert resolve_card(str(weights), "embed")[0].name == "toy"
    write_card(tmp_path, "twin", hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(CardError, match="one card per model"):
        resolve_card(str(weights), "embed")


def test_weights_without_any_card_say_what_to_write(tmp_path: Path) -> None:
    weights = tmp_path / "mine.onnx"
    weights.write_bytes(b"weights")
    with pytest.raises(
        CardError, match=r"no card describes this file \(sha256 .*write one with facegap card new .*mine\.onnx"
    ):
        resolve_card(str(weights), "embed")
    with pytest.raises(CardError, match="no such file"):
        resolve_card(str(tmp_path / "none.onnx"), "embed")


@pytest.mark.real
def test_each_real_file_is_the_one_of_its_card_with_the_graph_that_it_names(test_data: Path) -> None:
    files = sorted((test_data / "models").glob("*.onnx"))
    card_of = {card.sha256: card for card in load_cards().values()}
    assert len(files) == 9
    for path in files:
        card = card_of[hash_file(path)]
        assert card.verified
        assert card.size_bytes == path.stat().st_size
        check_graph(card, onnx.load(path).graph)


def check_graph(card: ModelCard, graph: onnx.GraphProto) -> None:
    """Assert that input and outputs have the names, shapes and types in the card."""
    stored = {tensor.name for tensor in graph.initializer}
    (entry,) = (item for item in graph.input if item.name not in stored)
    assert card.input is not None
    width, height = card.input.size
    channels = 1 if card.input.colour == "GREY" else 3
    shape = [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim][1:]
    inner = [0, 0] if card.input.dynamic else [height, width]  # a named, free dimension reads as 0
    assert entry.name == card.input.name != THE_ONLY_ONE
    assert shape == ([channels, *inner] if card.input.layout == "NCHW" else [*inner, channels])
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    outputs = {item.name: [d.dim_value for d in item.type.tensor_type.shape.dim] for item in graph.output}
    if card.outputs.gender is not None:
        kind = card.outputs.gender.kind
        assert outputs[card.outputs.gender.output][-1] == (1 if kind == "probability_of" else 2)
    if card.outputs.age is not None:
        assert outputs[card.outputs.age.output][-1] == 1
    if card.outputs.embedding is not None:
        assert outputs[card.outputs.embedding.output][-1] in (0, card.outputs.embedding.dimension)
    if card.detector is not None and card.detector.decoder == "yunet":
        heads = {f"{head}_{stride}" for head in ("cls", "obj", "bbox", "kps") for stride in card.detector.strides}
        assert set(outputs) == heads
