"""The first section: what was asked and what came out, in words made from the numbers."""

from flows.pages.figures import PERCENT, figure, listed, percent, percent_with_interval, points, signed
from flows.pages.parts import Facts, Note, Part, Section
from flows.pages.run_data import Difference, Group, RunData


def outcome(run: RunData, remarks: tuple[str, ...] = ()) -> Section:
    """Return the section.

    Args:
        run: the run.
        remarks: sentences about parts of the report that could not be made.
    """
    words = [_asked(run)]
    if run.whole:
        best, merge = run.best(), run.best(run.dawin)
        words += [_best(run, best)] if best else []
        words += [*_gains(run, merge), *_losses(run, merge), *_labels(run)] if merge else _labels(run)
    parts: list[Part] = [Facts(pairs=tuple(_facts(run)))]
    parts += [Note(text=f"Data set `{name}`: {note}.", kind="warning") for name, note in run.notes.items()]
    parts += [Note(text=text) for text in (*_unlabelled(run), *remarks)]
    return Section(id="outcome", title="What came out", words=tuple(words), parts=tuple(parts))


def code(names: list[str]) -> list[str]:
    """Return names as code."""
    return [f"`{name}`" for name in names]


def with_interval(difference: Difference) -> str:
    """Return a difference of accuracies with its interval, as a part of a sentence.

    Example:
        >>> with_interval(Difference(0.0123, 0.004, 0.0206, 0.01)).replace(PERCENT, " %")
        '+1.23 points, 95 % interval +0.400 to +2.06'
    """
    ends = _ends(difference)
    return f"{points(difference.value)}, {ends}" if ends else points(difference.value)


def change(difference: Difference, other: str) -> str:
    """Return a difference of accuracies as a verb with its object.

    Args:
        difference: the method's accuracy minus the other's.
        other: the words for the other method.

    Example:
        >>> change(Difference(0.0123, 0.004, 0.0206, 0.01), "the base").replace(PERCENT, " %")
        'gains 1.23 points over the base (95 % interval +0.400 to +2.06)'
        >>> change(Difference(-0.02, None, None, None), "it")
        'loses 2.00 points against it'
    """
    ends = f" ({found})" if (found := _ends(difference)) else ""
    if difference.value == 0:
        return f"equals {other}{ends}"
    amount = f"{figure(100 * abs(difference.value))} points"
    return f"gains {amount} over {other}{ends}" if difference.value > 0 else f"loses {amount} against {other}{ends}"


