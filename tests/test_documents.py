"""README and docs hold: every command is one that facegap accepts, and what can run offline on illustrated people runs."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facegap.annotate.serve import import_annotations
from facegap.audit.run import audit
from facegap.audit.settings import settings_from
from facegap.demo.run import card, draw_people
from facegap.gate.policy import read_policy
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import Outputs
from facegap.inputs.predictions import read_predictions
from facegap.inputs.records import read_records
from facegap.report.figures import FIGURES
from facegap.selfcheck.worlds_file import read_study
from facegap.store.run import read_run
from facegap.suite.settings import read_suite
from facegap.tone.measure import measure_manifest
from fixtures.command_lines import Call, commands, require_accepted
from fixtures.documents import ROOT, SHELLS, Block, blocks, commands_of, documents, text_of
from fixtures.keys import write_key
from fixtures.protocol_trees import EACH, FOLDS, ijbc_tree, lfw_tree

PEOPLE = 48  # half of them set thresholds, and an FMR of 0.001 needs 1,000 impostor pairs: 46 people and more
RACES = ("Black", "East Asian", "White")
BLOCKS = blocks()
COMMANDS = [block for block in BLOCKS if block.language in (*SHELLS, "yaml")]
PYTHON = [block for block in BLOCKS if block.language == "python"]

# What a block of data is read by, by document and language.
READERS: Mapping[tuple[str, str], Callable[[Path], object]] = {
    ("docs/black_boxes.md", "toml"): read_card,
    ("docs/black_boxes.md", "csv"): read_predictions,
    ("docs/attributes.md", "toml"): lambda path: Outputs.model_validate(tomllib.loads(path.read_text())["outputs"]),
    ("docs/population.md", "csv"): read_records,
    ("docs/selfcheck.md", "toml"): lambda path: read_study(path, quick=True),
    ("docs/tutorial_choose_model.md", "toml"): read_policy,
    ("docs/tutorial_service.md", "toml"): read_card,
    ("docs/suites.md", "toml"): lambda path: read_suite(path, Path("out"), words={}),
    ("docs/extending.md", "toml"): lambda path: tomllib.loads(path.read_text()),  # tests/test_plugins.py installs it
}

# Programs other than facegap, and why no test calls them.
OTHER_PROGRAMS = {
    "python": "makes a virtual environment",
    "pip": "installs from the network",
    "pytest": "runs this suite",
    "export": "sets a variable of the shell",
    "openssl": "makes keys and verifies a seal; tests/authenticity does",
    "chmod": "of a key",
    "cd": "changes the folder",
    "grep": "of SHA256SUMS; tests/authenticity does it in Python",
    "sha256sum": "likewise",
}

# Commands that are only read by the command line, with the words they begin with, and why they are not run.
NOT_RUN = {
    ("stress",): "runs every image many times; tests/stress runs small ones",
    ("demo",): "takes a minute; tests/demo runs a small one",
    ("suite",): "needs several models and sets; tests/suite runs a small one",
    ("bench", "models"): "starts a process for each turn; tests/bench runs a few",
    ("variants",): "quantizes a model; tests/variants does with small graphs",
    ("selfcheck",): "takes a minute and more; tests/selfcheck runs small ones",
    ("explore",): "serves until it is stopped; tests/explore opens the page",
    ("plan", "--run"): "simulates for some ten seconds; tests/plan runs it",
    ("doctor", "unknown.onnx"): "needs twice as many people as there are here; tests/doctor/test_propose.py has them",
    ("doctor", "vendor.toml"): "asks a service; tests/doctor/test_service.py has one of its own",
    ("annotate",): "serves until it is stopped; tests/annotate opens the page",
}
# Options with which a command is only read.
NOT_RUN_WITH = {
    "--scheduler": "starts processes; tests/audit/test_on_cluster.py does",
    "--send-images": "sends images to a service; tests/vision/service has one of its own",
    "aligned": "needs crops of the model's size; tests/audit/test_models.py makes them",
    "--verify-service": "asks a service; tests/audit/test_by_service.py has one of its own",
    "--search-service": "asks a service; tests/audit/test_by_search.py has one of its own",
    "--points": "needs points of these images; tests/audit/test_models.py has them",
    "--quality-column": "needs OFIQ's measures of these images; tests/audit/test_quality.py has a file of them",
    "--output": "needs answers besides gender; tests/audit/test_outputs.py has them",
    "ediffiqa_tiny": "needs weights that are not here; tests/audit/test_quality_models.py has graphs in their place",
    "--age-limit": "needs estimates of age, which no model of the demo gives; tests/derive/ages has a file of them",
    "--enrolment-log": "needs the logs of NIST's driver; tests/inputs/scores/test_enrolment.py writes some",
    "--minors-share": "needs a run with an age check; tests/scenarios has rates of one",
    "--fpir": "needs more people than there are here; tests/audit/test_identify.py has them",
}

# Commands that a document shows because they are refused, and the words of the refusal.
REFUSED = {"audit people.csv --detect none --classify vendor.toml --out run": "Nothing was sent"}
EXIT_CODES = {"gate": {0, 1, 2}, "doctor": {0, 1}}  # else 0; gate says 2 where a run cannot tell
# Models that have to be downloaded give way to those of the demo, by what they are asked for.
MODEL_OF_OPTION = {"--detect": "demo_detector", "--embed": "demo_embedder_skewed", "--classify": "demo_gender_skewed"}
PLACES = {"MODELS": ".", "RUN": "run", "photographs": ".", "weights": "."}


def stood_in(words: Sequence[str]) -> list[str]:
    """Words of a command with the demo's models for those that it names, and its detector where it names none."""
    found = [PLACES.get(word, word) for word in words]
    for option, model in MODEL_OF_OPTION.items():
        for k in [k for k, word in enumerate(found[:-1]) if word == option and found[k + 1] != "none"]:
            found[k + 1] = found[k + 1] if Path(found[k + 1]).is_file() else model
    if found[0] == "doctor" and not Path(found[1]).is_file():
        found[1] = MODEL_OF_OPTION["--classify"]
    if found[0] in ("audit", "doctor", "tone") and "--detect" not in found:
        found += ["--detect", MODEL_OF_OPTION["--detect"]]
    return found


