"""Task arithmetic: the base plus the scaled sum of task vectors."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Paper, Setup
from tasks.methods.static_merge import SCALES, is_scale, static_merge
from tasks.references.predictions import PredictionsReference


class TaskArithmetic(Method):
    """θ = θ_0 + s Σ_t (θ_t − θ_0): `task-arithmetic/<scale>`."""

    name = "task-arithmetic"
    title = "Task arithmetic"
    summary = "The base plus s times the sum of the task vectors."
    paper = Paper("Editing models with task arithmetic", "ICLR", 2023, "https://arxiv.org/abs/2212.04089")

    def members(self, setup: Setup) -> Sequence[str]:
        """Return s from 0.10 to 1.00 in steps of a tenth."""
        return SCALES

    def has(self, member: str, setup: Setup) -> bool:
        """Return whether a member exists: every scale with two decimals does."""
        return is_scale(member)

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the merged model (section 2 of the paper)."""
        scale, tuned = float(member), len(context.outputs) - 1
        return static_merge(context.outputs, (1.0 - scale * tuned, *[scale] * tuned))


METHOD = TaskArithmetic()
