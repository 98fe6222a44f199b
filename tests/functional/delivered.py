"""What MFs got, whatever happened on the way: repeats, order."""

import iri
from tap import equal


def key(pdu):
    return pdu["xid"], pdu["correlation"], pdu["seq"]


def content(pdu):
    """All that a repeat must have in common with the first."""
    return {name: value for name, value in pdu.items() if name not in ("order", "expected", "missing", "peer", "arrived_ns")}


def without_repeats(pdus):
    """Each PDU once; AssertionError where one number stands for two."""
    kept = {}
    for pdu in pdus:
        first = kept.setdefault(key(pdu), pdu)
        if first is not pdu and content(first) != content(pdu):
            raise AssertionError(f"one number for two PDUs: {iri.describe(first)} and {iri.describe(pdu)}")
    return list(kept.values())


def in_order(pdus):
    """Of one connection: within a context sequence numbers rise, and times over all."""
    last = {}
    for pdu in pdus:
        context = pdu["xid"], pdu["correlation"]
        if pdu["seq"] <= last.get(context, -1):
            raise AssertionError(f"out of order: {iri.describe(pdu)} after {last[context]}")
        last[context] = pdu["seq"]
    times = [pdu["time_ns"] for pdu in pdus]
    equal(times, sorted(times), "order of times")
