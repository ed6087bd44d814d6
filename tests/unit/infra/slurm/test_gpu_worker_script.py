"""The batch script of `infra/slurm`, with scripts in place of `prefect` and `sleep`."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / "infra" / "slurm" / "gpu-worker.sbatch"
ENVIRONMENT = "PREFECT_API_URL=http://login:1/api\nDAWIN_GPU_POOL=gpu\n"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
WAITING = "trap 'echo TERM >> $SEEN; exit 0' TERM; echo started >> $SEEN; while :; do /bin/sleep 0.05; done"


@pytest.fixture
def start(tmp_path):
    """Starts the script: `start(worker, lines)`, where `worker` is the program of `prefect`."""
    started = []

    def begin(worker, lines=ENVIRONMENT, mode=0o600, arguments=("environment",), script=SCRIPT):
        for name, program in {"prefect": worker, "sleep": 'echo "pause $1" >> $SEEN'}.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{program}\n")
            (tmp_path / name).chmod(0o755)
        (tmp_path / "environment").write_text(lines)
        (tmp_path / "environment").chmod(mode)
        variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SEEN": str(tmp_path / "seen"), "SLURM_CPUS_PER_TASK": "3"}
        variables |= {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "4", "SLURM_RESTART_COUNT": "1"}
        process = subprocess.Popen(
            [script, *arguments], cwd=tmp_path, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def seen(folder, line, count=1):
    """Wait until the programs have written a line some times, and return all lines."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = (folder / "seen").read_text().splitlines() if (folder / "seen").exists() else []
        if lines.count(line) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{line} was not written: {lines}")


def test_a_worker_near_its_time_limit_gets_one_sigterm(start, tmp_path):
    """Slurm sends it to the shell alone, and to all at the limit; a second one would make the worker kill itself."""
    process = start(WAITING.replace("exit 0", "/bin/sleep 0.5; exit 0"))
    seen(tmp_path, "started")
    process.terminate()
    seen(tmp_path, "TERM")
    process.terminate()
    shown, faults = process.communicate(timeout=20)
    assert (process.returncode, faults) == (0, "")
    assert seen(tmp_path, "TERM") == ["started", "pause 1", "TERM"]
    first, last = shown.splitlines()
    assert re.fullmatch(rf"{TIME} slurm-17_4 on \S+, start 2, GPU none", first)
    assert re.fullmatch(rf"{TIME} slurm-17_4 stopped, as SIGTERM asked", last)


def test_a_worker_that_starts_when_the_task_ends_can_be_terminated(start, tmp_path):
    """SIGTERM comes just before its start here; a program would inherit that the shell ignores the signal."""
    line = "    prefect worker start"
    script = tmp_path / "script"
    script.write_text(SCRIPT.read_text().replace(line, f"    kill -TERM $$\n{line}", 1))
    script.chmod(0o755)
    process = start("/bin/sleep 2; echo survived >> $SEEN", script=script)
    shown, _ = process.communicate(timeout=20)
    assert "stopped, as SIGTERM asked" in shown
    assert seen(tmp_path, "pause 1") == ["pause 1"]


def test_a_worker_that_slurm_has_signalled_gets_no_second_sigterm(start, tmp_path):
    """A preempted or cancelled task gets it in all of its processes; the worker then reports how its run ended."""
    process = start(WAITING.replace("exit 0", "/bin/sleep 0.5; exit 0"))
    seen(tmp_path, "started")
    for child in children(process.pid):
        os.kill(child, signal.SIGTERM)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert sorted(seen(tmp_path, "TERM")) == ["TERM", "pause 1", "started"]


def children(process):
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_the_environment_is_data(start, tmp_path):
    """Values reach the worker as they stand; the shell runs nothing in them, and the file's last line needs no end."""
    values = {"DAWIN_A": "$(touch ran) `touch ran` \"'\\ ;", "DAWIN_B": "a=b  c ", "DAWIN_C": ""}
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    process = start(f"env -0 > worker; {WAITING}", f"# a comment\n\n{lines}{ENVIRONMENT.strip()}")
    seen(tmp_path, "started")
    process.terminate()
    process.communicate(timeout=20)
    got = dict(line.split("=", 1) for line in (tmp_path / "worker").read_text().split("\0") if line)
    assert {name: got[name] for name in values} == values
    assert not (tmp_path / "ran").exists()
    assert (got["PREFECT_API_URL"], got["OMP_NUM_THREADS"]) == ("http://login:1/api", "3")
    assert got["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"


def test_the_worker_has_the_name_of_its_task(start, tmp_path):
    """A requeued task continues as the same worker of the pool, with one run at a time."""
    process = start(f'echo "$*" >> $SEEN; {WAITING}')
    lines = seen(tmp_path, "started")
    process.terminate()
    process.communicate(timeout=20)
    assert lines[0] == "worker start --pool gpu --name slurm-17_4 --limit 1"


def test_a_killed_worker_is_started_again_without_its_orphans(start, tmp_path):
    """The task keeps its GPU; a run that outlives its worker is killed before the next worker starts."""
    first = f"if [ ! -e once ]; then touch once; /bin/sleep 300 & echo $! > orphan; kill -KILL $$; fi; {WAITING}"
    process = start(first)
    lines = seen(tmp_path, "started")
    orphan = int((tmp_path / "orphan").read_text())
    assert lines == ["pause 10", "started"]
    assert not is_alive(orphan)
    process.terminate()
    faults = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert "slurm-17_4 ended with status 137; the next one starts in 10 seconds" in faults


def is_alive(process):
    """Return whether a process executes; one that has ended may wait for its parent to read its status."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_worker_that_never_works_ends_the_task(start, tmp_path):
    """A wrong password does not hold a GPU until the time limit: the pauses double, and the seventh end fails."""
    process = start("exit 1")
    faults = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    pauses = [int(line.split()[1]) for line in (tmp_path / "seen").read_text().splitlines()]
    assert pauses == [10, 20, 40, 80, 160, 320]
    assert "gpu-worker.sbatch: slurm-17_4 ended seven times within minutes" in faults.splitlines()[-1]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"mode": 0o640}, "environment: others can read it or write to it; wanted mode 600"),
        ({"arguments": ()}, "wanted one argument, the file of the environment; got 0"),
        ({"arguments": ("nowhere",)}, "nowhere: no such file"),
        ({"lines": ENVIRONMENT + "export A=secret\n"}, "environment: wanted lines NAME=value, got one that begins"),
        ({"lines": "PREFECT_API_URL=x\n"}, "environment: wanted PREFECT_API_URL and DAWIN_GPU_POOL"),
    ],
)
def test_a_wrong_environment_is_refused(start, tmp_path, changed, wanted):
    """The task ends at once with status 2 and one line, which shows no value, and starts no worker."""
    process = start(WAITING, **changed)
    faults = process.communicate(timeout=20)[1]
    assert process.returncode == 2
    assert len(faults.splitlines()) == 1
    assert wanted in faults
    assert "secret" not in faults
    assert not (tmp_path / "seen").exists()


def test_the_script_asks_slurm_for_all_that_its_work_relies_on():
    """One GPU, the queue again after a failure, one log, no environment of the caller, SIGTERM to the shell alone."""
    asked = re.findall(r"^#SBATCH (\S+)$", SCRIPT.read_text(), re.MULTILINE)
    wanted = {"--gres=gpu:1", "--ntasks=1", "--requeue", "--open-mode=append", "--export=HOME", "--signal=B:TERM@600"}
    assert wanted <= set(asked)
