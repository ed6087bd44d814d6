"""Every model by itself."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Setup
from tasks.references.predictions import PredictionsReference


class Individual(Method):
    """Each model alone, the base included: `individual/<model>`."""

    name = "individual"
    title = "Individual models"
    summary = "Each model alone, the base included."
    short_rows = "each"

    def members(self, setup: Setup) -> Sequence[str]:
        """Return the models' names."""
        return setup.models

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the model's own outputs."""
        return context.by_model[member]


METHOD = Individual()
