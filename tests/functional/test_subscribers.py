#!/usr/bin/python3
"""Who is behind an address: captures of real FreeRADIUS, Kea and OsmoGGSN, and packets made up around the changes of bindings.

The first cases try the oracle alone: what tshark saw in the captures, and whose calls make-subscriber-captures.sh made. The
others compare x2tap with it, message by message. With arguments: only the cases whose name holds one of them.
"""

import csv
import json
import struct

import craft
import identities
import iri
import pcap
import signal_iri
import signal_oracle
import sip_oracle
import x2tap_test as x2
from tap import case, equal, main, say

DATA = x2.ROOT / "tests/data"
SHARED = x2.SHARED / "captures"
NAS, SERVER, STRANGER = "192.0.2.1", "192.0.2.2", "192.0.2.99"
SIP_SERVER = "203.0.113.20"
SOURCES = [{"protocols": ["radius"], "servers": [SERVER], "clients": [NAS]}]


def expectation(name):
    content = json.loads((DATA / "expected" / f"{name}.json").read_text())
    frames, _ = pcap.read(x2.ROOT / content["capture"])
    return content, frames


# --- the oracle alone -------------------------------------------------------------------------------------------------------

# Frames that tshark and the oracle do not both see, and why.
EXPLAINED = {
    ("gtpv1c-create-pdp-and-gtpprime", "gtpv1"): "two echoes of the user plane, and GTP' (port 3386), are not GTP-C",
    ("gtpv2-s8-s6a-s1ap-roaming-attach-detach", "gtpv1"): "echoes of the user plane (port 2152)",
    ("diameter-s6a-gx-gy-sctp-s1ap-gtpu", "gtpv1"): "echoes of the user plane (port 2152)",
    # RFC 2131 section 3: what begins otherwise than with the magic cookie are no options of DHCP. Two are an octet or two short.
    ("dhcpv4-relay-leasequery", "dhcp"): "frames 43 and 44 have no magic cookie where it belongs",
}
COUNTS = {
    ("gtpv1c-create-pdp-and-gtpprime", "gtpv1"): 6,
    ("gtpv2-s8-s6a-s1ap-roaming-attach-detach", "gtpv1"): 0,
    ("diameter-s6a-gx-gy-sctp-s1ap-gtpu", "gtpv1"): 0,
    ("dhcpv4-relay-leasequery", "dhcp"): 34,
}
PROTOCOLS = {"radius": "radius", "dhcp": "dhcpv4", "dhcpv6": "dhcpv6", "gtpv1": "gtpv1", "gtpv2": "gtpv2"}


@case("the oracle: frames of RADIUS, DHCP and GTP-C in the captures are those that tshark saw, or explained")
def _():
    x2.need_shared()
    seen, compared, messages = {}, 0, 0
    for file in sorted((SHARED / "events").glob("*.tsv")):
        name, protocol = file.stem.rsplit(".", 1)
        if protocol not in PROTOCOLS:
            continue
        if name not in seen:
            ethernet = SHARED / "ethernet" / f"{name}.pcap"
            frames, _ = pcap.read(ethernet if ethernet.exists() else SHARED / f"{name}.pcap")
            seen[name] = signal_oracle.signals(frames)
        found = [one.frame for one in seen[name] if one.protocol == PROTOCOLS[protocol]]
        with open(file, newline="", encoding="utf-8") as rows:
            theirs = [int(row["frame.number"]) for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE)]
        compared += 1
        messages += len(found)
        if (name, protocol) in EXPLAINED:
            equal(len(found), COUNTS[name, protocol], f"{file.name}: {EXPLAINED[name, protocol]}")
        else:
            equal(found, theirs, file.name)
    say(f"{compared} lists, {messages} messages")


def line(number):
    return {"nai": f"line-{number}@isp.example.com"}


MACS = ({"macAddress": "00:00:5e:00:53:11"}, {"macAddress": "00:00:5e:00:53:12"})
IMSIS = [{"imsi": f"99970000000000{number}"} for number in (1, 2, 3)]
# Whose the calls and messages of make-subscriber-captures.sh are, in the order in which it made them.
OWNERS = {
    "radius-lines": [None, line(4711), line(4711), line(4712), line(4712), line(4712), None, line(4713), line(4714), line(4712),
                     None, None],
    "radius-coa": [line(4711), None],
    "radius-ipv6": [None, line(4712), None],
    "dhcp-v4-relayed": [None, MACS[0], MACS[0], None, MACS[1]],
    "dhcp-v6-relayed": [None, MACS[0], MACS[0], MACS[0], None, None, MACS[1], MACS[1]],
    "gtpv1-contexts": [IMSIS[0], IMSIS[0], IMSIS[1], IMSIS[2]],
}  # fmt: skip


