"""A data set whose classes are in another order than the head's is reported by the run, its results and its table."""

import asyncio

import numpy as np
import pytest
import tiny
import torch
import yaml
from PIL import Image

from flows.experiment.file import load_experiment
from flows.reports.tables import render, results_of
from storage.store import Store
from tasks import aggregation
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import cropping, normalized
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def test_a_shuffled_data_set_is_a_warning(tmp_path, monkeypatch):
    """Folders whose names put the classes in another order are reported once; the same images in order are not."""
    from flows.run_experiment import run_experiment

    warned = []
    monkeypatch.setattr(aggregation.log, "warning", lambda text, *values: warned.append(text % values))
    settings = Preprocessing(size=16, mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic")
    random = np.random.default_rng(0)
    originals = [Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(90)]
    images = normalized(torch.stack([cropping(settings)(original) for original in originals]), settings)
    base = tiny.classifier(1)
    with torch.no_grad():
        base.head.bias -= base(images).quantile(0.5, dim=0)  # so that every class is predicted
        predicted = base(images).argmax(1).tolist()
    state = {n.replace("head", "classification_head"): t for n, t in base.state_dict().items()}
    for name, scale in (("base", 1.0), ("tuned", 1.01)):
        torch.save(
            {n: t * scale if n.endswith("head.weight") else t for n, t in state.items()}, tmp_path / f"{name}.pt"
        )
    for folder, order in (("right", "012"), ("shuffled", "120")):
        for i, (original, label) in enumerate(zip(originals, predicted, strict=True)):
            path = tmp_path / folder / f"class{order[label]}" / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            original.save(path)
    content = {
        "name": "labels",
        "models": [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned")],
        "datasets": [{"name": n, "images": n} for n in ("right", "shuffled")],
        "baselines": ["wise-ft/0.50"],
        "merge": {"granularity": []},
    }
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump(content))
    store = str(tmp_path / "store")
    record = asyncio.run(run_experiment(load_experiment(str(tmp_path / "labels.yaml")), store))
    rows = results_of(Store(store), record.experiment, record.run_id)
    notes = dict(rows.select("dataset", "note").unique().iter_rows())
    assert notes["right"] is None
    assert "labels seem to be in another order than the head's classes" in notes["shuffled"]
    assert "shuffled: labels seem to be in another order" in render(rows, "table")
    assert len(warned) == 1
    assert warned[0].startswith("data set shuffled: labels seem")
