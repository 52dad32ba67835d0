"""Reading tables: what the separator is, whether there is a header, and what cannot be one."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from pullback.core.errors import ConfigError, DataError

SAMPLE = 1 << 18
"""Bytes from which the separator and the header are found."""
BLOCK = 1 << 24
"""Bytes that a row may have at most."""
CACHED = 1 << 21
"""Bytes that are parsed at a time while no row is longer: what a processor's cache holds."""
MOST_COUNTED = 1000
"""Different words of a column up to which each is kept once, and its cells are their numbers."""
SEPARATORS = (",", ";", "\t", "|")
MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null")
"""What stands for no value."""
TEXT = {
    "no pyarrow": "tables need pyarrow and narwhals: pip install 'pullback[tables]'",
    "no file": "{path}: there is no such file",
    "not a file": "{path}: not a file",
    "empty": "{path}: the file is empty",
    "no rows": "{path}: there is a header, and no row below it",
    "nul": "{path}: a NUL byte at byte {byte}; this is no text (a UTF-16 file needs its mark at "
    "the start)",
    "nul cell": "{path}: column {column!r}, row {row}: a NUL byte; this is no text",
    "encoding": "{path}: column {column!r} is not UTF-8; save the file as UTF-8",
    "ragged": "{path}: row {row} has {found} cells, expected {expected}",
    "quote": "{path}: a quotation mark is never closed: the last row has a cell that begins with "
    "{start!r} and goes over {lines} lines",
    "long": "{path}: a row is longer than {most} MB",
    "names": "{path}: two columns are called {name!r}; rename one",
    "other": "{path}: cannot be read as a table: {error}",
    "frame": "a {kind} is no table; expected the path of a CSV or Parquet file, or a dataframe",
}


@dataclass(frozen=True)
class Frame:
    """A table as it was read.

    ``cells`` is a ``pyarrow.Table`` with the columns under their names, ``header`` says whether
    the names are the file's own, and ``name`` is what messages call the table.
    """

    cells: Any
    header: bool
    name: str

    @property
    def names(self) -> list[str]:
        """The columns."""
        found: list[str] = self.cells.column_names
        return found

    def __len__(self) -> int:
        return int(self.cells.num_rows)

    def column(self, name: str) -> Any:
        """Return the cells of a column in one piece; words that it counts as plain words."""
        import pyarrow

        cells = self.cells[name].combine_chunks()
        if pyarrow.types.is_dictionary(cells.type):
            return cells.cast(cells.type.value_type)
        return cells


