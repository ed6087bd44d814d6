"""RESISC45, scenes seen from above, as torchgeo keeps it: `resisc45-test.txt` lists the test split."""

from tasks.datasets.files.folder import Folder
from tasks.datasets.files.listed_images import samples_in_class_directories, text
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples


def _read(folder: Folder, listed: str) -> Samples:
    """Return the samples of a list of names such as `airplane_001.jpg`, each in the directory of its class."""
    paths = [f"{name.rpartition('_')[0]}/{name}" for name in text(folder, listed).split()]
    return samples_in_class_directories(folder, listed, paths, below="NWPU-RESISC45")


READER = reader_of_file("RESISC45", "resisc45-test.txt", _read)
