"""Owners of flow runs: processes that hold a file's lock while they live."""

import json
import socket

import pytest

from flows.workers.run_owner import ended_owners, forget, owner_file, this_machine


def found(folder, database="here"):
    with ended_owners(folder, database) as owners:
        return owners


@pytest.fixture
def ended(tmp_path):
    """The owner of an ended process, and its file."""
    with owner_file(tmp_path, "here") as owner:
        pass
    return owner, tmp_path / f"{owner.id}.json"


def test_an_owner_is_found_only_once_its_process_has_ended(tmp_path):
    """No owner is found while its process holds the lock, and each is found afterwards."""
    with owner_file(tmp_path, "here") as living, owner_file(tmp_path, "here") as other:
        assert living != other
        assert found(tmp_path) == []
    assert {owner.id for owner in found(tmp_path)} == {living.id, other.id}


def test_an_ended_owner_is_found_by_one_process_at_a_time(tmp_path, ended):
    """Of two APIs that start together, only one ends its runs."""
    with ended_owners(tmp_path, "here") as owners:
        assert owners == [ended[0]]
        assert found(tmp_path) == []
    assert found(tmp_path) == [ended[0]]


def test_a_forgotten_owner_is_not_found_again(tmp_path, ended):
    """`forget` deletes its file."""
    forget(tmp_path, ended[0].id)
    assert found(tmp_path) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("machine", "boot", "judged"),
    [
        ("elsewhere", "another", False),  # machines share this PREFECT_HOME, but not its locks
        (f"{socket.gethostname()} {'0' * 32}", "another", False),  # another machine with the same host name
        (this_machine(), "another", True),  # this machine before a restart
    ],
)
def test_only_owners_of_this_machine_are_judged(tmp_path, ended, machine, boot, judged):
    """A free lock in a file of another machine does not prove that its process has ended."""
    owner, file = ended
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": machine, "boot": boot}))
    assert [one.id for one in found(tmp_path)] == ([owner.id] if judged else [])


def test_an_owner_whose_runs_lie_in_another_database_is_left_alone(tmp_path, ended):
    """Its file stays for an API that has that database."""
    assert found(tmp_path, "elsewhere") == []
    assert found(tmp_path) == [ended[0]]


def test_a_machine_is_known_by_its_id_where_it_has_one(tmp_path):
    """Two machines may share a host name, and the id tells them apart; without an id the host name has to do."""
    assert this_machine(tmp_path / "machine-id") == socket.gethostname()
    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    assert this_machine(tmp_path / "machine-id") == f"{socket.gethostname()} 0123456789abcdef"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"id": "x"}', "\0\0"])
def test_a_damaged_file_is_no_owner_and_stays(tmp_path, content):
    """It neither raises nor yields an owner, and it is not deleted."""
    (tmp_path / "damaged.json").write_text(content)
    assert found(tmp_path) == []
    assert (tmp_path / "damaged.json").exists()
