"""A real model behind a service on this machine: audits of its pairs and of its embeddings agree with an audit of the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.models import Loaded, load_models
from facegap.audit.settings import AuditSettings, Models
from facegap.inputs.images.decode import Unreadable, decode
from facegap.vision.look import Row, empty_record, look_at_picture
from facegap.vision.pipeline import embed_all
from fixtures.dialects import KEYS, Brain, CompreFaceGallery, DialectServer, Embedding, card_for, serving
from fixtures.settings import audited

pytestmark = pytest.mark.real

MODEL, PEOPLE = "face_reid_0095", 8


@pytest.fixture(scope="module")
def loaded(test_data: Path) -> Iterator[Loaded]:
    found = load_models(AuditSettings(embed=MODEL, models=Models(models_dir=(test_data / "models",))))
    yield found
    found.close()


@pytest.fixture
def brain(loaded: Loaded) -> Brain:
    """Output of the model for a portrait when run here."""

    def embedding(data: bytes) -> Embedding | None:
        picture = decode(data)
        assert not isinstance(picture, Unreadable)
        row = Row(empty_record(0, "sent", loaded.stages))
        look_at_picture(row, picture, loaded.stages)
        assert loaded.stages.embedder is not None
        found = embed_all([row], loaded.stages.embedder)
        return found[0].astype(np.float64) if len(found) else None

    return embedding


@pytest.fixture
def server(brain: Brain) -> Iterator[DialectServer]:
    with serving(brain) as running:
        yield running


@pytest.fixture
def portraits(test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two photographs of each of eight legislators, their genuine pairs, and all impostor pairs of their first photographs."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    congress = test_data / "data" / "congress"
    genuine = pd.read_csv(congress / "genuine_pairs.csv").groupby("gender").head(PEOPLE // 2)
    members = pd.read_csv(congress / "members.csv")
    chosen = members[members["image"].isin([*genuine["a"], *genuine["b"]])]
    chosen.to_csv(tmp_path / "people.csv", index=False)
    subjects = dict(zip(chosen["image"], chosen["subject"], strict=True))
    first = sorted(genuine["a"])
    others = [(a, b) for k, a in enumerate(first) for b in first[k + 1 :] if subjects[a] != subjects[b]]
    pairs = [*zip(genuine["a"], genuine["b"], strict=True), *others]
    pd.DataFrame(pairs, columns=["left", "right"]).to_csv(tmp_path / "pairs.csv", index=False)
    return {"images_dir": congress, "pairs": tmp_path / "pairs.csv", "threshold": 0.32, "by": None}


def local(tmp_path: Path, test_data: Path, given: dict[str, Any]) -> Any:
    return audited(tmp_path / "people.csv", embed=MODEL, models_dir=[test_data / "models"], **given)


def columns(run: Any) -> pd.DataFrame:
    return run.rates.drop(columns=["model", "threshold_from"])


def test_a_service_that_compares_is_audited_as_the_model_behind_it(
    portraits: dict[str, Any], server: DialectServer, test_data: Path, tmp_path: Path
) -> None:
    here = local(tmp_path, test_data, portraits)
    asked = {"send_images": True, "calls_per_second": 1000.0, "out": tmp_path / "run", **portraits}
    there = audited(
        tmp_path / "people.csv", verify_service=str(card_for("insightface_server_verify", server, tmp_path)), **asked
    )
    pd.testing.assert_frame_equal(there.matched.pairs[["left", "right"]], here.matched.pairs[["left", "right"]])
    np.testing.assert_allclose(there.matched.pairs["score"], here.matched.pairs["score"], rtol=0, atol=1e-12)
    pd.testing.assert_frame_equal(columns(there), columns(here))


def test_a_service_that_embeds_gives_the_templates_of_the_model_behind_it(
    portraits: dict[str, Any], server: DialectServer, test_data: Path, tmp_path: Path
) -> None:
    here = local(tmp_path, test_data, portraits)
    card = card_for("insightface_server_embed", server, tmp_path, **{"dimension = 512": "dimension = 256"})
    asked = {"send_images": True, "calls_per_second": 1000.0, "out": tmp_path / "run", **portraits}
    there = audited(tmp_path / "people.csv", embed=str(card), detect="none", **asked)
    np.testing.assert_array_equal(there.embeddings, here.embeddings)
    pd.testing.assert_frame_equal(columns(there), columns(here))


def test_a_service_that_searches_is_audited_as_the_model_behind_it(
    portraits: dict[str, Any], brain: Brain, test_data: Path, tmp_path: Path
) -> None:
    given = {"images_dir": portraits["images_dir"], "by": None, "non_mates": 0.25, "rank": (1, 3)}
    here = local(tmp_path, test_data, {**given, "threshold": 0.32, "identify": True})
    with serving(says=CompreFaceGallery(brain)) as server:
        asked = {"send_images": True, "calls_per_second": 1000.0, "out": tmp_path / "run", "threshold": 0.66}
        card = str(card_for("compreface_search", server, tmp_path))
        there = audited(tmp_path / "people.csv", search_service=card, **given, **asked)
        assert len(server.seen) == 2 * PEOPLE
    searches = columns(here)[columns(here)["metric"].isin(["fnir", "fpir"])].reset_index(drop=True)
    found = columns(there)[columns(there)["metric"].isin(["fnir", "fpir"])].reset_index(drop=True)
    different = ["threshold"]  # the service returns (1 + cosine) / 2
    pd.testing.assert_frame_equal(found.drop(columns=different), searches.drop(columns=different))
    assert here.searched is not None and there.searched is not None
    columns_of_lists = ["probe", "rank", "gallery"]
    pd.testing.assert_frame_equal(there.searched.lists[columns_of_lists], here.searched.lists[columns_of_lists])
    np.testing.assert_allclose(2 * there.searched.lists["score"] - 1, here.searched.lists["score"], atol=1e-6)
