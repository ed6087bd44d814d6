"""The JSON documents that commands print with `--json`: one model for each, which also documents it.

`dawin schema --of COMMAND` prints the JSON Schema of a command's document.
"""

from typing import Any

from pydantic import BaseModel

from flows.reports.compare_models import CompareDocument
from flows.reports.json_document import Document
from flows.reports.prediction_models import PredictDocument
from flows.reports.result_models import LeaderboardDocument, ResultsDocument
from flows.reports.store_models import PruneDocument, StoreDocument, VerifyDocument


class PlannedStep(Document):
    """A line of a plan: a stage on a data set, and how much of it is missing."""

    stage: str
    """`upgrade`, `extract`, `merge`, `fit` or `evaluate`."""
    dataset: str | None
    """Name of the data set; null for a model that is made once for all data sets."""
    label: str
    """The models or tables of the step, in words."""
    samples: int
    """Samples times tables; for a step of the stage `merge` the number of models."""
    missing: int
    """Number of those that are not in the store."""


class PlannedPart(Document):
    """A part of a run: a stage of a data set, or a made model; it begins when the parts that it waits for are done."""

    name: str
    """In words, unique in the plan."""
    stage: str
    """`extract`, `make`, `judge`, `fit`, `evaluate`, `evaluate learnt` or `mix`."""
    dataset: str | None
    """Name of the data set; null for a made model."""
    waits_for: list[str]
    """Names of the parts that come before it."""
    passes: int
    """Forward passes that are missing; an estimate where a method learns."""
    missing: int
    """Samples times tables, tables or models that are missing; 0: the part is in the store."""


class ForwardPasses(Document):
    """How often an image goes through a model."""

    needed: int
    """Passes that a run computes."""
    reused: int
    """Passes whose results the store holds."""


class Preprocessing(Document):
    """How images become tensors."""

    size: int
    """Side of the square, pixels."""
    mean: list[float]
    """Mean of each channel, on a scale of 0 to 1."""
    std: list[float]
    """Standard deviation of each channel, on a scale of 0 to 1."""
    interpolation: str
    """Interpolation of the resizing."""
    resize_mode: str
    """`shortest`, `longest` or `squash`."""
    fill: int
    """Grey level that `longest` fills with."""
    source: str
    """Where the values come from, in words."""


class PlanDocument(Document):
    """`dawin plan --json`: the steps of an experiment, done and to do."""

    experiment: str
    """Name of the experiment."""
    run_id: str
    """Identifier that the run has in results."""
    store: str
    """Address of the store."""
    is_done: bool
    """Whether the store holds everything, so that a run computes nothing."""
    steps: list[PlannedStep]
    """The steps, in the order of the stages."""
    parts: list[PlannedPart]
    """The parts and what they wait for, data set by data set, then the made models."""
    forward_passes: ForwardPasses
    """The passes of images through models, all steps together."""
    tower: str
    """The vision tower of the models, in words."""
    assumed: str | None
    """The parts of the tower that nothing describes, in words; null: nothing had to be assumed."""
    images: Preprocessing
    """The preprocessing of the images."""
    notes: list[str]
    """Warnings, one sentence each."""


class HeadDocument(Document):
    """The classification head in a checkpoint."""

    classes: int
    """Number of classes."""
    features: int
    """Number of features that it takes."""


class InspectDocument(Document):
    """`dawin inspect --json`: the facts of a checkpoint, or of a file that holds a head alone."""

    file: str
    """Address of the file."""
    family: str
    """Family of the checkpoint; `head` for a head alone."""
    tower: str | None
    """The vision tower, in words; null for a head alone."""
    tower_source: str | None
    """Where the description of the tower comes from; null where its tensors do not identify it."""
    images: str | None
    """Where the description of the preprocessing comes from, in words; null for a head alone."""
    head: HeadDocument | None
    """The head; null where the checkpoint holds none."""
    tensors: int
    """Number of tensors."""
    text_tower: bool
    """Whether tensors of a text tower are among them."""
    types: list[str]
    """Types of the tensors."""
    bytes: int
    """Size of the tensors."""
    digest: str
    """SHA-256 of the file."""


class CalibratedModel(Document):
    """The temperature of a model."""

    name: str
    """Name of the model."""
    temperature: float
    """The temperature of lowest loss."""
    loss_before: float
    """Mean negative log-likelihood with temperature 1, nats."""
    loss_after: float
    """The same with the fitted temperature."""
    error_before: float
    """Expected calibration error with temperature 1."""
    error_after: float
    """The same with the fitted temperature."""


class CalibrateDocument(Document):
    """`dawin calibrate --json`: the temperature of each model."""

    experiment: str
    """Name of the experiment."""
    dataset: str
    """Name of the data set that the temperatures were fitted to."""
    models: list[CalibratedModel]
    """The models, the base first."""


class ReportDocument(Document):
    """`dawin report --json`: the file that was written."""

    experiment: str
    """Name of the experiment."""
    run_id: str
    """Identifier of the run."""
    file: str
    """Path of the file."""
    bytes: int
    """Its size."""


class ExportedFile(Document):
    """A file of an exported folder."""

    name: str
    """Its path below the folder."""
    bytes: int
    """Its size."""
    sha256: str | None
    """Its SHA-256; null for the record and the model card, which may be edited."""


class ExportDocument(Document):
    """`dawin export --json`: the folder that was written."""

    folder: str
    """Path of the folder."""
    experiment: str
    """Name of the experiment."""
    method: str
    """The exported method."""
    dataset: str | None
    """The data set that it was fitted on, or whose head it has; null: the weights belong to none."""
    kind: str
    """`static`, `clusters`, `bins` or `samples`."""
    run_id: str | None
    """The run whose results are those of the exported model; null: the latest run has no such row."""
    files: list[ExportedFile]
    """The files."""
    bytes: int
    """Size of all files."""
    notes: list[str]
    """Forms that were left out, and choices that the request left open."""


class PublishDocument(Document):
    """`dawin publish --json`: the commit on the Hub, and the files in it."""

    repository: str
    """Name of the repository, `owner/name`."""
    revision: str
    """The branch."""
    commit: str
    """Identifier of the commit."""
    url: str
    """Its address."""
    is_new: bool
    """Whether this call made the commit; false where the Hub had every file already."""
    files: list[str]
    """Names of the published files."""
    left_out: list[str]
    """Files in the folder that the export did not write, and that were not published."""
    bytes: int
    """Size of the published files."""
    warnings: list[str]
    """Sentences about things to change, such as a licence that is not filled in."""


DOCUMENTS: dict[str, type[BaseModel]] = {
    "plan": PlanDocument,
    "inspect": InspectDocument,
    "results": ResultsDocument,
    "compare": CompareDocument,
    "report": ReportDocument,
    "predict": PredictDocument,
    "leaderboard": LeaderboardDocument,
    "store-list": StoreDocument,
    "store-verify": VerifyDocument,
    "store-prune": PruneDocument,
    "calibrate": CalibrateDocument,
    "export": ExportDocument,
    "publish": PublishDocument,
}
"""The document of each command that takes `--json`."""


def schema_of(command: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's document.

    Args:
        command: one of `DOCUMENTS`.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **DOCUMENTS[command].model_json_schema()}