def why_not_run(words: Sequence[str]) -> str | None:
    """The reason for which a command is read only."""
    begins = next((why for start, why in NOT_RUN.items() if tuple(words[: len(start)]) == start), None)
    return begins or next((why for option, why in NOT_RUN_WITH.items() if option in words), None)


def facegap_calls(block: Block) -> list[list[str]]:
    """The words after facegap of every command of a block.

    Raises
    ------
    AssertionError : a program that OTHER_PROGRAMS does not know
    """
    found = []
    for line in block.command_lines:
        for words in commands_of(line):
            program = Path(words[0]).name
            assert program == "facegap" or program in OTHER_PROGRAMS, f"{block}: {line!r} calls neither"
            if program == "facegap":
                found.append(words[1:])
    return found


# ---- what stands there ----


def test_every_block_is_of_a_language_that_is_tested() -> None:
    untested = [
        f"{block} [{block.language}]"
        for block in BLOCKS
        if block not in COMMANDS and block not in PYTHON and (block.document, block.language) not in READERS
    ]
    assert not untested, "a block is bash, console, yaml or python, or has a reader in READERS"


def test_every_rule_that_keeps_a_command_from_running_is_needed() -> None:
    calls = [words for block in COMMANDS for words in facegap_calls(block)]
    for start in NOT_RUN:
        assert any(tuple(words[: len(start)]) == start for words in calls), start
    for option in NOT_RUN_WITH:
        assert any(option in words for words in calls), option
    programs = {
        Path(words[0]).name for block in COMMANDS for line in block.command_lines for words in commands_of(line)
    }
    assert programs == {"facegap", *OTHER_PROGRAMS}
    assert {(block.document, block.language) for block in BLOCKS} >= READERS.keys()


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_of_a_block_are_accepted(block: Block) -> None:
    calls = facegap_calls(block)
    assert calls or all(
        Path(words[0]).name in OTHER_PROGRAMS for line in block.command_lines for words in commands_of(line)
    )
    for words in calls:
        require_accepted(words)


@pytest.mark.parametrize("document", documents())
def test_commands_and_options_within_sentences_exist(document: str) -> None:
    known = commands()
    options = {
        name for command in known.values() for taken in command.params for name in (*taken.opts, *taken.secondary_opts)
    } | {"--help"}
    prose = re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`]+)`", prose):
        words = code.split()
        if words[0] == "facegap" and words[1:] not in ([], ["--help"]):
            starts = {path[:n] for path in known for n in (1, 2)}
            assert tuple(words[1:2]) in starts or tuple(words[1:3]) in starts, code
        if words[0] in ("facegap", *known) or words[0].startswith("--"):
            gone = {word.partition("=")[0] for word in words if word.startswith("--")} - options
            assert not gone, code


