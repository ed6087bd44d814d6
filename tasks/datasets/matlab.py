"""Arrays of MATLAB files, as SVHN and Stanford Cars come."""

import io
from typing import Any

import scipy.io

from tasks.datasets.opened import OpenedFolder
from tasks.errors import DatasetError


def matlab_array(folder: OpenedFolder, path: str, name: str) -> Any:  # noqa: ANN401  numbers, or records of any kind
    """Return an array of a MATLAB file, without dimensions of length one.

    Raises:
        DatasetError: no MATLAB file, a damaged one, or one without such an array.
    """
    try:
        file: Any = io.BytesIO(folder.read(path))
        return scipy.io.loadmat(file, squeeze_me=True, variable_names=[name])[name]
    except Exception as error:  # whatever a damaged file makes the library stumble over
        raise DatasetError(f"{folder.url}/{path}: no array {name} of a MATLAB file ({error})") from error
