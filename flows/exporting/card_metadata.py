"""The YAML block of a model card: the Hub's own classes build it, with the measured metrics as its model-index."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.exporting.card_markdown import plain
from flows.exporting.card_results import Measured, is_estimated, title_and_unit

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

UNFILLED_LICENCE = "fill-me-in"
"""The name of the licence in a new card: the Hub accepts it, and a reader sees that the owner has to replace it."""

_LIBRARIES = {"model.safetensors": "transformers", "open_clip_model.safetensors": "open_clip"}
_TAGS = {".onnx": "onnx", ".safetensors": "safetensors"}


def card_data(record: Mapping[str, Any], found: Measured | None) -> "ModelCardData":
    """Return the metadata of an exported folder, as the Hub's library holds them.

    Args:
        record: of the exported folder.
        found: the method's results; None: nothing was measured, and the metadata have no model-index.
    """
    from huggingface_hub import ModelCardData  # noqa: PLC0415  slow to import

    bases = [base for model in record["models"] if (base := hub_repository(model["url"]))]
    is_base_there = bool(record["models"] and hub_repository(record["models"][0]["url"]))
    library = next((name for file, name in _LIBRARIES.items() if file in record["files"]), None)
    results = eval_results(found) if found else []
    more: dict[str, Any] = {"base_model_relation": "merge"} if is_base_there else {}
    return ModelCardData(
        license="other",
        license_name=UNFILLED_LICENCE,
        library_name=library,
        pipeline_tag="image-classification",
        tags=_tags(record, library),
        base_model=list(dict.fromkeys(bases)) if is_base_there else None,
        metrics=["accuracy"] if any(one.metric_type == "accuracy" for one in results) else None,
        model_name=model_name(record) if results else None,
        eval_results=results or None,
        **more,
    )


def model_name(record: Mapping[str, Any]) -> str:
    """Return the name of the exported model: its experiment, its method and, where it was fitted to one, its data set.

    Args:
        record: of the exported folder.
    """
    where = f" on {record['dataset']}" if record["dataset"] and record["kind"] != "static" else ""
    return plain(f"{record['experiment']}: {record['method']}{where}")


def eval_results(found: Measured) -> "list[EvalResult]":
    """Return the measured metrics of the exported files, and after them the estimated ones of each data set.

    Every number is a column of the results as it is stored: fractions are from 0 to 1.

    Args:
        found: the method's results.
    """
    rows = list(found.of_files())
    return [_eval_result(row) for wanted in (False, True) for row in rows if is_estimated(row["metric"]) == wanted]


def hub_repository(url: str) -> str | None:
    """Return the model repository of an address on the Hub; None for any other address.

    Args:
        url: of a checkpoint.

    Example:
        >>> hub_repository("hf://org/clip/model.safetensors"), hub_repository("s3://bucket/clip.pt")
        ('org/clip', None)
    """
    parts = url.removeprefix("hf://").split("/")
    is_hub = url.startswith("hf://") and len(parts) >= 2 and parts[0] != "datasets" and all(parts[:2])
    return plain("/".join(parts[:2])) if is_hub else None


def _tags(record: Mapping[str, Any], library: str | None) -> list[str]:
    found = [tag for end, tag in _TAGS.items() if any(file.endswith(end) for file in record["files"])]
    return ["dawin", "merge", "clip", "image-classification", *([library] if library else []), *found]


def _eval_result(row: Mapping[str, Any]) -> "EvalResult":
    """Return one row of results in the form of the Hub's model-index."""
    from huggingface_hub import EvalResult  # noqa: PLC0415  slow to import

    columns = ("metric", "ci_low", "ci_high", "samples", "run_id")
    marks = {"uses_labels": True} if row["uses_labels"] else {}
    marks |= {"is_estimated": True} if is_estimated(row["metric"]) else {}
    return EvalResult(
        task_type="image-classification",
        task_name="Image classification",
        dataset_type="custom",  # any other value would name a data set on the Hub
        dataset_name=plain(row["dataset"]),
        dataset_config=plain(row["dataset"]),
        dataset_revision=row["dataset_digest"],
        metric_type="accuracy" if row["metric"] == "top1" else row["metric"],
        metric_name=_metric_name(row),
        metric_value=row["value"],
        metric_args={**{name: row[name] for name in columns if row[name] is not None}, **marks},
    )


def _metric_name(row: Mapping[str, Any]) -> str:
    """Return a metric's name with its interval and number of samples, which the Hub shows beside the value."""
    title, _ = title_and_unit(row["metric"])
    of_labels = ", of a method that uses labels" if row["uses_labels"] else ""
    interval = "" if row["ci_low"] is None else f"95 % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}, "
    return f"{title}{of_labels} ({interval}n = {row['samples']})"
