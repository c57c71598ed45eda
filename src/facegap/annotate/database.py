"""Answers of annotators in one SQLite file: only ever added to, committed before the page says so, safe to share.

The file is a log. What counts is the last entry of each annotator, scale and image; taking an answer back is an entry
too. Write-ahead logging lets several servers write in turn and a kill at any moment leaves the last commit.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from facegap.errors import TableError
from facegap.groups.annotations import utc_time
from facegap.store.opened import NOFOLLOW
from facegap.tables import ANNOTATIONS, check

APPLICATION_ID = 0x66676170  # "fgap": tells these files from other SQLite files
WAIT_S = 30.0  # for another server's commit; one takes milliseconds
IMPORTED = "import:"  # begins the form of an answer that no form gave

TABLES = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE answers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        scale TEXT NOT NULL,
        annotator TEXT NOT NULL,
        image TEXT NOT NULL,
        practice INTEGER NOT NULL CHECK (practice IN (0, 1)),
        value TEXT NOT NULL,
        skipped TEXT NOT NULL,
        withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
        at TEXT NOT NULL,
        form TEXT NOT NULL,
        CHECK ((value = '') <> (skipped = '')),
        UNIQUE (annotator, form, value, skipped, withdrawn)
    )""",
    "CREATE INDEX answers_of_annotator ON answers (scale, annotator, practice, image, id)",
)
COLUMNS = "scale, annotator, image, practice, value, skipped, withdrawn, at, form"
LAST = f"""SELECT {COLUMNS} FROM answers AS a WHERE NOT EXISTS (
    SELECT 1 FROM answers AS b WHERE b.scale = a.scale AND b.annotator = a.annotator AND b.practice = a.practice
    AND b.image = a.image AND b.id > a.id)"""  # noqa: S608  (no text from outside)


@dataclass(frozen=True)
class Answer:
    """One entry of the log.

    image     : as the manifest names it
    practice  : given while practising; never exported
    value     : a label of the scale, or "" with the reason in `skipped`
    withdrawn : the answer was taken back
    form      : names the form that was sent, so that one which is sent again adds nothing
    at        : ISO 8601, UTC
    """

    scale: str
    annotator: str
    image: str
    practice: bool
    value: str
    skipped: str
    form: str
    withdrawn: bool = False
    at: str = ""


@dataclass(frozen=True)
class Imported:
    """Outcome of the rows of an import: added, older than or the same as what was there."""

    added: int
    older: int
    same: int


class AnnotationStore:
    """The log of one manifest, shared by the threads of a server."""

    def __init__(self, connection: sqlite3.Connection, secret: bytes) -> None:
        self.secret = secret  # signs cookies and names pictures; kept with the answers, so a restart changes neither
        self._connection = connection
        self._lock = threading.Lock()

    def record(self, answer: Answer) -> None:
        """Add an answer and wait until it is on the disk; the same form sent again adds nothing."""
        with self._transaction() as connection:
            _insert(connection, answer if answer.at else replace(answer, at=now()))

    def withdraw(self, scale: str, annotator: str, form: str, among: Collection[str]) -> Answer | None:
        """Take back the last answer that a form gave to one of the images; None where there is none.

        The same form sent again takes nothing more back.
        """
        with self._transaction() as connection:
            given = connection.execute(
                "SELECT 1 FROM answers WHERE annotator = ? AND form = ? AND withdrawn = 1", (annotator, form)
            ).fetchone()
            if given:
                return None
            query = LAST + " AND scale = ? AND annotator = ? AND withdrawn = 0 AND form NOT LIKE ? ORDER BY id DESC"
            for row in connection.execute(query, (scale, annotator, f"{IMPORTED}%")):
                answer = _answer(row)
                if answer.image in among:
                    _insert(connection, replace(answer, withdrawn=True, form=form, at=now()))
                    return answer
        return None

    def entries(self, scale: str, annotator: str) -> list[Answer]:
        """The last entry of each image and kind (practice or not), withdrawn ones too, in the order they were made."""
        with self._lock:
            query = LAST + " AND scale = ? AND annotator = ? ORDER BY id"
            return [_answer(row) for row in self._connection.execute(query, (scale, annotator))]

    def annotators(self) -> list[str]:
        """Everybody who ever gave an answer, sorted."""
        with self._lock:
            return [row[0] for row in self._connection.execute("SELECT DISTINCT annotator FROM answers ORDER BY 1")]

    def table(self) -> pd.DataFrame:
        """All answers that count, as an ANNOTATIONS table in the order they were given."""
        with self._lock:
            query = LAST + " AND practice = 0 AND withdrawn = 0 ORDER BY id"
            rows = [_answer(row) for row in self._connection.execute(query)]
        return check(
            pd.DataFrame({name: [getattr(row, name) for row in rows] for name in ANNOTATIONS.columns}),
            ANNOTATIONS,
            "the answers",
        )

    def add(self, annotations: pd.DataFrame) -> Imported:
        """Add the rows of a checked ANNOTATIONS table, all or none; of two answers to an image the later counts."""
        counts = {"added": 0, "older": 0, "same": 0}
        form = IMPORTED + secrets.token_hex(8)
        with self._transaction() as connection:
            known = {(e.scale, e.annotator, e.image): e for e in _last_in_earnest(connection)}
            columns = [annotations[name] for name in ("scale", "annotator", "image", "value", "skipped", "at")]
            for number, (scale, annotator, image, value, skipped, at) in enumerate(zip(*columns, strict=True)):
                new = Answer(scale, annotator, image, False, value, skipped, f"{form}:{number}", at=at)
                old = known.get((new.scale, new.annotator, new.image))
                kind = _kind_of_import(old, new)
                counts[kind] += 1
                if kind == "added":
                    _insert(connection, new)
        return Imported(**counts)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let it go."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed, and on the disk, when the block ends well."""
        with self._lock, _immediate(self._connection):
            yield self._connection


