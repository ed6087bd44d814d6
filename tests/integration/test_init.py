"""`dawin init`: the file that it writes for a folder plans as it is, and what it could not decide is asked for."""

import contextlib
import json
import shutil
from pathlib import Path

import jsonschema
import multi_task
import pytest
import safetensors.torch
import tiny
import torch
import yaml
from checkpoints import HUGGING_FACE_VISION, clip

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.experiment.schema import SCHEMA_FILE


@pytest.fixture
def folder(tmp_path):
    """A folder with two checkpoints, two data sets and a store beside them."""
    root = tmp_path / "My Models"
    tiny.checkpoint(root / "checkpoints" / "zeroshot.pt", 1)
    tiny.checkpoint(root / "checkpoints" / "epoch 10.pt", 2)
    tiny.image_folder(root / "images" / "sketch", 12, 3)
    tiny.image_folder(root / "images" / "clean", 12, 4)
    tiny.describe(root / "checkpoints")
    return root


def init(*words):
    """Run the command; return its exit status."""
    return main(["init", *map(str, words)])


def plans(file, store):
    """Whether `dawin plan` takes a file."""
    return main(["plan", str(file), "--store", str(store)]) == 0


def test_the_file_of_a_folder_plans_without_a_change(folder, tmp_path, capsys):
    """Names, base, data sets, layouts and groups are filled in; nothing else is written, and no store is made."""
    assert init(folder, "--store", tmp_path / "store") == 0
    printed = capsys.readouterr().out
    file = folder / "my-models.yaml"
    assert f"wrote {file}" in printed
    assert "TODO" not in printed + file.read_text()
    experiment = load_experiment(str(file))
    assert [model.name for model in experiment.models] == ["zeroshot", "epoch-10"]
    assert [(one.name, one.group) for one in experiment.datasets] == [("clean", "id"), ("sketch", "ood")]
    assert "# image folder, 3 classes, 12 images" in file.read_text()
    assert "oracle" in experiment.baselines
    assert plans(file, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert {path.name for path in folder.iterdir()} == {"checkpoints", "images", file.name, SCHEMA_FILE}


def test_every_setting_has_a_comment_and_the_schema_beside_it_holds(folder):
    """The first line names the schema, which accepts the file."""
    assert init(folder) == 0
    first, *lines = (folder / "my-models.yaml").read_text().splitlines()
    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    settings = [line for line in lines if ":" in line and not line.startswith("#")]
    assert len(settings) > 15
    assert [line for line in settings if " # " not in line] == []
    content = yaml.safe_load((folder / "my-models.yaml").read_text())
    jsonschema.validate(content, json.loads((folder / SCHEMA_FILE).read_text()))


def test_several_tasks_get_their_heads_by_name(tmp_path, capsys):
    """Task vectors, as many clusters as tasks, and the head of each data set."""
    root = multi_task.build(tmp_path)
    (root / "multi.yaml").unlink()
    assert init("--multi-task", root, "--output", root / "tasks.yaml") == 0
    experiment = load_experiment(str(root / "tasks.yaml"))
    assert experiment.merge.kind == "task-vectors"
    assert experiment.merge.clusters == 3
    assert {name: Path(str(head)).name for name, head in experiment.heads.items()} == {
        task: f"head_{task}.safetensors" for task in ("a", "b", "c")
    }
    assert experiment.models[0].name == "base"
    assert {one.group for one in experiment.datasets} == {"tasks"}
    assert plans(root / "tasks.yaml", tmp_path / "store")


def test_without_the_option_several_tasks_are_pointed_out(tmp_path, capsys):
    """Heads of several data sets suggest that each checkpoint has a task of its own."""
    root = multi_task.build(tmp_path)
    assert init(root, "-o", root / "tasks.yaml") == 0
    assert "dawin init --multi-task" in capsys.readouterr().out


def test_a_base_that_no_name_tells_is_asked_for(folder, capsys):
    """The first in the alphabet is taken, and the file and the output say so."""
    (folder / "checkpoints" / "zeroshot.pt").rename(folder / "checkpoints" / "run-b.pt")
    assert init(folder) == 0
    text = (folder / "my-models.yaml").read_text()
    for said in (" ".join(text.replace("#   ", "").split()), capsys.readouterr().out):
        assert "no checkpoint's name says that it is the pre-trained one, so epoch-10 is the base" in said
    assert load_experiment(str(folder / "my-models.yaml")).models[0].name == "epoch-10"


def test_images_without_labels_keep_methods_out_that_need_them(folder, tmp_path):
    """A data set with images directly inside has no labels, and the oracle is not asked for."""
    flat = folder / "images" / "sketch"
    for path in list(flat.rglob("*.png")):
        path.rename(flat / path.name)
    for path in [path for path in flat.iterdir() if path.is_dir()]:
        path.rmdir()
    assert init(folder) == 0
    text = (folder / "my-models.yaml").read_text()
    assert "# image folder, no labels, 12 images" in text
    assert "oracle" not in load_experiment(str(folder / "my-models.yaml")).baselines
    assert plans(folder / "my-models.yaml", tmp_path / "store")


def test_a_data_set_without_a_head_that_fits_is_written_as_a_comment(folder, tmp_path, capsys):
    """The others are evaluated, and the reader learns what is missing."""
    tiny.image_folder(folder / "images" / "letters", 10, 5, classes=5)
    assert init(folder) == 0
    assert "data set letters has no head that fits: it has 5 classes, but the head in zeroshot has 3" in (
        capsys.readouterr().out
    )
    assert "  # - name: letters" in (folder / "my-models.yaml").read_text()
    assert [one.name for one in load_experiment(str(folder / "my-models.yaml")).datasets] == ["clean", "sketch"]
    assert plans(folder / "my-models.yaml", tmp_path / "store")


def test_a_hugging_face_folder_is_one_checkpoint_with_a_head_of_class_names(tmp_path, capsys):
    """Its text tower makes the head of the folders' names; a checkpoint of another shape is not used, and named."""
    root = tmp_path / "hub"
    (root / "pretrained").mkdir(parents=True)
    for name, seed in (("pretrained", 1), ("tuned", 2)):
        (root / name).mkdir(exist_ok=True)
        safetensors.torch.save_file(clip(seed).state_dict(), root / name / "open_clip_model.safetensors")
    tiny.checkpoint(root / "other.pt", 1)
    for number, name in enumerate(("brown_bear", "cat", "dog")):
        made = Path(tiny.image_folder(tmp_path / f"made{number}", 4, number, classes=1)) / "class0"
        (root / "pets" / name).parent.mkdir(exist_ok=True)
        shutil.move(made, root / "pets" / name)
    assert init(root) == 0
    experiment = load_experiment(str(root / "hub.yaml"))
    assert [model.name for model in experiment.models] == ["pretrained", "tuned"]
    assert experiment.heads["pets"].classes == ("brown bear", "cat", "dog")
    assert "other: does not fit pretrained" in capsys.readouterr().out
    assert HUGGING_FACE_VISION["image_size"] == 32


def test_names_that_yaml_reads_otherwise_and_loops_of_links_do_no_harm(folder, tmp_path):
    """A checkpoint `null.pt` keeps its name, and a folder that holds a link to itself is looked into once."""
    (folder / "checkpoints" / "epoch 10.pt").rename(folder / "checkpoints" / "null.pt")
    (folder / "images" / "again").symlink_to(folder)
    assert main(["init", str(folder)]) == 0
    (file,) = folder.glob("*.yaml")
    content = yaml.safe_load(file.read_text())
    assert [model["name"] for model in content["models"]] == ["zeroshot", "null"]
    assert main(["plan", str(file), "--store", str(tmp_path / "store")]) == 0


def test_inputs_elsewhere_are_added(folder, tmp_path):
    """Files, folders of several checkpoints, and data sets; paths outside of the file's folder are absolute."""
    elsewhere = tmp_path / "elsewhere"
    tiny.checkpoint(elsewhere / "more" / "third.pt", 3)
    tiny.describe(elsewhere / "more")
    tiny.image_folder(elsewhere / "photos", 9, 6)
    words = ("--checkpoint", elsewhere / "more", "--images", elsewhere / "photos")
    assert init(folder, *words, "--output", tmp_path / "here.yaml") == 0
    experiment = load_experiment(str(tmp_path / "here.yaml"))
    assert [model.name for model in experiment.models] == ["zeroshot", "epoch-10", "third"]
    assert {one.name for one in experiment.datasets} == {"clean", "sketch", "photos"}
    text = (tmp_path / "here.yaml").read_text()
    assert "images: My Models/images/clean" in text.replace('"', "")
    assert experiment.name == "here"


def test_shards_of_several_splits_give_the_test_split(folder):
    """A folder as on the Hub holds train and test; training images are not evaluated on."""
    import formats

    images = formats.encoded(6, 0)
    hub = folder / "images" / "hub"
    for split in ("train", "test"):
        formats.write_parquet(hub, images, [0, 1, 2] * 2, names=["a", "b", "c"], split=split)
    assert init(folder) == 0
    experiment = load_experiment(str(folder / "my-models.yaml"))
    images = {one.name: one.images for one in experiment.datasets}
    assert images["hub"].endswith("images/hub/test*.parquet")


@pytest.mark.parametrize(
    ("harm", "words", "message"),  # harm: removed before
    [
        ("", ["nowhere"], "nowhere: no such folder"),
        ("", ["My Models/checkpoints/zeroshot.pt"], "wanted a folder with checkpoints and images, got a file"),
        ("checkpoints", ["My Models"], "no checkpoint found; looked for files *.pt, *.pth, *.safetensors"),
        ("checkpoints/zeroshot.pt", ["My Models"], "only 1 checkpoint (epoch-10), wanted the base and at least one"),
        (
            "",
            ["--multi-task", "My Models"],
            "only 2 checkpoints (zeroshot, epoch-10), wanted the base and at least two",
        ),
        ("images", ["My Models"], "no images found; looked for folders of images"),
        ("", ["My Models", "--output", "there/x.yaml"], "no such folder"),
        ("", ["My Models", "--output", "x.txt"], "wanted a file that ends in .yaml"),
    ],
)
def test_a_request_without_inputs_is_refused(folder, capsys, harm, words, message):
    """The message says what was looked for; nothing is written."""
    if harm:
        place = folder / harm
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    before = sorted(folder.rglob("*"))
    with contextlib.chdir(folder.parent):
        assert init(*words) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_an_existing_file_is_not_overwritten(folder, capsys):
    """Neither the experiment file nor a schema file of somebody else."""
    (folder / "my-models.yaml").write_text("mine")
    assert init(folder) == 2
    assert "my-models.yaml: exists already" in capsys.readouterr().err
    (folder / SCHEMA_FILE).write_text("mine too")
    assert init(folder, "-o", folder / "other.yaml") == 0
    assert (folder / "my-models.yaml").read_text() == "mine"
    assert (folder / SCHEMA_FILE).read_text() == "mine too"


def test_a_damaged_checkpoint_is_left_out_with_its_reason(folder, capsys):
    """The confined reader refuses it, and the file names it as not used."""
    (folder / "checkpoints" / "broken.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    torch.save({"x": torch.zeros(2)}, folder / "checkpoints" / "features.pt")
    assert init(folder) == 0
    assert "# Not used: checkpoints/broken.pt: " in (folder / "my-models.yaml").read_text()
    assert "not used   checkpoints/features.pt" in capsys.readouterr().out
