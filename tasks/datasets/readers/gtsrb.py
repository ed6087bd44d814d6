"""GTSRB, the German traffic signs, as torchvision keeps it: `GT-final_test.csv` lists the images of the test split."""

import csv
import io

from tasks.datasets.files.folder import Folder
from tasks.datasets.files.listed_images import damaged, listed_samples, text
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples

_CLASSES = [f"{i:05d}" for i in range(43)]  # as the directories of the training split are named


def _read(folder: Folder, listed: str) -> Samples:
    """Return the samples of the table: semicolons, columns `Filename` and `ClassId`."""
    names, labels, content = list[str](), list[int](), text(folder, listed)
    try:
        for row in csv.DictReader(io.StringIO(content), delimiter=";"):
            names.append(row["Filename"])
            labels.append(int(row["ClassId"]))
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise damaged(folder, listed, "columns Filename and ClassId") from error
    return listed_samples(folder, listed, names, labels, _CLASSES, below="Final_Test/Images")


READER = reader_of_file("GTSRB", "GT-final_test.csv", _read)
