"""Peak memory of reading a checkpoint, against its size: a reader must not hold a second copy.

The program writes the tower of a random ViT-L/14 as a PyTorch file and as safetensors. It reads each from a path and
from S3 (a server on this machine), each time in a new process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report

FORMS = ("pytorch", "safetensors")


def _write(arch: str, folder: Path) -> None:
    import open_clip
    import safetensors.torch
    import torch

    state = open_clip.create_model(arch).visual.state_dict()
    state = {f"visual.{name}": tensor for name, tensor in state.items()}
    torch.save(state, folder / "pytorch")
    safetensors.torch.save_file(state, folder / "safetensors")


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _read(url: str) -> None:
    import torch  # noqa: F401  so that it is not part of the peak

    from storage.locations import Location
    from tasks.models.checkpoint import read_checkpoint

    location = Location(url)
    location.fingerprint()  # so that the file system's imports are not part of the peak
    before = _peak()
    with location.open() as file:
        state = read_checkpoint(file, url, location.path if location.is_local else None)
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values()) / 2**20
    print(f"{size} {_peak() - before}")


def _serve(folder: Path) -> None:
    """Serve S3, with the files in a bucket, until standard input closes."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="bucket")
    for form in FORMS:
        client.upload_file(str(folder / form), "bucket", form)
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, arch="ViT-L-14")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        return _read(arguments.read)
    if arguments.write:
        return _write(arguments.arch, arguments.write)
    if arguments.serve:
        return _serve(arguments.serve)
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    own = ["-m", "benchmarks.checkpoint_memory"]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        run_child([*own, "--arch", arguments.arch, "--write", name])
        command = [sys.executable, *own, "--serve", name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip()
            for place in (name, "s3://bucket"):
                for form in FORMS:
                    environment = {**children_environment(arguments), "AWS_ENDPOINT_URL": endpoint}
                    size, peak = map(
                        float, run_child([*own, "--read", f"{place}/{form}"], **environment).shown.split()[-2:]
                    )
                    where = "S3" if place.startswith("s3") else "path"
                    rows.append({"file": form, "from": where, "MiB": size, "peak MiB": peak, "× size": peak / size})
    report("checkpoint_memory", rows, arguments)
    return None


if __name__ == "__main__":
    sys.exit(main())
