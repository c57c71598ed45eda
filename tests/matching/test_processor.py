"""The filters allowed on each processor: every branch of the choice and both orders of rejection, on any machine."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from facegap.errors import MatchingError
from facegap.matching import FilterChoice, choose_filter, count_scores, processor, search
from facegap.matching.choice import FEW_ROWS
from facegap.matching.filters import FILTERS, filter_named, require_filter, why_not
from facegap.matching.prefix import prefix_of
from facegap.matching.processor import Processor, this_processor
from facegap.matching.search import filter_for
from fixtures.processors import ALL, AMX, CODES, FLOATS, able_to_run, never_asked, running_on

USABLE = {
    "float32 alone": ["float32", "fused"],
    "int8 in registers": ["float32", "fused", "int8"],
    "AMX": ["float32", "fused", "int8", "amx"],
}
REFUSED = [
    ("float32 alone", "int8", "no instruction for int8 products"),
    ("float32 alone", "amx", "AMX"),
    ("int8 in registers", "amx", "AMX"),
]


def counted(**change: Any) -> Any:
    rows = np.eye(3, 4, dtype=np.float32)
    given = {"embeddings": rows, "subjects": np.arange(3), "groups": np.zeros(3, int)}
    return count_scores(**(given | {"floor": 0.0, "bins": 2, "tail_limit": 5} | change))


# ---- filters allowed on each processor ----


@pytest.mark.parametrize("name", ALL)
def test_each_processor_may_use_the_filters_whose_instructions_it_has(name: str) -> None:
    assert [each for each in FILTERS if not why_not(each, processor=ALL[name])] == USABLE[name]


@pytest.mark.parametrize("name", ALL)
def test_the_graph_filter_and_float32_ask_no_processor(name: str) -> None:
    with never_asked():
        assert filter_named("float32", processor=ALL[name]) is FILTERS["float32"]
        assert filter_named("graph", "cuda", processor=ALL[name]).name == "graph"


@pytest.mark.parametrize(("name", "filter", "fault"), REFUSED)
def test_a_filter_that_the_processor_cannot_run_exactly_is_refused_with_the_reason_and_the_way_out(
    name: str, filter: str, fault: str
) -> None:
    with pytest.raises(MatchingError, match=f"filter='{filter}': .*{fault}.*; use filter='float32'"):
        filter_named(filter, processor=ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_a_filter_that_the_processor_can_run_is_the_one_asked_for(name: str) -> None:
    for filter in USABLE[name]:
        assert filter_named(filter, processor=ALL[name]) is FILTERS[filter]


def test_the_matrix_unit_needs_numba_whatever_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "numba" in why_not("amx", "numpy", AMX)
    monkeypatch.setattr("facegap.matching.filters.numba_is_installed", lambda: False)
    assert "numba" in why_not("amx", "auto", AMX)
    with pytest.raises(MatchingError, match="numba"):
        filter_named("amx", processor=AMX)


# ---- the choice ----

FASTEST = [
    (
        {"float32": 4.0, "fused": 3.0, "int8": 2.0, "amx": 1.0},
        {"float32 alone": "fused", "int8 in registers": "int8", "AMX": "amx"},
    ),
    ({"float32": 1.0, "fused": 2.0, "int8": 3.0, "amx": 4.0}, dict.fromkeys(ALL, "fused")),  # float32 need not be tried
    (
        {"float32": 4.0, "fused": 3.0, "int8": 1.0, "amx": 2.0},
        {"float32 alone": "fused", "int8 in registers": "int8", "AMX": "int8"},
    ),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("times", "best"), FASTEST)
def test_the_choice_is_the_fastest_of_what_the_processor_can_run_and_says_why_the_others_were_not_tried(
    monkeypatch: pytest.MonkeyPatch, name: str, times: dict[str, float], best: dict[str, str]
) -> None:
    tried: list[str] = []

    def time_of(product_filter: Any, *_rest: Any) -> float:
        tried.append(product_filter.name)
        return times[product_filter.name]

    monkeypatch.setattr("facegap.matching.choice.ns_per_pair", time_of)
    rows = np.tile(np.eye(8, dtype=np.float32), (FEW_ROWS // 8, 1))
    chosen = choose_filter(rows, floor=0.5, processor=ALL[name])
    assert (chosen.name, tried) == (best[name], USABLE[name][1:])
    for each in FILTERS:
        assert (f"{each} {times[each]:.2f}" in chosen.reason) == (each in USABLE[name][1:])
        assert (f"no {each}: {why_not(each, processor=ALL[name])}" in chosen.reason) == (each not in USABLE[name])


def test_numpy_loops_leave_the_matrix_unit_out_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegap.matching.choice.ns_per_pair", lambda product_filter, *_rest: len(product_filter.name))
    rows = np.tile(np.eye(8, dtype=np.float32), (FEW_ROWS // 8, 1))
    chosen = choose_filter(rows, floor=0.5, kernels="numpy", processor=AMX)
    assert chosen.name == "float32"
    assert "no int8: products are compared in registers" in chosen.reason
    assert "no amx: the matrix unit is programmed through numba" in chosen.reason
    assert "no fused: products are compared in registers by a loop that numba compiles" in chosen.reason


def test_of_each_way_to_multiply_the_likeliest_prefixes_are_tried_and_no_other(
    rng: np.random.Generator, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def time_of(product_filter: Any, *_rest: Any, warm: bool = False) -> float:
        tried.append(product_filter.name)
        assert warm == bool(prefix_of(product_filter.name))  # the loops ran when all components were timed
        base, first = prefix_of(product_filter.name) or ("", 0)
        return 9.0 if not first else abs(first - 160) + (1.0 if base == "fused" else 500.0)

    monkeypatch.setattr("facegap.matching.choice.ns_per_pair", time_of)
    monkeypatch.setattr("facegap.matching.choice.FEW_ROWS", 1)
    likely = {"fused": [96, 160], "int8": [128], "amx": []}
    monkeypatch.setattr("facegap.matching.choice.likeliest", lambda base, *_rest: likely[base])
    chosen = choose_filter(tools.made_faces(rng, 300, 256)[0], floor=0.5, processor=AMX)
    assert chosen.name == "prefix160"
    assert tried[len(FILTERS) - 1 :] == ["prefix96", "prefix160", "int8-prefix128"]


def test_a_search_chooses_by_the_floor_that_its_last_rank_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    module = sys.modules["facegap.matching.search"]

    def chosen(_rows: Any, *, floor: float, **_rest: Any) -> FilterChoice:
        asked.append(floor)
        return FilterChoice("fused", "")

    monkeypatch.setattr(module, "choose_filter", chosen)
    gallery = np.stack([np.cos(angles := np.linspace(0, np.pi / 2, FEW_ROWS)), np.sin(angles)], axis=1).astype(
        np.float32
    )
    assert filter_for(gallery, gallery[:1], FEW_ROWS // 10) == "fused"
    assert asked[0] == pytest.approx(np.cos(0.1 * np.pi / 2), abs=0.01)


def test_a_small_gallery_asks_no_processor() -> None:
    rows = np.eye(4, dtype=np.float32)
    with never_asked():
        assert filter_for(rows, rows, 1) == "fused"
        assert filter_for(rows, rows, 1, "numpy") == "float32"


@pytest.mark.parametrize("filter", ["int8", "amx"])
def test_a_search_that_chooses_for_itself_ranks_as_float32_does(
    rng: np.random.Generator, tools: Any, filter: str
) -> None:
    gallery, probes = tools.made_faces(rng, FEW_ROWS, 24)[0], tools.made_faces(rng, 8, 24)[0]
    expected = search(gallery, probes, 5, filter="float32")
    asked: list[str] = []
    module = sys.modules["facegap.matching.search"]  # in the package, the name of the module refers to the function
    plain = module.filter_named  # type: ignore[attr-defined]
    with able_to_run(filter), running_on(AMX if filter == "amx" else CODES), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module, "filter_named", lambda name, device, **rest: asked.append(name) or plain(name, device, **rest)
        )
        patch.setattr("facegap.matching.choice.ns_per_pair", lambda tried, *_rest: tried.name != filter)
        found = search(gallery, probes, 5)
    assert asked == [filter]
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


# ---- settings are checked before the processor, and the processor's rejection comes if they are valid ----

CONTRADICTIONS = [
    ({"full_range": 4, "filter": "int8"}, "full_range needs float32"),
    ({"full_range": 4, "filter": "amx"}, "full_range needs float32"),
    ({"filter": "int8", "device": "cuda"}, "filter='int8' runs on the CPU"),
    ({"filter": "amx", "device": "cuda"}, "filter='amx' runs on the CPU"),
    ({"filter": "auto", "device": "cuda"}, "filter='auto' runs on the CPU"),
    ({"filter": "int8", "bins": 0}, "bins=0"),
    ({"filter": "int8", "workers": 0}, "workers=0"),
    ({"filter": "int8", "kernels": "cython"}, "cython"),
    ({"filter": "amx", "names": ()}, "group names"),
    ({"filter": "amx", "shard": (2, 2)}, "shard"),
    ({"filter": "int8", "groups": np.array([0, 1, -2])}, "groups: row 2"),
    ({"filter": "int4"}, "'int4' is not one of"),
]


@pytest.mark.parametrize(("change", "fault"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_before_the_processor_is_asked(
    change: dict[str, Any], fault: str
) -> None:
    with never_asked(), pytest.raises(MatchingError, match=fault):
        counted(**change)


@pytest.mark.parametrize("name", ALL)
def test_the_refusal_of_contradicting_settings_is_the_same_on_every_processor(name: str) -> None:
    with running_on(ALL[name]), pytest.raises(MatchingError, match="full_range needs float32"):
        counted(full_range=4, filter="int8")


@pytest.mark.parametrize(("name", "filter", "fault"), REFUSED)
def test_sound_settings_are_refused_by_the_processor_that_cannot_run_them(name: str, filter: str, fault: str) -> None:
    with running_on(ALL[name]):
        with pytest.raises(MatchingError, match=f"filter='{filter}': .*{fault}"):
            counted(filter=filter)
        with pytest.raises(MatchingError, match=f"filter='{filter}': .*{fault}"):
            search(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), 1, filter=filter)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"k": 0, "filter": "int8"}, "k=0"),
        ({"filter": "x"}, "'x'"),
        ({"filter": "amx", "device": "cuda"}, "runs on the CPU"),
        ({"filter": "int8", "probes": np.ones((2, 3), np.float32)}, "depth"),
    ],
)
def test_a_search_refuses_its_settings_before_the_processor_is_asked(change: dict[str, Any], fault: str) -> None:
    rows = np.eye(4, dtype=np.float32)
    with never_asked(), pytest.raises(MatchingError, match=fault):
        search(**({"gallery": rows, "probes": rows, "k": 1} | change))


def test_a_sound_name_and_device_pass_without_a_look_at_the_processor() -> None:
    with never_asked():
        for name in ("auto", *FILTERS):
            require_filter(name, "cpu")
        require_filter("graph", "cuda")


# ---- what is known of this processor ----


def test_the_capabilities_are_those_that_the_self_tests_find(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = processor.this_processor.__wrapped__
    for exact, tiles in ((False, False), (True, False), (True, True)):
        monkeypatch.setattr("facegap.matching.kernels_fused.codes_are_exact", lambda exact=exact: exact)
        monkeypatch.setattr("facegap.matching.kernels_amx.tiles_are_exact", lambda tiles=tiles: tiles)
        assert plain() == Processor(exact_int8=exact, matrix_unit=tiles)
    monkeypatch.setattr(processor, "numba_is_installed", lambda: False)
    assert plain() == Processor(exact_int8=False, matrix_unit=False)


def test_the_processor_is_examined_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = this_processor()

    def again() -> bool:
        raise AssertionError("examined again")

    monkeypatch.setattr("facegap.matching.kernels_fused.codes_are_exact", again)
    assert this_processor() is first


def test_a_processor_that_saturates_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from facegap.matching import kernels_fused

    plain = kernels_fused.emit_fused

    def saturating(*given: Any) -> Any:
        # A kernel without VNNI overflows for codes that are too large: adjacent products are added in int16.
        found, row = plain(*given)
        np.minimum(given[-2], 32_767, out=given[-2])
        return found, row

    monkeypatch.setattr(kernels_fused, "emit_fused", saturating)
    assert not kernels_fused.codes_are_exact()


def test_integers_that_are_right_pass_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    from facegap.matching import kernels_fused
    from fixtures.processors import numpy_emit_codes

    monkeypatch.setattr(kernels_fused, "MULTIPLIES_CODES", True)
    monkeypatch.setattr(kernels_fused, "emit_fused", numpy_emit_codes)
    assert kernels_fused.codes_are_exact()


def test_a_processor_without_the_instructions_is_not_asked_to_multiply_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    from facegap.matching import kernels_fused

    def executed(*_arguments: Any) -> Any:
        raise AssertionError("codes were multiplied")

    monkeypatch.setattr(kernels_fused, "MULTIPLIES_CODES", False)
    monkeypatch.setattr(kernels_fused, "emit_fused", executed)
    assert not kernels_fused.codes_are_exact()


@pytest.mark.parametrize("found", [{}, {"amx-int8": True}, {"amx-tile": True}])
def test_a_processor_without_the_whole_matrix_unit_is_not_asked_to_multiply(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool]
) -> None:
    from facegap.matching import kernels_amx

    def executed(*_arguments: Any) -> Any:
        raise AssertionError("an instruction of the matrix unit was executed")

    monkeypatch.setattr(kernels_amx, "emit_tiles", executed)
    monkeypatch.setattr(kernels_amx.binding, "get_host_cpu_features", lambda: found)
    assert not kernels_amx.tiles_are_exact()


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("win32", "AMD64"), ("linux", "aarch64")])
def test_the_matrix_unit_is_that_of_linux_on_x86(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    from facegap.matching import kernels_amx

    monkeypatch.setattr(kernels_amx.sys, "platform", system)
    monkeypatch.setattr(kernels_amx.platform, "machine", lambda: machine)
    monkeypatch.setattr(kernels_amx.binding, "get_host_cpu_features", lambda: {"amx-int8": True, "amx-tile": True})
    assert not kernels_amx.may_use_tiles()


@pytest.mark.parametrize(("answer", "usable"), [(0, True), (-1, False)])
def test_the_system_may_withhold_the_matrix_unit(monkeypatch: pytest.MonkeyPatch, answer: int, usable: bool) -> None:
    from facegap.matching import kernels_amx

    class System:
        def syscall(self, *numbers: int) -> int:
            assert numbers == (158, 0x1023, 18)
            return answer

    monkeypatch.setattr(kernels_amx.sys, "platform", "linux")
    monkeypatch.setattr(kernels_amx.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(kernels_amx.binding, "get_host_cpu_features", lambda: {"amx-int8": True, "amx-tile": True})
    monkeypatch.setattr(kernels_amx.ctypes, "CDLL", lambda _name: System())
    assert kernels_amx.may_use_tiles() is usable


def test_float32_alone_is_the_least_that_is_supported() -> None:
    assert Processor(exact_int8=False, matrix_unit=False) == FLOATS
    assert [name for name in FILTERS if not why_not(name, processor=FLOATS)] == ["float32", "fused"]