def _ends(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return ""
    return f"95{PERCENT} interval {signed(100 * difference.low)} to {signed(100 * difference.high)}"


def _asked(run: RunData) -> str:
    samples = sum(run.samples[name] for name in run.datasets)
    images = f"{samples:,} images of {_count(len(run.datasets), 'data set')}"
    base, tuned = f"`{run.models[0]}`" if run.models else "", code(run.models[1:])
    merged = (
        f"the base model {base} and the fine-tuned model{'s' * (len(tuned) > 1)} {listed(tuned, 8)}" if tuned else ""
    )
    compared = f"and compared {_count(len(run.methods), 'method')}"
    if not run.dawin:
        return f"The run evaluated {merged or 'the models'} on {images}, {compared}."
    return (
        f"The run merged the weights of {merged} with coefficients that the images themselves decide, without any "
        f"training, for {images}, {compared}."
    )


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _best(run: RunData, best: str) -> str:
    assert run.whole is not None
    found = run.overall(best)
    assert found is not None  # the best one has a value
    where = f"on `{run.whole.datasets[0]}`" if len(run.whole.datasets) == 1 else f"on average over {run.whole.words}"
    accuracy = percent_with_interval(found.value, found.low, found.high)
    rivals = [method for method in run.methods if method not in run.with_labels]
    if len(rivals) == 1:
        return f"`{best}` has a top-1 accuracy of **{accuracy}** {where}."
    text = f"`{best}` is **the most accurate method** {where}, with a top-1 accuracy of {accuracy}."
    tied = run.tied(best, run.whole.row)
    if tied:
        text += f" These samples do not distinguish it from {listed(code(tied))}."
    elif all(_is_tested(run, best, other) for other in rivals if other != best):
        text += " The test distinguishes it from every other method."
    return text


def _is_tested(run: RunData, method: str, other: str) -> bool:
    difference = run.difference(method, other, run.whole.row) if run.whole else None
    return difference is not None and difference.p_corrected is not None


def _gains(run: RunData, merge: str) -> list[str]:
    """Return the gain of DaWin over the base and over the fine-tuned model: over all data sets and by group."""
    assert run.whole is not None
    tuned = "the best fine-tuned model" if len(run.models) > 2 else "the fine-tuned model"
    parts = [
        change(difference, f"{name} `{other}`")
        for other, name in ((run.base, "the base model"), (run.reference, tuned))
        if other and (difference := run.difference(merge, other, run.whole.row))
    ]
    mine = run.overall(merge)
    if not parts or mine is None:
        return []
    text = f"`{merge}` reaches {percent(mine.value)}: it {' and '.join(parts)}."
    if len(run.groups) > 1:
        text += f" {' '.join(_by_group(run, merge, group) for group in run.groups)}"
    return [text]


def _by_group(run: RunData, merge: str, group: Group) -> str:
    own = run.estimate(merge, group.row)
    if own is None:
        return ""
    others = [
        f"{percent(found.value)} of `{other}`"
        for other in (run.base, run.reference)
        if other and (found := run.estimate(other, group.row))
    ]
    versus = f", next to {' and '.join(others)}" if others else ""
    place = f"`{group.datasets[0]}`" if len(group.datasets) == 1 else f"the {group.words}"
    return f"On {place} it has {percent(own.value)}{versus}."


def _losses(run: RunData, merge: str) -> list[str]:
    """Return where DaWin is less accurate than an individual model, and where no difference can be shown."""
    losses, open_ones, tested = list[str](), dict[str, list[str]](), False
    for dataset in run.labelled:
        for other in _rivals(run, dataset):
            difference = run.difference(merge, other, dataset)
            if difference is None:
                continue
            tested = tested or difference.p_corrected is not None
            if difference.p_corrected is not None and not difference.is_distinguishable:
                open_ones.setdefault(other, []).append(f"`{dataset}`")
            elif difference.value < 0:
                losses.append(f"`{other}` on `{dataset}` ({with_interval(difference)})")
    text = []
    if losses:
        text.append(f"`{merge}` is less accurate than {listed(losses, 6)}.")
    elif any(_rivals(run, dataset) for dataset in run.labelled):
        proven = ", as far as the test shows" if tested else ""
        text.append(f"On no data set is `{merge}` less accurate than an individual model{proven}.")
    if open_ones:
        places = [f"`{other}` on {listed(names)}" for other, names in open_ones.items()]
        text.append(f"The samples do not distinguish it from {', nor from '.join(places)}.")
    return [" ".join(text)] if text else []


def _rivals(run: RunData, dataset: str) -> list[str]:
    """Return the individual models that a merge should not lose against: both; of more, the best on the data set."""
    names = [run.individual(model) for model in run.models]
    scores = {name: found.value for name in names if (found := run.estimate(name, dataset))}
    if len(run.models) == 2:
        return list(scores)[::-1]
    return [max(scores, key=scores.__getitem__)] if scores else []


def _labels(run: RunData) -> list[str]:
    used = [method for method in run.methods if method in run.with_labels]
    if not used:
        return ["No method uses any label of these images; labels are used for the accuracies alone."]
    plural = len(used) > 1
    return [
        f"{listed(code(used))} use{'' if plural else 's'} labels of these data sets: "
        f"{'they are' if plural else 'it is'} shown for comparison, and never called the best."
    ]


def _unlabelled(run: RunData) -> list[str]:
    names = [name for name in run.datasets if name not in run.labelled]
    if not names:
        return []
    if not run.labelled:
        return [
            "No data set has labels, so no accuracy is known: the numbers show how the methods differ, and not "
            "which of them is right."
        ]
    have = "has" if len(names) == 1 else "have"
    return [f"{listed(code(names), 8)} {have} no labels, and so no accuracy."]


def _facts(run: RunData) -> list[tuple[str, str]]:
    groups = {group.name: group for group in run.groups}
    datasets = "; ".join(f"{name}: {', '.join(group.datasets)}" for name, group in groups.items())
    counts = {run.samples[name] for name in run.datasets}
    each = ", ".join(f"{name} {run.samples[name]:,}" for name in run.datasets)
    samples = f"{counts.pop():,} of each data set" if len(counts) == 1 and len(run.datasets) > 1 else each
    pairs = [("Groups", datasets), ("Images", samples)]
    merge = run.settings.get("merge", {})
    if merge.get("expertise"):
        pairs.append(("Expertise", str(merge["expertise"])))
    if merge.get("kind") == "task-vectors":
        pairs.append(("Scale of task vectors", ", ".join(figure(float(scale)) for scale in merge.get("scale", ()))))
    return [(name, text) for name, text in pairs if text]
