"""Which axis of each activation holds the samples: found once by a dry run, played back in every pass.

A layer that is called with (tokens, samples, channels) looks, from inside, like one called with (samples, tokens,
channels) when there happen to be as many of the one as of the other. So the model is run once on the meta device,
where a tensor is a shape and nothing is computed, with a number of samples that no other axis can have.
"""

from collections.abc import Sequence

PROBE = 7919  # samples of the dry run: a prime that is no width, no number of tokens and no multiple of them


class SampleAxes:
    """The sample axis at each use of a weight, in the order of the uses."""

    def __init__(self) -> None:
        self._found: list[tuple[str, int | None]] = []
        self._next: int | None = None

    @property
    def is_recording(self) -> bool:
        """Whether this is the dry run."""
        return self._next is None

    def record(self) -> None:
        """Begin the dry run; what was found before is forgotten."""
        self._found, self._next = [], None

    def play_back(self) -> None:
        """Begin a pass; the uses have to come in the order of the dry run."""
        self._next = 0

    def axis(self, use: str, shape: Sequence[int]) -> int | None:
        """Return the sample axis of a shape, None if it has none.

        Raises:
            ValueError: samples share an axis with something else, as windows of an image that are folded into it.
            RuntimeError: the model does not do what it did in the dry run.
        """
        if self._next is None:
            self._found.append((use, _axis_of(shape)))
            return self._found[-1][1]
        if self._next >= len(self._found) or self._found[self._next][0] != use:
            raise RuntimeError(f"{use}: not what the model did at this place in its dry run")
        self._next += 1
        return self._found[self._next - 1][1]


def _axis_of(shape: Sequence[int]) -> int | None:
    axes = [i for i, size in enumerate(shape) if size == PROBE]
    if len(axes) > 1 or any(size % PROBE == 0 for i, size in enumerate(shape) if i not in axes and size):
        raise ValueError("the samples share an axis with something else")
    return axes[0] if axes else None
