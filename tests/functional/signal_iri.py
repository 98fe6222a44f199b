"""IRI of RADIUS, DHCP, GTP-C and SIP as the tests expect it of signal_oracle.py, and what an MF got, side by side."""

import ipaddress

import iri
import sip_oracle
import x2tap_test as x2
from signal_oracle import Signal

FORMATS = {"dhcpv4": 10, "dhcpv6": 10, "radius": 11}
FORMAT_IPV4, FORMAT_IPV6 = 5, 6
# RADIUS attributes whose values are withheld: User-Password, CHAP-Password, CHAP-Challenge, EAP-Message; and of Microsoft
# (RFC 2548) MS-CHAP and keys.
WITHHELD = {2, 3, 60, 79}
MICROSOFT, MICROSOFT_WITHHELD = (311).to_bytes(4, "big"), {1, 3, 4, 5, 6, 11, 12, 16, 17, 25, 26, 27}


def format_of(signal):
    return FORMATS.get(signal.protocol) or (FORMAT_IPV6 if ":" in signal.flow.source else FORMAT_IPV4)


def withheld(octets):
    """Where a RADIUS packet holds what is not reported: (from, to). Behind an attribute that cannot be, that is everything."""
    at, found = 20, []
    while at + 2 <= len(octets) and 2 <= octets[at + 1] <= len(octets) - at:
        if octets[at] in WITHHELD and octets[at + 1] > 2:
            found.append((at + 2, min(at + octets[at + 1], len(octets))))
        if octets[at] == 26 and octets[at + 2 : at + 6] == MICROSOFT and octets[at + 6] in MICROSOFT_WITHHELD:
            found.append((at + 8, at + octets[at + 1]))
        at += octets[at + 1]
    if at + 2 < len(octets):
        found.append((at + 2, len(octets)))
    return found


def is_reported(signal, octets):
    """Whether octets are those that a PDU should have."""
    if signal.protocol.startswith("gtp"):
        # The whole IP packet, which ends with the message.
        version = 6 if ":" in signal.flow.source else 4
        return octets[:1] and octets[0] >> 4 == version and octets.endswith(signal.octets)
    if signal.protocol != "radius":
        return octets == signal.octets
    if len(octets) != len(signal.octets):
        return False
    secret = {place for first, last in withheld(signal.octets) for place in range(first, last)}
    kept = all(a == b for place, (a, b) in enumerate(zip(octets, signal.octets)) if place not in secret)
    return kept and not any(octets[a:b] == signal.octets[a:b] and any(signal.octets[a:b]) for a, b in withheld(signal.octets))


def place(one):
    """Time and flow, by which a PDU and what it reports are brought together."""
    if isinstance(one, dict):
        return (one["time_ns"], str(ipaddress.ip_address(one["src"])), str(ipaddress.ip_address(one["dst"])), one["sport"],
                one["dport"], one["proto"])  # fmt: skip
    flow = one.flow
    return one.time_ns, flow.source, flow.destination, flow.source_port, flow.destination_port, flow.protocol


def describe(one):
    what = f"{one.protocol} {one.type}" if isinstance(one, Signal) else one.message.start
    return f"frame {one.frame}: {what}"


def check_pdu(pdu, one, way, order):
    """AssertionError where a PDU is not that of a message."""
    is_signal = isinstance(one, Signal)
    wanted = {
        "format": format_of(one) if is_signal else iri.FORMAT_SIP,
        "direction": way,
        "nfid": x2.NFID,
        "ipid": x2.IPID,
        "matched": sorted(iri.fragment(identifier) for identifier in order["targetIdentifiers"]),
    }
    for name, value in wanted.items():
        found = sorted(pdu[name]) if name == "matched" else pdu[name]
        if found != value:
            raise AssertionError(f"{describe(one)}: {name}: wanted {value!r}, found {found!r}")
    right = is_reported(one, pdu["octets"]) if is_signal else pdu["octets"] == sip_oracle.reported(one.message)
    if not right:
        raise AssertionError(f"{describe(one)}: octets: found {pdu['octets'].hex()}")
    if pdu["correlation"] == 0:
        raise AssertionError(f"{describe(one)}: correlation id 0")


def check_correlation(paired):
    """One number for each session of one task, and no other session has it."""
    numbers = {}
    for pdu, one in paired:
        session = name_of(one)
        if session is None:
            continue
        known = numbers.setdefault(session, pdu["correlation"])
        if known != pdu["correlation"]:
            raise AssertionError(f"{describe(one)}: correlation id {pdu['correlation']:x} in a session that has {known:x}")
    if len(set(numbers.values())) != len(numbers):
        raise AssertionError(f"sessions share correlation ids: {numbers}")


def name_of(one):
    """What names the session of a message for sure."""
    if not isinstance(one, Signal):
        return ("sip", one.message.call_id) if one.message.call_id else None
    # RFC 4388: a relay may ask for any number of leases under one xid.
    if one.protocol == "dhcpv4" and one.type in range(10, 14):
        return None
    names = [name for name in one.keeps if name[0] in ("radius session", "dhcpv4 transaction", "dhcpv6 transaction")]
    return names[0] if names else None


def check_sequence(pdus):
    contexts = {}
    for pdu in pdus:
        contexts.setdefault((pdu["xid"], pdu["correlation"]), []).append(pdu["seq"])
    for (_, correlation), numbers in contexts.items():
        if sorted(numbers) != list(range(len(numbers))):
            raise AssertionError(f"sequence numbers of {correlation:x}: {sorted(numbers)}")


def check(tasks, found, pdus):
    """Compares what signal_oracle.expected() says that tasks get with the PDUs of an MF."""
    check_sequence(pdus)
    for order, entries in zip(tasks, found):
        mine = {}
        for pdu in pdus:
            if pdu["xid"] == order["xId"]:
                mine.setdefault(place(pdu), []).append(pdu)
        paired = []
        for one, way in entries:
            if not mine.get(place(one)):
                raise AssertionError(f"{order['targetIdentifiers']}: missing {describe(one)}")
            paired.append((mine[place(one)].pop(0), one))
            check_pdu(*paired[-1], way, order)
        extra = [where for where, rest in mine.items() if rest]
        if extra:
            raise AssertionError(f"{order['targetIdentifiers']}: not expected: {sorted(extra)[:5]}")
        check_correlation(paired)
    wanted = {order["xId"] for order in tasks}
    if any(pdu["xid"] not in wanted for pdu in pdus):
        raise AssertionError("PDUs of tasks of somebody who is in no capture")
