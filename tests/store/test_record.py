"""run.json as a typed value is read back unchanged, and only what this version writes is accepted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import RunError
from facegap.store.record import (
    BegunRecord,
    ComparisonRecord,
    IdentificationRecord,
    ListedPairsRecord,
    ManifestRecord,
    Margin,
    Operating,
    RequestRecord,
    RunRecord,
    StageTime,
    TimingRecord,
    parse_record,
    record_from_json,
)
from facegap.store.run import read_any_record, read_record, write_record
from facegap.store.typed_json import MOST_LEVELS, Between, hints_of
from fixtures.records import made_record

FILE = "run/run.json"
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type used in the record, generated from its annotation."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return VALUES
    if is_dataclass(kind):
        return st.builds(kind, **{name: values_of(hint) for name, hint in hints_of(kind).items()})  # type: ignore[arg-type]
    if origin is Annotated:
        return numbers_of(inner[0], inner[1])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values_of(inner[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values_of(inner[0]), values_of(inner[1]), max_size=3)
    if origin is Union or type(kind).__name__ == "UnionType":
        return st.none() | values_of(inner[0])
    plain = {bool: st.booleans(), int: st.integers(0, 2**70), float: st.floats(allow_nan=False, allow_infinity=False)}
    return plain.get(kind, TEXT)


def numbers_of(kind: type, bounds: Between) -> st.SearchStrategy[Any]:
    """Numbers within bounds."""
    if kind is float:
        return st.floats(bounds.low, bounds.high)
    return st.integers(int(bounds.low), 2**70 if bounds.high == float("inf") else int(bounds.high))


@st.composite
def records(draw: Any) -> RunRecord:
    """Records of any consistent content."""
    record = draw(values_of(RunRecord))
    groupings = tuple(tuple(dict.fromkeys(grouping)) for grouping in record.groupings if grouping)
    labels = tuple(dict.fromkeys(name for grouping in groupings for name in grouping))
    searched = record.identification
    if searched is not None and not searched.ranks:
        searched = replace(searched, ranks=(1,))
    manifest = replace(record.manifest, labels=labels)
    return replace(
        record,
        request=with_margins_on_scale(record.request),
        groupings=groupings,
        manifest=manifest,
        identification=searched,
        cluster=labels[:1],
        outputs=tuple({output.name: output for output in record.outputs}.values()),
    )


def with_margins_on_scale(request: RequestRecord) -> RequestRecord:
    """The request without impossible margins."""
    return replace(request, margins={name: margin for name, margin in request.margins.items() if margin.is_on_scale})


def stated(**changes: Any) -> dict[str, Any]:
    """A record as JSON, with entries changed."""
    return {**made_record().to_json(), **changes}


def full() -> RunRecord:
    """A record with every kind of entry that the strictness tests change."""
    return made_record(
        models={"embed": "toy"},
        groupings=(("gender",),),
        timing=TimingRecord({"embed": StageTime(3, 0.5, None)}),
        comparison=ComparisonRecord((Operating(0.5, "given", (0.01,)),)),
        identification=IdentificationRecord((1, 10), "by hand"),
    )


# ---- round trip ----


@settings(max_examples=40, deadline=None)
@given(records())
def test_every_record_comes_back_as_it_was(record: RunRecord) -> None:
    text = json.dumps(record.to_json(), allow_nan=False)
    assert parse_record(text, FILE) == record
    assert RunRecord.from_json(json.loads(text), FILE) == record


@settings(max_examples=25, deadline=None)
@given(values_of(BegunRecord).map(lambda begun: replace(begun, request=with_margins_on_scale(begun.request))))
def test_every_record_of_a_run_under_way_comes_back_as_it_was(record: BegunRecord) -> None:
    assert parse_record(json.dumps(record.to_json(), allow_nan=False), FILE) == record


def test_a_written_record_is_read_again_and_says_version_4_and_complete(tmp_path: Path) -> None:
    write_record(tmp_path, full())
    assert read_record(tmp_path) == full()
    written = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert list(written)[:3] == ["version", "state", "request"]
    assert (written["version"], written["state"]) == (3, "complete")


def test_what_a_run_does_not_have_is_written_as_null_or_empty() -> None:
    written = made_record().to_json()
    assert set(written) == {"version", "state", *(field.name for field in fields(RunRecord))}
    assert written["comparison"] is written["identification"] is written["labels"] is written["sent"] is None
    assert (written["alarms"], written["source"], written["timing"]["per_image"]) == ([], "", {})


def test_thresholds_and_joined_columns_are_empty_where_the_run_has_none() -> None:
    record = made_record()
    assert (record.operating, record.transfer_points, dict(record.label_columns)) == ((), (), {})
    assert full().operating == (Operating(0.5, "given", (0.01,)),)


# ---- interrupted runs ----


def test_a_run_under_way_is_read_where_it_is_resumed_and_nowhere_else(tmp_path: Path) -> None:
    begun = BegunRecord(RequestRecord("images", {"detect": "yunet"}, "ab"), max_calls=7)
    write_record(tmp_path, begun)
    assert read_any_record(tmp_path) == begun
    with pytest.raises(RunError, match="interrupted; finish it with --resume"):
        read_record(tmp_path)
    with pytest.raises(RunError, match="interrupted; finish it with --resume"):
        RunRecord.from_json(begun.to_json(), FILE)


# ---- margins and alpha ----


def test_margins_and_alpha_are_of_the_request_and_so_there_before_any_model_runs(tmp_path: Path) -> None:
    request = RequestRecord("images", {}, "ab", alpha=0.01, margins={"fnmr": Margin("difference", 0.01)})
    write_record(tmp_path, BegunRecord(request))
    written = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert (written["state"], written["request"]["alpha"]) == ("running", 0.01)
    assert written["request"]["margins"] == {"fnmr": {"scale": "difference", "size": 0.01}}
    record = made_record(request=request)
    assert (record.alpha, dict(record.margins)) == (0.01, {"fnmr": Margin("difference", 0.01)})


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        ({"scale": "ratio", "size": 1}, "key request.margins.fnmr.size: 1 is no margin on the scale of a ratio"),
        (
            {"scale": "difference", "size": 2},
            "key request.margins.fnmr.size: 2 is no margin on the scale of a difference",
        ),
        ({"scale": "difference", "size": 0}, "key request.margins.fnmr.size: 0 is no margin"),
        ({"scale": "odds", "size": 2}, "key request.margins.fnmr.scale"),
        ({"scale": "ratio"}, "key request.margins.fnmr"),
    ],
)
def test_a_margin_that_no_metric_can_have_is_refused(margin: dict[str, Any], said: str) -> None:
    for record in (made_record(), BegunRecord(RequestRecord("images", {}, None))):
        written = record.to_json()
        written["request"]["margins"] = {"fnmr": margin}
        with pytest.raises(RunError) as caught:
            record_from_json(written, FILE)
        assert said in str(caught.value)


# ---- strictness ----


@pytest.mark.parametrize("version", [None, 1, 2, 4, "3", True, [3]])
def test_another_version_is_one_sentence_with_the_cure(version: Any) -> None:
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(stated(version=version), FILE)
    assert str(caught.value) == f"{FILE}: written by another version of facegap; run the audit again"


def test_a_record_without_version_is_of_another_version() -> None:
    with pytest.raises(RunError, match="written by another version of facegap"):
        RunRecord.from_json({"state": "complete", "level": 0.95}, FILE)


@pytest.mark.parametrize("key", [field.name for field in fields(RunRecord)])
def test_every_missing_key_is_named(key: str) -> None:
    record = stated()
    del record[key]
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(record, FILE)
    assert str(caught.value) == f"{FILE}, key {key}: missing"


def test_a_key_that_is_not_known_is_named_with_those_above_it() -> None:
    record = full().to_json()
    record["timing"]["per_image"]["embed"]["mean_ms"] = 1
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(record, FILE)
    assert str(caught.value) == f"{FILE}, key timing.per_image.embed.mean_ms: not a known key"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("level",), "0.95", "key level: '0.95' is not a number"),
        (("level",), True, "key level: True is not a number"),
        (("level",), 1.5, "key level: 1.5 must be from 0.5 to 0.9999"),
        (("level",), 10**400, "key level: 1000"),
        (("min_subjects",), 2.0, "key min_subjects: 2.0 is not a whole number"),
        (("min_subjects",), False, "key min_subjects: False is not a whole number"),
        (("min_subjects",), -1, "key min_subjects: -1 must be 0 or more"),
        (("says_age",), 1, "key says_age: 1 is neither true nor false"),
        (("models",), [], "key models: a list is not an object"),
        (("models",), {"judge": "x"}, "key models.judge: 'judge' is not one of detect, embed, classify"),
        (("models", "embed"), None, "key models.embed: None is not text"),
        (("models", "embed"), "\ud800", r"key models.embed: '\ud800' is not Unicode text"),
        (("groupings",), "gender", "key groupings: 'gender' is not a list"),
        (("groupings",), [["gender", 3]], "key groupings[0][1]: 3 is not text"),
        (("groupings",), [["race"]], "key groupings[0]: 'race' is not a label column of the manifest"),
        (("cluster",), ["session"], "key cluster: 'session' is not a label column of the manifest"),
        (("cluster",), ["gender", "gender"], "key cluster: lists a column twice"),
        (("groupings",), [["gender"], []], "key groupings[1]: each grouping names one label column or several"),
        (("groupings",), [["gender", "gender"]], "key groupings[0]: each grouping names one label column or several"),
        (("timing", "per_image", "embed", "images"), -3, "key timing.per_image.embed.images: -3 must be 0 or more"),
        (
            ("comparison", "operating", 0, "threshold"),
            None,
            "key comparison.operating[0].threshold: None is not a number",
        ),
        (
            ("comparison", "operating", 0, "targets", 0),
            "x",
            "key comparison.operating[0].targets[0]: 'x' is not a number",
        ),
        (("identification", "ranks"), [], "key identification.ranks: lists no rank"),
        (("identification", "ranks", 1), 10**9, "key identification.ranks[1]: 1000000000 must be from 1 to 10000"),
        (("request", "audit"), "video", "key request.audit: 'video' is not one of images, predictions"),
        (("request", "settings"), None, "key request.settings: None is not an object"),
        (
            ("request", "settings"),
            {"a": {"b": [1.0, float("inf")]}},
            "key request.settings.a.b[1]: inf is not a finite",
        ),
        (("state",), "done", "key state: none of complete, running and shard"),
    ],
)
def test_a_value_that_no_run_has_is_named_with_its_key(path: tuple[Any, ...], value: Any, message: str) -> None:
    record: Any = full().to_json()
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(record, FILE)
    assert str(caught.value).startswith(f"{FILE}, {message}")


def test_settings_nested_without_end_are_refused() -> None:
    nested: Any = []
    for _ in range(MOST_LEVELS + 5):
        nested = [nested]
    record = made_record(request=RequestRecord("images", {"by": nested}, None)).to_json()
    with pytest.raises(RunError, match=f"key request.settings.*more than {MOST_LEVELS} nested values"):
        record_from_json(record, FILE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable JSON"),
        ("[1]", "not a JSON object"),
        ("{", "not readable JSON"),
        ("[" * 100_000, "not readable JSON|not a JSON object"),
        ('{"version": 3, "version": 3}', "key version: occurs twice"),
        ('{"level": NaN}', "NaN is not JSON"),
        ('{"level": -Infinity}', "-Infinity is not JSON"),
        ('{"level": ' + "9" * 5000 + "}", "not readable JSON"),
    ],
)
def test_text_that_is_no_json_object_of_a_record_is_an_error(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        parse_record(text, FILE)


def test_a_very_long_key_or_value_is_cut_in_the_message() -> None:
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(stated(**{"x" * 10_000: 1}), FILE)
    assert len(str(caught.value)) < 200
    with pytest.raises(RunError) as caught:
        RunRecord.from_json(stated(level="y" * 10_000), FILE)
    assert len(str(caught.value)) < 200


# ---- methods ----


def test_a_setting_is_found_by_section_and_name_and_none_where_there_is_no_such() -> None:
    request = RequestRecord(
        "images", {"verify": {"seed": 3}, "by": "gender"}, None, cards={"embed": {"name": "x"}, "detect": 3}
    )
    assert request.setting("verify", "seed") == 3
    assert request.setting("verify", "split") is None
    assert request.setting("by", "x") is None
    assert request.card("embed") == {"name": "x"}
    assert (request.card("detect"), request.card("classify")) == ({}, {})


def test_listed_pairs_and_manifest_keep_their_counts_apart() -> None:
    listed = ListedPairsRecord(listed=10, reviewed_and_left_out=1, evaluation=4, threshold_set=3, between=3)
    record = made_record(
        comparison=ComparisonRecord(listed_pairs=listed),
        manifest=ManifestRecord("ab", 10, 2, has_subjects=False, labels=("gender",)),
    )
    read = RunRecord.from_json(json.loads(json.dumps(record.to_json())), FILE)
    assert read.comparison is not None
    assert read.comparison.listed_pairs == listed
    assert (read.manifest.rows, read.manifest.excluded_by_where) == (10, 2)
