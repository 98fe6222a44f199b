#!/usr/bin/python3
"""Fills in what the tasks of tests/data/expected/*.json should get, worked out from the capture by sip_oracle.py.

  make-expected.py FILE...

To add a capture, write a file that names it and the target identifiers of one or more tasks, run this, and read what it
wrote: the test compares x2tap with what stands there. A capture may have several files; "match_outer": "yes" sets that option.

  {"capture": "shared/captures/NAME.pcap", "tasks": [{"targetIdentifiers": [{"sipUri": "sip:alice@example.com"}]}]}
"""

import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tests/functional"))

import decode
import pcap
import sip_oracle


def path_of(name):
    return root.parent / name if name.startswith("shared/") else root / name


def entry(sighting, direction):
    message = sighting.message
    found = {
        "frame": sighting.frame,
        "proto": sighting.flow.protocol,
        "start": message.start,
        "call_id": message.call_id,
        "direction": direction,
    }
    if sighting.part:
        found["part"] = sighting.part
    return {key: value if isinstance(value, int) else value.encode("utf-8", "replace").decode() for key, value in found.items()}


for name in sys.argv[1:]:
    file = pathlib.Path(name)
    content = json.loads(file.read_text())
    frames, _ = pcap.read(path_of(content["capture"]))
    tasks = [task["targetIdentifiers"] for task in content["tasks"]]
    found = sip_oracle.expected(decode.sightings(frames), tasks, content.get("match_outer") == "yes")
    for task, messages in zip(content["tasks"], found):
        task["messages"] = [entry(*message) for message in messages]
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # One message a line, and one identifier, reads better.
    text = re.sub(r"\{\s+\"frame\": [^{}]*\}", lambda m: re.sub(r"\s*\n\s*", " ", m.group()), text)
    text = re.sub(r"\{\s+(\"\w+\": \"[^\"]*\")\s+\}", r"{\1}", text)
    file.write_text(text + "\n")
    print(file.name, [len(task["messages"]) for task in content["tasks"]])
