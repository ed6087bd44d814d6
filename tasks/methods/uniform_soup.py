"""The uniform soup: the average of the fine-tuned models."""

from tasks.methods.method import Context, Method, Paper
from tasks.methods.static_merge import static_merge
from tasks.references.predictions import PredictionsReference

PAPER = Paper(
    "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time",
    "ICML",
    2022,
    "https://arxiv.org/abs/2203.05482",
)


class UniformSoup(Method):
    """θ = mean_t θ_t, without the base."""

    name = "uniform-soup"
    title = "Uniform soup"
    summary = "The mean of the fine-tuned models' weights, without the base."
    paper = PAPER

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the averaged model."""
        tuned = len(context.outputs) - 1
        return static_merge(context.outputs, (0.0, *[1.0 / tuned] * tuned))


METHOD = UniformSoup()
