"""The registry: every format is registered and tested, one reader is chosen, and ambiguous folders are refused."""

from importlib import import_module
from pathlib import Path

import formats
import numpy as np
import pytest
from reader_contract import LABELS, NAMES, samples_in

from tasks.datasets import readers
from tasks.datasets.readers.image_folder import READER as IMAGE_FOLDER
from tasks.datasets.readers.registry import READERS
from tasks.errors import DatasetError

FORMATS = sorted(
    file.stem
    for file in Path(readers.__file__).parent.glob("*.py")
    if file.stem not in ("__init__", "reader", "registry")
)


@pytest.mark.parametrize("module", FORMATS)
def test_every_format_is_registered_and_tested(module):
    """A file of `readers/` is in the registry, and a test file has its name."""
    assert import_module(f"{readers.__name__}.{module}").READER in READERS
    assert (Path(__file__).parent / f"test_{module}.py").exists()


def test_names_are_unique_and_image_folders_come_last():
    """A message identifies a format by its name; the reader of image folders would take the images of other formats."""
    assert len({reader.name for reader in READERS}) == len(READERS) == len(FORMATS)
    assert READERS[-1] is IMAGE_FOLDER


def test_a_folder_without_a_known_format_is_refused(tmp_path):
    """The message lists what every reader looks for."""
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DatasetError, match=f"{tmp_path}: no images; wanted one directory per class with") as caught:
        samples_in(tmp_path)
    assert all(f"{reader.marks} ({reader.name})" in str(caught.value) for reader in READERS)


def test_two_exclusive_formats_in_one_folder_are_refused(tmp_path):
    """An archive may lie beside the images that came out of it; the message names a file of each."""
    images = formats.encoded(len(LABELS))
    formats.write_folder(tmp_path, images, LABELS)
    formats.write_tars(tmp_path, images, LABELS, shards=1)
    message = r"tar shards \(0.tar\) and images \(class000/000000.png\); name the folder of one of them, or a pattern"
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)
    assert len(samples_in(f"{tmp_path}/*.tar")) == len(LABELS)


def test_a_file_of_a_fixed_name_decides_before_images(tmp_path):
    """Images beside the files of MNIST, such as a preview, are ignored."""
    formats.write_mnist(tmp_path, np.zeros((2, 28, 28), np.uint8), [1, 2])
    (tmp_path / "preview.png").write_bytes(formats.encoded(1)[0])
    assert samples_in(tmp_path).labels.tolist() == [1, 2]


def test_an_archive_that_has_to_be_unpacked_is_refused(tmp_path):
    """A compressed archive is named, unless images lie beside it."""
    (tmp_path / "x.tar.gz").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"x\.tar\.gz: packed as a whole, so no image can be read alone; unpack it"):
        samples_in(tmp_path)
    formats.write_folder(tmp_path, formats.encoded(1), [0])
    assert len(samples_in(tmp_path)) == 1


def test_a_data_set_of_the_hub_is_read_from_its_cache(tmp_path, monkeypatch):
    """`hf://` addresses with a pattern fetch only the files that the pattern matches."""
    import huggingface_hub

    def snapshot(repository, *, repo_type, allow_patterns):
        assert (repository, repo_type, allow_patterns[0]) == ("org/images", "dataset", "data/test-*.parquet")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    formats.write_parquet(tmp_path / "data", formats.encoded(len(LABELS)), LABELS, names=NAMES)
    assert samples_in("hf://datasets/org/images/data/test-*.parquet").labels.tolist() == list(LABELS)
