"""Tables of files: the same files as a sorted list of entries, for every name, in a few columns."""

import pickle
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.file_table import FileColumns, FileTable, encoded_path
from storage.files import FileEntry

# lone surrogates stand for bytes that are not UTF-8; the others are neighbours of the slash, and lengths of UTF-8
NAMES = st.text(
    st.sampled_from("aA0-./ \n\"'\\[é\u0100\u07ff\ud7ff\udcff\ue000\uffee\U0001f600"), min_size=1, max_size=6
)
ENTRIES = st.lists(
    st.builds(
        FileEntry,
        NAMES,
        st.integers(0, 2**62),
        st.text("0af-", max_size=5),
        st.one_of(st.just(""), st.integers(0, 2**62).map(str)),
    ),
    max_size=12,
    unique_by=lambda entry: entry.path,
)


@given(entries=ENTRIES)
def test_a_table_is_the_sorted_list_of_its_entries(entries):
    """Paths sort as text does, by code points, and every value comes back, also in another process."""
    table = FileTable.of(entries)
    expected = sorted(entries, key=lambda entry: entry.path)
    assert list(table) == [table[i] for i in range(len(table))] == expected
    assert list(table.paths) == [entry.path for entry in expected]
    assert list(pickle.loads(pickle.dumps(table))) == expected


@given(entries=ENTRIES, other=NAMES)
def test_a_path_is_found_if_and_only_if_the_table_has_it(entries, other):
    """So are the paths that end in a text, and those that are not UTF-8."""
    table = FileTable.of(entries)
    paths = sorted(entry.path for entry in entries)
    assert [table.row(path) for path in paths] == list(range(len(paths)))
    assert (other in table) == (other in paths)
    assert table.ending(other) == [path for path in paths if path.endswith(other)]
    foreign = [path for path in paths if any("\ud800" <= character <= "\udfff" for character in path)]
    assert table.first_not_utf8() == next(iter(foreign), None)


@given(entries=ENTRIES, data=st.data())
def test_rows_of_a_table_are_a_table_in_their_order(entries, data):
    """Rows may repeat and fall; all of them in order are the table itself."""
    table = FileTable.of(entries)
    rows = data.draw(st.lists(st.integers(0, len(entries) - 1), max_size=8)) if entries else []
    assert list(table.rows(np.array(rows, np.int64))) == [table[row] for row in rows]
    assert table.paths.take(np.array(rows, np.int64)) == [table[row].path for row in rows]
    assert table.rows(np.arange(len(table))) is table


@given(paths=st.lists(st.tuples(NAMES, NAMES).map("/".join), max_size=12, unique=True))
def test_first_folders_are_those_of_the_paths_in_their_order(paths):
    """A folder's files follow each other, though `a-b/x` comes before `a/x`, and each folder is named once."""
    names, counts = FileTable.of(FileEntry(path, 0, "") for path in paths).first_folders()
    assert np.repeat(names, counts).tolist() == [path.partition("/")[0] for path in sorted(paths)]
    assert len(set(names)) == len(names)


def test_a_path_that_no_file_has_is_refused():
    """The error names the path."""
    with pytest.raises(KeyError, match=r"b\.png"):
        FileTable.of([FileEntry("a.png", 1, "x")]).at("b.png")


def test_a_table_holds_a_hundred_bytes_of_a_file():
    """Twenty thousand local files take their paths and forty bytes each, and twice as much while they are sorted."""
    count = 20_000
    FileTable.of([FileEntry("a", 1, "x")])  # loads the libraries
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    try:
        columns = FileColumns()
        for number in range(count):
            path = encoded_path(f"class{number % 100:04d}/image-{number:08d}.jpg")
            columns.add(path, number, modified=number, changed=number)
        table = columns.table()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(table) == count
    assert (held + pa.total_allocated_bytes() - before) / count <= 100
    assert (most + pa.total_allocated_bytes() - before) / count <= 200