def calls_of(frames):
    """Call-IDs in the order of their beginning, and their frames."""
    found = {}
    for sighting in signal_oracle.decode.sightings(frames):
        found.setdefault(sighting.message.call_id, []).append(sighting.frame)
    return found


for name, owners in OWNERS.items():

    @case(f"the oracle: {name}: each call is that of the subscriber who had the address, and of nobody else")
    def _(name=name, owners=owners):
        content, frames = expectation(name)
        people = [list(one) for one in {tuple(owner.items()): [owner] for owner in owners if owner}.values()]
        found = signal_oracle.expected(frames, people, content["sources"])
        calls = calls_of(frames)
        equal(len(calls), len(owners), "calls")
        for (call_id, members), owner in zip(calls.items(), owners):
            for person, entries in zip(people, found):
                mine = [one.frame for one, _ in entries if not isinstance(one, signal_oracle.Signal)
                        and one.message.call_id == call_id]  # fmt: skip
                equal(mine, members if person == [owner] else [], f"{call_id} for {person}")

    @case(f"the oracle: {name}: without a configured source, or of another one, there are no bindings")
    def _(name=name, owners=owners):
        _, frames = expectation(name)
        people = [[owner] for owner in owners if owner]
        elsewhere = [{"protocols": ["radius", "dhcp", "gtp"], "servers": ["203.0.113.1"], "clients": ["203.0.113.2"]}]
        for sources in ([], elsewhere):
            for entries in signal_oracle.expected(frames, people, sources):
                equal([one.frame for one, _ in entries if not isinstance(one, signal_oracle.Signal)], [], "SIP")


@case("the oracle: what stands in tests/data/expected is what it says")
def _():
    for name in [*OWNERS, "radius-challenge"]:
        content, frames = expectation(name)
        tasks = [task["targetIdentifiers"] for task in content["tasks"]]
        for task, entries in zip(content["tasks"], signal_oracle.expected(frames, tasks, content.get("sources", []))):
            listed = sorted(entry["frame"] for entry in [*task["messages"], *task.get("signals", [])])
            equal([one.frame for one, _ in entries], listed, f"{name}: {task['targetIdentifiers']}")


# --- packets made up --------------------------------------------------------------------------------------------------------

START, STOP, INTERIM, ON = 1, 2, 3, 7
USER_NAME, NAS_IP_ADDRESS, FRAMED_IP_ADDRESS, STATUS_TYPE, SESSION_ID = 1, 4, 8, 40, 44


def attribute(kind, value):
    if isinstance(value, int):
        value = struct.pack(">I", value)
    return bytes((kind, 2 + len(value))) + value


def accounting(identifier, status, user, session, address=None, nas=NAS):
    """An Accounting-Request (RFC 2866); its authenticator is nobody's."""
    body = attribute(STATUS_TYPE, status) + attribute(SESSION_ID, session.encode()) + attribute(NAS_IP_ADDRESS, craft.packed(nas))
    body += attribute(USER_NAME, user.encode()) if user else b""
    body += attribute(FRAMED_IP_ADDRESS, craft.packed(address)) if address else b""
    return struct.pack(">BBH16s", 4, identifier, 20 + len(body), bytes((identifier,)) * 16) + body


