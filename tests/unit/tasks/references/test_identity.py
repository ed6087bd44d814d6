"""Identity: the same content, the same digest; anything that changes the content, another."""

import io
from dataclasses import replace

import pytest

from storage.identity import canonical_json, digest_of, digest_of_file
from tasks.datasets.preprocessing import Preprocessing
from tasks.references.coefficients import CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference


def outputs(precision="fp32", **changes):
    model = {"name": "m", "url": "file:///m", "digest": "d" * 64, "temperature": 1.0, "architecture": None}
    preprocessing = Preprocessing(size=16, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")
    dataset = {"name": "n", "url": "file:///n", "group": "id", "digest": "e" * 16, "samples": 10, "classes": 3}
    dataset |= {"limit": None, "preprocessing": preprocessing, "shard": 8192}
    for key, value in changes.items():
        (model if key in model else dataset)[key] = value
    return OutputsReference(
        model=ModelReference(**model),
        scored=ScoredDataset(dataset=DatasetReference(**dataset), head=None, precision=precision),
    )


def test_the_order_of_settings_does_not_matter():
    """Equal mappings have one JSON text and one digest, and NaN has none."""
    assert digest_of({"a": 1, "b": [1.5, None]}) == digest_of({"b": [1.5, None], "a": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of({"a": float("nan")})


def test_a_file_is_known_by_its_content():
    """The digest of a file is its SHA-256, and one byte changes it."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of_file(io.BytesIO(b"")) == empty
    assert digest_of_file(io.BytesIO(b"a" * 3_000_000)) != digest_of_file(io.BytesIO(b"a" * 2_999_999 + b"b"))


@pytest.mark.parametrize(
    "change", [{"digest": "f" * 64}, {"temperature": 1.1}, {"precision": "bf16"}, {"architecture": "RN50"}]
)
def test_an_input_of_outputs_changes_their_id(change):
    """Other weights, another temperature, precision or architecture have other outputs."""
    assert outputs(**change).id != outputs().id


@pytest.mark.parametrize("change", [{"name": "other"}, {"url": "s3://elsewhere"}, {"group": "ood"}])
def test_names_and_addresses_do_not_change_outputs(change):
    """Equal content under another name, address or group lies at the same place."""
    assert outputs(**change).prefix == outputs().prefix


def test_tables_depend_on_the_tables_they_are_computed_from():
    """Another seed gives another mixture, another temperature other coefficients, but the same static merge."""
    pair = (outputs(), outputs(digest="f" * 64))
    warm = (outputs(temperature=2.0), outputs(digest="f" * 64))

    def coefficients(of):
        return CoefficientsReference(outputs=of, expertise="entropy", offset=True)

    def mixture(of, seed=1):
        return MixtureReference(coefficients=coefficients(of), components=3, seed=seed)

    assert mixture(pair).id != mixture(pair, seed=2).id
    assert mixture(pair).id != mixture(warm).id
    assert MergeReference(outputs=pair, source=(0.5, 0.5)).id == MergeReference(outputs=warm, source=(0.5, 0.5)).id
    assert (
        MergeReference(outputs=pair, source=mixture(pair)).id != MergeReference(outputs=warm, source=mixture(warm)).id
    )
    uniform = EnsembleReference(outputs=pair, weighting="uniform")
    assert uniform.id != EnsembleReference(outputs=warm, weighting="uniform").id
    assert uniform.id != EnsembleReference(outputs=pair, weighting="surest").id


def test_the_offset_of_three_models_makes_no_difference():
    """The offset is without effect there, so it causes no recomputation."""
    three = tuple(outputs(digest=c * 64) for c in "abc")
    with_offset = CoefficientsReference(outputs=three, expertise="entropy", offset=True)
    assert with_offset.id == CoefficientsReference(outputs=three, expertise="entropy", offset=False).id


def test_spans_cover_every_sample_once():
    """Objects hold 8,192 samples each, the last one the rest; another size is the data set's own."""
    assert outputs(samples=20_000).dataset.spans == [(0, 8192), (8192, 16384), (16384, 20_000)]
    assert outputs(samples=1).dataset.spans == [(0, 1)]
    assert outputs(samples=3, shard=2).dataset.spans == [(0, 2), (2, 3)]


def test_a_rule_fitted_on_other_samples_is_part_of_the_identity_and_makes_a_sample_independent_of_the_others():
    """Offset and components come from the other data set; then each sample's outputs decide its coefficients."""
    other, here = (tuple(outputs(digest=c * 64, samples=n) for c in "ab") for n in (10, 20))

    def coefficients(of, **changes):
        return CoefficientsReference(outputs=of, expertise="entropy", column="entropy", offset=True, **changes)

    fitted = MixtureReference(coefficients=coefficients(other), components=3, seed=1)
    own, applied = coefficients(here), coefficients(here, fitted_on=fitted.coefficients)
    assert own.id != applied.id
    assert (own.is_local, applied.is_local) == (False, True)
    mixture = MixtureReference(coefficients=applied, components=3, seed=1, fitted_on=fitted)
    assert mixture.id != replace(mixture, fitted_on=None).id
    assert mixture.components_key == fitted.components_key
    assert (mixture.is_local, replace(mixture, fitted_on=None).is_local) == (True, False)
    assert MergeReference(outputs=here, source=mixture).is_local
    assert not MergeReference(outputs=here, source=replace(mixture, coefficients=own)).is_local


def test_without_an_offset_nothing_is_fitted_to_other_samples():
    """Coefficients that have none are the same whatever data set they are said to be fitted on."""
    pair = (outputs(), outputs(digest="f" * 64))
    own = CoefficientsReference(outputs=pair, expertise="entropy", column="entropy", offset=False)
    assert replace(own, fitted_on=own).id == own.id
