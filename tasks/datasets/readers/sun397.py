"""SUN397 as torchvision keeps it, with `Testing_01.txt` of the data set's own partitions, which lists a test split."""

from tasks.datasets.files.folder import Folder
from tasks.datasets.files.listed_images import companion, samples_in_class_directories, text
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples


def _read(folder: Folder, listed: str) -> Samples:
    """Return the samples of a list of paths such as `/a/abbey/sun_x.jpg`; `ClassName.txt` has the order of classes."""
    classes = [line.strip("/") for line in text(folder, companion(folder, "ClassName.txt")).split()]
    paths = [line.strip("/") for line in text(folder, listed).split()]
    return samples_in_class_directories(folder, listed, paths, below="SUN397", classes=classes)


READER = reader_of_file("SUN397", "Testing_01.txt", _read)
