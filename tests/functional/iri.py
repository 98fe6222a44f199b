"""IRI as the tests expect it: one dict a PDU, worked out from frames, to be compared with what an MF got."""

import ipaddress
from xml.sax.saxutils import escape

import decode
import sip_message
import sip_oracle
import x2tap_test as x2

FORMAT_SIP = 9


def fragment(identifier):
    """Attribute 17 of a target identifier."""
    ((element, value),) = identifier.items()
    text = escape(str(value))
    if element == "ipv4Cidr":
        text = f"<IPv4CIDR>{text}</IPv4CIDR>"
    return f"<{element}>{text}</{element}>"


def of_message(sighting, direction, order):
    """The PDU of one message, but for its sequence number."""
    message, flow = sighting.message, sighting.flow
    return {
        "xid": order["xId"],
        "format": FORMAT_SIP,
        "direction": direction,
        "correlation": sip_oracle.correlation(message.call_id) if message.call_id else None,
        "time_ns": sighting.time_ns,
        "nfid": x2.NFID,
        "ipid": x2.IPID,
        "src": flow.source,
        "dst": flow.destination,
        "sport": flow.source_port,
        "dport": flow.destination_port,
        "proto": flow.protocol,
        "matched": [fragment(identifier) for identifier in order["targetIdentifiers"]],
        "octets": sip_oracle.reported(message),
    }


def number(pdus):
    """Gives sequence numbers, in order, for each task and correlation id."""
    counters = {}
    for pdu in pdus:
        key = context(pdu)
        pdu["seq"] = counters.get(key, 0)
        counters[key] = pdu["seq"] + 1
    return pdus


def wanted(frames, tasks, timed=True):
    """What tasks should get of frames. Not timed: the frames come over a live link, so the clock's times are unknown."""
    pdus = []
    found = sip_oracle.expected(decode.sightings(frames), [order["targetIdentifiers"] for order in tasks])
    for order, entries in zip(tasks, found):
        for sighting, direction in entries:
            pdu = of_message(sighting, direction, order)
            if not timed:
                del pdu["time_ns"]
            pdus.append(pdu)
    return number(pdus)


def context(pdu):
    """Task and correlation id. A message without Call-ID is a session of its own, with a correlation id that is any."""
    if not sip_message.read(pdu["octets"]).call_id:
        assert pdu["correlation"] != 0, "correlation id 0"
        return pdu["xid"], pdu["octets"]
    return pdu["xid"], pdu["correlation"]


def by_context(pdus):
    """PDUs by context, in order of their sequence numbers: what does not depend on the workers."""
    contexts = {}
    for pdu in pdus:
        contexts.setdefault(context(pdu), []).append(pdu)
    for members in contexts.values():
        members.sort(key=lambda pdu: pdu["seq"])
    return contexts


def describe(pdu):
    start = pdu["octets"][:60].split(b"\r\n")[0].decode("utf-8", "replace")
    return f"{start!r} seq {pdu['seq']} direction {pdu['direction']} time {pdu.get('time_ns')}"


def first_difference(wanted, found):
    """What differs first between two lists of PDUs, as text; None when they are equal."""
    wanted, found = by_context(wanted), by_context(found)
    if set(wanted) != set(found):
        missing = [describe(wanted[key][0]) for key in set(wanted) - set(found)]
        extra = [describe(found[key][0]) for key in set(found) - set(wanted)]
        return f"contexts missing: {missing[:5]}; not expected: {extra[:5]}"
    for key, members in wanted.items():
        for a, b in zip(members, found[key]):
            for name in a:
                x, y = a[name], b.get(name)
                if name == "correlation" and x is None:
                    continue
                if name in ("src", "dst") and y is not None:
                    x, y = ipaddress.ip_address(x), ipaddress.ip_address(y)
                if name == "matched":  # in no particular order
                    x, y = sorted(x), sorted(y)
                if x != y:
                    return f"{name}: wanted {x!r}, found {y!r}\n  in {describe(a)}\n  got {describe(b)}"
        if len(members) != len(found[key]):
            longer = max(members, found[key], key=len)
            return (
                f"wanted {len(members)} PDUs, found {len(found[key])} of one session; "
                f"the next one is {describe(longer[min(len(members), len(found[key]))])}"
            )
    return None
