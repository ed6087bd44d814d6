"""Experiments by name are complete, and on a machine without the data they list every missing input."""

import formats
import numpy as np
import pickled
import pytest
import tiny
import torch
from open_clip.model import CLIP

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment, named_experiments

TEXT = {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 1, "layers": 1}
SHIFTS = ["imagenet-shifts-vit-b16", "imagenet-shifts-vit-b32", "imagenet-shifts-vit-l14"]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The empty folder that the environment's variables point to."""
    monkeypatch.setenv("DAWIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAWIN_MODELS", str(tmp_path / "models"))
    return tmp_path


def test_every_name_is_a_whole_experiment(places):
    """Each has its own name, six data sets with one in-distribution, and addresses below the variables' folders."""
    assert named_experiments() == ["eight-tasks-vit-b32", *SHIFTS]
    for name in SHIFTS:
        experiment = load_experiment(name)
        assert experiment.name == name
        assert [dataset.scored_group for dataset in experiment.datasets] == ["id"] + ["ood"] * 5
        assert all(model.checkpoint.startswith(f"file://{places}/models/vit-") for model in experiment.models)
        assert all(model.source for model in experiment.models)
        assert all(dataset.source_in_words for dataset in experiment.datasets)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_missing_inputs_are_listed_with_their_sources(places, capsys, command):
    """One message names every model and data set and where to get it; exit status 2, and nothing is written."""
    assert main([command, "imagenet-shifts-vit-b32", "--store", str(places / "store")]) == 2
    message = capsys.readouterr().err
    for part in (
        "model zeroshot",
        "model finetuned",
        "data set imagenet-sketch",
        "data set objectnet",
        "objectnet.dev",
    ):
        assert part in message
    assert message.count("to be had: ") == 8
    assert not (places / "store").exists() or not list((places / "store").rglob("*.parquet"))


def test_variables_that_are_not_set_are_named(monkeypatch):
    """One message names all of them, each with an address that needs it."""
    monkeypatch.delenv("DAWIN_DATA", raising=False)
    monkeypatch.delenv("DAWIN_MODELS", raising=False)
    with pytest.raises(
        ExperimentError, match=r"DAWIN_MODELS is not set, wanted for \$\{DAWIN_MODELS\}/.*DAWIN_DATA is"
    ):
        load_experiment("imagenet-shifts-vit-b32")


def test_an_unknown_name_is_refused_with_the_known_ones():
    """The message lists the built-in experiments and the YAML files nearby."""
    with pytest.raises(
        ExperimentError,
        match=r"imagenet-shift: no such file; did you mean imagenet-shifts-vit-b16 or .*by name: eight-tasks-vit-b32",
    ):
        load_experiment("imagenet-shift")


@pytest.mark.xdist_group("granularities")
@pytest.mark.usefixtures("prefect_api")
def test_the_whole_experiment_runs_on_stand_ins(places, capsys):
    """With generated images in the public formats and small models, every data set gets an accuracy."""
    import json

    from tasks.datasets.label_spaces import OBJECTNET_FILES

    for seed, name in enumerate(("zeroshot", "finetuned"), 1):
        tiny.checkpoint(places / "models" / "vit-b32" / f"{name}.pt", seed, classes=1000)
    data = places / "data"
    folders = {
        "imagenet/val": ["n01440764", "n01443537"],
        "imagenetv2-matched-frequency-format-val": ["0", "10", "2"],
        "imagenet-r": ["n01443537", "n01484850"],
        "imagenet-a": ["n01498041", "n01531178"],
        "sketch": ["n01440764", "n03014705"],
        "objectnet-1.0/images": ["banana", "mug", "air"],
    }
    for place, classes in folders.items():
        for i, name in enumerate(classes):
            tiny.image_folder(data / place / name, 3, i, classes=1)
    mappings = data / "objectnet-1.0" / "mappings"
    mappings.mkdir()
    contents = [{"banana": "Banana", "mug": "Mug", "air": "Air"}, {"Banana": "banana", "Mug": "mug; cup"}]
    contents.append({str(i): i for i in range(1000)})
    for name, content in zip(OBJECTNET_FILES, contents, strict=False):
        (mappings / name).write_text(json.dumps(content))
    lines = ["banana", "mug", "cup", *(f"class {i}" for i in range(3, 1000))]
    (mappings / OBJECTNET_FILES[3]).write_text("\n".join(lines))
    assert main(["run", "imagenet-shifts-vit-b32", "--store", str(places / "store")]) == 0
    shown = capsys.readouterr().out
    assert "imagenet: 6 samples, the catalogue says 50,000" in shown
    assert all(name in shown for name in ("imagenet-v2", "objectnet", "mean ood", "dawin/clusters-3", "dawin/samples"))


