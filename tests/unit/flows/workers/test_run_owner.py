"""Which processes live: a file that each one keeps locked."""

import json
import socket

import pytest

from flows.workers import run_owner
from flows.workers.run_owner import ended_owners, forget, owner_file

MACHINE = run_owner._machine()


def found(folder, database="here"):
    with ended_owners(folder, database) as owners:
        return owners


@pytest.fixture
def ended(tmp_path):
    """The owner of a process that has ended, and its file."""
    with owner_file(tmp_path, "here") as owner:
        pass
    return owner, tmp_path / f"{owner.id}.json"


def test_an_owner_is_found_only_once_its_process_has_ended(tmp_path):
    """The lock is the kernel's, so that no reused process number can be mistaken for it."""
    with owner_file(tmp_path, "here") as living, owner_file(tmp_path, "here") as other:
        assert living != other
        assert found(tmp_path) == []
    assert {owner.id for owner in found(tmp_path)} == {living.id, other.id}


def test_an_ended_owner_is_found_by_one_process_at_a_time(tmp_path, ended):
    """Two APIs that start together do not both end its runs."""
    with ended_owners(tmp_path, "here") as owners:
        assert owners == [ended[0]]
        assert found(tmp_path) == []
    assert found(tmp_path) == [ended[0]]


def test_a_forgotten_owner_is_not_found_again(tmp_path, ended):
    """Its runs are ended, and its file is gone."""
    forget(tmp_path, ended[0].id)
    assert found(tmp_path) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("machine", "boot", "judged"),
    [
        ("elsewhere", "another", False),  # a PREFECT_HOME that machines share, with locks that they do not
        (f"{socket.gethostname()} {'0' * 32}", "another", False),  # another machine of the same name
        (MACHINE, "another", True),  # this machine before it was started anew
    ],
)
def test_only_owners_of_this_machine_are_judged(tmp_path, ended, machine, boot, judged):
    """A free lock of another machine proves nothing."""
    owner, file = ended
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": machine, "boot": boot}))
    assert [one.id for one in found(tmp_path)] == ([owner.id] if judged else [])


def test_an_owner_whose_runs_lie_in_another_database_is_left_alone(tmp_path, ended):
    """Only an API that has that database can end them; until then the file stays."""
    assert found(tmp_path, "elsewhere") == []
    assert found(tmp_path) == [ended[0]]


def test_a_machine_is_known_by_its_id_where_it_has_one(tmp_path, monkeypatch):
    """Two machines may have one host name; where there is no id the name is all there is."""
    monkeypatch.setattr(run_owner, "_MACHINE", tmp_path / "machine-id")
    assert run_owner._machine() == socket.gethostname()
    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    assert run_owner._machine() == f"{socket.gethostname()} 0123456789abcdef"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"id": "x"}', "\0\0"])
def test_a_damaged_file_says_nothing_about_any_process(tmp_path, content):
    """It is left alone, and stops nobody."""
    (tmp_path / "damaged.json").write_text(content)
    assert found(tmp_path) == []
    assert (tmp_path / "damaged.json").exists()
