"""Uploads to a stand-in of the Hub: the same bytes, nothing twice, and every failure as one line."""

import pytest

from storage.errors import ObjectMissing, StorageError, StoreDenied, StoreUnreachable
from storage.hub_upload import hub_token, upload_folder

REPOSITORY = "me/model"
FILES = {"README.md": b"---\nlicense: mit\n---\n", "w.safetensors": b"\x00\xff" * 5000, "a/b [1].json": b"{}", "e": b""}


@pytest.fixture
def folder(tmp_path):
    """A folder of small and large files."""
    for name, content in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    return tmp_path / "folder"


def test_the_repository_holds_the_folders_bytes(hub_api, folder):
    """Small files, large files, files in folders and empty ones; the commit is that of the branch."""
    commit = upload_folder(folder, list(FILES), REPOSITORY, message="a message")
    assert hub_api.files(REPOSITORY) == FILES
    assert commit.is_new
    assert commit.url == f"{hub_api.url}/{REPOSITORY}/commit/{commit.oid}"
    assert hub_api.messages == ["a message"]
    assert not hub_api.repositories[REPOSITORY]["private"]


def test_a_second_upload_sends_nothing_again(hub_api, folder):
    """No content and no commit; the answer is the first commit."""
    first = upload_folder(folder, list(FILES), REPOSITORY)
    seen = len(hub_api.requests)
    second = upload_folder(folder, list(FILES), REPOSITORY)
    assert second == first._replace(is_new=False)
    again = hub_api.requests[seen:]
    assert not [one for one in again if one.method == "PUT" or "/commit/" in one.path]


def test_an_upload_that_was_cut_off_continues(hub_api, folder):
    """Large files that arrived are not sent again after the commit has failed."""
    hub_api.fail(503, "/commit/", times=1)
    with pytest.raises(StoreUnreachable, match="the Hub reports an error of its own, 503"):
        upload_folder(folder, list(FILES), REPOSITORY)
    assert hub_api.files(REPOSITORY) == {}
    upload_folder(folder, list(FILES), REPOSITORY)
    assert hub_api.files(REPOSITORY) == FILES
    assert len(hub_api.sent("/large/")) == 1


def test_only_the_named_files_are_sent(hub_api, folder):
    """A name with brackets is a name, not a pattern."""
    (folder / "secret.txt").write_text("x")
    (folder / "a" / "b 1.json").write_text("x")
    upload_folder(folder, ["README.md", "a/b [1].json"], REPOSITORY)
    assert set(hub_api.files(REPOSITORY)) == {"README.md", "a/b [1].json"}


def test_a_branch_is_created_and_committed_to(hub_api, folder):
    """`main` stays as it is; a second upload to the branch finds it."""
    for _ in range(2):
        upload_folder(folder, ["e"], REPOSITORY, revision="candidate")
    assert hub_api.files(REPOSITORY, "candidate") == {"e": b""}
    assert hub_api.files(REPOSITORY) == {}


def test_a_private_repository_is_created_private(hub_api, folder):
    """And found private by the next upload."""
    for _ in range(2):
        upload_folder(folder, ["e"], REPOSITORY, private=True)
    assert hub_api.repositories[REPOSITORY]["private"]


def test_a_public_repository_gets_nothing_that_shall_be_private(hub_api, folder):
    """The refusal comes before any file is sent."""
    upload_folder(folder, [], REPOSITORY)
    with pytest.raises(StoreDenied, match="me/model: is public on the Hub, wanted a private repository"):
        upload_folder(folder, ["e"], REPOSITORY, private=True)
    assert hub_api.files(REPOSITORY) == {}


STATUSES = {
    401: (StoreDenied, "the Hub refuses the token"),
    403: (StoreDenied, "the token may not write there"),
    404: (ObjectMissing, "no such repository or revision"),
    429: (StoreUnreachable, "limits the number of requests"),
    500: (StoreUnreachable, "an error of its own, 500"),
    410: (StorageError, "refuses the request, 410"),
}


PARTS = ["/api/repos/create", "/preupload/", "/objects/batch", "/large/"]


@pytest.mark.parametrize(
    ("part", "status"),
    [*[("/commit/", status) for status in STATUSES], *[(part, status) for part in PARTS for status in (403, 500)]],
)
def test_a_failure_of_the_hub_is_one_line_wherever_it_happens(hub_api, folder, part, status):
    """The line names the repository and holds no token."""
    error, words = STATUSES[status]
    hub_api.fail(status, part, message="a reason\nof the Hub")
    with pytest.raises(error) as raised:
        upload_folder(folder, list(FILES), REPOSITORY)
    line = str(raised.value)
    assert line.startswith("me/model: ")
    assert words in line
    assert "\n" not in line
    assert hub_token() not in line


def test_metadata_that_are_not_valid_are_refused_before_the_repository_is_created(hub_api, folder):
    """The Hub's own words are in the line."""
    (folder / "README.md").write_text("---\nlicense: nobody-knows\n---\n")
    with pytest.raises(StorageError, match=r"refuses the files: .*must be one of the known licences"):
        upload_folder(folder, list(FILES), REPOSITORY)
    assert hub_api.repositories == {}


def test_a_warning_of_the_hub_about_the_card_is_a_remark(hub_api, folder):
    """It is one line, once, and no warning of Python's."""
    hub_api.warnings = ["a field\nis odd"]
    commit = upload_folder(folder, list(FILES), REPOSITORY)
    assert commit.remarks == ("Warnings while validating metadata in README.md: - a field is odd",)
    assert commit.is_new


def test_no_connection_is_one_line(hub_api, folder, monkeypatch):
    """Nothing listens at the address."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreUnreachable, match=r"^me/model: the Hub does not answer"):
        upload_folder(folder, list(FILES), REPOSITORY)


def test_the_hub_that_is_switched_off_is_one_line(hub_api, folder, monkeypatch):
    """HF_HUB_OFFLINE=1 is the Hub's own switch."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StoreUnreachable, match=r"^me/model: the Hub does not answer .*offline"):
        upload_folder(folder, list(FILES), REPOSITORY)
    assert hub_api.requests == []


def test_a_failure_that_passes_is_met_with_another_request(hub_api, folder):
    """Large files and their batch are asked for again."""
    hub_api.fail(503, "/objects/batch", times=1)
    hub_api.fail(500, "/large/", times=2)
    upload_folder(folder, list(FILES), REPOSITORY)
    assert hub_api.files(REPOSITORY) == FILES
