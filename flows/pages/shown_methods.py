"""The methods that charts name: a family of many members has one, as in the short table of results."""

from flows.pages.run_data import RunData
from flows.reports.summary import summary_of
from tasks.methods.registry import METHODS

_ENDS = (0.0, 1.0)


def short_methods(run: RunData) -> list[str]:
    """Return the methods that have a row in the short table of results, in the order of the results."""
    return [row.method for row in summary_of(run.rows, metric="top1").rows]


def curve_of(run: RunData) -> list[str]:
    """Return the interpolations of two models' weights by their coefficient, from the base to the fine-tuned model.

    The ends are the models themselves. A run without such interpolations has no curve.
    """
    if len(run.models) != 2:
        return []
    family = METHODS["wise-ft"]
    found = dict[float, str]()
    for method in run.methods:
        name, _, member = method.partition("/")
        if METHODS.get(name) is family:
            found[float(member)] = method
    if not found:
        return []
    ends = {alpha: run.individual(model) for alpha, model in zip(_ENDS, run.models, strict=True)}
    found |= {alpha: name for alpha, name in ends.items() if alpha not in found and name in run.methods}
    return [found[alpha] for alpha in sorted(found)]
