"""A finished run without models: logits are drawn, and the stages themselves compute everything else from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flows.experiment.settings import Experiment
from flows.planning.cells import cells_of
from flows.planning.plan import Plan
from flows.planning.written_plan import write_plan
from storage import keys
from storage.schemas import OUTPUTS, PREDICTIONS, TableSchema
from storage.store import Store
from storage.tables import TableWriter
from tasks.aggregation import aggregate
from tasks.fitting import fit_bins, fit_coefficients, fit_mixture
from tasks.numerics.checks import Floats
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.sample_predictions import predict
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference
from tasks.references.results import Cell, RunRecord

_SKILLS = (2.0, 2.6)  # of the models: how far the label's logit is above the others


def write_run(experiment: Experiment, datasets: Sequence[DatasetReference], store: Store) -> RunRecord:
    """Write the outputs, coefficients, clusters, predictions, results and the plan of a run.

    Args:
        experiment: an experiment of two models.
        datasets: its data sets, listed; the label of a sample is its number modulo the number of classes.
        store: receives everything.
    """
    models = [
        ModelReference(
            name=m.name,
            url=m.checkpoint,
            digest=f"{i:064x}",
            temperature=1.0,
            architecture="ViT-B-32",
            parameters=10**8,
        )
        for i, m in enumerate(experiment.models)
    ]
    scored = [ScoredDataset(dataset=dataset, head=None, precision="fp32") for dataset in datasets]
    outputs = [tuple(OutputsReference(model=model, scored=one) for model in models) for one in scored]
    cells = [cells_of(experiment, own, scored) for own in outputs]
    for number, (own, found) in enumerate(zip(outputs, cells, strict=True)):
        _write_dataset(own, found, store, np.random.default_rng(number))
    settings = experiment.model_dump(mode="json", include={"merge", "baselines", "precision", "logits", "seed"})
    record = RunRecord(experiment=experiment.name, run_id="r000000000001", settings=settings)
    every = tuple(cell for found in cells for cell in found)
    write_plan(Plan(store, record, tuple(outputs), every, experiment.reading))
    aggregate.fn(record, every, store)
    return record


def _write_dataset(
    outputs: Sequence[OutputsReference], cells: Sequence[Cell], store: Store, random: np.random.Generator
) -> None:
    dataset = outputs[0].dataset
    hardness = random.gamma(2.0, 1.0, dataset.samples)
    for skill, reference in zip(_SKILLS, outputs, strict=True):
        _write_predictions(store, reference, OUTPUTS["fp32"], skill / hardness, random)
    for cell in cells:
        predictions = cell.predictions
        if isinstance(predictions, OutputsReference):
            continue
        source = predictions.source if isinstance(predictions, MergeReference) else None
        if isinstance(source, CoefficientsReference):
            fit_coefficients.fn(source, store)
        elif isinstance(source, MixtureReference):
            fit_coefficients.fn(source.coefficients, store)
            fit_mixture.fn(source, store)
        elif isinstance(source, BinsReference):
            fit_coefficients.fn(source.coefficients, store)
            fit_bins.fn(source, store)
        _write_predictions(store, predictions, PREDICTIONS, random.uniform(2.4, 3.0) / hardness, random)


def _write_predictions(
    store: Store,
    reference: OutputsReference | MergeReference | EnsembleReference,
    schema: TableSchema,
    margin: Floats,
    random: np.random.Generator,
) -> None:
    """Write a table of predictions whose logits are noise, the label's with a margin of its own."""
    classes = reference.dataset.classes or 1
    for span in reference.dataset.spans:
        index = np.arange(*span)
        labels = (index % classes).astype(np.int32)
        logits = random.normal(0.0, 1.0, (len(index), classes))
        logits[np.arange(len(index)), labels] += margin[slice(*span)]
        columns: dict[str, Any] = {"sample_index": index, "label": labels}
        columns |= predict(log_probabilities(logits), labels)._asdict()
        widths = {}
        if schema.vectors:
            columns["logits"], widths = logits.astype(np.float32), {"logits": classes}
        key = keys.samples(reference.prefix, span)
        writer = TableWriter(store, key, schema, identity=reference.identity, widths=widths)
        writer.append(columns)
        writer.commit()
