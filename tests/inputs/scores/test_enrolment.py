"""NIST's driver logs: what every line ends in, by hand; hostile files by line and column; an audit end to end."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from facegap.audit.run import recheck
from facegap.errors import SettingError, TableError
from facegap.inputs.scores.enrolment import by_images, read_enrolments
from facegap.inputs.scores.read import ScoreList, read_scores
from fixtures.settings import audit_scores

MATCH = """enrollTempl verifTempl simScore returnCode
a1.enroll.template a2.verif.template 0.91 0
a1.enroll.template b2.verif.template 0.22 0
b1.enroll.template a2.verif.template -1 2
b1.enroll.template b2.verif.template nan 4
c1.enroll.template a2.verif.template 0.11 0
a1.enroll.template c2.verif.template 0.15 0
"""
HEAD = "id image templateSizeBytes returnCode isLeftEyeAssigned isRightEyeAssigned xleft yleft xright yright quality\n"
ENROL = HEAD + "".join(
    f"{name}1.enroll img/{name}1.jpg 2048 0 1 1 10 10 30 10 {quality}\n"
    for name, quality in (("a", 80), ("b", 40.5), ("c", -1))
)
VERIF = HEAD + (
    "a2.verif img/a2.jpg 2048 0 1 1 10 10 30 10 70\nb2.verif img/b2.jpg 2048 0 1 1 10 10 30 10 60\n"
    "c2.verif img/c2.jpg 0 3 0 0 0 0 0 0 -1\n"
)


def logs(folder: Path, match: str = MATCH, *enrolments: str) -> tuple[Path, list[Path]]:
    """The files of a driver's run."""
    (folder / "match.log").write_bytes(match.encode("utf-8", "surrogateescape"))
    paths = [folder / f"enrol{k}.log" for k in range(len(enrolments))]
    for path, text in zip(paths, enrolments, strict=True):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder / "match.log", paths


def read(folder: Path, match: str) -> ScoreList:
    return read_scores(logs(folder, match)[0], frte=True)


