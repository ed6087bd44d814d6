"""Stanford Cars as torchvision keeps it: `cars_test_annos_withlabels.mat` lists the images of the test split."""

import numpy as np

from tasks.datasets.files.folder import Folder
from tasks.datasets.files.listed_images import companion, damaged, listed_samples
from tasks.datasets.files.matlab import matlab_array
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples, check_class_names


def _read(folder: Folder, listed: str) -> Samples:
    """Return the samples of the annotations, which number classes from 1; `cars_meta.mat` names the classes."""
    annotations = np.atleast_1d(matlab_array(folder, listed, "annotations"))
    names = np.atleast_1d(matlab_array(folder, companion(folder, "cars_meta.mat"), "class_names"))
    classes = [str(name) for name in names]
    check_class_names(classes, folder.url)
    try:
        labels = [int(row["class"]) - 1 for row in annotations]
        paths = [str(row["fname"]) for row in annotations]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise damaged(folder, listed, "fields class and fname") from error
    return listed_samples(folder, listed, paths, labels, classes, below="cars_test")


READER = reader_of_file("Stanford Cars", "cars_test_annos_withlabels.mat", _read)
