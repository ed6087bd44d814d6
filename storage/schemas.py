"""The tables and their columns. Any change that a reader could notice raises the table's version."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from storage.errors import SchemaMismatch


@dataclass(frozen=True)
class TableSchema:
    """A table's name, version and columns."""

    name: str
    version: int
    columns: tuple[pa.Field, ...]
    vectors: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Columns of fixed-size lists, with the type of their numbers. The length of the lists (classes, models or
    components) is known when a table is written, and is the same for all rows of one object."""
    optional: frozenset[str] = frozenset()
    """Vectors that an object may be without: their width is 0 there."""

    def arrow(self, widths: Mapping[str, int]) -> pa.Schema:
        """Return the pyarrow schema for vectors of given widths.

        Args:
            widths: the length of each vector column by its name; 0 leaves an optional one out.

        Raises:
            SchemaMismatch: the names are not those of the vector columns, or one that is not optional has width 0.

        Example:
            >>> COEFFICIENTS.arrow({"coefficients": 2}).names
            ['sample_index', 'coefficients']
        """
        if set(widths) != set(self.vectors) or any(not width and n not in self.optional for n, width in widths.items()):
            raise SchemaMismatch(f"{self.name}: wanted widths of {sorted(self.vectors)}, got {sorted(widths)}")
        return pa.schema(
            [*self.columns, *self.fields(widths)],
            metadata={"dawin.table": self.name, "dawin.version": str(self.version)},
        )

    def fields(self, widths: Mapping[str, int]) -> list[pa.Field]:
        """Return the pyarrow fields of the vectors that have a width.

        Args:
            widths: their lengths by name; 0: the object is without.
        """
        chosen = {name: type_ for name, type_ in self.vectors.items() if widths.get(name)}
        return [pa.field(name, pa.list_(type_, widths[name]), nullable=False) for name, type_ in chosen.items()]

    def widths(self, schema: pa.Schema) -> dict[str, int]:
        """Return the length of each vector in the pyarrow schema of an object, 0 for those that it is without.

        Args:
            schema: the object's schema.
        """
        return {name: schema.field(name).type.list_size if _is_vector(schema, name) else 0 for name in self.vectors}

    def check(self, schema: pa.Schema, where: str) -> None:
        """Refuse the pyarrow schema of another table or version.

        Args:
            schema: the schema of an object, with its metadata.
            where: the object's address, for the message.

        Raises:
            SchemaMismatch: the table, its version, or a column differs.
        """
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        version = metadata.get("dawin.version")
        if metadata.get("dawin.table") != self.name or version != str(self.version):
            raise SchemaMismatch(
                f"{where}: wanted table {self.name} version {self.version}, "
                f"got {metadata.get('dawin.table')} version {version}"
            )
        widths = self.widths(schema)
        is_short = any(not width and name not in self.optional for name, width in widths.items())
        if is_short or not schema.equals(self.arrow(widths)):
            wanted = [f"{f.name}: {f.type}" for f in self.columns] + [f"{n}: [{t}]" for n, t in self.vectors.items()]
            got = [f"{f.name}: {f.type}" for f in schema]
            raise SchemaMismatch(f"{where}: wanted columns {wanted}, got {got}")


def _is_vector(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and pa.types.is_fixed_size_list(schema.field(name).type)


def _column(name: str, type_: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, type_, nullable=nullable)


_INDEX = _column("sample_index", pa.int64())
# a classifier's prediction on one sample; in a data set without labels, the label and its consequences are null
_PREDICTION = (
    _INDEX,
    _column("label", pa.int32(), nullable=True),
    _column("prediction", pa.int32()),
    _column(
        "label_rank", pa.int32(), nullable=True
    ),  # number of classes that score above the label; 0 is top-1 correct
    _column("loss", pa.float64(), nullable=True),  # cross-entropy against the label, nats
    _column("entropy", pa.float64()),  # of the predicted probabilities, nats
    _column("confidence", pa.float64()),  # the highest of them
    _column("sum_of_squares", pa.float64()),  # of all of them: with the loss, the Brier score
)

_LOGITS = frozenset({"logits"})
_FP32 = TableSchema("outputs", 2, _PREDICTION, {"logits": pa.float32()}, _LOGITS)
# by an experiment's setting `logits`; the other columns are computed before the logits are rounded
OUTPUTS = {
    "fp32": _FP32,
    "fp16": TableSchema("outputs", 2, _PREDICTION, {"logits": pa.float16()}, _LOGITS),
    "none": _FP32,  # the same table, whose objects may be without logits
}
COEFFICIENTS = TableSchema("coefficients", 1, (_INDEX,), {"coefficients": pa.float64()})
MIXTURES = TableSchema(
    "mixtures",
    1,
    (_INDEX, _column("component", pa.int32())),
    {"responsibilities": pa.float64(), "coefficients": pa.float64()},
)
BINS = TableSchema("bins", 1, (_INDEX, _column("bin", pa.int32())), {"coefficients": pa.float64()})
COMPONENTS = TableSchema(
    "components",
    1,
    (
        _column("component", pa.int32()),
        _column("weight", pa.float64()),
        _column("samples", pa.int64()),
        _column("lower_bound", pa.float64()),  # mean log-likelihood per sample of the whole fit
        _column("bic", pa.float64()),
        _column("iterations", pa.int32()),
        _column("converged", pa.bool_()),
    ),
    {"concentration": pa.float64(), "coefficients": pa.float64()},
)
PREDICTIONS = TableSchema("predictions", 2, _PREDICTION)
SAMPLES = TableSchema(
    "samples",
    1,
    (
        _INDEX,
        _column("name", pa.string()),  # inside the data set: a path, or a shard with the sample's key or row
        _column("label", pa.int32(), nullable=True),
        _column("label_name", pa.string(), nullable=True),  # null without a label, and where classes are numbers
    ),
)
RESULTS = TableSchema(
    "results",
    3,
    (
        _column("method", pa.string()),
        _column("dataset", pa.string()),  # or `mean/<group>`, for the mean over the data sets of a group
        _column("group", pa.string()),  # of the data set; of a mean: the group, or `all`
        _column("datasets", pa.list_(pa.string())),  # the data sets of the value: one, or those that a mean is over
        _column("metric", pa.string()),
        _column("value", pa.float64()),
        _column("ci_low", pa.float64(), nullable=True),  # 95 %; null for a value that is not an estimate
        _column("ci_high", pa.float64(), nullable=True),
        _column("samples", pa.int64()),  # of all these data sets
        _column("uses_labels", pa.bool_()),  # an oracle, which no method for unlabelled data can match
        # what the method costs on these samples
        _column("forward_passes", pa.float64()),  # of one model, for each sample
        _column("merged_models", pa.int64()),  # sets of weights merged for these samples
        _column("extra_parameters", pa.int64()),  # to keep beside those of one model
        _column("seconds", pa.float64(), nullable=True),  # of computing, as measured; null where nothing was
        _column("images_per_second", pa.float64(), nullable=True),
        _column("device", pa.string(), nullable=True),
        # a number that was published for the same method, data set and metric
        _column("published", pa.float64(), nullable=True),
        _column("published_source", pa.string(), nullable=True),
        # provenance of the value; a mean has no samples of its own
        _column("samples_table", pa.string(), nullable=True),
        _column("samples_id", pa.string(), nullable=True),
        _column("dataset_digest", pa.string(), nullable=True),
        _column("note", pa.string(), nullable=True),  # a warning about the data set
        _column("models", pa.list_(pa.string())),
        _column("weights", pa.list_(pa.string())),
        _column("checkpoints", pa.list_(pa.string())),  # addresses of all models of the run, the base first
        _column("precision", pa.string()),
        _column("settings", pa.string()),
        _column("software", pa.string()),
        _column("created_at", pa.timestamp("us", tz="UTC")),
    ),
)
COMPARISONS = TableSchema(
    "comparisons",
    1,
    (
        _column("method_a", pa.string()),
        _column("method_b", pa.string()),
        _column("run_a", pa.string()),  # EXPERIMENT/RUN of either method
        _column("run_b", pa.string()),
        _column("dataset", pa.string()),  # or `mean/<group>`, as in the results
        _column("group", pa.string()),
        _column("metric", pa.string()),
        _column("value_a", pa.float64()),
        _column("value_b", pa.float64()),
        _column("difference", pa.float64()),  # value_a − value_b
        # 95 %, of the difference on the same samples; null where these do not show how much it varies
        _column("ci_low", pa.float64(), nullable=True),
        _column("ci_high", pa.float64(), nullable=True),
        _column("p_value", pa.float64()),
        _column("p_corrected", pa.float64()),  # Holm, over all comparisons of this table
        _column("test", pa.string()),  # `mcnemar` or `bootstrap`
        # smallest difference found with 80 % power at p < 0.05, uncorrected; null where no difference could be
        _column("detectable", pa.float64(), nullable=True),
        _column("samples", pa.int64()),
        _column("software", pa.string()),
        _column("created_at", pa.timestamp("us", tz="UTC")),
    ),
)

TABLES = {
    t.name: t
    for t in (
        OUTPUTS["fp32"],
        COEFFICIENTS,
        MIXTURES,
        COMPONENTS,
        BINS,
        PREDICTIONS,
        SAMPLES,
        RESULTS,
        COMPARISONS,
    )
}
