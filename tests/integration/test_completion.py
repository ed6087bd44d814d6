"""The completion scripts complete in real shells."""

import shutil
import subprocess

import pytest

from flows.cli.completion import script
from flows.cli.entry import COMMANDS
from flows.experiment.file import named_experiments


def completed(tmp_path, *words):
    """What bash offers for the last of some words."""
    (tmp_path / "dawin.bash").write_text(script("bash"))
    program = (
        "source dawin.bash\ncomplete -p dawin >&2\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))\n'
        "_shtab_dawin\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    command = ["bash", "--norc", "-c", program, "bash", "dawin", *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "-F _shtab_dawin dawin" in ended.stderr
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], {name.split()[0] for name in COMMANDS}),
        (["lea"], {"leaderboard"}),
        (["store", ""], {name.split()[1] for name in COMMANDS if name.startswith("store ")}),
        (["results", "--m"], {"--metric", "--method"}),
        (["results", "--format", "la"], {"latex"}),
        (["run", "imagenet"], {name for name in named_experiments() if name.startswith("imagenet")}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(tmp_path, words, offered):
    """Commands, options, choices and names of experiments, as a person types them."""
    assert completed(tmp_path, *words) == offered


def test_bash_completes_files(tmp_path):
    """An experiment may be a file, and so may a checkpoint."""
    (tmp_path / "mine.yaml").touch()
    assert completed(tmp_path, "run", "mi") == {"mine.yaml"}
    assert completed(tmp_path, "inspect", "mi") == {"mine.yaml"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_that_its_shell_parses(tmp_path, shell):
    """Names, quotes and brackets in help texts break none of them."""
    text = script(shell)
    assert "dawin" in text
    assert all(command.split()[0] in text for command in COMMANDS)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(text)
    subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True)
