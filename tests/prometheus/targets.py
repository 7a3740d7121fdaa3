"""Writes the pods that are annotated with `prometheus.io/port` as targets for Prometheus, each second:

targets.py URL TOKEN CERTIFICATE FILE

Debian's Prometheus is built without the discovery of Kubernetes.
"""

import json
import os
import ssl
import sys
import time
import urllib.request

url, token, certificate, path = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
context.check_hostname = False


def pods():
    request = urllib.request.Request(url + "/api/v1/pods", headers={"authorization": "Bearer " + token})
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:
        return json.load(answer)["items"]


def target(pod):
    metadata = pod["metadata"]
    port = metadata.get("annotations", {}).get("prometheus.io/port")
    address = pod["status"].get("podIP")
    if not port or not address or pod["status"].get("phase") != "Running" or "deletionTimestamp" in metadata:
        return None
    labels = {"namespace": metadata["namespace"], "pod": metadata["name"]}
    if "app" in metadata.get("labels", {}):
        labels["app"] = metadata["labels"]["app"]
    return {"targets": [f"{address}:{port}"], "labels": labels}


while True:
    try:
        found = [one for one in map(target, pods()) if one]
    except OSError:
        found = None
    if found is not None:
        with open(path + ".fresh", "w") as file:
            json.dump(found, file)
        os.replace(path + ".fresh", path)
    time.sleep(1)
