"""Files of scores become arrays with every row kept, or are refused with file, line, column and cure."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.scores import read as scores_file
from facegap.inputs.scores.layouts import layout_of
from facegap.inputs.scores.read import ScoreList, read_scores
from facegap.inputs.scores.rows import read_by_row


def write(folder: Path, text: str | bytes, name: str = "scores") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes) -> ScoreList:
    return read_scores(write(folder, text))


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(TableError) as caught:
        read(folder, text)
    return str(caught.value)


def rows(found: ScoreList) -> list[tuple[str, str, int, float]]:
    def name(code: int) -> str:
        return found.names[code] if code >= 0 else ""

    return [
        (name(left), name(right), kind, score)
        for left, right, kind, score in zip(
            found.left.tolist(), found.right.tolist(), found.genuine.tolist(), found.scores.tolist(), strict=True
        )
    ]


# ---- by hand ----


def test_four_columns_of_bob_by_hand(tmp_path: Path) -> None:
    found = read(tmp_path, "ann ann probe_1 0.75\nann bob probe_2 -0.5\nbob ann probe_1 nan\n")
    assert found.names == ("ann", "bob")
    assert (found.named, found.layout, len(found), found.lost) == ("subject", "four columns", 3, 1)
    assert found.left.tolist() == [0, 0, 1]
    assert found.right.tolist() == [0, 1, 0]
    assert found.genuine.tolist() == [1, 0, 0]
    assert found.scores[:2].tolist() == [0.75, -0.5]
    assert math.isnan(found.scores[2])
    assert (found.left.dtype, found.genuine.dtype, found.scores.dtype) == (np.int32, np.int8, np.float64)
    assert len(found.sha256) == 64


def test_five_columns_of_bob_name_the_claimed_and_the_real_subject(tmp_path: Path) -> None:
    found = read(tmp_path, "ann ann_model bob probe_2 -0.5\nbob bob_model bob probe_2 0.5\n")
    assert rows(found) == [("ann", "bob", 0, -0.5), ("bob", "bob", 1, 0.5)]


def test_two_columns_of_bob_say_who_is_genuine_and_name_nobody(tmp_path: Path) -> None:
    found = read(tmp_path, "-1 0.1\n1 0.9\n1.000000000000000000e+00 8.5e-01\n")
    assert rows(found) == [("", "", 0, 0.1), ("", "", 1, 0.9), ("", "", 1, 0.85)]
    assert (found.named, found.names) == ("nobody", ())


def test_the_csv_of_bob_is_read_by_its_subjects_whatever_else_it_holds(tmp_path: Path) -> None:
    header = "probe_template_id,probe_subject_id,probe_key,bio_ref_template_id,bio_ref_subject_id,score\n"
    found = read(tmp_path, header + "t1,ann,k,r1,bob,0.25\nt2,bob,k,r1,bob,\n")
    assert found.layout == "bob CSV"
    assert rows(found)[0] == ("bob", "ann", 0, 0.25)
    assert found.genuine.tolist() == [0, 1]
    assert found.lost == 1


def test_a_plain_csv_names_images_and_leaves_open_who_is_genuine(tmp_path: Path) -> None:
    found = read(tmp_path, "left,right,score\na.jpg,b.jpg,0.5\nc.jpg,a.jpg,0.25\n")
    assert rows(found) == [("a.jpg", "b.jpg", -1, 0.5), ("c.jpg", "a.jpg", -1, 0.25)]
    assert found.named == "image"


def test_a_plain_csv_may_say_who_is_genuine_in_any_order_of_columns(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffscore, genuine ,right,left\r\n0.5,yes,b,a\r\n0.25,0,c,a\r\n")
    assert rows(found) == [("a", "b", 1, 0.5), ("a", "c", 0, 0.25)]


@pytest.mark.parametrize("header", ["score,genuine", "genuine,score"])
def test_a_csv_of_two_columns_goes_by_its_header(tmp_path: Path, header: str) -> None:
    row = ",".join({"score": "0.5", "genuine": "impostor"}[name] for name in header.split(","))
    assert rows(read(tmp_path, f"{header}\n{row}\n")) == [("", "", 0, 0.5)]


def test_fifty_four_lost_scores_of_a_thousand_are_kept_and_counted(tmp_path: Path) -> None:
    text = "".join(f"{1 if k % 2 else -1} {'nan' if k < 54 else k / 1000}\n" for k in range(1000))
    found = read(tmp_path, text)
    assert (len(found), found.lost) == (1000, 54)
    assert found.genuine[np.isnan(found.scores)].sum() == 27


def test_rows_that_are_only_written_unusually_are_taken(tmp_path: Path) -> None:
    found = read(tmp_path, "ann  ann   probe_1  +0.75\n\n\tbob ann probe_2 -.5  \n")
    assert rows(found) == [("ann", "ann", 1, 0.75), ("bob", "ann", 0, -0.5)]


def test_names_with_blanks_commas_and_quotes_stand_in_quotes(tmp_path: Path) -> None:
    found = read(tmp_path, 'left,right,score\n"a, b.jpg","say ""x""",1\n"two\nlines",c,2\n')
    assert found.names == ("a, b.jpg", "c", 'say "x"', "two\nlines")


