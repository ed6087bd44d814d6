"""The model card: valid metadata, numbers of the store alone, and sentences about everything that was not measured."""

import re
from datetime import UTC, datetime
from pathlib import Path

import exported
import pytest
import yaml
from huggingface_hub import ModelCard

from flows.exporting.card_text import AUTHORS
from flows.exporting.model_card import card_content, write_card
from storage.store import Store

ROWS = [
    exported.row(),
    exported.row("nll", 1.2345678901234567),
    exported.row("coefficient_error_mean", 0.0312345, ci_low=None, ci_high=None),
    exported.row("top1", 0.25, method="wise-ft/0.50", samples_id="f" * 16),
]
STATIC = {"method": "wise-ft/0.50", "kind": "static", "coefficients": [[0.5, 0.5]], "predictions_id": "f" * 16}


@pytest.fixture
def store(memory):
    return Store(memory)


def card_of(store, **changes):
    """Return a card as the Hub's library reads it."""
    return ModelCard(card_content(exported.record(**changes), store))


def by_metric(card):
    """Return the entries of the model-index by data set and the name that results give the metric."""
    return {(one.dataset_name, one.metric_args["metric"]): one for one in card.data.eval_results or []}


def test_the_metadata_hold_every_measured_metric_of_the_method_exactly(store):
    """Values, intervals and numbers of samples are the stored ones, to the last digit; other methods are absent."""
    exported.commit(store, ROWS)
    found = by_metric(card_of(store))
    assert found.keys() == {("clean", "top1"), ("clean", "nll"), ("clean", "coefficient_error_mean")}
    for wanted in ROWS[:3]:
        one = found["clean", wanted["metric"]]
        assert one.metric_value == wanted["value"]
        assert one.metric_args.get("ci_low") == wanted["ci_low"]
        assert one.metric_args.get("ci_high") == wanted["ci_high"]
        assert one.metric_args["samples"] == wanted["samples"]
        assert (one.metric_args["run_id"], one.dataset_revision) == ("r1", "d-clean")
    assert found["clean", "top1"].metric_type == "accuracy"
    assert "95 % interval 0.7806 to 0.8406, n = 797" in found["clean", "top1"].metric_name


def test_without_results_the_card_says_so_and_has_no_model_index(store):
    """An empty store is no error, and nor are results of other predictions."""
    for _ in range(2):
        card = card_of(store)
        assert "model-index" not in card.data.to_dict()
        assert "Nothing was measured" in card.text
        assert "%" not in card.text.partition("## Results")[2].partition("## How")[0]
        exported.commit(store, [exported.row(samples_id="another")])


def test_rows_are_those_of_the_recorded_run_else_of_the_latest_run_with_the_same_predictions(store):
    """The card names the run; a later run with other predictions is passed over."""
    for number, (run, changes) in enumerate({"r1": {}, "r2": {}, "r3": {"samples_id": "other"}}.items(), 1):
        at = datetime(2026, 1, number, tzinfo=UTC)
        exported.commit(store, [exported.row(value=number / 10, created_at=at, **changes)], run)
    for recorded, run, value in (("r1", "r1", 0.1), (None, "r2", 0.2), ("r3", "r2", 0.2), ("gone", "r2", 0.2)):
        card = card_of(store, run_id=recorded)
        assert by_metric(card)["clean", "top1"].metric_value == value
        assert f"from run `{run}` of experiment `digits`" in card.text
    exported.commit(store, [exported.row(value=0.4)], "r4")
    assert by_metric(card_of(store))["clean", "top1"].metric_value == 0.4


def test_numbers_of_weights_fitted_elsewhere_are_in_the_text_alone(store):
    """A mixture is fitted to each data set; the card marks the others, and a mean over both is one of them."""
    other = {"dataset": "sketch", "samples_id": "e" * 16, "dataset_digest": "d-sketch"}
    mean = {"dataset": "mean/all", "samples_id": None, "dataset_digest": None, "group": "all"}
    rows = [
        exported.row(value=0.4, **other),
        exported.row(),
        exported.row(value=0.6, **{**mean, "datasets": ["clean", "sketch"]}),
        exported.row(value=0.7, **{**mean, "dataset": "mean/id", "datasets": ["clean"]}),
    ]
    exported.commit(store, rows)
    card = card_of(store)
    assert {name for name, _ in by_metric(card)} == {"clean"}
    own, _, elsewhere = card.text.partition("### The same method elsewhere")
    assert "`mean/id`" in own
    assert "81.18" in own
    assert "`sketch`" not in own
    assert "`mean/all`" in elsewhere
    assert "40.00" in elsewhere
    assert "were not measured there" in elsewhere


