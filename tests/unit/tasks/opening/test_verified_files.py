"""Files opened for a reference: known by their mark, else by their digest, and refused if they change meanwhile."""

import hashlib

import pytest
import safetensors.torch
import torch
from checkpoints import clip

from storage import file_marks
from storage.file_marks import mark_of
from tasks.errors import CheckpointError
from tasks.models.checkpoint import read_checkpoint
from tasks.opening import verified_files
from tasks.opening.verified_files import load_file, verified
from tasks.references.heads import FileReference

CONTENT = b"0123456789" * 1000


@pytest.fixture
def path(tmp_path):
    """A file."""
    (tmp_path / "x").write_bytes(CONTENT)
    return tmp_path / "x"


def reference(path, *, marked=True):
    with path.open("rb") as file:
        mark = mark_of(file) if marked else ""
    return FileReference(url=str(path), digest=hashlib.sha256(path.read_bytes()).hexdigest(), mark=mark)


def content(file, where, path):
    return file.read()


def test_a_file_with_the_mark_of_its_reference_is_not_hashed(path, monkeypatch):
    """The parent of a run has computed its digest, and its bytes have not changed since."""
    asked = reference(path)
    monkeypatch.setattr(file_marks, "_SETTLED", -3600.0)
    monkeypatch.setattr(verified_files, "digest_of_file", lambda *_: pytest.fail("hashed"))
    assert load_file(asked, content) == CONTENT


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_that_has_changed_is_refused(path, marked):
    """Bytes of the same length are told from the former ones, with a mark and without."""
    asked = reference(path, marked=marked)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(CheckpointError, match=r"x: changed since the run began \(wanted .*, got .*\); run it again"):
        load_file(asked, content)


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_that_changes_while_it_is_read_is_refused_at_the_end(path, marked):
    """Numbers read from it may be a mixture of two files'."""
    asked = reference(path, marked=marked)

    def overtaken(file, where, path):
        with open(path, "r+b") as other:
            other.write(b"x")

    with pytest.raises(CheckpointError, match="changed since the run began"):
        load_file(asked, overtaken)


@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_the_numbers_are_those_of_the_file_that_was_opened(tmp_path, form):
    """A new checkpoint may get its name meanwhile: a reader keeps the file whose bytes it has checked."""
    path, states = tmp_path / f"x.{form}", [clip(seed).state_dict() for seed in (1, 2)]
    save = safetensors.torch.save_file if form == "safetensors" else torch.save
    save(states[0], path)
    asked = reference(path)

    def overtaken(file, where, local):
        save(states[1], tmp_path / "new")
        (tmp_path / "new").replace(path)
        return read_checkpoint(file, where, local)

    found = load_file(asked, overtaken)
    assert torch.equal(found["visual.ln_post.weight"], states[0]["visual.ln_post.weight"])
    assert torch.equal(found["visual.proj"], states[0]["visual.proj"])


def test_a_file_that_gets_another_name_or_mode_is_still_the_same(path, tmp_path):
    """Its mark changes, and its digest shows that its bytes have not."""
    asked = reference(path)
    with verified(asked) as (file, _):
        path.chmod(0o600)
        assert file.read() == CONTENT
    path.rename(tmp_path / "y")
    (tmp_path / "y").rename(path)
    assert load_file(asked, content) == CONTENT
