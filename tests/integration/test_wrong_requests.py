"""Wrong requests: one message lists every fault of every kind, in one round, and the exit status is 2."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import yaml
from wrong_comparisons import COMPARISONS
from wrong_requests import COMMANDS, EVERYTHING, FILES, OF_INPUTS, PARTS, WRONG, datasets, models, pattern_of

from flows.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a small experiment that nothing is wrong with."""
    made = tmp_path_factory.mktemp("requests")
    tiny.experiment(made, samples=6)
    return made


def written(folder, changes):
    """Write the experiment with changes: settings, which replace those of the same name, or the whole text."""
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    file = folder / "my.yml"
    file.write_text(
        changes
        if isinstance(changes, str)
        else yaml.safe_dump({**changes, **{k: v for k, v in content.items() if k not in changes}}, sort_keys=False)
    )
    return str(file)


def refused(capsys, *arguments):
    """Return the one line of a refused command, without `dawin: ` and with its status checked."""
    try:
        status = main(list(arguments))
    except SystemExit as ended:
        status = ended.code
    shown = capsys.readouterr()
    complaints = [line for line in shown.err.splitlines() if line.startswith("dawin: ")]
    assert status == 2, shown
    assert len(complaints) == 1, shown
    assert "Traceback" not in shown.err + shown.out
    return complaints[0].removeprefix("dawin: ")


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_is_refused_with_the_wanted_and_the_actual_value(folder, tmp_path, capsys, monkeypatch, case):
    """The whole message is known, and `plan` writes nothing."""
    monkeypatch.delenv("DAWIN_NOWHERE", raising=False)
    changes, wanted = FILES[case]
    file = written(folder, changes)
    line = refused(capsys, "plan", file, "--store", str(tmp_path / "store"))
    is_of_inputs = case in OF_INPUTS  # the settings are right
    title = "" if is_of_inputs else rf"experiment {re.escape(file)}: "
    assert re.fullmatch(title + pattern_of(folder, wanted), line), line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", [*COMMANDS, *COMPARISONS])
def test_a_wrong_command_line_is_refused_with_the_wanted_and_the_actual_value(folder, capsys, case):
    """The whole message is known; nothing is written beside the experiment."""
    arguments, wanted = {**COMMANDS, **COMPARISONS}[case]
    before = sorted(folder.iterdir())
    line = refused(capsys, *(word.format(folder=folder) for word in arguments))
    assert re.fullmatch(wanted.replace("{folder}", re.escape(str(folder))), line), line
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", ["plan", "run", "watch", "calibrate"])
def test_faults_of_every_kind_are_in_one_message_in_the_order_of_the_file(folder, capsys, command):
    """Settings, choices, names, missing checkpoints, folders and heads, the command line's settings, and the store."""
    file = written(folder, EVERYTHING)
    line = refused(capsys, command, file, *WRONG)
    wanted = "; ".join(pattern_of(folder, part) for part in PARTS)
    assert re.fullmatch(rf"experiment {re.escape(file)}: {wanted}", line), line


def on_a_terminal(*arguments, columns=100):
    """Run the command line in a terminal; return its exit status and the lines that it shows."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        while part := _read(master):
            shown += part
        os.close(master)
    return process.returncode, shown.decode().replace("\r\n", "\n").splitlines()


def _read(master):
    try:
        return os.read(master, 65536)
    except OSError:  # the program has ended
        return b""


def test_on_a_terminal_each_fault_has_lines_of_its_own(folder):
    """The first line counts them; a fault that is longer than a line goes on, indented, within the width."""
    file = written(folder, EVERYTHING)
    status, (first, *lines) = on_a_terminal("plan", file, *WRONG)
    assert (status, first) == (2, f"dawin: experiment {file}: {len(PARTS)} faults")
    begins = [number for number, line in enumerate(lines) if not line.startswith("   ")]
    faults = [
        " ".join(line.strip() for line in lines[a:b]) for a, b in zip(begins, [*begins[1:], len(lines)], strict=True)
    ]
    for part, fault in zip(PARTS, faults, strict=True):
        assert re.fullmatch(pattern_of(folder, part), fault), fault
    assert all(len(line) <= 100 or " " not in line.strip() for line in lines)


def test_on_a_terminal_missing_inputs_have_lines_of_their_own(folder, tmp_path):
    """The settings are right, so that the inputs themselves are checked: two lines, one for each."""
    file = written(folder, {"models": models(checkpoint="tune.pt"), "datasets": datasets(images="three")})
    status, lines = on_a_terminal("plan", file, "--store", str(tmp_path), columns=1000)
    assert status == 2
    assert lines[0] == "dawin: wrong request: 2 faults"
    assert re.fullmatch(r"  model tuned: checkpoint \S+/tune\.pt: no such file; .*", lines[1])
    assert re.fullmatch(r"  data set two: images \S+/three: no such folder", lines[2])
    assert len(lines) == 3


def test_a_single_fault_is_one_line_on_a_terminal_too(folder):
    """It begins with the name of the program and of the file."""
    status, lines = on_a_terminal("plan", str(folder / "tiny.yaml"), "--set", "batch_size=0", columns=1000)
    wanted = "--set batch_size: wanted a whole number of at least 1, got 0"
    assert (status, lines) == (2, [f"dawin: experiment {folder}/tiny.yaml: {wanted}"])


def test_missing_inputs_and_a_store_that_is_a_file_are_in_one_message(folder, capsys):
    """The settings are right: the inputs are looked for although the store cannot be opened."""
    file = written(folder, {"models": models(checkpoint="tune.pt"), "datasets": datasets(images="three")})
    line = refused(capsys, "run", file, "--store", str(folder / "base.pt"))
    parts = [PARTS[1], r"data set two: images {folder}/three: no such folder"]
    wanted = [*parts, r"store {folder}/base\.pt: wanted a folder, but it is a file"]
    assert re.fullmatch("; ".join(pattern_of(folder, part) for part in wanted), line), line


def test_a_head_and_images_that_are_both_missing_are_in_one_message(folder, tmp_path, capsys):
    """The head of a data set is looked for although the data set's images are missing."""
    file = written(folder, {"heads": {"two": "head.pt"}, "datasets": datasets(images="three")})
    line = refused(capsys, "plan", file, "--store", str(tmp_path))
    assert re.search(r"data set two: images \S+/three: no such folder; head of two: checkpoint \S+/head\.pt: no", line)


