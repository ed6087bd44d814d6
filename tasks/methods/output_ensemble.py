"""Output ensembles: every model runs, and the probabilities are averaged."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Setup
from tasks.references.predictions import EnsembleReference, PredictionsReference


class OutputEnsemble(Method):
    """Probabilities averaged equally (`uniform`), or with each sample's coefficients (`dynamic`)."""

    name = "output-ensemble"
    title = "Output ensemble"
    summary = "The models' probabilities averaged: equally, or with each sample's own coefficients."
    needs_logits = True

    def members(self, setup: Setup) -> Sequence[str]:
        """Return `uniform` and `dynamic`."""
        return ("uniform", "dynamic")

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the ensemble."""
        weighting = "uniform" if member == "uniform" else context.coefficients
        return EnsembleReference(outputs=context.compared, weighting=weighting)  # type: ignore[arg-type]


METHOD = OutputEnsemble()