def test_estimates_are_marked_and_apart(store):
    """Their names say it in the metadata, and they have a table of their own, after the measured numbers."""
    exported.commit(store, [exported.row("top1_estimated", 0.9), exported.row()])
    card = card_of(store)
    first, second = card.data.eval_results
    assert (first.metric_type, second.metric_type) == ("accuracy", "top1_estimated")
    assert "estimated without labels" in second.metric_name
    assert second.metric_args["is_estimated"] is True
    assert "is_estimated" not in first.metric_args
    measured, _, estimated = card.text.partition("### Estimates without labels")
    assert "90.00" not in measured
    assert "90.00" in estimated


def test_a_method_that_uses_labels_is_marked_in_the_metadata_and_in_the_text(store):
    """So that nobody compares an oracle with a method."""
    exported.commit(store, [exported.row(uses_labels=True)])
    card = card_of(store)
    (one,) = card.data.eval_results
    assert "uses labels" in one.metric_name
    assert one.metric_args["uses_labels"] is True
    assert "(uses labels)" in card.text
    assert "This method uses the true labels" in card.text


def test_a_doubt_about_a_data_set_stands_below_the_table(store):
    """Results carry it as a note."""
    exported.commit(store, [exported.row(note="3 samples, the catalogue says 4")])
    assert "`clean`: 3 samples, the catalogue says 4." in card_of(store).text


@pytest.mark.parametrize("run", ["missing", "damaged"])
def test_damaged_results_are_an_error_and_missing_ones_are_not(tmp_path, run):
    """A card never leaves out numbers because of a disk."""
    from storage.errors import StorageError

    store = Store(str(tmp_path / "store"))
    exported.commit(store, ROWS)
    (file,) = (tmp_path / "store" / "results").rglob("*.parquet")
    if run == "damaged":
        file.write_bytes(b"x" * file.stat().st_size)
        with pytest.raises(StorageError, match="damaged"):
            card_content(exported.record(run_id="r1"), store)
    else:
        assert "Nothing was measured" in card_content(exported.record(experiment="another"), store)


HOSTILE = [
    "a|b",
    "a: b\n---\nlicense: mit",
    "'\"`<b>\\",
    "\u202e\x1b[2J",
    "- x\t#{}[]&*!",
    "\ud800",
    "~",
    "null",
    "1e3",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_break_neither_the_metadata_nor_a_table(store, hub_api, name):
    """Names of models, data sets, classes, methods, addresses and software: the card validates, tables keep shape."""
    models = [{"name": name, "url": f"s3://bucket/{name}", "digest": "a" * 64, "temperature": 1.0}] * 2
    stored = name.encode("utf-8", "replace").decode()
    exported.commit(store, [exported.row(dataset=stored, group=stored, note=stored)])
    made = {"method": name, "options": {name: name}, "models": [name, name]}
    content = card_content(
        exported.record(
            dataset=name, models=models, made=made, architecture=name, command=f"dawin export '{name}", run_id=name,
            software={name: name}, classes=[name], dataset_digest=name,
            preprocess={**exported.record()["preprocess"], "interpolation": name},
        ),
        store,
    )  # fmt: skip
    card = ModelCard(content)
    card.validate()
    assert card.data.license == "other"
    assert isinstance(card.data.eval_results[0].dataset_name, str)
    for block in re.split(r"\n\n", card.text):
        if block.startswith("| "):
            bars = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in block.splitlines()}
            assert len(bars) == 1
    assert not set(content) & {"\x1b", "\u202e"}
    assert content.encode()


def test_no_private_place_is_in_the_card(store):
    """Local files are shown by name, and no query of a signed address appears."""
    models = [
        {"name": "a", "url": "file:///home/somebody/a.pt", "digest": "a" * 64, "temperature": 1.0},
        {"name": "b", "url": "https://host/b.pt?X-Amz-Signature=5ecret", "digest": "b" * 64, "temperature": 1.0},
        {"name": "c", "url": "s3://KEY:5ecret@bucket/c.pt", "digest": "c" * 64, "temperature": 1.0},
    ]
    command = "dawin export /home/somebody/my.yaml --store https://host/s?X-Amz-Signature=5ecret"
    text = card_content(exported.record(models=models, command=command), store)
    assert "`a.pt`" in text
    assert "`https://host/b.pt`" in text
    assert "bucket/c.pt" in text
    for private in ("somebody", "5ecret", "KEY", "X-Amz"):
        assert private not in text


