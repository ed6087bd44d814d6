"""Text from outside, made fit to be shown: names in files, addresses, what a library says of a broken file."""


def shown(text: str, most: int = 200) -> str:
    """Return a text in which every character is printable, of bounded length.

    Control characters (which a terminal obeys), bidirectional and invisible marks (which make a text look like
    another), line separators and lone surrogates (bytes of a name that are not UTF-8) become escapes such as `\\x1b`.

    Args:
        text: from a file, an address, an error of a library; of any length.
        most: characters of the result. The middle of a longer text is cut out: an address ends in the file's name.

    Example:
        >>> shown("\\x1b[2Jmodel\\u202etp.exe")
        '\\\\x1b[2Jmodel\\\\u202etp.exe'
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