@pytest.fixture
def guarded_s3(s3, monkeypatch):
    """A bucket on a server that checks credentials."""
    from moto import settings

    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    return s3


@pytest.mark.parametrize("command", [("run", "tiny.yaml"), ("plan", "tiny.yaml"), ("results",), ("leaderboard",)])
def test_a_bucket_that_does_not_exist_is_refused_by_name(folder, capsys, s3, monkeypatch, command):
    """Commands that write and commands that read say which bucket was asked for."""
    monkeypatch.chdir(folder)
    line = refused(capsys, *command, "--store", "s3://no-such-bucket/store")
    wanted = r"s3://no-such-bucket/store: no such bucket: no-such-bucket; check its name and AWS_ENDPOINT_URL"
    assert re.fullmatch(rf"(store )?{wanted}", line), line


@pytest.mark.parametrize("command", [("run", "tiny.yaml"), ("plan", "tiny.yaml"), ("results",)])
def test_wrong_credentials_are_refused_with_the_variables_to_check(folder, capsys, guarded_s3, monkeypatch, command):
    """The message names the store and the AWS variables."""
    monkeypatch.chdir(folder)
    line = refused(capsys, *command, "--store", f"{guarded_s3}/store")
    assert re.match(rf"(store )?{guarded_s3}/store: (access denied|refused) \(.*\); check AWS_ACCESS_KEY_ID, ", line)


def test_a_missing_checkpoint_in_a_bucket_is_found_beside_a_wrong_setting(folder, capsys, s3, tmp_path):
    """One request tells whether the file exists; it is not read."""
    file = written(folder, {"models": models(checkpoint=f"{s3}/tuned.pt"), "seed": -1})
    line = refused(capsys, "plan", file, "--store", str(tmp_path))
    assert re.search(rf"model tuned: checkpoint {s3}/tuned\.pt: no such file; .*; seed: wanted a whole", line), line


def test_a_plan_in_a_folder_that_does_not_exist_yet_says_so(folder, capsys, tmp_path):
    """A first plan has no store: it is shown, with a note."""
    assert main(["plan", str(folder / "tiny.yaml"), "--store", str(tmp_path / "store")]) == 0
    wanted = f"note: store file://{tmp_path}/store: no such folder yet; a run makes it\n"
    assert wanted in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


def test_secrets_and_control_characters_reach_no_message(folder, capsys):
    """Values of settings are masked and escaped, in the message of a broken address too."""
    changes = {"models": models(checkpoint="s3:/KEY:P4SS@bucket/x"), "name": "\x1b[2J", "seed": "s3://K:P4SS@b/x"}
    line = refused(capsys, "plan", written(folder, changes))
    assert "P4SS" not in line
    assert r"got '\x1b[2J'" in line
    assert "s3://…@bucket/x: an address holds no credentials" in line
    assert "seed: wanted a whole number of at least 0, got 's3://…@b/x'" in line


def test_labels_are_wanted_of_the_data_set_that_a_soup_chooses_by(folder, tmp_path, capsys):
    """A data set without labels is no fault for other methods."""
    loose = tmp_path / "loose"
    loose.mkdir()
    for path in Path(folder / "one").rglob("*.png"):
        (loose / path.name).write_bytes(path.read_bytes())
    options = {"baselines": ["greedy-soup", "oracle"], "methods": {"greedy-soup": {"held_out": "two"}}}
    file = written(folder, {**options, "datasets": datasets(images=str(loose))})
    line = refused(capsys, "plan", file, "--store", str(tmp_path / "store"))
    assert line == "data set two: images without labels, but baseline greedy-soup chooses by them"


def test_a_wrong_request_is_refused_without_torch_and_prefect(folder):
    """Its message takes no longer than a right request's plan, whatever is wrong."""
    program = (
        "import sys\nfrom flows.cli import main\n"
        f"status = main({['plan', written(folder, EVERYTHING), *WRONG]!r})\n"
        "print(status, sorted({'torch', 'open_clip', 'prefect'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "2 []\n"
    assert ended.stderr.count("\n") == 1
