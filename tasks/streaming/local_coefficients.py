"""Coefficients of samples whose own outputs decide them: computed batch by batch, while the models' outputs are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from storage import keys
from storage.schemas import OUTPUTS
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table
from tasks.datasets.loading import Batch
from tasks.numerics.checks import Floats
from tasks.numerics.clustering import assign
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.offset import Offset
from tasks.numerics.sample_predictions import predict
from tasks.opening.fitted_rules import offset_for, read_components
from tasks.references.coefficients import CoefficientsReference, MixtureReference
from tasks.references.outputs import OutputsReference


class LocalCoefficients:
    """The coefficients that a local table will hold: from the logits of this pass, or from outputs that are stored.

    Args:
        reference: every sample's own coefficients, or the clusters that the samples are assigned to. An offset and
            components come from the data set that they were fitted on.
        store: holds what was fitted, and perhaps outputs.

    Raises:
        ValueError: the coefficients of a sample depend on other samples.
        ObjectMissing: the store does not hold what was fitted.
    """

    def __init__(self, reference: CoefficientsReference | MixtureReference, store: Store) -> None:
        if not reference.is_local:
            raise ValueError(f"{reference.prefix}: coefficients that need all samples were not fitted yet")
        self._own = reference.coefficients if isinstance(reference, MixtureReference) else reference
        self._components = read_components(store, reference) if isinstance(reference, MixtureReference) else None
        self._offset: Offset | None = offset_for(store, self._own) if self._own.with_offset else None
        self._store, self._stored = store, dict[str, tuple[Span, Floats]]()

    def __call__(self, batch: Batch, results: Mapping[str, Any]) -> Floats:
        """Return the coefficients (n, M) of a batch.

        Args:
            batch: the samples.
            results: the logits (n, classes) computed in this pass, by prefix of the outputs.
        """
        scores = [self._scores(outputs, batch, results) for outputs in self._own.outputs]
        coefficients = model_coefficients(np.column_stack(scores), offset=self._offset or False)
        if self._components is None:
            return coefficients
        weights, concentration, means = self._components
        return means[assign(weights, concentration, coefficients).assignment]

    def _scores(self, outputs: OutputsReference, batch: Batch, results: Mapping[str, Any]) -> Floats:
        """Return one model's scores (n,): its entropies, or losses."""
        column = self._own.column
        assert column is not None  # else it is not local
        if outputs.prefix in results:
            scores = predict(log_probabilities(results[outputs.prefix], outputs.model.temperature), batch.labels)
            values: Floats = getattr(scores, column)
            return values
        span, stored = self._stored.get(outputs.prefix, (Span(0, 0), np.empty(0)))
        if span != batch.span:
            schema = OUTPUTS[outputs.scored.logits]
            table = read_table(self._store, keys.samples(outputs.prefix, batch.span), schema, [column])
            span, stored = self._stored[outputs.prefix] = batch.span, table[column].to_numpy()
        return stored[batch.sample_index - span.start]
