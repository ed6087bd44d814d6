"""The cost of methods: passes, merged models and parameters by references, seconds by manifests."""

import numpy as np
import pytest

from storage import keys
from storage.manifests import read_manifest, write_manifest
from storage.schemas import BINS, COMPONENTS, PREDICTIONS
from storage.store import Store
from storage.tables import TableWriter
from tasks.datasets.preprocessing import Preprocessing
from tasks.evidence.cost import Cost, Costs, Measured, Needs, groups_of, joined, needs_of
from tasks.methods.weight_average import METHOD as AVERAGE
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.heads import FileReference
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference
from tasks.references.results import Cell

SAMPLES, PARAMETERS, HEAD = 50, 1000, 30


def outputs(count, *, head=None, digests="abcdefgh", **model):
    """Return the outputs of models on 50 samples, in objects of 30 samples."""
    pixels = Preprocessing(size=16, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")
    dataset = DatasetReference(
        **{"name": "n", "url": "n", "group": "id", "digest": "0" * 16, "samples": SAMPLES, "classes": 3},
        limit=None,
        preprocessing=pixels,
        shard=30,
    )
    scored = ScoredDataset(dataset=dataset, head=head, precision="fp32")
    settings = {"temperature": 1.0, "architecture": None, "parameters": PARAMETERS, "head_parameters": HEAD, **model}
    models = [ModelReference(name=f"m{i}", url=f"m{i}", digest=digests[i] * 64, **settings) for i in range(count)]
    return tuple(OutputsReference(model=model, scored=scored) for model in models)


def cell(predictions):
    return Cell(method="a-method", predictions=predictions, uses_labels=False)


def coefficients(of, **settings):
    return CoefficientsReference(**{"outputs": of, "expertise": "entropy", "offset": True, **settings})


def judge(of):
    average = AVERAGE.made_model(tuple(one.model for one in of))
    return OutputsReference(model=average.model, scored=of[0].scored)


def mixture(of, components=3):
    return MixtureReference(coefficients=coefficients(of), components=components, seed=1)


def test_one_model_costs_one_pass():
    """A model by itself runs once on every sample and merges nothing."""
    assert needs_of(cell(outputs(1)[0])) == Needs(1.0, 0, 0)


@pytest.mark.parametrize("count", [2, 8])
def test_a_static_merge_is_merged_once_and_runs_once(count):
    """However many models it is made of, one model has to be kept."""
    predictions = MergeReference(outputs=outputs(count), source=(1 / count,) * count)
    assert needs_of(cell(predictions)) == Needs(1.0, 1, 0)


def test_a_made_model_costs_as_much_as_a_static_merge():
    """TIES, soups and AdaMerging make their model before the first sample."""
    of = outputs(3)
    predictions = MergeReference(outputs=(of[0], judge(of)), source=(0.0, 1.0))
    assert needs_of(cell(predictions)) == Needs(1.0, 1, 0)


@pytest.mark.parametrize("count", [2, 8])
def test_an_ensemble_runs_every_model_and_keeps_them_all(count):
    """Each of M models runs on every sample; M − 1 of them are kept beside the first, with their heads."""
    of = outputs(count)
    wanted = Needs(float(count), 0, (count - 1) * (PARAMETERS + HEAD))
    assert needs_of(cell(EnsembleReference(outputs=of, weighting="uniform"))) == wanted
    assert needs_of(cell(EnsembleReference(outputs=of, weighting="surest"))) == wanted
    assert needs_of(cell(EnsembleReference(outputs=of, weighting=coefficients(of)))) == wanted


@pytest.mark.parametrize("count", [2, 8])
def test_clusters_and_bins_cost_one_pass_beside_those_of_the_judged_models(count):
    """The outputs of M models decide the coefficients, then one merged model runs; each group merges one."""
    of = outputs(count)
    kept = (count - 1) * (PARAMETERS + HEAD)
    assert needs_of(cell(MergeReference(outputs=of, source=mixture(of)))) == Needs(count + 1.0, 3, kept)
    bins = BinsReference(coefficients=coefficients(of), bins=64, seed=1)
    assert needs_of(cell(MergeReference(outputs=of, source=bins))) == Needs(count + 1.0, 64, kept)
    assert needs_of(cell(MergeReference(outputs=of, source=bins)), groups=17) == Needs(count + 1.0, 17, kept)


@pytest.mark.parametrize("count", [2, 8])
def test_a_model_for_each_sample_costs_a_pass_for_each_model_that_it_is_merged_of(count):
    """M products take the place of one in every layer; the coefficients cost M passes more."""
    of = outputs(count)
    kept = (count - 1) * (PARAMETERS + HEAD)
    assert needs_of(cell(MergeReference(outputs=of, source=coefficients(of)))) == Needs(2.0 * count, SAMPLES, kept)


def test_random_coefficients_need_no_pass():
    """Nothing is judged, so that only the merged models run."""
    of = outputs(2)
    drawn = coefficients(of, expertise="random/uniform", offset=False, seed=1, version=1)
    assert needs_of(cell(MergeReference(outputs=of, source=drawn))) == Needs(2.0, SAMPLES, PARAMETERS + HEAD)


def test_task_vectors_are_judged_without_the_base_which_is_kept_all_the_same():
    """Three models, two of them fine-tuned: two are judged, and all three are merged and kept."""
    of = outputs(3)
    scaled = MergeReference(outputs=of, source=coefficients(of[1:]), scale=0.3)
    assert needs_of(cell(scaled)) == Needs(2.0 + 3.0, SAMPLES, 2 * (PARAMETERS + HEAD))


def test_a_judge_is_one_model_more_that_runs_is_merged_and_is_kept():
    """The weight average, whose predictions serve as labels, is a model of its own."""
    of = outputs(2)
    judged = coefficients(of, expertise="loss-merged", judge=judge(of))
    kept = 2 * (PARAMETERS + HEAD)
    assert needs_of(cell(MergeReference(outputs=of, source=judged))) == Needs(5.0, SAMPLES + 1, kept)
    assert needs_of(cell(EnsembleReference(outputs=of, weighting=judged))) == Needs(3.0, 1, kept)


def test_a_head_that_all_models_share_is_kept_once():
    """A head from a file of its own belongs to no model, so that only towers are kept."""
    of = outputs(2, head=FileReference(url="head", digest="9" * 64))
    assert needs_of(cell(EnsembleReference(outputs=of, weighting="uniform"))).extra_parameters == PARAMETERS


def test_one_checkpoint_under_two_names_is_one_model():
    """It runs once, and nothing is kept beside it."""
    of = outputs(2, digests="aa")
    assert needs_of(cell(EnsembleReference(outputs=of, weighting="uniform"))) == Needs(1.0, 0, 0)


def test_a_cost_that_references_cannot_say_is_refused():
    """Parameters that nobody counted and a number of clusters that BIC decides are never guessed."""
    of = outputs(2, parameters=None)
    with pytest.raises(ValueError, match="model m0: wanted its number of parameters"):
        needs_of(cell(EnsembleReference(outputs=of, weighting="uniform")))
    of = outputs(2)
    auto = cell(MergeReference(outputs=of, source=mixture(of, "auto")))
    with pytest.raises(ValueError, match="clusters by BIC: wanted their number"):
        needs_of(auto)
    assert needs_of(auto, groups=4).merged_models == 4


def commit(store, table, measured, *, spans=None):
    """Commit a table of predictions whose manifests hold measurements, one for each object."""
    for span, found in zip(spans or table.dataset.spans, measured, strict=True):
        key = keys.samples(table.prefix, span)
        writer = TableWriter(store, key, PREDICTIONS, identity={"of": table.prefix})
        zeros = np.zeros(span.length)
        whole = {"sample_index": np.arange(*span), **dict.fromkeys(("label", "prediction", "label_rank"), zeros)}
        whole = {
            name: values.astype(np.int64 if name == "sample_index" else np.int32) for name, values in whole.items()
        }
        writer.append({**whole, **dict.fromkeys(("loss", "entropy", "confidence", "sum_of_squares"), zeros)})
        writer.commit(found)


def took(seconds, device="cpu"):
    return {"seconds": seconds, "device": device, "samples": 1}


def test_seconds_are_those_of_the_predictions_and_of_all_outputs_that_they_need(tmp_path):
    """The measurements of all objects add up; each second is counted once, whichever run it was spent in."""
    store, of = Store(str(tmp_path)), outputs(2)
    merge = MergeReference(outputs=of, source=mixture(of))
    ensemble = EnsembleReference(outputs=of, weighting=coefficients(of))
    for table, seconds in ((of[0], 1.0), (of[1], 2.0), (merge, 4.0), (ensemble, 0.25)):
        commit(store, table, [took(seconds), took(seconds / 2)])
    costs = Costs(store)
    assert costs.measured(cell(of[1])) == Measured(3.0, "cpu")
    assert costs.measured(cell(merge)) == Measured(10.5, "cpu")
    assert costs.measured(cell(ensemble)) == Costs(store).measured(cell(ensemble)) == Measured(4.875, "cpu")


def test_static_merges_and_random_coefficients_need_no_outputs(tmp_path):
    """Their predictions alone count, though the models' outputs are in the store too."""
    store, of = Store(str(tmp_path)), outputs(2)
    static = MergeReference(outputs=of, source=(0.5, 0.5))
    drawn = MergeReference(outputs=of, source=coefficients(of, offset=False, seed=1))
    for table in (*of, static, drawn):
        commit(store, table, [took(1.0), took(1.0)])
    assert Costs(store).measured(cell(static)).seconds == 2.0
    assert Costs(store).measured(cell(drawn)).seconds == 2.0


def test_objects_of_several_devices_name_them_all(tmp_path):
    """A data set whose spans were computed on two GPUs and a processor says so."""
    store, of = Store(str(tmp_path)), outputs(2)
    commit(store, of[0], [took(1.0, "NVIDIA L4"), took(1.0, "NVIDIA H100")])
    commit(store, of[1], [took(1.0, "NVIDIA L4"), took(1.0)])
    found = Costs(store).measured(cell(EnsembleReference(outputs=of, weighting="uniform")))
    assert found == Measured(None, None)  # the ensemble itself was not computed
    commit(store, EnsembleReference(outputs=of, weighting="uniform"), [took(1.0), took(1.0)])
    found = Costs(store).measured(cell(EnsembleReference(outputs=of, weighting="uniform")))
    assert found == Measured(6.0, "NVIDIA L4 + NVIDIA H100 + cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"seconds": 1.0},
        {"device": "cpu"},
        took("1.0"),
        took(True),
        took(-1.0),
        took(float("nan")),
        took(1.0, device=None),
    ],
)
def test_seconds_that_were_not_measured_are_not_made_up(tmp_path, wrong):
    """One object without a measurement, or with an impossible one, leaves the whole unknown."""
    store, of = Store(str(tmp_path)), outputs(1)
    commit(store, of[0], [took(1.0), took(1.0)])
    key = keys.samples(of[0].prefix, of[0].dataset.spans[1])
    manifest = read_manifest(store, key)
    write_manifest(store, type(manifest)(**{**vars(manifest), "measured": wrong}))
    assert Costs(store).measured(cell(of[0])) == Measured(None, None)


