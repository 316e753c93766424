"""Calls AWS by its own names over verified TLS, with the standard library alone.

call.py name               asks STS without a signature: any answer of its will do
call.py object URL         prints what lies at a URL
call.py task BUCKET KEY    what a task does: who am I, and my object, with its role
"""
import datetime
import hashlib
import hmac
import json
import os
import re
import sys
import urllib.error
import urllib.request

REGION = os.environ.get("AWS_REGION", "us-east-1")


def fetch(request):
    """The default context verifies the certificate and the name."""
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def name():
    try:
        fetch("https://sts.us-east-1.amazonaws.com/")
    except urllib.error.HTTPError as refused:  # an answer, so the handshake was fine
        print("STS answers", refused.code)


def signed(credentials, method, service, host, path, body=b""):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now, "x-amz-security-token": credentials["Token"]}
    names = ";".join(headers)
    canonical = "\n".join([method, path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, digest])
    scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
    key = ("AWS4" + credentials["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={credentials['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}"
    return urllib.request.Request(f"https://{host}{path}", data=body or None, headers=headers, method=method)


def task(bucket, key):
    endpoints = [v for v in os.environ if "ENDPOINT_URL" in v]
    print("endpoints", endpoints)
    print("user", os.getuid())
    try:
        open("/written", "w").close()
        print("root is writable")
    except OSError as refused:
        print("root:", refused.strerror)
    credentials = json.loads(fetch("http://169.254.170.2" + os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]))
    who = fetch(signed(credentials, "POST", "sts", f"sts.{REGION}.amazonaws.com", "/", b"Action=GetCallerIdentity&Version=2011-06-15"))
    print("caller", re.search("<Arn>(.*)</Arn>", who)[1])
    print("object", fetch(signed(credentials, "GET", "s3", f"{bucket}.s3.{REGION}.amazonaws.com", "/" + key)))


if __name__ == "__main__":
    {"name": name, "object": lambda url: print(fetch(url)), "task": task}[sys.argv[1]](*sys.argv[2:])
