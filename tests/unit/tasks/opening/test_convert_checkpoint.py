"""Conversion keeps a checkpoint's numbers, and the command line reports on it in words."""

import pytest
import safetensors
import torch
from checkpoints import clip, read, write

from flows.cli import main
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.opening.convert_checkpoint import convert_checkpoint


def test_a_converted_checkpoint_holds_the_same_numbers(tmp_path):
    """The types stay as they are, the text tower is left out, and the header names the family."""
    state = {name: tensor.half() for name, tensor in clip().state_dict().items()}
    torch.save(state, tmp_path / "in.pt")
    target = tmp_path / "deep" / "out.safetensors"
    convert_checkpoint(Location(str(tmp_path / "in.pt")), target)
    with safetensors.safe_open(target, "pt") as file:
        header, names = file.metadata(), set(file.keys())
        assert all(torch.equal(file.get_tensor(name), state[name]) for name in names)
    assert names == {name for name in state if name.startswith("visual.")}
    assert (header["dawin.format"], header["family"]) == ("2", "open-clip")
    before, after = read(tmp_path / "in.pt"), read(target)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_conversion_overwrites_nothing(tmp_path):
    """A target that exists is refused and left alone, and no temporary file stays behind."""
    write("open_clip", tmp_path / "in.pt")
    target = tmp_path / "deep" / "out.safetensors"
    convert_checkpoint(Location(str(tmp_path / "in.pt")), target)
    before = target.read_bytes()
    with pytest.raises(CheckpointError, match=r"out.safetensors: the file exists already"):
        convert_checkpoint(Location(str(tmp_path / "in.pt")), target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["out.safetensors"]


def test_a_head_alone_is_not_converted(tmp_path):
    """A file without a vision tower is refused, although `inspect` describes it."""
    torch.save({"weight": torch.zeros(5, 24)}, tmp_path / "head.pt")
    with pytest.raises(CheckpointError, match=r"head.pt: a head alone, wanted a checkpoint with a vision tower"):
        convert_checkpoint(Location(str(tmp_path / "head.pt")), tmp_path / "out.safetensors")


def test_inspect_and_convert_by_the_command_line(tmp_path, capsys):
    """Both print the family and the facts; a file that cannot be read is one line and exit status 2."""
    path = tmp_path / "soup"
    write("model-soups", path)
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    facts = ("family      model-soups", "image_size 32, patch_size 8, width 128", "4 classes of 24 features", "True")
    assert [fact for fact in facts if fact not in shown] == []
    assert main(["convert", str(path), str(tmp_path / "out")]) == 0
    assert "out: model-soups, from file://" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "out")]) == 0
    assert "family      ours" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "nothing")]) == 2
    (tmp_path / "junk").write_bytes(b"junk")
    assert main(["inspect", str(tmp_path / "junk")]) == 2
    assert "junk: not a checkpoint" in capsys.readouterr().err
