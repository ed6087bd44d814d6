"""The order of a run as text: for each data set its missing stages, and what they wait for beside one another."""

from collections.abc import Sequence

from flows.planning.plan_parts import Part

_WORDS = {
    "judge": "extract judges",
    "evaluate learnt": "evaluate learnt models",
    "mix": "mix outputs",
}
_MOST_NAMED = 6  # data sets alike that a line names


def order_text(parts: Sequence[Part]) -> str:
    """Return one line for all data sets that go the same way, and one for each made model; complete parts are left out.

    A stage waits for the one before it, and for the made models and data sets that its line names.

    Args:
        parts: of a run, as `flows.planning.plan_parts.parts_of` returns them.
    """
    missing = [part for part in parts if part.missing]
    of_dataset = dict[str, list[Part]]()
    for part in missing:
        if part.dataset:
            of_dataset.setdefault(part.dataset, []).append(part)
    alike = dict[str, list[str]]()
    for name, own in of_dataset.items():
        alike.setdefault(", ".join(_stage(part, missing, name) for part in own), []).append(name)
    lines = [(_named(names), stages) for stages, names in alike.items()]
    lines += [(p.name.removeprefix("make "), _waits(p, missing, "") or "at once") for p in missing if not p.dataset]
    width = max((len(name) for name, _ in lines), default=0)
    heads = ["  order   ", *["          "] * len(lines)]
    return "\n".join(f"{head}{name:<{width}}  {text}" for head, (name, text) in zip(heads, lines, strict=False))


def _stage(part: Part, missing: Sequence[Part], dataset: str) -> str:
    word, waits = _WORDS.get(part.stage, part.stage), _waits(part, missing, dataset)
    return f"{word} ({waits})" if waits else word


def _waits(part: Part, missing: Sequence[Part], dataset: str) -> str:
    """Return what a part waits for that is missing and does not belong to a data set."""
    by_name = {one.name: one for one in missing}
    waits = [by_name[name] for name in part.waits_for if name in by_name and (by_name[name].dataset or " ") != dataset]
    names = [one.name if one.dataset else one.name.removeprefix("make ") for one in waits]
    return f"waits for {', '.join(names)}" if names else ""


def _named(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]}, {len(names)} data sets"
