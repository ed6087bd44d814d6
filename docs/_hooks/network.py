"""MkDocs hook: a built page loads nothing from the network; the build fails where one would."""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

_LOADED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*"'
    r'|<link\b(?=[^>]*\brel="(?:stylesheet|preload|preconnect|icon)")[^>]*\bhref="(?:https?:)?//[^"]*"'
)


def on_post_build(config: Any, **_: Any) -> None:  # noqa: ANN401  whatever MkDocs passes
    """Raise `PluginError` where a page has an address to load something from."""
    for page in sorted(Path(config["site_dir"]).rglob("*.html")):
        if found := _LOADED.search(page.read_text()):
            raise PluginError(f"{page.name}: would load from the network: {found[0]}")
