"""The registry of methods: names and members, refusals with reasons, and the references that cells lie in."""

import json
import re

import pytest
import tiny

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from storage.store import Store
from tasks.methods.greedy_soup import GreedySoupOptions
from tasks.methods.method import Context, Setup
from tasks.methods.registry import METHODS, fault, matching
from tasks.references.predictions import EnsembleReference, MergeReference


def setup(models="ab", held_out=None):
    options = {"greedy-soup": GreedySoupOptions(held_out=held_out)}
    return Setup(models=tuple(models), datasets=("held",), options=options)


def names(name):
    return [member.name for member in matching(name, setup())]


def test_a_family_stands_for_its_members():
    """A family's name gives all members, a member's name itself, and an unknown name nothing."""
    assert names("individual") == ["individual/a", "individual/b"]
    assert names("wise-ft")[0::5] == ["wise-ft/0.00", "wise-ft/0.50", "wise-ft/1.00"]
    assert names("wise-ft/0.30") == ["wise-ft/0.30"]
    assert names("wise-ft/0.35") == []
    assert names("task-arithmetic")[0::9] == ["task-arithmetic/0.10", "task-arithmetic/1.00"]
    assert names("ties/0.35") == ["ties/0.35"]
    assert names("ties/0.3") == []
    assert names("ties/٣.٣٣") == []
    assert names("uniform-soup/") == []
    assert names("nothing") == []


@pytest.mark.parametrize(
    ("name", "models", "held_out", "message"),
    [
        ("greedy-soup", "ab", None, "greedy-soup needs a labelled data set to choose by: set methods.greedy-soup.held"),
        ("greedy-soup", "ab", "other", "needs a data set to choose by, got .*held_out=other; known: held"),
        ("model-stock", "ab", None, "model-stock needs at least two models beside the base, got 1"),
        ("random/gaussian-0.5", "abc", None, "draws one number per sample, so it needs two models, got 3"),
        ("random", "abc", None, "random draws one number per sample"),
        ("ties/x", "abc", None, "no method 'ties/x'; .*ties of this experiment: ties/0.10"),
        ("dawin", "ab", None, "no method 'dawin'; known: individual"),
    ],
)
def test_a_method_that_makes_no_sense_is_refused_with_the_reason(name, models, held_out, message):
    """The message names the method, the reason, and the methods that exist."""
    assert re.search(message, fault(name, setup(models, held_out)))


def test_methods_that_make_sense_have_no_fault():
    """With three models and a held-out data set every family but the normal distributions of `random` is accepted."""
    families = {name for name, method in METHODS.items() if method.is_baseline} - {"random"}
    assert not any(fault(name, setup("abc", "held")) for name in families)
    assert fault("random/uniform", setup("abc")) is None
    assert fault("random", setup("ab")) is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("methods.tie.keep=0.3", r"methods.tie: no method 'tie'; did you mean ties\?"),
        (
            "methods.oracle.keep=0.3",
            "methods.oracle: oracle has no options; methods with options are ties",
        ),
        ("methods.ties.keep=0.3", "methods.ties: options of a method that baselines does not name"),
        ("methods.ties.share=0.3", "methods.ties.share: no such setting"),
        ("methods.ties.keep=2", "methods.ties.keep: wanted a number above 0, at most 1, got 2"),
    ],
)
def test_options_of_a_method_are_checked(tmp_path, override, message):
    """Unknown methods, methods without options or not asked for, unknown options and bad values are refused."""
    with pytest.raises(ExperimentError, match=message):
        load_experiment(tiny.experiment(tmp_path), (override,))


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("baselines=[ties, greedy-soup]", "methods.ties.keep=0.3", "methods.greedy-soup.held_out=one"),
    ],
)
def test_an_experiment_is_read_back_as_it_was_written(tmp_path, overrides):
    """As parameters of a flow run on a worker, settings come back equal, with the options that the file gives."""
    experiment = load_experiment(tiny.experiment(tmp_path), overrides)
    assert Experiment.model_validate_json(json.dumps(experiment.model_dump(mode="json"))) == experiment


def test_equal_merges_are_one(tmp_path):
    """With all weight on one model a merge is that model's outputs; wise-ft/0.50 of two models is their average."""
    experiment = load_experiment(tiny.experiment(tmp_path))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")))
    outputs = plan.outputs[0]
    context = Context(
        setup=experiment.setup,
        outputs=outputs,
        coefficients=plan.coefficients(plan.datasets[0])[0],
        scale=None,
        everywhere=(outputs[0].scored,),
    )

    def cell(name):
        (member,) = matching(name, experiment.setup)
        return member.cell(context)

    def predictions(name):
        return cell(name).predictions

    assert predictions("wise-ft/0.00") == predictions("individual/base") == outputs[0]
    assert predictions("wise-ft/1.00") == predictions("individual/tuned")
    assert predictions("wise-ft/0.50").id == predictions("weight-average").id
    assert isinstance(predictions("wise-ft/0.30"), MergeReference)
    assert isinstance(predictions("classifier-selection"), EnsembleReference)
    assert predictions("output-ensemble/uniform").id != predictions("output-ensemble/dynamic").id
    assert cell("oracle/samples").uses_labels


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_every_method_documents_itself(method):
    """Each family has a title, a summary of one sentence, and a version; a paper names venue, year and address."""
    assert method.title
    assert method.summary.endswith(".")
    assert "\n" not in method.summary
    assert method.version >= 1
    if method.paper:
        assert method.paper.year >= 2020
        assert method.paper.url.startswith("https://arxiv.org/abs/")
