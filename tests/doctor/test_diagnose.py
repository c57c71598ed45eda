"""The doctor's command line on illustrated people and toy models whose correct settings are known."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from facegap.cli import app
from facegap.doctor.diagnose import Options, examine
from facegap.doctor.results import remember, require_free, require_memory
from facegap.errors import CardError, FacegapError, ModelError, TableError
from facegap.inputs.cards.read import read_card
from facegap.store.run import read_record
from facegap.tables import POINTS
from facegap.vision.align import aligned
from fixtures.settings import audited


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate folder of findings for this test."""
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path / "findings"))
    return tmp_path / "findings"


def changed_card(toys: Any, folder: Path, name: str, *changes: tuple[str, str]) -> str:
    """A copy of a toy model and its card with some lines changed; returns the path of the card."""
    folder.mkdir(exist_ok=True)
    shutil.copy(toys.folder / f"toy_{name}.onnx", folder)
    text = (toys.folder / f"toy_{name}.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / f"toy_{name}.toml").write_text(text)
    return str(folder / f"toy_{name}.toml")


WRONG_SCALE = ("scale = [1, 1, 1]", "scale = [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]")


def doctor(toys: Any, model: str, manifest: Path, *options: str) -> Result:
    return CliRunner().invoke(
        app,
        [
            *("doctor", model, "--manifest", str(manifest), "--detect", toys.card("detector"), "--workers", "2"),
            *options,
        ],
    )


def options(toys: Any, **settings: Any) -> Options:
    """Options of the doctor without model processes, which the tests of the command line cover."""
    return Options(detect=toys.card("detector"), workers=1, timeout_s=None, **settings)


# ---- a card ----


def test_a_correct_card_holds(toys: Any, crowd: Path, home: Path) -> None:
    found = doctor(toys, toys.card("classifier"), crowd)
    assert found.exit_code == 0, found.output
    assert "within noise of the best of" in found.output
    assert "evaluated by accuracy on 66 subjects, 132 images" in found.output
    assert "clearly worse than the card" in found.output
    (path,) = home.iterdir()
    assert json.loads(path.read_text())["verdict"] == "holds"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_stored_finding_names_no_image_and_no_person(toys: Any, crowd: Path, home: Path) -> None:
    examined = examine(toys.card("classifier"), crowd, options(toys))
    path = remember(examined)
    assert path is not None
    text = path.read_text()
    assert ".png" not in text
    assert "P1" not in text
    assert str(crowd.parent) not in text
    assert home in path.parents


def test_a_wrong_scale_is_called_wrong_and_the_right_one_named(
    toys: Any, crowd: Path, tmp_path: Path, home: Path
) -> None:
    wrong = changed_card(toys, tmp_path / "wrong", "classifier", WRONG_SCALE)
    found = doctor(toys, wrong, crowd, "--out", str(tmp_path / "finding.json"))
    assert found.exit_code == 1, found.output
    assert "CARD LOOKS WRONG: scale 0..255 is better by accuracy +50.0" in found.output
    finding = json.loads((tmp_path / "finding.json").read_text())
    assert (finding["verdict"], finding["aspect"], finding["setting"]) == ("wrong", "scale", "0..255")


def test_classes_in_the_wrong_order_are_called_wrong(toys: Any, crowd: Path, tmp_path: Path, home: Path) -> None:
    wrong = changed_card(toys, tmp_path / "wrong", "classifier", ('["male", "female"]', '["female", "male"]'))
    found = examine(wrong, crowd, options(toys))
    assert found.evaluation.opinion == "wrong"
    assert found.evaluation.best is not None
    assert found.evaluation.best.variant.name == "classes male, female"


LIVENESS = (
    '[outputs.gender]\noutput = "gender"\nkind = "softmax"\nclasses = ["male", "female"]',
    '[outputs.liveness]\noutput = "gender"\nkind = "softmax"\nclasses = ["attack", "live"]\nbona_fide = "live"',
)
NO_AGE = ('[outputs.age]\noutput = "age"\nkind = "years"', "")


def test_a_scale_that_makes_every_portrait_an_attack_is_called_wrong(
    toys: Any, crowd: Path, tmp_path: Path, home: Path
) -> None:
    women = ("--where", "gender == 'female'")  # the toy classifies green as live
    right = changed_card(toys, tmp_path / "right", "classifier", LIVENESS, NO_AGE)
    found = doctor(toys, right, crowd, *women, "--no-isolation")
    assert found.exit_code == 0, found.output
    assert "evaluated by bona fide accepted on 33 subjects" in found.output
    wrong = changed_card(toys, tmp_path / "wrong", "classifier", LIVENESS, NO_AGE, WRONG_SCALE)
    found = doctor(toys, wrong, crowd, *women, "--no-isolation")
    assert found.exit_code == 1, found.output
    assert "CARD LOOKS WRONG: scale 0..255 is better by bona fide accepted +100.0" in found.output
    assert "colour" not in found.output.split("CARD LOOKS WRONG")[0].replace("colours are not tried", "")


def test_an_embedder_fed_the_wrong_colours_is_called_wrong(toys: Any, crowd: Path, tmp_path: Path, home: Path) -> None:
    # With pixels in 0..255 all cosines of a graph without a bias are near one; centred values separate people.
    middle = ("mean = [0, 0, 0]", "mean = [127.5, 127.5, 127.5]")
    right = examine(changed_card(toys, tmp_path / "right", "embedder", middle), crowd, options(toys))
    verdicts = {one.variant.name: one.verdict for one in right.evaluation.settings}
    assert verdicts["colour BGR"] == "clearly worse than the card"
    assert verdicts["scale 0..255"] == "clearly worse than the card"
    assert right.evaluation.opinion == "holds"
    blue_first = ('colour = "RGB"', 'colour = "BGR"')
    wrong = examine(changed_card(toys, tmp_path / "wrong", "embedder", middle, blue_first), crowd, options(toys))
    assert wrong.evaluation.opinion == "wrong"
    assert wrong.finding.setting == "RGB"


def test_ages_can_be_evaluated_instead(toys: Any, crowd: Path, home: Path) -> None:
    found = doctor(toys, toys.card("classifier"), crowd, "--judge-by", "age", "--no-isolation")
    assert found.exit_code == 0, found.output
    assert "mean error in years" in found.output
    assert "years value * 100" in found.output


def test_phases_are_announced_with_their_total(toys: Any, crowd: Path, bare: Any, home: Path) -> None:
    heard: list[str] = []
    examine(toys.card("classifier"), crowd, options(toys), announce=heard.append)
    assert heard == [
        "step 1 of 3: read the manifest, open the detector and the model",
        "step 2 of 3: run 13 settings on 132 images of 66 subjects",
        "step 3 of 3: compare the settings",
    ]
    heard.clear()
    examine(str(bare("classifier")), crowd, options(toys), announce=heard.append)
    assert [text.split(":")[0] for text in heard] == [f"step {k} of 5" for k in range(1, 6)]
    assert heard[1] == "step 2 of 5: run 40 settings on 44 images of 22 subjects"


def test_the_same_seed_gives_the_same_answer_whatever_the_workers(toys: Any, crowd: Path) -> None:
    one, other = (
        examine(
            toys.card("embedder"),
            crowd,
            Options(detect=toys.card("detector"), people=30, seed=3, workers=workers, timeout_s=None),
        )
        for workers in (1, 3)
    )
    assert one.evaluation == other.evaluation
    assert one.evaluation.subjects == 30


def test_lost_faces_are_reported(toys: Any, crowd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    shutil.copytree(crowd.parent, folder)
    (folder / "0_0.png").write_text("no image")
    (folder / "1_0.png").unlink()
    cv2.imwrite(str(folder / "2_0.png"), np.zeros((64, 64, 3), np.uint8))
    found = doctor(toys, toys.card("embedder"), folder / "people.csv")
    assert "Of 132 sampled images 3 have no usable face: 1 missing_file, 1 no_face, 1 unreadable." in found.output
    assert "on 63 subjects, 126 images" in found.output


# ---- what cannot be evaluated ----


def test_a_detector_is_refused_with_the_reason(toys: Any, crowd: Path) -> None:
    with pytest.raises(
        ModelError, match=r"the doctor cannot check a detector\. How many faces it finds can be measured"
    ):
        examine(toys.card("detector"), crowd, options(toys))


def test_too_few_people_are_not_enough_data(toys: Any, crowd: Path, tmp_path: Path) -> None:
    lines = crowd.read_text().splitlines()
    folder = tmp_path / "few"
    shutil.copytree(crowd.parent, folder)
    (folder / "people.csv").write_text("\n".join(lines[:31]) + "\n")
    with pytest.raises(TableError, match="not enough data: 15 subjects have two images or more"):
        examine(toys.card("embedder"), folder / "people.csv", options(toys))


def test_a_closed_service_and_other_files_are_refused(toys: Any, crowd: Path, tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no model card with this name"):
        examine("nothing", crowd, options(toys))
    with pytest.raises(CardError, match=r"give the path of an \.onnx"):
        examine("yunet", crowd, options(toys), propose=True)


# ---- an audit afterwards ----


def test_an_audit_with_a_card_that_was_found_wrong_says_so_above_everything(
    toys: Any, crowd: Path, tmp_path: Path, home: Path
) -> None:
    wrong = changed_card(toys, tmp_path / "wrong", "classifier", WRONG_SCALE)
    remember(examine(wrong, crowd, options(toys)))
    out = tmp_path / "run"
    command = [
        "audit",
        str(crowd),
        "--detect",
        toys.card("detector"),
        "--classify",
        wrong,
        "--by",
        "gender",
        "--out",
        str(out),
    ]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    record = read_record(out)
    (alarm,) = record.alarms
    assert "THE CARD toy_classifier LOOKS WRONG" in alarm
    assert "scale 0..255 is better by accuracy 0.5" in alarm
    assert record.warnings[0] == alarm
    assert "THE CARD toy_classifier LOOKS WRONG" in shown.stderr  # printed before the first image
    assert shown.stdout.startswith("!!! THE CARD toy_classifier LOOKS WRONG")
    page = (out / "report.html").read_text()
    assert page.index('role="alert"') < page.index('class="finding"')
    assert page.count("scale 0..255 is better by accuracy 0.5") == 1


def test_an_audit_with_a_card_that_holds_says_by_how_many_it_was_checked(toys: Any, crowd: Path, home: Path) -> None:
    remember(examine(toys.card("classifier"), crowd, options(toys)))
    run = audited(crowd, detect=toys.card("detector"), classify=toys.card("classifier"), by="gender")
    assert run.record.alarms == ()
    (sentence,) = run.record.checked
    assert "checked by doctor on 66 subjects, 132 images" in sentence
    assert sentence not in run.record.warnings


def test_a_stored_finding_changes_no_number(toys: Any, crowd: Path, tmp_path: Path, home: Path) -> None:
    wrong = changed_card(toys, tmp_path / "wrong", "classifier", WRONG_SCALE)
    first = audited(crowd, detect=toys.card("detector"), classify=wrong, by="gender")
    remember(examine(wrong, crowd, options(toys)))
    after = audited(crowd, detect=toys.card("detector"), classify=wrong, by="gender", notice=lambda _: None)
    assert first.rates.equals(after.rates)
    assert first.gaps.equals(after.gaps)
    assert first.record.alarms == ()
    assert len(after.record.alarms) == 1


def test_an_inconclusive_result_replaces_no_finding(toys: Any, crowd: Path, home: Path) -> None:
    examined = examine(toys.card("classifier"), crowd, options(toys))
    undecided = type(examined)(
        **{
            **vars(examined),
            "evaluation": type(examined.evaluation)(**{**vars(examined.evaluation), "opinion": "not enough data"}),
        }
    )
    assert remember(undecided) is None
    assert not home.exists()


def test_findings_can_be_stored_in_another_folder(toys: Any, crowd: Path, tmp_path: Path, home: Path) -> None:
    doctor(toys, toys.card("classifier"), crowd, "--findings", str(tmp_path / "mine"), "--no-isolation")
    assert len(list((tmp_path / "mine").iterdir())) == 1
    assert not home.exists()


# ---- no card ----


@pytest.fixture
def bare(toys: Any, tmp_path: Path) -> Any:
    """Weights of a toy model without its card, by name."""

    def copied(name: str) -> Path:
        target = tmp_path / "bare" / f"found_{name}.onnx"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(toys.folder / f"toy_{name}.onnx", target)
        return target

    return copied


def test_a_card_is_proposed_for_a_classifier_and_an_audit_takes_it(
    toys: Any, crowd: Path, bare: Any, home: Path
) -> None:
    weights = bare("classifier")
    found = doctor(toys, str(weights), crowd, "--out", str(weights.with_suffix(".toml")))
    assert found.exit_code == 0, found.output
    card, own = read_card(weights.with_suffix(".toml")), read_card(Path(toys.card("classifier")))
    assert card.outputs.gender is not None
    assert card.input is not None
    assert own.input is not None
    assert (card.outputs.gender.output, card.outputs.gender.classes) == ("gender", ("male", "female"))
    assert (card.input.layout, card.input.size, card.input.mean, card.input.scale) == (
        own.input.layout,
        own.input.size,
        own.input.mean,
        own.input.scale,
    )
    assert (card.licence, card.commercial_use, card.verified, card.sha256) == ("unknown", "unknown", False, own.sha256)
    text = weights.with_suffix(".toml").read_text()
    assert "# scale 0..1: clearly worse, -0.5" in text
    assert "REVIEW IT" in text
    assert text in found.output
    run = audited(crowd, detect=toys.card("detector"), classify=str(weights), by="gender")
    assert (run.predictions["outcome"] == "right").all()
    assert "checked by doctor" in run.record.checked[0]


def test_a_card_is_proposed_for_an_embedder(toys: Any, crowd: Path, home: Path, bare: Any, graphs: Any) -> None:
    """The toy's eight values, repeated four times, because eight outputs are too few for an embedding."""
    weights = bare("embedder")
    pool = {"kernel_shape": [8, 8], "strides": [8, 8]}
    weights.write_bytes(
        graphs.build(
            [
                ("Gather", ["input", "red_and_green"], ["two"], {"axis": 1}),
                ("AveragePool", ["two"], ["quarters"], pool),
                ("Flatten", ["quarters"], ["eight"], {"axis": 1}),
                ("Concat", ["eight"] * 4, ["embedding"], {"axis": 1}),
            ],
            inputs={"input": ("N", 3, 16, 16)},
            outputs={"embedding": ("N", 32)},
            constants={"red_and_green": np.array([0, 1])},
        )
    )
    found = examine(str(weights), crowd, options(toys))
    assert found.proposal is not None
    assert found.card.task == "embed"
    assert found.card.input is not None
    assert found.card.input.colour == "RGB"
    assert found.card.outputs.embedding is not None
    assert found.card.outputs.embedding.dimension == 32
    assert found.evaluation.subjects + found.proposal.subjects == 66


def test_too_few_people_for_search_and_evaluation_are_rejected(toys: Any, crowd: Path, bare: Any) -> None:
    with pytest.raises(TableError, match="not enough data: 50 subjects; settings are chosen on some"):
        examine(str(bare("classifier")), crowd, options(toys, people=50))


def test_a_detector_without_a_card_is_not_guessed(toys: Any, crowd: Path, bare: Any) -> None:
    with pytest.raises(ModelError, match=r"write a card"):
        examine(str(bare("detector")), crowd, options(toys))


def test_a_card_can_be_proposed_for_weights_that_have_one(toys: Any, crowd: Path, bare: Any) -> None:
    weights = bare("classifier")
    shutil.copy(toys.card("classifier"), weights.with_name("toy_classifier.toml"))
    assert examine(str(weights), crowd, options(toys)).proposal is None
    assert examine(str(weights), crowd, options(toys), propose=True).proposal is not None


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("there.json", "the file already exists"),
        ("card.txt", "a proposed card"),
        ("other.toml", "a card must have the same name as its weights; use"),
    ],
)
def test_an_out_that_could_not_be_written_is_refused_before_the_work(
    toys: Any, tmp_path: Path, bare: Any, out: str, says: str
) -> None:
    (tmp_path / "there.json").write_text("")
    with pytest.raises(CardError, match=says):
        require_free(tmp_path / out, str(bare("classifier")), propose=False)
    with pytest.raises(FacegapError, match="has a card; use --propose to propose another"):
        require_free(tmp_path / "toy_classifier.toml", toys.card("classifier"), propose=False)
    with pytest.raises(CardError, match="is not a writable folder"):
        require_free(tmp_path / "nowhere" / "card.json", str(bare("classifier")), propose=False)


def test_findings_that_could_not_be_kept_are_refused_before_the_work(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_memory()
    require_memory(tmp_path / "not" / "there" / "yet")
    assert not home.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(CardError, match=r"could not be stored there; choose another folder with --findings"):
        require_memory(tmp_path / "file" / "findings")
    closed = tmp_path / "closed"
    closed.mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: mode == os.F_OK and allowed(path, mode)
    )  # root can write anywhere
    with pytest.raises(CardError, match=r"could not be stored there; choose another folder with --findings"):
        require_memory(closed)


# ---- faces without a detector ----


def test_on_aligned_crops_only_colour_and_scale_are_tried_and_only_a_wrong_card_is_stored(
    toys: Any, crowd: Path, tmp_path: Path
) -> None:
    card = toys.card("embedder")
    run = audited(crowd, detect=toys.card("detector"), embed=card, threshold=[0.5], by="gender")
    points = run.faces[[f"{point}_{axis}" for point in POINTS for axis in "xy"]].to_numpy().reshape(-1, 5, 2)
    template = np.array(read_card(Path(card)).alignment.template)  # type: ignore[union-attr]
    for image, place in zip(run.faces["image"], points, strict=True):
        crop = aligned(cv2.imread(str(crowd.parent / image)), place, template, (16, 16), "bilinear")
        cv2.imwrite(str(tmp_path / image), crop)
    (tmp_path / "people.csv").write_bytes(crowd.read_bytes())
    found = examine(card, tmp_path / "people.csv", Options(detect="aligned", people=30, workers=1, timeout_s=None))
    assert {one.variant.aspect for one in found.evaluation.settings} == {"the card", "colour", "scale"}
    assert (found.detector, found.finding.detector) == ("aligned", "aligned")
    assert any("aligned crops" in said for said in found.warnings)
    assert remember(found, tmp_path / "findings") is None
    with pytest.raises(ModelError, match="no card can be proposed from aligned crops"):
        examine(card, tmp_path / "people.csv", Options(detect="aligned", workers=1), propose=True)


def test_points_of_a_file_and_flip_are_evaluated_like_detected_faces(toys: Any, crowd: Path, tmp_path: Path) -> None:
    card = toys.card("embedder")
    run = audited(crowd, detect=toys.card("detector"), embed=card, threshold=[0.5], by="gender", flip=True)
    run.faces.to_parquet(tmp_path / "faces.parquet")
    plain = examine(card, crowd, options(toys, people=30, flip=True))
    given = examine(
        card, crowd, Options(points=tmp_path / "faces.parquet", people=30, workers=1, flip=True, timeout_s=None)
    )
    assert given.detector == "points"
    assert [one.value for one in given.evaluation.settings] == [one.value for one in plain.evaluation.settings]
    run.faces.drop(columns=["x1", "y1", "x2", "y2"]).to_parquet(tmp_path / "faces.parquet")
    boxless = examine(card, crowd, Options(points=tmp_path / "faces.parquet", people=30, workers=1, timeout_s=None))
    assert all(one.variant.box_margin is None for one in boxless.evaluation.settings)
    with pytest.raises(ModelError, match="--flip adds the embedding of the mirror image"):
        examine(toys.card("classifier"), crowd, options(toys, flip=True))
