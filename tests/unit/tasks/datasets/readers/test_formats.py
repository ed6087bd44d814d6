"""Every layout of a data set gives the samples that were written: pictures, order, labels, names of the classes."""

import io
import pickle

import formats
import numpy as np
import pytest
from PIL import Image

from tasks.datasets import decoding
from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
LABELS = [0, 0, 1, 1, 1, 2, 2]
NAMES = ["ant", "bee", "cat"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Indices of shards are kept here."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def listed(folder, space=None, limit=None):
    return list_dataset(str(folder), limit, SETTINGS, space).samples


def seen(samples):
    """Every sample decoded, in order; also by what another process would be sent."""
    found = Decoder(samples, SETTINGS).__getitems__(range(len(samples)))
    sent = pickle.loads(pickle.dumps(Decoder(samples, SETTINGS)))
    assert all((a == b).all() for a, b in zip(found, sent.__getitems__(range(len(samples))), strict=True))
    return np.stack([image.numpy() for image in found])


def expected(pictures):
    transform = decoding.cropping(SETTINGS)
    return np.stack([transform(Image.open(io.BytesIO(picture))).numpy() for picture in pictures])


@pytest.fixture
def pictures():
    return formats.encoded(len(LABELS))


@pytest.mark.parametrize("struct", [True, False])
def test_parquet(tmp_path, pictures, struct):
    """Bytes or a struct; row groups of two; names of the classes from the schema's metadata."""
    formats.write_parquet(tmp_path, pictures, LABELS, names=NAMES, group=2, struct=struct)
    samples = listed(tmp_path)
    assert samples.labels.tolist() == LABELS
    assert (samples.classes, samples.named) == (tuple(NAMES), True)
    np.testing.assert_array_equal(seen(samples), expected(pictures))


@pytest.mark.parametrize("json_labels", [True, False])
def test_tar_shards(tmp_path, pictures, json_labels):
    """Labels in `.cls` or `.json`, eleven shards in the order of their numbers, names in a file beside them."""
    many, labels = pictures * 2, LABELS * 2
    formats.write_tars(tmp_path, many, labels, shards=11, json_labels=json_labels, names=NAMES)
    samples = listed(tmp_path)
    assert samples.labels.tolist() == labels
    assert samples.classes == tuple(NAMES)
    np.testing.assert_array_equal(seen(samples), expected(many))


def test_one_file_or_a_pattern_is_a_data_set(tmp_path, pictures):
    """Splits lie beside each other; together they are refused."""
    formats.write_parquet(tmp_path, pictures, LABELS, split="test", shards=2)
    formats.write_parquet(tmp_path, pictures[:2], LABELS[:2], split="train", shards=1)
    assert len(listed(f"{tmp_path}/test-*.parquet")) == 7
    assert len(listed(f"{tmp_path}/train-00000-of-00001.parquet")) == 2
    with pytest.raises(DatasetError, match=r"splits test, train; name one, such as its folder, or train-\*.parquet"):
        listed(tmp_path)


def test_labels_without_names_are_numbers(tmp_path, pictures):
    """A head may have more classes than occur; without any label there are none."""
    formats.write_tars(tmp_path / "some", pictures, LABELS)
    samples = listed(tmp_path / "some")
    assert (samples.classes, samples.named) == (("0", "1", "2"), False)
    formats.write_parquet(tmp_path / "none", pictures, [-1] * 7)
    samples = listed(tmp_path / "none")
    assert (samples.classes, set(samples.labels)) == ((), {-1})


@pytest.mark.parametrize("packed", [True, False])
def test_mnist(tmp_path, packed):
    """Two idx files, gzipped or not, wherever below the folder."""
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    formats.write_mnist(tmp_path, images, [3, 1, 4, 1, 9], packed=packed)
    samples = listed(tmp_path)
    assert (samples.labels.tolist(), samples.classes) == ([3, 1, 4, 1, 9], tuple("0123456789"))
    transform = decoding.cropping(SETTINGS)
    wanted = np.stack([transform(Image.fromarray(image)).numpy() for image in images])
    np.testing.assert_array_equal(seen(samples), wanted)


def test_svhn(tmp_path):
    """Pictures along the last axis; 10 is zero."""
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    formats.write_svhn(tmp_path / "svhn", images, [0, 9, 0, 1])
    samples = listed(tmp_path / "svhn")
    assert samples.labels.tolist() == [0, 9, 0, 1]
    transform = decoding.cropping(SETTINGS)
    wanted = np.stack([transform(Image.fromarray(image)).numpy() for image in images])
    np.testing.assert_array_equal(seen(samples), wanted)


def test_gtsrb(tmp_path, pictures):
    """43 classes, those of the list, whether they occur or not."""
    labels = [42, 0, 7, 7, 1, 1, 2]
    ppm = formats.encoded(7, suffix="PPM")
    formats.write_gtsrb(tmp_path, ppm, labels)
    samples = listed(tmp_path)
    assert (samples.labels.tolist(), len(samples.classes)) == (labels, 43)
    np.testing.assert_array_equal(seen(samples), expected(ppm))


def test_stanford_cars(tmp_path, pictures):
    """Classes from 1 in the file, names from the devkit."""
    formats.write_cars(tmp_path, pictures, LABELS, ["AM General Hummer", "Acura RL", "Audi V8"])
    samples = listed(tmp_path)
    assert samples.labels.tolist() == LABELS
    assert samples.classes[1] == "Acura RL"
    np.testing.assert_array_equal(seen(samples), expected(pictures))


LISTED = {
    "dtd": ("dtd/images", "dtd/labels/test1.txt", "{directory}/{name}", ["banded", "blotchy", "braided"]),
    "resisc45": ("NWPU-RESISC45", "resisc45-test.txt", "{name}", ["airplane", "airport", "baseball_diamond"]),
    "sun397": ("SUN397", "Testing_01.txt", "/{directory}/{name}", ["a/abbey", "a/arch", "b/bar/indoor"]),
}


@pytest.mark.parametrize("name", LISTED)
def test_listed_splits(tmp_path, pictures, name):
    """The split's pictures in the list's order; one that is not in the list is left out."""
    below, listed_in, line, names = LISTED[name]
    order = [5, 0, 2, 6, 1, 3, 4]
    formats.write_listed(
        tmp_path,
        [pictures[i] for i in order],
        [LABELS[i] for i in order],
        names,
        below=below,
        listed=listed_in,
        line=line,
    )
    if name == "sun397":
        (tmp_path / "ClassName.txt").write_text("".join(f"/{directory}\n" for directory in names))
    samples = listed(tmp_path)
    assert samples.labels.tolist() == [LABELS[i] for i in order]
    assert samples.classes == tuple(names)
    np.testing.assert_array_equal(seen(samples), expected([pictures[i] for i in order]))


def damage(name):
    """Write a data set that is none; return what is said of it."""

    def parquet_without_pictures(folder):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": ["a"]}), folder / "x.parquet")

    def files_of(**contents):
        def write(folder):
            for path, content in contents.items():
                (folder / path.replace("__", ".")).write_bytes(content)

        return write

    def mixed(folder):
        formats.write_parquet(folder, formats.encoded(2), [-1, 0], shards=1)

    def beyond(folder):
        formats.write_tars(folder, formats.encoded(2), [0, 5], shards=1, names=NAMES)

    def two(folder):
        formats.write_tars(folder, formats.encoded(1), [0], shards=1)
        import tarfile

        with tarfile.open(folder / "0.tar", "a") as tar:
            tar.addfile(tarfile.TarInfo("s000000.jpg"), None)

    def missing(folder):
        formats.write_gtsrb(folder, formats.encoded(2), [0, 1])
        (folder / "GTSRB" / "Final_Test" / "Images" / "00001.ppm").unlink()

    return {
        "parquet without pictures": (parquet_without_pictures, "no column of pictures; wanted image"),
        "no parquet": (files_of(x__parquet=b"PAR1 no"), "x.parquet: not a Parquet file"),
        "no tar": (files_of(x__tar=b"no tar" * 200), "x.tar: not a plain tar file"),
        "packed tar": (files_of(**{"x__tar.gz": b""}), "x.tar.gz: packed as a whole"),
        "labels on some": (mixed, "1 of 2 samples have no label"),
        "labels beyond the names": (beyond, "label 5, but there are 3 names"),
        "two pictures": (two, "sample s000000 has two pictures"),
        "a picture missing": (missing, "1 of 2 pictures are missing, first GTSRB/Final_Test/Images/00001.ppm"),
        "no idx": (
            files_of(**{"t10k-images-idx3-ubyte": b"\0\0\x08\x03", "t10k-labels-idx1-ubyte": b"x"}),
            "not an idx file",
        ),
        "no mat": (files_of(test_32x32__mat=b"no"), "no array y of a MATLAB file"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "parquet without pictures",
        "no parquet",
        "no tar",
        "packed tar",
        "labels on some",
        "labels beyond the names",
        "two pictures",
        "a picture missing",
        "no idx",
        "no mat",
    ],
)
def test_what_is_no_data_set_is_named(tmp_path, name):
    """One line: the file, what was wanted, what was got."""
    write, message = damage(name)
    write(tmp_path)
    with pytest.raises(DatasetError, match=message.replace(".", r"\.")):
        listed(tmp_path)


@pytest.mark.parametrize("layout", ["parquet", "tar"])
def test_a_broken_picture_is_named_by_its_place(tmp_path, pictures, layout):
    """File and row, or file and key."""
    broken = [*pictures[:4], b"no picture", *pictures[5:]]
    write = {"parquet": formats.write_parquet, "tar": formats.write_tars}[layout]
    write(tmp_path, broken, LABELS, shards=2)
    samples = listed(tmp_path)
    place = {"parquet": "test-00001-of-00002.parquet, row 1", "tar": "1.tar, sample s000004"}[layout]
    with pytest.raises(DatasetError, match=f"{place}: broken image"):
        list(batches(Decoder(samples, SETTINGS), samples.labels, [(0, 7)], batch_size=3, workers=0))


@pytest.mark.parametrize("layout", ["parquet", "tar", "mnist"])
def test_the_digest_follows_shards_labels_and_limit(tmp_path, pictures, layout):
    """A shard written anew, with other pictures or other labels, is another data set."""

    def write(pictures, labels, number):
        folder = tmp_path / f"{number}"
        if layout == "mnist":
            gray = [np.asarray(Image.open(io.BytesIO(p)).convert("L").resize((28, 28))) for p in pictures]
            formats.write_mnist(folder, np.stack(gray), labels)
        else:
            {"parquet": formats.write_parquet, "tar": formats.write_tars}[layout](folder, pictures, labels)
        return folder

    first = write(pictures, LABELS, 0)
    digests = [list_dataset(str(first), limit, SETTINGS).digest for limit in (None, 3)]
    assert list_dataset(str(first), 7, SETTINGS).digest == digests[0]
    digests.append(list_dataset(str(write(pictures, LABELS[::-1], 1)), None, SETTINGS).digest)
    digests.append(list_dataset(str(write(pictures[::-1], LABELS, 2)), None, SETTINGS).digest)
    assert len(set(digests)) == 4


@pytest.mark.parametrize("layout", ["test.parquet", "test/0000.parquet", "test/0.tar", "test-0.tar"])
def test_splits_are_never_pooled(tmp_path, pictures, layout):
    """However they are told apart: by file, or by folder."""
    import shutil

    made = tmp_path / "made"
    if layout.endswith("parquet"):
        formats.write_parquet(made, pictures, LABELS, shards=1)
    else:
        formats.write_tars(made, pictures, LABELS, shards=1)
    for name in (layout, layout.replace("test", "train")):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(made.iterdir()), tmp_path / "data" / name)
    with pytest.raises(DatasetError, match="splits test, train; name one"):
        listed(tmp_path / "data")
    assert len(listed(tmp_path / "data" / layout)) == 7


