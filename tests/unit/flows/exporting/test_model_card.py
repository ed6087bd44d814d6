"""The model card: valid metadata, whatever the names in it are, and a text that says how the folder came about."""

import json
import re
from pathlib import Path

import exported
import pytest
import yaml
from huggingface_hub import ModelCard

from flows.exporting.card_text import AUTHORS
from flows.exporting.model_card import card_content, write_card
from storage.store import Store

STATIC = {"method": "wise-ft/0.50", "kind": "static", "coefficients": [[0.5, 0.5]], "predictions_id": "f" * 16}


@pytest.fixture
def store(memory):
    return Store(memory)


def card_of(store, **changes):
    """Return a card as the Hub's library reads it."""
    return ModelCard(card_content(Path(), exported.record(**changes), store))


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
        Path(),
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
    text = card_content(Path(), exported.record(models=models, command=command), store)
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


def test_coefficients_are_those_of_the_merged_models(store):
    """A made model stands for its sources, which are listed; a model of the experiment that takes no part is not."""
    models = [{"name": n, "url": f"s3://b/{n}.pt", "digest": n * 64, "temperature": 1.0} for n in "abcd"]
    made = {"method": "ties", "options": {"keep": 0.2}, "models": ["a", "b", "c"]}
    record = {"models": models, "kind": "static", "method": "ties/0.30", "coefficients": [[0.7, 0.3]]}
    text = card_of(store, **record, made=made, merged=["a", "ties"]).text
    assert "One model, merged of `a` and `ties` once" in text
    assert "| merged model | `a` | `ties` |" in text
    assert "Method `ties` made the model of that name of `a`, `b`, `c` with `keep = 0.2`." in text
    assert "`c.pt`" not in text
    assert "s3://b/c.pt" in text
    assert "s3://b/d.pt" not in text
    alone = card_of(store, **{**record, "method": "individual/b", "coefficients": [[1.0]]}, merged=["b"]).text
    assert "One model, `b`, as it was: nothing is merged into it." in alone
    assert "s3://b/a.pt" not in alone


@pytest.mark.parametrize("text_tower", [True, False])
def test_the_lines_that_load_a_model_are_those_of_its_configuration(store, tmp_path, text_tower):
    """Transformers' class is the one of config.json, and open_clip builds no model without a text tower."""
    name = "CLIPModel" if text_tower else "CLIPVisionModelWithProjection"
    files = ["model.safetensors", "config.json", "open_clip_model.safetensors", "open_clip_config.json"]
    for folder in ("cluster-0", "cluster-1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(json.dumps({"architectures": [name]}))
        configuration = {"embed_dim": 16, "vision_cfg": {}, **({"text_cfg": {}} if text_tower else {})}
        (tmp_path / folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))
    record = exported.record(files={f"cluster-{i}/{file}": "0" * 64 for i in (0, 1) for file in files})
    text = card_content(tmp_path, record, store)
    assert f'model = {name}.from_pretrained("cluster-0")' in text
    assert ('create_model_from_pretrained("local-dir:cluster-0")' in text) == text_tower
    assert ('load_file("cluster-0/open_clip_model.safetensors")' in text) != text_tower
    assert "`model.safetensors` in `cluster-0`, `cluster-1`:" in text


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
