"""The keys of all objects in a store. Folders are Hive partitions, which any query engine can read."""

import re

from storage.errors import ManifestInvalid
from storage.spans import Span

MANIFEST_SUFFIX = ".manifest.json"
CUTS = "datasets"
"""The folder of the records of how data sets are cut into objects."""
LEADERBOARD = "results/leaderboard.html"
"""The key of the page of all runs, which is no table."""
_RESULTS = re.compile(r"results/experiment=([^/]+)/run_id=([^/]+)/results\.parquet")
_ID = "[0-9a-f]{16}"
_OURS = re.compile(
    rf"outputs/dataset={_ID}/weights={_ID}/id={_ID}/samples-\d{{8,}}-\d{{8,}}\.parquet"
    rf"|(coefficients|mixtures|bins|predictions|samples)/dataset={_ID}/id={_ID}/samples-\d{{8,}}-\d{{8,}}\.parquet"
    rf"|components/dataset={_ID}/id={_ID}/components\.parquet|heads/{_ID}\.safetensors"
    r"|results/experiment=[^/]+/(latest\.json|run_id=[^/]+/(results\.parquet|report\.html))"
    rf"|comparisons/experiment=[^/]+/run_id=[^/]+/id={_ID}/comparisons\.parquet"
    rf"|made-models/{_ID}/(model\.safetensors|learnt\.json)|plans/[0-9a-f]{{32}}\.json|datasets/{_ID}\.json"
    r"|checkpoints/((etag-)?[0-9a-f]{8,}|experiment=[^/]+)\.json|watched/[0-9a-f]{8,}\.json"
    r"|known-manifests/r[0-9a-f]{12}\.json|\.tmp/[0-9a-f]{32}"
)
_ASIDE = re.compile(r"damaged/\d{8}T\d{6}Z/(.+)")
_SAMPLES = re.compile(r"samples-(\d{8,})-(\d{8,})\.parquet$")


def outputs(dataset: str, weights: str, identifier: str) -> str:
    """Return the prefix of one model's outputs on one data set.

    Args:
        dataset: the data set's digest.
        weights: the digest of the model's weights.
        identifier: the digest of everything that the outputs depend on.

    Example:
        >>> outputs("0123", "4567", "89ab")
        'outputs/dataset=0123/weights=4567/id=89ab'
    """
    return f"outputs/dataset={dataset}/weights={weights}/id={identifier}"


def derived(table: str, dataset: str, identifier: str) -> str:
    """Return the prefix of a table of one data set other than outputs.

    Args:
        table: `coefficients`, `mixtures`, `components`, `bins`, `predictions` or `samples`.
        dataset: the data set's digest.
        identifier: the digest of everything that the table depends on.

    Example:
        >>> derived("coefficients", "0123", "89ab")
        'coefficients/dataset=0123/id=89ab'
    """
    return f"{table}/dataset={dataset}/id={identifier}"


def of_dataset(table: str, dataset: str) -> str:
    """Return the folder of all objects of a per-sample table on one data set.

    Args:
        table: `outputs`, or a table that `derived` takes.
        dataset: the data set's digest.

    Example:
        >>> of_dataset("samples", "0123")
        'samples/dataset=0123'
    """
    return f"{table}/dataset={dataset}"


def cut(dataset: str) -> str:
    """Return the key of the record of how a data set is cut into objects.

    Args:
        dataset: the data set's digest.

    Example:
        >>> cut("0123")
        'datasets/0123.json'
    """
    return f"{CUTS}/{dataset}.json"


def results(experiment: str, run_id: str) -> str:
    """Return the key of one run's results.

    Args:
        experiment: the experiment's name.
        run_id: the run's identifier.
    """
    return f"results/experiment={experiment}/run_id={run_id}/results.parquet"


def comparisons(experiment: str, run_id: str, identifier: str) -> str:
    """Return the key of comparisons of methods with one another.

    Args:
        experiment: name of the experiment of the first method of each pair.
        run_id: its run.
        identifier: the digest of everything that the comparisons depend on.

    Example:
        >>> comparisons("digits", "0123", "89ab")
        'comparisons/experiment=digits/run_id=0123/id=89ab/comparisons.parquet'
    """
    return f"comparisons/experiment={experiment}/run_id={run_id}/id={identifier}/comparisons.parquet"


def report(experiment: str, run_id: str) -> str:
    """Return the key of the page about one run, beside its results; it has no manifest, and runs replace it.

    Args:
        experiment: the experiment's name.
        run_id: the run's identifier.

    Example:
        >>> report("digits", "0123")
        'results/experiment=digits/run_id=0123/report.html'
    """
    return f"results/experiment={experiment}/run_id={run_id}/report.html"


def runs(experiment: str) -> str:
    """Return the prefix of an experiment's results, of all its runs."""
    return f"results/experiment={experiment}"


def is_results(key: str) -> bool:
    """Return whether a key belongs to a run's results; a bucket may hold any other objects."""
    return _RESULTS.fullmatch(key) is not None


def is_table(key: str) -> bool:
    """Return whether a key belongs to an object of a table."""
    return key.endswith(".parquet")