def test_a_missing_shard_is_named(tmp_path, pictures):
    """Unless somebody asked for these alone."""
    formats.write_parquet(tmp_path, pictures, LABELS)
    (tmp_path / "test-00001-of-00003.parquet").unlink()
    with pytest.raises(DatasetError, match="1 of 3 shards are missing, first 00001"):
        listed(tmp_path)
    assert len(listed(f"{tmp_path}/test-*.parquet")) == 5


def test_several_layouts_in_one_folder_are_refused(tmp_path, pictures):
    """An archive beside the pictures that came out of it; two data sets below one root."""
    formats.write_folder(tmp_path / "a", pictures, LABELS)
    formats.write_tars(tmp_path / "a", pictures, LABELS, shards=1)
    with pytest.raises(
        DatasetError, match=r"tar shards \(0.tar\) and pictures \(class000/000000.png\); name the folder"
    ):
        listed(tmp_path / "a")
    images = np.zeros((2, 28, 28), np.uint8)
    for name in ("x", "y"):
        formats.write_mnist(tmp_path / "b" / name, images, [1, 2])
    with pytest.raises(DatasetError, match="several data sets, in x/MNIST/raw, y/MNIST/raw; name one"):
        listed(tmp_path / "b")


def test_names_of_classes_go_before_numbers(tmp_path, pictures):
    """Synsets in any order are ImageNet's classes; other names only when there are as many."""
    synsets = ["n01443537", "n01440764", "n01484850"]  # classes 1, 0, 2
    formats.write_parquet(tmp_path / "a", pictures, LABELS, names=synsets)
    assert listed(tmp_path / "a", "imagenet-1k").labels.tolist() == [1, 1, 0, 0, 0, 2, 2]
    formats.write_parquet(tmp_path / "b", pictures, LABELS, names=NAMES)
    with pytest.raises(DatasetError, match="3 names of classes, none of imagenet-1k's, which has 1000"):
        listed(tmp_path / "b", "imagenet-1k")


