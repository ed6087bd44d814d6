"""Files that are no checkpoints, named by their first bytes, so that a failed download is reported as one."""

from codecs import getincrementaldecoder

START = 512
"""The number of bytes of a file's start that identify its kind."""

_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer, which stands for the file itself: git lfs pull",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ": "an xz file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it first",
    b"Rar!": "a rar archive: unpack it first",
    b"\x89HDF": "an HDF5 file, perhaps of TensorFlow",
    b"\x93NUMPY": "an array of NumPy",
    b"GGUF": "a GGUF file, of a language model",
    b"PAR1": "a Parquet table",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
}
_TAGS = {
    b"<!doctype html": "an HTML page, perhaps a download that failed",
    b"<html": "an HTML page, perhaps a download that failed",
    b"<head": "an HTML page, perhaps a download that failed",
    b"<?xml": "an XML document, perhaps a server's error instead of the file",
    b"<error": "an XML document, perhaps a server's error instead of the file",
    b"{": "a JSON document",
    b"[": "a JSON document",
}
_TAR = (257, b"ustar")
_PICKLE = b"\x80"  # how a pickle of protocol 2 or newer begins


def kind_of(start: bytes) -> str | None:
    """Return the kind of a file that is neither a safetensors file nor one of PyTorch's, in words.

    Args:
        start: the file's first `START` bytes, or all of a shorter file.

    Returns:
        None for a file that begins as a pickle does, since its first bytes do not show whether it holds tensors.

    Example:
        >>> kind_of(b"<!DOCTYPE html><title>404</title>")
        'an HTML page, perhaps a download that failed'
    """
    place, tar = _TAR
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()  # a byte order mark, which some servers send
    known = [words for first, words in _STARTS.items() if start.startswith(first)]
    known += [words for first, words in _TAGS.items() if text.startswith(first)]
    if start[place : place + len(tar)] == tar:
        known.append("a tar archive; if PyTorch wrote it, a version before 0.1.10: unpack it, or save it anew")
    if known or start.startswith(_PICKLE):
        return known[0] if known else None
    if not start.strip(b"\0"):
        return "zeros only, perhaps a download that has not ended" if start else "an empty file"
    return "a text" if _is_text(start) else f"a file of an unknown kind, which begins with {start[:8].hex(' ')}"


def _is_text(start: bytes) -> bool:
    try:
        text = getincrementaldecoder("utf-8")().decode(start, final=len(start) < START)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n" for character in text)
