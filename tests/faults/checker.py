"""What the files of all runs of an MF must hold together: nothing but what was wanted, each number once or again octet for octet, in
order. And what is missing."""

import iri
from delivered import key, without_repeats
from tap import equal


def in_order(run):
    """Within a connection and a context numbers rise."""
    last = {}
    for pdu in run:
        where = pdu["peer"], pdu["xid"], pdu["correlation"]
        if pdu["seq"] <= last.get(where, -1):
            raise AssertionError(f"out of order: {iri.describe(pdu)} after {last[where]} on {pdu['peer']}")
        last[where] = pdu["seq"]


def union(runs):
    """The PDUs of all runs together, each once."""
    for run in runs:
        in_order(run)
    return without_repeats([pdu for run in runs for pdu in run])


def missing(wanted, runs):
    """Those of `wanted` that are in none of the runs. AssertionError where there is anything else, or anything is different."""
    found = union(runs)
    have, want = {key(pdu) for pdu in found}, {key(pdu) for pdu in wanted}
    extra = [iri.describe(pdu) for pdu in found if key(pdu) not in want]
    if extra:
        raise AssertionError(f"{len(extra)} PDUs that nobody wanted: {extra[:3]}")
    difference = iri.first_difference([pdu for pdu in wanted if key(pdu) in have], found)
    if difference:
        raise AssertionError(difference)
    return [pdu for pdu in wanted if key(pdu) not in have]


def numbers(pdus):
    """The sequence numbers of each context."""
    contexts = {}
    for pdu in pdus:
        contexts.setdefault((pdu["xid"], pdu["correlation"]), set()).add(pdu["seq"])
    return contexts


def missing_by_content(wanted, runs):
    """As missing(), where nobody knows which numbers were given, since x2tap was killed: a PDU is known by its octets. Numbers must
    rise with what was sent. Returns what is missing, and the numbers of each context that were passed over."""
    found = union(runs)
    by_octets = {pdu["octets"]: pdu for pdu in found}
    equal(len(by_octets), len(found), "PDUs that are different messages")
    known = {pdu["octets"] for pdu in wanted}
    extra = [iri.describe(pdu) for pdu in found if pdu["octets"] not in known]
    if extra:
        raise AssertionError(f"{len(extra)} PDUs that nobody wanted: {extra[:3]}")
    last = {}
    for pdu in (by_octets[pdu["octets"]] for pdu in wanted if pdu["octets"] in by_octets):
        where = pdu["xid"], pdu["correlation"]
        if pdu["seq"] <= last.get(where, -1):
            raise AssertionError(f"numbered out of order: {iri.describe(pdu)} after {last[where]}")
        last[where] = pdu["seq"]
    passed_over = {where: set(range(max(have) + 1)) - have for where, have in numbers(found).items()}
    return [pdu for pdu in wanted if pdu["octets"] not in by_octets], {w: n for w, n in passed_over.items() if n}


def percentile(values, share):
    """The value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0
