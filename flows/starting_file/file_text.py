"""The text of a first experiment file: every setting with a comment."""

import json
import re
from collections.abc import Iterator, Sequence

import yaml

from flows.experiment.schema import SCHEMA_LINE
from flows.starting_file.datasets_found import FoundDataset
from flows.starting_file.decisions import TEMPLATE, Draft, Head
from storage.text import shown

_LATEST_COLUMN = 60  # of comments
_MARK = "\0"  # between a setting and its comment, until all are aligned
_WIDTH = 120


def file_text(draft: Draft, command: str, file: str, questions: Sequence[str]) -> str:
    """Return the content of an experiment file.

    Args:
        draft: all decisions.
        command: the command line that writes the file.
        file: the file's name, for the commands in its comments.
        questions: what its reader should settle, each a sentence.
    """
    lines = [
        SCHEMA_LINE,
        "# (with this line, editors complete and check the settings: the YAML extension of VS Code, and others)",
        "#",
        f"# Written by `{command}`.",
        f"# Check it with `dawin plan {file}`, then compute with `dawin run {file}`.",
    ]
    for question in questions:
        lines += _wrapped("# TODO: ", question)
    for reason in draft.left_out:
        lines += _wrapped("# Not used: ", reason)
    lines += ["", _line(f"name: {scalar(draft.name)}", "name in results"), ""]
    lines += [*_models(draft), "", *_datasets(draft), "", *_heads(draft), "", *_merge(draft), "", *_others(draft)]
    return "\n".join(_aligned(lines)) + "\n"


def _line(text: str, comment: str) -> str:
    return f"{text}{_MARK}{comment}"


def _aligned(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines with their comments in one column, further to the right where the settings are longer."""
    settings = [len(line.partition(_MARK)[0]) for line in lines if _MARK in line]
    column = min(_LATEST_COLUMN, max(settings, default=0))
    for line in lines:
        text, mark, comment = line.partition(_MARK)
        yield f"{text:<{column}}  # {comment}" if mark else text


def _wrapped(head: str, text: str) -> list[str]:
    """Return a comment in lines of bounded width."""
    lines, indent = [head.rstrip()], "#   "
    for word in shown(text, 4000).split():
        if len(lines[-1]) + len(word) >= _WIDTH:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}"
    return lines


def scalar(text: str) -> str:
    """Return a text as YAML: plain where that means the same, else quoted.

    Example:
        >>> scalar("checkpoints/base.pt"), scalar("a: b"), scalar("null")
        ('checkpoints/base.pt', '"a: b"', '"null"')
    """
    is_plain = re.fullmatch(r"[A-Za-z0-9./_][A-Za-z0-9._/+-]*", text) and yaml.safe_load(text) == text
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _models(draft: Draft) -> Iterator[str]:
    yield _line("models:", "the base (pre-trained) first, then those fine-tuned from it")
    for number, model in enumerate(draft.found.models):
        reason = f"the base: {draft.found.base_reason}" if not number else "name in results"
        head = f"a head of {model.classes:,} classes inside" if model.classes else "no head inside"
        yield _line(f"  - name: {scalar(model.name)}", reason)
        yield _line(f"    checkpoint: {scalar(model.address)}", head)
        yield _line("    temperature: 1.0", "divides the logits; `dawin calibrate` fits it on labelled images")


def _datasets(draft: Draft) -> Iterator[str]:
    yield _line("datasets:", "what every method is evaluated on")
    used = [one.name for one in draft.used]
    for one in draft.datasets:
        lines = _dataset(one, draft)
        yield from lines if one.name in used else (f"  # {line[2:]}" for line in lines)


def _dataset(one: FoundDataset, draft: Draft) -> list[str]:
    group = draft.groups[one.name]
    lines = [
        _line(f"  - name: {scalar(one.name)}", "name in results"),
        _line(f"    images: {scalar(one.address)}", one.described),
    ]
    if one.catalogue:
        lines.append(_line(f"    catalogue: {one.catalogue}", "the public data set: sets group, classes and prompts"))
    if group is not None:
        meaning = {
            "id": "in-distribution: like the images of the fine-tuning",
            "ood": "out of distribution; data sets of a group are averaged",
            "tasks": "data sets of a group are averaged",
        }
        lines.append(_line(f"    group: {group}", meaning[group]))
    return lines


def _heads(draft: Draft) -> Iterator[str]:
    """Yield the heads that lie outside the checkpoints."""
    outside = {one.name: head for one in draft.used if (head := draft.heads[one.name]).setting or head.classes}
    if not outside:
        yield _line("heads: {}", "none outside the checkpoints")
        return
    yield _line("heads:", "the classification head of each data set")
    for name, head in outside.items():
        yield from _head(name, head)


def _head(name: str, head: Head) -> Iterator[str]:
    if head.setting:
        yield _line(f"  {name}: {scalar(head.setting)}", head.remark)
        return
    yield _line(f"  {name}:", head.remark)
    classes = ", ".join(map(_quoted, head.classes))
    yield _line(f"    templates: [{json.dumps(TEMPLATE)}]", "the prompts; {} is the name")
    yield f"    # the names of the classes, in the order of the labels\n    classes: [{classes}]"


def _merge(draft: Draft) -> Iterator[str]:
    yield _line("merge:", "how DaWin merges")
    if draft.is_multi_task:
        yield _line("  kind: task-vectors", "base + scale × the sum of weighted differences from the base")
        yield _line("  scale: 0.3", "s of the task vectors; a list such as [0.2, 0.3] compares several")
    else:
        yield _line("  kind: interpolation", "a weighted mean of the models")
    yield _line("  expertise: entropy", "measures how sure a model is of a sample")
    if not draft.is_multi_task and len(draft.found.models) == 2:
        yield _line("  offset: true", "offset adjustment of the coefficients, as published")
    yield _line("  granularity: [clusters]", "one merged model per cluster; also: bins, samples (exact, slower)")
    reason = "one a task, as published" if draft.is_multi_task else "per data set; auto chooses by BIC"
    yield _line(f"  clusters: {draft.clusters}", reason)


def _others(draft: Draft) -> Iterator[str]:
    yield _line("baselines:", "methods to compare with; `dawin schema` lists all")
    labelled = all(one.classes for one in draft.used)
    for name in draft.baselines:
        yield f"  - {name}"
    if not labelled:
        yield "  # methods that need labels are not listed: some data sets have none"
    yield _line("precision: fp32", "of the models' arithmetic; bf16 and fp16 are faster on a GPU")
    yield _line("batch_size: 256", "images per batch; lower it if memory is short")
    yield _line("seed: 1", "of everything random")