def test_an_object_that_is_missing_leaves_the_whole_unknown(tmp_path):
    """Half of the samples say nothing about all of them."""
    store, of = Store(str(tmp_path)), outputs(1)
    commit(store, of[0], [took(1.0)], spans=of[0].dataset.spans[:1])
    assert Costs(store).measured(cell(of[0])) == Measured(None, None)


def test_groups_without_samples_merge_nothing(tmp_path):
    """Clusters that no sample was assigned to, and bins that no sample lies in, are not counted."""
    store, of = Store(str(tmp_path)), outputs(2)
    source = mixture(of, "auto")
    writer = TableWriter(
        store, source.components_key, COMPONENTS, identity={}, widths={"concentration": 2, "coefficients": 2}
    )
    numbers = dict.fromkeys(("weight", "lower_bound", "bic"), [0.0] * 3)
    writer.append(
        {
            **numbers,
            "component": [0, 1, 2],
            "samples": [20, 0, 30],
            "iterations": [1] * 3,
            "converged": [True] * 3,
            **dict.fromkeys(("concentration", "coefficients"), [[0.5, 0.5]] * 3),
        }
    )
    writer.commit()
    bins = BinsReference(coefficients=coefficients(of), bins=64, seed=1)
    key = keys.samples(bins.prefix, bins.dataset.whole)
    writer = TableWriter(store, key, BINS, identity={}, widths={"coefficients": 2})
    indices = range(SAMPLES)
    writer.append({"sample_index": indices, "bin": [i % 7 for i in indices], "coefficients": [[0.5, 0.5]] * SAMPLES})
    writer.commit()
    assert groups_of(MergeReference(outputs=of, source=source), store) == 2
    assert groups_of(MergeReference(outputs=of, source=bins), store) == 7
    assert groups_of(of[0], store) is None
    found = Costs(store).of(cell(MergeReference(outputs=of, source=bins)))
    assert found == Cost(SAMPLES, 3.0, 7, PARAMETERS + HEAD, None, None)


def test_the_mean_over_data_sets_weighs_passes_by_samples_and_adds_up_seconds():
    """Images a second are all images over all seconds, and no mean of rates."""
    one = Cost(100, 3.0, 3, 500, 10.0, "cpu")
    two = Cost(300, 5.0, 200, 700, 15.0, "cpu")
    assert joined([one, two]) == Cost(400, 4.5, 203, 700, 25.0, "cpu")
    assert joined([one, two]).columns["images_per_second"] == 16.0
    assert joined([one]) == one
    unmeasured = joined([one, two._replace(seconds=None, device=None)])
    assert unmeasured == Cost(400, 4.5, 203, 700, None, None)
    assert unmeasured.columns["images_per_second"] is None


def test_one_merged_model_for_all_data_sets_is_merged_once():
    """It leaves nothing to keep but itself; models that depend on the samples are merged for each data set."""
    static, dynamic = Cost(100, 1.0, 1, 0, 10.0, "cpu"), Cost(100, 3.0, 3, 500, 10.0, "cpu")
    assert joined([static, static]).merged_models == 1
    assert joined([dynamic, dynamic]).merged_models == 6
