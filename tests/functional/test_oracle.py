#!/usr/bin/python3
"""The oracle itself: what it reads of the captures is what tshark and their makers saw, and how frames are cut up, mixed up
or wrapped changes nothing of what it finds."""

import csv
import random
import re

import craft
import decode
import packets
import pcap
import x2tap_test as x2
from tap import case, equal, main, say

CAPTURES = x2.SHARED / "captures"

# Frames of messages that tshark and the oracle do not both see, and why.
EXPLAINED = {
    # tshark takes the second and third copy of a TCP segment, in another GTP-U tunnel, for a retransmission, and the second
    # copy of a fragment (18) for one of the datagram that it has put together already.
    "sip-ims-volte-call-multihop": {"oracle": [18, 36, 47, 48, 116, 119, 130], "tshark": []},
    # The INVITE is longer than a message may be: its header block is taken when that is whole, not with its last segment.
    "sip-tcp-ipv4-large-body-invite": {"oracle": [5], "tshark": [9]},
    # Two messages in the first datagram (RFC 4475 section 3.1.2.16), and six start lines that tshark does not know.
    "sip-torture-rfc4475": {"oracle": [1, 19, 22, 31, 32, 46, 47], "tshark": []},
}


def path_of(name):
    ethernet = CAPTURES / "ethernet" / f"{name}.pcap"
    return ethernet if ethernet.exists() else CAPTURES / f"{name}.pcap"


def sightings_of(name):
    frames, _ = pcap.read(path_of(name))
    return list(decode.sightings(frames))


def dissected(name):
    """(frame, start line, Call-ID) of each message, as tshark 4.0.17 saw them."""
    file = CAPTURES / "events" / f"{name}.sip.tsv"
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as rows:
        return [
            (int(row["frame.number"]), row["sip.Request-Line"] or row["sip.Status-Line"], row["sip.Call-ID"])
            for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


def without(listed, removed):
    rest = list(listed)
    for one in removed:
        rest.remove(one)
    return rest


@case("every capture: the messages, their frames, start lines and Call-IDs are those that tshark saw, or explained")
def _():
    x2.need_shared()
    for path in sorted(CAPTURES.glob("*.pcap")):
        seen, rows = sightings_of(path.stem), dissected(path.stem)
        explained = EXPLAINED.get(path.stem, {"oracle": [], "tshark": []})
        frames = without([one.frame for one in seen], explained["oracle"])
        equal(sorted(frames), sorted(without([row[0] for row in rows], explained["tshark"])), path.stem)
        by_frame = {one.frame: one.message for one in seen}
        for frame, start, call_id in rows:
            # tshark writes octets that are no text in its own way, and the torture messages are full of them.
            if frame in by_frame and "torture" not in path.stem:
                equal(by_frame[frame].start, start, f"{path.stem}, frame {frame}: start line")
                equal(by_frame[frame].call_id, call_id, f"{path.stem}, frame {frame}: Call-ID")
        if seen:
            say(f"{path.stem}: {len(seen)} messages, {len({one.message.octets for one in seen})} distinct")


@case("every capture: as many messages of each Call-ID as its description says, or explained")
def _():
    x2.need_shared()
    text = (CAPTURES / "README.md").read_text()
    checked = 0
    for name, section in re.findall(r"### (\S+)\.pcap\n(.*?)(?=\n### |\Z)", text, re.S):
        if name in EXPLAINED or name == "sip-malformed-junk-before-request":  # without Call-ID
            continue
        seen = sightings_of(name)
        said = re.search(r"SIP messages on the wire: (\d+)", section)
        equal(len(seen), int(said.group(1)) if said else 0, f"messages in {name}")
        for call_id, count in re.findall(r"- Call-ID `(.*?)`: .* (\d+) message copies\)", section):
            equal(sum(one.message.call_id == call_id for one in seen), int(count), f"{name}: messages of {call_id}")
            checked += 1
    say(f"{checked} Call-IDs")


@case("the call of derived/ is the same seven messages in each of its fourteen wrappings")
def _():
    x2.need_shared()
    paths = sorted(CAPTURES.glob("derived/*.pcap"))
    equal(len(paths), 14, "captures")
    calls = [[one.message.octets for one in decode.sightings(pcap.read(path)[0])] for path in paths]
    equal([len(call) for call in calls], [7] * 14, "messages")
    equal([path.stem for path, call in zip(paths, calls) if call != calls[0]], [], "other messages")


# --- made up -----------------------------------------------------------------------------------------------------

A, B = "192.0.2.10", "198.51.100.20"


def message(number, body=b""):
    return (
        b"MESSAGE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n"
        b"Call-ID: %d\r\nCSeq: 1 MESSAGE\r\nContent-Length: %d\r\n\r\n%s" % (number, len(body), body)
    )


MESSAGES = [message(1), message(2, b"text\r\n" * 20), message(3)]


def found(packets_of_frames):
    frames = [pcap.Frame(number, number * 1000, octets) for number, octets in enumerate(packets_of_frames, 1)]
    return list(decode.sightings(frames))


def octets(seen):
    return [one.message.octets for one in seen]


def segment(sequence, payload, flags=0x18):
    return craft.ethernet(craft.tcp(A, B, 40000, 5060, sequence, payload, flags))


@case("a stream cut at every octet gives the same messages, each with the frame that completes it")
def _():
    stream, start = b"\r\n\r\n".join(MESSAGES), 0xFFFFFF00  # wraps
    ends = [stream.index(one) + len(one) for one in MESSAGES]
    for cut in range(1, len(stream)):
        seen = found([segment(start - 1, b"", 2), segment(start, stream[:cut]), segment(start + cut, stream[cut:])])
        equal(octets(seen), MESSAGES, f"cut at {cut}")
        equal([one.frame for one in seen], [2 if end <= cut else 3 for end in ends], f"frames, cut at {cut}")


@case("segments out of order, repeated and overlapping give the same messages, 500 times")
def _():
    rng = random.Random(3)
    stream = b"".join(MESSAGES)
    for turn in range(500):
        cuts = sorted(rng.sample(range(1, len(stream)), 6))
        pieces = [(a, stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)])]
        for _ in range(3):  # parts once more, over the borders of the others
            a = rng.randrange(len(stream))
            pieces.append((a, stream[a : a + rng.randrange(1, 200)]))
        rng.shuffle(pieces)
        seen = found([segment(999, b"", 2), *(segment(1000 + at, piece) for at, piece in pieces)])
        equal(octets(seen), MESSAGES, f"turn {turn}")


