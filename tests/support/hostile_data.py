"""Data sets of some kilobytes that cost much to read or break a careless reader (holes in files take no disk space).

Each function writes one into an empty folder. `DATA` has a part of the message of its refusal.
"""

import gzip
import json
import struct
import zlib

import formats
import hostile_tars
import pyarrow as pa
import pyarrow.parquet as pq

MIB = 1 << 20


def _idx_header(*shape):
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def _mnist(folder, images, labels):
    for name, content in (("t10k-images-idx3-ubyte.gz", images), ("t10k-labels-idx1-ubyte.gz", labels)):
        (folder / name).write_bytes(content)


def idx_that_goes_on(folder):
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(_idx_header(1, 2, 2)), *(packer.compress(bytes(MIB)) for _ in range(64))]
    _mnist(folder, b"".join([*parts, packer.flush()]), gzip.compress(_idx_header(1) + b"\1"))


def idx_of_an_impossible_size(folder):
    _mnist(folder, gzip.compress(_idx_header(2**21 - 1, 2**32 - 1, 2**32 - 1)), gzip.compress(_idx_header(1) + b"\1"))


def idx_without_pixels(folder):
    _mnist(folder, gzip.compress(_idx_header(2**31, 0, 28)), gzip.compress(_idx_header(1) + b"\1"))


def idx_of_many_labels(folder):
    _mnist(folder, gzip.compress(_idx_header(1, 1, 1) + b"\1"), gzip.compress(_idx_header(2**26) + bytes(2**26), 1))


def idx_of_members(folder):
    one = gzip.compress(_idx_header(1) + b"\1")
    _mnist(folder, gzip.compress(_idx_header(1, 1, 1) + b"\1"), one + gzip.compress(b"") * 100_000)


def _mat(*elements):
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    return header + b"".join(elements)


def _element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def _matrix(name, kind, shape, *parts):
    flags = _element(6, struct.pack("<II", kind, 0))
    sides = _element(5, struct.pack(f"<{len(shape)}i", *shape))
    return _element(14, b"".join([flags, sides, _element(1, name), *parts]))


def _svhn(folder, *elements):
    (folder / "test_32x32.mat").write_bytes(_mat(*elements))


def mat_that_unpacks_to_much(folder):
    packer = zlib.compressobj(9)
    size = 80 * MIB
    whole = _matrix(b"y", 9, (size, 1))
    head = struct.pack("<II", 14, len(whole) - 8 + 8 + size) + whole[8:] + struct.pack("<II", 2, size)
    packed = b"".join([packer.compress(head), *(packer.compress(bytes(MIB)) for _ in range(80)), packer.flush()])
    _svhn(folder, struct.pack("<II", 15, len(packed)) + packed)


def mat_of_many_cells(folder):
    _svhn(folder, _matrix(b"y", 1, (2**30, 2**30)))


def mat_of_empty_cells(folder):
    cells = struct.pack("<II", 14, 0) * 1_000_000
    packed = zlib.compress(_matrix(b"y", 1, (1000, 1000), cells), 9)
    _svhn(folder, struct.pack("<II", 15, len(packed)) + packed)


def mat_of_cells_in_cells(folder):
    inner = _matrix(b"", 9, (1, 1), _element(9, bytes(8)))
    for _ in range(500):
        inner = _matrix(b"y", 1, (1, 1), inner)
    _svhn(folder, inner)


def mat_whose_numbers_are_missing(folder):
    _svhn(folder, _matrix(b"y", 9, (2**30, 1), struct.pack("<II", 2, 2**30)))


