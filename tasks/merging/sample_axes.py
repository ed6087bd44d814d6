"""The axis of the samples in each activation, recorded in one dry run and replayed in every pass.

A layer cannot tell (tokens, samples, channels) from (samples, tokens, channels) by their sizes if as many tokens as
samples exist. The dry run therefore takes place on the meta device, where tensors are shapes without numbers, with a
number of samples that no other axis has.
"""

from collections.abc import Sequence

PROBE = 7919  # samples of the dry run: a prime, so that neither another axis nor a product of axes has this size


class SampleAxes:
    """The sample axis at each use of a weight, in the order of the uses: recorded first, then replayed."""

    def __init__(self) -> None:
        self._found: list[tuple[str, tuple[int, ...]]] = []
        self._next: int | None = None
        self._samples = PROBE

    @property
    def is_recording(self) -> bool:
        """Whether the pass at hand is the dry run."""
        return self._next is None

    def replay(self, samples: int) -> None:
        """Begin a pass over a number of samples, whose uses of weights have to follow the dry run."""
        self._next, self._samples = 0, samples

    def axis(self, use: str, shape: Sequence[int]) -> int | None:
        """Return the sample axis of the activation at the next use of a weight, None for one without samples.

        Args:
            use: function and weight, by which the pass is compared with the dry run.
            shape: shape of the activation.

        Raises:
            ValueError: the samples share an axis with something else, such as the windows of an image.
            RuntimeError: the use or the shape is not the one of the dry run.
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
    """Return the axis of size `PROBE`, None without one."""
    axes = [i for i, size in enumerate(shape) if size == PROBE]
    if len(axes) > 1 or any(size % PROBE == 0 for i, size in enumerate(shape) if i not in axes and size):
        raise ValueError("the samples share an axis with something else")
    return axes[0] if axes else None