@pytest.mark.parametrize("document", documents())
def test_files_that_a_document_names_are_there(document: str) -> None:
    text, folder = text_of(document), (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        generated = document.startswith("docs/") and target.startswith("reference/")  # tests/test_site.py looks there
        assert generated or (folder / target).exists(), target
    for path in re.findall(r"`((?:src|tests|docs|benchmarks|models)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(("document", "language"), READERS)
def test_data_in_a_block_is_read_by_what_reads_such_files(document: str, language: str, tmp_path: Path) -> None:
    for block in BLOCKS:
        if (block.document, block.language) == (document, language):
            stem = tomllib.loads(block.text).get("name", "block") if language == "toml" else "block"
            path = tmp_path / f"{stem}.{language}"
            path.write_text(block.text, encoding="utf-8")
            assert READERS[document, language](path)


# Documents beside README and docs/: their commands are long benchmarks, or examples with "...", and are read, not run.
BESIDE = (
    "models/README.md",
    "benchmarks/README.md",
    "benchmarks/coverage.md",
    "datasets.md",
    ".github/CONTRIBUTING.md",
)


def lines_of_code(document: str) -> list[list[str]]:
    """The words of each line of facegap or python that stands in code, without what is said beside it."""
    found = re.findall(r"^(?: {4})?(?:\w+=\S+ )*((?:facegap|python) .*)$", text_of(document), re.MULTILINE)
    return [shlex.split(re.split(r"\s{2,}", line)[0], comments=True) for line in found]


@pytest.mark.parametrize("document", BESIDE)
def test_commands_of_other_documents_are_accepted_and_their_programs_are_there(document: str) -> None:
    for words in lines_of_code(document):
        if words[0] == "facegap" and "..." not in words:
            require_accepted(words[1:])
        elif words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file(), words


def test_other_documents_have_commands_to_read() -> None:
    assert len(lines_of_code("models/README.md")) >= 5
    assert len(lines_of_code("benchmarks/README.md")) >= 10


# ---- what runs ----


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documents suppose: illustrated people, two audits of them, measured and annotated tones."""
    folder = tmp_path_factory.mktemp("prepared")
    draw_people(folder, seed=5, people=PEOPLE, photographs=2, workers=1, step=lambda *told: None)
    people = pd.read_csv(folder / "people.csv", dtype=str)
    number = people["subject"].str[1:].astype(int)
    people["race"] = [RACES[k % len(RACES)] for k in number]
    people["age"] = "20-29"
    people["role"] = ["probe" if image.endswith("_1.jpg") else "gallery" for image in people["image"]]
    for name in ("people.csv", "labels.csv", "members.csv"):
        people.to_csv(folder / name, index=False)
    people.assign(photographer=[f"studio {k % 8}" for k in number]).to_csv(folder / "studios.csv", index=False)
    (folder / "shares.csv").write_text(next(block.text for block in BLOCKS if block.text.startswith("age,share")))
    ages = [("18-29", 24), ("30-59", 45), ("60+", 71)]
    survey = people.assign(age=[ages[k % 3][0] for k in number], years=[ages[k % 3][1] for k in number], w="1.5")
    survey.to_csv(folder / "survey.csv", index=False)
    spreadsheet = people[["image", "subject"]].assign(
        g=people["gender"].map({"female": "Frau", "male": "Mann"}), b="Büro"
    )
    spreadsheet.columns = pd.Index(["Datei", "Person", "Geschlecht", "Büro"])
    spreadsheet.to_csv(folder / "leute.csv", sep=";", encoding="cp1252", index=False)
    (folder / "docs").mkdir()
    for name in ("same_photo.csv", "docs/fairface_same_person.csv"):
        (folder / name).write_text("left,right\npeople/p0000_0.jpg,people/p0001_0.jpg\n")
    for version, name in (("skewed", "run"), ("balanced", "other-run")):
        chosen = {
            "detect": card("detector"),
            "classify": card(f"gender_{version}"),
            "embed": card(f"embedder_{version}"),
        }
        more = {"by": "gender,gender*race", "threshold": (0.41,), "workers": 1, "folder": folder / name}
        audit(folder / "people.csv", settings_from(chosen | more))
    annotated = [
        f"{image},{who},monk,{monk},,2026-01-01T00:00:00+00:00"
        for image, monk in people[["image", "monk"]].to_numpy()
        for who in ("Ada", "Bea")
    ]
    (folder / "annotations.csv").write_text("\n".join(["image,annotator,scale,value,skipped,at", *annotated]) + "\n")
    shutil.copy(ROOT / "docs" / "policy.toml", folder)
    lfw_tree(folder, people.head(2 * FOLDS * EACH), folder / "LFW")
    drawings = pd.read_csv(folder / "people.csv", dtype=str).head(20)
    ijbc_tree(folder, drawings, folder / "IJBC", read_run(folder / "run").faces)
    (folder / "vendor.toml").write_text(next(block.text for block in BLOCKS if 'backend = "http"' in block.text))
    (folder / "my_worlds.toml").write_text(next(block.text for block in BLOCKS if "[[coverage]]" in block.text))
    import_annotations(folder / "people.csv", folder / "annotations.csv", db=folder / "people.annotations.sqlite")
    measure_tones(folder)
    add_model(folder)
    write_key(folder / "auditor.pem", Ed25519PrivateKey.generate())
    return folder


def measure_tones(folder: Path) -> None:
    """tone.parquet of people.csv."""
    chosen = settings_from({"detect": card("detector"), "workers": 1})
    measure_manifest(folder / "people.csv", chosen, out=folder / "tone.parquet")


def add_model(folder: Path) -> None:
    """A model with a card beside it, model.toml."""
    path = Path(card("gender_skewed"))
    text = path.read_text(encoding="utf-8")
    (folder / "model.toml").write_text(text.replace(f'name = "{path.stem}"', 'name = "model"'), encoding="utf-8")
    shutil.copy(path.with_suffix(".onnx"), folder)


@pytest.fixture
def at_hand(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that as the working folder."""
    folder = tmp_path / "at_hand"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path / "findings"))
    monkeypatch.setenv("VENDOR_KEY", "a key of nobody")
    return folder


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without charts, which take most of the time; tests/report draws them."""
    monkeypatch.setattr("facegap.report.figures.figures_of", lambda run: {part: [] for part in FIGURES})


def written_by(words: Sequence[str]) -> Path:
    """What a command writes: the value of --out; an audit without it writes run."""
    named = [value for option, value in pairwise(words) if option == "--out"]
    return Path(named[0] if named else "run" if words[0].startswith("audit") else "nothing")


def as_read() -> list[Block]:
    """Blocks of commands; those of a tutorial as one, since a later block takes what an earlier one made."""
    found: dict[str, Block] = {}
    for block in COMMANDS:
        is_tutorial = block.document.startswith("docs/tutorial_") and block.document != ELSEWHERE
        name = block.document if is_tutorial else str(block)
        first = found.get(name)
        found[name] = block if first is None else replace(first, text=first.text + block.text)
    return [block for block in found.values() if block.document != ELSEWHERE]


ELSEWHERE = "docs/tutorial_service.md"  # tests/test_tutorial_service.py runs it against a service of its own
RUNNABLE = [block for block in as_read() if any(why_not_run(words) is None for words in facegap_calls(block))]


@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_commands_of_a_block_run_in_their_order_on_illustrated_people(
    block: Block, call: Call, at_hand: Path, no_charts: None
) -> None:
    calls = [words for words in facegap_calls(block) if why_not_run(words) is None]
    for written in map(written_by, calls):
        shutil.rmtree(written) if written.is_dir() else written.unlink(missing_ok=True)
    for words in calls:
        said = f"{block}: facegap {' '.join(words)}"
        code, _, problem = call(*stood_in(words))
        if shlex.join(words) in REFUSED:
            assert (code, REFUSED[shlex.join(words)] in problem) == (2, True), said
            continue
        assert code in EXIT_CODES.get(words[0], {0}), f"{said} ended with {code}: {problem}"
        assert "facegap: " not in problem, said
        assert written_by(words).exists() or written_by(words) == Path("nothing"), said


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_block_of_python_runs_on_illustrated_people(block: Block, at_hand: Path) -> None:
    names: dict[str, Any] = {}
    code = block.text.replace(
        'classify="faceapi_age_gender"', f'classify="{card("gender_skewed")}", detect="{card("detector")}"'
    )
    shutil.rmtree(at_hand / "run")
    (at_hand / "models").mkdir()
    exec(compile(code, str(block), "exec"), names)
    assert len(names) > 1