def test_links_are_followed(tmp_path, pictures):
    """Directories and files; what a link points to is what changes; a loop ends."""
    formats.write_folder(tmp_path / "real", pictures, LABELS)
    folder = tmp_path / "linked"
    folder.mkdir()
    for name in ("class000", "class001", "class002"):
        (folder / name).symlink_to(tmp_path / "real" / name)
    (folder / "class000" / "loop").symlink_to(folder)
    assert len(listed(folder)) == 7
    before = list_dataset(str(folder), None, SETTINGS).digest
    picture = tmp_path / "real" / "class001" / "000002.png"
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    assert list_dataset(str(folder), None, SETTINGS).digest != before


def test_names_with_brackets_and_hidden_files(tmp_path, pictures):
    """Neither patterns nor pictures."""
    for label, name in enumerate(("a[1]", "b*")):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}[1]?.png").write_bytes(pictures[2 * label + i])
    for name in (".ipynb_checkpoints/x.png", "a[1]/._0.png", "__MACOSX/a/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    samples = listed(tmp_path)
    assert (samples.classes, samples.labels.tolist()) == (("a[1]", "b*"), [0, 0, 1, 1])
    np.testing.assert_array_equal(seen(samples), expected(pictures[:4]))


def test_links_in_a_tar_and_what_is_no_plain_file(tmp_path, pictures):
    """A second link to a file has the first one's bytes; a damaged shard is not a shorter one."""
    import tarfile

    formats.write_tars(tmp_path, pictures, LABELS, shards=1)
    with tarfile.open(tmp_path / "0.tar", "a") as tar:
        link = tarfile.TarInfo("s9.png")
        link.type, link.linkname = tarfile.LNKTYPE, "s000000.png"
        tar.addfile(link)
        label = tarfile.TarInfo("s9.cls")
        label.size = 1
        tar.addfile(label, io.BytesIO(b"2"))
    samples = listed(tmp_path)
    assert samples.labels.tolist() == [*LABELS, 2]
    np.testing.assert_array_equal(seen(samples)[-1], seen(samples)[0])
    content = bytearray((tmp_path / "0.tar").read_bytes())
    place = content.index(b"s000003.cls")
    content[place + 150] ^= 1  # in the header's checksum
    (tmp_path / "0.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=r"0\.tar: damaged or cut short after 3 pictures"):
        listed(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.png": b"x", "a.cls": b"20000000"}, "label 20000000, wanted numbers of classes below 1,000,000"),
        ({"a.png": b"x", "a.cls": b"1" * 30}, "a.cls holds no label"),
        ({"a.png": b"x", "a.json": b'{"label": 2.7}'}, "a.json holds no label"),
        ({"a.png": b"x", "a.json": b'{"label": true}'}, "a.json holds no label"),
        ({"a.png": b"x", "a.cls": b"1", "a.json": b'{"label": 5}'}, "sample a has two labels, 1 and 5"),
    ],
)
def test_labels_are_numbers_and_one_a_sample(tmp_path, files, message):
    """Not rounded, not overwritten."""
    import tarfile

    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(DatasetError, match=message):
        listed(tmp_path)


def test_names_beside_or_above_the_shards(tmp_path, pictures):
    """clip_benchmark's layout has them above."""
    formats.write_tars(tmp_path / "test", pictures, LABELS)
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES))
    assert listed(tmp_path / "test").classes == tuple(NAMES)


