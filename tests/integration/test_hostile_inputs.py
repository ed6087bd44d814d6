"""Small files that cost much, through the command line: one line, exit status 2, within limits of memory and time."""

import hostile_data
import hostile_experiments
import hostile_pictures
import pytest
import tiny

from flows.cli import main

SECONDS = 5.0  # a command, and 512 MiB beyond the process's own


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An experiment whose data set is looked for in a folder that each test fills."""
    folder = tmp_path_factory.mktemp("hostile")
    one = [{"name": "one", "images": "data"}]
    tiny.experiment(folder, samples=3, datasets=one, merge={"granularity": ["samples"]}, baselines=["individual"])
    return folder


def refused(outcome, message):
    """Assert that a command was refused in one printable line that holds a message, and in time."""
    assert outcome.status == 2, outcome
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("dawin: ")
    assert message in line, line
    assert line.isprintable()
    assert len(line) < 5000
    for part in hostile_experiments.SECRET.replace("/", ":").split(":"):
        assert part not in line
    assert outcome.seconds < SECONDS


@pytest.mark.parametrize("write", hostile_data.DATA, ids=lambda write: write.__name__)
def test_data_sets_that_cost_much_are_refused(confined, prepared, tmp_path, write):
    """By `plan`, before anything is computed; the message says which file, what was wanted and what was got."""
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    outcome = confined("plan", prepared / "tiny.yaml", "--set", f"datasets.0.images={data}", folder=tmp_path)
    refused(outcome, hostile_data.DATA[write])


@pytest.mark.parametrize("case", hostile_experiments.FILES)
def test_experiment_files_that_cost_much_are_refused(confined, tmp_path, case):
    """Bombs, deep and long values, code, control characters, credentials: nothing grows, runs or is echoed."""
    content, message = hostile_experiments.FILES[case]
    file = tmp_path / "x.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(confined("plan", file, folder=tmp_path), message)
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize("case", hostile_experiments.SETTINGS)
def test_settings_of_the_command_line_that_cost_much_are_refused(confined, prepared, tmp_path, case):
    """`--set` is read like a file."""
    setting, message = hostile_experiments.SETTINGS[case]
    refused(confined("plan", prepared / "tiny.yaml", "--set", setting, folder=tmp_path), message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"s3://{hostile_experiments.SECRET}@bucket/store", "s3://…@bucket/store: an address holds no credentials"),
        ("s3://KEY:SECRET/with/slashes@bucket/x", "s3://…@bucket/x: an address holds no credentials"),
        ("https://bucket/x?X-Amz-Signature=0123", "https://bucket/x?…: scheme 'https' is not known"),
        ("s3://a::b/c", "s3://…: an address holds no credentials"),
        ("zip://x::file:///y", "scheme 'zip' is not known"),
        ("not-\udcff-utf8", r"not-\udcff-utf8': not an address"),
        ("x" * 100_000 + "://y", "is not known, wanted one of file, memory, s3, hf"),
    ],
)
def test_addresses_of_a_store_that_are_none(confined, prepared, tmp_path, name, message):
    """In one line, which shows no secret."""
    outcome = confined("plan", prepared / "tiny.yaml", "--store", name, folder=tmp_path)
    refused(outcome, message)
    assert "0123" not in outcome.err
    assert "with" not in outcome.err.replace("without", "")


@pytest.mark.parametrize("name", ["x" * 5000, f"s3://{hostile_experiments.SECRET}@bucket/x.yaml", "\x1b[2J", "\udcff"])
def test_names_of_experiments_that_are_none(confined, tmp_path, name):
    """Too long for a file system, an address with credentials, an escape sequence, no UTF-8."""
    refused(confined("plan", name, folder=tmp_path), "experiment ")


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_a_picture_that_costs_much_ends_a_run_in_one_line(tmp_path, capfd):
    """Found while decoding: named, with what it comes to; what was whole stays."""
    file = tiny.experiment(tmp_path, samples=6, merge={"granularity": ["samples"]}, baselines=["individual"])
    (tmp_path / "one" / "class1" / "00004.png").write_bytes(hostile_pictures.PICTURES["a PNG one pixel wide"][0]())
    assert main(["run", file, "--store", str(tmp_path / "store")]) == 2
    shown = capfd.readouterr()
    (line,) = [line for line in shown.err.splitlines() if line.startswith("dawin: ")]
    assert "one/class1/00004.png: broken image (1 × 10,000,000 pixels; with the shorter side resized to 16" in line
    assert "Traceback" not in shown.err
