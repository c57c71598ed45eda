"""What is fuzzed: each parser of something from outside, files it accepts as seeds, and what it may raise.

A finding is any exception that is not facegap's own, and any input that takes longer than an input may.
`python tests/fuzz/run.py TARGET [options of libFuzzer]` fuzzes one of them with atheris.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.settings import margin_parts
from facegap.errors import FacegapError
from facegap.gate.policy import read_policy
from facegap.groups.annotations import read_annotations
from facegap.inputs.cards.read import cards_folder, read_card
from facegap.inputs.images.headers import HeaderError, read_header
from facegap.inputs.lfw_pairs import is_lfw, read_lfw
from facegap.inputs.manifests.labels import age_interval
from facegap.inputs.manifests.read import read_manifest
from facegap.inputs.manifests.where import select_rows
from facegap.inputs.predictions import read_predictions
from facegap.inputs.protocols.agedb import FILE as MAT
from facegap.inputs.protocols.agedb import agedb30
from facegap.inputs.protocols.bins import bin_listing
from facegap.inputs.scores.enrolment import read_enrolments
from facegap.inputs.scores.read import read_scores
from facegap.runtime.model_files import require_sound
from facegap.selfcheck.worlds_file import read_study
from facegap.store.record import parse_record
from facegap.vision.service.answers import read_call
from facegap.vision.service.redaction import without_key
from facegap.vision.service.wire import retry_after

KEY = "k3y-of-nobody"
FRAME = pd.DataFrame({"age": ["20-29", "3-9"], "race": ["a", "b"], "year": ["2015", "2024"]})


@dataclass(frozen=True)
class Target:
    """One parser.

    parse   : called with the bytes
    seeds   : inputs that it accepts, or nearly
    refusal : what it raises for what it refuses
    """

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refusal: tuple[type[Exception], ...] = (FacegapError,)

    def __call__(self, data: bytes) -> None:
        """Parse, and let a refusal pass."""
        with contextlib.suppress(*self.refusal):
            self.parse(data)


def in_a_file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A parser of files as one of bytes."""
    folder = Path(tempfile.mkdtemp(prefix="facegap-fuzz-"))

    def parse(data: bytes) -> object:
        path = folder / name
        path.write_bytes(data)
        return read(path)

    return parse


def of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of text as one of bytes."""
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def cards() -> tuple[bytes, ...]:
    """The project's own cards."""
    return tuple(path.read_bytes() for path in sorted(cards_folder().glob("*/*.toml"))[:12])


def models() -> tuple[bytes, ...]:
    """The small models that come with the project, and one made here."""
    import onnx
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in ("x", "y")]
    then = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "then", [], [ports[1]])
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("If", ["c"], ["z"], then_branch=then, else_branch=then),
    ]
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, (1,), [1.0]),
        helper.make_tensor("i", TensorProto.INT64, (1,), [0]),
        (3,),
    )
    nodes.append(helper.make_node("Constant", [], ["s"], sparse_value=sparse))
    made = helper.make_model(helper.make_graph(nodes, "toy", ports[:1], ports[1:]))
    assert isinstance(made, onnx.ModelProto)
    shipped = sorted(cards_folder().glob("demo/*.onnx"), key=lambda path: path.stat().st_size)[:1]
    return (made.SerializeToString(), *(path.read_bytes() for path in shipped))


def pictures() -> tuple[bytes, ...]:
    """Headers of every format."""
    import cv2

    pixels = np.zeros((8, 9, 3), np.uint8)
    encoded = [cv2.imencode(ending, pixels)[1].tobytes() for ending in (".jpg", ".png", ".webp", ".bmp", ".tiff")]
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
    return (*encoded, bomb)


def record() -> bytes:
    """A run.json."""
    from fixtures.records import made_record

    return json.dumps(made_record().to_json()).encode()


def pickled() -> tuple[bytes, ...]:
    """Pairs of images as .bin files: bytes and arrays, of old and new pickles."""
    images = [b"\xff\xd8\xff" + bytes([k]) for k in range(4)]
    arrays = [np.frombuffer(image, np.uint8).copy() for image in images]
    return tuple(
        pickle.dumps((held, [True, False]), protocol=protocol)
        for protocol in (0, 2, 3, 4, 5)
        for held in (images, arrays)
    )


