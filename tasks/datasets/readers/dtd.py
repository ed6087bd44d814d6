"""DTD, the describable textures, as torchvision keeps it: `labels/test1.txt` lists the first test split."""

from tasks.datasets.files.folder import Folder
from tasks.datasets.files.listed_images import samples_in_class_directories, text
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples


def _read(folder: Folder, listed: str) -> Samples:
    """Return the samples of a list of paths below `images`, such as `banded/banded_0002.jpg`."""
    return samples_in_class_directories(folder, listed, text(folder, listed).split(), below="images")


READER = reader_of_file("DTD", "labels/test1.txt", _read)