@pytest.mark.parametrize(
    ("urls", "bases"),
    [
        (["hf://org/clip/a.safetensors", "hf://org/tuned"], ["org/clip", "org/tuned"]),
        (["hf://org/clip", "s3://bucket/tuned.pt"], ["org/clip"]),
        (["s3://bucket/base.pt", "hf://org/tuned"], None),
        (["hf://datasets/org/x", "hf://org/tuned"], None),
    ],
)
def test_base_models_are_named_where_the_base_lies_on_the_hub(store, urls, bases):
    """Then the relation is a merge; without, the metadata have neither field."""
    models = [{"name": f"m{i}", "url": url, "digest": "a" * 64, "temperature": 1.0} for i, url in enumerate(urls)]
    data = card_of(store, models=models).data.to_dict()
    assert data.get("base_model") == bases
    assert data.get("base_model_relation") == ("merge" if bases else None)


@pytest.mark.parametrize(
    ("files", "library", "tags"),
    [
        (["model.safetensors", "config.json"], "transformers", ["transformers", "safetensors"]),
        (["open_clip_model.safetensors"], "open_clip", ["open_clip", "safetensors"]),
        (["cluster-0/model.safetensors", "dawin.onnx"], None, ["onnx", "safetensors"]),
    ],
)
def test_the_library_is_the_one_that_loads_the_folder_itself(store, files, library, tags):
    """A model in a folder below is no model of the repository for the Hub."""
    data = card_of(store, files=dict.fromkeys(files, "0" * 64)).data
    assert data.get("library_name") == library
    assert data.tags == ["dawin", "merge", "clip", "image-classification", *tags]
    assert data.pipeline_tag == "image-classification"


def test_the_text_names_sources_recipe_files_command_and_papers(store):
    """Everything that a reader needs to know how the folder came about, and how to use it."""
    text = card_of(store).text
    for part in ("| `base` | `s3://bucket/base.pt` | `aaaa", "0.9576", "| 0 | 0.25 | 0.75 |", "ViT-B-32-quickgelu"):
        assert part in text
    for part in ('load_file("checkpoint.safetensors")', "from router import Router", "open_clip"):
        assert (part in text) == (part != "open_clip")
    assert "$ dawin export digits.yaml --method dawin/clusters-2 -o out" in text
    assert "- torch 2.15.0" in text
    assert "224 × 224 pixels" in text
    assert "does not pay where one model is best everywhere" in text
    static = card_of(store, **STATIC).text
    assert "does not pay" not in static
    assert "Robust fine-tuning of zero-shot models" in static


def test_many_coefficients_and_values_do_not_flood_the_page(store):
    """The first rows of a table of coefficients are shown, and long tables are folded away."""
    names = [f"set-{number}" for number in range(60)]
    ids = {"method": "wise-ft/0.50", "samples_id": "f" * 16}
    exported.commit(store, [exported.row("nll", 1.0, dataset="clean", **ids), exported.row(**ids)])
    many = card_of(store, kind="bins", coefficients=[[0.5, 0.5]] * 64).text
    assert "The other 48 rows are in `dawin.json`." in many
    exported.commit(store, [exported.row(f"m{name}", 1.0) for name in names], "r2")
    assert "<summary>60 values</summary>" in card_of(store).text


def test_the_licence_is_a_visible_placeholder(store, hub_api):
    """The Hub accepts it, and the text tells the owner to replace it."""
    card = card_of(store)
    card.validate()
    assert (card.data.license, card.data.license_name) == ("other", "fill-me-in")
    assert "has to replace `license_name: fill-me-in`" in card.text
    assert len(hub_api.sent("/api/validate-yaml")) == 1


def test_the_stand_in_refuses_metadata_that_are_not_valid(hub_api):
    """So that the validation of the other tests can fail."""
    for content in ("---\nlicense: nobody-knows\n---\n", "---\nlicense: mit\nmodel-index:\n- name: x\n---\n", "text"):
        with pytest.raises((ValueError, KeyError)):
            ModelCard(content).validate()


def test_the_authors_are_those_of_the_citation_file():
    """CITATION.cff is the one place that names them."""
    cited = yaml.safe_load(Path("CITATION.cff").read_text())["references"][0]["authors"]
    assert " and ".join(f"{one['family-names']}, {one['given-names']}" for one in cited) == AUTHORS


def test_the_card_is_written_whole_and_again(store, tmp_path):
    """Nothing else lies in the folder, and the file is what the library would save."""
    for _ in range(2):
        write_card(tmp_path, exported.record(), store)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    text = (tmp_path / "README.md").read_text()
    assert str(ModelCard(text)) == text