def open_store(path: Path, manifest_sha256: str) -> AnnotationStore:
    """Open the file of answers, or make it, readable by its owner only.

    Raises
    ------
    TableError : no SQLite file of this program, one for another manifest, or one that cannot be written
    """
    _make_private(path)
    try:
        connection = _connect(path)
        with _immediate(connection):
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                _create(connection, manifest_sha256)
        settings = _settings(connection, path)
    except sqlite3.Error as error:
        raise TableError(f"{path}: not an answers file written by facegap ({error}); choose another --db") from error
    if settings["manifest_sha256"] != manifest_sha256:
        connection.close()
        raise TableError(
            f"{path}: contains answers for another manifest, or for this one before it was changed; choose another "
            f"--db. To transfer answers, run facegap annotations export with the old manifest, then import with the "
            f"new one"
        )
    return AnnotationStore(connection, bytes.fromhex(settings["secret"]))


def now() -> str:
    """The time, ISO 8601 in UTC to the millisecond."""
    return utc_time(datetime.now(UTC).isoformat(timespec="milliseconds"))


def _make_private(path: Path) -> None:
    """Make the file if it is not there and leave it to its owner alone; never through a link."""
    try:
        opened = os.open(path, os.O_CREAT | os.O_RDWR | NOFOLLOW | getattr(os, "O_NONBLOCK", 0), 0o600)
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({error.strerror}); choose another --db") from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise TableError(f"{path}: not a regular file; choose another --db")
        if hasattr(os, "fchmod"):  # older Pythons on Windows have none, and its modes protect nothing
            os.fchmod(opened, 0o600)
    finally:
        os.close(opened)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that commits to the disk and trusts nothing that the file may bring along."""
    connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on; SQLite does not wait by itself where another server does the same just now."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the right to write from its start, so that what it read is still so when it writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself takes back what a full disk broke off
            connection.execute("ROLLBACK")
        raise


def _create(connection: sqlite3.Connection, manifest_sha256: str) -> None:
    """The tables of a new file, and what it is for."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    rows = [("manifest_sha256", manifest_sha256), ("secret", secrets.token_hex(32))]
    connection.executemany("INSERT INTO settings VALUES (?, ?)", rows)


def _settings(connection: sqlite3.Connection, path: Path) -> Mapping[str, str]:
    """The settings of a file that holds exactly facegap's tables: no trigger or view of somebody else's runs here."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    found = _statements(connection)
    blank = sqlite3.connect(":memory:")
    for statement in TABLES:
        blank.execute(statement)
    expected = _statements(blank)
    blank.close()
    settings = dict(connection.execute("SELECT name, value FROM settings")) if found == expected else {}
    if application != APPLICATION_ID or not {"manifest_sha256", "secret"} <= set(settings):
        connection.close()
        raise TableError(f"{path}: an SQLite file, but not one of facegap's answers; choose another --db")
    return settings


def _statements(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Name and text of everything a file defines."""
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


def _insert(connection: sqlite3.Connection, answer: Answer) -> None:
    """Add an entry unless the same form brought it before."""
    connection.execute(
        f"INSERT INTO answers ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
        (
            answer.scale,
            answer.annotator,
            answer.image,
            int(answer.practice),
            answer.value,
            answer.skipped,
            int(answer.withdrawn),
            answer.at,
            answer.form,
        ),
    )


def _answer(row: Sequence[str | int]) -> Answer:
    """An entry from a row of COLUMNS."""
    scale, annotator, image, practice, value, skipped, withdrawn, at, form = row
    return Answer(
        str(scale),
        str(annotator),
        str(image),
        bool(practice),
        str(value),
        str(skipped),
        str(form),
        withdrawn=bool(withdrawn),
        at=str(at),
    )


def _last_in_earnest(connection: sqlite3.Connection) -> list[Answer]:
    """The last entry of every annotator, scale and image, practice left out, withdrawn ones among them."""
    return [_answer(row) for row in connection.execute(LAST + " AND practice = 0")]


def _kind_of_import(old: Answer | None, new: Answer) -> str:
    """What becomes of an imported row beside the last entry there is."""
    if old is None or new.at > old.at:
        return "added"
    return "same" if (new.at, new.value, new.skipped) == (old.at, old.value, old.skipped) else "older"
