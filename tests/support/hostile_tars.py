"""Tar shards whose headers, links and labels cost much or never end.

Each function writes one into an empty folder. `DATA` has a part of the message of its refusal.
"""

import os
import tarfile

import formats

MIB = 1 << 20


def _tar(folder, *parts, name="x.tar"):
    (folder / name).write_bytes(b"".join(parts) + bytes(1024))


def _member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def _with_hole(folder, kind):
    header = tarfile.TarInfo("x")
    header.size, header.type = 1024 * MIB, kind
    with (folder / "x.tar").open("wb") as file:
        file.write(header.tobuf())
        file.truncate(512 + 1024 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(_member("a.png", b"x") + bytes(1024))


def tar_with_a_long_name(folder):
    _with_hole(folder, tarfile.GNUTYPE_LONGNAME)


def tar_with_long_attributes(folder):
    _with_hole(folder, tarfile.XHDTYPE)


def tar_of_headers_in_headers(folder):
    one = _member("x", b"11 path=ab\n", tarfile.XHDTYPE)
    _tar(folder, one * 2000, _member("a.png", b"x"))


def tar_of_a_negative_size(folder):
    header = bytearray(_member("a.png", b""))
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # minus 1024, in base 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    _tar(folder, bytes(header))


def tar_whose_sparse_map_never_ends(folder):
    attributes = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    _tar(folder, _member("x", attributes, tarfile.XHDTYPE), _member("a.png", b"9999999\n"))


def tar_of_links_in_a_circle(folder):
    links = [_member(f"{a}.cls", b"", tarfile.LNKTYPE, f"{b}.cls") for a, b in ("ab", "ba")]
    _tar(folder, *links, _member("a.png", b"x"))


def tar_of_a_deep_label(folder):
    _tar(folder, _member("a.png", b"x"), _member("a.json", b"[" * 60_000))


def tar_of_a_label_of_many_digits(folder):
    _tar(folder, _member("a.png", b"x"), _member("a.cls", b"9" * 60_000))


def tar_of_a_name_of_many_letters(folder):
    attributes = b"path=" + b"x" * 20_000 + b".png\n"
    attributes = b"%d " % (len(attributes) + 6) + attributes
    _tar(folder, _member("x", attributes, tarfile.XHDTYPE), _member("a.png", b"x"))


def tar_of_many_shards(folder):
    _tar(folder, _member("a.png", b"x"), name="x-0-of-999999999.tar")


def tar_beside_a_long_list(folder):
    formats.write_tars(folder, formats.encoded(2), [0, 1], shards=1)
    (folder / "classnames.txt").write_text("x\n" * 3 * MIB)


DATA = {
    tar_with_a_long_name: "more than 262,144 bytes of headers",
    tar_with_long_attributes: "more than 262,144 bytes of headers",
    tar_of_headers_in_headers: "x.tar: not a plain tar file",
    tar_of_a_negative_size: "x.tar: not a plain tar file",
    tar_whose_sparse_map_never_ends: "x.tar: not a plain tar file",
    tar_of_links_in_a_circle: "a.cls is not a plain file",
    tar_of_a_deep_label: "a.json holds no label",
    tar_of_a_label_of_many_digits: "a.cls holds no label",
    tar_of_a_name_of_many_letters: "wanted UTF-8 of at most 1024 characters",
    tar_of_many_shards: "999999998 of 999999999 shards are missing",
    tar_beside_a_long_list: "classnames.txt: 6,291,456 bytes, wanted at most 4,194,304",
}
