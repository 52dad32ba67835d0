"""Tables: what each column becomes, and hostile files, read rightly or refused by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import ConfigError, DataError, PullbackError
from pullback.data.dataset import Data
from pullback.data.rows import Rows

pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra 'tables')")
pytest.importorskip("narwhals", reason="narwhals is not installed (the extra 'tables')")

from pullback.data.tables import read_table, table

PEOPLE = """age,income,town,married,born,comment,label
31,1000,Rome,true,1990-01-01,likes long walks on the beach 1,yes
45,2000,Oslo,false,1975-06-30,nothing to say 2,no
,1500,Rome,true,1988-03-03,seldom here 3,yes
52,90000,Kyiv,false,1969-12-31,has three dogs 4,no
28,1200,Oslo,true,1993-07-07,unknown 5,yes
33,800,Rome,true,1988-01-02,new in town 6,yes
"""


def written(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def kinds(data: Data) -> dict[str, str]:
    return {column.name: type(column).__name__ for column in data.table.columns}


def test_what_each_column_becomes(tmp_path):
    data = table(written(tmp_path, PEOPLE))
    assert data.classes == ("no", "yes")
    assert data.train.y.tolist() == [1, 0, 1, 0, 1, 1]
    assert kinds(data) == {
        "age": "Numbers", "income": "Numbers", "town": "Categories", "married": "Numbers",
        "born": "Dates", "comment": "Categories",
    }  # fmt: skip
    ages = np.array([31, 45, 52, 28, 33])
    x = data.train.x
    np.testing.assert_allclose(x[[0, 1, 3, 4, 5], 0], (ages - ages.mean()) / ages.std(), rtol=1e-6)
    middle = (np.median(ages) - ages.mean()) / ages.std()
    np.testing.assert_allclose(x[2, :2], [middle, 1], rtol=1e-6)
    assert data.table.columns[0].marks
    assert data.table.columns[1].edges == ()  # too few rows for pieces
    towns = data.table.columns[2]
    assert towns.words == ("Kyiv", "Oslo", "Rome")
    assert x[:, 3:8].sum(axis=1).tolist() == [1] * 6


def test_the_mean_is_that_of_the_columns_of_training_only(tmp_path):
    train = written(tmp_path, "a,b\n1,x\n3,y\n1,x\n3,y\n")
    test = written(tmp_path, "b,a\ny,100\nx,2\n", "test.csv")
    data = table(train, "b", test=test)
    assert data.train.x[:, 0].tolist() == [-1, 1, -1, 1]
    assert data.test.x[:, 0].tolist() == [20, 0]  # at most 20 deviations
    assert data.test.y.tolist() == [1, 0]


def test_pieces_of_a_quantity(tmp_path):
    rows = "\n".join(f"{i * 37 % 4000},{i % 3 + 0.5}" for i in range(0, 4000, 10))
    data = table(written(tmp_path, f"a,y\n{rows}\n"))
    (column,) = data.table.columns
    edges = np.quantile(np.arange(0, 4000, 10), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(column.edges, edges)
    middle = (edges[1] + edges[2]) / 2
    cells = pytest.importorskip("pyarrow").array([-5.0, middle, 9999.0])
    np.testing.assert_allclose(
        column.numbers(column.values(cells))[:, 1:], [[0, 0, 0, 0], [1, 0.5, 0, 0], [1, 1, 1, 1]]
    )


def test_words_never_seen_and_missing_ones(tmp_path):
    train = written(tmp_path, "town,y\n" + "Rome,1.5\nOslo,2.5\n,3.5\n" * 5)
    test = written(tmp_path, "town,y\nParis,1\n ,2\nOslo,3\n", "test.csv")
    data = table(train, test=test)
    assert data.classes is None
    assert data.test.x.tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(data.table.in_units(data.test.y[:, None]), [1, 2, 3], rtol=1e-6)


def test_what_is_left_out_is_said(tmp_path):
    rows = "\n".join(
        f"{i},same,{i % 7},words number {i} and {i * 31},{'ab'[i % 2]}" for i in range(300)
    )
    data = table(written(tmp_path, f"id,fixed,n,text,y\n{rows}\n"))
    assert kinds(data) == {"n": "Numbers"}
    said = "\n".join(data.table.lines())
    for part in ("id is left out", "fixed is left out: it is always 'same'", "text is left out"):
        assert part in said


def test_a_leak_is_pointed_out(tmp_path):
    rows = "\n".join(f"{i % 5},{'uv'[i % 2]},{'ab'[i % 2]}" for i in range(200))
    data = table(written(tmp_path, f"n,copy,y\n{rows}\n"))
    assert [note for note in data.table.notes if "copy alone tells" in note]
    assert not [note for note in data.table.notes if "n alone" in note]


def test_quantities_that_tell_the_target_are_pointed_out(tmp_path):
    rng = np.random.default_rng(0)
    n, noise = rng.normal(size=600), rng.normal(size=600)
    rows = [
        f"{a:.4f},{np.exp(a):.4f},{3 * a + 1:.4f},{b:.4f},{'uv'[int(a > 0.3)]}"
        for a, b in zip(n, noise, strict=True)
    ]
    path = written(tmp_path, "n,rank,line,noise,y\n" + "\n".join(rows))
    classes = [note for note in table(path).table.notes if "alone tells" in note]
    assert len(classes) == 3
    found = table(path, "n").table.notes
    assert sum("alone tells" in note for note in found) == 2
    assert not any("noise alone" in note for note in (*classes, *found))


def test_no_leak_where_one_class_is_nearly_all(tmp_path):
    rows = "\n".join(f"{i % 7},{'ab'[i % 250 == 0]}" for i in range(1000))
    assert not any("alone" in note for note in table(written(tmp_path, f"n,y\n{rows}")).table.notes)


def test_rare_classes_are_weighed(tmp_path):
    rows = "\n".join(f"{i % 7},{'ab'[i % 100 == 0]}" for i in range(400))
    data = table(written(tmp_path, f"n,y\n{rows}"), test=tmp_path / "table.csv")
    assert data.test.weight is None
    np.testing.assert_allclose(data.train.weight, np.where(np.arange(400) % 100 == 0, 2, 1))
    assert any("'b' is 1.00% of the rows: each weighs as 2" in n for n in data.table.notes)
    even = "\n".join(f"{i % 7},{'ab'[i % 20 == 0]}" for i in range(400))
    assert table(written(tmp_path, f"n,y\n{even}")).train.weight is None


def test_separators_of_thousands_are_noted(tmp_path):
    rows = "\n".join(f'"{i % 9 + 1},{i * 7 % 1000:03}",{i % 7}.5' for i in range(300))
    notes = table(written(tmp_path, f"size,y\n{rows}")).table.notes
    assert [note for note in notes if "size is taken for words" in note and "'1,000'" in note]


def test_examples_of_a_large_table_are_made_when_they_are_used(tmp_path, monkeypatch):
    path = written(tmp_path, PEOPLE)
    whole = table(path).train
    monkeypatch.setattr("pullback.data.tables.preparation.AT_ONCE", 0)
    monkeypatch.setattr("pullback.data.tables.preparation.MADE", 4)
    large = table(path).train
    assert isinstance(large.x, Rows)
    np.testing.assert_array_equal(np.asarray(large.x), whole.x)
    np.testing.assert_array_equal(large.x[2], whole.x[2])
    np.testing.assert_array_equal(np.asarray(large[[4, 1]][1:].x), whole.x[[1]])


def test_training_on_a_large_table_is_the_same(tmp_path, monkeypatch):
    path = written(tmp_path, PEOPLE)
    found = []
    for bytes_at_once in (1 << 20, 0):
        monkeypatch.setattr("pullback.data.tables.preparation.AT_ONCE", bytes_at_once)
        run = pb.fit(
            pb.Chain(pb.Linear(2)), table(path), loss=pb.losses.CrossEntropy(),
            optimizer=pb.optim.SGD(0.1), epochs=3, batch_size=2, validation=0.34, normalize="none",
        )  # fmt: skip
        found.append(run.history["val_loss"])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("quotes", [True, False])
def test_a_row_longer_than_what_is_parsed_at_a_time(quotes, tmp_path):
    mark = b'"' if quotes else b""
    long = b"x" * (3 << 20)
    path = written(tmp_path, b"a,b\n" + mark + long + mark + b",u\n" + b"y,v\n" * 3)
    assert read_table(path).cells["a"].to_pylist() == [long.decode(), "y", "y", "y"]


def test_a_nul_in_a_word_that_is_counted(tmp_path):
    path = written(tmp_path, b"a,y\n" + b"w,u\nx,v\n" * 60_000 + b"w\x00,u\n" + b"w,u\n" * 9)
    with pytest.raises(DataError, match="column 'a', row 120001: a NUL byte"):
        table(path)


def test_the_preparation_is_part_of_the_model(tmp_path):
    data = table(written(tmp_path, PEOPLE))
    net = pb.Chain(pb.Linear(2))
    run = pb.fit(
        net, data, loss=pb.losses.CrossEntropy(), optimizer=pb.optim.SGD(0.1), epochs=1,
        batch_size=None, normalize="none",
    )  # fmt: skip
    run.model.save(tmp_path / "model.safetensors")
    kept = pb.load_model(tmp_path / "model.safetensors")
    assert kept.table == data.table
    frame = kept.table.named(read_table(tmp_path / "table.csv"))
    np.testing.assert_array_equal(kept.table.examples(frame), data.train.x)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_dataframes(library, tmp_path):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    given = {"a": [1.0, 2.0, None, 4.0], "b": ["x", "y", "x", "y"]}
    made = frames.table(given) if library == "pyarrow" else frames.DataFrame(given)
    data = table(made)
    assert data.classes == ("x", "y")
    assert data.train.x.shape == (4, 2)
    assert data.train.x[2, 1] == 1


def test_words_that_look_like_numbers_in_a_new_table(tmp_path):
    data = table(written(tmp_path, "code,y\n" + "012,u\nA7,v\n" * 9))
    new = read_table(written(tmp_path, "code\n012\n012\n", "new.csv"), True, data.table.words)
    assert data.table.examples(data.table.named(new)).tolist() == [[1, 0, 0, 0]] * 2


def test_a_class_may_be_called_none(tmp_path):
    data = table(written(tmp_path, "a,y\n1,none\n2,some\n4,none\n"))
    assert data.classes == ("none", "some")
    assert len(data.train) == 3


def test_a_nul_far_down(tmp_path):
    path = written(tmp_path, b"a,y\n" + b"1,u\n2,v\n" * 60_000 + b"3\x00,u\n")
    with pytest.raises(DataError, match="column 'a', row 120001: a NUL byte"):
        table(path)


def test_dataframes_that_are_no_tables():
    import pyarrow

    with pytest.raises(DataError, match="Expected unique column names"):
        table(pyarrow.table([[1, 2], [3, 4]], names=["a", "a"]))
    lists = pyarrow.table({"n": [1, 5, 3], "odd": [[1], [2], [3]], "y": ["u", "v", "u"]})
    assert "note: odd is left out: its cells are list<" in "\n".join(table(lists).table.lines())
    with pytest.raises(DataError, match="a list is no table"):
        table([1, 2])


def test_a_column_that_says_which_rows_are_for_testing(tmp_path):
    rows = "\n".join(f"{i},{'test' if i > 7 else 'train'},{'ab'[i % 2]}" for i in range(10))
    data = table(written(tmp_path, f"n,part,y\n{rows}\n"), split="part")
    assert (len(data.train), len(data.test)) == (8, 2)
    assert "part" not in data.table.names
    with pytest.raises(DataError, match="of all rows or of none"):
        table(tmp_path / "table.csv", split="n")


# What is right: how it must be read (the first column's cells, or a number of rows).
RIGHT: dict[str, tuple[bytes, list]] = {
    "windows lines": (b"a,b\r\n1,x\r\n2,y\r\n", [1, 2]),
    "old mac lines": (b"a,b\r1,x\r2,y\r", [1, 2]),
    "no last line end": (b"a,b\n1,x\n2,y", [1, 2]),
    "blank lines": (b"a,b\n\n1,x\n\n2,y\n\n", [1, 2]),
    "a byte order mark": (b"\xef\xbb\xbfa,b\n1,x\n2,y\n", [1, 2]),
    "UTF-16, low byte first": (b"\xff\xfe" + "a,b\n1,x\n2,y\n".encode("utf-16-le"), [1, 2]),
    "UTF-16, high byte first": (b"\xfe\xff" + "a,b\n1,x\n2,y\n".encode("utf-16-be"), [1, 2]),
    "semicolons": (b"a;b\n1;x\n2;y\n", [1, 2]),
    "tabs": (b"a\tb\n1\tx\n2\ty\n", [1, 2]),
    "pipes": (b"a|b\n1|x\n2|y\n", [1, 2]),
    "spaces at the start": (b"1, x\n2, y\n", [1, 2]),
    "spaces around numbers": (b"a,b\n 1 ,x\n 2 ,y\n", [1, 2]),
    "quoted separators": (b'a,b\n"x,1",u\n"y,2",v\n', ["x,1", "y,2"]),
    "quoted line ends": (b'a,b\n"x\n1",u\n"y\n2",v\n', ["x\n1", "y\n2"]),
    "quoted quotes": (b'a,b\n"x ""1""",u\ny,v\n', ['x "1"', "y"]),
    "quoted numbers": (b'a,b\n"1",x\n"2",y\n', [1, 2]),
    "signs and exponents": (b"a,b\n+1.5e3,x\n-2E-1,y\n", ["+1.5e3", "-2E-1"]),
    "a question mark for none": (b"a,b\n1,x\n?,y\n3,x\n", [1, None, 3]),
    "NA for none": (b"a,b\n1,x\nNA,y\n3,x\n", [1, None, 3]),
    "nan for none": (b"a,b\n1.5,x\nnan,y\n3.5,x\n", [1.5, None, 3.5]),
    "nothing for none": (b"a,b\n1,x\n,y\n3,x\n", [1, None, 3]),
    "no header": (b"1,x\n2,y\n", [1, 2]),
    "a header of words over words": (b"name,kind\nann,x\nbob,y\n", ["ann", "bob"]),
    "words and no header": (b"x,u\ny,v\nx,v\n", ["x", "y", "x"]),
    "letters of the world": ("a,b\n東京,x\nÅlesund,y\n".encode(), ["東京", "Ålesund"]),
    "emoji in the header": ("a😀,b\n1,x\n2,y\n".encode(), [1, 2]),
    "an unnamed column": (b",b\n1,x\n2,y\n", [1, 2]),
    "ten thousand columns": (
        b",".join(b"c%d" % i for i in range(10_000)) + b"\n" + b",".join([b"1"] * 10_000) + b"\n"
        + b",".join([b"2"] * 10_000) + b"\n", [1, 2],
    ),
    "a field of a megabyte": (b"a,b\n" + b"x" * (1 << 20) + b",u\ny,v\n", ["x" * (1 << 20), "y"]),
    "very large numbers": (b"a,b\n1e300,x\n2e300,y\n", [1e300, 2e300]),
    "dates": (b"a,b\n2024-01-31,x\n2024-02-01,y\n", 2),
    "true and false": (b"a,b\ntrue,x\nfalse,y\n", [True, False]),
    "zeros before numbers": (b"a,b\n007,x\n010,y\n", [7, 10]),
    "whole numbers and fractions": (b"a,b\n1,x\n2.5,y\n", [1.0, 2.5]),
    "numbers and words": (b"a,b\n1,x\ntwo,y\n", ["1", "two"]),
    "separators of thousands": (b'a,b\n"1,000",x\n"2,000",y\n', ["1,000", "2,000"]),
    "percent signs": (b"a,b\n10%,x\n20%,y\n", ["10%", "20%"]),
    "numbers too large for whole ones": (b"a,b\n99999999999999999999,x\n1,y\n", [1e20, 1.0]),
    "a quoted header": (b'"a","b"\n1,x\n2,y\n', [1, 2]),
    "a separator at every end": (b"a,b,\n1,x,\n2,y,\n", [1, 2]),
    "times": (b"a,b\n2024-01-31 10:00:00,x\n2024-02-01 11:30:00,y\n", 2),
    "a name of a thousand letters": (b"a" * 1000 + b",b\n1,x\n2,y\n", [1, 2]),
    "one row": (b"a,b\n1,x\n", [1]),
    "spaces for none": (b"a,b\nu,x\n   ,y\n", ["u", "   "]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_odd_tables_that_are_right(name, tmp_path):
    content, wanted = RIGHT[name]
    frame = read_table(written(tmp_path, content))
    cells = frame.cells[frame.names[0]].to_pylist()
    if isinstance(wanted, int):
        assert len(frame) == wanted
    elif isinstance(wanted[0], str) and not isinstance(cells[0], str):
        assert cells == [float(cell) for cell in wanted]
    else:
        assert cells == wanted


# What is wrong: what the line must say.
WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "only spaces": (b"  \n \n", "the file is empty"),
    "a header alone": (b"a,b\n", "there is a header, and no row below it"),
    "a short row": (b"a,b,c\n1,2,x\n3,4\n5,6,y\n", "row 3 has 2 cells, expected 3"),
    "a long row": (b"a,b,c\n1,2,x\n3,4,y,z\n", "row 3 has 4 cells, expected 3"),
    "a NUL": (b"a,b\n1,x\n\x00,y\n", "a NUL byte at byte 8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "NUL"),
    "the same name twice": (b"a,a,y\n1,2,x\n3,4,z\n", "two columns are called 'a'"),
    "a quote that never ends": (b'a,y\n1,x\n2,"z\n3,x\n4,z\n', "a quotation mark is never closed"),
    "a target of one class": (b"a,y\n1,x\n2,x\n3,x\n", "always 'x'"),
    "a target that is never there": (b"a,y\n1,\n2,\n", "no value in any row"),
    "a number that is infinite": (b"a,y\n1e400,x\n2,z\n1.5,x\n", "'a', row 1: inf is not finite"),
    "nothing but the target": (b"y\nx\nz\nx\n", "no column is left"),
    "columns without values": (b"a,y\n,x\n,z\n", "no column is left"),
    "a target that is infinite": (b"a,y\n1,1e400\n2,1.5\n3,2.5\n", "'y', row 1"),
    "not UTF-8": (b"a,y\n\xff\xfeabc,x\n\xe9,z\n", "column 'a' is not UTF-8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables_are_refused_by_name(name, tmp_path):
    content, said = WRONG[name]
    path = written(tmp_path, content)
    with pytest.raises(PullbackError, match=said) as refused:
        table(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "no such file"),
        ("damaged.csv.gz", gzip.compress(b"a,y\n" + b"1,x\n2,z\n" * 9999)[:-40], "cannot be read"),
        ("damaged.parquet", b"PAR1 and no more", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(name, content, said, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        table(path)
    with pytest.raises(DataError, match="not a file"):
        read_table(tmp_path)


def test_compressed_and_parquet(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n1,x\n2,z\n"))
    assert table(path).train.x.shape == (2, 1)
    frame = read_table(path)
    parquet.write_table(frame.cells, tmp_path / "t.parquet")
    np.testing.assert_array_equal(table(tmp_path / "t.parquet").train.x, table(path).train.x)


def test_what_new_tables_must_have(tmp_path):
    data = table(written(tmp_path, "a,b,y\n1,u,x\n2,v,z\n3,u,x\n"))
    prepared = data.table
    with pytest.raises(DataError, match="there is no column 'b'"):
        prepared.named(read_table(written(tmp_path, "a,c\n1,2\n", "new.csv")))
    odd = read_table(written(tmp_path, "b,a,more\nu,three,1\n", "odd.csv"))
    with pytest.raises(DataError, match="column 'a', row 1: 'three' is no number"):
        prepared.examples(prepared.named(odd))
    other = read_table(written(tmp_path, "a,b,y\n1,u,q\n", "other.csv"))
    with pytest.raises(DataError, match="row 1: 'q' is none of the classes x, z"):
        prepared.targets(other)
    for target, said in (("yy", "Did you mean 'y'"), (7, "no column 7"), (-4, "no column -4")):
        with pytest.raises(ConfigError, match=said):
            table(tmp_path / "table.csv", target)
