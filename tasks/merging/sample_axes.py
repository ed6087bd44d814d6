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
        self._found: list[tuple[str, tuple[int, ...]]] = []
        self._next: int | None = None
        self._samples = PROBE

    @property
    def is_recording(self) -> bool:
        """Whether this is the dry run."""
        return self._next is None

    def play_back(self, samples: int) -> None:
        """Begin a pass over so many samples; the uses have to come as in the dry run."""
        self._next, self._samples = 0, samples

    def axis(self, use: str, shape: Sequence[int]) -> int | None:
        """Return the sample axis of a shape, None if it has none.

        Raises:
            ValueError: samples share an axis with something else, as windows of an image that are folded into it.
            RuntimeError: the model does not do what it did in the dry run.
        """
        if self._next is None:
            self._found.append((use, tuple(shape)))
            return _axis_of(shape)
        wanted = self._found[self._next] if self._next < len(self._found) else ("nothing", ())
        here = tuple(self._samples if size == PROBE else size for size in wanted[1])
        if (use, tuple(shape)) != (wanted[0], here):
            raise RuntimeError(
                f"{use} on {tuple(shape)}: the model does not do with {self._samples} samples what it did in its dry "
                f"run, {wanted[0]} on {here}"
            )
        self._next += 1
        return _axis_of(wanted[1])


def _axis_of(shape: Sequence[int]) -> int | None:
    axes = [i for i, size in enumerate(shape) if size == PROBE]
    if len(axes) > 1 or any(size % PROBE == 0 for i, size in enumerate(shape) if i not in axes and size):
        raise ValueError("the samples share an axis with something else")
    return axes[0] if axes else None
