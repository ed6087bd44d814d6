"""Temperatures: recovered where they are known, refused where none exists, and fitted by the command."""

import re

import numpy as np
import pytest
import tiny
import torch
from scipy.special import softmax

from tasks.numerics.calibration import expected_calibration_error, fit_temperature


def samples_of_temperature(temperature, samples=40_000):
    """Return logits whose labels were drawn at a temperature, and these labels."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (samples, 5))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    labels = (random.random((samples, 1)) > cumulated).sum(axis=1).clip(max=4)
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_planted_temperature_is_recovered(temperature):
    """The temperature comes within 2 %, with a likelihood at least that of T = 1 and a small calibration error."""
    logits, labels = samples_of_temperature(temperature)
    found = fit_temperature(logits, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.02)
    assert found.after <= found.before
    log_p = logits / found.temperature
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    assert expected_calibration_error(log_p, labels) < 0.01


def test_scaling_the_logits_scales_the_temperature():
    """Logits three times as large have three times the temperature, so that probabilities stay the same."""
    logits, labels = samples_of_temperature(1.0, 2_000)
    assert fit_temperature(3 * logits, labels).temperature == pytest.approx(
        3 * fit_temperature(logits, labels).temperature, rel=1e-3
    )


def test_a_known_calibration_error():
    """Four samples at confidence 0.8, two right, are off by 0.3; one at 0.6 that is right is off by 0.4."""
    log_p = np.log([[0.8, 0.2]] * 4 + [[0.6, 0.4]])
    assert expected_calibration_error(log_p, [0, 0, 1, 1, 0]) == pytest.approx((4 * 0.3 + 0.4) / 5)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[5.0, 0.0]] * 3, [0, 0, 0], "temperature: no optimum"),
        ([[5.0, 0.0]] * 3, [1, 1, 1], "temperature: no optimum"),
        ([[1.0, 0.0]], [2], "labels: wanted 1 classes below 2"),
        ([[1.0, 0.0]], [0, 1], "labels: wanted 1 classes below 2, got shape"),
        ([[np.nan, 0.0]], [0], "logits"),
    ],
)
def test_samples_without_a_best_temperature_are_refused(logits, labels, message):
    """Samples all right or all wrong, and labels that are not classes, raise an error instead of a border value."""
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_the_command_prints_a_temperature_for_each_model(tmp_path, capsys):
    """On the in-distribution data set, a head with logits three times as large has three times the temperature."""
    from flows.cli import main
    from flows.reports.json_models import CalibrateDocument

    file, store = tiny.experiment(tmp_path, samples=60), str(tmp_path / "store")
    steep = tiny.soup_state(1)
    for name in ("weight", "bias"):
        steep[f"classification_head.{name}"] = steep[f"classification_head.{name}"] * 3
    torch.save(steep, tmp_path / "tuned.pt")
    relabel(tmp_path / "one")
    assert main(["calibrate", file, "--store", store]) == 0
    shown = capsys.readouterr().out
    assert "on one, negative log-likelihood" in shown
    base, tuned = (float(re.search(rf"{name} +temperature: ([0-9.]+)", shown)[1]) for name in ("base", "tuned"))
    assert tuned == pytest.approx(3 * base, rel=1e-2)
    assert main(["calibrate", file, "--store", store, "--json"]) == 0
    document = CalibrateDocument.model_validate_json(capsys.readouterr().out)
    assert [f"{model.temperature:.4f}" for model in document.models] == [f"{base:.4f}", f"{tuned:.4f}"]
    assert all(model.loss_after <= model.loss_before for model in document.models)
    assert main(["calibrate", file, "--store", store, "--on", "three"]) == 2
    assert "--on three: no such data set; the experiment has one, two" in capsys.readouterr().err


def relabel(folder):
    """Move images to the folder of the class that the base model predicts, and one in five to another."""
    from tasks.datasets.decoding import Decoder
    from tasks.datasets.preprocessing import Preprocessing
    from tasks.datasets.transform import normalized
    from tasks.models.descriptions import CLIP_MEAN, CLIP_STD
    from tasks.opening.list_samples import list_dataset

    settings = Preprocessing(size=16, mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic")
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    decoder = Decoder(list_dataset(str(folder), None, settings).samples, settings)
    images = normalized(torch.stack([decoder[i] for i in range(len(paths))]), settings)
    seen = tiny.classifier(1)(images).argmax(1)
    for i, path in enumerate(paths):
        label = (int(seen[i]) + (i % 5 == 0) * (1 + i % 2)) % 3
        (folder / path).rename(folder / f"class{label}" / f"x{i:03d}.png")


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_images_without_labels_have_no_temperature(tmp_path, capsys):
    """The command ends with one line that counts the images without labels, and exit status 2."""
    from flows.cli import main

    file = tiny.experiment(tmp_path)
    (tmp_path / "loose").mkdir()
    for path in (tmp_path / "one").rglob("*.png"):
        path.rename(tmp_path / "loose" / path.name)
    datasets = f"datasets=[{{name: loose, images: {tmp_path}/loose}}]"
    assert main(["calibrate", file, "--store", str(tmp_path / "store"), "--set", datasets]) == 2
    assert "data set loose: 30 images have no label; calibration needs them" in capsys.readouterr().err
