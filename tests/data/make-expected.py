#!/usr/bin/python3
"""Fills in what the tasks of tests/data/expected/*.json should get, worked out from the capture by sip_oracle.py and
signal_oracle.py: SIP in "messages", RADIUS, DHCP and GTP-C in "signals" where there are any.

  make-expected.py FILE...

To add a capture, write a file that names it and the target identifiers of one or more tasks, run this, and read what it
wrote: the test compares x2tap with what stands there. A capture may have several files; "match_outer": "yes" sets that option,
"sources" is bindings.sources.

  {"capture": "shared/captures/NAME.pcap", "tasks": [{"targetIdentifiers": [{"sipUri": "sip:alice@example.com"}]}]}
"""

import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tests/functional"))

import pcap
import signal_oracle


def path_of(name):
    return root.parent / name if name.startswith("shared/") else root / name


def of_signal(signal, direction):
    return {"frame": signal.frame, "signal": signal.protocol, "type": signal.type, "direction": direction}


def of_message(sighting, direction):
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
    found = signal_oracle.expected(frames, tasks, content.get("sources", []), content.get("match_outer") == "yes")
    for task, both in zip(content["tasks"], found):
        task["messages"] = [of_message(*one) for one in both if not isinstance(one[0], signal_oracle.Signal)]
        task["signals"] = [of_signal(*one) for one in both if isinstance(one[0], signal_oracle.Signal)]
        if not task["signals"]:
            del task["signals"]
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # One message a line, and one identifier, reads better.
    text = re.sub(r"\{\s+\"frame\": [^{}]*\}", lambda m: re.sub(r"\s*\n\s*", " ", m.group()), text)
    text = re.sub(r"\{\s+(\"\w+\": \"[^\"]*\")\s+\}", r"{\1}", text)
    file.write_text(text + "\n")
    print(file.name, [(len(task["messages"]), len(task.get("signals", []))) for task in content["tasks"]])
