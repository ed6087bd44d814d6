"""The command line refuses small files that cost much in one line, with exit status 2, in bounded time and memory."""

import hostile_data
import hostile_experiments
import hostile_images
import pytest
import tiny

from flows.cli import main

SECONDS = 5.0  # for a command, which also has 512 MiB beyond the memory of the process before it


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of an experiment whose data set each test replaces with its own."""
    folder = tmp_path_factory.mktemp("hostile")
    one = [{"name": "one", "images": "data"}]
    tiny.experiment(folder, samples=3, datasets=one, merge={"granularity": ["samples"]}, baselines=["individual"])
    return folder


def refused(outcome, message):
    """Assert that a command was refused in time, by one printable line that holds a message and no secret."""
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
    """`dawin plan` refuses them before anything is computed and names the file, with what it wanted and got."""
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    outcome = confined("plan", prepared / "tiny.yaml", "--set", f"datasets.0.images={data}", folder=tmp_path)
    refused(outcome, hostile_data.DATA[write])


@pytest.mark.parametrize("case", hostile_experiments.FILES)
def test_experiment_files_that_cost_much_are_refused(confined, tmp_path, case):
    """Bombs, deep or long values, code, control characters and credentials are neither expanded, run nor echoed."""
    content, message = hostile_experiments.FILES[case]
    file = tmp_path / "x.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(confined("plan", file, folder=tmp_path), message)
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize("case", hostile_experiments.SETTINGS)
def test_settings_of_the_command_line_that_cost_much_are_refused(confined, prepared, tmp_path, case):
    """Values of `--set` have the limits of an experiment file."""
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
def test_invalid_addresses_of_a_store_are_refused(confined, prepared, tmp_path, name, message):
    """The message is one line, which shows no secret."""
    outcome = confined("plan", prepared / "tiny.yaml", "--store", name, folder=tmp_path)
    refused(outcome, message)
    assert "0123" not in outcome.err
    assert "with" not in outcome.err.replace("without", "")


@pytest.mark.parametrize("name", ["x" * 5000, f"s3://{hostile_experiments.SECRET}@bucket/x.yaml", "\x1b[2J", "\udcff"])
def test_invalid_names_of_experiments_are_refused(confined, tmp_path, name):
    """A name may be too long for a file system, hold credentials or an escape sequence, or not be UTF-8."""
    refused(confined("plan", name, folder=tmp_path), "experiment ")


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_an_image_that_costs_much_ends_a_run_in_one_line(tmp_path, capfd):
    """The message names the image and the pixels that it would have, without a traceback."""
    file = tiny.experiment(tmp_path, samples=6, merge={"granularity": ["samples"]}, baselines=["individual"])
    (tmp_path / "one" / "class1" / "00004.png").write_bytes(hostile_images.IMAGES["a PNG one pixel wide"][0]())
    assert main(["run", file, "--store", str(tmp_path / "store")]) == 1
    shown = capfd.readouterr()
    (line,) = [line for line in shown.err.splitlines() if line.startswith("dawin: ")]
    assert "one/class1/00004.png: broken image (1 × 10,000,000 pixels; with the shorter side resized to 16" in line
    assert "Traceback" not in shown.err
