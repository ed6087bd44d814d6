"""The errors of a user's request; each message names the thing, the wanted value and the actual one."""

from collections.abc import Iterable


class InputError(Exception):
    """The base of these errors: the request is wrong, and nothing was computed or written for it."""


class CheckpointError(InputError, ValueError):
    """A checkpoint is missing, damaged, unsafe or of an unknown family."""


class ModelMismatch(InputError, ValueError):
    """Models cannot be merged or scored together."""


class DatasetError(InputError, ValueError):
    """A data set is missing or empty, or its files are damaged or contradict each other."""


class FitError(InputError, ValueError):
    """A fit has no samples, or too few."""


def too_few_for_clusters(dataset: str, samples: int, clusters: int) -> FitError:
    """Return the error of a data set with fewer samples than clusters.

    Example:
        >>> print(too_few_for_clusters("clean", 2, 3))
        data set clean: 2 samples, wanted at least 3 for merge.clusters
    """
    return FitError(f"data set {dataset}: {samples:,} samples, wanted at least {clusters:,} for merge.clusters")


class BatchError(InputError, ValueError):
    """A batch's images have a wrong shape or type, or its coefficients are not finite rows that sum to one."""


class UncoveredLayer(InputError, NotImplementedError):
    """A layer uses its weights in a way that per-sample merging has no rule for."""


class PackageMissing(InputError, ModuleNotFoundError):
    """A package of an optional extra is not installed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the known names that are close to it; empty if none is.

    Args:
        word: the unknown name.
        known: the names that exist.

    Example:
        >>> did_you_mean("wise-fit", ["individual", "wise-ft"]), did_you_mean("oracle", ["wise-ft"])
        ('; did you mean wise-ft?', '')
    """
    from difflib import SequenceMatcher  # noqa: PLC0415  for messages only

    word = word[:_LONGEST]
    stem, _, extension = word.rpartition(".")
    ending = f".{extension}" if stem and extension.isalpha() else ""  # an extension in common makes no files alike
    asked = _plain(word.removesuffix(ending))
    names = {name: _plain(name.removesuffix(ending)) for name in known}
    ratios = {name: SequenceMatcher(None, asked, plain).ratio() for name, plain in names.items()}
    best = max(ratios.values(), default=0.0)
    near = [name for name, ratio in ratios.items() if ratio >= max(_CLOSE, best - _AS_CLOSE)]
    if not near and len(asked) >= _STEM:
        near = [name for name, plain in names.items() if plain.startswith(asked)]
    near = sorted(near, key=lambda name: -ratios[name])[:_MOST]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")


_LONGEST = 100  # characters of a name that are compared: the comparison takes the square of them
_CLOSE = 0.66  # ratio of equal letters: in a word of three letters one is another
_AS_CLOSE = 0.05  # less than the closest name's ratio
_STEM = 3  # letters from which on the beginning of a name stands for it
_MOST = 2  # names that a message offers
