"""MkDocs hook: a page's line `::methods` becomes the list of all methods, read from their registry.

Imports no torch: `tasks.methods.registry` is what planning loads.
"""

import inspect
from typing import Any

from tasks.methods.method import Method, Setup
from tasks.methods.registry import METHODS

_MARK = "::methods"
_SETUP = Setup(
    models=("<base>", "<first>", "<second>"),
    granularity=("clusters", "bins", "samples"),
    clusters=3,
    bins=64,
    options={},
)
_MOST_MEMBERS = 4


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401  whatever MkDocs passes
    """Return the page with the list in the place of its mark."""
    return "\n".join(methods_list() if line == _MARK else line for line in markdown.split("\n"))


def methods_list() -> str:
    """Return a Markdown table of all methods, and a section for each one."""
    rows = [f"| [`{name}`](#{name}) | {method.summary} | {_source(method)} |" for name, method in METHODS.items()]
    table = "\n".join(["| method | predictions | source |", "|---|---|---|", *rows])
    return "\n\n".join([table, *(_section(method) for method in METHODS.values())])


def _section(method: Method) -> str:
    words = inspect.cleandoc(type(method).__doc__ or "")
    facts = [f"in results: {_members(method)}", f"source: {_source(method)}"]
    if method.options.model_fields:
        anchor = f"experiment.md#settings-methods-{method.name}"
        facts.append(f"options: [`methods.{method.name}`]({anchor})")
    if reason := method.refusal(method.members(_SETUP)[-1], _SETUP):
        facts.append(f"refused when an experiment does not fit: *{method.name} {reason}*")
    lines = "\n".join(f"- {fact}" for fact in facts)
    return f"## {method.title} {{ #{method.name} }}\n\n{words}\n\n{lines}"


def _members(method: Method) -> str:
    names = [f"`{method.full_name(member)}`" for member in method.members(_SETUP)]
    more = ", …" if len(names) > _MOST_MEMBERS else ""
    return ", ".join(names[:_MOST_MEMBERS]) + more


def _source(method: Method) -> str:
    if method.paper is None:
        return "a common baseline"
    paper = method.paper
    return f"[{paper.title}]({paper.url}), {paper.venue} {paper.year}"
