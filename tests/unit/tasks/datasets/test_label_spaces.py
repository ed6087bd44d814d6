"""Label spaces: subsets of classes, groups of classes, and folders by number, against cases worked by hand."""

import json

import numpy as np
import pytest
import tiny
from PIL import Image

from tasks.datasets.label_spaces import OBJECTNET_FILES, label_space, project
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


def no_files(name):
    """Stand for mapping files in label spaces that have none."""
    raise AssertionError(name)


def test_logits_are_projected_to_a_subset_or_to_the_maximum_of_each_group():
    """Classes 3 and 1 of four keep their logits; the groups {0, 2} and {3} get their maxima."""
    logits = np.array([[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0]])
    np.testing.assert_array_equal(project(logits, ((3,), (1,))), [[4, 2], [5, 7]])
    np.testing.assert_array_equal(project(logits, ((0, 2), (3,))), [[3, 4], [8, 5]])


@pytest.mark.parametrize(
    ("name", "first", "classes"), [("imagenet-r", [1, 2, 4, 6], 200), ("imagenet-a", [6, 11, 13, 15], 200)]
)
def test_imagenet_r_and_a_are_subsets_of_200_classes(name, first, classes):
    """They begin with goldfish, great white shark, … and stingray, goldfinch, …, by their numbers in ImageNet."""
    space = label_space(name, no_files)
    assert [group[0] for group in space.groups[:4]] == first
    assert (len(space.groups), space.head_classes) == (classes, 1000)
    assert not space.is_whole
    assert [g[0] for g in space.groups] == sorted(g[0] for g in space.groups)


def test_imagenets_folders_are_synsets_or_numbers():
    """n01440764 is class 0 and n01443537 class 1; folder 10 of ImageNetV2 is class 10, and folder 2 class 2."""
    space = label_space("imagenet-1k", no_files)
    assert space.is_whole
    assert [space.class_of(name, "x") for name in ("n01440764", "n01443537", "10", "2", "999")] == [0, 1, 10, 2, 999]
    with pytest.raises(DatasetError, match=r"x: folder 'cats' is no class of imagenet-1k; wanted names like n01440764"):
        space.class_of("cats", "x")


def class_folders(folder, *classes):
    """Write one image for each class, and return the folder's address."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(folder / name / "0.png")
    return str(folder)


def test_numeric_folders_are_numbered_by_their_names(tmp_path):
    """Numbered by the sorted order of its name, folder 10 would come before folder 2 and be class 1."""
    listed = list_dataset(class_folders(tmp_path, "0", "10", "2", "101"), None, SETTINGS, "imagenet-1k")
    assert listed.samples.images.keys(listed.samples.rows) == ["0/0.png", "10/0.png", "101/0.png", "2/0.png"]
    assert listed.samples.labels.tolist() == [0, 10, 101, 2]
    assert len(listed.samples.classes) == 1000


def mappings(folder, **changes):
    """Write small versions of ObjectNet's files: three objects in ImageNet, one of them twice, and one that is not."""
    folder.mkdir()
    lines = ["tench, Tinca tinca", "alarm clock", "analog clock", "banana", "mug, cup"]
    content = {
        "folder_to_objectnet_label.json": {
            "alarm_clock": "Alarm clock",
            "banana": "Banana",
            "mug": "Mug",
            "air": "Air",
        },
        "objectnet_to_imagenet_1k.json": {
            "Mug": "mug, cup",
            "Alarm clock": "analog clock; alarm clock",
            "Banana": "banana",
        },
        "pytorch_to_imagenet_2012_id.json": {"0": 0, "1": 2, "2": 1, "3": 3, "4": 4},
        **changes,
    }
    for name, value in content.items():
        (folder / name).write_text(json.dumps(value))
    (folder / OBJECTNET_FILES[3]).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("inside", [True, False])
