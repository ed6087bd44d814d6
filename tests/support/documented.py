"""A folder in which the commands of the documentation can be run as they stand, and the reasons why some are not."""

import re
import shutil
from pathlib import Path

import tiny
import torch
import yaml
from code_blocks import all_blocks, blocks_of
from open_clip import image_transform
from PIL import Image

from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

OWN = "my-experiment"
"""The experiment that README shows; in the folder it is `my.yaml`."""
REFUSED = {"dawin plan imagenet-shifts-vit-b32", "dawin run my.yaml --set merge.clusters=0 --set batch_size=big"}
"""Commands that the pages show for their refusal: exit status 2, and the message that stands below them, if any."""
NOT_RUN = {
    r"make (quickstart|multi-task)": "trains models for a minute and more; the tests of the quickstart run it",
    r"make workers-up .*": "starts a server and workers; `make test-workers` does",
    r"prefect .*": "needs a Prefect server and changes it; `make test-workers` runs such a server",
    r"python infra/create_pools\.py .*": "the same",
    r"python infra/slurm/slurm_pool\.py .*": "needs a Slurm cluster; tests/workers/test_slurm.py starts one",
    r"sbatch .*": "the same",
    r"python routed/router\.py images\.pt": "reads images.pt, which tests/integration/test_export_page.py writes",
    r"CUDA_VISIBLE_DEVICES=0 prefect worker start .*": "the same, and a GPU",
    r"python infra/heartbeats\.py": "the same",
    r"curl -X POST \$PREFECT_API_URL/events .*": "the same; tests/workers sends this event",
    r"(\.venv/bin/)?python -m benchmarks\.\w+.*": "measures for minutes",
    r"docker compose .*|kubectl .*": "needs a container runtime or a cluster; tests/unit/infra checks the files",
    r"echo \"\w+=\$\(openssl rand -hex 24\)\" >> infra/\.env": "writes a password for containers",
    r"aws s3 sync .*": "needs Amazon's command line and a bucket",
    r"dawin publish .*": "needs a token and the Hub; tests/integration/test_publish.py publishes to a stand-in of it",
    r"dawin ui": "serves pages until it is interrupted; tests/integration/test_ui.py opens them",
    r"dawin watch watched\.yaml": "looks again and again until it is interrupted",
}
"""Patterns of whole commands that are not run, with the reason."""
ON_A_POOL = "sends its work to a pool; tests/workers run experiments on one"
"""Why `dawin` is not run below a line that sets the address of a server."""
AFTER_THE_QUICKSTART = {
    "docs/commands.md",
    "docs/comparisons.md",
    "docs/predict.md",
    "docs/quickstart.md",
    "docs/report.md",
    "docs/results.md",
    "docs/store.md",
}
"""Pages whose commands read the results of the quickstart's example: it is run before them."""
WITH_PROGRAMS = {"README.md"}
"""Pages whose Python blocks read `my.yaml`: they are run in this folder."""


def own_experiment(page):
    """Return the YAML of `my.yaml` on a page: the page's own `my-experiment`, else README's."""
    found = [block for source in (page, "README.md") for block in blocks_of(source) if block.language == "yaml"]
    return next(block.text for block in found if f"name: {OWN}\n" in block.text)


def prepare(folder: Path, page, bucket):
    """Write into a folder what the pages' commands name.

    That is `my.yaml` with its checkpoints and images, `watched.yaml`, the example of the quickstart in small,
    `my-models` with two checkpoints and two image folders, and `FILE`, a checkpoint.

    Args:
        folder: empty.
        page: whose `my.yaml` is meant.
        bucket: puts a file into the bucket `bucket`: `bucket(path, key)`.
    """
    for seed, name in enumerate(("zeroshot", "finetuned"), 1):
        tiny.checkpoint(folder / f"{name}.pt", seed)
    shutil.copy(folder / "finetuned.pt", folder / "FILE")
    for key in ("zeroshot.pt", "finetuned.pt", "finetuned/mine.pt"):
        bucket(folder / key.rpartition("/")[2].replace("mine", "finetuned"), key)
    for number, name in enumerate(("clean", "sketch")):
        tiny.image_folder(folder / "images" / name, 18, number)
    (folder / "my.yaml").write_text(own_experiment(page))
    _write(folder / "watched.yaml", name="watched", finetuned="s3://bucket/finetuned/*", datasets={"clean": "id"})
    _write_quickstart(folder / "dawin-quickstart")
    shutil.copytree(folder / "dawin-quickstart", folder / "my-models")
    (folder / "my-models" / "digits.yaml").unlink()
    (folder / "my-models" / "calibration.yaml").unlink()


def _write_quickstart(folder: Path):
    """Write the files of the quickstart's example, with two of its data sets, random pictures, and a surer model."""
    tiny.checkpoint(folder / "checkpoints" / "zeroshot.pt", 1)
    surer = tiny.soup_state(1)
    surer["classification_head.weight"] *= 1.5
    torch.save(surer, folder / "checkpoints" / "finetuned.pt")
    tiny.describe(folder / "checkpoints")
    for number, name in enumerate(("images/clean", "images/inverted", "held-out")):
        tiny.image_folder(folder / name, 30, number)
        _label_by_predictions(folder / name)
    checkpoints = {name: f"checkpoints/{name}.pt" for name in ("zeroshot", "finetuned")}
    _write(folder / "digits.yaml", name="digits", datasets={"clean": "id", "inverted": "ood"}, **checkpoints)
    _write(
        folder / "calibration.yaml", name="digits-calibration", datasets={"held-out": "id"}, images="", **checkpoints
    )


def _label_by_predictions(images: Path):
    """Move most images to the class that the models predict, so that their temperatures have an optimum."""
    model = tiny.classifier(1)
    transform = image_transform(tiny.SHAPE.image_size, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    moved = [path for i, path in enumerate(sorted(images.rglob("*.png"))) if i % 4]  # the others keep every class
    for path in moved:
        with torch.no_grad():
            logits = model(transform(Image.open(path))[None])
        path.rename(images / f"class{int(logits.argmax())}" / path.name)


def _write(file: Path, *, name, finetuned, datasets, zeroshot="zeroshot.pt", images="images/"):
    content = {
        "name": name,
        "models": [{"name": "zeroshot", "checkpoint": zeroshot}, {"name": "finetuned", "checkpoint": finetuned}],
        "datasets": [{"name": n, "images": f"{images}{n}", "group": group} for n, group in datasets.items()],
        "merge": {"granularity": ["clusters", "samples"], "clusters": 3},
        "baselines": ["individual", "wise-ft/0.50", "output-ensemble"],
        "batch_size": 16,
    }
    file.write_text(yaml.safe_dump(content))


def reason_not_to_run(command, *, on_a_pool):
    """Return why a command is not run; None: it is run.

    Args:
        command: of a console block.
        on_a_pool: whether the block has set the address of a Prefect server before.
    """
    text = " ".join(command.words if command.is_dawin else command.text.split())
    for pattern, reason in NOT_RUN.items():
        if re.fullmatch(pattern, text, re.DOTALL):
            return reason
    if command.is_dawin and on_a_pool:
        return ON_A_POOL
    return None


def set_variables(command):
    """Return the variables that an `export` line sets; None for another command."""
    if command.words[0] != "export":
        return None
    return dict(word.split("=", 1) for word in command.words[1:])


def pages_with_commands():
    """Return the pages that have console blocks."""
    return list(dict.fromkeys(block.page for block in all_blocks("console")))