@case("a lost segment costs the body of the message that it cuts, and nothing behind the next start line")
def _():
    stream = b"".join(MESSAGES)
    at = stream.index(b"text") + 10
    seen = found([segment(999, b"", 2), segment(1000, stream[:at]), segment(1000 + at + 20, stream[at + 20 :])])
    head = MESSAGES[1][: MESSAGES[1].index(b"\r\n\r\n") + 4]
    equal(octets(seen), [MESSAGES[0], head, MESSAGES[2]], "messages")


@case("a header block that a gap cuts is taken up to its last whole line")
def _():
    at = MESSAGES[0].index(b"Call-ID") + 3
    seen = found([segment(999, b"", 2), segment(1000, MESSAGES[0][:at]), segment(1000 + 2 * at, MESSAGES[2])])
    equal(octets(seen), [MESSAGES[0][: MESSAGES[0].index(b"Call-ID")], MESSAGES[2]], "messages")


@case("fragments of IPv4 and IPv6, in any order and repeated, also in a tunnel and of a tunnel, give the message")
def _():
    rng = random.Random(4)
    long = message(4, b"x" * 3000)
    for a, b in ((A, B), ("2001:db8::1", "2001:db8::2")):
        packet = craft.udp(a, b, 5060, 5060, long)
        inside = [craft.gtpu(part, 7) for part in craft.fragments(packet, 1200, 1)]
        outside = craft.fragments(craft.gtpu(packet, 7), 1200, 2)
        both = [part for number, one in enumerate(inside) for part in craft.fragments(one, 600, 10 + number)]
        for made in (craft.fragments(packet, 1200, 3), inside, outside, both):
            for _ in range(20):
                shuffled = made + made[: len(made) // 2]
                rng.shuffle(shuffled)
                seen = found([craft.ethernet(part) for part in shuffled])
                equal(octets(seen)[:1], [long], "message")
                equal((seen[0].flow.source, seen[0].flow.source_port), (a, 5060), "innermost source")


@case("fragments that contradict each other give nothing")
def _():
    packet = craft.udp(A, B, 5060, 5060, message(5, b"x" * 2000))
    first, second = craft.fragments(packet, 1200, 1)
    other = second[:-1] + b"y"
    equal(octets(found([craft.ethernet(part) for part in (second, other, first)])), [], "messages")


@case("a packet is what is in it, whatever it is wrapped in")
def _():
    inner = craft.udp(A, B, 5060, 5060, MESSAGES[0])
    frame = craft.ethernet(inner)
    label = (16 << 12 | 0x100 | 64).to_bytes(4, "big")
    mpls = craft.ETHERNET_ADDRESSES + b"\x88\x47"
    outer = ("203.0.113.1", "203.0.113.2")
    wrappings = {
        "VLAN": craft.vlan(frame, 5),
        "QinQ": craft.vlan(craft.vlan(frame, 5), 6),
        "MPLS, IP": mpls + label + inner,
        "MPLS, Ethernet": mpls + label + frame,
        "MPLS, control word": mpls + label + b"\0\0\0\0" + frame,
        "PPPoE": craft.ETHERNET_ADDRESSES + b"\x88\x64\x11\x00\x00\x07" + (len(inner) + 2).to_bytes(2, "big") + b"\x00\x21" + inner,
        "L2TPv2 with length and sequence": craft.ethernet(
            craft.udp(*outer, 1701, 1701, b"\x48\x02" + (len(inner) + 15).to_bytes(2, "big") + bytes(8) + b"\xff\x03\x21" + inner)
        ),
        "GRE with a key": craft.ethernet(craft.gre(inner, 9)),
        "GRE, Ethernet": craft.ethernet(craft.ip(*outer, 47, b"\0\0\x65\x58" + frame)),
        "PPTP": craft.ethernet(craft.ip(*outer, 47, b"\x30\x81\x88\x0b" + len(inner).to_bytes(2, "big") + bytes(10) + b"\x21" + inner)),
        "ERSPAN I": craft.ethernet(craft.ip(*outer, 47, b"\0\0\x88\xbe" + frame)),
        "ERSPAN II": craft.ethernet(craft.ip(*outer, 47, b"\x10\0\x88\xbe" + bytes(4) + b"\x10\0\0\1" + bytes(4) + frame)),
        "IP in IP": craft.ethernet(craft.ip(*outer, 4, inner)),
        "4in6": craft.ethernet(craft.ip("2001:db8::1", "2001:db8::2", 4, inner)),
        "6in4": craft.ethernet(craft.ip(*outer, 41, craft.udp("2001:db8::a", "2001:db8::b", 5060, 5060, MESSAGES[0]))),
        "VXLAN": craft.ethernet(craft.udp(*outer, 50000, 4789, b"\x08" + bytes(7) + frame)),
        "Geneve with an option": craft.ethernet(craft.udp(*outer, 50000, 6081, b"\x02\0\x65\x58" + bytes(4) + bytes(8) + frame)),
        "GTP-U with a sequence number": craft.ethernet(craft.gtpu(inner, 1)),
        "GTP-U with a PDU session container": craft.ethernet(
            craft.udp(*outer, 2152, 2152, b"\x34\xff" + (len(inner) + 8).to_bytes(2, "big") + b"\0\0\0\1\0\0\0\x85\x01\0\x09\0" + inner)
        ),
        "GRE in GTP-U behind a VLAN tag": craft.vlan(craft.ethernet(craft.gtpu(craft.gre(inner, 3), 4)), 7),
    }  # fmt: skip
    for what, octets_of_frame in wrappings.items():
        packet = packets.parse(octets_of_frame)
        equal((packet.kind, packet.payload), ("udp", MESSAGES[0]), what)
        equal(packet.flow.destination_port, 5060, what)


main()
