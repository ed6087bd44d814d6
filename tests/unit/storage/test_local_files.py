"""Files of a local folder: the columns hold what a plain walk of the folder finds, for every name and every link."""

import os
import shutil
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.files import FileEntry
from storage.local_files import local_files
from storage.locations import Location

NAMES = st.text(st.sampled_from("ab-. \n\"'*[é\udcff\U0001f600"), min_size=1, max_size=4).filter(
    lambda name: name not in (".", "..")
)
TREES = st.recursive(
    st.dictionaries(NAMES, st.integers(0, 3), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(st.integers(0, 3), inner), max_size=4),
    max_leaves=8,
)


def make(folder, tree):
    """Make files of some bytes, and folders."""
    os.makedirs(folder)
    for name, content in tree.items():
        if isinstance(content, dict):
            make(f"{folder}/{name}", content)
        else:
            with open(f"{folder}/{name}", "wb") as file:
                file.write(b"x" * content)


def folders_in(root):
    """Return the root and all real folders below it."""
    return [folder for folder, _, _ in os.walk(root)]


def walked(root, folder="", above=()):
    """Yield the entry of each file below a folder; a plain definition, by the paths of the files."""
    own = os.path.realpath(f"{root}/{folder}")
    if own in above:
        return
    for name in os.listdir(own):
        path = f"{folder}/{name}" if folder else name
        full = f"{root}/{path}"
        if os.path.isdir(full):
            yield from walked(root, path, (*above, own))
        elif os.path.isfile(full):
            stat = os.stat(full)
            target = os.path.realpath(full)
            is_blob = os.path.islink(full) and os.path.basename(os.path.dirname(target)) == "blobs"
            mark = os.path.basename(target) if is_blob else f"{stat.st_size}-{stat.st_mtime_ns}"
            yield FileEntry(path, stat.st_size, mark, str(stat.st_ctime_ns))


@settings(max_examples=60, deadline=None)
@given(tree=TREES, links=st.lists(st.tuples(st.integers(0, 9), NAMES, st.integers(0, 9)), max_size=3))
def test_the_files_are_those_of_a_plain_walk(tree, links):
    """Names of any bytes, links to files and folders, circles of links and links to nothing; sorted by path."""
    top = tempfile.mkdtemp()
    try:
        root = f"{top}/root"
        make(root, tree)
        os.mkdir(f"{top}/blobs")
        with open(f"{top}/blobs/0123abcd", "wb") as file:
            file.write(b"blob")
        folders = folders_in(root)
        targets = [*folders, f"{top}/blobs/0123abcd", f"{top}/gone", *(f"{root}/{name}" for name in tree)]
        for place, name, target in links:
            link = f"{folders[place % len(folders)]}/{name}"
            if not os.path.lexists(link):
                os.symlink(targets[target % len(targets)], link)
        assert list(local_files(root)) == sorted(walked(root), key=lambda entry: entry.path)
    finally:
        shutil.rmtree(top)


def test_a_file_in_a_folder_named_blobs_is_known_by_its_times(tmp_path):
    """Only links into such a folder are files of the Hub's cache; a folder that is reached by a link is none."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "a.png").write_bytes(b"one")
    (tmp_path / "data").symlink_to(tmp_path / "blobs")
    (entry,) = Location(str(tmp_path / "data")).files()
    assert entry.etag == f"3-{(tmp_path / 'blobs' / 'a.png').stat().st_mtime_ns}"
    (chosen,) = Location(str(tmp_path / "data" / "a.png")).files()
    assert chosen == entry


def test_an_empty_folder_whose_name_reads_as_a_pattern_has_no_files(tmp_path):
    """A folder that exists is not taken for a pattern."""
    (tmp_path / "a[1]").mkdir()
    found = Location(str(tmp_path / "a[1]")).find()
    assert (len(found.entries), found.is_chosen) == (0, False)
