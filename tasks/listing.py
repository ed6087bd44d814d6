"""Which samples a data set has, without reading an image."""

from storage.identity import digest_of
from storage.locations import Location
from tasks.datasets.image_folder import ImageFolder, evenly, image_folder
from tasks.datasets.preprocessing import Preprocessing


def list_dataset(url: str, limit: int | None, preprocessing: Preprocessing) -> tuple[ImageFolder, str]:
    """Return the samples of an image folder, and the digest of all that its batches depend on.

    The digest covers the files' paths, sizes and etags (the time of the last change, where there are none), so it
    changes when an image does, without any image being read.
    """
    location = Location(url)
    files = location.files()
    folder = image_folder((entry.path for entry in files), location.url)
    kept = evenly(len(folder.paths), limit)
    folder = ImageFolder(tuple(folder.paths[i] for i in kept), folder.labels[kept], folder.classes)
    by_path = {entry.path: entry for entry in files}
    identity = {
        "files": [[path, by_path[path].size, by_path[path].etag] for path in folder.paths],
        "classes": list(folder.classes),
        "preprocessing": vars(preprocessing) | {"mean": list(preprocessing.mean), "std": list(preprocessing.std)},
    }
    return folder, digest_of(identity)