def test_a_person_called_nan_is_a_person(tmp_path: Path) -> None:
    found = read(tmp_path, "nan ann p 0.5\n")
    assert rows(found) == [("nan", "ann", 0, 0.5)]


# ---- refusals ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ann ann p 0.5\nann bob p high\n", "scores line 2, column score: 'high' is not a number"),
        ("ann ann p 0.5\nann bob p inf\n", "scores line 2, column score: 'inf' is not finite"),
        ("ann ann p 0.5\nann bob p -1e308\n", "scores line 2, column score: '-1e308' is larger than 1e+100"),
        ("ann ann p 0.5\nann bob p 1_0\n", "scores line 2, column score: '1_0' is not a number"),
        ("ann ann p 0.5\n\nann bob 0.5\n", "scores line 3, column test_label: 3 cells where 4 are needed"),
        ("ann ann p 0.5\nann bob p 0.5 x\n", "scores line 2, column score: 5 cells where 4 are needed"),
        ("1 0.5\n2 0.5\n", "scores line 2, column genuine: '2' is neither 1 (genuine) nor 0 or -1 (impostor)"),
        ("a b c\n", "scores line 1: 3 cells; a score file has two"),
        ("left;right;score\n", "separated by semicolons; save the file with commas"),
        (
            "left,right\na,b\n",
            "a header with left, right, score (and genuine), with probe, reference, score, with genuine, score, or with",
        ),
        ("1,0.5\n", "a header with left, right, score"),
        ("left,right,score,left\n", "column left: the name occurs more than once; rename or remove one"),
        ("left,right,score,tone\n", "column tone: not a column of a score file"),
        ("left,right,score\n", "scores line 2: no rows; add one row per comparison"),
        (
            "left,right,score\na,b,0.5\nc,,0.5\n",
            "scores line 3, column right: empty; name the image or subject that was compared",
        ),
        ("left,right,score\na,b,0.5\nc,c,0.5\n", "scores line 3, column right: 'c' is compared with itself"),
        ("left,right,score,genuine\na,b,0.5,1\na,c,.5,\n", "scores line 3, column genuine: '' is neither"),
        ('left,right,score\n"two\nlines",b,1\na,b,x\n', "scores line 4, column score: 'x'"),
        ('left,right,score\na,b,1\n"c,b,1\n', "look for a quote that is not closed"),
        (b"left,right,score\na,b,1\nJos\xe9,b,1\n", "scores line 3, column left: not UTF-8"),
        (b"ann bob p 1\nann Jos\xe9 p 1\n", "scores line 2, column real_id: not UTF-8"),
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        (b"\xff\xfe1\0 \x002\0", "not a text file (compressed, a spreadsheet, UTF-16?)"),
        (b"\x1f\x8b123", "not a text file (compressed, a spreadsheet, UTF-16?)"),
    ],
)
def test_a_malformed_file_is_named_by_line_and_column_with_a_cure(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_presentation_attack_is_kept_apart_from_comparisons(tmp_path: Path) -> None:
    header = "bio_ref_subject_id,probe_subject_id,probe_attack_type,score\n"
    assert len(read(tmp_path, header + "a,a,,0.5\n")) == 1
    found = read(tmp_path, header + "a,a,,0.5\na,a,Silicone mask,0.7\nb,zz,print,\n")
    assert rows(found) == [("a", "a", 1, 0.5)]
    assert [(one.reference, one.species) for one in found.attacks] == [("a", "silicone_mask"), ("b", "print")]
    assert found.attacks[0].score == 0.7 and np.isnan(found.attacks[1].score)
    assert found.names == ("a", "b")  # the probe of an attack is nobody's face
    found = read(tmp_path, "probe,reference,score,attack\nx.jpg,y.jpg,0.5,\nmask3,y.jpg,0.9,mask\n")
    assert (found.attacks[0].reference, len(found)) == ("y.jpg", 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "a,a,3d <b>,0.5",
            "line 3, column probe_attack_type: '3d <b>' is not a valid name of an attack species",
        ),
        (",a,mask,0.5", "line 3, column bio_ref_subject_id: empty"),
        ("a,a,mask,high", "line 3, column score: 'high' is not a number"),
        ("a,a,mask", "line 3"),
    ],
)
def test_a_malformed_attack_is_named_by_line(tmp_path: Path, line: str, said: str) -> None:
    assert said in refused(tmp_path, f"bio_ref_subject_id,probe_subject_id,probe_attack_type,score\na,a,,0.5\n{line}\n")


