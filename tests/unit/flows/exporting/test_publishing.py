"""The check of an exported folder before it is published: every fault is one line, found before a request."""

import hashlib
import json

import exported
import pytest

from flows.errors import ExperimentError
from flows.exporting.model_card import write_card
from flows.exporting.publishing import check_repository, check_request, exported_folder, publish
from storage.store import Store


@pytest.fixture
def folder(tmp_path, memory):
    """An exported folder with its card."""
    record = exported.record(models=exported.record()["models"][:1])
    found = exported.write_files(tmp_path / "out", record)
    write_card(found, record, Store(memory))
    return found


def test_an_exported_folder_is_published_as_it_is(hub_api, folder):
    """Every file arrives byte for byte, the record and the card included, and a second time sends nothing."""
    checked = check_request(folder, "me/model")
    first = publish(checked, "me/model")
    there = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert hub_api.files("me/model") == there
    assert checked.bytes == sum(map(len, there.values()))
    seen = len(hub_api.requests)
    assert publish(check_request(folder, "me/model"), "me/model") == first._replace(is_new=False)
    assert not [one for one in hub_api.requests[seen:] if one.method == "PUT" or "/commit/" in one.path]
    assert hub_api.messages == ["Upload digits: dawin/clusters-2 with dawin publish"]


def test_only_files_of_the_export_and_of_its_licence_are_published(hub_api, folder):
    """Anything else in the folder may be private; it is named."""
    for name in ("LICENSE", "NOTICE.txt", "notes.txt", ".env", "model-a b'[1]/LICENSE"):
        (folder / name).write_text("x")
    (folder / "link").symlink_to("/etc/hostname")
    checked = exported_folder(folder)
    assert set(checked.names) == {*exported.FILES, "dawin.json", "README.md", "LICENSE", "NOTICE.txt"}
    assert set(checked.left_out) == {"notes.txt", ".env", "model-a b'[1]/LICENSE"}


def test_the_owner_may_change_the_card(hub_api, folder):
    """Its licence is filled in after the export; then no warning is left."""
    assert [warning.partition(":")[0] for warning in exported_folder(folder).warnings] == ["README.md"]
    card = folder / "README.md"
    card.write_text(card.read_text().replace("license: other\nlicense_name: fill-me-in", "license: mit"))
    checked = check_request(folder, "me/model")
    assert checked.warnings == ()
    publish(checked, "me/model")
    assert b"license: mit" in hub_api.files("me/model")["README.md"]


@pytest.mark.parametrize("place", ["file:///data/me/x.pt", "/home/me/x.pt", "/Users/me/x.pt", "/root/x.pt"])
def test_a_record_that_names_a_local_file_is_a_warning(hub_api, folder, place):
    """It names the file and the place that readers would see."""
    record = exported.record()
    record["models"][1]["url"] = place
    (folder / "dawin.json").write_text(json.dumps(record))
    (warning,) = [one for one in exported_folder(folder).warnings if "dawin.json" in one]
    assert warning == f"dawin.json: names a local file, {place}, which readers will see"


def test_addresses_elsewhere_are_no_warning(hub_api, folder):
    """Neither a bucket nor a web address with a folder named home is a local file."""
    record = exported.record()
    record["models"] = [{"url": "s3://bucket/home/x.pt"}, {"url": "https://host/home/x.pt"}]
    (folder / "dawin.json").write_text(json.dumps(record))
    assert not [one for one in exported_folder(folder).warnings if "dawin.json" in one]


def change(folder):
    (folder / "checkpoint.safetensors").write_bytes(b"\x00weights\xff" * 999 + b"\x00weightz\xff")


def listed(folder, name):
    record = exported.record()
    record["files"][name] = hashlib.sha256(b"x").hexdigest()
    (folder / "dawin.json").write_text(json.dumps(record))


def link(folder):
    (folder / "router.py").rename(folder.parent / "router.py")
    (folder / "router.py").symlink_to(folder.parent / "router.py")


def rewrite(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change, "checkpoint.safetensors: changed since the export: wanted SHA-256 "),
        (lambda folder: (folder / "router.py").unlink(), "router.py: no such file, but dawin.json lists it"),
        (lambda folder: (folder / "README.md").unlink(), "README.md: no such file; `dawin export` writes it"),
        (lambda folder: (folder / "dawin.json").unlink(), "no dawin.json in it; wanted a folder that `dawin export`"),
        (link, "router.py: is a link"),
        (lambda folder: listed(folder, "../outside"), "names '../outside', wanted names of files in the folder"),
        (lambda folder: listed(folder, "/etc/passwd"), "names '/etc/passwd'"),
        (lambda folder: listed(folder, ""), "names ''"),
        (rewrite("dawin.json", "{"), "wanted the record of `dawin export`, format 1"),
        (rewrite("dawin.json", "[]"), "wanted the record of `dawin export`, format 1"),
        (rewrite("dawin.json", "[" * 100_000), "wanted the record of `dawin export`, format 1"),
        (rewrite("dawin.json", json.dumps({**exported.record(), "format": 2})), "format 1"),
        (rewrite("dawin.json", json.dumps({**exported.record(), "files": {"x": 1}})), "format 1"),
        (rewrite("README.md", "---\na: [\n---\n"), "README.md: its metadata cannot be read"),
        (rewrite("README.md", "---\n- a\n---\n"), "README.md: its metadata cannot be read"),
    ],
)
def test_a_folder_that_is_not_as_exported_is_refused_before_any_request(hub_api, folder, spoil, words):
    """One line names the file, the wanted and the actual state."""
    spoil(folder)
    with pytest.raises(ExperimentError) as raised:
        check_request(folder, "me/model")
    assert str(raised.value).startswith(f"publish {folder}")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert hub_api.requests == []


def test_a_folder_that_does_not_exist_is_refused(hub_api, tmp_path):
    """A file in its place is none either."""
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(ExperimentError, match=f"publish .*{name}: no such folder"):
            check_request(tmp_path / name, "me/model")


def test_without_a_token_the_line_names_the_variable_and_the_command(hub_api, folder, monkeypatch):
    """Nothing is sent; a saved token is as good as the variable."""
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ExperimentError, match=r"^publish me/model: no token for the Hub; set HF_TOKEN .*hf auth login"):
        check_request(folder, "me/model")
    assert hub_api.requests == []
    saved = folder.parent / "saved"
    saved.write_text("hf_of_a_test")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(saved))
    assert publish(check_request(folder, "me/model"), "me/model").is_new


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "a/b/c",
        "/model",
        "me/",
        "hf://me/model",
        "me/mod el",
        "me/model.git",
        "me/a--b",
        "me/..",
        "-me/x",
        "me/a\nb",
    ],
)
def test_a_name_that_no_repository_can_have_is_refused(name):
    """The line shows the wanted form."""
    with pytest.raises(ExperimentError, match=r"publish: repository .*wanted owner/name"):
        check_repository(name)


@pytest.mark.parametrize("name", ["me/model", "My-Org/clip_vit.b-32", "0/1"])
def test_names_of_repositories_are_accepted(name):
    """Letters, digits and single marks."""
    check_repository(name)
