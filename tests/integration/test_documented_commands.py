"""Every command of README, of `docs/` and of `examples/` is run as it stands, or is known and listed with a reason."""

import contextlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import documented
import pytest
from code_blocks import all_blocks, blocks_of, commands_of
from pages import ROOT

from flows.cli import entry, main

pytestmark = [pytest.mark.xdist_group("prefect")]

COMMANDS = [
    pytest.param(block, number, id=f"{block}-{number}")
    for block in all_blocks("console")
    for number in range(len(commands_of(block)))
]
VARIABLE = re.compile(r"\b(?:DAWIN|PREFECT|AWS|HF|XDG)_[A-Z_]+\b")


@pytest.fixture
def bucket(s3, s3_server):
    """Puts files into the bucket `bucket`, which the pages name: `bucket(path, key)`."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1", endpoint_url=s3_server)
    client.create_bucket(Bucket="bucket")  # the same again where it exists
    return lambda path, key: client.upload_file(str(path), "bucket", key)


def _first_words(text):
    """Return the first word of every line that holds more than the mark of a left-out line."""
    return {line.split()[0] for line in text.splitlines() if line.strip(" …")}


def _run(command, capsys):
    """Run a command of `dawin`; assert its exit status and the output that the page shows."""
    is_refused = " ".join(command.words) in documented.REFUSED
    with pytest.MonkeyPatch.context() as patch:
        if is_refused:  # the pages show messages as a terminal does
            patch.setattr(sys.stderr, "isatty", lambda: True)
            patch.setenv("COLUMNS", "100")
        status = main(command.words[1:])
    shown = capsys.readouterr()
    if command.target:
        Path(command.target).write_text(shown.out)
    assert status == (2 if is_refused else 0), shown.err
    if is_refused and command.output:
        assert shown.err.strip() == command.output.strip()
    elif command.output:
        # numbers and addresses differ in the small stand-in; the lines that begin with a name have to be there
        assert _first_words(command.output) <= _first_words(shown.out)


@pytest.mark.parametrize("page", documented.pages_with_commands())
@pytest.mark.usefixtures("prefect_api")
def test_the_commands_of_a_page_run_in_their_order(page, tmp_path, monkeypatch, capsys, bucket):
    """Each command does what the page says: it ends well, or with the refusal that the page shows."""
    documented.prepare(tmp_path, page, bucket)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DAWIN_STORE", raising=False)
    with contextlib.chdir(tmp_path):
        if page in documented.AFTER_THE_QUICKSTART:
            assert main(["run", "dawin-quickstart/digits.yaml"]) == 0
            capsys.readouterr()
        for block in [block for block in blocks_of(page) if block.language == "console"]:
            _run_block(block, capsys)


def _run_block(block, capsys):
    """Run the commands of a block that are meant to be run, with the variables that its `export` lines set."""
    with pytest.MonkeyPatch.context() as exported:
        on_a_pool = False
        for command in commands_of(block):
            variables = documented.set_variables(command)
            if variables is not None:
                on_a_pool |= not variables.keys().isdisjoint({"PREFECT_API_URL", "DAWIN_GPU_POOL"})
                for name, value in variables.items() if not on_a_pool else ():
                    exported.setenv(name, value)
            elif documented.reason_not_to_run(command, on_a_pool=on_a_pool) is None:
                _run(command, capsys)


@pytest.mark.parametrize("page", sorted(documented.WITH_PROGRAMS))
@pytest.mark.usefixtures("prefect_api")
def test_the_programs_of_a_page_run_in_the_same_folder(page, tmp_path, bucket):
    """The Python blocks of a page run one after the other, and leave results with rows behind."""
    documented.prepare(tmp_path, page, bucket)
    names = {}
    with contextlib.chdir(tmp_path):
        for block in blocks_of(page):
            if block.language == "python":
                exec(compile(block.text, str(block), "exec"), names)
    assert names["results"].height > 0


@pytest.mark.parametrize(("block", "number"), COMMANDS)
def test_every_command_is_run_or_known(block, number):
    """A command is one of `dawin` with arguments that it takes, sets known variables, or is listed with a reason."""
    command = commands_of(block)[number]
    variables = documented.set_variables(command)
    if variables is not None:
        known = set(VARIABLE.findall((ROOT / "docs" / "commands.md").read_text() + (ROOT / "prefect.yaml").read_text()))
        assert variables.keys() <= known | {"PREFECT_API_DATABASE_CONNECTION_URL"}
    elif command.is_dawin:
        assert entry.parser().parse_args(command.words[1:]).execute
    else:
        assert documented.reason_not_to_run(command, on_a_pool=False)


@pytest.mark.parametrize("pattern", documented.NOT_RUN)
def test_every_reason_not_to_run_a_command_is_needed(pattern):
    """Each pattern of commands that are not run matches one that a page shows."""
    commands = [command for block in all_blocks("console") for command in commands_of(block)]
    texts = [" ".join(command.words if command.is_dawin else command.text.split()) for command in commands]
    assert any(re.fullmatch(pattern, text, re.DOTALL) for text in texts)


@pytest.mark.parametrize("refused", sorted(documented.REFUSED))
def test_every_refusal_is_on_a_page(refused):
    """Each command that is expected to be refused is one that a page shows."""
    commands = [command for block in all_blocks("console") for command in commands_of(block)]
    assert refused in {" ".join(command.words) for command in commands}


@pytest.mark.parametrize("target", ["quickstart", "multi-task", "workers-up"])
def test_make_targets_run_commands_that_exist(target):
    """A target that pages name runs `dawin` with arguments that it takes, or a program of `infra/`."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.installed", target, "EXPERIMENT=my.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    words = shown[-1].split()
    if words[0] == ".venv/bin/dawin":
        assert entry.parser().parse_args(words[1:]).execute
    else:
        assert (ROOT / words[1]).is_file()


def test_measurements_take_the_options_that_pages_show():
    """`python -m benchmarks.X` on a page names a program, and options that its source or the common ones have."""
    common = (ROOT / "benchmarks" / "options.py").read_text()
    found = [c.words for block in all_blocks("console") for c in commands_of(block) if "-m" in c.words]
    assert found
    for words in found:
        program = importlib.util.find_spec(words[words.index("-m") + 1])
        assert program is not None
        source = (ROOT / "benchmarks" / program.origin.rpartition("/")[2]).read_text() + common
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("$ a\n> b\n", ["a\nb"]), ("$ a 'b\nc'\nout\n$ d\n", ["a 'b\nc'", "d"]), ("$ a # why\n", ["a"])],
)
def test_commands_are_read_as_a_shell_reads_them(text, wanted):
    """A command goes on after `> ` and inside quotation marks, and a comment is no part of it."""
    from code_blocks import Block

    assert [command.text for command in commands_of(Block("page", 1, "console", text))] == wanted


def test_a_block_of_output_alone_is_refused():
    """A console block without a command is an error that names its page and line."""
    from code_blocks import Block

    with pytest.raises(ValueError, match=r"page:7: wanted a command"):
        commands_of(Block("page", 7, "console", "out\n"))
