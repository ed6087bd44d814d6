"""A flow for pools that only sleeps, beside a process of its own."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

from prefect import flow


@flow(name="nap")
async def nap(file: str, seconds: float) -> None:
    """Write the numbers of this process, its helper and its parent to a file, then sleep."""
    helper = subprocess.Popen(["sleep", str(seconds + 60)])
    facts = {"child": os.getpid(), "helper": helper.pid, "parent": os.getppid(), "directory": os.getcwd()}
    facts |= {"variable": os.environ.get("NAP"), "threads": os.environ.get("OMP_NUM_THREADS")}
    unfinished = Path(f"{file}.new")
    unfinished.write_text(json.dumps(facts))
    unfinished.rename(file)
    await asyncio.sleep(seconds)
    helper.kill()
    helper.wait()