class Wire:
    """Frames a microsecond apart."""

    def __init__(self):
        self.frames = []

    def put(self, packet, tunnel=None):
        packet = craft.gtpu(packet, tunnel) if tunnel else packet
        number = len(self.frames) + 1
        self.frames.append(pcap.Frame(number, 1_700_000_000_000_000_000 + number * 1000, craft.ethernet(packet)))

    def account(self, identifier, *arguments, source=NAS, server=SERVER, tunnel=None, **more):
        self.put(craft.udp(source, server, 40000, 1813, accounting(identifier, *arguments, **more)), tunnel)

    def sip(self, address, number):
        octets = identities.sip("OPTIONS", "sip:bob@example.org", "sip:anybody@example.org", f"call-{number}", 1)
        self.put(craft.udp(address, SIP_SERVER, 5060, 5060, octets))

    def answer(self, address, number):
        octets = (
            f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKcall-{number}1\r\nFrom: <sip:anybody@example.org>;"
            f"tag=1\r\nTo: <sip:bob@example.org>;tag=2\r\nCall-ID: call-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        self.put(craft.udp(SIP_SERVER, address, 5060, 5060, octets))


A, B, ADDRESS = "a@isp.example.com", "b@isp.example.com", "198.51.100.7"
TASKS = [[{"nai": A}], [{"nai": B}]]


def reassignments():
    """A and B have one address in turn, with a Stop or without one, and somebody sends from it after every packet."""
    wire = Wire()
    for turn in range(40):
        user = (A, B)[turn % 2]
        wire.sip(ADDRESS, 10 * turn)
        wire.account(turn * 4, START, user, f"s{turn}", ADDRESS)
        wire.sip(ADDRESS, 10 * turn + 1)
        wire.answer(ADDRESS, 10 * turn + 1)
        wire.account(turn * 4 + 1, INTERIM, user, f"s{turn}", ADDRESS)
        wire.sip(ADDRESS, 10 * turn + 2)
        if turn % 3 == 0:
            continue  # the Stop is lost: the next Start takes the address away
        wire.account(turn * 4 + 2, STOP, user, f"s{turn}", ADDRESS)
        wire.answer(ADDRESS, 10 * turn + 2)  # of what A or B asked, but nobody has the address now
        wire.sip(ADDRESS, 10 * turn + 3)
    return wire.frames


def restarts():
    """Accounting-On of the NAS ends all of it, and of nobody else."""
    wire = Wire()
    wire.account(1, START, A, "1", ADDRESS)
    wire.sip(ADDRESS, 1)
    wire.account(2, ON, None, "0", source=STRANGER, nas=STRANGER)
    wire.sip(ADDRESS, 2)
    wire.account(3, ON, None, "0")
    wire.sip(ADDRESS, 3)
    return wire.frames


def forgeries():
    """What strangers send changes nothing: neither that B gets A's address, nor that A loses it."""
    wire = Wire()
    wire.account(1, START, A, "1", ADDRESS)
    wire.sip(ADDRESS, 1)
    for number, how in enumerate(({"source": STRANGER}, {"server": STRANGER}, {"tunnel": 77}), 2):
        wire.account(number * 8, START, B, "9", ADDRESS, **how)
        wire.sip(ADDRESS, 10 * number)
        wire.account(number * 8 + 1, STOP, A, "1", ADDRESS, **how)
        wire.sip(ADDRESS, 10 * number + 1)
        wire.account(number * 8 + 2, ON, None, "0", **how)
        wire.sip(ADDRESS, 10 * number + 2)
    # With the right name, but another NAS's session of the same number.
    wire.account(90, STOP, A, "1", ADDRESS, source="192.0.2.3", nas="192.0.2.3")
    wire.sip(ADDRESS, 90)
    return wire.frames


MADE_UP = {"re-assignment packet by packet": reassignments, "restart of a NAS": restarts, "forged accounting": forgeries}


def owners_of(frames, tasks=TASKS, sources=SOURCES):
    """Frames of SIP that each task gets."""
    return [
        [one.frame for one, _ in entries if not isinstance(one, signal_oracle.Signal)]
        for entries in signal_oracle.expected(frames, tasks, sources)
    ]


@case("the oracle: made-up packets: each SIP message is of whoever has the address at that packet")
def _():
    frames = reassignments()
    wanted, owner = [[], []], None
    for frame in frames:
        payload = frame.octets[42:]
        if frame.octets[36:38] == struct.pack(">H", 1813):
            status = payload[20:26]  # Acct-Status-Type comes first
            owner = None if status[5] == STOP else 0 if A.encode() in payload else 1
        elif owner is not None:
            wanted[owner].append(frame.number)
    equal(owners_of(frames), wanted, "re-assignment")
    equal(owners_of(restarts()), [[2, 4], []], "restart")
    sip = [frame.number for frame in forgeries() if frame.octets[36:38] == struct.pack(">H", 5060)]
    equal(owners_of(forgeries()), [sip, []], "forgery")


def pdus_of(tasks, found):
    """PDUs as an MF would get them, if x2tap were the oracle."""
    made, sessions = [], {}
    for order, entries in zip(tasks, found):
        for one, way in entries:
            is_signal = isinstance(one, signal_oracle.Signal)
            octets = one.octets if is_signal else sip_oracle.reported(one.message)
            for first, last in signal_iri.withheld(octets) if is_signal and one.protocol == "radius" else ():
                octets = octets[:first] + bytes(last - first) + octets[last:]
            if is_signal and one.protocol.startswith("gtp"):
                octets = b"\x45" + bytes(27) + octets
            name = signal_iri.name_of(one) or (one.frame,)
            made.append({
                "xid": order["xId"], "format": signal_iri.format_of(one) if is_signal else iri.FORMAT_SIP, "direction": way,
                "correlation": sessions.setdefault(name, len(sessions) + 1), "time_ns": one.time_ns, "nfid": x2.NFID,
                "ipid": x2.IPID, "src": one.flow.source, "dst": one.flow.destination, "sport": one.flow.source_port,
                "dport": one.flow.destination_port, "proto": one.flow.protocol,
                "matched": [iri.fragment(identifier) for identifier in order["targetIdentifiers"]], "octets": octets,
            })  # fmt: skip
    return numbered(made)


def numbered(made):
    counters = {}
    for pdu in made:
        key = pdu["xid"], pdu["correlation"]
        pdu["seq"] = counters[key] = counters.get(key, -1) + 1
    return made


def flipped(octets, place):
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


def refused(tasks, found, pdus):
    try:
        signal_iri.check(tasks, found, pdus)
    except AssertionError:
        return True
    return False


@case("the comparison: right PDUs pass; one that is missing, extra, of another octet, direction, format or session does not")
def _():
    for name in ("radius-lines", "radius-challenge", "dhcp-v6-relayed", "gtpv1-contexts"):
        content, frames = expectation(name)
        identifiers = [task["targetIdentifiers"] for task in content["tasks"]]
        tasks = [x2.task(one, name=f"{name}/{number}") for number, one in enumerate(identifiers)]
        found = signal_oracle.expected(frames, identifiers, content["sources"])
        make = lambda: pdus_of(tasks, found)  # noqa: E731
        signal_iri.check(tasks, found, make())
        right = make()
        equal(refused(tasks, found, numbered(right[1:])), True, "one is missing")
        equal(refused(tasks, found, numbered(make() + [right[0]])), True, "one comes twice")
        # The last octet of a RADIUS packet may be one that is withheld, the second of an IP packet is not looked at.
        spoilt = 1 if name.startswith("radius") else -1
        for key, change in (("octets", lambda v: flipped(v, spoilt)), ("direction", lambda v: v % 3 + 1),
                            ("format", lambda v: v + 1), ("seq", lambda v: v + 1), ("correlation", lambda v: 0),
                            ("time_ns", lambda v: v + 1000), ("src", lambda v: "203.0.113.77")):  # fmt: skip
            for number in range(0, len(right), 7):
                wrong = make()
                wrong[number][key] = change(wrong[number][key])
                equal(refused(tasks, found, wrong), True, f"{name}: another {key} of PDU {number}")
    content, frames = expectation("radius-challenge")
    told = [one for one in signal_oracle.signals(frames) if signal_iri.withheld(one.octets)]
    equal(any(signal_iri.is_reported(one, one.octets) for one in told) or not told, False, "EAP is told")


# --- x2tap ------------------------------------------------------------------------------------------------------------------


def compare(path, frames, identifiers, sources, workers):
    tasks = [x2.task(one, name=f"{path.name}/{number}") for number, one in enumerate(identifiers)]
    found = signal_oracle.expected(frames, identifiers, sources)
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        vdevs, ports, (_, out) = x2.file_pair(directory, path)
        tap = x2.Tap(directory, tasks + x2.CONTROL_TASKS, {x2.DID: mf}, workers, vdevs, ports)
        tap.content["bindings"] = {"max_sessions": 1024, "sources": sources}
        tap.write_config()
        tap.run("--until-idle", "0.2")
        equal(mf.stop(), 0, f"x2mf, which counts numbers and looks at every octet: {x2.said(mf.process)}")
        came, _ = pcap.read(out)
        equal([frame.octets for frame in came], [frame.octets for frame in frames], "frames forwarded")
        signal_iri.check(tasks, found, mf.iri())
        say(f"{len(frames)} frames, {sum(map(len, found))} PDUs")


for name in [*OWNERS, "radius-challenge", "dhcp-v4-line", "dhcp-v6-line"]:
    for workers in (1, 2, 4):

        @case(f"x2tap: {name}, {workers} workers: messages, and SIP of bound addresses, as the oracle says")
        def _(name=name, workers=workers):
            content, frames = expectation(name)
            tasks = [task["targetIdentifiers"] for task in content["tasks"]]
            compare(x2.ROOT / content["capture"], frames, tasks, content["sources"], workers)


for name, make in MADE_UP.items():
    for workers in (1, 2, 4):

        @case(f"x2tap: {name}, {workers} workers: not a packet too early or too late")
        def _(make=make, workers=workers):
            with x2.workspace() as directory:
                path = directory / "made-up.pcap"
                pcap.write(path, make())
                frames, _ = pcap.read(path)
                compare(path, frames, TASKS, SOURCES, workers)


main()
