#!/usr/bin/python3
"""Every capture through x2tap: what comes out is what went in, and the IRI is that of tests/data/expected.

A file in tests/data/expected and the capture that it names are a test; a capture alone must be forwarded and yield nothing
for tasks of somebody else. With arguments: only the cases whose name holds one of them.
"""

import json
import os

import decode
import iri
import pcap
import signal_iri
import signal_oracle
import x2tap_test as x2
from tap import case, equal, main, say

DATA = x2.ROOT / "tests/data"


def captures():
    """Name and path of every capture that DPDK can read as Ethernet."""
    shared = x2.SHARED / "captures"
    found = {path.stem: path for path in sorted(shared.glob("*.pcap"))}
    found.update({path.stem: path for path in shared.glob("ethernet/*.pcap")})
    found.update({f"derived-{path.stem}": path for path in sorted(shared.glob("derived/*.pcap"))})
    found.update({path.stem: path for path in sorted((DATA / "captures").glob("*.pcap"))})
    return found


def expectations():
    return {path.stem: json.loads(path.read_text()) for path in sorted((DATA / "expected").glob("*.json"))}


def path_of(content):
    """Where the capture of an expectation is, or would be."""
    name = content["capture"]
    return x2.ROOT.parent / name if name.startswith("shared/") else x2.ROOT / name


def same_frames(sent, path, limit=pcap.WRITER_LIMIT):
    """Whether a file written by net_pcap holds the frames that were read from another."""
    came, _ = pcap.read(path)
    equal(len(came), len(sent), "frames forwarded")
    for a, b in zip(sent, came):
        if a.octets[:limit] != b.octets[:limit]:
            raise AssertionError(f"frame {a.number} was changed:\n{a.octets.hex()}\n{b.octets.hex()}")


def has_signals(content):
    return "sources" in content or any("signals" in entry for entry in content["tasks"])


def first_difference(frames, tasks, content, pdus):
    """What differs first between the expected lists and the PDUs, as text; None when nothing does."""
    seen = {(sighting.frame, sighting.part): sighting for sighting in decode.sightings(frames)}
    found = [[(seen[m["frame"], m.get("part", 0)], m["direction"]) for m in entry["messages"]] for entry in content["tasks"]]
    if not has_signals(content):
        wanted = [iri.of_message(*message, order) for order, messages in zip(tasks, found) for message in messages]
        return iri.first_difference(iri.number(wanted), pdus)
    signals = {signal.frame: signal for signal in signal_oracle.signals(frames)}
    for messages, entry in zip(found, content["tasks"]):
        messages += [(signals[m["frame"]], m["direction"]) for m in entry.get("signals", [])]
    signal_iri.check(tasks, found, pdus)


def run(path, content, workers):
    frames, _ = pcap.read(path)
    tasks = [
        x2.task(entry["targetIdentifiers"], name=f"{path.name}/{number}")
        for number, entry in enumerate(content["tasks"])
    ]
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        vdevs, ports, (back, out) = x2.file_pair(directory, path)
        tap = x2.Tap(directory, tasks + x2.CONTROL_TASKS, {x2.DID: mf}, workers, vdevs, ports)
        # Some captures order local numbers, which stand for those of every host.
        tap.content["targets"] = {"file": tap.targets, "allow_wide_targets": "yes"}
        if "sources" in content:
            tap.content["bindings"] = {"max_sessions": 1024, "sources": content["sources"]}
        if "match_outer" in content:
            tap.content["targets"]["match_outer"] = content["match_outer"]
        tap.write_config()
        wanted = sum(len(entry["messages"]) + len(entry.get("signals", [])) for entry in content["tasks"])
        try:
            tap.run("--until-idle", "0.2")
            problems = content.get("x2mf_problems", 0)
            code = 1 if problems else 0
            equal(mf.stop(), code, f"x2mf, which counts numbers and looks at every octet: {x2.said(mf.process)}")
            same_frames(frames, out)
            same_frames([], back)
            difference = first_difference(frames, tasks, content, mf.iri(problems))
            if difference:
                raise AssertionError(difference)
        except AssertionError as reason:
            octets = out.stat().st_size if out.exists() else 0
            found = f"x2mf got {len(mf.iri(None))} of {wanted} PDUs; {octets} octets of {len(frames)} frames were forwarded"
            lines = [*tap.said().splitlines()[-5:], *x2.said(mf.process).splitlines()[-3:]]
            raise AssertionError("\n".join([str(reason), found, f"load average {os.getloadavg()[0]:.1f}", *lines])) from None
        say(f"{len(frames)} frames, {wanted} PDUs")


def add(name, path, content, workers):
    yields = sum(len(entry["messages"]) + len(entry.get("signals", [])) for entry in content["tasks"])
    plural = "worker" if workers == 1 else "workers"

    @case(f"{name}, {workers} {plural}: forwarded unchanged, {yields} PDUs")
    def _():
        run(path, content, workers)


NOTHING = {"tasks": []}
expected = expectations()
used = {path_of(content).resolve() for content in expected.values()}
for name, path in captures().items():
    if path.resolve() not in used:
        add(name, path, NOTHING, 1)
for name, content in expected.items():
    if path_of(content).exists():
        for workers in (1, 2, 4) if any(entry["messages"] or "signals" in entry for entry in content["tasks"]) else (1,):
            add(name, path_of(content), content, workers)


@case("the shared captures are there, and each expected list has its capture")
def _():
    x2.need_shared()
    equal([name for name, content in expected.items() if not path_of(content).exists()], [], "lists without a capture")


main()
