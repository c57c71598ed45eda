"""Classifiers: every kind of output, computed by hand for a graph that averages channels."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.read import read_card
from facegap.runtime import open_session
from facegap.vision.classify import Classifier, classifier, classify, face_crop, too_small_for

CROP = '[crop]\nmargin = {margin}\ninterpolation = "bilinear"\n'
GENDER = '[outputs.gender]\noutput = "{output}"\nkind = "{kind}"\nclasses = {classes}\n{columns}\n'
TWO, THREE = '["male", "female"]', '["a", "b", "c"]'
SHARES = {"scale": "[0.01, 0.01, 0.01]"}  # a channel of 100 is 1


@pytest.fixture
def model(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """A classifier with a graph that averages channels, blue first; its outputs are given in TOML."""

    def made(
        outputs: str, *, graph: bytes | None = None, rows: int = 8, margin: float = 0.0, **card: Any
    ) -> Classifier:
        data = graph or graphs.mean_of_channels()
        path = card_writer(
            tmp_path, "toy", "classify", data, CROP.format(margin=margin) + outputs, colour="BGR", **card
        )
        return classifier(read_card(path), open_session(data, name="toy"), rows)

    return made


def gender(kind: str = "softmax", classes: str = THREE, columns: str = "", output: str = "means") -> str:
    return GENDER.format(kind=kind, classes=classes, columns=columns, output=output)


def age(lines: str) -> str:
    return f'[outputs.age]\noutput = "means"\n{lines}\n'


def plain(*colours: tuple[int, int, int]) -> list[Any]:
    return [np.full((16, 16, 3), colour, np.uint8) for colour in colours]


def test_a_softmax_is_taken_as_it_is(model: Any) -> None:
    answers = classify(model(gender(), **SHARES), plain((20, 70, 10), (60, 10, 30)))
    assert answers.prediction == ["b", "a"]
    assert answers.probability == pytest.approx([0.7, 0.6])
    assert np.isnan(answers.age).all()


def test_of_logits_the_softmax_is_taken(model: Any) -> None:
    answers = classify(model(gender("logits"), **SHARES), plain((0, 0, 100)))
    assert answers.prediction == ["c"]
    assert answers.probability == pytest.approx([math.e / (math.e + 2)])


def test_one_value_is_the_probability_of_the_first_class(model: Any) -> None:
    answers = classify(model(gender("probability_of", TWO, "columns = [1]"), **SHARES), plain((0, 75, 0), (0, 10, 0)))
    assert answers.prediction == ["male", "female"]
    assert answers.probability == pytest.approx([0.75, 0.9])


def test_of_one_logit_the_logistic_function_is_the_probability_of_the_first_class(model: Any) -> None:
    answers = classify(model(gender("logit", TWO, "columns = [1]"), mean="[0, 10, 0]"), plain((0, 11, 0), (0, 9, 0)))
    assert answers.prediction == ["male", "female"]
    assert answers.probability == pytest.approx([1 / (1 + math.exp(-1))] * 2)


def test_per_cent_are_hundredths_of_one_value_or_of_all(model: Any) -> None:
    answers = classify(model(gender("percent")), plain((20, 70, 10)))
    assert (answers.prediction, answers.probability) == (["b"], pytest.approx([0.7]))
    answers = classify(model(gender("percent", TWO, "columns = [1]")), plain((0, 30, 0)))
    assert (answers.prediction, answers.probability) == (["female"], pytest.approx([0.7]))


def test_an_index_names_its_class_and_has_no_probability(model: Any, graphs: Any) -> None:
    answers = classify(model(gender("index", THREE, "columns = [1]")), plain((9, 2, 9), (9, 0, 9)))
    assert answers.prediction == ["c", "a"]
    assert np.isnan(answers.probability).all()


def test_a_batch_whose_values_are_no_probabilities_is_refused(model: Any) -> None:
    fine, wrong = (20, 70, 10), (20, 70, 90)
    with pytest.raises(ModelError, match=r"outputs\.gender\.kind: softmax needs values from 0 to 1 that add up to 1"):
        classify(model(gender(), **SHARES, rows=1), plain(fine, fine, wrong))


def test_columns_are_read_in_the_order_of_the_classes(model: Any) -> None:
    answers = classify(model(gender("softmax", TWO, "columns = [2, 0]"), **SHARES), plain((20, 99, 80)))
    assert answers.prediction == ["male"]
    assert answers.probability == pytest.approx([0.8])


def test_a_tie_goes_to_the_first_class(model: Any) -> None:
    assert classify(model(gender(), **SHARES), plain((40, 40, 20))).prediction == ["a"]


def test_years_are_scaled(model: Any) -> None:
    answers = classify(model(age('kind = "years"\nscale = 100\ncolumns = [2]'), **SHARES), plain((0, 0, 34)))
    assert answers.age == pytest.approx([34])
    assert answers.prediction == [""]
    assert np.isnan(answers.probability).all()


def test_years_may_have_an_offset(model: Any) -> None:
    answers = classify(
        model(age('kind = "years"\nscale = 100\noffset = -4.5\ncolumns = [2]'), **SHARES), plain((0, 0, 34))
    )
    assert answers.age == pytest.approx([29.5])


def test_an_expectation_is_the_mean_of_the_bins_weighted_by_probability(model: Any) -> None:
    bins = 'kind = "expectation"\nbins = ["0-2", "20-29", "70+"]'
    assert classify(model(age(bins), **SHARES), plain((50, 20, 30))).age == pytest.approx([0.5 + 4.9 + 21])
    percent = classify(model(age(bins + '\nvalues = "percent"')), plain((50, 20, 30)))
    assert percent.age == pytest.approx([26.4])
    equal = classify(model(age(bins + '\nvalues = "logits"')), plain((7, 7, 7)))
    assert equal.age == pytest.approx([(1 + 24.5 + 70) / 3])


def test_an_expectation_without_bins_counts_from_zero(model: Any) -> None:
    table = age('kind = "expectation"\nscale = 10\noffset = 5')
    assert classify(model(table, **SHARES), plain((50, 20, 30))).age == pytest.approx([0.8 * 10 + 5])


def test_an_expectation_of_logits_under_softmax_names_the_key_values(model: Any) -> None:
    with pytest.raises(ModelError, match=r'outputs\.age\.values: softmax needs .*; write values = "logits"'):
        classify(model(age('kind = "expectation"')), plain((50, 2, 7)))


def test_of_bins_the_middle_of_the_most_probable_one_is_the_age(model: Any) -> None:
    answers = classify(
        model(age('kind = "bins"\nbins = ["0-2", "20-29", "70+"]')), plain((9, 1, 1), (1, 9, 1), (1, 1, 9))
    )
    assert answers.age.tolist() == [1, 24.5, 70]


def test_gender_and_age_may_be_columns_of_one_output(model: Any) -> None:
    outputs = gender("softmax", TWO, "columns = [0, 1]") + age('kind = "years"\ncolumns = [2]\nscale = 100')
    answers = classify(model(outputs, **SHARES), plain((10, 90, 50)))
    assert (answers.prediction, answers.age.tolist()) == (["female"], pytest.approx([50]))


def test_a_number_that_is_none_is_no_answer_and_no_class(model: Any, graphs: Any) -> None:
    outputs = gender("logits", THREE, output="root") + age('kind = "years"\ncolumns = [0]').replace("means", "root")
    graph = graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["means"], {"axis": 1}),
            ("Sqrt", ["means"], ["root"], {}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"root": ("N", 3)},
    )
    answers = classify(model(outputs, graph=graph, mean="[50, 0, 0]"), plain((49, 4, 4), (66, 1, 1)))
    assert answers.prediction == ["", "a"]
    assert np.isnan([answers.probability[0], answers.age[0]]).all()
    assert answers.age[1] == pytest.approx(4)


def test_bins_without_a_number_have_no_age(model: Any, graphs: Any) -> None:
    graph = graphs.build(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
            ("Log", ["flat"], ["logs"], {}),
            ("Sqrt", ["logs"], ["means"], {}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"means": ("N", 3)},
    )
    answers = classify(
        model(age('kind = "bins"\nbins = ["0-2", "20-29", "70+"]'), graph=graph), plain((0, 9, 9), (9, 99, 9))
    )
    assert np.isnan(answers.age[0])
    assert answers.age[1] == 24.5


@pytest.mark.parametrize(
    "outputs",
    [
        gender("softmax", TWO),
        gender("probability_of", TWO),
        gender("softmax", TWO, "columns = [0, 3]"),
        age('kind = "years"'),
    ],
)
def test_an_output_of_another_width_is_a_model_error(model: Any, outputs: str) -> None:
    with pytest.raises(
        ModelError,
        match=r"toy: outputs.(gender|age): .* shape \(1, 3\) for 1 faces, 3 values each; the card reads (1|2|columns)",
    ):
        classify(model(outputs), plain((1, 2, 3)))


def test_a_card_that_names_no_output_of_the_graph_is_refused_at_once(model: Any) -> None:
    with pytest.raises(ModelError, match="no output 'sex'; its outputs are 'means'"):
        model(gender(output="sex"))


def test_no_faces_give_no_answers(model: Any) -> None:
    answers = classify(model(gender()), [])
    assert (answers.prediction, len(answers.probability), len(answers.age)) == ([], 0, 0)


def test_answers_are_the_same_whatever_the_batch(model: Any) -> None:
    crops = list(np.random.default_rng(6).integers(0, 255, (45, 16, 16, 3), np.uint8))
    outputs = gender("logits") + age('kind = "years"\ncolumns = [1]')
    one, eight, thirty_two = (classify(model(outputs, rows=rows), crops) for rows in (1, 8, 32))
    assert one.prediction == eight.prediction == thirty_two.prediction
    assert np.allclose(one.probability, thirty_two.probability, atol=1e-6)
    assert np.allclose(one.age, eight.age, atol=1e-4)


def test_the_crop_has_the_margin_of_the_card(model: Any) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:48, 16:48] = 255  # the box of 16 pixels and a margin of half of them on each side
    assert face_crop(model(gender(), margin=0.5), picture, np.array([24.0, 24.0, 40.0, 40.0])).all()
    assert not face_crop(model(gender(), margin=0.6), picture, np.array([24.0, 24.0, 40.0, 40.0])).all()


# ---- outputs other than gender and age, and shifted crops ----


MOOD = '[outputs.mood]\noutput = "means"\nkind = "softmax"\nclasses = ["happy", "sad", "calm"]\n'


def test_a_category_is_answered_beside_gender(model: Any) -> None:
    answers = classify(model(gender() + MOOD, **SHARES), plain((20, 70, 10), (60, 10, 30)))
    assert answers.prediction == ["b", "a"]
    words, sure = answers.categories["mood"]
    assert (words, list(sure)) == (["sad", "happy"], pytest.approx([0.7, 0.6]))
    assert classify(model(MOOD, **SHARES), []).categories["mood"][0] == []


def test_a_picture_that_cannot_give_nine_tenths_of_the_factor_has_no_crop(model: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        sys.modules[__name__], "CROP", '[crop]\nrule = "shifted"\nfactor = 2.0\ninterpolation = "bilinear"\n'
    )
    made, picture = model(MOOD, **SHARES), np.full((101, 101, 3), 9, np.uint8)
    assert face_crop(made, picture, np.array([0.0, 0.0, 55.0, 55.0])).shape == (16, 16, 3)  # 100 / 55 = 1.82
    assert face_crop(made, picture, np.array([0.0, 0.0, 56.0, 56.0])) is None  # 1.79
    assert (
        too_small_for(made, np.array([0.0, 0.0, 56.0, 56.0]), 101, 101)
        == "the image allows 1.79 of the crop's factor 2"
    )
    assert face_crop(replace(made, reduced_crop=True), picture, np.array([0.0, 0.0, 56.0, 56.0])).shape == (16, 16, 3)
