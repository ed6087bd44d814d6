"""The Hub's cache, for tests of checkpoints that lie on the Hub."""

import pytest
import torch
from checkpoints import clip

from storage.hub import fetch


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A snapshot of org/tuned in the Hub's cache, laid out as the Hub's own library does; the Hub is switched off."""
    root = tmp_path / "hub"
    repository = root / "models--org--tuned"
    snapshot = repository / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    torch.save(clip().state_dict(), snapshot / "pytorch_model.bin")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetch.cache_clear()  # another test's cache may have held the same address
    return snapshot
