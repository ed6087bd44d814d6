"""DaWin: for each sample, the models are merged with coefficients of their expertise."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Setup
from tasks.methods.oracle import Oracle
from tasks.references.coefficients import BinsReference, FittedReference, MixtureReference
from tasks.references.predictions import MergeReference, PredictionsReference


class DaWin(Method):
    """One merged model per cluster (the paper), per bin, or per sample (exact, in one batched pass)."""

    name = "dawin"
    title = "DaWin"
    summary = "Weights are merged with each sample's own coefficients: by cluster, by bin, or exactly."
    paper = Oracle.paper
    per_sample = True
    is_baseline = False
    short_rows = "each"

    def members(self, setup: Setup) -> Sequence[str]:
        """Return a member for each granularity of the experiment."""
        names = {"clusters": f"clusters-{setup.clusters}", "bins": f"bins-{setup.bins}", "samples": "samples"}
        return [names[granularity] for granularity in setup.granularity]

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of merged models (section 3 of the paper)."""
        source = self._source(member, context)
        return MergeReference(outputs=context.outputs, source=source, scale=context.scale)

    def _source(self, member: str, context: Context) -> FittedReference:
        setup, coefficients = context.setup, context.coefficients
        if member.startswith("clusters"):
            m_step = setup.m_step or ("moments" if len(context.compared) == 2 else "mle")
            return MixtureReference(
                coefficients=coefficients, components=setup.clusters, seed=setup.seed, m_step=m_step
            )
        if member.startswith("bins"):
            return BinsReference(coefficients=coefficients, bins=setup.bins, seed=setup.seed)
        return coefficients


METHOD = DaWin()
