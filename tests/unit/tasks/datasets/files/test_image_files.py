"""Image files by their names: many paths at once are judged as each path alone."""

from hypothesis import example, given
from hypothesis import strategies as st

from storage.file_table import FileTable
from storage.files import FileEntry
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.image_files import IMAGE_SUFFIXES, images_in, is_image

PARTS = st.sampled_from(
    ["", ".", "..", "a", ".a", "A.b", "__MACOSX", "__macosx", "x__MACOSX", "a\nb", "é", "\U0001f600", "n.jpg", " "]
)
SUFFIXES = st.sampled_from(["", ".", ".txt", ".jpg\n", ".jpg ", ".JPG", ".Tiff", "jpg", *sorted(IMAGE_SUFFIXES)])
PATHS = st.tuples(st.lists(PARTS, min_size=1, max_size=4).map("/".join), SUFFIXES).map("".join)


@given(paths=st.lists(PATHS, max_size=12, unique=True))
@example(paths=["a//b.png", "./a.png", "a/.", "n.jpg/.", "n.jpg/", "/a.png", ".png", "a/..png", "a..png", "a.png/b"])
def test_the_images_of_a_folder_are_those_whose_names_say_so(paths):
    """Suffixes in any case, hidden files and folders, and keys of S3 with empty parts."""
    folder = Folder("here", None, "here", FileTable.of(FileEntry(path, 1, "x") for path in paths))
    assert list(images_in(folder).paths) == sorted(path for path in paths if is_image(path))
