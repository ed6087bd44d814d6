"""Listing a data set: the digest follows everything on which its batches depend; mapping files are bounded."""

import tracemalloc

import formats
import pyarrow as pa
import pytest
import tiny
from reader_contract import SETTINGS

from storage.errors import ObjectMissing
from storage.identity import digest_of
from tasks.datasets.label_spaces import OBJECTNET_FILES
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.list_samples import Unlabelled, list_dataset
from tasks.references.versions import computation


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


def test_the_digest_of_a_data_set_is_that_of_everything_at_once(tmp_path):
    """Digests are fed in pieces, and equal the digest of one document, so that stores keep the names of data sets."""
    for name in ("a/x.png", "a-b/line\n.PNG", 'a/"quoted".jpg', "ü/\U0001f600.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = list_dataset(str(tmp_path), None, SETTINGS)
    stats = {str(file.relative_to(tmp_path)): file.stat() for file in tmp_path.rglob("*") if file.is_file()}
    assert found.digest == digest_of(
        {
            "computation": computation("samples"),
            "pictures": [
                [path, stats[path].st_size, f"{stats[path].st_size}-{stats[path].st_mtime_ns}"]
                for path in sorted(stats)
            ],
            "labels": digest_of([1, 0, 0, 2]),
            "classes": ["a", "a-b", "ü"],
            "groups": None,
            "preprocessing": vars(SETTINGS) | {"mean": list(SETTINGS.mean), "std": list(SETTINGS.std)},
        }
    )


def test_listing_takes_at_most_three_hundred_bytes_of_memory_for_each_file(tmp_path):
    """Listing, samples, labels and digest of 20,000 files together, at the moment when they take the most."""
    count = 20_000
    for label in range(100):
        (tmp_path / f"class{label:04d}").mkdir()
        for number in range(count // 100):
            (tmp_path / f"class{label:04d}" / f"image-{number:08d}.jpg").touch()
    list_dataset(str(tmp_path / "class0000"), None, SETTINGS)  # loads the libraries
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    try:
        found = list_dataset(str(tmp_path), None, SETTINGS)
        _, most = tracemalloc.get_traced_memory()
        held = pa.total_allocated_bytes() - before
    finally:
        tracemalloc.stop()
    assert len(found.samples) == count
    assert (most + held) / count <= 300


def test_images_without_labels_are_listed_whatever_their_folders_are_called(tmp_path):
    """Their labels are unknown; the digest follows the classes by which they are scored, and no label space is read."""
    tiny.image_folder(tmp_path, 6, 1)
    found = list_dataset(str(tmp_path), None, SETTINGS, scored_as=Unlabelled(None))
    assert found.samples.labels.tolist() == [-1] * 6
    assert found.samples.classes == ()
    assert found.samples.images.keys(found.samples.rows) == sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")
    )
    grouped = list_dataset(str(tmp_path), None, SETTINGS, scored_as=Unlabelled(((0, 1), (2,))))
    labelled = list_dataset(str(tmp_path), None, SETTINGS)
    assert len({found.digest, grouped.digest, labelled.digest}) == 3
