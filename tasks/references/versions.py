"""The versions of computations. Raise one when the same inputs come to give other numbers.

A version is part of the identity of the objects that its computation makes, and through them of everything computed
from these objects, so raising a version recomputes exactly those. Other versions live beside their subjects: a
method's and a metric's in its own file, a checkpoint summary's in `flows.planning.checkpoint_records`, and the version
of a table's columns in `storage.schemas`. The last changes where the table lies, but not its content, so tables
computed from it stay.
"""

VERSIONS = {
    "samples": 1,  # which samples a data set has, their order, their labels, and how pictures become pixels
    "names": 1,  # the names of a data set's samples
    "head": 2,  # a classification head made of class names
    "outputs": 2,
    "coefficients": 2,
    "mixtures": 2,
    "bins": 2,
    "merge": 2,  # predictions of merged models
    "ensemble": 2,  # predictions of output ensembles
    "results": 3,
}


def computation(name: str) -> str:
    """Return a computation's name and version, as identities hold it.

    Example:
        >>> computation("samples")
        'samples/1'
    """
    return f"{name}/{VERSIONS[name]}"
