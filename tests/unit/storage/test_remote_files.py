"""Files on S3: a request for each page of a listing, and none that a listing answers."""

import pytest
from counted_requests import counted

from storage import s3_listing
from storage.errors import ObjectMissing
from storage.locations import Location
from storage.store import Store


@pytest.fixture
def folder(s3):
    """Seven images in two folders, and an image beside them whose name begins with the folder's."""
    store = Store(s3)
    for number in range(7):
        store.create(f"data/class{number % 2}/{number}.png", bytes(number))
    store.create("data.png", b"beside")
    return f"{store.url}/data"


def test_a_folder_costs_one_request_for_each_page(s3, folder, monkeypatch):
    """One more request shows that no file has the folder's name."""
    monkeypatch.setattr(s3_listing, "_PAGE", 3)
    with counted(s3) as requests:
        files = Location(folder).files()
    assert requests.operations == {"HEAD": 1, "LIST": 3}
    assert [file.path for file in files] == sorted(f"class{number % 2}/{number}.png" for number in range(7))
    assert sorted(file.size for file in files) == list(range(7))
    assert all(file.etag and not file.changed for file in files)


def test_a_file_costs_one_request(s3, folder):
    """It has the etag that a listing of its folder shows."""
    with counted(s3) as requests:
        (file,) = Location(f"{folder}/class1/3.png").files()
    assert requests.operations == {"HEAD": 1}
    assert file._replace(path="class1/3.png") == Location(folder).files().at("class1/3.png")


@pytest.mark.parametrize("address", ["s3://no-such-bucket/images", "s3://no-such-bucket"])
def test_a_missing_bucket_is_a_missing_folder(s3, address):
    """The message holds the address."""
    with pytest.raises(ObjectMissing, match=f"{address}: no such folder"):
        Location(address).find()
