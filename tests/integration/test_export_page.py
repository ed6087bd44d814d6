"""The programs of `docs/export.md` run as they stand, on folders that its commands have written."""

import contextlib
import json
import subprocess
import sys

import documented
import exports
import numpy as np
import pytest
import safetensors.torch
import tiny
import torch
import yaml
from code_blocks import blocks_of, commands_of
from pages import ROOT
from PIL import Image

from flows.cli import main

pytestmark = [pytest.mark.xdist_group("export")]

PAGE = "docs/export.md"
_TEXTLESS = 'text_cfg={"layers": 1}'  # marks the block for a folder without a text tower
_WITH_TEXT = "create_model_from_pretrained"  # marks the block for a folder with one


def programs():
    return [block for block in blocks_of(PAGE) if block.language == "python"]


@pytest.fixture(params=["with a text tower", "without"])
def folder(request, tmp_path, monkeypatch, prefect_api):
    """A folder with the experiment of README, in which the page's commands have run."""
    monkeypatch.delenv("DAWIN_STORE", raising=False)
    pytest.importorskip("transformers")
    experiment = yaml.safe_load(documented.own_experiment(PAGE))
    for model, state in zip(experiment["models"], exports.states(2), strict=True):
        name = model["name"]
        model["checkpoint"] = f"{name}.pt"
        if request.param == "without":
            tiny.checkpoint(tmp_path / f"{name}.pt", len(name))
        else:
            torch.save(state, tmp_path / f"{name}.pt")
            exports.describe(tmp_path)
    for number, dataset in enumerate(experiment["datasets"]):
        tiny.image_folder(tmp_path / dataset["images"], 18, number)
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(experiment))
    # of the towers' own size, since libraries differ in the last bits of a resized picture
    pixels = np.random.default_rng(7).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    torch.save(torch.randn(5, 3, 16, 16), tmp_path / "images.pt")
    with contextlib.chdir(tmp_path):
        for block in [block for block in blocks_of(PAGE) if block.language == "console"]:
            for command in commands_of(block):
                if command.is_dawin:
                    assert main(command.words[1:]) == 0
        yield tmp_path, request.param == "without"
    sys.modules.pop("router", None)


def test_the_programs_of_the_page_agree(folder, monkeypatch):
    """Transformers and open_clip give the logits of the same picture, and the router those that its program prints."""
    place, textless = folder
    monkeypatch.setattr(sys, "path", [*sys.path])
    names, logits = {}, []
    for block in programs():
        if (_WITH_TEXT if textless else _TEXTLESS) not in block.text:
            exec(compile(block.text, str(block), "exec"), names)
            logits += [names.pop("logits")] if "logits" in names else []
    assert len(logits) == 2
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-4, atol=1e-4)
    words = [sys.executable, "routed/router.py", "images.pt"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True, cwd=place).stdout.split()
    assert names["names"] == [names["router"].rules["classes"][int(line)] for line in printed]
    described = json.loads((place / "exported" / "open_clip_config.json").read_text())
    assert ("text_cfg" in described["model_cfg"]) != textless


def test_the_table_lists_every_key_of_the_routers_rules(folder):
    """A key that the page does not name is found."""
    place, _ = folder
    page = (ROOT / PAGE).read_text()
    keys = json.loads((place / "routed" / "router.json").read_text()).keys() - {"format", "expertise"}
    assert [key for key in keys if f"`{key}`" not in page] == []
    state = safetensors.torch.load_file(place / "exported" / "checkpoint.safetensors")
    assert set(state) > {"head.weight", "head.bias"}
