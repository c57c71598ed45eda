"""`facegap annotate` before its page can be opened: its errors, and the face crop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.annotate.serve import face_crop
from facegap.cli.app import app
from facegap.errors import FacegapError, TableError
from facegap.web.serve import listening_socket


def run(*arguments: str) -> None:
    app(["annotate", *arguments], standalone_mode=False)


def test_a_public_host_is_rejected_without_tls(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEGAP_TOKEN", raising=False)
    monkeypatch.chdir(people.manifest.parent)
    with pytest.raises(
        FacegapError, match=r"--host 0\.0\.0\.0 makes these faces reachable for others.*--tls-cert and --tls-key.*SSH"
    ):
        run(str(people.manifest), "--host", "0.0.0.0")
    for half in ("--tls-cert", "--tls-key"):
        with pytest.raises(FacegapError, match="--tls-cert and --tls-key go together"):
            run(str(people.manifest), "--host", "0.0.0.0", half, "a.pem")
    with pytest.raises(FacegapError, match=r"--tls-cert a\.pem and --tls-key a\.pem: not a certificate with its key"):
        run(str(people.manifest), "--tls-cert", "a.pem", "--tls-key", "a.pem")
    monkeypatch.setenv("FACEGAP_TOKEN", "short")
    with pytest.raises(FacegapError, match="--token has fewer than 16"):
        run(str(people.manifest), "--host", "0.0.0.0", "--plain-http")
    assert not Path("people.annotations.sqlite").exists()


def test_a_taken_port_is_an_error_before_any_file_is_made(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(people.manifest.parent)
    with listening_socket("127.0.0.1", 0) as taken, pytest.raises(FacegapError, match="choose another --port"):
        run(str(people.manifest), "--port", str(taken.getsockname()[1]))
    assert not Path("people.annotations.sqlite").exists()


def test_an_invalid_manifest_and_an_empty_name_are_rejected(people: Any, tmp_path: Path) -> None:
    with pytest.raises(FacegapError, match="--annotator must be a name of 1 to 64 characters"):
        run(str(people.manifest), "--annotator", " ")
    other = tmp_path / "other.csv"
    other.write_text("image\n../../etc/passwd\n")
    with pytest.raises(TableError, match=r"other\.csv line 2, column image: .* lies outside"):
        run(str(other), "--db", str(tmp_path / "a.sqlite"))


def test_without_the_packages_of_the_page_the_extra_is_named(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(
        FacegapError, match=r"the web pages need uvicorn; install it with: pip install 'facegap\[web\]'"
    ):
        run(str(people.manifest))


def test_the_largest_face_is_cut_out_with_a_margin_and_a_picture_without_one_stays_whole(draw: Any, toys: Any) -> None:
    crop = face_crop(toys.card("detector"), ())
    assert crop is not None
    picture = draw(quadrants=(3,))  # a face of 24 pixels in the lower right of 64 x 64, from 36 to 60
    cut = crop(picture)
    assert cut.shape == (43, 43, 3)  # margin of 0.6 x 24 on one side, the edge of the picture on the other
    np.testing.assert_array_equal(cut, picture[21:, 21:])
    empty = np.zeros((64, 64, 3), np.uint8)
    assert crop(empty).shape == empty.shape
    assert face_crop("none", ()) is None
