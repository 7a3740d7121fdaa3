"""An image in the layout of `docker save`, from the files of a folder:

image.py FOLDER NAME:TAG ENTRYPOINT [NAME=VALUE ...] > FILE.tar
"""

import hashlib
import io
import json
import platform
import sys
import tarfile

folder, name, entrypoint, *variables = sys.argv[1:]


def plain(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as archive:
    archive.add(folder, arcname=".", filter=plain)
layer = layer.getvalue()
config = json.dumps({
    "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
    "os": "linux",
    "config": {"Entrypoint": [entrypoint], "Env": variables or ["PATH=/bin"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
}).encode()
configured = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{"Config": configured, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for path, content in ((configured, config), ("layer.tar", layer), ("manifest.json", manifest)):
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
