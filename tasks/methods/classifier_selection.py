"""Classifier selection: each sample is classified by the model of lowest entropy."""

from tasks.methods.method import Context, Method
from tasks.references.predictions import EnsembleReference, PredictionsReference


class ClassifierSelection(Method):
    """The prediction of the model that is surest of the sample."""

    name = "classifier-selection"
    title = "Classifier selection"
    summary = "Each sample takes the prediction of the model whose entropy is lowest."
    needs_logits = True

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the selected models."""
        return EnsembleReference(outputs=context.compared, weighting="surest")


METHOD = ClassifierSelection()
