"""`dawin publish` from the command line, to a stand-in of the Hub: what it prints, and its exit status."""

import json
import os
import subprocess
import sys

import exported
import pytest
from hub_api import TOKEN, HubApi

from flows.cli import main
from flows.exporting.model_card import write_card
from flows.reports.json_models import DOCUMENTS
from storage.store import Store


@pytest.fixture
def folder(tmp_path, memory):
    """An exported folder."""
    record = exported.record(models=exported.record()["models"][:1])
    found = exported.write_files(tmp_path / "out", record)
    write_card(found, record, Store(memory))
    return found


def test_publish_prints_the_address_of_the_commit(hub_api, folder, capsys):
    """With the number and size of the files; a licence that is not filled in is a warning, and no error."""
    (folder / "notes.txt").write_text("x")
    assert main(["publish", str(folder), "me/model"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{hub_api.url}/me/model/commit/")
    assert ": 7 files, " in out
    assert [line for line in err.splitlines() if line.startswith("warning")] == [
        "warning README.md: the licence is not filled in (license_name: fill-me-in)",
        "warning notes.txt: not published, since the export did not write it",
    ]
    assert main(["publish", str(folder), "me/model"]) == 0
    assert capsys.readouterr().out == f"{out.rstrip()}, all there already\n"
    assert main(["publish", str(folder), "me/model", "-q"]) == 0
    assert capsys.readouterr().out == f"{hub_api.url}/me/model/commit/{hub_api.head('me/model')}\n"


def test_json_is_one_document_of_the_commands_model(hub_api, folder, capsys):
    """Standard output holds nothing else."""
    words = ["publish", str(folder), "me/model", "--private", "--revision", "candidate", "--json"]
    assert main(words) == 0
    found = DOCUMENTS["publish"].model_validate(json.loads(capsys.readouterr().out))
    assert (found.repository, found.revision, found.is_new) == ("me/model", "candidate", True)
    assert set(found.files) == set(hub_api.files("me/model", "candidate"))
    assert hub_api.repositories["me/model"]["private"]


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ((403, "/commit/"), "the token may not write there"),
        ((503, "/api/repos/create"), "the Hub reports an error of its own, 503"),
    ],
)
def test_a_failure_of_the_hub_is_one_line_and_status_2(hub_api, folder, capsys, fail, words):
    """Nothing is printed on standard output."""
    hub_api.fail(*fail)
    assert main(["publish", str(folder), "me/model"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [one for one in err.splitlines() if one.startswith("dawin: ")]
    assert line.startswith("dawin: me/model: ")
    assert words in line


def test_a_process_of_its_own_speaks_to_the_hub_that_hf_endpoint_names(folder, tmp_path):
    """The environment alone connects it; without a token it is refused, and the stand-in hears nothing."""
    with HubApi() as hub:
        variables = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
        }
        variables.pop("HF_TOKEN", None)
        command = [sys.executable, "-m", "flows.cli", "publish", str(folder), "me/model", "-q"]
        refused = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("dawin: publish me/model: no token for the Hub; set HF_TOKEN ")
        assert refused.stderr.count("\n") == 1
        assert hub.requests == []
        done = subprocess.run(
            command, env={**variables, "HF_TOKEN": TOKEN}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, f"{hub.url}/me/model/commit/{hub.head('me/model')}\n")
        assert hub.files("me/model").keys() == {*exported.FILES, "dawin.json", "README.md"}
