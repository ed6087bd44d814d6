"""A Slurm cluster of one node on this machine: munged, slurmctld and slurmd on free ports of 127.0.0.1, as root."""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue")
NODE = "node0"
GPUS = 2
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_SETTINGS = """
ClusterName=dawin
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=30
ReturnToService=2
NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=1000 Gres=gpu:{gpus}
PartitionName=all Nodes={name} Default=YES DefaultTime=01:00:00
"""
"""A task that is put back into the queue waits for `cred_expire`, at least 5 seconds. The CPUs are not real."""


class SlurmCluster:
    """A cluster of one node, whose GPUs are null devices; a task sees the number of its GPU.

    Attributes:
        environment: the variable by which Slurm's commands find the cluster.
    """

    def __init__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="dawin-slurm-"))  # short: sockets have paths of 108 bytes at most
        self._started = []
        self.environment = {"SLURM_CONF": str(self._folder / "slurm.conf")}

    @staticmethod
    def reason_against():
        """Return why no cluster can run here; None: it can."""
        if missing := [name for name in PROGRAMS if not _program(name)]:
            return f"needs Debian's packages slurm-wlm and munge; missing: {', '.join(missing)}"
        return "slurmd needs root" if os.geteuid() else None

    def start(self):
        """Start the daemons and wait for the node; a cluster that does not start is a `RuntimeError` with its logs."""
        for name in ("state", "spool"):
            (self._folder / name).mkdir()
        self._write_settings()
        key = self._folder / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"key-file": "key", "socket": "munge", "pid-file": "munged.pid", "seed-file": "seed", "log-file": "log"}
        # --force: the folder is closed to other users, and munged would have it open to them
        options = [f"--{option}={self._folder / file}" for option, file in files.items()]
        self._begin("munged", "--foreground", "--force", *options)
        self._wait("munged", (self._folder / "munge").is_socket)
        self._begin("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self._begin("slurmd", "-D", "-f", self.environment["SLURM_CONF"], "-N", NODE)
        self._wait("the node", lambda: self("sinfo", "-h", "-o", "%T", check=False) == "idle")

    def __call__(self, program, *arguments, check=True):
        """Run a command of Slurm's and return its standard output."""
        command = [_program(program), *arguments]
        ended = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False, timeout=30
        )
        assert not check or ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout.strip()

    def processes(self, task):
        """Return the processes of a task: its batch shell, the worker, the worker's run."""
        job = self("squeue", "-h", "-o", "%A", "-j", task)
        found = [process for process in self._of_jobs() if f"SLURM_JOB_ID={job}\0".encode() in _variables(process)]
        return found

    def state(self, task):
        """Return the state of a task, `JOB_NUMBER`."""
        shown = self("scontrol", "show", "job", task)
        return shown.partition("JobState=")[2].split()[0]

    def stop(self):
        """Cancel all jobs, end the daemons by their process ids, and what a job left behind; delete the folder."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self("scancel", "--user=root")
            _until(lambda: not self("squeue", "-h"), 2 * _STOP_SECONDS)
        for process in reversed(self._started):
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._kill_leftovers()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_settings(self):
        host = socket.gethostname().partition(".")[0]
        controller, node = _free_ports(2)
        text = _SETTINGS.format(folder=self._folder, host=host, controller=controller, node=node, name=NODE, gpus=GPUS)
        (self._folder / "slurm.conf").write_text(text)
        (self._folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        for number in range(GPUS):
            os.mknod(self._folder / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        devices = f"File={self._folder}/gpu[0-{GPUS - 1}]"
        (self._folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu Flags=nvidia_gpu_env {devices}\n")

    def _begin(self, program, *arguments):
        with (self._folder / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(
                [_program(program), *arguments],
                env={**os.environ, **self.environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)

    def _wait(self, name, is_there):
        def ended():
            return any(process.poll() is not None for process in self._started)

        if not _until(lambda: is_there() or ended(), _START_SECONDS) or ended():
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in self._folder.glob("*.log"))
            raise RuntimeError(f"{name} did not start within {_START_SECONDS:.0f} seconds:\n{logs}")

    def _kill_leftovers(self):
        """Kill the processes of this cluster's jobs: without cgroups, orphans escape slurmd."""
        for process in self._of_jobs():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _of_jobs(self):
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}\0".encode()
        numbers = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
        found = ((process, _variables(process)) for process in numbers)
        return [process for process, variables in found if mark in variables and b"\0SLURM_JOB_ID=" in variables]


def _variables(process):
    """Return the environment of a process; nothing if it has ended."""
    with suppress(OSError):
        return b"\0" + Path(f"/proc/{process}/environ").read_bytes()
    return b""


def _until(is_there, seconds):
    deadline = time.monotonic() + seconds
    while not (found := is_there()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")


def _free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
