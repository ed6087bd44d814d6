"""Random coefficients: a control for DaWin, with every sample's coefficients drawn instead of measured."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Setup
from tasks.numerics.checks import Floats
from tasks.numerics.measures import random_coefficients
from tasks.references.coefficients import CoefficientsReference
from tasks.references.predictions import MergeReference, PredictionsReference


class RandomCoefficients(Method):
    """Coefficients uniform on the simplex, or of two models from a truncated normal distribution."""

    name = "random"
    title = "Random coefficients"
    summary = "For each sample, the models are merged with coefficients that are drawn, as a control."
    per_sample = True

    def members(self, setup: Setup) -> Sequence[str]:
        """Return the distributions."""
        return ("uniform", "gaussian-0.5", "gaussian-0.8")

    def refusal(self, member: str, setup: Setup) -> str | None:
        """Return why it makes no sense: the normal distribution gives one number per sample."""
        count = len(setup.models)
        if member == "uniform" or count == 2:
            return None
        return f"draws one number per sample, so it needs two models, got {count}"

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of per-sample merged models."""
        drawn = CoefficientsReference(
            outputs=context.compared,
            expertise=self.full_name(member),
            offset=False,
            seed=context.setup.seed,
            version=self.version,
        )
        return MergeReference(outputs=context.outputs, source=drawn, scale=context.scale)

    def draw(self, member: str, samples: int, models: int, seed: Sequence[int]) -> Floats:
        """Return random coefficients (n, M)."""
        return random_coefficients(member, samples, models, seed)


METHOD = RandomCoefficients()
