"""Where a folder's checkpoints and data sets are, by the names of its files alone."""

import pytest
import yaml

from flows.errors import ExperimentError
from flows.starting_file.datasets_found import dataset_places
from flows.starting_file.file_text import scalar
from flows.starting_file.slugs import distinct_names, slug
from flows.starting_file.tree import checkpoint_paths, files_below


def tree(*paths):
    """The names of files by folder, as from `files_below`."""
    found = {"": []}
    for path in paths:
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, []).append(name)
    return found


def classes(folder, *names):
    """One image in a folder for each class."""
    return [f"{folder}/{name}/0.png" for name in names]


@pytest.mark.parametrize(
    ("paths", "heads", "places"),
    [
        (classes("images/clean", "a", "b"), {2}, ["images/clean"]),
        ([*classes("sets/x", "a", "b"), *classes("sets/y", "a", "b")], {2}, ["sets/x", "sets/y"]),
        (classes("images", "a", "b"), {2}, ["images"]),
        (classes("images", "a", "b"), {10}, ["images/a", "images/b"]),
        (classes("images", "a", "b"), set(), ["images"]),
        (classes("pets", "a", "b"), {10}, ["pets"]),
        (["photos/1.jpg", "photos/2.jpg"], {10}, ["photos"]),
        (classes("breeds/cat", "a", "b") + classes("breeds/dog", "c", "d", "e"), {2, 3}, ["breeds/cat", "breeds/dog"]),
        (classes("noise/1", *"abc") + classes("noise/2", *"abc"), {3}, ["noise/1", "noise/2"]),
        (classes("data/cat", *"ab") + classes("data/dog", *"cd") + classes("data/eel", *"ef"), {3}, ["data"]),
        (["raw/MNIST/raw/t10k-images-idx3-ubyte", "raw/MNIST/raw/t10k-labels-idx1-ubyte"], {10}, ["raw"]),
        (["hub/data/test-00000-of-00001.parquet"], {10}, ["hub/data"]),
        (["hub/train-0.parquet", "hub/test-0.parquet"], {10}, ["hub/test*.parquet"]),
        (["shards/000.tar", "shards/001.tar"], {10}, ["shards"]),
        (["notes/readme.md"], {10}, []),
        ([*classes("pets", *"ab"), *classes("pets/a", *"xy")], {2}, ["pets"]),
        ([*classes("pets", *"ab"), "pets/a/deep/1.png"], set(), ["pets"]),
        (
            [*classes("work", "figures", "logos"), *classes("work/sets/x", *"abc")],
            {3},
            ["work/sets/x"],
        ),
        ([*classes("work/sets", *"ab"), "work/preview.png"], {2}, ["work", "work/sets"]),
    ],
)
def test_data_sets_are_recognised_by_the_names_of_folders_and_files(paths, heads, places):
    """The heads that were found, else the folders' names, decide whether folders are classes or data sets."""
    assert dataset_places(tree(*paths), heads, ()) == places


def test_a_checkpoints_folder_is_no_data_set():
    """Images beside the weights of a model on the Hub, such as those of its page, are not evaluated."""
    assert dataset_places(tree("model/page.png", "model/model.safetensors"), set(), {"model"}) == []


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a.pt", "b.safetensors", "c.txt"], ["a.pt", "b.safetensors"]),
        (["clip/config.json", "clip/model.safetensors"], ["clip"]),
        (["run/model.safetensors", "run/optimizer.pt", "run/training_args.bin", "run/config.json"], ["run"]),
        (["mine/model.safetensors", "mine/other.pt"], ["mine/model.safetensors", "mine/other.pt"]),
        (["model.safetensors"], ["model.safetensors"]),
        (["made/model.safetensors", "made/model.safetensors.manifest.json"], []),
    ],
)
def test_checkpoints_are_files_or_folders_as_on_the_hub(paths, found):
    """What a training run saves beside a model, and models that our store made, are no checkpoints."""
    assert checkpoint_paths(tree(*paths)) == found


def test_a_store_and_hidden_folders_are_not_searched(tmp_path):
    """A store below the folder holds made models, and a hidden folder is somebody's cache."""
    for place in ("store/results", "store/plans", "store/made-models/1", ".cache", "own"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "model.safetensors").touch()
    assert checkpoint_paths(files_below(tmp_path)) == ["own"]


def test_a_missing_folder_is_refused_with_its_neighbours(tmp_path):
    """The message lists the folders beside it."""
    (tmp_path / "models").mkdir()
    with pytest.raises(ExperimentError, match=r"modles: no such folder; .* holds models"):
        files_below(tmp_path / "modles")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["checkpoints/zeroshot", "checkpoints/finetuned"], ["zeroshot", "finetuned"]),
        (["ViT/SUN397/finetuned", "ViT/Cars/finetuned", "ViT/zeroshot"], ["sun397", "cars", "zeroshot"]),
        (["a/one", "b/one"], ["a-one", "b-one"]),
        (["noise/1", "noise/2"], ["noise-1", "noise-2"]),
        (["x", "x"], ["x", "x-2"]),
    ],
)
def test_names_are_as_short_as_they_can_be_distinct(paths, names):
    """A file's name that several folders hold gives way to the folder's."""
    assert distinct_names(paths) == names


@pytest.mark.parametrize("text", ["Ünïcode näme", "2024", "...", "-", "a" * 300, "A B\tC"])
def test_a_slug_is_a_name_that_settings_accept(text):
    """Whatever a folder is called."""
    from pydantic import TypeAdapter

    from flows.experiment.setting_types import Name

    assert TypeAdapter(Name).validate_python(slug(text)) == slug(text)


@pytest.mark.parametrize(
    "text", ["images/clean", "a b", "null", "yes", "12", "#x", "a: b", "é", 'q"uote', "\x1b[2J", "-", ""]
)
def test_an_address_is_read_back_as_it_was(text):
    """YAML gives some plain words another meaning."""
    assert yaml.safe_load(f"key: {scalar(text)}")["key"] == text