def test_numbers_are_a_label_spaces_own_classes(tmp_path, pictures):
    """ImageNet-R's shards count from 0 to 199; more is refused, and so is ObjectNet, which needs its folders."""
    formats.write_tars(tmp_path / "r", pictures, [0, 1, 2, 3, 4, 5, 199])
    samples = listed(tmp_path / "r", "imagenet-r")
    assert (samples.labels.tolist(), len(samples.classes)) == ([0, 1, 2, 3, 4, 5, 199], 200)
    formats.write_tars(tmp_path / "more", pictures, [0, 1, 2, 3, 4, 5, 200])
    with pytest.raises(DatasetError, match="up to 200, imagenet-r wants numbers below 200"):
        listed(tmp_path / "more", "imagenet-r")


def test_the_index_of_a_shard_is_kept(tmp_path, pictures, cache, monkeypatch):
    """Another process does not go through the tar again; a damaged index is made anew; an edited shard too."""
    from tasks.datasets.readers import shard_index, tar_shards

    formats.write_tars(tmp_path, pictures, LABELS, shards=1)
    counted, read = [], tar_shards._looked_through
    monkeypatch.setattr(tar_shards, "_looked_through", lambda *where: counted.append(where) or read(*where))
    for content, times in ((None, 1), (None, 1), (b"damaged", 2)):
        shard_index._held.clear()
        for file in cache.rglob("*.npz") if content else []:
            file.write_bytes(content)
        assert listed(tmp_path).labels.tolist() == LABELS
        assert len(counted) == times
    formats.write_tars(tmp_path, pictures, LABELS[::-1], shards=1)
    assert listed(tmp_path).labels.tolist() == LABELS[::-1]


def test_other_than_s3_and_paths(tmp_path, pictures, monkeypatch):
    """A data set of the Hub, by a pattern, from the Hub's cache alone."""
    import huggingface_hub

    def snapshot(repository, *, repo_type, allow_patterns):
        assert (repository, repo_type, allow_patterns[0]) == ("org/pictures", "dataset", "data/test-*.parquet")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    formats.write_parquet(tmp_path / "data", pictures, LABELS)
    assert listed("hf://datasets/org/pictures/data/test-*.parquet").labels.tolist() == LABELS
