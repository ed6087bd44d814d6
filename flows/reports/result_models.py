"""The JSON documents about results: the rows of `dawin results --json` and `dawin leaderboard --json`."""

from datetime import datetime

from pydantic import RootModel

from flows.reports.json_document import Document


class ResultRow(Document):
    """One method on one data set by one metric: a row of the table `results`."""

    experiment: str
    """Name of the experiment."""
    run_id: str
    """Identifier of the run."""
    method: str
    """Name of the method."""
    dataset: str
    """Name of the data set, or `mean/GROUP` for the mean over a group of data sets."""
    group: str
    """Group of the data set; of a mean its group, or `all`."""
    datasets: list[str]
    """The data sets of the value: one, or those that a mean is over."""
    metric: str
    """Name of the metric."""
    value: float
    """In the metric's unit; accuracies and other shares are fractions."""
    ci_low: float | None
    """Lower end of the 95 % interval; null where the value is no estimate."""
    ci_high: float | None
    """Upper end of the 95 % interval."""
    samples: int
    """Samples that the value was computed from."""
    uses_labels: bool
    """Whether the method uses the true labels."""
    forward_passes: float
    """Forward passes of one model that the method takes for each sample."""
    merged_models: int
    """Sets of weights that were merged for these samples."""
    extra_parameters: int
    """Parameters to keep beside those of one model."""
    seconds: float | None
    """Seconds of computing, as measured; null where nothing was."""
    images_per_second: float | None
    """Samples per second of computing."""
    device: str | None
    """The devices that computed."""
    published: float | None
    """The number that was published for this method, data set and metric."""
    published_source: str | None
    """Where it was published."""
    samples_table: str | None
    """Table of the method's samples; null for a mean over data sets."""
    samples_id: str | None
    """Partition `id` of these samples."""
    dataset_digest: str | None
    """Partition `dataset` of these samples."""
    note: str | None
    """Doubts about the data set."""
    models: list[str]
    """Names of the models that take part, the base first."""
    weights: list[str]
    """SHA-256 of their checkpoints."""
    checkpoints: list[str]
    """Addresses of the run's checkpoints, the base first."""
    precision: str
    """Precision of the models' arithmetic."""
    settings: str
    """All settings that the run depends on, as JSON text."""
    software: str
    """Versions of this project and of torch."""
    created_at: datetime
    """When the row was written."""


class ResultsDocument(RootModel[list[ResultRow]]):
    """`dawin results --json`: rows of the table `results`."""


class LeaderboardRow(Document):
    """One method in one run: its accuracies on every data set."""

    at: datetime
    """Time of the run, UTC."""
    experiment: str
    """Name of the experiment."""
    run_id: str
    """Identifier of the run."""
    checkpoint: str
    """File names of the fine-tuned checkpoints."""
    method: str
    """Name of the method."""
    datasets: dict[str, float]
    """Top-1 accuracy on each data set, %."""
    groups: dict[str, float]
    """Mean of the accuracies of each group's data sets, %."""


class LeaderboardDocument(RootModel[list[LeaderboardRow]]):
    """`dawin leaderboard --json`: every run, every checkpoint and every method."""
