"""Every key of a store, in one place. Folders are hive partitions, so that any engine can read them."""

import re

from storage.errors import ManifestInvalid
from storage.spans import Span

MANIFEST_SUFFIX = ".manifest.json"
_RESULTS = re.compile(r"results/experiment=([^/]+)/run_id=([^/]+)/results\.parquet")
_SAMPLES = re.compile(r"samples-(\d{8,})-(\d{8,})\.parquet$")


def outputs(dataset: str, weights: str, identifier: str) -> str:
    """Prefix of one model's outputs on one data set; the arguments are digests."""
    return f"outputs/dataset={dataset}/weights={weights}/id={identifier}"


def derived(table: str, dataset: str, identifier: str) -> str:
    """Prefix of a table computed from outputs: coefficients, mixtures, components, predictions."""
    return f"{table}/dataset={dataset}/id={identifier}"


def results(experiment: str, run_id: str) -> str:
    """Object of one run's results."""
    return f"results/experiment={experiment}/run_id={run_id}/results.parquet"


def runs(experiment: str) -> str:
    """Prefix of all results of an experiment."""
    return f"results/experiment={experiment}"


def is_results(key: str) -> bool:
    """Tell whether a key is one of a run's results; anything may lie in a bucket."""
    return _RESULTS.fullmatch(key) is not None


def is_table(key: str) -> bool:
    """Tell whether a key is one of a table's objects."""
    return key.endswith(".parquet")


def experiment_of(key: str) -> str:
    """Return the experiment of a results object."""
    return _parts_of_results(key)[0]


def run_of(key: str) -> str:
    """Return the run of a results object."""
    return _parts_of_results(key)[1]


def _parts_of_results(key: str) -> tuple[str, str]:
    found = _RESULTS.fullmatch(key)
    if not found:
        raise ManifestInvalid(f"{key}: wanted a name like results/experiment=NAME/run_id=ID/results.parquet")
    return found[1], found[2]


def latest(experiment: str) -> str:
    """Pointer to the run of an experiment that finished last."""
    return f"results/experiment={experiment}/latest.json"


def checkpoint(digest: str) -> str:
    """What is known of a checkpoint that was read and found good."""
    return f"checkpoints/{digest}.json"


def head(digest: str) -> str:
    """Classification head that was made of class names and prompt templates."""
    return f"heads/{digest}.safetensors"


def made_model(digest: str) -> str:
    """Return the key of a made model: merged from others' weights once, for all data sets."""
    return f"made-models/{digest}/model.safetensors"


def learnt_coefficients(digest: str) -> str:
    """Return the key of the coefficients that were learnt for a made model, with the loss at each step."""
    return f"made-models/{digest}/learnt.json"


def plan(digest: str) -> str:
    """Return the key of a plan: what a run computes, as its children read it."""
    return f"plans/{digest}.json"


def samples(prefix: str, span: Span) -> str:
    """Return the key of a span's object; its name says the first sample and the last one, both included."""
    start, stop = span
    return f"{prefix}/samples-{start:08d}-{stop - 1:08d}.parquet"


def is_samples(key: str) -> bool:
    """Tell whether a key is one of a per-sample table's objects."""
    return _SAMPLES.search(key) is not None


def span_of(key: str) -> Span:
    """Return the span of an object's key."""
    found = _SAMPLES.search(key)
    if not found:
        raise ManifestInvalid(f"{key}: wanted a name like samples-00000000-00008191.parquet")
    return Span(int(found[1]), int(found[2]) + 1)


def manifest(key: str) -> str:
    """Manifest of an object."""
    return key + MANIFEST_SUFFIX
