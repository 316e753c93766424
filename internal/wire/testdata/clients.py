"""Speaks every protocol with boto3. Arguments: endpoint, CA bundle, key, secret.
Prints one line per thing that went well; any exception ends it."""
import io
import sys
import urllib.request
import ssl

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, bundle, key, secret = sys.argv[1:5]


def client(name, **config):
    return boto3.client(
        name, endpoint_url=endpoint, verify=bundle, region_name="eu-west-1", aws_access_key_id=key, aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, **config))


assert client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::100000000001:root"
print("query")
vpcs = client("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["x"]}])
assert vpcs["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "a<b"}], vpcs
print("ec2")
assert client("ecs").list_clusters()["clusterArns"] == ["arn:c"]
try:
    client("ecs").describe_clusters()
    raise SystemExit("an error was not told")
except ClientError as e:
    assert e.response["Error"]["Code"] == "ClusterNotFoundException" and e.response["Error"]["Message"] == "Cluster not found."
    assert e.response["ResponseMetadata"]["RequestId"]
print("json")

s3 = client("s3", s3={"addressing_style": "path"})
s3.put_object(Bucket="bucket", Key="a b/ü+", Body=b"hello", Metadata={"k": "v"})
assert s3.get_object(Bucket="bucket", Key="a b/ü+")["Body"].read() == b"hello"
big = bytes(range(256)) * 65536
s3.upload_fileobj(io.BytesIO(big), "bucket", "big")
assert s3.get_object(Bucket="bucket", Key="big")["Body"].read() == big
assert s3.list_objects_v2(Bucket="bucket")["Contents"][0]["Key"] == "a b"
assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "eu-west-1"
s3.put_bucket_policy(Bucket="bucket", Policy='{"a":1}')
assert s3.get_bucket_policy(Bucket="bucket")["Policy"] == '{"a":1}'
try:
    s3.head_object(Bucket="bucket", Key="none")
    raise SystemExit("a missing object was not told")
except ClientError as e:
    assert e.response["Error"]["Code"] == "404"
print("s3")

tls = ssl.create_default_context(cafile=bundle)
for version in ("s3", "s3v4"):
    signed = client("s3", signature_version=version, s3={"addressing_style": "path"})
    for method, params, body in (("put_object", {"ContentType": "text/plain"}, b"by url"), ("get_object", {}, None)):
        url = signed.generate_presigned_url(method, Params={"Bucket": "bucket", "Key": "by url", **params})
        request = urllib.request.Request(url, data=body, method="PUT" if body else "GET", headers={"Content-Type": "text/plain"} if body else {})
        got = urllib.request.urlopen(request, context=tls if url.startswith("https") else None).read()
    assert got == b"by url", got
    print("presigned " + version)
url = client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
assert b":root" in urllib.request.urlopen(url, context=tls if url.startswith("https") else None).read()
print("presigned sts")