def mat_of_the_newest_version(folder):
    (folder / "test_32x32.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(512))


def parquet_of_a_billion_rows(folder):
    rows = 2**24
    table = pa.table({"image": pa.nulls(rows, pa.binary())})
    with pq.ParquetWriter(folder / "x.parquet", table.schema, compression="zstd") as writer:
        for _ in range(3):
            writer.write_table(table, row_group_size=rows)


def parquet_with_a_long_footer(folder):
    table = pa.table({"image": [b"x"]}).replace_schema_metadata({"huggingface": "x" * 2 * MIB})
    pq.write_table(table, folder / "x.parquet")


def parquet_of_many_empty_columns(folder):
    """Write a footer of a megabyte: each column takes three bytes of it, and hundreds in memory."""
    count = 345_000
    columns = bytes([0x19, 0xFC, count & 0x7F | 0x80, count >> 7 & 0x7F | 0x80, count >> 14]) + b"\x26\0\0" * count
    schema = b"\x19\x1c\x48\x01x\x15\0\0"
    footer = b"\x15\x02" + schema + b"\x16\0\x19\x1c" + columns + b"\x16\0\x16\0\0\0"
    (folder / "x.parquet").write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")


def parquet_whose_footer_is_the_file(folder):
    (folder / "x.parquet").write_bytes(b"PAR1" + bytes(64) + struct.pack("<I", 2**31) + b"PAR1")


def parquet_of_nested_labels(folder):
    pq.write_table(pa.table({"image": [b"x"], "label": [[[0]]]}), folder / "x.parquet")


def parquet_with_a_class_of_many_letters(folder):
    names = ["x" * 300_000, *map(str, range(1000))]
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table({"image": [b"x"], "label": [0]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "x.parquet")


def parquet_with_a_page_that_grows(folder):
    """Write labels whose only page announces two gigabytes."""
    path = folder / "x.parquet"
    pq.write_table(pa.table({"label": [3], "image": [b"x"]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    assert content[start : start + 3] == bytes([0x15, 0, 0x15])  # the type of a data page; then its size unpacked
    content[start + 3 : start + 4] = b"\xfe\xff\xff\xff\x0f"
    path.write_bytes(content)


def folders_linked_to_each_other(folder):
    names = "abcdefghijkl"
    for name in names:
        (folder / name).mkdir()
        for other in names:
            (folder / name / f"to-{other}").symlink_to(f"../{other}")
    formats.write_folder(folder, formats.encoded(1), [0])


def a_link_to_itself(folder):
    formats.write_folder(folder, formats.encoded(1), [0])
    (folder / "x").symlink_to("x")


def a_name_that_is_not_utf8(folder):
    formats.write_folder(folder, formats.encoded(1), [0])
    (folder / "class000" / "a\udcff.png").write_bytes(formats.encoded(1)[0])


def a_name_that_a_terminal_obeys(folder):
    formats.write_folder(folder, formats.encoded(1), [0])
    (folder / "a\x1b]0;owned\x07\u202e.png").write_bytes(formats.encoded(1)[0])


def _gtsrb(folder, row):
    (folder / "GT-final_test.csv").write_text(f"Filename;ClassId\n{row}\n")


def a_table_with_a_long_field(folder):
    _gtsrb(folder, f'"{"x" * 200_000}";1')


def a_table_of_a_number_of_many_digits(folder):
    _gtsrb(folder, f"a.ppm;{'9' * 100_000}")


def a_table_that_is_too_long(folder):
    _gtsrb(folder, "a.ppm;1\n" * MIB)


def a_list_of_nothing(folder):
    (folder / "labels").mkdir()
    (folder / "labels" / "test1.txt").write_text("a " * 2 * MIB)


DATA = hostile_tars.DATA | {
    idx_that_goes_on: "images-idx3-ubyte.gz: more bytes of (1, 2, 2), wanted 4",
    idx_of_an_impossible_size: "2,097,151 samples, wanted at most 2,000,000",
    idx_without_pixels: "nothing in an array of (2147483648, 0, 28)",
    idx_of_many_labels: "67,108,864 samples, wanted at most 2,000,000",
    idx_of_members: "something follows the compressed stream",
    mat_that_unpacks_to_much: "bytes unpacked from",
    mat_of_many_cells: "1,152,921,504,606,846,976 cells or fields, wanted at most 250,000",
    mat_of_empty_cells: "1,000,000 cells or fields, wanted at most 250,000",
    mat_of_cells_in_cells: "nested too deeply",
    mat_whose_numbers_are_missing: "cut short",
    mat_of_the_newest_version: "of version 7.3, wanted one saved with -v7",
    parquet_of_a_billion_rows: "50,331,648 samples, wanted at most 2,000,000",
    parquet_with_a_long_footer: "bytes, wanted at most 1,048,576",
    parquet_of_many_empty_columns: "no column of images; wanted image",
    parquet_whose_footer_is_the_file: "no footer at its end",
    parquet_of_nested_labels: "wanted whole numbers",
    parquet_with_a_class_of_many_letters: "a class's name of 300,000 characters",
    parquet_with_a_page_that_grows: "bytes unpacked from",
    folders_linked_to_each_other: "links lead to the same folders over and over",
    a_link_to_itself: "cannot be used (",
    a_name_that_is_not_utf8: r"class000/a\udcff.png: the file's name is not UTF-8; rename it",
    a_name_that_a_terminal_obeys: r"a\x1b]0;owned\x07\u202e.png",
    a_table_with_a_long_field: "damaged, wanted columns Filename and ClassId",
    a_table_of_a_number_of_many_digits: "damaged, wanted columns Filename and ClassId",
    a_table_that_is_too_long: "GT-final_test.csv: 8,388,626 bytes, wanted at most 4,194,304",
    a_list_of_nothing: "image 'a' is missing",
}
