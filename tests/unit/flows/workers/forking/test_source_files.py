"""Changes of source files since the start of a process."""

from pathlib import Path

import pytest

from flows.workers.forking.source_files import SourceFiles

ROOT = Path(__file__).parents[5]


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "package" / "made_up.py"
    file.parent.mkdir()
    file.write_text("number = 1")
    return file


def test_files_that_stay_are_unchanged(source):
    """A new file beside them makes no difference: no process has imported it."""
    files = SourceFiles([source.parent])
    (source.parent / "later.py").touch()
    (source.parent / "notes.txt").touch()
    assert files.changed() is None


@pytest.mark.parametrize("change", ["other content", "deleted"])
def test_a_changed_file_is_named(source, change):
    """An edited or removed file is found."""
    files = SourceFiles([source.parent.parent])
    if change == "deleted":
        source.unlink()
    else:
        source.write_text("number = 22")
    assert files.changed() == source


def test_the_project_s_own_packages_are_looked_at_by_default():
    """All four packages belong to what a flow computes with, and nothing outside of them."""
    files = SourceFiles()
    assert files.changed() is None
    assert {path.relative_to(ROOT).parts[0] for path in files._files} == {"dawin", "flows", "storage", "tasks"}
    assert ROOT / "flows" / "extract_outputs.py" in files._files
