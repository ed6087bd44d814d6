"""Random SIGKILLs of whole command lines, local and on S3: what a rerun and `dawin store` find afterwards.

Each trial starts `dawin run` on a new store, kills the process and all its children at a random moment, and starts it
again, to be killed again or not. `dawin store prune` is killed and started again likewise. After every kill and at the
end of the trial it looks at the store. A fault is

- a rerun that fails, or whose results differ in one bit from those of a run without kills,
- an object that was committed before a kill and whose manifest has changed since: it was computed again,
- anything that `dawin store verify` calls damaged after a kill,
- a leftover of a kill that `dawin store prune` leaves, or an object that a run needs and prune removes.

The S3 server (moto) is a process of its own, which no kill reaches. The exit status is 1 if a fault was found.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.embedded_runs import make_example
from benchmarks.reporting import report
from flows.upkeep.verify import verify
from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing
from storage.manifests import Manifest, committed, read_manifest
from storage.scan import scan
from storage.store import Store

MEASURED = ("seconds", "images_per_second", "device", "software", "created_at", "run_id")
"""The columns of results that differ between two runs of the same settings."""
_BUCKET = "kills"
_LONGEST = 240.0  # seconds that a command may take
_DERIVED = ("catalogue",)  # folders whose objects are replaced, or removed, in the course of things


class Ended(NamedTuple):
    """A command that has ended, or was killed."""

    status: int
    seconds: float
    shown: str


def run_command(words: Sequence[str], environment: Mapping[str, str], kill_after: float | None = None) -> Ended:
    """Run `dawin`, and kill it with all its children after some seconds unless it has ended by then.

    Args:
        words: the command line after `dawin`.
        environment: variables of the process.
        kill_after: seconds; None: let it through.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as shown:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        try:
            process.wait(_LONGEST if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            kill_with_children(process)
        shown.seek(0)
        return Ended(process.wait(), time.monotonic() - began, shown.read())


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything that it has started, in whatever session these are."""
    for pid in reversed([process.pid, *_descendants(process.pid)]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def manifests(store: Store) -> dict[str, Manifest]:
    """Return the manifests of the committed objects of a store that nothing ever replaces."""
    found = {}
    for key in committed(store, ""):
        if key.partition("/")[0] not in _DERIVED:
            with suppress(ObjectMissing, ManifestInvalid):
                found[key] = read_manifest(store, key)
    return found


def values(store: Store) -> pl.DataFrame:
    """Return the results in a store without the columns that a clock or a machine decides."""
    rows = scan("results", store=store).collect()
    return rows.drop(MEASURED, strict=False).sort("method", "dataset", "metric")


class Trial:
    """Runs of one experiment on one new store, each killed but the last one.

    Args:
        store: the empty store.
        file: the experiment file.
        environment: variables of the commands.
    """

    def __init__(self, store: Store, file: Path, environment: Mapping[str, str]) -> None:
        self.store, self.environment = store, environment
        self.words = ["run", str(file), "-q", "--store", store.url]
        self.prune_words = ["store", "prune", "--grace", "0", "--store", store.url]
        self.kept: dict[str, Manifest] = {}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def kill(self, after: float) -> bool:
        """Run, kill after some seconds, look at the store, and return whether the run was still going on."""
        ended = run_command(self.words, self.environment, after)
        self.counts["killed" if ended.status < 0 else "ended before the kill"] += 1
        if ended.status > 0:
            self.faults.append(f"exit status {ended.status}: {ended.shown.strip()[-300:]}")
        self.counts["leftovers"] += len(verify(self.store).leftovers)
        self._look()
        return ended.status < 0

    def finish(self, wanted: pl.DataFrame) -> None:
        """Run to the end, and compare the results with those of a run without kills."""
        ended = run_command(self.words, self.environment)
        self.counts["reruns"] += 1
        if ended.status:
            self.faults.append(f"the rerun ended with status {ended.status}: {ended.shown.strip()[-300:]}")
            return
        self._look()
        if not values(self.store).equals(wanted):
            self.faults.append("the results differ from those of a run without kills")

    def prune(self, wanted: pl.DataFrame, after: float) -> None:
        """Kill `dawin store prune` after some seconds, let it through, and run again: nothing may be missing."""
        self.counts["prunes killed"] += run_command(self.prune_words, self.environment, after).status < 0
        for again in (self.prune_words, self.words):
            ended = run_command(again, self.environment)
            if ended.status:
                self.faults.append(f"{again[0]} after prune ended with status {ended.status}: {ended.shown[-300:]}")
        self.faults += [f"prune left {leftover}" for leftover in verify(self.store).leftovers]
        self.kept = {key: manifest for key, manifest in self.kept.items() if self.store.exists(keys.manifest(key))}
        self._look()
        if not values(self.store).equals(wanted):
            self.faults.append("the results differ after prune")

    def _look(self) -> None:
        damaged = [f"damaged: {fault}" for fault in verify(self.store).faults]
        now = manifests(self.store)
        again = [key for key, manifest in self.kept.items() if now.get(key) != manifest]
        self.faults += [*damaged, *(f"{key}: committed twice" for key in again)]
        self.counts["kept objects"] += len(self.kept)
        self.kept = now


def trials(
    place: str, file: Path, kills: int, environment: Mapping[str, str], chance: random.Random
) -> Iterator[Trial]:
    """Yield finished trials until a number of processes were killed.

    Args:
        place: a folder or bucket for the stores.
        file: the experiment file.
        kills: the number of processes to kill.
        environment: variables of the commands.
        chance: draws the moments.
    """
    calm = Trial(Store(f"{place}/calm"), file, environment)
    length = run_command(calm.words, environment).seconds
    wanted = values(calm.store)
    prune_length = run_command(calm.prune_words, environment).seconds
    killed = number = 0
    while killed < kills:
        trial = Trial(Store(f"{place}/{number}"), file, environment)
        number += 1
        while killed < kills:
            killed += trial.kill(chance.uniform(0.15, 1.0) * length)
            if chance.random() < 0.5 or trial.counts["ended before the kill"]:
                break
        trial.finish(wanted)
        trial.prune(wanted, chance.uniform(0.3, 1.0) * prune_length)
        print(f"{trial.store.url}: {dict(trial.counts)}, {len(trial.faults)} faults", flush=True)
        yield trial


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start an S3 server as a process of its own, with a bucket; yields the variables that lead to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
        }
        os.environ.update(variables)
        import boto3

        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=_BUCKET)
        yield variables
    finally:
        server.kill()
        server.wait()


def row(name: str, finished: Sequence[Trial]) -> dict[str, object]:
    """Return the counts of some trials as a row of the table."""
    counts = sum((trial.counts for trial in finished), Counter[str]())
    return {
        "store": name,
        "kills": counts["killed"],
        "ended before the kill": counts["ended before the kill"],
        "reruns completed": counts["reruns"],
        "prunes killed": counts["prunes killed"],
        "objects kept across kills": counts["kept objects"],
        "leftovers after kills": counts["leftovers"],
        "faults": sum(len(trial.faults) for trial in finished),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Kill, print the table and the faults, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", type=int, default=40, help="kills of runs on local stores")
    parser.add_argument("--s3", type=int, default=20, help="kills of runs on S3")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    arguments = parser.parse_args(words)
    chance, finished = random.Random(arguments.seed), dict[str, list[Trial]]()
    with tempfile.TemporaryDirectory() as folder:
        file = make_example(Path(folder) / "example")
        quiet = {"PREFECT_HOME": f"{folder}/prefect", "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
        if arguments.local:
            finished["local"] = list(trials(folder, file, arguments.local, quiet, chance))
        if arguments.s3:
            with s3_server() as variables:
                place = f"s3://{_BUCKET}"
                finished["s3"] = list(trials(place, file, arguments.s3, quiet | variables, chance))
    report("kills", [row(name, some) for name, some in finished.items()], arguments)
    faults = [fault for some in finished.values() for trial in some for fault in trial.faults]
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
