"""Listing a data set: the digest follows everything on which its batches depend; mapping files are bounded."""

import formats
import pytest
import tiny
from reader_contract import SETTINGS

from storage.errors import ObjectMissing
from tasks.datasets.label_spaces import OBJECTNET_FILES
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset


def test_the_digest_follows_the_images_and_how_they_are_prepared(tmp_path):
    """An edited, renamed or removed image, another size or another limit makes another data set; other files do not."""
    tiny.image_folder(tmp_path, 9, seed=0)

    def digest(limit=None, settings=SETTINGS):
        return list_dataset(str(tmp_path), limit, settings).digest

    seen = [digest()]
    assert digest() == seen[0]
    seen += [digest(limit=5), digest(settings=Preprocessing(**{**vars(SETTINGS), "size": 8}))]
    tiny.image_folder(tmp_path, 1, seed=7)  # the first image, edited
    seen.append(digest())
    (tmp_path / "class0" / "00000.png").rename(tmp_path / "class0" / "zz.png")
    seen.append(digest())
    (tmp_path / "class0" / "zz.png").unlink()
    seen.append(digest())
    assert len(set(seen)) == len(seen)
    (tmp_path / "notes.txt").write_text("not an image")
    assert digest() == seen[-1]


def test_a_missing_folder_is_named(tmp_path):
    """The message holds the address."""
    with pytest.raises(ObjectMissing, match=f"{tmp_path}/gone"):
        list_dataset(str(tmp_path / "gone"), None, SETTINGS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "its mapping files do not fit together"),
        (" " * (5 << 20), "more than 4,194,304 bytes, wanted a"),
    ],
)
def test_mapping_files_that_are_nested_deeply_or_long_are_refused(tmp_path, content, message):
    """ObjectNet's JSON files, which lie beside its images, are read within a bound."""
    formats.write_folder(tmp_path, formats.encoded(1), [0])
    (tmp_path / "mappings").mkdir()
    for name in OBJECTNET_FILES:
        (tmp_path / "mappings" / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        list_dataset(str(tmp_path), None, SETTINGS, "objectnet")
