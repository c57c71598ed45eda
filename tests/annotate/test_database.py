"""The file of answers: private, rejecting foreign files, safe between servers, exported and imported as CSV."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from facegap.annotate import database
from facegap.annotate.database import AnnotationStore, Answer, open_store
from facegap.annotate.serve import default_db, export_annotations, import_annotations
from facegap.errors import TableError
from facegap.groups.annotations import read_annotations
from facegap.store.run import csv_bytes

SHA = "a" * 64
AT = "2025-01-31T12:00:00+00:00"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def answer(image: str, value: str = "3", annotator: str = "Ada", form: str = "") -> Answer:
    return Answer("monk", annotator, image, False, value, "", form or f"{image}{value}")


def values(store: AnnotationStore) -> dict[str, str]:
    table = store.table()
    return dict(zip(table["image"], table["value"], strict=True))


def test_the_file_and_its_log_are_the_owners_alone(db: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(db, SHA)
        store.record(answer("a.png"))
    finally:
        os.umask(before)
    files = sorted(db.parent.iterdir())
    assert [file.name for file in files] == ["answers.sqlite", "answers.sqlite-shm", "answers.sqlite-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.close()
    assert [file.name for file in db.parent.iterdir()] == ["answers.sqlite"]  # the log is merged into the file


def test_a_file_that_others_could_read_is_closed_to_them(db: Path) -> None:
    open_store(db, SHA).close()
    db.chmod(0o644)
    open_store(db, SHA).close()
    assert stat.S_IMODE(db.stat().st_mode) == 0o600


def test_the_secret_outlives_a_restart(db: Path) -> None:
    first = open_store(db, SHA)
    second = open_store(db, SHA)
    assert first.secret == second.secret
    assert len(first.secret) == 32
    for store in (first, second):
        store.close()


def test_answers_for_another_manifest_are_refused(db: Path) -> None:
    open_store(db, SHA).close()
    with pytest.raises(TableError, match="contains answers for another manifest"):
        open_store(db, "b" * 64)


def test_other_files_are_rejected_and_unchanged(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_text("image,gender\n" * 100)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE music (title)")
    connection.close()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link.sqlite"
    link.symlink_to(tmp_path / "elsewhere.sqlite")
    for path in (text, other, pipe, link, tmp_path, tmp_path / "missing" / "a.sqlite"):
        with pytest.raises(TableError, match="choose another --db"):
            open_store(path, SHA)
    assert text.read_text().startswith("image,gender")
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_a_foreign_trigger_never_runs(db: Path) -> None:
    store = open_store(db, SHA)
    store.record(answer("a.png"))
    store.close()
    with sqlite3.connect(db) as connection:
        connection.execute("CREATE TRIGGER swap AFTER INSERT ON answers BEGIN DELETE FROM answers; END")
    connection.close()
    with pytest.raises(TableError, match="not one of facegap's answers"):
        open_store(db, SHA)


def test_two_servers_on_one_file_neither_lose_nor_duplicate_answers(db: Path) -> None:
    stores = [open_store(db, SHA), open_store(db, SHA)]

    def label(store: AnnotationStore, annotator: str) -> None:
        for k in range(100):
            store.record(answer(f"{k}.png", annotator=annotator))
            if k % 10 == 9:
                store.withdraw("monk", annotator, f"undo {k}", {f"{k}.png"})

    names = ("Ada", "Bo", "Cy", "Di")
    threads = [threading.Thread(target=label, args=(stores[k % 2], name)) for k, name in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        table = store.table()
        assert table.groupby("annotator").size().to_dict() == dict.fromkeys(names, 90)
        assert not table.duplicated(["annotator", "image"]).any()
        store.close()
    connection = sqlite3.connect(db)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_many_servers_may_start_on_a_new_file_at_once(db: Path) -> None:
    opened: list[AnnotationStore] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(db, SHA))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store.secret for store in opened}) == 1
    assert len(opened) == 8
    for store in opened:
        store.close()


def test_uncommitted_answers_are_gone_after_an_error(db: Path) -> None:
    store = open_store(db, SHA)
    with pytest.raises(sqlite3.IntegrityError):
        store.record(replace(answer("a.png"), skipped="no_face"))  # both a value and a reason
    assert store.table().empty
    store.record(answer("b.png"))  # the failed transaction left no lock behind
    assert list(values(store)) == ["b.png"]
    store.close()


# ---- in and out ----


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "people.csv"
    path.write_text('image\na.png\nb.png\n"=c,\'d.png"\n')
    return path


def write_annotations(folder: Path, *rows: tuple[str, str, str, str, str, str]) -> Path:
    names = ["image", "annotator", "scale", "value", "skipped", "at"]
    path = folder / "in.csv"
    path.write_bytes(csv_bytes(pd.DataFrame(rows, columns=names)))
    return path


ROWS = (
    ("a.png", "Ada", "monk", "3", "", AT),
    ("=c,'d.png", "Ada", "monk", "", 'other: =1+1, "quoted"', AT),
    ("b.png", "@Bo", "fitzpatrick", "VI", "", AT),
)


def test_an_export_equals_the_import(manifest: Path, tmp_path: Path) -> None:
    found = import_annotations(manifest, write_annotations(tmp_path, *ROWS), db=None)
    assert (found.added, found.older, found.same) == (3, 0, 0)
    assert default_db(manifest) == Path("people.annotations.sqlite")
    out = tmp_path / "out.csv"
    assert export_annotations(manifest, out, db=None) == (3, 2)
    assert [tuple(row) for row in read_annotations(out).itertuples(index=False)] == list(ROWS)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "'=c" in out.read_text()  # escaped, so that spreadsheets see no formula


def test_the_later_of_two_answers_is_valid_in_either_order(manifest: Path, tmp_path: Path) -> None:
    old, new = ("a.png", "Ada", "monk", "3", "", AT), ("a.png", "Ada", "monk", "8", "", AT.replace("12:00", "12:01"))
    for first, second, added in ((old, new, 1), (new, old, 0)):
        db = tmp_path / f"{added}.sqlite"
        import_annotations(manifest, write_annotations(tmp_path, first), db=db)
        again = import_annotations(manifest, write_annotations(tmp_path, first), db=db)
        assert (again.added, again.older, again.same) == (0, 0, 1)
        found = import_annotations(manifest, write_annotations(tmp_path, second), db=db)
        assert (found.added, found.older, found.same) == (added, 1 - added, 0)
        store = open_store(db, import_sha(manifest))
        assert values(store) == {"a.png": "8"}
        store.close()


def import_sha(manifest: Path) -> str:
    import hashlib

    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def test_a_withdrawn_answer_stays_withdrawn_when_its_old_export_is_imported(manifest: Path, tmp_path: Path) -> None:
    store = open_store(Path("people.annotations.sqlite"), import_sha(manifest))
    store.record(answer("a.png"))
    export_annotations(manifest, tmp_path / "old.csv", db=None)
    store.withdraw("monk", "Ada", "undo", {"a.png"})
    found = import_annotations(manifest, tmp_path / "old.csv", db=None)
    assert found.added == 0
    assert store.table().empty
    store.close()


def test_an_import_about_other_images_is_refused_as_a_whole(manifest: Path, tmp_path: Path) -> None:
    rows = write_annotations(tmp_path, ROWS[0], ("z.png", "Ada", "monk", "3", "", AT))
    with pytest.raises(TableError, match=r"1 rows are about images that people\.csv does not have.*'z\.png'"):
        import_annotations(manifest, rows, db=None)
    assert not Path("people.annotations.sqlite").exists()


def test_an_undo_never_reaches_what_was_imported(manifest: Path, tmp_path: Path) -> None:
    import_annotations(manifest, write_annotations(tmp_path, ROWS[0]), db=None)
    store = open_store(Path("people.annotations.sqlite"), import_sha(manifest))
    assert store.withdraw("monk", "Ada", "undo", {"a.png"}) is None
    assert values(store) == {"a.png": "3"}
    store.close()


def test_an_export_without_a_file_of_answers_says_so(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no answers file"):
        export_annotations(manifest, tmp_path / "out.csv", db=None)


def test_a_full_disk_while_answers_are_imported_is_one_error_and_the_file_stays_usable(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, table = tmp_path / "answers.sqlite", write_annotations(tmp_path, *ROWS)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("facegap.annotate.database._insert", full)
        with pytest.raises(
            TableError, match=r"answers\.sqlite: cannot be written \(database or disk is full\); free some"
        ):
            import_annotations(manifest, table, db=db)
    assert import_annotations(manifest, table, db=db).added == len(ROWS)


def test_a_commit_that_fails_leaves_no_transaction_open() -> None:
    class Full(sqlite3.Connection):
        left = 1

        def execute(self, statement: str, *rest: object) -> sqlite3.Cursor:  # type: ignore[override]
            if statement == "COMMIT" and self.left:
                self.left -= 1
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(statement, *rest)

    connection = sqlite3.connect(":memory:", isolation_level=None, factory=Full)
    connection.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError, match="disk I/O"), database._immediate(connection):
        connection.execute("INSERT INTO t VALUES (1)")
    with database._immediate(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT x FROM t").fetchall() == [(2,)]
