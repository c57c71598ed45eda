"""A compiled module truncated by a full disk: a sentence that names the file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from facegap.cli.app import main

app = sys.modules[main.__module__]  # the application in the module has the same name


def test_a_truncated_compiled_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "cut_off_here.py"
    source.write_text("x = [" + "1, " * 1000 + "]")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.import_module("cut_off_here")
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.write_bytes(compiled.read_bytes()[:40])
    del sys.modules["cut_off_here"]
    monkeypatch.setattr(app, "end_soon", lambda said: None)
    monkeypatch.setattr(app, "end_at_once", lambda: None)
    monkeypatch.setattr(sys, "argv", ["facegap", "models"])
    monkeypatch.setattr(app.Commands, "get_command", lambda *_: importlib.import_module("cut_off_here"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"facegap: {compiled}: this compiled module is truncated; delete the file\n"
