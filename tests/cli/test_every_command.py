"""Every command: its help lists all options, its examples are valid, and errors are explained without a traceback."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from facegap.cli import COMMANDS, app
from fixtures.command_lines import Call, Words, commands, examples, require_accepted

EVERY = commands()
BOUNDARY = "[default:"  # text after this in a help text is not a sentence

# Errors of a user: the words after the command, and the parts of the message about place, fault and remedy.
MISTAKES: dict[str, list[tuple[str, list[str]]]] = {
    "demo": [("--out folder", ["folder: already exists", "choose another --out"])],
    "check": [
        ("no_image.csv", ["no_image.csv line 1: no column image", "rename photo to image"]),
        ("people.csv --by town", ["--by: the manifest has no label column 'town'; it has gender"]),
    ],
    "audit": [
        ("missing.csv --classify demo_gender_skewed", ["missing.csv: no such file", "give the path of a CSV"]),
        (
            "people.csv --classify no_such_model",
            ["'no_such_model': no model card with this name", "demo_gender_skewed"],
        ),
        ("people.csv --embed demo_embedder_skewed --fmr 2", ["--fmr"]),
        ("people.csv --clasify demo_gender_skewed", ["No such option: --clasify", "--classify"]),
        ("people.csv --classify demo_gender_skewed --shard 5/4", ["--shard 5/4", "such as 3/16"]),
    ],
    "protocol": [
        ("lfw --root folder --embed demo_embedder_skewed", ["folder: no file pairs.txt", "--root must be the folder"]),
        ("lfv --root folder", ["'lfv' is not one of 'lfw', 'calfw'"]),
        ("bin --root people.csv --embed demo_embedder_skewed", ["people.csv: refused: the pickle operation INST"]),
    ],
    "suite": [
        ("missing.toml", ["missing.toml: cannot be read"]),
        ("suite.toml", ["suite.toml line 3: [[set]] 1 (mine), key manifets: unknown; did you mean manifest?"]),
    ],
    "audit-predictions": [
        ("twice.csv people.csv", ["twice.csv line 3, column image: 'a.png' repeats line 2", "keep one prediction"]),
        ("twice.csv", ["Missing argument 'manifest'"]),
    ],
    "audit-scores": [("scores.csv", ["scores.csv line 3, column score: 'high' is not a number", "or nan where"])],
    "audit-embeddings": [
        ("templates.npy couples.csv --threshold 0.5", ["templates.npy", "3", "4"]),
        ("templates.npy people.csv", ["no subject has two images", "--impostors-only"]),
    ],
    "report": [
        ("folder", ["folder: not a run folder", "give a folder created by --out of an audit"]),
        ("folder --include-images", ["--include-images and --images FOLDER must be given together"]),
    ],
    "merge": [
        ("folder", ["folder: not a run folder", "give a folder created by --out of an audit"]),
        ("", ["Missing argument 'runs"]),
    ],
    "recheck": [
        ("folder", ["folder: not a run folder", "give a folder created by --out of an audit"]),
        ("folder --sample 5", ["--sample needs --images FOLDER"]),
    ],
    "forget": [("folder --subject ada", ["folder: not a run folder", "give a folder created by --out of an audit"])],
    "seal": [("folder --key no.pem", ["no.pem: cannot be read", "openssl genpkey"])],
    "compare": [
        ("folder", ["compare needs at least two runs"]),
        ("folder other-folder", ["folder: not a run folder", "give a folder created by --out of an audit"]),
    ],
    "gate": [
        ("folder --policy policy.toml", ["policy.toml: [[gap]] 1, key max_diference", "did you mean max_difference?"]),
        ("folder", ["Missing option '--policy'"]),
    ],
    "explain": [
        ("folder --covariates yaw", ["folder: not a run folder", "give a folder created by --out of an audit"]),
        ("folder --replicates 3", ["'--replicates'"]),
    ],
    "explore": [
        ("folder --port 0", ["folder: not a run folder", "give a folder created by --out of an audit"]),
        ("folder --port 70000", ["'--port'"]),
    ],
    "export": [("", ["give a run folder, or --schema"]), ("folder --format xml", ["'--format'", "model-card"])],
    "scenario": [
        ("unlok folder", ["'unlok' is not one of 'watchlist', 'unlock'"]),
        ("unlock folder --people-of female=half", ["--people-of: 'female=half' is not GROUP=SHARE", "female=0.25"]),
    ],
    "manifest": [("lfv folder", ["no adapter 'lfv'; choose one of ppb, fairface, lfw"])],
    "stress": [
        ("people.csv --classify mini_xception_gender --perturb fog", ["no such perturbation", "exposure, blur"]),
        ("people.csv --perturb blur", ["either a classifier with --classify", "--embed"]),
    ],
    "tone": [("people.csv --cut 100", ["'--cut'", "90"]), ("missing.csv", ["missing.csv: no such file"])],
    "annotate": [("people.csv --host 0.0.0.0", ["--host 0.0.0.0", "give --tls-cert and --tls-key", "--plain-http"])],
    "annotations export": [("people.csv", ["people.annotations.sqlite: no answers file", "--db"])],
    "annotations import": [("people.csv annotations.csv", ["annotations.csv line 2, column value", "1, 2, 3"])],
    "agreement": [
        ("annotations.csv", ["annotations.csv line 2, column value: not a label of monk; it has 1, 2, 3"]),
        ("annotations.csv --dispute-steps 0", ["'--dispute-steps'"]),
    ],
    "datasets": [("fairfce", ["fairfce: no such data set; choose one of ppb, fairface"])],
    "models": [("--models-dir nowhere", ["--models-dir: nowhere is not a readable folder"])],
    "fetch": [("yunett", ["yunett: no such card. detect: retinaface_mnet025"])],
    "card new": [("weights.onnx", ["weights.onnx: not an ONNX file", "fetch it again"])],
    "doctor": [
        ("demo_gender_skewed", ["Missing option '--manifest'"]),
        ("no_such_model --manifest people.csv", ["'no_such_model': no model card with this name"]),
    ],
    "variants": [
        ("demo_gender_skewed --out other-folder", ["Missing option '--calibrate-on'"]),
        ("demo_gender_skewed --calibrate-on people.csv --out .", ["not empty; choose another --out"]),
        (
            "yunet --calibrate-on people.csv --out new",
            ["yunet is a detector; variants can be created from models that embed"],
        ),
    ],
    "plan": [
        ("", ["--groups", "such as --groups female,male", "--run"]),
        ("--run folder", ["folder: not a run folder", "give a folder created by --out of an audit"]),
    ],
    "selfcheck": [
        ("--worlds worlds.toml", ["worlds.toml: [[power]] 1, key subject: unknown; did you mean subjects?"]),
        ("--preset large", ["'--preset'", "'small', 'medium'"]),
    ],
    "reproduce": [
        ("gender-shade", ["'gender-shade' is not one of 'gender-shades', 'actionable-auditing', 'nist-2020'"])
    ],
    "bench matching": [("--rows 10", ["'--rows'", "64"])],
    "bench models": [
        ("no_such_model", ["'no_such_model': no model card with this name"]),
        ("demo_gender_skewed --batch 0", ["--batch '0': give whole numbers from 1 to 1,024"]),
        ("demo_gender_skewed --compare people.csv", ["people.csv: not a result of facegap bench models"]),
    ],
}


def names() -> list[str]:
    """Every command as it is typed."""
    return [" ".join(path) for path in EVERY]


def command_of(name: str) -> Any:
    return EVERY[tuple(name.split())]


@pytest.fixture
def mistaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with invalid files of a user, and a few valid ones."""
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "other-folder"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "templates.npy", np.eye(3, 4, dtype=np.float32))
    texts = {
        "people.csv": "image,subject,gender\na.png,ada,female\nb.png,bob,male\nc.png,cyd,male\n",
        "couples.csv": "image,subject,gender\na.png,ada,female\nb.png,ada,female\nc.png,bob,male\nd.png,bob,male\n",
        "no_image.csv": "photo,gender\na.png,female\n",
        "twice.csv": "image,prediction\na.png,female\na.png,male\n",
        "scores.csv": "left,right,score\na.png,b.png,0.5\na.png,c.png,high\n",
        "policy.toml": 'version = 1\n[[gap]]\nmetric = "fta"\nmax_diference = 0.1\n',
        "annotations.csv": "image,annotator,scale,value,skipped,at\na.png,Ada,monk,11,,2026-01-01T00:00:00+00:00\n",
        "weights.onnx": "no graph",
        "suite.toml": 'by = "gender"\n[[set]]\nmanifets = "people.csv"\nname = "mine"\n',
        "worlds.toml": 'title = "Mine"\nworlds = 20\n[[power]]\nkind = "impostor"\nsubject = [3]\n',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_table_of_commands_and_this_file_name_the_same_commands() -> None:
    first_words = {path[0] for path in EVERY}
    assert first_words == {name for heading in COMMANDS.values() for name in heading}
    assert set(MISTAKES) == set(names()), "a command without a mistake here, or one that is gone"
    assert all(MISTAKES.values())


@pytest.mark.parametrize("name", names())
def test_help_exits_with_0_and_lists_all_options(name: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "typer.rich_utils.MAX_WIDTH", 400
    )  # so that no option is truncated; read from the environment only at import
    code, said, problem = call(*name.split(), "--help")
    assert (code, problem) == (0, "")
    assert (command_of(name).help or "").splitlines()[0] in said
    for taken in command_of(name).params:
        longest = max(taken.opts, key=len) if taken.param_type_name == "option" else taken.name
        assert longest in said, longest
        sentence = (
            (taken.help or "").partition(BOUNDARY)[0].replace("`", "")
        )  # Markdown: code is shown without backticks
        assert sentence.strip(), f"{longest} has no help"
        assert " ".join(sentence.split()) in said, longest


@pytest.mark.parametrize("name", names())
def test_every_command_has_an_example_that_its_own_parser_accepts(name: str) -> None:
    shown = examples(command_of(name))
    assert any(line.startswith(f"facegap {name}") for line in shown), "no example in its help"
    for line in shown:
        require_accepted(shlex.split(line)[1:])


def test_the_first_steps_in_the_help_of_facegap_itself_are_accepted(call: Call) -> None:
    code, said, _ = call("--help")
    steps = examples(typer.main.get_command(app))
    assert code == 0
    assert [line.split()[1] for line in steps] == ["demo", "check", "audit"]
    for line in steps:
        assert line in said
        require_accepted(shlex.split(line)[1:])


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [(name, words, said) for name, mistakes in MISTAKES.items() for words, said in mistakes],
)
def test_an_error_exits_with_2_and_names_the_place_and_the_remedy(
    name: str, words: str, said: Sequence[str], call: Call, mistaken: Path
) -> None:
    before = sorted(mistaken.rglob("*"))
    code, _, problem = call(*name.split(), *shlex.split(words))
    assert code == 2
    for part in said:
        assert part in problem
    assert "Traceback" not in problem
    assert sorted(mistaken.rglob("*")) == before, "a refused command left something behind"


@pytest.mark.parametrize("group", sorted({path[0] for path in EVERY if len(path) > 1}))
def test_the_help_of_a_group_names_its_commands(group: str, call: Call) -> None:
    members = [path[1] for path in EVERY if path[0] == group]
    code, said, _ = call(group, "--help")
    assert code == 0
    assert all(member in said for member in members)


@pytest.mark.parametrize("words", [("audti", "people.csv"), ("annotations", "exprot"), ("card", "old")])
def test_an_unknown_command_is_refused_by_name(words: Words, call: Call) -> None:
    code, _, problem = call(*words)
    assert code == 2
    assert f"No such command '{words[0] if words[0] == 'audti' else words[1]}'" in problem


def test_an_example_with_a_removed_option_is_found() -> None:
    with pytest.raises(AssertionError, match=r"No such option: --vertify"):
        require_accepted(["audit", "people.csv", "--vertify"])
    with pytest.raises(AssertionError, match="give only one"):
        require_accepted(["audit", "people.csv", "--fmr", "0.1", "--threshold", "0.5"])
    with pytest.raises(AssertionError, match="no command: facegap audti"):
        require_accepted(["audti"])
