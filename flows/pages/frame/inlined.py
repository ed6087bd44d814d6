"""What a page carries inside it: the Vega runtime, hashes of scripts, chart specifications, pictures."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from markupsafe import Markup

from flows.pages.frame.kept_text import kept
from flows.pages.parts import Picture

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@cache
def vega_runtime() -> Markup:
    """Return the script of Vega, Vega-Lite and Vega-Embed: 0.9 MB, which takes two seconds where it is not kept yet."""
    name = f"vega-{version('vl-convert-python')}.js"
    return Markup(kept(name, _bundled).replace("</script", "<\\/script"))


def _bundled() -> str:
    import vl_convert  # noqa: PLC0415  only pages with charts need it

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def hash_of(script: str) -> str:
    """Return a script's source expression for a content security policy.

    Example:
        >>> hash_of("")
        'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def as_data(content: Mapping[str, Any]) -> Markup:
    r"""Return JSON for a data block of a page; no text inside it can end the block.

    Raises:
        ValueError: a number is not finite.

    Example:
        >>> str(as_data({"name": "</script>"}))
        '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    return Markup("".join(_ESCAPED.get(character, character) for character in text))


def as_image(picture: Picture) -> str:
    """Return the address that holds a picture itself."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode()}"