def experiment_of(key: str) -> str:
    """Return the name of the experiment that the key of a results object holds.

    Raises:
        ManifestInvalid: the key does not belong to a run's results.

    Example:
        >>> experiment_of(results("digits", "0123"))
        'digits'
    """
    return _parts_of_results(key)[0]


def run_of(key: str) -> str:
    """Return the identifier of the run that the key of a results object holds.

    Raises:
        ManifestInvalid: the key does not belong to a run's results.

    Example:
        >>> run_of(results("digits", "0123"))
        '0123'
    """
    return _parts_of_results(key)[1]


def _parts_of_results(key: str) -> tuple[str, str]:
    found = _RESULTS.fullmatch(key)
    if not found:
        raise ManifestInvalid(f"{key}: wanted a name like results/experiment=NAME/run_id=ID/results.parquet")
    return found[1], found[2]


def run_in(key: str) -> tuple[str, str] | None:
    """Return the experiment and the run that a key belongs to; None for one of no run, or of all.

    Example:
        >>> run_in(report("digits", "0123")), run_in(LEADERBOARD)
        (('digits', '0123'), None)
    """
    parts = dict(part.split("=", 1) for part in key.split("/") if "=" in part)
    return (parts["experiment"], parts["run_id"]) if {"experiment", "run_id"} <= parts.keys() else None


def latest(experiment: str) -> str:
    """Return the key of the pointer to an experiment's latest run."""
    return f"results/experiment={experiment}/latest.json"


def pointed_experiment(key: str) -> str | None:
    """Return the experiment whose pointer to its latest run has a key; None for any other key.

    Example:
        >>> pointed_experiment(latest("digits")), pointed_experiment("results/latest.json")
        ('digits', None)
    """
    _, _, experiment = key.rpartition("/")[0].partition("results/experiment=")
    return experiment if experiment and "/" not in experiment and key == latest(experiment) else None


def checkpoint(digest: str) -> str:
    """Return the key of the record of a checkpoint that was read and accepted."""
    return f"checkpoints/{digest}.json"


def head(digest: str) -> str:
    """Return the key of a classification head that was made from class names and prompt templates."""
    return f"heads/{digest}.safetensors"


def made_model(digest: str) -> str:
    """Return the key of a made model: merged from others' weights once, for all data sets."""
    return f"made-models/{digest}/model.safetensors"


def learnt_coefficients(digest: str) -> str:
    """Return the key of the coefficients that were learnt for a made model, with the loss at each step."""
    return f"made-models/{digest}/learnt.json"


def known_manifests(run_id: str) -> str:
    """Return the key of the manifests of all objects of a run, together; derived, and of no use without the objects."""
    return f"known-manifests/{run_id}.json"


def watched(digest: str) -> str:
    """Return the key of the checkpoints that a watcher found evaluated; derived from them and from results."""
    return f"watched/{digest}.json"


def checkpoints_of(experiment: str) -> str:
    """Return the key of the records of all checkpoints of an experiment, together; copies of their own records."""
    return f"checkpoints/experiment={experiment}.json"


def plan(digest: str) -> str:
    """Return the key of a plan: the record of the work of a run, which the run's children read."""
    return f"plans/{digest}.json"


def samples(prefix: str, span: Span) -> str:
    """Return the key of the object that holds a span of a per-sample table.

    Args:
        prefix: of the table, from `outputs` or `derived`.
        span: the samples; the name holds the first and the last one, both included.

    Example:
        >>> samples("coefficients/dataset=0123/id=89ab", Span(0, 8192))
        'coefficients/dataset=0123/id=89ab/samples-00000000-00008191.parquet'
    """
    start, stop = span
    return f"{prefix}/samples-{start:08d}-{stop - 1:08d}.parquet"


def is_samples(key: str) -> bool:
    """Return whether a key belongs to an object of a per-sample table."""
    return _SAMPLES.search(key) is not None


def span_of(key: str) -> Span:
    """Return the span of samples that the key of an object holds.

    Raises:
        ManifestInvalid: the key does not belong to an object of a per-sample table.

    Example:
        >>> span_of("coefficients/dataset=0123/id=89ab/samples-00000000-00008191.parquet")
        Span(start=0, stop=8192)
    """
    found = _SAMPLES.search(key)
    if not found:
        raise ManifestInvalid(f"{key}: wanted a name like samples-00000000-00008191.parquet")
    return Span(int(found[1]), int(found[2]) + 1)


def is_ours(key: str) -> bool:
    """Return whether a key has the form of an object, a manifest or a temporary file of a store.

    A bucket or a folder may hold anything else, which no command removes.

    Example:
        >>> is_ours("heads/0123456789abcdef.safetensors"), is_ours("heads/mine.safetensors"), is_ours("plans/a.txt")
        (True, False, False)
    """
    aside = _ASIDE.fullmatch(key)
    return _OURS.fullmatch((aside[1] if aside else key).removesuffix(MANIFEST_SUFFIX)) is not None


def manifest(key: str) -> str:
    """Return the key of an object's manifest."""
    return key + MANIFEST_SUFFIX
