"""The errors of a user's request; each message names the thing, the wanted value and the actual one."""


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


class BatchError(InputError, ValueError):
    """A batch's images have a wrong shape or type, or its coefficients are not finite rows that sum to one."""


class UncoveredLayer(InputError, NotImplementedError):
    """A layer uses its weights in a way that per-sample merging has no rule for."""
