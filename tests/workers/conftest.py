"""A pool of real processes: a Prefect server, a CPU worker, two GPU workers with a device each, an S3 server."""

import json
import uuid

import formats
import numpy as np
import pytest
import tiny
import yaml
from pools import cut_as_for_many_classes, upload

from flows.experiment.file import load_experiment

SAMPLES = {"one": 8_300, "two": 400}  # two objects in each table, and one object


@pytest.fixture(scope="session")
def place(tmp_path_factory, s3_server):
    """A folder with data and experiments, and a bucket in which their patterns look for tuned models."""
    import boto3

    folder = tmp_path_factory.mktemp("pool")
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",  # because two workers share two cores
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        bucket = f"pool-{uuid.uuid4().hex[:8]}"
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
        few = formats.encoded(100)
        for name, count in {**SAMPLES, "few": 12}.items():
            pictures, labels = [few[i % 100] for i in range(count)], np.arange(count) * 3 // count
            formats.write_tars(folder / name, pictures, labels, shards=2, names=["a", "b", "c"])
        upload(tiny.checkpoint(folder / "base.pt", 1), bucket, "base.pt")
        datasets = [{"name": n, "images": n, "group": g} for n, g in (("one", "id"), ("two", "ood"))]
        write(
            folder / "watched.yaml", bucket, "finetuned/*", datasets=datasets,
            merge={"granularity": ["clusters", "samples"], "clusters": 2}, baselines=["individual", "output-ensemble"],
            samples_per_run=8192,
        )  # fmt: skip
        known = [{"name": name, "checkpoint": f"s3://{bucket}/base.pt"} for name in ("base", "copy")]
        settings = load_experiment(str(folder / "watched.yaml"), (f"models={json.dumps(known)}",))
        cut_as_for_many_classes(settings, f"s3://{bucket}/store")
        # one data set and no fit to wait for: one child for each checkpoint
        write(
            folder / "burst.yaml", bucket, "burst/*", datasets=[{"name": "few", "images": "few"}],
            merge={"granularity": ["samples"], "offset": False}, baselines=["individual"],
        )  # fmt: skip
        yield folder, bucket


def write(file, bucket, pattern, **settings):
    models = [
        {"name": "base", "checkpoint": f"s3://{bucket}/base.pt"},
        {"name": "tuned", "checkpoint": f"s3://{bucket}/{pattern}"},
    ]
    content = {"name": file.stem, "models": models, "batch_size": 64, "workers": 0, **settings}
    file.write_text(yaml.safe_dump(content))


@pytest.fixture(scope="session")
def pool(place):
    """A running pool with the deployments of prefect.yaml and the automations that watch heartbeats."""
    from local_pool import LocalPool

    folder, bucket = place
    watched = str(folder / "watched.yaml")
    started = LocalPool(folder / "pool", watched, f"s3://{bucket}/store", gpus=2, watch=watched, silence=45)
    try:
        started.start()
        yield started
    finally:
        started.stop()
