"""Tables that real auditors wrote: slips of spelling and convention, each with what is right (README.txt beside it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import facegap as fg
from facegap.errors import TableError

pytestmark = pytest.mark.real


@pytest.fixture
def folder(test_data: Path) -> Any:
    return lambda name: test_data / "cases" / name


def test_labels_in_another_language_stop_the_audit_with_the_words_seen_and_translated_run(folder: Any) -> None:
    case = folder("labels_german")
    with pytest.raises(
        TableError, match=r"no label is one of the predicted classes \(female, male\); there are .*weiblich.*--map"
    ):
        fg.audit_predictions(case / "pred.csv", case / "L_german.csv")
    words = {"map": ["gender:weiblich=female,gender:männlich=male,gender:maennlich=male"]}
    run = fg.audit_predictions(case / "pred.csv", case / "L_german.csv", by="gender", groups=words)
    assert run.rates.query("metric == 'error_rate_answered' and gender == 'any'")["trials"].iloc[0] > 0


def test_words_for_nothing_are_no_group(folder: Any) -> None:
    case = folder("labels_none")
    run = fg.audit_predictions(case / "pred.csv", case / "L_none.csv")
    groups = {*run.gaps["group_a"], *run.gaps["group_b"]}
    assert not any(word.lower() in group.lower() for group in groups for word in ("none", "null", "n/a"))
    assert any("read as missing" in warning for warning in run.record.warnings)


@pytest.mark.parametrize(("name", "file"), [("labels_tonecase", "L_tonecase.csv"), ("labels_zwsp", "L_zwsp.csv")])
def test_spellings_of_one_label_are_told_or_mended(folder: Any, name: str, file: str) -> None:
    case = folder(name)
    run = fg.audit_predictions(case / "pred.csv", case / file)
    said = [text for text in run.record.warnings if "differ only in spelling" in text or "invisible characters" in text]
    assert said
    merged = fg.audit_predictions(case / "pred.csv", case / file, groups={"merge_spellings": True})
    for table in (merged.gaps,):
        labels = {*table["group_a"], *table["group_b"]}
        assert len({label.casefold() for label in labels}) == len(labels)


def test_sex_serves_as_gender_where_there_is_no_gender(folder: Any) -> None:
    case = folder("labels_sex_column")
    run = fg.audit_predictions(case / "pred.csv", case / "L_sex.csv")
    assert run.rates.query("metric == 'error_rate_answered' and gender == 'any'")["trials"].iloc[0] > 300
    assert any("column sex is used as gender" in warning for warning in run.record.warnings)


@pytest.mark.parametrize(("name", "file"), [("pred_None", "predNone.csv"), ("pred_Typo", "predTypo.csv")])
def test_foreign_predictions_are_no_answer_and_never_a_wrong_one(folder: Any, name: str, file: str) -> None:
    case = folder(name)
    try:
        run = fg.audit_predictions(case / file, case / "L_ref.csv", by="gender")
    except TableError as error:  # where no prediction is a class
        assert "no prediction is one of the classes (female, male)" in str(error)
        return
    assert run.record.classes == ("female", "male")
    assert set(run.predictions["prediction"]) <= {"female", "male", ""}
    assert (run.predictions["outcome"] == "no_answer").any()


def test_float_ids_are_the_people_that_integer_ids_are(folder: Any) -> None:
    case = folder("subjects_float_ids")
    rates = []
    for file in ("p_int.parquet", "p_float.parquet"):
        run = fg.audit_embeddings(case / "ref.npy", case / file, by="gender", verify={"fmr": [0.01]})
        rates.append(run.rates[["metric", "gender", "errors", "trials"]].to_numpy().tolist())
    assert rates[0] == rates[1]


@pytest.mark.parametrize("name", ["subjects_p_case", "subjects_p_mixnum"])
def test_people_in_two_spellings_are_refused(folder: Any, name: str) -> None:
    case = folder(name)
    table = case / f"{name.removeprefix('subjects_')}.csv"
    with pytest.raises(TableError, match=r"--subjects-as-written"):
        fg.audit_embeddings(case / "ref.npy", table, by="gender", verify={"fmr": [0.01]})


def test_distances_are_refused_and_read_with_their_option(folder: Any) -> None:
    case = folder("scores_distance")
    people = case / "people.csv"
    with pytest.raises(TableError, match="these look like distances: pass --distance"):
        fg.audit_scores(case / "dist.csv", people, by="gender", verify={"fmr": [0.01]})
    run = fg.audit_scores(
        case / "dist.csv", people, by="gender", verify={"fmr": [0.01], "threshold_by": "split", "distance": True}
    )
    fnmr = run.rates.query("metric == 'fnmr' and gender == 'any'").iloc[0]
    assert (fnmr["errors"], fnmr["trials"]) == (0, 30)


def test_pairs_in_both_orders_count_once(folder: Any) -> None:
    case = folder("scores_symmetric")
    for by, fmr, fnmr in (("split", [18, 1740], [0, 30]), ("folds", [71, 7080], [0, 60])):
        verify = {"fmr": [0.01], "threshold_by": by}
        run = fg.audit_scores(case / "sym.csv", case / "people.csv", by="gender", verify=verify)
        counts = run.rates[run.rates["gender"] == "any"].set_index("metric")[["errors", "trials"]]
        assert (counts.loc["fmr"].tolist(), counts.loc["fnmr"].tolist()) == (fmr, fnmr)


def test_a_list_of_pairs_of_lfw_is_named_and_held_to_its_first_line(folder: Any, test_data: Path) -> None:
    case = folder("lfw_pairs_txt")
    with pytest.raises(TableError, match=r"LFW's list of pairs with 2 pairs, but line 1 says 10 x 2 x 300 = 6,000"):
        fg.audit(
            case / "few.csv",
            embed="face_reid_0095",
            models={"models_dir": test_data / "models"},
            verify={"pairs": case / "lfwpairs.txt", "threshold": 0.4},
        )
    with pytest.raises(TableError, match="a list of pairs as LFW publishes it; it has no scores"):
        fg.audit_scores(case / "lfwpairs.txt")


def test_a_subject_column_under_another_name_is_proposed_where_it_is_needed(folder: Any, test_data: Path) -> None:
    case = folder("Subject_capital")
    with pytest.raises(TableError, match=r"no column subject.*rename Subject to subject"):
        fg.audit(
            case / "caps2.csv",
            embed="face_reid_0095",
            models={"models_dir": test_data / "models"},
            faces={"images_dir": folder("c_argmax")},
        )


def test_files_whose_suffix_differs_by_case_stop_the_audit(folder: Any, test_data: Path) -> None:
    case = folder("missing_files_make_a_gap")
    with pytest.raises(TableError, match=r"files are missing.*female.*similar name on the disk.*upper and lower case"):
        fg.audit(
            case / "halfcase_few.csv",
            classify="faceapi_age_gender",
            by="gender",
            models={"models_dir": test_data / "models"},
            groups={"min_subjects": 2},
        )


def test_paths_and_tables_in_memory_are_taken(folder: Any, test_data: Path) -> None:
    import pandas as pd

    run = fg.audit(
        pd.read_csv(folder("api_types") / "few.csv"),
        classify=test_data / "models" / "faceapi_age_gender.onnx",
        models={"models_dir": test_data / "models"},
        faces={"images_dir": folder("c_argmax")},
    )
    assert (run.faces["outcome"] == "ok").all()
