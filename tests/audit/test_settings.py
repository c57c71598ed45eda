"""Settings: one place for each default; options and printed commands are derived from it."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from facegap.audit.settings import (
    SECTIONS,
    SETTING,
    AuditSettings,
    CallableModel,
    Faces,
    Groups,
    Identify,
    Models,
    Output,
    Service,
    Verify,
    changed,
    differing,
    leaves,
    option_name,
    recorded,
    section_of,
    settings_from,
)
from facegap.errors import SettingError
from facegap.report.reproduce import command_of
from facegap.store.record import MOST_DRAWS, MOST_RANKS, RequestRecord
from fixtures.records import made_record


def test_every_setting_has_a_default_and_an_option_of_its_own() -> None:
    options = [option_name(one) for _, one in leaves()]
    assert len(set(options)) == len(options)
    for _, one in leaves():
        assert one.metadata[SETTING].help or not one.metadata[SETTING].option, one.name
    assert AuditSettings() == AuditSettings(**{name: kind() for name, kind in SECTIONS.items() if name != "identify"})


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        (Verify, {"split": 2.0}, "--split 2: must be from 0.05 to 0.95"),
        (Verify, {"split": math.nan}, "--split nan: must be from 0.05 to 0.95"),
        (Verify, {"fmr": (0.1, -1)}, "--fmr -1: must be from 0 to 1"),
        (Verify, {"in_sample": True, "threshold_on": "a.csv"}, "contradict"),
        (Verify, {"fmr": 0.1, "threshold": 0.5}, "; give only one"),
        (Verify, {"threshold": "high"}, "'high' is neither a number nor 'published'"),
        (Identify, {"rank": (0, 1)}, "--rank 0: must be from 1 to 10000"),
        (Identify, {"rank": ()}, "give at least one rank"),
        (Identify, {"non_mates": 1.0}, "--non-mates 1: must be from 0 to 0.95"),
        (Models, {"batch": 0}, "--batch 0: must be from 1 to 1024"),
        (Groups, {"label_draws": 1}, "--label-draws 1: must be from 2 to 10000"),
        (Service, {"calls_per_second": 0.0}, "--calls-per-second 0"),
        (Faces, {"min_face": "small"}, None),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_bounds(
    kind: type[Any], words: dict[str, Any], message: str | None
) -> None:
    if message is None:
        message, words = "min_face", {"min_fase": 3}
    with pytest.raises(SettingError, match=message):
        section_of(kind, words)


def test_values_are_taken_as_people_write_them() -> None:
    assert Models(models_dir="weights").models_dir == (Path("weights"),)
    assert Models(models_dir=["a", Path("b")]).models_dir == (Path("a"), Path("b"))
    assert Verify(fmr=0.1).fmr == (0.1,)
    assert Verify(fmr=[0.1, 0.01, 0.1]).fmr == (0.1, 0.01)
    assert Identify(rank=[10, 1, 10]).rank == (1, 10)
    assert AuditSettings(by=["gender", "gender*race"]).by == "gender,gender*race"
    assert section_of(Verify, {"pairs": "p.csv"}).pairs == Path("p.csv")


def test_a_threshold_replaces_the_targets() -> None:
    chosen = Verify(threshold=["0.5", "published"])
    assert (chosen.fmr, chosen.scores, chosen.published) == ((), (0.5,), True)
    assert Verify().fmr == (0.001,)


def test_single_words_find_their_section() -> None:
    chosen = settings_from({"min_subjects": 3, "fmr": [0.01], "detect": "own", "folder": "run", "rank": [2]})
    assert chosen.groups == Groups(min_subjects=3)
    assert chosen.verify == Verify(fmr=0.01)
    assert (chosen.detect, chosen.output.folder, chosen.identify) == ("own", Path("run"), None)
    assert settings_from({"rank": [2]}, identify=True).identify == Identify(rank=2)
    assert changed(chosen, fmr_on="female", detect="other").verify == Verify(fmr=0.01, fmr_on="female")
    with pytest.raises(SettingError, match="no setting 'min_subject'; did you mean 'min_subjects'"):
        settings_from({"min_subject": 3})


def test_what_is_recorded_are_plain_values_without_folders_and_without_what_decides_nothing() -> None:
    chosen = AuditSettings(
        detect="/home/ada/own.toml",
        output=Output("/home/ada/run", keep_embeddings=False),
        models=Models("/home/ada/models", workers=3),
        verify=Verify(threshold=0.5, pairs="/home/ada/pairs.csv"),
        service=Service(max_calls=4),
    )
    kept = recorded(chosen)
    assert "ada" not in repr(kept)
    assert kept["detect"] == "own.toml"
    assert kept["models"] == {
        "device": "cpu",
        "batch": 8,
        "model_timeout": 120.0,
        "no_isolation": False,
        "detect_only": False,
        "flip": False,
    }
    assert kept["output"] == {"keep_embeddings": False, "keep_ids": True}
    assert kept["verify"]["threshold"] == [0.5]
    assert kept["service"] == {
        "send_images": False,
        "search_service": None,
        "stop_when_decided": False,
        "verify_service": None,
    }
    assert kept["identify"] is None


def test_only_what_differs_from_its_default_is_an_option_of_the_command() -> None:
    assert differing(recorded(AuditSettings())) == {}
    chosen = AuditSettings(
        embed="e",
        output=Output(keep_embeddings=False),
        identify=Identify(fpir=0.1),
        groups=Groups(tone="/a/tone.parquet", level=0.9),
    )
    assert differing(recorded(chosen)) == {
        "--identify": True,
        "--embed": "e",
        "--no-embeddings": True,
        "--tone": "tone.parquet",
        "--level": 0.9,
        "--fpir": [0.1],
    }


@pytest.mark.parametrize(
    ("section", "name", "default", "option"),
    [
        (Faces, "min_face", 40, "--min-face 12"),
        (Groups, "min_subjects", 5, "--min-subjects 20"),
        (Verify, "tail_limit", 7, "--tail-limit 2000000"),
        (Verify, "fmr", (0.5,), "--fmr 0.001"),
        (AuditSettings, "detect", "other", "--detect yunet"),
    ],
)
def test_the_printed_command_follows_a_changed_default(
    section: type[Any], name: str, default: Any, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RequestRecord("images", recorded(AuditSettings()), None)
    record = made_record(groupings=(("gender",),), request=request)
    before = command_of(record)
    assert before == "facegap audit MANIFEST.csv --by gender --out RUN"
    (field,) = (one for one in fields(section) if one.name == name)
    monkeypatch.setattr(field, "default", default)
    assert option in command_of(record)


def test_a_threshold_is_printed_with_all_its_digits() -> None:
    kept = recorded(AuditSettings(embed="e", verify=Verify(threshold=0.38812345678)))
    record = made_record(groupings=(("gender",),), request=RequestRecord("images", kept, None))
    assert "--threshold 0.38812345678" in command_of(record)


def test_what_no_command_can_name_stands_behind_it_as_a_comment() -> None:
    model = CallableModel(len, "embed", (8, 8), name="mine")
    request = RequestRecord("images", recorded(AuditSettings(embed=model)), None, in_memory=True)
    assert command_of(made_record(groupings=(("gender",),), request=request)) == (
        "facegap audit MANIFEST.csv --by gender --out RUN "
        "# the manifest was given in memory; save it as MANIFEST.csv; --embed was the Python function builtins.len"
    )


def test_the_record_takes_exactly_the_values_that_a_setting_can_have() -> None:
    bounds = {
        name: (known.minimum, known.maximum)
        for section in (Identify, Groups)
        for name, known in ((one.name, one.metadata["setting"]) for one in fields(section))
    }
    assert bounds["rank"] == (1, MOST_RANKS)
    assert bounds["label_draws"] == (2, MOST_DRAWS)
    assert bounds["level"] == (0.5, 0.9999)


# ---- functions as models ----


def test_a_function_is_recorded_by_its_name_and_its_crop() -> None:
    def mean_colour(faces: Any) -> Any:
        return faces.mean(axis=(1, 2))

    model = CallableModel(mean_colour, "embed", (112, 112))
    assert recorded(AuditSettings(embed=model))["embed"] == {
        "name": "mean_colour",
        "function": f"{__name__}.{mean_colour.__qualname__}",
        "task": "embed",
        "size": [112, 112],
        "template": "arcface",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"function": 3}, "is not callable"),
        ({"size": (0, 5)}, "size 0 x 5"),
        ({"task": "detect"}, "the task is embed or classify"),
        ({"task": "classify"}, "needs at least two different classes"),
        ({"task": "classify", "classes": ("male", "male")}, "needs at least two different classes"),
    ],
)
def test_a_function_without_a_usable_crop_or_classes_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        CallableModel(**{"function": len, "task": "embed", "size": (8, 8), **words})


def test_margins_are_kept_in_one_spelling_each_metric_once() -> None:
    assert Groups(margin="fnmr = x2.0").margin == ("fnmr=x2",)
    assert Groups(margin=("fnmr=0.020", "fmr=x1.5", "fnmr=0.02")).margin == ("fnmr=0.02", "fmr=x1.5")
    assert Groups(margin={"fnmr": "x2", "error_rate_all": 0.05}).margin == ("fnmr=x2", "error_rate_all=0.05")
    assert Groups().margin == ()


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        ("fnmr", "--margin 'fnmr' is not understood; give METRIC=VALUE, such as fnmr=x2"),
        ("=x2", "is not understood"),
        ("fnmr=two", "is not understood"),
        ("fnmr=xnan", "is not understood"),
        ("fnmr=x1", "--margin fnmr=x1: a ratio must be above 1"),
        ("fnmr=xinf", "a ratio must be above 1"),
        (
            "fnmr=2",
            "--margin fnmr=2: a difference must be between 0 and 1; 0.02 is 2 percentage points. A ratio is written "
            "with "
            "an x: fnmr=x2",
        ),
        ("fnmr=0", "a difference must be between 0 and 1"),
        (("fnmr=x2", "fnmr=0.02"), "--margin: fnmr is given twice, as fnmr=x2 and fnmr=0.02; give only one"),
    ],
)
def test_a_margin_that_is_off_its_scale_is_refused(margin: Any, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        Groups(margin=margin)
    assert said in str(refused.value)


@pytest.mark.parametrize("alpha", [0, 0.3, float("nan")])
def test_an_alpha_out_of_bounds_is_refused(alpha: float) -> None:
    with pytest.raises(SettingError, match=r"--alpha .*: must be from 0.0001 to 0.2"):
        Groups(alpha=alpha)


def test_margins_and_alpha_stand_in_the_command_that_makes_a_run_again() -> None:
    kept = recorded(AuditSettings(groups=Groups(margin=("fnmr=0.01", "fmr=x3"), alpha=0.01)))
    assert (kept["groups"]["margin"], kept["groups"]["alpha"]) == (["fnmr=0.01", "fmr=x3"], 0.01)
    assert differing(kept) == {"--margin": ["fnmr=0.01", "fmr=x3"], "--alpha": 0.01}
