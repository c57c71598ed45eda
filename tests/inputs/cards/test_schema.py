"""The tables of a card for detectors, classifiers and black-box services, and what they reject."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import CardError
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import ModelCard

SHA = "ab" * 32
ONNX = f"""
name = "toy"
task = "TASK"
backend = "onnx"
file = "toy.onnx"
obtain = "made by the tests"
sha256 = "{SHA}"
licence = "MIT"
commercial_use = true
verified = false
citation = "made here"
known_limits = []
[training_data]
description = "none"
status = "public"
[input]
name = "data"
layout = "NHWC"
colour = "BGR"
size = [96, 96]
mean = [0, 0, 0]
scale = [1, 1, 1]
dtype = "float32"
"""
CLASSIFIER = ONNX.replace("TASK", "classify") + "[crop]\nmargin = 0.1\ninterpolation = 'bilinear'\n"
DETECTOR = ONNX.replace("TASK", "detect")
SERVICE = """
name = "toy"
task = "classify"
backend = "http"
licence = "groupings of the vendor"
commercial_use = "unknown"
verified = false
citation = "the vendor"
known_limits = []
[training_data]
description = "not stated"
status = "proprietary"
[request]
url = "https://api.example.org/v1/faces"
key_env = "VENDOR_KEY"
[answer]
gender = "faces.0.gender.value"
classes = { Man = "male", Woman = "female" }
"""


def parse(tmp_path: Path, text: str) -> ModelCard:
    """The card in a text, with the name toy."""
    path = tmp_path / "toy.toml"
    path.write_text(text, encoding="utf-8")
    return read_card(path)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("output = 'g'\nkind = 'softmax'\nclasses = ['male']", "key outputs.gender.classes"),
        ("output = 'g'\nkind = 'softmax'\nclasses = ['male', 'male']", "classes lists a class twice"),
        ("output = 'g'\nkind = 'probability_of'\nclasses = ['a', 'b', 'c']", "needs two classes, not 3"),
        ("output = 'g'\nkind = 'probability_of'\nclasses = ['a', 'b']\ncolumns = [0, 1]", "needs 1 different columns"),
        ("output = 'g'\nkind = 'logits'\nclasses = ['a', 'b']\ncolumns = [0, 0]", "needs 2 different columns"),
        ("output = 'g'\nkind = 'logit'\nclasses = ['a', 'b', 'c']", "kind logit needs two classes"),
        ("output = 'g'\nkind = 'index'\nclasses = ['a', 'b']\ncolumns = [0, 1]", "needs 1 different columns"),
        ("output = 'g'\nkind = 'percent'\nclasses = ['a', 'b']\ncolumns = [0, 1, 2]", "needs 1 or 2 different columns"),
        ("output = 'g'\nkind = 'percents'\nclasses = ['a', 'b']", "key outputs.gender.kind"),
        ("output = 'g'\nkind = 'logits'\nclasses = ['a', 'b']\ncolumns = [0, -1]", "key outputs.gender.columns.1"),
    ],
)
def test_a_label_output_must_say_which_column_is_which_class(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(tmp_path, CLASSIFIER + "[outputs.gender]\n" + table)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("kind = 'years'\nbins = ['0-2', '3-9']", "bins belongs to kind = 'bins'"),
        ("kind = 'bins'", "needs a list 'bins' of at least two"),
        ("kind = 'bins'\nbins = ['0-2', '3-9']\nscale = 2.0", "no 'scale'"),
        ("kind = 'bins'\nbins = ['0-2', 'old']", "'old' is not like '20-29', '70+' or '7'"),
        ("kind = 'bins'\nbins = ['0-2', '3+']\ncolumns = [3]", "needs 2 different columns"),
        ("kind = 'years'\ncolumns = [1, 2]", "needs 1 different columns"),
        ("kind = 'years'\nscale = 0", "key outputs.age.scale"),
        ("kind = 'bins'\nbins = ['0-2', '3-9']\noffset = 1", "no 'scale' or 'offset'"),
        ("kind = 'bins'\nbins = ['9-3', '10+']", "'9-3' is not like '20-29'"),
        ("kind = 'expectation'\nbins = ['0-2', '3+']\nscale = 2", "or no 'bins'"),
        ("kind = 'expectation'\ncolumns = [3]", "needs two or more different columns"),
        ("kind = 'years'\nvalues = 'logits'", "values belongs to kind = 'expectation'"),
    ],
)
def test_an_age_output_is_years_or_bins_never_half_of_each(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(tmp_path, CLASSIFIER + "[outputs.age]\noutput = 'a'\n" + table)
    assert words in str(caught.value)


def test_a_classifier_needs_gender_or_age(tmp_path: Path) -> None:
    with pytest.raises(
        CardError, match=r"\[outputs.gender\] or \[outputs.age\] or another \[outputs.NAME\] is missing"
    ):
        parse(tmp_path, CLASSIFIER)
    card = parse(tmp_path, CLASSIFIER + "[outputs.age]\noutput = 'a'\nkind = 'bins'\nbins = ['0-2', '3+']")
    assert card.outputs.age is not None
    assert card.outputs.age.bins == ("0-2", "3+")


def test_a_threshold_belongs_to_embedders_only(tmp_path: Path) -> None:
    years = "[outputs.age]\noutput = 'a'\nkind = 'years'"
    with pytest.raises(CardError, match="published_threshold belongs to task = 'embed', 'verify' or 'search'"):
        parse(tmp_path, CLASSIFIER.replace("verified", "published_threshold = 0.4\nverified") + years)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("decoder = 'yunet'\nresize = 'letterbox'\npoints = true", "strides are missing"),
        ("decoder = 'ultraface'\nresize = 'stretch'\npoints = true", "ultraface gives boxes only"),
        ("decoder = 'yunet'\nresize = 'letterbox'\npoints = true\nstrides = [64]", "is not a multiple"),
        ("decoder = 'retina'\nresize = 'letterbox'\npoints = true", "key detector.decoder"),
    ],
)
def test_a_detector_must_have_what_its_decoder_needs(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(tmp_path, DETECTOR + "[detector]\nscore_threshold = 0.5\nnms_iou = 0.3\n" + table)
    assert words in str(caught.value)


def test_a_letterbox_may_have_an_enlargement_limit_and_a_stretch_may_not(tmp_path: Path) -> None:
    limited = DETECTOR.replace('dtype = "float32"', 'dtype = "float32"\nenlargement_limit = 1.5')
    table = "[detector]\nscore_threshold = 0.5\nnms_iou = 0.3\ndecoder = 'ultraface'\npoints = false\nresize = "
    card = parse(tmp_path, limited + table + "'letterbox'")
    assert card.input is not None
    assert card.input.enlargement_limit == 1.5
    with pytest.raises(CardError, match="for detectors with resize = 'letterbox'"):
        parse(tmp_path, limited + table + "'stretch'")


def test_a_closed_service_needs_no_file_and_no_hash(tmp_path: Path) -> None:
    card = parse(tmp_path, SERVICE)
    assert card.request is not None
    assert card.answer is not None
    assert (card.sha256, card.request.method, card.answer.classes["Man"]) == (None, "POST", "male")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("https://api", "http://api", "key request.url: not an https address"),
        ("VENDOR_KEY", "sk-live-1234", "key request.key_env: must be the name of an environment variable"),
        ("faces.0.gender.value", "$..gender", "key answer.gender"),
        ("[answer]", "[answer]\nthreshold = 1", "key answer.threshold: unknown"),
        ('backend = "http"', f'backend = "http"\nsha256 = "{SHA}"', "'sha256' does not belong to a card with backend"),
        ('"classify"', '"detect"', "task = 'detect' needs backend = 'onnx'"),
        ("[answer]", "[outputs.age]\noutput = 'a'\nkind = 'years'\n[answer]", "[outputs] belongs to backend = 'onnx'"),
    ],
)
def test_a_wrong_service_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(tmp_path, SERVICE.replace(old, new))
    assert words in str(caught.value)
    assert "sk-live" not in str(caught.value)


def test_a_service_on_this_machine_may_use_plain_http(tmp_path: Path) -> None:
    card = parse(tmp_path, SERVICE.replace("https://api.example.org", "http://127.0.0.1:8000"))
    assert card.request is not None


def test_a_grey_model_may_write_one_number(tmp_path: Path) -> None:
    grey = CLASSIFIER.replace('"BGR"', '"GREY"').replace("mean = [0, 0, 0]", "mean = 127.5")
    card = parse(tmp_path, grey.replace("scale = [1, 1, 1]", "scale = 1") + "[outputs.age]\noutput='a'\nkind='years'")
    assert card.input is not None
    assert (card.input.mean, card.input.scale) == ((127.5,), (1.0,))


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("", "[alignment] or [crop] is missing; it is needed by task = 'quality'"),
        (
            "[crop]\nmargin = 0.1\ninterpolation = 'bilinear'\n[alignment]\ninterpolation = 'bilinear'\n"
            "template = [[1, 1], [2, 1], [1, 2], [1, 3], [2, 3]]\n",
            "task = 'quality' takes one of them, not both",
        ),
        ("[crop]\nmargin = 0.1\ninterpolation = 'bilinear'\n", "[outputs.quality] is missing"),
    ],
)
def test_a_quality_model_has_one_kind_of_crop_and_one_output(tmp_path: Path, tables: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(tmp_path, ONNX.replace("TASK", "quality") + tables)
    assert words in str(caught.value)


def test_a_service_gives_no_quality(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="task = 'quality' needs backend = 'onnx'"):
        parse(tmp_path, SERVICE.replace('task = "classify"', 'task = "quality"'))