def test_attacks_without_comparisons_and_too_many_species_are_refused(tmp_path: Path) -> None:
    header = "bio_ref_subject_id,probe_subject_id,probe_attack_type,score\n"
    assert "no rows" in refused(tmp_path, header + "a,a,mask,0.5\n")
    many = "".join(f"a,a,kind{k},0.5\n" for k in range(21))
    assert "more than 20 species" in refused(tmp_path, header + "a,a,,0.5\n" + many)


def test_a_missing_file_and_a_folder_are_errors_that_say_so(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        read_scores(tmp_path / "none.csv")
    with pytest.raises(TableError, match="not a regular file"):
        read_scores(tmp_path)


# ---- properties ----

NAMES = st.text("abé\"'\t _.0", min_size=1, max_size=4)
CELLS = st.one_of(
    st.floats(allow_infinity=False).map(repr), st.sampled_from(["", "nan", "x", "1e3", "-.5", "+1", " 2 "])
)


def outcome(read_one: object, path: Path) -> object:
    """The columns that a way of reading gives, in plain values; "refused" where it refuses."""
    with path.open("rb") as file:
        found = read_one(file, layout_of(path, file))  # type: ignore[operator]
    left, right, names = scores_file._joined(found)
    genuine = None if found.genuine is None else found.genuine.tolist()
    return left.tolist(), right.tolist(), names, genuine, [repr(score) for score in found.scores.tolist()]


@given(
    st.lists(st.tuples(NAMES, NAMES, CELLS, st.sampled_from(["1", "0", "yes", " 1.0", "?"])), min_size=1, max_size=8)
)
def test_the_fast_way_of_a_csv_gives_what_reading_row_by_row_gives(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str, str]]
) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    text = "left,right,score,genuine\n" + "".join(f"{quoted(a)},{quoted(b)},{s},{g}\n" for a, b, s, g in table)
    compare_both_ways(write(tmp_path_factory.getbasetemp(), text, "fast.csv"))


@given(
    st.lists(st.lists(st.one_of(NAMES, CELLS), min_size=3, max_size=5), min_size=1, max_size=6), st.sampled_from(" \t")
)
def test_the_fast_way_of_blank_separated_text_gives_what_reading_row_by_row_gives(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], blank: str
) -> None:
    text = f"a{blank}b{blank}c{blank}0.5\n" + "".join(blank.join(cells) + "\n" for cells in table)
    compare_both_ways(write(tmp_path_factory.getbasetemp(), text, "fast.txt"))


def compare_both_ways(path: Path) -> None:
    """Where the fast way answers at all, reading row by row gives the same."""
    with path.open("rb") as file:
        fast = scores_file._read_fast(file, layout_of(path, file))
    if fast is not None:
        assert outcome(lambda file, layout: fast, path) == outcome(partial(read_by_row, name=path.name), path)


def test_the_fast_way_is_the_usual_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(path: Path, layout: object) -> None:
        raise AssertionError("read row by row")

    monkeypatch.setattr(scores_file, "read_by_row", never)
    for text in (
        "ann ann p 0.5\nbob ann q nan\n",
        "1\t0.5\n-1\t0.25\n",
        "left,right,score\nmy photo.jpg,b.jpg,0.5\na.jpg,b.jpg,\n",
        "left,right,score\r\na.jpg,b.jpg,NaN\r\n",
        "bio_ref_subject_id,probe_subject_id,probe_attack_type,score\na,a,,0.5\n",
    ):
        assert len(read(tmp_path, text)) >= 1


def test_many_rows_across_blocks_keep_their_order_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_file, "BLOCK_BYTES", 1000)
    table = [(f"s{k % 97}", f"s{k % 89}", k / 7) for k in range(3000)]
    found = read(tmp_path, "".join(f"{a} {b} p{s} {s!r}\n" for a, b, s in table))
    assert rows(found) == [(a, b, int(a == b), s) for a, b, s in table]


def test_two_hundred_thousand_rows_take_no_time(tmp_path: Path) -> None:
    block = "".join(f"s{k % 997} s{k % 991} p{k} {k / 1e4}\n" for k in range(50_000))
    path = write(tmp_path, block * 4)
    started = time.perf_counter()
    assert len(read_scores(path)) == 200_000
    assert time.perf_counter() - started < 5  # twenty times what it takes, a fiftieth of reading 5 million row by row
