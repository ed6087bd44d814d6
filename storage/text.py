"""Text from outside, made safe to print: names in files, addresses, and a library's messages on a broken file."""


def shown(text: str, most: int = 200) -> str:
    r"""Return a text of bounded length in which every character is printable.

    Escapes such as `\x1b` replace control characters (which a terminal obeys), bidirectional and invisible marks (which
    make one text look like another), line separators and lone surrogates (bytes of a name that are not UTF-8).

    Args:
        text: from a file, an address or a library's error; of any length.
        most: the maximal length of the result, in characters. A longer text loses its middle, because an address ends
            in the file's name.

    Returns:
        The text itself when it is short and printable.

    Example:
        >>> shown("\x1b[2Jmodel\u202etp.exe")
        '\\x1b[2Jmodel\\u202etp.exe'
        >>> shown("a" * 1000, most=9)
        'aaaaaa…aa'
    """
    return _cut("".join(map(_printable, _cut(text, most))), most)


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"
