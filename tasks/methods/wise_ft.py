"""WiSE-FT: one interpolation between the base and the fine-tuned model."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Paper, Setup
from tasks.methods.static_merge import ALPHAS, static_merge
from tasks.references.predictions import PredictionsReference


class WiseFT(Method):
    """θ = (1 − α) θ_0 + α mean_t θ_t: `wise-ft/<alpha>`."""

    name = "wise-ft"
    title = "WiSE-FT"
    summary = "One interpolation (1 − α) θ_0 + α θ_1 for all samples; several fine-tuned models are averaged first."
    paper = Paper("Robust fine-tuning of zero-shot models", "CVPR", 2022, "https://arxiv.org/abs/2109.01903")
    always_shown = ("0.50",)

    def members(self, setup: Setup) -> Sequence[str]:
        """Return α from 0.00 to 1.00 in steps of a tenth."""
        return ALPHAS

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the interpolated model (section 3 of the paper)."""
        alpha, tuned = float(member), len(context.outputs) - 1
        return static_merge(context.outputs, (1.0 - alpha, *[alpha / tuned] * tuned))


METHOD = WiseFT()
