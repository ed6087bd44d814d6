"""The parts of a run as works of its schedule."""

import tiny

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.plan_parts import parts_of
from flows.planning.plan_works import spans_of, works_of
from storage.spans import Span
from storage.store import Store


def test_the_works_of_an_empty_store_are_all_samples(tmp_path):
    """Extraction and evaluation have all objects, fits and made models none; the passes are those of the parts."""
    experiment = load_experiment(tiny.experiment(tmp_path, samples=12, baselines=["individual", "ties/0.30"]))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")), shard=5)
    parts = parts_of(plan, on_pool=True)
    graph, spans = works_of(plan, parts), (Span(0, 5), Span(5, 10), Span(10, 12))
    assert {work.name for work in graph} == {part.name for part in parts}
    assert graph["extract one"].spans == graph["evaluate one"].spans == spans
    assert graph["extract one"].kind == "extract-outputs"
    assert graph["extract one"].passes == len(plan.outputs[0])
    assert (graph["fit one"].is_local, graph["fit one"].spans) == (True, ())
    assert (graph["make ties"].kind, graph["make ties"].spans) == ("merge-weights", ())
    assert set(graph["evaluate one"].after) == {"fit one", "make ties"}
    for part in parts:
        assert graph[part.name].passes * graph[part.name].samples in (part.passes, 0)
        assert spans_of(plan, part) == graph[part.name].spans
