"""What docs/scale.md says of machine-hours is what benchmarks/machine_hours.py computes."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from fixtures.documents import ROOT


@pytest.fixture(scope="module")
def hours() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("machine_hours", ROOT / "benchmarks" / "machine_hours.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # a dataclass looks for its module by name
        patch.setitem(__import__("sys").modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_the_table_and_the_rates_of_the_document_are_those_of_the_script(hours: ModuleType) -> None:
    text = (ROOT / "docs" / "scale.md").read_text()
    rates = hours.Rates()
    assert "\n".join(hours.table(hours.SIZES, rates)) in text
    for said in (f"{rates.images_per_core_s:g}", f"{rates.pairs_per_core_s / 1e9:g} G", f"{rates.price:g}"):
        assert f"| {said} |" in text
    assert f"{hours.balance(rates) / 1e6:.0f} million images" in text
    assert f"{hours.workers_at_most(rates):.0f} cores" in text


def test_models_grow_with_the_images_and_pairs_with_their_square(hours: ModuleType) -> None:
    rates = hours.Rates(images_per_core_s=10, pairs_per_core_s=1e6, price=2)
    one, ten = (hours.Audit(images, rates) for images in (36_000, 360_000))
    assert one.models_h == 1
    assert one.pairs_h == pytest.approx(36_000**2 / 2 / 1e6 / 3600, rel=1e-4)
    assert ten.models_h == pytest.approx(10 * one.models_h)
    assert ten.pairs_h == pytest.approx(100 * one.pairs_h, rel=1e-3)
    assert one.cost(3) == 6
    assert hours.Audit(hours.balance(rates), rates).pairs_h == pytest.approx(
        hours.Audit(hours.balance(rates), rates).models_h, rel=1e-3
    )
