"""The pages of the documentation, and the code blocks on them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages():
    """Return the text of every page by its path below `docs/`."""
    return {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}


def blocks(page, language):
    """Return the code blocks of a language on a page, top to bottom; files that a page shows are none of them."""
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def with_blocks(language):
    """Return the pages that have a code block of a language."""
    return [page for page in pages() if blocks(page, language)]


def files(page):
    """Return the files that a page shows, the content by the path: blocks with a title."""
    text = (DOCS / page).read_text()
    return dict(re.findall(r'^```python title="(.+?)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))