def read_table(source: Any, header: bool | None = None, words: Sequence[str] = ()) -> Frame:
    """Read a table.

    Args:
        source: the path of a CSV, TSV or Parquet file (also compressed by gzip), or a dataframe of
            any library that narwhals knows.
        header: whether the first row has the names; None: as it looks.
        words: columns of a text file whose cells are words, also where they look like numbers.

    Raises:
        DataError: it is missing, damaged, or no table; the row or the column is named.
        ConfigError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ConfigError(TEXT["no pyarrow"]) from None
    if not isinstance(source, str | Path):
        return _of_dataframe(source)
    path = Path(source)
    if not path.exists():
        raise DataError(TEXT["no file"].format(path=path))
    if not path.is_file():
        raise DataError(TEXT["not a file"].format(path=path))
    if path.suffix.lower() in (".parquet", ".pq"):
        return _of_parquet(path)
    return _of_text(path, header, words)


def _of_dataframe(source: Any) -> Frame:
    try:
        import narwhals

        cells = narwhals.from_native(source, eager_only=True).to_arrow()
    except ImportError:
        raise ConfigError(TEXT["no pyarrow"]) from None
    except TypeError:
        raise DataError(TEXT["frame"].format(kind=type(source).__name__)) from None
    except Exception as error:  # each library has its own, of columns with one name among others
        raise DataError(TEXT["other"].format(path="the dataframe", error=_line(error))) from None
    return Frame(_distinct(cells, Path("the dataframe")), True, "the dataframe")


def _of_parquet(path: Path) -> Frame:
    import pyarrow
    from pyarrow import parquet

    try:
        return Frame(_distinct(parquet.read_table(path), path), True, str(path))
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(TEXT["other"].format(path=path, error=_line(error))) from None


def _of_text(path: Path, header: bool | None, words: Sequence[str]) -> Frame:
    import pyarrow

    with pyarrow.input_stream(str(path), compression="detect") as stream:
        try:
            start = stream.read(SAMPLE)
        except OSError as error:
            raise DataError(TEXT["other"].format(path=path, error=_line(error))) from None
    if not start.strip():
        raise DataError(TEXT["empty"].format(path=path))
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    if encoding == "utf-8" and b"\0" in start:
        raise DataError(TEXT["nul"].format(path=path, byte=start.index(b"\0")))
    text = start[: len(start) // 2 * 2].decode(encoding, errors="replace").lstrip("\ufeff")
    whole = len(start) < SAMPLE
    separator, rows = _rows_of(text, path, whole)
    if header is None:
        header = _looks_like_header(rows)
    names = None if header else [f"column {i}" for i in range(1, len(rows[0]) + 1)]
    cells = _parse(path, Form(encoding, separator, names, tuple(words), _has_quotes(path)))
    if not cells.num_rows:
        raise DataError(TEXT["no rows"].format(path=path))
    cells = _distinct(cells, path)
    _check_quotes(cells, path)
    # the text was in memory too, which the rest of a run would go on holding
    pyarrow.default_memory_pool().release_unused()
    return Frame(cells, header, str(path))


def _rows_of(text: str, path: Path, whole: bool) -> tuple[str, list[list[str]]]:
    """Return the separator and the first rows: that which gives most cells, the same each time."""
    lines = text if whole else text[: text.rfind("\n") + 1] or text
    order = ("\t", ",", ";", "|") if path.suffix.lower() in (".tsv", ".tab") else SEPARATORS
    csv.field_size_limit(BLOCK)
    found: list[tuple[float, int, str, list[list[str]]]] = []
    for separator in order:
        reader = csv.reader(io.StringIO(lines, newline=""), delimiter=separator)
        try:
            rows = [row for _, row in zip(range(100), reader, strict=False) if row]
        except csv.Error:
            continue
        if rows:
            sizes = [len(row) for row in rows]
            usual = max(set(sizes), key=sizes.count)
            same = sizes.count(usual) / len(sizes) if usual > 1 else 0.0
            found.append((round(same, 2), usual if usual > 1 else 0, separator, rows))
    if not found:
        raise DataError(TEXT["other"].format(path=path, error="no row was found"))
    _, _, separator, rows = max(found, key=lambda each: each[:2])  # of equals the first
    return separator, rows


NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def _looks_like_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: all words, that are not cells of their columns."""
    first, others = rows[0], rows[1:]
    words = [cell.strip() for cell in first]
    if any(NUMBER.fullmatch(word) or (word and word in MISSING) for word in words):
        return False
    if not others:
        return True
    for i, word in enumerate(words):
        column = [row[i].strip() for row in others if i < len(row)]
        if column and all(NUMBER.fullmatch(cell) or cell in MISSING for cell in column):
            return True
        if word in column:
            return False
    return len(set(words)) == len(words)


@dataclass(frozen=True)
class Form:
    """How a text is to be parsed; ``names`` are those of the columns where there is no header.

    Where there are no ``quotes``, every line end ends a row, and blocks are cut without parsing.
    """

    encoding: str
    separator: str
    names: list[str] | None
    words: tuple[str, ...]
    quotes: bool


