#!/usr/bin/python3
"""What x2tap does not understand is counted by its name, for the traffic of targets too, and nothing of it is reported.

Each case is a few made-up frames of a target, with SIP somewhere in them that must not be found, and one plain message that
must be.
"""

import struct

import craft
import decode
import pcap
import x2tap_test as x2
from tap import case, equal, main

TARGET, OTHER = "192.0.2.10", "198.51.100.20"
TASK = x2.task([{"ipv4Address": TARGET}])


def sip(call_id):
    return (
        f"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {TARGET};branch=z9hG4bK{call_id}\r\n"
        f"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\n"
        "CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


HIDDEN = sip("hidden")
PLAIN = craft.udp(TARGET, OTHER, 5060, 5060, sip("plain"))
HIDDEN_UDP = craft.udp(TARGET, OTHER, 5060, 5060, HIDDEN)


def segments(payloads, port):
    """A connection of the target's: SYN, then each payload in a segment."""
    packets = [craft.tcp(TARGET, OTHER, 40000, port, 999, b"", flags=2)]
    sequence = 1000
    for payload in payloads:
        packets.append(craft.tcp(TARGET, OTHER, 40000, port, sequence, payload))
        sequence += len(payload)
    return packets


def tls_record(kind, octets):
    return struct.pack(">BHH", kind, 0x0303, len(octets)) + octets


def websocket_frame(octets):
    """One text frame, unmasked (RFC 6455 section 5.2)."""
    return struct.pack(">BBH", 0x81, 126, len(octets)) + octets


def sctp_data(octets):
    """An SCTP packet with one DATA chunk (RFC 9260); SIP as in RFC 4168."""
    padding = b"\0" * (-len(octets) % 4)
    chunk = struct.pack(">BBHIHHI", 0, 3, 16 + len(octets), 1, 0, 0, 0) + octets + padding
    return struct.pack(">HHII", 5060, 5060, 1, 0) + chunk


def pppoe(protocol, octets):
    ppp = struct.pack(">H", protocol) + octets
    return craft.ETHERNET_ADDRESSES + b"\x88\x64" + struct.pack(">BBHH", 0x11, 0, 7, len(ppp)) + ppp


def nested(packet, times):
    for _ in range(times):
        packet = craft.ip(TARGET, OTHER, 4, packet)
    return packet


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
STATE = bytes(range(0x80, 0xA0))  # which a SigComp message names, or brings along (RFC 3320 section 7)
CLIENT_HELLO = tls_record(22, b"\x01" + b"\0" * 80)

# What it is: frames, the counter, and by how much it rises.
CASES = {
    "ESP": ([craft.ethernet(craft.ip(TARGET, OTHER, 50, struct.pack(">II", 1, 1) + HIDDEN))], "frames_by_class.esp", 1),
    "SIP over SCTP": ([craft.ethernet(craft.ip(TARGET, OTHER, 132, sctp_data(HIDDEN)))], "frames_by_class.sctp", 1),
    "SIP over TLS": (
        [craft.ethernet(packet) for packet in segments([CLIENT_HELLO, tls_record(23, b"\r\n" + HIDDEN)], 5061)],
        "streams.let_go_tls",
        1,
    ),
    "SIP over WebSocket, from the client": (
        [craft.ethernet(packet) for packet in segments([UPGRADE, websocket_frame(HIDDEN)], 5060)],
        "streams.let_go_websocket",
        1,
    ),
    "SIP over WebSocket, from the server": (
        [craft.ethernet(packet) for packet in segments([ANSWER, websocket_frame(b"\r\n" + HIDDEN)], 5060)],
        "streams.let_go_websocket",
        1,
    ),
    "SigComp": (
        [
            pcap.udp_frame(TARGET, OTHER, 5060, 5060, bytes([first]) + STATE + b"\r\n" + HIDDEN)
            for first in range(0xF8, 0x100)
        ],
        "sip.sigcomp",
        8,
    ),
    "compressed PPP": ([pppoe(0x00FD, b"\x90\x01" + HIDDEN_UDP)], "frames_by_class.tunnel", 1),
    "L2TPv3": ([craft.ethernet(craft.ip(TARGET, OTHER, 115, b"\0\0\0\1" + HIDDEN_UDP))], "frames_by_class.tunnel", 1),
    "GRE with something unknown in it": (
        [craft.ethernet(craft.ip(TARGET, OTHER, 47, b"\0\0\x12\x34" + HIDDEN_UDP))],
        "frames_by_class.tunnel",
        1,
    ),
    "SIP that ICMP quotes": (
        [craft.ethernet(craft.ip(OTHER, TARGET, 1, b"\x03\x03\0\0\0\0\0\0" + HIDDEN_UDP))],
        "frames_by_class.other_protocol",
        1,
    ),
    "a PPP control protocol": ([pppoe(0xC021, b"\x09\x01\x00\x08\0\0\0\0")], "frames_by_class.not_ip", 1),
    "more tunnels than are opened": ([craft.ethernet(nested(HIDDEN_UDP, 9))], "frames_by_class.too_deep", 1),
    "a frame that ends in its header": ([craft.ethernet(HIDDEN_UDP)[:40]], "frames_by_class.truncated", 1),
    "a header length that cannot be": (
        [craft.ethernet(b"\x41" + HIDDEN_UDP[1:])],
        "frames_by_class.malformed",
        1,
    ),
}


def value(counters, name):
    group, key = name.split(".")
    return counters[group][key]


def add(what, made, counter, count):
    @case(f"{what}: counted as {counter}, and nothing of it reported")
    def _():
        frames = [
            pcap.Frame(number, 1767225600 * 10**9 + number * 10**6, octets)
            for number, octets in enumerate([*made, craft.ethernet(PLAIN)], 1)
        ]
        # The oracle, which knows nothing of counters, finds the plain message only.
        equal([seen.frame for seen in decode.sightings(frames)], [len(frames)], "what is SIP for the oracle")
        with x2.workspace() as directory:
            capture = directory / "in.pcap"
            pcap.write(capture, frames)
            mf = x2.Mf(directory)
            vdevs, ports, _ = x2.file_pair(directory, capture)
            tap = x2.Tap(directory, [TASK], {x2.DID: mf}, 1, vdevs, ports).start().ready()
            x2.wait_for("all frames", lambda: tap.ask("status")["ports"][0]["received"] == len(frames))
            x2.wait_for("the plain message", mf.iri)
            counters = tap.ask("counters")
            tap.check_laws()
            tap.stop()
            mf.stop()
            found = [pdu["octets"] for pdu in mf.iri()]
        equal(found, [sip("plain")], "what was reported")
        equal(value(counters, counter), count, counter)
        equal(counters["matching"]["matched"], 1, "matched")


for name, arguments in CASES.items():
    add(name, *arguments)
main()
