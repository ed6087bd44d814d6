"""Output ensembles of different models on one data set, evaluated together or alone."""

import pytest
import tiny
from runs import run

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage import keys
from storage.schemas import PREDICTIONS
from storage.store import Store
from storage.tables import read_samples
from tasks.ensembling import evaluate_ensembles
from tasks.references.predictions import EnsembleReference

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def test_ensembles_of_different_models_do_not_mix(tmp_path):
    """An ensemble's predictions are the same whether it is evaluated alone or beside one of other models."""
    models = [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned", "third")]
    file, store = tiny.experiment(tmp_path, samples=12, models=models), str(tmp_path / "store")
    tiny.checkpoint(tmp_path / "third.pt", 3)
    settings = ("baselines=[individual]", "merge.granularity=[]")
    run(file, store, *settings)
    outputs = checked_plan(load_experiment(file, settings), Store(store)).outputs[0]
    few, all_models = (EnsembleReference(outputs=o, weighting="uniform") for o in (outputs[1:], outputs))

    def losses(ensembles):
        for key in list(Store(store).keys("predictions")):
            Store(store).delete(key)
        evaluate_ensembles.fn(ensembles, Store(store))
        found = [read_samples(Store(store), e.prefix, PREDICTIONS, ["loss"])["loss"].to_pylist() for e in ensembles]
        assert all(keys.is_samples(key) for key in Store(store).keys("predictions") if keys.is_table(key))
        return found

    assert losses([few, all_models]) == [losses([few])[0], losses([all_models])[0]]
