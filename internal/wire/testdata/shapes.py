"""Calls every operation with an input of which every member is set, and reads every
member of the answer. A text is "Member-N", so that both sides can tell whether it
arrived where it belongs. Arguments: endpoint, key, secret; standard input: JSON of
package -> operations. Prints "package operation texts-sent texts-read wrong…"."""
import datetime
import itertools
import json
import logging
import sys

import boto3
from botocore.config import Config

endpoint, key, secret = sys.argv[1:4]
logging.disable(logging.CRITICAL)
counter = itertools.count(1)
DEPTH = 6


def skipped(service, name, shape):
    # What the client itself computes or insists on.
    if service == "s3":
        return name.startswith(("Checksum", "SSECustomer", "CopySourceSSECustomer", "ContentMD5", "ContentLength", "ExpectedBucketOwner", "MFA", "Expires"))
    return name in ("SourceRegion", "PreSignedUrl", "DryRun", "EndpointId")


def text(name, shape):
    if name == "Bucket":
        return "bucket-%d" % next(counter)
    s = "%s-%d" % (name, next(counter))
    if name == "CopySource":
        s = "b/" + s
    return s + "x" * max(0, shape.metadata.get("min", 0) - len(s))


def sample(service, name, shape, depth, sent):
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return {"a": 1}
        members = {}
        union = getattr(shape, "is_tagged_union", False)
        for n, m in shape.members.items():
            if skipped(service, n, m) or depth >= DEPTH and n not in shape.required_members and m.type_name in ("structure", "list", "map") or getattr(m, "is_streaming", False):
                continue
            if union and members:
                break
            members[n] = sample(service, n, m, depth + 1, sent)
        return members
    if kind == "list":
        n = max(1, shape.metadata.get("min", 1))
        return [sample(service, name, shape.member, depth + 1, sent) for _ in range(min(n, 3))]
    if kind == "map":
        return {"kkkk": sample(service, name, shape.value, depth + 1, sent)}
    if kind == "string":
        sent.append(name)
        return text(name, shape)
    if kind == "boolean":
        return True
    if kind in ("integer", "long"):
        return max(7, shape.metadata.get("min", 0))
    if kind in ("float", "double"):
        return 1.5
    if kind == "timestamp":
        return datetime.datetime(2026, 11, 26, 12, 0, 0, tzinfo=datetime.timezone.utc)
    return b"blob"


def read(name, value, found):
    if isinstance(value, dict):
        for k, v in value.items():
            read(name if k in ("k", "kkkk") and name else k, v, found)
    elif isinstance(value, list):
        for v in value:
            read(name, v, found)
    elif isinstance(value, str):
        found.append((name, value))


for package, operations in json.load(sys.stdin).items():
    client = boto3.client(package, endpoint_url=endpoint, region_name="eu-west-1", aws_access_key_id=key, aws_secret_access_key=secret,
                          config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, inject_host_prefix=False))
    methods = {v: k for k, v in client.meta.method_to_api_mapping.items()}
    for operation in operations:
        model = client.meta.service_model.operation_model(operation)
        sent = []
        params = sample(package, "", model.input_shape, 0, sent) if model.input_shape else {}
        answer = getattr(client, methods[operation])(**params)
        answer.pop("ResponseMetadata", None)
        found = []
        read("", answer, found)
        wrong = ["%s=%s" % f for f in found if not f[1].lower().startswith(f[0].lower() + "-")]
        print(package, operation, len(sent), len(found), *wrong, flush=True)
