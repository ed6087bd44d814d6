"""Colours and shapes of methods: one of each for a kind of method, readable on light and on dark, and without colour.

Every colour has a contrast of at least 3 to white and to #15181d, and the kinds differ for readers with any of the
common kinds of colour blindness; shapes repeat the difference.
"""

from typing import NamedTuple

from tasks.methods.registry import METHODS


class Kind(NamedTuple):
    """A kind of method, as a legend shows it."""

    title: str
    color: str
    shape: str


DAWIN = Kind("DaWin", "#d9480f", "diamond")
SINGLE = Kind("individual model", "#3b7dbf", "circle")
MERGED = Kind("one merged model", "#1f9276", "square")
ENSEMBLE = Kind("output ensemble", "#a866b5", "triangle-up")
REFERENCE = Kind("reference", "#83878f", "cross")
KINDS = (DAWIN, SINGLE, MERGED, ENSEMBLE, REFERENCE)
"""The kinds in the order of legends."""

_KINDS_OF = {
    "individual": SINGLE,
    "output-ensemble": ENSEMBLE,
    "classifier-selection": ENSEMBLE,
    "random": REFERENCE,
    "oracle": REFERENCE,
}

LOW, MIDDLE, HIGH = "#3b7dbf", "#8f7f9e", "#d9480f"
"""The ramp from little to much weight of a fine-tuned model."""


def kind_of(method: str) -> Kind:
    """Return the kind of a method by its name in results; a method without an entry makes one merged model.

    Example:
        >>> [kind_of(name).title for name in ("dawin/samples", "wise-ft/0.50", "individual/base")]
        ['DaWin', 'one merged model', 'individual model']
    """
    family = method.partition("/")[0]
    known = METHODS.get(family)
    if known is not None and not known.is_baseline:
        return DAWIN
    return _KINDS_OF.get(family, MERGED)


def between(share: float) -> str:
    """Return the colour of the ramp at a share between 0 and 1.

    Example:
        >>> between(0.0), between(1.0)
        ('#3b7dbf', '#d9480f')
    """
    share = min(max(share, 0.0), 1.0)
    first, second, within = (LOW, MIDDLE, 2 * share) if share < 0.5 else (MIDDLE, HIGH, 2 * share - 1)
    mixed = [round((1 - within) * a + within * b) for a, b in zip(_rgb(first), _rgb(second), strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
