"""Expertise scores of a data set's samples, span by span, from the outputs of models that a store holds."""

from collections.abc import Iterator

import numpy as np

from storage import keys
from storage.schemas import OUTPUTS
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table, vectors
from tasks.errors import FitError
from tasks.methods.registry import METHODS
from tasks.numerics.checks import Floats
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.measures import MEASURES, ModelOutputs, entropies_of, measured_coefficients
from tasks.numerics.offset import Offset, offset_of
from tasks.numerics.pieces import Mapped
from tasks.opening.read_coefficients import HELD_BYTES
from tasks.references.coefficients import CoefficientsReference
from tasks.references.outputs import OutputsReference


class StoredScores:
    """The expertise scores of the samples of a data set, or their entropies where a column of the outputs holds these.

    Iterating yields arrays (n_i, M), one for each span of the data set. Scores that are small enough stay in memory, so
    that outputs are read once; the others are computed anew at each pass.

    Args:
        store: holds the outputs.
        reference: the coefficients that are made of the scores; they are not drawn.
    """

    def __init__(self, store: Store, reference: CoefficientsReference) -> None:
        self._store, self._reference = store, reference
        self._spans, self._models = reference.dataset.spans, len(reference.outputs)
        self._held: dict[Span, Floats] = {}
        self._is_held = 8 * reference.dataset.samples * self._models <= HELD_BYTES

    def __iter__(self) -> Iterator[Floats]:
        return map(self.of, self._spans)

    def of(self, span: Span) -> Floats:
        """Return the scores (n, M) of the samples of one span.

        Raises:
            ObjectMissing: outputs are missing.
            StorageError: outputs cannot be read.
            FitError: the measure returns scores of a wrong shape.
        """
        scores = self._held.get(span)
        if scores is None:
            scores = self._columns(span) if self._reference.column else self._measured(span)
            if self._is_held:
                self._held[span] = scores
        return scores

    def offset(self) -> Offset | None:
        """Return the offset of the coefficients, which depends on the scores of all samples; None if they have none."""
        if not self._reference.with_offset:
            return None
        return offset_of(self if self._reference.column else Mapped(entropies_of, self))

    def coefficients(self, span: Span, offset: Offset | None) -> Floats:
        """Return the coefficients (n, M) of the samples of one span.

        Args:
            span: one of the data set's.
            offset: from `offset`.
        """
        make = model_coefficients if self._reference.column else measured_coefficients
        return make(self.of(span), offset=offset or False)

    def _columns(self, span: Span) -> Floats:
        column = self._reference.column
        assert column is not None  # else they are measured
        tables = [
            read_table(self._store, keys.samples(outputs.prefix, span), OUTPUTS[outputs.scored.logits], [column])
            for outputs in self._reference.outputs
        ]
        return np.column_stack([table[column].to_numpy() for table in tables])

    def _measured(self, span: Span) -> Floats:
        name = self._reference.expertise
        measure = MEASURES[name] if self._reference.version is None else METHODS[name].measure
        scores = measure(self._outputs(span))
        if scores.shape != (span.length, self._models):
            raise FitError(
                f"measure {name}: wanted scores {(span.length, self._models)} of samples and models, got {scores.shape}"
            )
        return scores

    def _outputs(self, span: Span) -> ModelOutputs:
        """Return the models' outputs on the samples of one span."""
        judge, outputs = self._reference.judge, self._reference.outputs
        logits = [self._logits(one, span) for one in outputs]
        temperatures = [one.model.temperature for one in outputs]
        return ModelOutputs(
            logits=[values / t for values, t in zip(logits, temperatures, strict=True)],
            log_p=[log_probabilities(values, t) for values, t in zip(logits, temperatures, strict=True)],
            judge=log_probabilities(self._logits(judge, span), judge.model.temperature) if judge else None,
        )

    def _logits(self, outputs: OutputsReference, span: Span) -> Floats:
        key = keys.samples(outputs.prefix, span)
        table = read_table(self._store, key, OUTPUTS[outputs.scored.logits], ["logits"])
        return vectors(table["logits"]).astype(np.float64)
