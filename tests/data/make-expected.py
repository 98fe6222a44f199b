#!/usr/bin/python3
"""Fills in what the tasks of tests/data/expected/*.json should get, worked out from the capture by sip_oracle.py.

  make-expected.py FILE...

To add a capture, write a file that names it and the target identifiers of one or more tasks, run this, and read what it
wrote: the test compares x2tap with what stands there.

  {"capture": "shared/captures/NAME.pcap", "tasks": [{"targetIdentifiers": [{"sipUri": "sip:alice@example.com"}]}]}
"""

import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tests/functional"))

import pcap
import sip_oracle


def path_of(name):
    return root.parent / name if name.startswith("shared/") else root / name


for name in sys.argv[1:]:
    file = pathlib.Path(name)
    content = json.loads(file.read_text())
    frames, _ = pcap.read(path_of(content["capture"]))
    for task in content["tasks"]:
        task["messages"] = sip_oracle.expected(frames, task["targetIdentifiers"])
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # One message a line reads better.
    text = re.sub(r"\{\s+\"frame\": [^{}]*\}", lambda m: re.sub(r"\s*\n\s*", " ", m.group()), text)
    file.write_text(text + "\n")
    print(file.name, [len(task["messages"]) for task in content["tasks"]])