def test_a_return_code_is_a_failure_and_never_a_score(tmp_path: Path) -> None:
    found = read(tmp_path, MATCH)
    assert (found.layout, found.directed, found.named) == ("FRTE match log", True, "image")
    assert found.scores.tolist()[:2] == [0.91, 0.22] and np.isnan(found.scores[2:4]).all()
    assert found.codes is not None and found.codes.tolist() == [0, 0, 2, 4, 0, 0] and found.lost == 2
    assert found.names[found.left[0]] == "a2.verif.template"  # the probe is verified against the enrolled reference
    assert found.names[found.right[0]] == "a1.enroll.template"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(" ", "   "),
        lambda text: text.replace(" ", "\t"),
        lambda text: "\n" + text + "\n\n",
    ],
)
def test_line_ends_marks_and_blanks_change_nothing(tmp_path: Path, change: object) -> None:
    found, plain = read(tmp_path, change(MATCH)), read(tmp_path, MATCH)  # type: ignore[operator]
    assert found.names == plain.names and found.codes.tolist() == plain.codes.tolist()  # type: ignore[union-attr]
    np.testing.assert_array_equal(found.scores, plain.scores)


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    found = read(tmp_path, "returnCode simScore verifTempl enrollTempl\n0 0.5 p r\n")
    assert found.names[found.left[0]] == "p" and found.scores.tolist() == [0.5]


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("", "line 1: the file is empty"),
        ("a b 0.5 0\n", "line 1: no column enrollTempl"),
        ("enrollTempl verifTempl simScore\na b 0.5\n", "line 1: no column returnCode"),
        (MATCH.replace("simScore", "score"), "line 1: no column simScore"),
        (
            MATCH.replace("returnCode", "returnCode returnCode"),
            "line 1, column returnCode: unknown in a match log, or repeated; remove it",
        ),
        (MATCH.replace("0.91 0", "0.91 -1"), "line 2, column returnCode: '-1' is not a return code"),
        (MATCH.replace("0.91 0", "0.91 0.0"), "line 2, column returnCode"),
        (MATCH.replace("0.91 0", "0.91 12345"), "line 2, column returnCode"),
        (MATCH.replace("0.91 0", "0.91 \u0660"), "line 2, column returnCode"),
        (MATCH.replace("0.91 0", "nan 0"), "line 2, column simScore: 'nan' beside return code 0"),
        (MATCH.replace("0.91 0", "inf 0"), "line 2, column simScore"),
        (MATCH.replace("0.91 0", "1e400 0"), "line 2, column simScore"),
        (MATCH.replace("0.91 0", "1_0 0"), "line 2, column simScore"),
        (MATCH.replace("0.91 0", "0.91"), "line 2, column simScore: 3 cells where 4 are needed"),
        (MATCH.replace("0.91 0", "0.91 0 0"), "line 2, column returnCode: 5 cells"),
        (
            MATCH.replace("a2.verif.template 0.91", "a1.enroll.template 0.91"),
            "line 2, column enrollTempl: .* compared with itself",
        ),
        (MATCH.replace("a2.verif.template 0.91", "a\udcff 0.91"), "line 2, column verifTempl: not UTF-8"),
        ("enrollTempl verifTempl simScore returnCode\n", "no rows"),
    ],
)
def test_a_malformed_match_log_is_refused_by_line(tmp_path: Path, match: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(tmp_path, match)


def test_enrolments_by_hand(tmp_path: Path) -> None:
    _, paths = logs(tmp_path, MATCH, ENROL, VERIF)
    found = read_enrolments(paths)
    assert found.ids == ("a1.enroll", "b1.enroll", "c1.enroll", "a2.verif", "b2.verif", "c2.verif")
    assert found.failed.tolist() == [False] * 5 + [True]
    assert found.quality[:2].tolist() == [80.0, 40.5] and np.isnan(found.quality[[2, 5]]).all()
    joined = by_images(read(tmp_path, MATCH), found, "match.log")
    assert joined.failed_images == frozenset({"img/c2.jpg"})
    assert joined.listed.names[joined.listed.left[0]] == "img/a2.jpg"
    assert joined.by_template == 1 and np.isnan(joined.listed.scores[5])  # a score beside a template that failed


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "line 1: no templates"),
        (HEAD, "line 1: no templates"),
        (HEAD.replace("image ", ""), "line 1: no column image"),
        (
            HEAD.replace("quality", "quality quality"),
            "line 1, column 'quality': unknown in an enrolment log, or repeated; remove it",
        ),
        (HEAD.replace("xleft", "x_left"), "line 1, column 'x_left'"),
        (ENROL.replace("2048 0 1", "2048 -1 1"), "line 2, column returnCode: '-1' is not a return code"),
        (ENROL.replace("2048 0 1", "-5 0 1"), "line 2, column templateSizeBytes"),
        (ENROL.replace("2048 0 1", "1e9 0 1"), "line 2, column templateSizeBytes"),
        (ENROL.replace(" 80", " nan"), "line 2, column quality: 'nan' is not a finite number"),
        (ENROL.replace(" 80", " inf"), "line 2, column quality"),
        (ENROL.replace(" 80", ""), "line 2: 10 cells where 11 are needed"),
        (ENROL.replace("b1.enroll", "a1.enroll"), "line 3, column id: 'a1.enroll' repeats enrol0.log line 2"),
        (ENROL.replace("img/a1.jpg", "img/\udcff.jpg"), "line 2, column image: .*not UTF-8"),
        (ENROL.replace("img/a1.jpg", "x" * 5000), "line 2, column image: longer than"),
    ],
)
def test_a_malformed_enrolment_log_is_refused_by_line(tmp_path: Path, log: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read_enrolments(logs(tmp_path, MATCH, log)[1])


def test_a_template_without_a_line_and_an_image_against_itself_are_refused(tmp_path: Path) -> None:
    match, paths = logs(tmp_path, MATCH, ENROL, VERIF)
    with pytest.raises(TableError, match=r"'a2\.verif\.template' has no line in enrol0\.log"):
        by_images(read_scores(match), read_enrolments(paths[:1]), "match.log")
    same = VERIF.replace("img/a2.jpg", "./img/a1.jpg")
    with pytest.raises(TableError, match=r"row 1 of the scores compares two templates of 'img/a1\.jpg'"):
        by_images(read_scores(match), read_enrolments(logs(tmp_path, MATCH, ENROL, same)[1]), "match.log")


def crowd(folder: Path, people: int = 60) -> tuple[Path, list[Path], Path]:
    """A driver's run of some people with two images each: every probe against every reference; probes 3 and 5 have no template."""
    rng = np.random.default_rng(0)
    manifest, texts, match = ["image,subject,gender"], [[HEAD.strip()], [HEAD.strip()]], [MATCH.split("\n")[0]]
    for s in range(people):
        for j, kind in enumerate(("enroll", "verif")):
            failed = j == 1 and s in (3, 5)
            manifest.append(f"img/{s}_{j}.jpg,S{s},{'female' if s % 2 else 'male'}")
            quality = -1 if failed else f"{rng.uniform(10, 90):.2f}"
            texts[j].append(
                f"{s}.{kind} img/{s}_{j}.jpg {0 if failed else 99} {2 if failed else 0} 1 1 1 1 2 1 {quality}"
            )
        for t in range(people):
            score = (0.8 if s == t else 0.2) + 0.1 * rng.normal()
            match.append(f"{s}.enroll.template {t}.verif.template {score if t != 3 else -1:.4f} {2 if t == 3 else 0}")
    manifest.append("img/never.jpg,X,male")
    path, paths = logs(folder, "\n".join(match) + "\n", *("\n".join(lines) + "\n" for lines in texts))
    (folder / "people.csv").write_text("\n".join(manifest) + "\n")
    return path, paths, folder / "people.csv"


def test_an_audit_counts_every_line_and_every_template(tmp_path: Path) -> None:
    match, paths, people = crowd(tmp_path)
    run = audit_scores(
        match,
        people,
        by="gender",
        verify={"format": "frte", "enrolment_log": paths, "threshold": 0.5},
        out=tmp_path / "run",
    )
    rates = run.rates.set_index(["metric", "gender", "other_gender"])
    assert tuple(rates.loc[("fta", "any", ""), ["errors", "trials"]]) == (2, 120)
    assert tuple(rates.loc[("fta", "female", ""), ["errors", "trials"]]) == (2, 60)
    assert rates.loc[("fnmr", "any", ""), "trials"] == 58 and rates.loc[("gfrr", "any", ""), "trials"] == 60
    assert rates.loc[("fmr", "any", ""), "trials"] == 60 * 59 - 2 * 59
    said = next(note for note in run.record.warnings if "match log" in note)
    assert (
        "of 3,600 comparisons of the match log 3,480 have a score, 60 failed with return code 2, 60 have return code 0"
        in said
    )
    assert any("1 of 121 images of the manifest have no line" in note for note in run.record.warnings)
    assert run.faces["outcome"].value_counts().to_dict() == {"ok": 118, "no_template": 2}
    assert int(run.faces["given_quality"].notna().sum()) == 118
    assert run.extra["quality_gate.csv"].loc[0, "without_quality"] == 2
    recheck(tmp_path / "run")


def test_logs_without_quality_have_no_gate_and_other_commands_take_no_logs(tmp_path: Path) -> None:
    match, paths, people = crowd(tmp_path)
    for path in paths:
        lines = [line.rsplit(" ", 1)[0] for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    run = audit_scores(match, people, by="gender", verify={"enrolment_log": paths, "threshold": 0.5})
    assert "quality_gate.csv" not in run.extra and math.isnan(run.faces["given_quality"].iloc[0])
    import facegap as fg

    with pytest.raises(SettingError, match="--enrolment-log: for files of scores only"):
        fg.audit(people, embed="mobileface_v2", verify={"enrolment_log": paths})
