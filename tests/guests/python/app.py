"""A stage that looks at everything that could differ from one run to the next, and answers what it saw."""

import json
import math
import os
import random
import struct
import sys
import time
import uuid
import zlib

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import clock, images, invocation, log, source, types

MANIFEST = {
    "name": "guests/python",
    "version": "1.0.0",
    "summary": "Looks at time, randomness, order, NaNs and memory, and answers what it saw",
    "configuration": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rounds": {"type": "integer", "minimum": 1, "maximum": 100},
            "mebibytes": {"type": "integer", "minimum": 0, "maximum": 256},
            "milliseconds": {"type": "integer", "minimum": 0, "maximum": 60000},
            "repository": {"type": "string"},
        },
    },
    "outputs": {"type": "object", "properties": {"seen": {"type": "array"}}},
    "grants": {
        "required": [{"interface": "source"}],
        "optional": [{"interface": "images", "repositories": [{"from": "/repository", "actions": ["read"]}]}],
    },
    "skip": "never",
}


class Seen(list):
    """What was seen, each also a line of the log."""

    def see(self, what, value):
        self.append(f"{what} {value}")
        log.write(log.Level.INFO, self[-1])


class Place:
    """Its hash is its address."""


class Stage(exports.Stage):
    def describe(self):
        return json.dumps(MANIFEST)

    def validate(self, config):
        mebibytes = json.loads(config).get("mebibytes", 0)
        if mebibytes == 13:
            return [types.ConfigIssue("/mebibytes", "13 is unlucky")]
        return []

    def run(self, config):
        config = json.loads(config)
        seen = Seen()
        print("printed")
        print("complained", file=sys.stderr)
        for number in range(config.get("rounds", 2)):
            times(seen)
            randomness(seen)
            order(seen)
            nans(seen)
            calls(seen, config.get("repository", "images/app"), number)
            time.sleep(config.get("milliseconds", 5) / 1000)
        memory(seen, config.get("mebibytes", 16))
        times(seen)
        return json.dumps({"seen": seen})


def times(seen):
    seen.see("time", f"{time.time_ns()} {time.monotonic_ns()} {time.perf_counter_ns()}")
    seen.see("date", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime()))
    seen.see("now", clock.now_ms())


def randomness(seen):
    seen.see("random", f"{random.random()} {random.randrange(1 << 64)}")
    seen.see("urandom", os.urandom(16).hex())
    seen.see("uuid", uuid.uuid4())
    seen.see("stream", invocation.random(8).hex())


def order(seen):
    words = {f"word-{number * 7919 % 1000}" for number in range(300)}
    seen.see("words", digest(",".join(words)))
    places = {Place(): number for number in range(300)}
    seen.see("places", digest(",".join(str(places[place]) for place in set(places))))
    seen.see("hash", f"{hash('word')} {id(words) > 0}")


def nans(seen):
    inf = float("inf")
    numbers = [inf - inf, inf * 0.0, -(inf - inf), math.nan, float("nan") * -1.0, math.fmod(5, 3) / inf - inf + inf]
    with_payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8DEADBEEF0001))[0]
    numbers += [with_payload + 1.0, with_payload * 2.0, 1.0 - with_payload]
    doubles = b"".join(struct.pack("<d", number) for number in numbers)
    floats = b"".join(struct.pack("<f", number) for number in numbers)
    seen.see("doubles", doubles.hex())
    seen.see("floats", floats.hex())


def calls(seen, repository, number):
    seen.see("cancelled", invocation.is_cancelled())
    seen.see("commits", digest(str(source.commits(None, 3))))
    seen.see("changed", source.changed_files(None, None, 5))
    try:
        found = images.find(repository, f"v{number}")
        seen.see("image", "none" if found is None else found.digest)
    except Err as refused:
        seen.see("image", type(refused.value).__name__)
    clock.sleep(3)


def memory(seen, mebibytes):
    pages = bytearray(mebibytes << 20)
    for at in range(0, len(pages), 4096):
        pages[at] = at >> 12 & 255
    seen.see("memory", f"{len(pages)} {zlib.crc32(pages)}")
    for name in ("memory-bytes", "wall-ms", "nothing"):
        seen.see(name, invocation.limit(name))


def digest(text):
    return f"{zlib.crc32(text.encode()):08x}"
