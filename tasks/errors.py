"""What can be wrong with what a user asks for; each message names the thing, what was wanted and what was got."""


class InputError(Exception):
    """Base: the request is wrong, and nothing was computed or written for it."""


class CheckpointError(InputError, ValueError):
    """A checkpoint is missing, damaged, unsafe or of a layout that is not known."""


class ModelMismatch(InputError, ValueError):
    """Models cannot be merged or scored together."""


class DatasetError(InputError, ValueError):
    """A data set is missing, empty or not what it should be."""


class FitError(InputError, ValueError):
    """There is nothing to fit, or not enough."""


class BatchError(InputError, ValueError):
    """Images are not images, or coefficients not one finite row a sample that sums to one."""


class UncoveredLayer(InputError, NotImplementedError):
    """A layer uses its weights in a way that per-sample merging has no rule for."""
