"""The document of `dawin compare --json`."""

from datetime import datetime
from typing import Literal

from flows.reports.json_document import Document


class ComparisonRow(Document):
    """Two methods on one data set by one metric: a row of the table `comparisons`."""

    method_a: str
    """Name of the first method."""
    method_b: str
    """Name of the second method."""
    run_a: str
    """Experiment and run of the first method, as `EXPERIMENT/RUN`."""
    run_b: str
    """The same of the second method."""
    dataset: str
    """Name of the data set, or `mean/<group>`."""
    group: str
    """Group of the data set or of the mean; `all` for the mean over all data sets."""
    metric: str
    """Name of the metric."""
    value_a: float
    """Value of the first method; a fraction for accuracies."""
    value_b: float
    """Value of the second method."""
    difference: float
    """`value_a` − `value_b`."""
    ci_low: float | None
    """Lower end of the 95 % interval of the difference; null where the samples do not show how much it varies."""
    ci_high: float | None
    """Upper end of the same interval."""
    p_value: float
    """Two-sided p-value, not corrected."""
    p_corrected: float
    """The p-value after Holm's correction over all comparisons of the document."""
    test: Literal["mcnemar", "bootstrap"]
    """McNemar's exact test, or the paired bootstrap."""
    detectable: float | None
    """Smallest difference that the test finds with a probability of 80 %, not corrected; null where none could be."""
    samples: int
    """Samples of the data set, or of all data sets of a mean."""
    software: str
    """Version of this project."""
    created_at: datetime
    """When the methods were compared."""


class ComparedColumnDocument(Document):
    """A data set or a mean by one metric: its best method."""

    dataset: str
    """Name of the data set, or `mean/<group>`."""
    metric: str
    """Name of the metric."""
    better: Literal["higher", "lower"]
    """Which values of the metric are better."""
    samples: int
    """Samples of the data set, or of all data sets of a mean."""
    best: str | None
    """The compared method of the best value, of those that use no labels; null between two runs."""
    not_distinguishable: list[str]
    """Methods without labels whose corrected p-value against the best is 0.05 or more, the closest first."""


class CompareDocument(Document):
    """`dawin compare --json`: methods on the same samples, all pairs of the request."""

    run: str
    """Experiment and run, as `EXPERIMENT/RUN`."""
    other: str | None
    """The run of `--with`; null: the methods of one run are compared with one another."""
    correction: Literal["holm"]
    """Correction of the p-values."""
    tests: int
    """Number of comparisons that are corrected together."""
    columns: list[ComparedColumnDocument]
    """The data sets and means, by metric."""
    comparisons: list[ComparisonRow]
    """All comparisons."""
    table: str | None
    """Address of the same rows in the store; null: the store cannot be written."""
