"""The counts of requests to a moto server."""

import boto3
import pytest
from counted_requests import Request, counted


@pytest.fixture
def client(s3):
    """A client, and the name of an empty bucket."""
    return boto3.client("s3", region_name="us-east-1"), s3.removeprefix("s3://")


def test_each_operation_is_counted_under_its_name_with_its_key(client, s3):
    client, bucket = client
    with counted(s3) as requests:
        client.put_object(Bucket=bucket, Key="a/b", Body=b"1", IfNoneMatch="*")
        client.head_object(Bucket=bucket, Key="a/b")
        client.get_object(Bucket=bucket, Key="a/b")
        client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a/b")
        client.list_objects_v2(Bucket=bucket, Prefix="a/")
        client.delete_object(Bucket=bucket, Key="c")
        client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}]})
    assert requests.made == [
        Request("PUT", "a/b", True),
        Request("HEAD", "a/b", False),
        Request("GET", "a/b", False),
        Request("COPY", "c", False),
        Request("LIST", "a/", False),
        Request("DELETE", "c", False),
        Request("DELETE", "", False),
    ]
    assert requests.operations == {"PUT": 1, "HEAD": 1, "GET": 1, "COPY": 1, "LIST": 1, "DELETE": 2}
    assert requests.table() == "COPY 1, DELETE 2, GET 1, HEAD 1, LIST 1, PUT 1; 7 requests"


def test_an_upload_in_parts_is_counted_step_by_step(client, s3):
    client, bucket = client
    with counted(s3) as requests:
        upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        part = client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"1")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        client.list_multipart_uploads(Bucket=bucket)
        client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert [request.operation for request in requests.made] == [
        "CREATE UPLOAD",
        "PUT PART",
        "LIST UPLOADS",
        "COMPLETE UPLOAD",
    ]
    assert requests.keys("PUT PART") == ["k"]


def test_neither_requests_outside_the_block_nor_those_to_other_buckets_are_counted(client, s3):
    client, bucket = client
    client.list_objects_v2(Bucket=bucket)
    client.create_bucket(Bucket=f"{bucket}-2")
    with counted(s3) as requests:
        client.list_objects_v2(Bucket=f"{bucket}-2")
        assert requests.total == 0
        client.list_objects_v2(Bucket=bucket)
    client.list_objects_v2(Bucket=bucket)
    assert requests.total == 1
