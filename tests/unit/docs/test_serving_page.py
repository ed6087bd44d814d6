"""The page on serving: its programs answer with the classes and confidences that the pipeline computes."""

import contextlib
import io
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from onnx_session import SIZE, classifiers
from pages import blocks
from PIL import Image

from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import cropping, normalized
from tasks.exporting.onnx_graphs import write_whole_graph
from tasks.merging.per_sample import merge_per_sample
from tasks.numerics.entropy import softmax_entropy
from tasks.numerics.expertise import interpolation_coefficients

PIXELS = Preprocessing(size=SIZE, mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28), interpolation="bicubic")
CLASSES = ["ant", "bee", "cow", "dog", "elk", "fox"]
TEMPERATURES = (0.9, 1.2)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The names that the page's blocks define, run beside an exported folder, and the models in that folder."""
    models, states = classifiers(2, layers=0)
    folder = tmp_path_factory.mktemp("served")
    (folder / "exported").mkdir()
    path = folder / "exported" / "dawin.onnx"
    write_whole_graph(path, models[0], states, size=SIZE, temperatures=TEMPERATURES)
    preprocess = {key: getattr(PIXELS, key) for key in ("size", "mean", "std", "interpolation", "resize_mode", "fill")}
    (path.parent / "dawin.json").write_text(json.dumps({"classes": CLASSES, "preprocess": preprocess}))
    names = {}
    with contextlib.chdir(folder):
        for block in blocks("serving.md", "python"):
            exec(compile(block, "serving.md", "exec"), names)
    return names, models, states


def picture(mode, size, kind):
    """An image file's bytes."""
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, kind)
    return content.getvalue()


PICTURES = [("RGB", (40, 23), "png"), ("RGB", (17, 50), "jpeg"), ("L", (16, 16), "png"), ("P", (30, 31), "png")]


def expected(models, states, content):
    """The class and the confidence that the pipeline computes."""
    x = normalized(cropping(PIXELS)(Image.open(io.BytesIO(content)))[None], PIXELS)
    entropies = [softmax_entropy(model(x).numpy(), t) for model, t in zip(models, TEMPERATURES, strict=True)]
    tuned = interpolation_coefficients(*entropies, offset=False)
    logits = merge_per_sample(models[0], states)(x, torch.from_numpy(np.column_stack([1 - tuned, tuned])))
    confidence, number = logits.softmax(1).max(1)
    return CLASSES[int(number)], float(confidence)


@pytest.mark.parametrize(("mode", "size", "kind"), PICTURES)
def test_the_function_of_the_page_classifies_as_the_pipeline_does(served, mode, size, kind):
    """Files of any shape and mode get the class and the confidence that the pipeline computes, to 1e-4."""
    names, models, states = served
    content = picture(mode, size, kind)
    name, confidence = names["classify"](content)
    wanted = expected(models, states, content)
    assert name == wanted[0]
    assert confidence == pytest.approx(wanted[1], abs=1e-4)


def test_the_server_of_the_page_answers_and_refuses(served):
    """An image is answered with its class, and other bytes with status 400, after which the next request is served."""
    names, models, states = served
    server = names["server"]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(address, data=b"no image"), timeout=30)
        refused.value.close()
        assert refused.value.code == 400
        content = picture(*PICTURES[0])
        with urllib.request.urlopen(urllib.request.Request(address, data=content), timeout=30) as answer:
            found = json.load(answer)
        wanted = expected(models, states, content)
        assert found == {"class": wanted[0], "confidence": pytest.approx(wanted[1], abs=1e-4)}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