def _parse(path: Path, form: Form) -> Any:
    import pyarrow
    import pyarrow.compute as compute

    try:
        try:
            cells = _parsed(path, form, None, CACHED)
        except pyarrow.ArrowInvalid as error:
            if not _too_long(error):
                raise
            cells = _parsed(path, form, None, BLOCK)
    except (pyarrow.ArrowInvalid, OSError, UnicodeError) as error:
        raise _explained(error, path, form) from None
    for name, column in zip(cells.column_names, cells.columns, strict=True):
        counted = pyarrow.types.is_dictionary(column.type)
        kind = column.type.value_type if counted else column.type
        if pyarrow.types.is_binary(kind):
            raise DataError(TEXT["encoding"].format(path=path, column=name))
        if not pyarrow.types.is_string(kind):
            continue
        start = 0
        for chunk in column.chunks:
            found = compute.match_substring(chunk.dictionary if counted else chunk, "\0")
            if compute.any(found).as_py():
                odd = compute.match_substring(chunk.cast(kind), "\0")
                row = start + compute.index(odd, True).as_py() + 1
                raise DataError(TEXT["nul cell"].format(path=path, column=name, row=row))
            start += len(chunk)
    return cells


def _has_quotes(path: Path) -> bool:
    """Whether there is a quotation mark in a file; of a compressed one that is not asked."""
    if path.suffix.lower() == ".gz":
        return True
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(b'"') >= 0


def _too_long(error: Exception) -> bool:
    """Whether a row was longer than a block."""
    said = str(error)
    return "straddl" in said or "cannot infer number of columns" in said


def _parsed(path: Path, form: Form, note: Any, block: int) -> Any:
    """Return the cells; ``note`` is called with a row of another length, and makes it slow."""
    import pyarrow
    from pyarrow import csv as arrow

    with pyarrow.input_stream(str(path), compression="detect") as stream:
        return arrow.read_csv(
            stream,
            read_options=arrow.ReadOptions(
                column_names=form.names, block_size=block, encoding=form.encoding,
                use_threads=note is None,
            ),
            parse_options=arrow.ParseOptions(
                delimiter=form.separator, quote_char='"' if form.quotes else False,
                newlines_in_values=form.quotes, invalid_row_handler=note,
            ),
            convert_options=arrow.ConvertOptions(
                null_values=MISSING, strings_can_be_null=True, quoted_strings_can_be_null=True,
                column_types=dict.fromkeys(form.words, pyarrow.string()),
                auto_dict_encode=True, auto_dict_max_cardinality=MOST_COUNTED,
            ),
        )  # fmt: skip


def _explained(error: Exception, path: Path, form: Form) -> DataError:
    """Return what is wrong; of a row of another length its number, for which it is read again."""
    import pyarrow

    said = _line(error)
    if _too_long(error):
        return DataError(TEXT["long"].format(path=path, most=BLOCK >> 20))
    if "invalid UTF8" in said:
        column = re.search(r"column #(\d+)", said)
        place = int(column[1]) + 1 if column else "?"
        return DataError(TEXT["encoding"].format(path=path, column=place))
    if "Expected" not in said:
        return DataError(TEXT["other"].format(path=path, error=said))
    rows: list[Any] = []

    def note(row: Any) -> str:
        rows.append(row)
        return "error"

    with contextlib.suppress(pyarrow.ArrowInvalid):
        _parsed(path, form, note, BLOCK)
    row = rows[0]
    return DataError(
        TEXT["ragged"].format(
            path=path, row=row.number, found=row.actual_columns, expected=row.expected_columns
        )
    )


def _check_quotes(cells: Any, path: Path) -> None:
    """Raise ``DataError`` where the last row swallowed lines that a closing quote should end."""
    for name in cells.column_names:
        value = cells[name][-1].as_py()
        if isinstance(value, str) and value.count("\n") > 0 and _odd_quotes(path):
            raise DataError(
                TEXT["quote"].format(path=path, start=value[:20], lines=value.count("\n") + 1)
            )


def _odd_quotes(path: Path) -> bool:
    import pyarrow

    count = 0
    with pyarrow.input_stream(str(path), compression="detect") as stream:
        while block := stream.read(1 << 22):
            count += block.count(b'"')
    return count % 2 == 1


def _distinct(cells: Any, path: Path) -> Any:
    names = [name.strip() or f"column {i}" for i, name in enumerate(cells.column_names, start=1)]
    for name in names:
        if names.count(name) > 1:
            raise DataError(TEXT["names"].format(path=path, name=name))
    return cells.rename_columns(names)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
