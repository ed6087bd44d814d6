"""The first section: what was asked and what came out, in words made from the numbers."""

from flows.pages.figures import figure, listed, percent, percent_with_interval
from flows.pages.parts import Facts, Note, Part, Section
from flows.pages.run_data import Group, RunData
from flows.pages.sections.sentences import change, code, counted, with_interval


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


def _asked(run: RunData) -> str:
    samples = sum(run.samples[name] for name in run.datasets)
    images = f"{samples:,} images of {counted(len(run.datasets), 'data set')}"
    base, tuned = f"`{run.models[0]}`" if run.models else "", code(run.models[1:])
    merged = (
        f"the base model {base} and the fine-tuned model{'s' * (len(tuned) > 1)} {listed(tuned, 8)}" if tuned else ""
    )
    compared = f"and {'compared' if len(run.methods) > 1 else 'evaluated'} {counted(len(run.methods), 'method')}"
    if not run.dawin:
        return f"The run evaluated {merged or 'the models'} on {images}, {compared}."
    return (
        f"The run merged the weights of {merged} with coefficients that the images themselves decide, without any "
        f"training, for {images}, {compared}."
    )


def _best(run: RunData, best: str) -> str:
    assert run.whole is not None
    found = run.overall(best)
    assert found is not None  # the best one has a value
    where = f"on `{run.whole.datasets[0]}`" if len(run.whole.datasets) == 1 else f"on average over {run.whole.words}"
    accuracy = percent_with_interval(found.value, found.low, found.high)
    rivals = [method for method in run.methods if method not in run.with_labels]
    if len(rivals) == 1:
        return f"`{best}` has a top-1 accuracy of **{accuracy}** {where}."
    equal = [method for method in rivals if (other := run.overall(method)) and other.value == found.value]
    text = f"`{best}` is **the most accurate method** {where}, with a top-1 accuracy of {accuracy}."
    if len(equal) > 1:
        text = f"{listed(code(equal))} are **the most accurate methods** {where}, with a top-1 accuracy of {accuracy}."
    tied = [method for method in run.tied(best, run.whole.row) if method not in equal]
    if tied:
        text += f" The samples do not distinguish {'them' if len(equal) > 1 else 'it'} from {listed(code(tied))}."
    elif len(equal) == 1 and all(_is_tested(run, best, other) for other in rivals if other != best):
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
    losses, doubts, open_ones, tested = list[str](), list[str](), dict[str, list[str]](), False
    for dataset in run.labelled:
        for other in _rivals(run, dataset):
            difference = run.difference(merge, other, dataset)
            if difference is None:
                continue
            tested = tested or difference.p_corrected is not None
            if difference.p_corrected is not None and not difference.is_distinguishable:
                open_ones.setdefault(other, []).append(f"`{dataset}`")
                if difference.high is not None and difference.high < 0:
                    doubts.append(f"`{other}` on `{dataset}` ({with_interval(difference)})")
            elif difference.value < 0:
                losses.append(f"`{other}` on `{dataset}` ({with_interval(difference)})")
    text = []
    if losses:
        text.append(f"`{merge}` is less accurate than {listed(losses, 6)}.")
    elif any(_rivals(run, dataset) for dataset in run.labelled):
        shown = "does the test show that" if tested else "is"
        less = f"`{merge}` is less accurate" if tested else f"`{merge}` less accurate"
        text.append(f"On no data set {shown} {less} than an individual model.")
    if open_ones:
        places = [f"`{other}` on {listed(names)}" for other, names in open_ones.items()]
        text.append(f"The samples do not distinguish it from {', nor from '.join(places)}.")
    if doubts:
        text.append(f"Without the correction for the number of comparisons, it is less accurate than {listed(doubts)}.")
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
    samples = each if len(counts) != 1 else f"{counts.pop():,}{' of each data set' * (len(run.datasets) > 1)}"
    pairs = [("Groups", datasets), ("Images", samples)]
    merge = run.settings.get("merge", {})
    if merge.get("expertise") and run.dawin:
        pairs.append(("Expertise", str(merge["expertise"])))
    if merge.get("kind") == "task-vectors":
        pairs.append(("Scale of task vectors", ", ".join(figure(float(scale)) for scale in merge.get("scale", ()))))
    return [(name, text) for name, text in pairs if text]
