"""Random coefficients: a control for DaWin, with every sample's coefficients drawn instead of measured."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Setup
from tasks.references.coefficients import CoefficientsReference
from tasks.references.predictions import MergeReference, PredictionsReference


class RandomCoefficients(Method):
    """Coefficients uniform on the simplex, or of two models from a truncated normal distribution."""

    name = "random"
    title = "Random coefficients"
    summary = "Every sample is merged with coefficients that are drawn, as a control."
    per_sample = True

    def members(self, setup: Setup) -> Sequence[str]:
        """Return the distributions."""
        return ("uniform", "gaussian-0.5", "gaussian-0.8")

    def refusal(self, member: str, setup: Setup) -> str | None:
        """Return why it makes no sense: the normal distribution gives one number per sample."""
        count = len(setup.models)
        if member == "uniform" or count == 2:
            return None
        return f"draws one number a sample, so it needs two models, there are {count}"

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of per-sample merged models."""
        drawn = CoefficientsReference(
            outputs=context.compared, expertise=f"random-{member}", offset=False, seed=context.setup.seed
        )
        return MergeReference(outputs=context.outputs, source=drawn, scale=context.scale)


METHOD = RandomCoefficients()
