"""The JSON document of `dawin predict --json`."""

from flows.reports.json_document import Document


class PredictDocument(Document):
    """`dawin predict --json`: the contents of a file of predictions."""

    file: str
    """Path of the file."""
    images: int
    """Number of its rows."""
    method: str
    """Name of the method."""
    fitted_on: str
    """Data set of the experiment on which the method was fitted."""
    adapted: bool
    """Whether offset, clusters and bins were fitted to these images instead."""
    coefficients: dict[str, float] | None
    """Mean coefficient of each merged or averaged model; null where the method has no coefficients."""
    clusters: dict[str, int] | None
    """Images of each cluster, or of each bin, by its number; null where the method has none."""
    classes: dict[str, int]
    """Images of each predicted class, the most predicted first, by its name, or its number where it has none."""
    store: str
    """Address of the store that keeps the predictions."""
    predictions: str
    """Prefix of their table in the store."""