def eight_tasks(data):
    """Write generated images as torchvision and torchgeo store them; return the number of classes by data set."""
    pictures, labels = formats.encoded(6), [0, 1, 2, 0, 1, 2]
    names = ["a/abbey", "b/barn", "c/castle"]
    formats.write_listed(
        data / "sun397", pictures, labels, names, below="SUN397", listed="Testing_01.txt", line="/{directory}/{name}"
    )
    (data / "sun397" / "ClassName.txt").write_text("".join(f"/{name}\n" for name in names))
    formats.write_cars(data / "stanford_cars", pictures, labels, ["AM General Hummer", "Acura RL", "Audi V8"])
    names = ["airplane", "bridge", "church"]
    formats.write_listed(
        data / "resisc45", pictures, labels, names, below="NWPU-RESISC45", listed="resisc45-test.txt", line="{name}"
    )
    formats.write_folder(data / "eurosat" / "2750", pictures, labels)
    arrays = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    formats.write_svhn(data / "svhn", arrays, labels)
    formats.write_gtsrb(data / "gtsrb", formats.encoded(6, suffix="PPM"), labels)
    formats.write_mnist(data, arrays[:, :28, :28, 0], labels)
    names = ["banded", "dotted", "woven"]
    formats.write_listed(
        data / "dtd",
        pictures,
        labels,
        names,
        below="dtd/images",
        listed="dtd/labels/test1.txt",
        line="{directory}/{name}",
    )
    return {"SUN397": 3, "Cars": 3, "RESISC45": 3, "EuroSAT": 3, "SVHN": 10, "GTSRB": 43, "MNIST": 10, "DTD": 3}


def test_eight_tasks_says_what_is_missing(places, capsys):
    """One message names nine checkpoints, eight heads and eight data sets and where to get them; exit status 2."""
    assert main(["plan", "eight-tasks-vit-b32", "--store", str(places / "store")]) == 2
    message = capsys.readouterr().err
    assert message.count("to be had: ") == 17
    for part in ("model sun397", "data set gtsrb", "torchvision.datasets.GTSRB", "data set resisc45", "torchgeo"):
        assert part in message


@pytest.mark.xdist_group("methods")
@pytest.mark.usefixtures("prefect_api")
def test_eight_tasks_run_on_stand_ins(places, capsys):
    """With pickled encoders and heads, every data set gets an accuracy, and a note on its number of samples."""
    clips = []
    for seed in range(9):
        torch.manual_seed(0)
        made = CLIP(16, {"layers": 1, "width": 64, "patch_size": 8, "image_size": 16}, TEXT, quick_gelu=True)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in made.visual.parameters():
                parameter.add_(0.02 * seed * torch.randn_like(parameter))
        clips.append(made)
    models = places / "models" / "ViT-B-32"
    pickled.write_encoder(models / "zeroshot.pt", clips[0])
    for made, (task, classes) in zip(clips[1:], eight_tasks(places / "data").items(), strict=True):
        pickled.write_encoder(models / task / "finetuned.pt", made)
        pickled.write_head(models / f"head_{task}.pt", torch.randn(classes, 16) * 5)
    overrides = ["merge.clusters=2", "methods.adamerging={steps: 2, batch_size: 2}"]
    options = [part for override in overrides for part in ("--set", override)]
    assert main(["run", "eight-tasks-vit-b32", "--store", str(places / "store"), *options]) == 0
    shown = capsys.readouterr().out
    assert "svhn: 6 samples, the catalogue says 26,032" in shown
    wanted = ("individual/gtsrb", "ties/0.30", "tsv-merge/1.00", "iso-c/1.00", "adamerging/layer-wise++", "mean tasks")
    assert all(name in shown for name in (*wanted, "dawin/clusters-2", "dawin/samples", "eurosat: 6 samples"))
