"""Experiments by name: complete, and on a machine without the data a list of what is missing."""

import pytest
import tiny

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment import load_experiment, named_experiments

SHIFTS = ["imagenet-shifts-vit-b16", "imagenet-shifts-vit-b32", "imagenet-shifts-vit-l14"]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where the variables point to; nothing is there."""
    monkeypatch.setenv("DAWIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAWIN_MODELS", str(tmp_path / "models"))
    return tmp_path


def test_every_name_is_a_whole_experiment(places):
    """Its own name, six data sets of which one is in-distribution, addresses where the variables say."""
    assert named_experiments() == SHIFTS
    for name in SHIFTS:
        experiment = load_experiment(name)
        assert experiment.name == name
        assert [dataset.scored_group for dataset in experiment.datasets] == ["id"] + ["ood"] * 5
        assert all(model.checkpoint.startswith(f"file://{places}/models/vit-") for model in experiment.models)
        assert all(model.source for model in experiment.models)
        assert all(dataset.told_source for dataset in experiment.datasets)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_is_missing_is_listed_with_where_to_get_it(places, capsys, command):
    """Every model and every data set in one message; exit status 2; nothing written."""
    assert main([command, "imagenet-shifts-vit-b32", "--store", str(places / "store")]) == 2
    told = capsys.readouterr().err
    for part in (
        "model zeroshot",
        "model finetuned",
        "data set imagenet-sketch",
        "data set objectnet",
        "objectnet.dev",
    ):
        assert part in told
    assert told.count("to be had: ") == 8
    assert not (places / "store").exists() or not list((places / "store").rglob("*.parquet"))


def test_variables_that_are_not_set_are_named(monkeypatch):
    """All at once."""
    monkeypatch.delenv("DAWIN_DATA", raising=False)
    monkeypatch.delenv("DAWIN_MODELS", raising=False)
    with pytest.raises(
        ExperimentError, match=r"DAWIN_MODELS is not set, wanted for \$\{DAWIN_MODELS\}/.*DAWIN_DATA is"
    ):
        load_experiment("imagenet-shifts-vit-b32")


def test_an_unknown_name_is_told_the_known_ones():
    """And the files that are there."""
    with pytest.raises(ExperimentError, match=r"imagenet-shift: no such file; .*by name: imagenet-shifts-vit-b16"):
        load_experiment("imagenet-shift")


@pytest.mark.xdist_group("granularities")
@pytest.mark.usefixtures("prefect_api")
def test_the_whole_experiment_runs_on_stand_ins(places, capsys):
    """Generated images in the right layouts, small models with a thousand classes; an accuracy for every data set."""
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
    assert "imagenet: 6 samples, where there should be 50,000" in shown
    assert all(name in shown for name in ("imagenet-v2", "objectnet", "mean ood", "dawin/clusters-3", "dawin/samples"))
