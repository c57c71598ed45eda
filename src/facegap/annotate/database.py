"""Answers of annotators in one SQLite file: append-only, committed before they are confirmed, safe to share.

The file is a log. The last entry for each annotator, scale and image is the valid one; withdrawing an answer is an entry,
too. Write-ahead logging lets several servers write, and after a kill at any moment the last commit remains.
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

APPLICATION_ID = 0x66676170  # "fgap": identifies these files among SQLite files
WAIT_S = 30.0  # maximum wait for another server's commit, which takes milliseconds
IMPORTED = "import:"  # prefix of the form of an imported answer

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
    practice  : given during practice; never exported
    value     : a label of the scale, or "" with the reason in `skipped`
    withdrawn : whether this entry withdraws the answer
    form      : identifies the submitted form, so that a form submitted twice adds one entry
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
    """Counts of imported rows: added, older than the existing answer, or identical to it."""

    added: int
    older: int
    same: int


class AnnotationStore:
    """The log of one manifest, shared by the threads of a server."""

    def __init__(self, connection: sqlite3.Connection, secret: bytes) -> None:
        self.secret = secret  # for signing cookies and naming pictures; stored with the answers, so that a restart changes neither
        self._connection = connection
        self._lock = threading.Lock()

    def record(self, answer: Answer) -> None:
        """Add an answer and wait until it is on the disk; a form submitted twice adds one entry."""
        with self._transaction() as connection:
            _insert(connection, answer if answer.at else replace(answer, at=now()))

    def withdraw(self, scale: str, annotator: str, form: str, among: Collection[str]) -> Answer | None:
        """Withdraw the last answer given to one of the images by a form; None if there is none.

        A form submitted twice withdraws one answer.
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
        """The last entry of each image and kind (practice or not), including withdrawn ones, in chronological order."""
        with self._lock:
            query = LAST + " AND scale = ? AND annotator = ? ORDER BY id"
            return [_answer(row) for row in self._connection.execute(query, (scale, annotator))]

    def annotators(self) -> list[str]:
        """All annotators who ever gave an answer, sorted."""
        with self._lock:
            return [row[0] for row in self._connection.execute("SELECT DISTINCT annotator FROM answers ORDER BY 1")]

    def table(self) -> pd.DataFrame:
        """All valid answers, as an ANNOTATIONS table in chronological order."""
        with self._lock:
            query = LAST + " AND practice = 0 AND withdrawn = 0 ORDER BY id"
            rows = [_answer(row) for row in self._connection.execute(query)]
        return check(
            pd.DataFrame({name: [getattr(row, name) for row in rows] for name in ANNOTATIONS.columns}),
            ANNOTATIONS,
            "the answers",
        )

    def add(self, annotations: pd.DataFrame) -> Imported:
        """Add the rows of a checked ANNOTATIONS table, all or none; of two answers to one image the later one is valid."""
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
        """Merge the write-ahead log into the file and close it."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed to the disk if the block succeeds."""
        with self._lock, _immediate(self._connection):
            yield self._connection


def open_store(path: Path, manifest_sha256: str) -> AnnotationStore:
    """Open or create the file of answers, readable by its owner only.

    Raises
    ------
    TableError : not an SQLite file of facegap, a file for another manifest, or a file that cannot be written
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
    """Create the file if it does not exist and restrict it to its owner; never follow a link."""
    try:
        opened = os.open(path, os.O_CREAT | os.O_RDWR | NOFOLLOW | getattr(os, "O_NONBLOCK", 0), 0o600)
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({error.strerror}); choose another --db") from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise TableError(f"{path}: not a regular file; choose another --db")
        if hasattr(os, "fchmod"):  # missing in older Pythons on Windows, where modes do not restrict access
            os.fchmod(opened, 0o600)
    finally:
        os.close(opened)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that commits to the disk and does not trust the file's schema."""
    connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging; SQLite does not wait if another server does the same at this moment."""
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
    """A transaction that holds the write lock from its start, so that its reads stay valid until it writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after a full disk
            connection.execute("ROLLBACK")
        raise


def _create(connection: sqlite3.Connection, manifest_sha256: str) -> None:
    """Create the tables of a new file, with its settings."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    rows = [("manifest_sha256", manifest_sha256), ("secret", secrets.token_hex(32))]
    connection.executemany("INSERT INTO settings VALUES (?, ?)", rows)


def _settings(connection: sqlite3.Connection, path: Path) -> Mapping[str, str]:
    """The settings of a file that has exactly facegap's tables; a foreign trigger or view is never run."""
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
    """Name and text of everything that a file defines."""
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


def _insert(connection: sqlite3.Connection, answer: Answer) -> None:
    """Add an entry unless the same form was submitted before."""
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
    """The last entry of every annotator, scale and image, without practice, including withdrawn ones."""
    return [_answer(row) for row in connection.execute(LAST + " AND practice = 0")]


def _kind_of_import(old: Answer | None, new: Answer) -> str:
    """Whether an imported row is added, older than the last entry, or identical to it."""
    if old is None or new.at > old.at:
        return "added"
    return "same" if (new.at, new.value, new.skipped) == (old.at, old.value, old.skipped) else "older"
