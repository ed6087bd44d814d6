"""Folders that appear whole or not at all."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.exporting.whole_folder import TargetTaken, refuse_taken, whole_folder


def left(folder):
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_has_its_name_when_it_is_complete(tmp_path, exists):
    """Until the block ends nothing has the target's name, or the empty folder there stays empty."""
    target = tmp_path / "out"
    if exists:
        target.mkdir()
    with whole_folder(target) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("x")
        assert not target.exists() or not any(target.iterdir())
    assert left(tmp_path) == ["out"]
    assert (target / "inner" / "file").read_text() == "x"


def test_a_failure_leaves_nothing(tmp_path):
    """Neither the folder nor its unfinished files remain, and the error is the block's."""

    def fail():
        with whole_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("x")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert left(tmp_path) == []


def test_a_killed_process_leaves_no_folder_and_its_remains_are_replaced(tmp_path):
    """SIGKILL between two files leaves no folder of the target's name, and the next process starts from nothing."""
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tasks.exporting.whole_folder import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert left(tmp_path) == [".out.unfinished"]
    with whole_folder(tmp_path / "out") as folder:
        assert left(folder) == []
        (folder / "whole").write_text("y")
    assert left(tmp_path) == ["out"]
    assert left(tmp_path / "out") == ["whole"]


def test_two_processes_do_not_write_one_folder(tmp_path):
    """The second one is refused while the first one writes, and the first one's files stay."""
    with whole_folder(tmp_path / "out") as folder:
        (folder / "mine").write_text("x")
        with pytest.raises(TargetTaken, match="another process is writing"), whole_folder(tmp_path / "out"):
            pass
        assert left(folder) == ["mine"]
    assert left(tmp_path / "out") == ["mine"]


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path):
    """Files that somebody puts into the target while it is written are not lost."""

    def write():
        with whole_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs").write_text("x")

    with pytest.raises(TargetTaken, match="holds theirs"):
        write()
    assert left(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("full", "wanted an empty or a new folder, it holds one, two"),
        ("file", "a file; wanted the name of a folder"),
        ("none/out", "no such folder"),
        ("s3://bucket/out", "an address; wanted a folder of this machine"),
    ],
)
def test_a_target_that_is_taken_is_refused(tmp_path, monkeypatch, name, message):
    """The message names the target and says what is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    for one in ("full/one", "full/two", "file"):
        (tmp_path / one).touch()
    with pytest.raises(TargetTaken, match=re.escape(message)):
        refuse_taken(Path(name))


def test_a_link_to_an_empty_folder_stands_for_that_folder(tmp_path):
    """The files lie in the folder that the link names, and the link stays."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as place:
        (place / "file").write_text("written")
    assert (tmp_path / "real" / "file").read_text() == "written"
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_mount_is_refused():
    """A folder cannot take the place of a file system's root; the message names it."""
    with pytest.raises(TargetTaken, match=r"-o /proc: a place where a file system is mounted"):
        refuse_taken(Path("/proc"))
