"""Variants calibrated on illustrated people: their cards, and a planted gap through audits and comparison."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.settings import settings_from
from facegap.cli import app
from facegap.compare.build import compare, sentences
from facegap.errors import CardError, ModelError, RunError, TableError
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import ModelCard
from facegap.store.run import read_run
from facegap.variants.make import card_to_vary, likeness, make_variants, write_variants
from facegap.variants.text import alike
from fixtures.settings import audited

PEOPLE = 24  # in each group
SEEN = {"dim": (10, 60), "bright": (110, 250)}  # values of red and green
THRESHOLD = 0.9995

TABLE = """
[alignment]
template = [[4.8, 5.6], [11.2, 5.6], [8.0, 8.0], [5.6, 11.2], [10.4, 11.2]]
interpolation = "bilinear"

[outputs.embedding]
output = "embedding"
dimension = 8
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs each of dim and of bright people, whose quarters differ in red and green, and one without a face."""
    folder, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(4)
    lines = ["image,subject,group", "nobody.png,nobody,dim"]
    cv2.imwrite(str(folder / "nobody.png"), np.zeros((64, 64, 3), np.uint8))
    for group, (low, high) in SEEN.items():
        for k in range(PEOPLE):
            quarters = rng.integers(low, high, (2, 2, 2))
            for copy in range(2):
                picture = np.zeros((64, 64, 3), np.uint8)
                picture[:32, :32, 0] = 255
                picture[:32, :32, 1:] = np.clip(quarters + copy, 0, 255).repeat(16, 0).repeat(16, 1)
                cv2.imwrite(str(folder / f"{group}{k}_{copy}.png"), picture)
                lines.append(f"{group}{k}_{copy}.png,{group}{k},{group}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder / "people.csv"


@pytest.fixture(scope="module")
def embedder(graphs: Any, card_writer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red and green in quarters of the crop, through a convolution with its own output range."""
    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[0, 0] = weight[1, 1] = 1
    content = graphs.build(
        [
            ("Conv", ["input", "weight"], ["two"], {}),
            ("AveragePool", ["two"], ["quarters"], {"kernel_shape": [8, 8], "strides": [8, 8]}),
            ("Flatten", ["quarters"], ["embedding"], {"axis": 1}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"embedding": ("N", 8)},
        constants={"weight": weight},
    )
    return Path(card_writer(tmp_path_factory.mktemp("model"), "quarters", "embed", content, TABLE))


def asked(toys: Any, **words: Any) -> Any:
    return settings_from({"detect": toys.card("detector"), "by": "group", "no_isolation": True, "workers": 1, **words})


def made(people: Path, embedder: Path, toys: Any, out: Path, **words: Any) -> Path:
    """The card of the int8 variant calibrated on some of the people."""
    found, _, _ = make_variants(str(embedder), people, asked(toys, **words), precisions=("int8",), images=40)
    write_variants(found, out)
    return out / "quarters_int8.toml"


@pytest.fixture(scope="module")
def parent_run(people: Path, embedder: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audit(people, embedder, toys, tmp_path_factory.mktemp("parent") / "run")


def audit(people: Path, card: Path, toys: Any, out: Path) -> Path:
    audited(
        people,
        detect=toys.card("detector"),
        embed=str(card),
        threshold=[THRESHOLD],
        by="group",
        images_are_people=False,
        impostors_only=False,
        no_isolation=True,
        out=out,
    )
    return out


def flips(found: Any, kind: str, group: str) -> Any:
    rows = found.flips.groups
    return rows[(rows["kind"] == kind) & (rows["group"] == group) & (rows["family"] == "group")].iloc[0]


def test_int8_calibrated_on_one_group_is_a_gap_in_flips_through_the_whole_chain(
    people: Path, embedder: Path, toys: Any, parent_run: Path, tmp_path: Path
) -> None:
    card = made(people, embedder, toys, tmp_path / "dim", where="group == 'dim'")
    found = compare([parent_run, audit(people, card, toys, tmp_path / "run")], names=["fp32", "int8"])
    bright, dim = flips(found, "impostor", "bright"), flips(found, "impostor", "dim")
    strangers = 4 * PEOPLE * (PEOPLE - 1) // 2
    # Values above the calibrated range are clipped, so all bright people have the same template.
    assert (bright["trials"], bright["flips"], bright["gained"], bright["lost"]) == (strangers, strangers, strangers, 0)
    assert (dim["trials"], dim["flips"]) == (strangers, 0)
    gaps = found.flips.gaps
    gap = gaps[(gaps["kind"] == "impostor") & gaps["primary"]].iloc[0]
    assert (gap["group_a"], gap["group_b"], gap["verdict"]) == ("bright", "dim", "gap larger than the margin")
    assert gap["decided_low"] > 2
    drift = found.drift_gaps[found.drift_gaps["kind"] == "impostor"].iloc[0]
    assert drift["difference"] > 0.02
    assert drift["verdict"] == "gap larger than the margin"
    fixed = found.flips.fixed.set_index(["metric", "family", "group"])
    assert fixed.loc[("fmr", "group", "bright"), "verdict"] == "more errors"
    assert fixed.loc[("fmr", "group", "dim"), "verdict"] == "no significant difference"
    assert "The clearest: non-mated comparisons: bright 100%, dim 0%" in " ".join(sentences(found))


def test_int8_calibrated_on_all_people_flips_nothing(
    people: Path, embedder: Path, toys: Any, parent_run: Path, tmp_path: Path
) -> None:
    card = made(people, embedder, toys, tmp_path / "all")
    run = audit(people, card, toys, tmp_path / "run")
    found = compare([parent_run, run])
    for kind in ("genuine", "impostor"):
        assert flips(found, kind, "bright")["flips"] == flips(found, kind, "dim")["flips"] == 0
    assert set(found.flips.gaps["verdict"]) <= {"not enough data", "no gap larger than the margin"}
    record = read_run(run).record
    of = record.execution.variants["quarters_int8"]
    assert (of.parent, of.precision, of.parent_sha256) == ("quarters", "int8", read_card(embedder).sha256)
    assert record.execution.precision == "float32; quarters_int8 in int8"
    assert record.execution.sizes["quarters_int8"] == read_card(card).size_bytes
    assert any("quarters_int8 is unverified" in said for said in record.warnings)


def test_the_card_states_origin_method_and_calibration_images(
    people: Path, embedder: Path, toys: Any, tmp_path: Path
) -> None:
    found, crops, places = make_variants(str(embedder), people, asked(toys), images=10, seed=3)
    write_variants(found, tmp_path)
    half, eight = (read_card(tmp_path / f"quarters_{precision}.toml") for precision in ("fp16", "int8"))
    parent = read_card(embedder)
    for card in (half, eight):
        content = (tmp_path / str(card.file)).read_bytes()
        assert (card.sha256, card.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert card.variant is not None
        assert (card.variant.parent, card.variant.parent_sha256, card.verified) == ("quarters", parent.sha256, False)
        assert (card.alignment, card.input, card.licence) == (parent.alignment, parent.input, parent.licence)
    assert half.variant.calibration is None
    calibration = eight.variant.calibration
    images = [people.parent / name for name in crops.rows["image"]]
    each = "".join(f"{hashlib.sha256(image.read_bytes()).hexdigest()}\n" for image in images)
    assert calibration.images_sha256 == hashlib.sha256(each.encode()).hexdigest()
    assert calibration.manifest_sha256 == hashlib.sha256(people.read_bytes()).hexdigest()
    assert (calibration.images, sum(calibration.groups.values())) == (10, 10)
    assert calibration.groups == {name: len(rows) for name, rows in places.items()}
    assert [one.alike.min() > 0.999 for one in found] == [True, True]


def test_one_seed_gives_the_same_files_and_images_without_a_face_are_counted(
    people: Path, embedder: Path, toys: Any
) -> None:
    once, again = (make_variants(str(embedder), people, asked(toys), images=100, seed=1) for _ in range(2))
    assert [one.card.sha256 for one in once[0]] == [one.card.sha256 for one in again[0]]
    assert (len(once[1].pixels), once[1].lost) == (4 * PEOPLE, {"no_face": 1})
    with pytest.raises(TableError, match="no image of the manifest yields a crop for calibration: no_face 1"):
        make_variants(str(embedder), people, asked(toys, where="subject == 'nobody'"))


def test_variants_of_a_classifier_agree(people: Path, toys: Any) -> None:
    found, _, _ = make_variants(toys.card("classifier"), people, asked(toys), precisions=("fp16",), images=10)
    assert (found[0].measure, found[0].alike.tolist()) == ("agreement", [1.0] * 10)


def test_detectors_services_and_variants_are_refused(people: Path, embedder: Path, toys: Any, tmp_path: Path) -> None:
    with pytest.raises(CardError, match="toy_detector is a detector"):
        card_to_vary(toys.card("detector"))
    with pytest.raises(CardError, match="is a service"):
        card_to_vary("compreface_verify")
    card = made(people, embedder, toys, tmp_path / "out")
    with pytest.raises(CardError, match="quarters_int8 is a variant of quarters; create variants from that card"):
        card_to_vary(str(card))
    with pytest.raises(RunError, match="not empty"):
        write_variants([], tmp_path / "out")


def test_a_variant_without_finite_numbers_is_an_error(embedder: Path) -> None:
    card = read_card(embedder)
    before = np.ones((3, 8), np.float32) / np.sqrt(8)
    after = before.copy()
    after[1] = np.nan
    with pytest.raises(ModelError, match="no finite number for 1 of 3 crops"):
        likeness(before, after, card)
    measure, found = likeness(before, before, card)
    assert (measure, found.tolist()) == ("cosine", pytest.approx([1, 1, 1]))


def test_identical_ages_have_a_difference_of_zero(embedder: Path) -> None:
    card = read_card(embedder).model_copy(update={"task": "classify"})
    ages = np.array([20.0, 30.0, 41.0])
    assert alike(*likeness(ages, ages, card)) == "0, 0"
    assert alike(*likeness(ages, ages + np.array([1, 0, -1]), card)) == "1, 1"
    words = np.array([["female"], ["male"]], dtype=object)
    assert alike(*likeness(words, words, card)) == "100.0%"


def test_only_int8_has_a_calibration_and_a_service_has_no_variant(embedder: Path) -> None:
    values = read_card(embedder).model_dump(exclude_none=True, exclude_defaults=True)
    variant = {"parent": "a", "parent_sha256": "0" * 64, "precision": "int8", "method": "by hand"}
    with pytest.raises(ValueError, match="calibration is missing; int8 requires calibration ranges"):
        ModelCard.model_validate({**values, "variant": variant})
    seen = {"manifest_sha256": "0" * 64, "images_sha256": "1" * 64, "images": 3}
    with pytest.raises(ValueError, match="calibration belongs to precision = 'int8'"):
        ModelCard.model_validate({**values, "variant": {**variant, "precision": "fp16", "calibration": seen}})
    ModelCard.model_validate({**values, "variant": {**variant, "calibration": seen}})


def test_the_command_writes_files_and_reports_their_similarity(
    people: Path, embedder: Path, toys: Any, tmp_path: Path
) -> None:
    out = tmp_path / "variants"
    words = ["--calibrate-on", str(people), "--detect", toys.card("detector"), "--images", "20", "--out", str(out)]
    done = CliRunner().invoke(app, ["variants", str(embedder), *words, "--by", "group", "--no-isolation"])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == [
        f"quarters_{precision}.{suffix}" for precision in ("fp16", "int8") for suffix in ("onnx", "toml")
    ]
    assert "quarters_int8" in done.stdout and "bright" in done.stdout
    assert {node.op_type for node in onnx.load(out / "quarters_int8.onnx").graph.node} >= {"QuantizeLinear"}
    assert pd.Series([path.stat().st_mode & 0o777 for path in out.iterdir()]).eq(0o600).all()
