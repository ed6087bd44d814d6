"""Upgrading of outputs: the columns of today's form come from the former logits, as a forward pass would give them."""

import numpy as np
import pytest
from damage import flipped
from former_store import FORMER_OUTPUTS, former_identity, former_place
from log_lines import heard

from storage import keys
from storage.manifests import read_manifest
from storage.schemas import OUTPUTS
from storage.soundness import missing_spans
from storage.store import Store
from storage.tables import TableWriter, read_table, vectors
from tasks.datasets.label_spaces import project
from tasks.datasets.preprocessing import Preprocessing
from tasks.numerics.entropy import log_probabilities
from tasks.opening.former_outputs import former_prefix, former_spans
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.streaming.sinks import scored
from tasks.upgrading import upgrade_outputs

SAMPLES, GROUPS = 2500, ((0, 2), (3,), (1, 4, 5))


def outputs(*, logits="fp32", temperature=1.0, **dataset):
    """Return one model's outputs on 2,500 samples, in objects of 1,500: the first one takes two row groups."""
    pixels = Preprocessing(size=16, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")
    found = DatasetReference(
        **{"name": "n", "url": "n", "group": "id", "digest": "0" * 16, "samples": SAMPLES, "classes": 3, "limit": None},
        preprocessing=pixels,
        shard=1500,
        **dataset,
    )
    model = ModelReference(name="m", url="m", digest="d" * 64, temperature=temperature, architecture=None)
    return OutputsReference(
        model=model, scored=ScoredDataset(dataset=found, head=None, precision="fp32", logits=logits)
    )


def computed(reference, labels):
    """Return the columns of a forward pass in today's form, in float64 as a sink computes them."""
    given = np.random.default_rng(1).normal(0, 8, (SAMPLES, 6)).astype(np.float32).astype(np.float64)
    given = project(given, reference.dataset.groups or ((0,), (1,), (2,)))
    columns = scored(log_probabilities(given, reference.model.temperature), labels)
    kind = {"fp32": np.float32, "fp16": np.float16}[reference.scored.logits]
    return {"sample_index": np.arange(SAMPLES), **columns, "logits": given.astype(kind)}


def write_former(store, reference, columns):
    """Write the objects of a table in the former form."""
    schema = FORMER_OUTPUTS[reference.scored.logits]
    for span in reference.dataset.spans:
        key = keys.samples(former_place(reference), span)
        writer = TableWriter(store, key, schema, identity=former_identity(reference), widths={"logits": 3})
        writer.append({name: columns[name][slice(*span)] for name in schema.arrow({"logits": 3}).names})
        writer.commit()


LABELS = np.arange(SAMPLES, dtype=np.int32) % 3


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({}, LABELS),
        ({"temperature": 2.5}, LABELS),
        ({"label_space": "imagenet-r", "groups": GROUPS}, LABELS),
        ({"classes": None}, np.full(SAMPLES, -1, np.int32)),
        ({"temperature": 0.3}, np.where(LABELS == 1, -1, LABELS)),
    ],
)
def test_upgraded_outputs_are_those_of_a_forward_pass(tmp_path, settings, labels):
    """Every column agrees to 1e-12, with a temperature, a label space, and images that have no labels."""
    settings = dict(settings)
    if "classes" in settings:
        reference = outputs()
        object.__setattr__(reference.scored.dataset, "classes", settings.pop("classes"))
    else:
        reference = outputs(**settings)
    store, fresh = Store(str(tmp_path)), computed(reference, labels)
    write_former(store, reference, fresh)
    assert upgrade_outputs.fn([reference], store) == (SAMPLES, 0)
    for span in reference.dataset.spans:
        key = keys.samples(reference.prefix, span)
        found = read_table(store, key, OUTPUTS["fp32"])
        manifest = read_manifest(store, key)
        assert (manifest.version, manifest.identity, manifest.measured) == (2, reference.identity, {})
        assert np.array_equal(vectors(found["logits"]), fresh["logits"][slice(*span)])
        for name in set(fresh) - {"logits"}:
            wanted = fresh[name][slice(*span)]
            nulls = np.ma.getmaskarray(wanted)
            assert np.array_equal(found[name].is_null().to_numpy(), nulls), name
            got = found[name].fill_null(0).to_numpy()
            assert got[~nulls] == pytest.approx(np.ma.getdata(wanted)[~nulls], abs=1e-12, rel=1e-12), name
    assert upgrade_outputs.fn([reference], store) == (0, SAMPLES)


def test_rounded_logits_are_not_upgraded(tmp_path):
    """Logits in float16 would give confidences of rounded logits, so a forward pass computes them again."""
    store, reference = Store(str(tmp_path)), outputs(logits="fp16")
    write_former(store, reference, computed(reference, LABELS))
    assert former_spans(reference, reference.dataset.spans, store) == []
    assert upgrade_outputs.fn([reference], store) == (0, SAMPLES)
    assert missing_spans(store, reference.prefix, reference.dataset.spans) == reference.dataset.spans


def test_a_damaged_former_object_is_left_to_a_forward_pass(tmp_path):
    """A flipped bit is seen by its digest, and the other objects are upgraded all the same."""
    store, reference = Store(str(tmp_path)), outputs()
    write_former(store, reference, computed(reference, LABELS))
    first, second = reference.dataset.spans
    key = keys.samples(former_prefix(reference), first)
    store.replace(key, flipped(store.read(key)))
    assert former_spans(reference, [first, second], store) == [second]
    assert upgrade_outputs.fn([reference], store) == (second.length, first.length)
    assert missing_spans(store, reference.prefix, [first, second]) == [first]


def test_an_upgrade_is_logged_in_one_line(tmp_path):
    """The line names the data set and counts the predictions; without an upgrade nothing is logged."""
    store, references = Store(str(tmp_path)), [outputs(), outputs(temperature=2.0)]
    for reference in references:
        write_former(store, reference, computed(reference, LABELS))
    with heard("dawin.upgrading") as lines:
        upgrade_outputs.fn(references, store)
        upgrade_outputs.fn(references, store)
    name = references[0].dataset.name
    assert lines == [f"upgraded: outputs of an earlier dawin on {name}, 5000 predictions, without a forward pass"]
