"""Read parquet files of a run folder, within limits on their stated size and on memory.

A run folder may come from anywhere. A file of five kilobytes can state a billion rows, or repeat a text of one megabyte in a
million rows. The memory needed is therefore computed from the footer, and again from the data while each text is stored only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from facegap.errors import FacegapError, RunError
from facegap.store.opened import opened
from facegap.store.room import CELL_BYTES, require_room
from facegap.store.scratch import Column
from facegap.tables import Schema

ROWS_AT_ONCE = 65_536
# Cells that any parquet file may have, and additional cells per byte. Tables of portraits have less than one cell per byte,
# and at most five (a run of 300,000 predictions without images); a single repeated value has hundreds to millions.
CELLS_OF_ANY_FILE = 10_000_000
CELLS_PER_BYTE = 64
CURE = "use a machine with more memory, or obtain an unmodified file"


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that facegap wrote.

    Raises
    ------
    RunError : If the table needs more memory than is free, or has nested columns.
    OSError  : If the file is missing, a link, or not a parquet file.
    """
    import pyarrow as pa

    try:
        with opened(path, follow=False) as file:
            frame: pd.DataFrame = table_within(file, str(path), RunError, CURE).to_pandas()
            return frame
    except (pa.ArrowException, MemoryError) as error:
        raise OSError(f"{path.name}: damaged parquet file ({str(error)[:200]})") from error


def read_numbers(path: Path, schema: Schema) -> pd.DataFrame:
    """A table that facegap wrote; where it has columns of numbers alone, they take no private memory if they are many.

    Raises
    ------
    RunError : more than the file can have been written with, nested columns, or no room for it
    OSError  : no such file, a link in its place, no parquet file
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dtypes = {"int": np.int64, "float": np.float64, "bool": np.bool_}
    try:
        with opened(path, follow=False) as file:
            footer = pq.ParquetFile(file)
            names = footer.schema_arrow.names
            kinds = [schema.columns[name].kind if name in schema.columns else "str" for name in names]
            fitting = [
                kind in dtypes and pa.from_numpy_dtype(dtypes[kind]) == field.type
                for kind, field in zip(kinds, footer.schema_arrow, strict=True)
            ]
            if not all(fitting):
                return read_parquet(path)
            require_likely(footer.metadata, size_of(file), str(path), RunError, CURE)
            columns = {name: Column(dtypes[kind]) for name, kind in zip(names, kinds, strict=True)}
            for batch in counted_batches(footer, footer.metadata.num_rows, str(path), RunError, CURE):
                if any(column.null_count for column in batch.columns):
                    return read_parquet(path)
                for name, column in columns.items():
                    column.append(batch.column(name).to_numpy(zero_copy_only=False))
            return pd.DataFrame({name: column.array() for name, column in columns.items()}, copy=False)
    except (pa.ArrowException, MemoryError) as error:
        raise OSError(f"{path.name}: damaged parquet file ({str(error)[:200]})") from error


def table_within(file: BinaryIO, name: str, error: type[FacegapError], cure: str) -> Any:
    """Read an open parquet file as a pyarrow Table with plain text columns.

    error, cure : exception type and last part of its message, if more memory is needed than is free
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    footer = pq.ParquetFile(file)
    if any(pa.types.is_nested(field.type) for field in footer.schema_arrow):
        raise error(f"{name}: nested columns, which a table of a run does not have; {cure}")
    require_footer_fits(footer.metadata, size_of(file), name, error, cure)
    table = texts_once(file, footer, name, error, cure)
    require_room(
        sum(column_bytes(column) for column in table.columns) + table.num_rows * table.num_columns * CELL_BYTES,
        f"{name}: {table.num_rows:,} rows of {table.num_columns:,} columns",
        error,
        cure,
    )
    return plain(table, footer.schema_arrow)


def texts_once(file: BinaryIO, footer: Any, name: str, error: type[FacegapError], cure: str) -> Any:
    """Read an open parquet file as a pyarrow Table with dictionary-encoded text columns.

    footer      : the same file as a ParquetFile
    error, cure : exception type and last part of its message, if the file contains more than its footer states
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    leaves = (footer.schema.column(k) for k in range(len(footer.schema)))
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    reader = pq.ParquetFile(file, read_dictionary=texts)
    batches = list(counted_batches(reader, footer.metadata.num_rows, name, error, cure))
    return pa.Table.from_batches(batches, reader.schema_arrow)


def size_of(file: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    size = file.seek(0, 2)
    file.seek(0)
    return size


def require_footer_fits(stated: Any, size: int, name: str, error: type[FacegapError], cure: str) -> None:
    """Raise `error` if a file, according to its own footer, unpacks to too much.

    Too much is more than the free memory, or more cells than any benign file of `size` bytes has: such a table may fit into
    memory and still take minutes to process.
    """
    cells, unpacked = require_likely(stated, size, name, error, cure)
    what = f"{name}: {stated.num_rows:,} rows of {stated.num_columns:,} columns, {unpacked:,} bytes uncompressed"
    require_room(cells * CELL_BYTES + unpacked, what, error, cure)


def require_likely(stated: Any, size: int, name: str, error: type[FacegapError], cure: str) -> tuple[int, int]:
    """The cells and bytes that a file unpacks to by its footer; raises `error` where a file of `size` bytes never has so many."""
    groups = [stated.row_group(k) for k in range(stated.num_row_groups)]
    values = sum(group.column(k).num_values for group in groups for k in range(group.num_columns))
    cells = max(values, stated.num_rows * max(stated.num_columns, 1))
    unpacked = sum(group.total_byte_size for group in groups)
    if min(cells, unpacked, stated.num_rows) < 0:
        raise error(f"{name}: the footer states a negative size; {cure}")
    what = f"{name}: {stated.num_rows:,} rows of {stated.num_columns:,} columns, {unpacked:,} bytes uncompressed"
    most = max(CELLS_OF_ANY_FILE, CELLS_PER_BYTE * size)
    if cells > most:
        raise error(f"{what}: more than the {most:,} cells that a file of {size:,} bytes may have; {cure}")
    return cells, unpacked


def counted_batches(reader: Any, rows: int, name: str, error: type[FacegapError], cure: str) -> Iterator[Any]:
    """Yield the batches of a file; raise `error` if it contains more than its footer states."""
    found = taken = 0
    for batch in reader.iter_batches(batch_size=ROWS_AT_ONCE):
        found, taken = found + batch.num_rows, taken + batch.nbytes
        if found > rows:
            raise error(f"{name}: more rows than the {rows:,} that its footer states; {cure}")
        require_room(batch.nbytes, f"{name}: {taken:,} bytes after {found:,} rows", error, cure)
        yield batch


def column_bytes(column: Any) -> int:
    """Return the bytes of a column once its text is stored in every row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def plain(table: Any, schema: Any) -> Any:
    """Cast the table to the types of `schema`, which turns dictionaries into plain text."""
    return table.cast(schema)
