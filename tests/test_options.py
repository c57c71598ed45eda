"""Options generated from settings: each has its name, heading, bounds and default, and is passed to its settings class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import click
import pytest
import typer
from typer.testing import CliRunner

from facegap.audit.settings import SETTING, AuditSettings, Identify, Verify, leaves, option_name
from facegap.cli import app
from facegap.options import Only, with_settings


def parameters(command: str) -> dict[str, Any]:
    """Every option of a command by its name."""
    found = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {option: parameter for parameter in found for option in parameter.opts}


def test_the_audit_has_an_option_for_every_setting_with_its_help_heading_and_bounds() -> None:
    options = parameters("audit")
    for _, one in leaves():
        known = one.metadata[SETTING]
        if not known.option:
            assert option_name(one) not in options
            continue
        option = options[option_name(one)]
        assert known.help[1:] in option.help, one.name
        assert (option.rich_help_panel or "") == known.heading, one.name
        bounded = getattr(option, "type", None)
        if isinstance(bounded, click.IntRange | click.FloatRange):
            assert (bounded.min, bounded.max) == (known.minimum, known.maximum), one.name


def test_a_switch_stands_before_the_options_that_it_switches_on() -> None:
    names = [name for name, option in parameters("audit").items() if option.rich_help_panel == "Identification (1:N)"]
    assert names == ["--identify", "--role-column", "--enrol", "--non-mates", "--rank", "--fpir"]


def run(*arguments: str, only: Only | None = None) -> tuple[Any, AuditSettings | None]:
    """The settings with which a command is called."""
    seen: list[AuditSettings] = []
    alone = typer.Typer()

    def command(settings: Annotated[AuditSettings, only or Only()], word: str = "x") -> None:
        seen.append(settings)

    command.__annotations__["settings"] = Annotated[AuditSettings, only or Only()]
    alone.command()(with_settings(command))
    result = CliRunner().invoke(alone, list(arguments))
    return result, seen[0] if seen else None


def test_without_options_every_setting_is_at_its_default_but_for_the_folder() -> None:
    result, chosen = run()
    assert result.exit_code == 0, result.output
    assert chosen is not None
    assert chosen.output.folder == Path("run")
    assert chosen.models == AuditSettings().models
    assert chosen.verify == Verify()
    assert chosen.identify is None


def test_options_arrive_in_their_settings() -> None:
    words = "--threshold 0.5 --threshold published --models-dir a --models-dir b --no-embeddings --identify --rank 3"
    _, chosen = run(*words.split(), "--by", "gender", "--workers", "3")
    assert chosen is not None
    assert chosen.verify == Verify(threshold=(0.5, "published"))
    assert chosen.models.models_dir == (Path("a"), Path("b"))
    assert (chosen.models.workers, chosen.by, chosen.output.keep_embeddings) == (3, "gender", False)
    assert chosen.identify == Identify(rank=3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rank 3", "takes effect with --identify only"),
        ("--enrol last", "takes effect with --identify only"),
        ("--fmr 0.1 --threshold 0.5", "give only one"),
        ("--threshold high", "'high' is neither a number nor 'published'"),
        ("--in-sample --threshold-on a.csv", "contradict"),
        ("--split 0.99", "0.95"),
        ("--many-faces all", "largest"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_runs(words: str, message: str) -> None:
    result, chosen = run(*words.split())
    assert (result.exit_code, chosen) == (2, None)
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_command_has_only_the_settings_it_names_and_may_explain_them_in_its_own_words() -> None:
    only = Only("faces", "seed", said={"seed": "Seed of this"})
    result, _ = run("--help", only=only)
    assert "Seed of this" in result.output
    assert "--min-face" in result.output
    assert "--fmr" not in result.output
    _, chosen = run("--seed", "4", only=only)
    assert chosen is not None
    assert chosen.verify.seed == 4
    with pytest.raises(AssertionError, match="no_such_setting"):
        Only("no_such_setting")
