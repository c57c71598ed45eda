"""The help that new users see first."""

from __future__ import annotations

import sys

import pytest
import typer
from typer.core import TyperGroup

from facegap.cli import COMMANDS, app
from facegap.cli.app import RESUMABLE, main
from facegap.runtime import version_of


def commands() -> dict[str, object]:
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_command_has_a_heading_and_a_sentence_of_help() -> None:
    for name, command in commands().items():
        assert getattr(command, "rich_help_panel", None) in COMMANDS, name
        assert (getattr(command, "help", None) or "").strip(), name


def test_the_help_lists_commands_in_the_order_of_the_table() -> None:
    group = typer.main.get_command(app)
    names = group.list_commands(None)  # type: ignore[arg-type, attr-defined]
    assert names == [name for commands in COMMANDS.values() for name in commands]
    assert names[0] == "demo"


@pytest.mark.parametrize("command", ["audit", "check", "selfcheck", "demo"])
def test_only_resumable_commands_mention_resume_after_an_interruption(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TyperGroup, "invoke", interrupted)  # below typer's own handling, which exits silently
    monkeypatch.setattr(sys, "argv", ["facegap", command])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    said = capsys.readouterr().err
    assert said.startswith("facegap: stopped")
    assert ("continue with --resume" in said) == (command in RESUMABLE)
    assert ("its folder is incomplete" in said) == (command == "demo")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        app(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"facegap {version_of('facegap')}\n"
