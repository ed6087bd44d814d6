"""A data set of drawn outputs in a store, with its tables of coefficients, clusters and bins by reference."""

import numpy as np

from storage import keys
from storage.schemas import OUTPUTS
from storage.tables import TableWriter, read_table
from tasks.datasets.preprocessing import Preprocessing
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference

PIXELS = Preprocessing(size=224, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")


def coefficients_of(samples, shard, models=2, **settings):
    """Return the coefficients of a data set whose objects hold `shard` samples, by reference."""
    dataset = DatasetReference(
        name="drawn", url="none", group="id", digest="0123abcd", samples=samples, classes=3, limit=None,
        preprocessing=PIXELS, shard=shard,
    )  # fmt: skip
    scored = ScoredDataset(dataset=dataset, head=None, precision="fp32")
    outputs = tuple(
        OutputsReference(
            model=ModelReference(name=f"m{i}", url="none", digest=f"{i:064x}", temperature=1.0, architecture=None),
            scored=scored,
        )
        for i in range(models)
    )
    return CoefficientsReference(
        **{"outputs": outputs, "expertise": "entropy", "column": "entropy", "offset": True, **settings}
    )


def clusters_of(coefficients, components=2):
    return MixtureReference(coefficients=coefficients, components=components, seed=1)


def bins_of(coefficients, bins=7):
    return BinsReference(coefficients=coefficients, bins=bins, seed=1)


def write_outputs(store, coefficients, seed=0):
    """Write the outputs from which coefficients are computed: logits, labels and their consequences."""
    for number, outputs in enumerate(coefficients.outputs):
        random = np.random.default_rng([seed, number])
        logits = random.normal(0, 2, (outputs.dataset.samples, 3)).astype(np.float32)
        entropy = random.gamma(1 + number, 0.4, outputs.dataset.samples)
        for span in outputs.dataset.spans:
            key, own = keys.samples(outputs.prefix, span), slice(*span)
            writer = TableWriter(store, key, OUTPUTS["fp32"], identity=outputs.identity, widths={"logits": 3})
            zeros = np.zeros(span.length)
            writer.append(
                {
                    "sample_index": np.arange(*span),
                    "label": zeros.astype(np.int32),
                    "prediction": zeros.astype(np.int32),
                    "label_rank": zeros.astype(np.int32),
                    "loss": zeros,
                    "entropy": entropy[own],
                    "confidence": zeros + 0.5,
                    "sum_of_squares": zeros + 0.5,
                    "logits": logits[own],
                }
            )
            writer.commit()


def rows_of(store, reference, schema):
    """Return the columns of all objects of a table, joined."""
    tables = [read_table(store, keys.samples(reference.prefix, s), schema) for s in reference.dataset.spans]
    return {
        name: np.concatenate([np.array(table[name].to_pylist()) for table in tables]) for name in tables[0].column_names
    }
