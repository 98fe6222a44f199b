#!/usr/bin/python3
"""A link that shows everything twice, as a hairpin or a mirror of both directions does: each message is reported once."""

import decode
import iri
import pcap
import sip_oracle
import x2tap_test as x2
from tap import case, equal, main, say

ALICE = x2.task([{"sipUri": "sip:alice@example.com"}])
VLAN_TAG = b"\x81\x00\x00\x64"


def doubled(frames):
    """Each frame, and a copy of it behind a VLAN tag a microsecond later."""
    twice = []
    for frame in frames:
        copy = frame.octets[:12] + VLAN_TAG + frame.octets[12:]
        for octets, delay_ns in ((frame.octets, 0), (copy, 1000)):
            twice.append(pcap.Frame(len(twice) + 1, frame.time_ns + delay_ns, octets))
    return twice


def tap_twice(name, **sections):
    """What a tap reports of a capture whose frames come twice; also its counters, and how many messages of alice's there are."""
    frames, _ = pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")
    (messages,) = sip_oracle.expected(decode.sightings(frames), [ALICE["targetIdentifiers"]])
    with x2.workspace() as directory:
        capture = directory / "twice.pcap"
        pcap.write(capture, doubled(frames))
        mf = x2.Mf(directory)
        vdevs, ports, _ = x2.file_pair(directory, capture)
        tap = x2.Tap(directory, [ALICE, *x2.CONTROL_TASKS], {x2.DID: mf}, 1, vdevs, ports, **sections).start().ready()
        x2.wait_for("all frames", lambda: tap.ask("status")["ports"][0]["received"] == 2 * len(frames))
        x2.wait_for("all messages", lambda: tap.ask("counters")["matching"]["matched"] >= 2 * len(messages))
        tap.check_laws()
        matching = tap.ask("counters")["matching"]
        x2.wait_for("the IRI", lambda: len(mf.iri()) >= matching["reported"])
        tap.stop()
        mf.stop()
        return frames, mf.iri(), matching, len(messages)


def add(name):
    @case(f"{name}: seen twice, reported once, counted")
    def _():
        frames, found, matching, messages = tap_twice(name)
        difference = iri.first_difference(iri.wanted(frames, [ALICE]), found)
        if difference:
            raise AssertionError(difference)
        equal(matching["suppressed"], 2 * messages - len(found), "suppressed")
        say(f"{len(found)} of {2 * messages} reported")

    @case(f"{name}: with duplicate_window 0 each copy is reported")
    def _():
        _, found, matching, messages = tap_twice(name, sip={"duplicate_window": "0"})
        equal(len(found), 2 * messages, "reported")
        equal(matching["suppressed"], 0, "suppressed")


for name in ("calls-ipv4", "calls-tcp-ipv4", "calls-fragments-ipv6"):
    add(name)
main()