def matlab() -> tuple[bytes, ...]:
    """A protocol of two pairs as a .mat file, packed and not."""
    from scipy.io import savemat

    pairs = np.empty((2, 2), object)
    names = ("Ann_0_Ann_20_f", "Bob_1_Bob_20_m", "Ann_2_Ann_50_f", "Cy_3_Cy_50_m")
    for place, name in zip(np.ndindex(2, 2), names, strict=True):
        pairs[place] = {"name": name, "age": 20 + 30 * place[0]}
    splits = np.empty((1, 1), object)
    splits[0, 0] = {"pairs": pairs, "labels": np.array([[1, -1]])}
    files = [io.BytesIO(), io.BytesIO()]
    for packed, file in enumerate(files):
        savemat(file, {"splits": splits}, do_compression=bool(packed))
    return tuple(file.getvalue() for file in files)


CALL: dict[str, Any] = {
    "row": 1,
    "attempt": 1,
    "asked": True,
    "status": 200,
    "error": "",
    "body": '{"gender": "female"}',
}
MANIFEST = b'image,subject,gender,age\na.png,ada,female,20-29\nb.png,"bo\nb",male,30\n'
POLICY = b'version = 1\nname = "release"\n[[gap]]\nmetric = "fta"\nmax_difference = 0.1\n[[rate]]\nmetric = "fnmr"\nmax = 0.02\n'
WORLDS = b"[[coverage]]\nsubjects = [40]\nimages = 3\nrate = 0.1\ncorrelation = 0.1\n"

TARGETS: Mapping[str, Target] = {
    "card": Target(in_a_file(read_card, "card.toml"), cards()),
    "manifest": Target(in_a_file(read_manifest, "people.csv"), (MANIFEST, MANIFEST.replace(b",", b";"))),
    "predictions": Target(
        in_a_file(read_predictions, "answers.csv"), (b"image,prediction,probability\na.png,female,0.9\n",)
    ),
    "match log": Target(
        in_a_file(lambda path: read_scores(path, frte=True), "match.log"),
        (
            b"enrollTempl verifTempl simScore returnCode\na b 0.5 0\na c -1 2\n",
            b"returnCode\tsimScore\tverifTempl\tenrollTempl\r\n0\t0.5\ta\tb\r\n",
        ),
    ),
    "enrolment log": Target(
        in_a_file(lambda path: read_enrolments([path]), "enrol.log"),
        (
            b"id image templateSizeBytes returnCode isLeftEyeAssigned isRightEyeAssigned xleft yleft xright yright quality\n"
            b"1 a.jpg 2048 0 1 1 10 10 30 10 80.5\n2 b.jpg 0 3 0 0 0 0 0 0 -1\n",
            b"id image templateSizeBytes returnCode\n1 a.jpg 2048 0\n",
        ),
    ),
    "scores": Target(
        in_a_file(read_scores, "scores.csv"),
        (b"left,right,score\na.png,b.png,0.5\n", b"probe,reference,score,mated\na,b,1e-3,1\n"),
    ),
    "annotations": Target(
        in_a_file(read_annotations, "annotations.csv"),
        (b"image,annotator,scale,value,skipped,at\na.png,Ada,monk,3,,2026-01-01T00:00:00+00:00\n",),
    ),
    "lfw_pairs": Target(
        in_a_file(lambda path: is_lfw(path) and read_lfw(path), "pairs.txt"), (b"1\t1\nAda\t1\t2\nAda\t1\tBea\t3\n",)
    ),
    "bin": Target(in_a_file(bin_listing, "pairs.bin"), pickled()),
    "mat": Target(in_a_file(lambda path: agedb30(path.parent), MAT), matlab()),
    "policy": Target(in_a_file(read_policy, "policy.toml"), (POLICY,)),
    "worlds": Target(in_a_file(lambda path: read_study(path, quick=True), "worlds.toml"), (WORLDS,)),
    "where": Target(
        of_text(lambda text: select_rows(FRAME, text)),
        (b"age not in ('0-2','3-9') and race == \"a\"", b"`year` >= 2015 or not (race != 'b')"),
    ),
    "ages": Target(of_text(age_interval), (b"20-29", b"more than 70", b"18.5")),
    "margin": Target(of_text(margin_parts), (b"fnmr=x2", b"fta=0.02")),
    "retry_after": Target(of_text(retry_after), (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT"), ()),
    "record": Target(of_text(lambda text: parse_record(text, "run.json")), (record(),)),
    "answer": Target(in_a_file(read_call, "0000001-01.json"), (json.dumps(CALL).encode(),)),
    "redaction": Target(
        lambda data: without_key(data, KEY), (b'{"you sent": "k3y\\u002dof-nobody"}', b"a3N5LW9mLW5vYm9keQ=="), ()
    ),
    "header": Target(read_header, pictures(), (HeaderError,)),
    "model": Target(lambda data: require_sound(data, "toy.onnx"), models()),
}
