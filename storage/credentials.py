"""Addresses that contain a secret: they are refused, and no message shows the secret."""

from storage.errors import StoreDenied

VARIABLES_TO_CHECK = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
"""The end of messages about a place on S3 that cannot be used."""

_WANTED = {
    "s3": "credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an endpoint in AWS_ENDPOINT_URL",
    "hf": "a token belongs in HF_TOKEN",
}


def refuse_credentials(address: str) -> None:
    """Refuse an address that contains a user, a password or a port.

    Raises:
        StoreDenied: it contains one; the message masks it and says where credentials belong.
    """
    scheme, separator, rest = address.partition("://")
    if separator and _is_secret(scheme, rest):
        wanted = _WANTED.get(scheme, "write the address without them")
        raise StoreDenied(f"{without_credentials(address)}: an address holds no credentials; {wanted}")


def without_credentials(text: str) -> str:
    """Return a text with every user, password and signed query in its addresses masked.

    Args:
        text: a message or an address; a text that is masked already stays as it is.

    Example:
        >>> without_credentials("no such thing: s3://KEY:SECRET@bucket/x")
        'no such thing: s3://…@bucket/x'
    """
    return " ".join(_masked(word) if "://" in word else word for word in text.split(" "))


def _masked(word: str) -> str:
    """Return a word with its address masked; everything before an `@` may be a part of the secret."""
    before, _, rest = word.partition("://")
    if rest.startswith("…"):
        return word
    scheme = before.rpartition("=")[2].lstrip("('\"")
    if _is_secret(scheme, rest):
        rest = "…" + ("@" + rest.rpartition("@")[2] if "@" in rest else "")
    if scheme in ("http", "https") and "?" in rest and "?…" not in rest:
        rest = rest.partition("?")[0] + "?…"
    return f"{before}://{rest}"


def _is_secret(scheme: str, rest: str) -> bool:
    """Return whether the part after `scheme://` contains more than a place; a secret may contain slashes."""
    authority = rest.partition("/")[0]
    is_odd = ":" in authority and not authority.startswith("arn:")
    return "@" in authority or (is_odd and (scheme == "s3" or "@" in rest))
