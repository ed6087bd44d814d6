"""The oracle: coefficients from the true labels, an upper bound for measures of expertise."""

from collections.abc import Sequence

from tasks.methods.method import Context, Method, Paper, Setup
from tasks.references.coefficients import CoefficientsReference
from tasks.references.datasets import DatasetReference
from tasks.references.predictions import MergeReference, PredictionsReference


class Oracle(Method):
    """DaWin with the cross-entropy against the true labels in the entropy's place (section 3 of the paper)."""

    name = "oracle"
    title = "Oracle"
    summary = "For each sample, the models are merged with coefficients of their losses against the true label."
    paper = Paper(
        "DaWin: Training-free Dynamic Weight Interpolation for Robust Adaptation",
        "ICLR",
        2025,
        "https://arxiv.org/abs/2410.03782",
    )
    per_sample = True

    def members(self, setup: Setup) -> Sequence[str]:
        """Return `samples`."""
        return ("samples",)

    def leaves_out(self, dataset: DatasetReference, setup: Setup) -> str | None:
        """Return why it leaves a data set out: the images have no labels."""
        return "no labels" if dataset.classes is None else None

    def uses_labels(self, dataset: DatasetReference, setup: Setup) -> bool:
        """Return True: every coefficient depends on a label."""
        return True

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of per-sample merged models."""
        measured = CoefficientsReference(
            outputs=context.compared, expertise=self.name, column="loss", offset=False, version=self.version
        )
        return MergeReference(outputs=context.outputs, source=measured, scale=context.scale)


METHOD = Oracle()
