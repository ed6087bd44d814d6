"""Identity: the same content, the same digest; anything that changes the content, another."""

import io

import pytest

from storage.identity import canonical_json, digest_of, digest_of_file
from tasks.datasets.preprocessing import Preprocessing
from tasks.references.coefficients import CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, spans
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference


def outputs(precision="fp32", **changes):
    model = {"name": "m", "url": "file:///m", "digest": "d" * 64, "temperature": 1.0, "architecture": None}
    preprocessing = Preprocessing(size=16, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")
    dataset = {"name": "n", "url": "file:///n", "group": "id", "digest": "e" * 16, "samples": 10, "classes": 3}
    dataset |= {"limit": None, "preprocessing": preprocessing}
    for key, value in changes.items():
        (model if key in model else dataset)[key] = value
    return OutputsReference(
        model=ModelReference(**model),
        dataset=DatasetReference(**dataset),
        head=None,
        precision=precision,
    )


def test_the_order_of_settings_does_not_matter():
    """One JSON text for one mapping."""
    assert digest_of({"a": 1, "b": [1.5, None]}) == digest_of({"b": [1.5, None], "a": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of({"a": float("nan")})


def test_a_file_is_known_by_its_content():
    """Known value of SHA-256, and one byte changes it."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of_file(io.BytesIO(b"")) == empty
    assert digest_of_file(io.BytesIO(b"a" * 3_000_000)) != digest_of_file(io.BytesIO(b"a" * 2_999_999 + b"b"))


@pytest.mark.parametrize(
    "change", [{"digest": "f" * 64}, {"temperature": 1.1}, {"precision": "bf16"}, {"architecture": "RN50"}]
)
def test_what_changes_outputs_changes_their_id(change):
    """Weights, temperature, precision, architecture."""
    assert outputs(**change).id != outputs().id


@pytest.mark.parametrize("change", [{"name": "other"}, {"url": "s3://elsewhere"}, {"group": "ood"}])
def test_what_does_not_change_outputs_does_not_change_their_id(change):
    """Names and addresses are not content."""
    assert outputs(**change).prefix == outputs().prefix


def test_derived_tables_follow_what_they_come_from():
    """Another seed, another mixture; another temperature, other coefficients, but the same static merge."""
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


def test_the_offset_of_three_models_is_no_difference():
    """It plays no part there, so it must not cause a recomputation."""
    three = tuple(outputs(digest=c * 64) for c in "abc")
    with_offset = CoefficientsReference(outputs=three, expertise="entropy", offset=True)
    assert with_offset.id == CoefficientsReference(outputs=three, expertise="entropy", offset=False).id


def test_spans_cover_everything_once():
    """The last one is short."""
    assert spans(20_000) == [(0, 8192), (8192, 16384), (16384, 20_000)]
    assert spans(1) == [(0, 1)]