def test_objectnet_is_read_from_its_own_files(tmp_path, inside):
    """Folder → object → lines of ImageNet → classes (lines 1 and 2 are classes 2 and 1); others are left out."""
    images = tmp_path / "images"
    url = class_folders(images, "alarm_clock", "air", "banana", "mug")
    mappings((images if inside else tmp_path) / "mappings")
    listed = list_dataset(url, None, SETTINGS, "objectnet")
    paths = listed.samples.images.keys(listed.samples.rows)
    assert paths == ["alarm_clock/0.png", "banana/0.png", "mug/0.png"]
    assert listed.samples.labels.tolist() == [0, 1, 2]
    assert listed.samples.classes == ("alarm_clock", "banana", "mug")
    assert listed.space.groups == ((1, 2), (3,), (4,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objectnet_to_imagenet_1k.json": {"Mug": "no such line"}}, "do not fit together"),
        ({"folder_to_objectnet_label.json": {}}, "do not fit together"),
        ({"folder_to_objectnet_label.json": [1]}, "do not fit together"),
    ],
)
def test_damaged_mappings_are_refused(tmp_path, change, message):
    """An accuracy over the wrong classes is never computed silently."""
    url = class_folders(tmp_path / "images", "mug")
    mappings(tmp_path / "mappings", **change)
    with pytest.raises(DatasetError, match=message):
        list_dataset(url, None, SETTINGS, "objectnet")


def test_missing_mappings_are_named(tmp_path):
    """The message holds the address of the missing file."""
    url = class_folders(tmp_path / "images", "mug")
    with pytest.raises(DatasetError, match=r"mappings/folder_to_objectnet_label.json is missing, which comes with"):
        list_dataset(url, None, SETTINGS, "objectnet")


def test_folders_of_another_label_space_are_refused(tmp_path):
    """Another data set under ImageNet-R's name is refused, and one of which ObjectNet scores no folder."""
    url = class_folders(tmp_path / "images", "cats", "dogs")
    with pytest.raises(DatasetError, match="folder 'cats' is no class of imagenet-r"):
        list_dataset(url, None, SETTINGS, "imagenet-r")
    mappings(tmp_path / "mappings")
    with pytest.raises(DatasetError, match="no folder of objectnet, got cats, dogs"):
        list_dataset(url, None, SETTINGS, "objectnet")


def test_the_digest_follows_the_label_space(tmp_path):
    """The same images are another data set if they are scored in other classes."""
    url = class_folders(tmp_path, "n01443537")
    spaces = (None, "imagenet-1k", "imagenet-r")
    assert len({list_dataset(url, None, SETTINGS, space).digest for space in spaces}) == 3


@pytest.mark.xdist_group("prefect")
def test_a_whole_run_scores_in_the_label_space(tmp_path, prefect_api):
    """Outputs and predictions are those of the projected logits, although the head has a thousand classes."""
    import asyncio

    from scipy.special import log_softmax

    from flows.experiment.file import load_experiment
    from flows.run_experiment import run_experiment
    from storage import scan

    file = tiny.experiment(tmp_path, samples=3)
    for seed, name in enumerate(("base", "tuned"), 1):
        tiny.checkpoint(tmp_path / f"{name}.pt", seed, classes=1000)
    for i, synset in enumerate(("n01443537", "n01484850", "n01494475", "n02056570")):
        tiny.image_folder(tmp_path / "r" / synset, 5, i, classes=1)
    datasets = f"datasets=[{{name: r, images: {tmp_path}/r, label_space: imagenet-r}}]"
    store = str(tmp_path / "store")
    overrides = (datasets, "baselines=[individual]", "merge.granularity=[samples]")
    asyncio.run(run_experiment(load_experiment(file, overrides), store))
    outputs = scan("outputs", store=store).collect()
    logits = np.stack(outputs["logits"].to_list())
    assert logits.shape == (40, 200)
    log_p = log_softmax(logits.astype(float), axis=1)
    np.testing.assert_allclose(outputs["entropy"], -(np.exp(log_p) * log_p).sum(1), rtol=1e-5)
    np.testing.assert_array_equal(outputs["prediction"], logits.argmax(1))
    expected = label_space("imagenet-r", no_files).folders["n02056570"]
    assert set(outputs["label"]) == {0, 1, 2, expected}
    assert scan("predictions", store=store).collect()["prediction"].max() < 200
