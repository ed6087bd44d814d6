"""Changes of source files since their import."""

import sys
import types

import pytest

from flows.workers.forking.loaded_code import LoadedCode


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file that a module of the project has been loaded from."""
    file = tmp_path / "made_up.py"
    file.write_text("number = 1")
    module = types.ModuleType("tasks.made_up")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "tasks.made_up", module)
    return file


def test_files_that_stay_are_unchanged(source):
    """A look costs one `stat` a module and finds nothing."""
    assert LoadedCode().changed() is None


@pytest.mark.parametrize("change", ["other content", "deleted"])
def test_a_changed_file_is_named(source, change):
    """An edited or removed file is found, whatever its new length."""
    code = LoadedCode()
    if change == "deleted":
        source.unlink()
    else:
        source.write_text("number = 22")
    assert code.changed() == str(source)


def test_other_packages_are_not_looked_at(source, monkeypatch):
    """Libraries change when an environment is upgraded, which ends its workers."""
    monkeypatch.delitem(sys.modules, "tasks.made_up")
    monkeypatch.setitem(sys.modules, "elsewhere", types.SimpleNamespace(__file__=str(source)))
    code = LoadedCode()
    source.write_text("number = 22")
    assert code.changed() is None
