"""The SIP messages on a wire: frames in, messages out, over UDP and TCP, through fragments and tunnels."""

import re
from dataclasses import dataclass

import packets
import reassembly
import sip_message

SIP_PORTS = {5060, 5061}
MAX_MESSAGE = 65536
PATIENCE = 4096  # octets of a stream that show no SIP before it is let go


@dataclass
class Sighting:
    """A message as it was seen."""

    frame: int  # number of the frame that completed it
    time_ns: int
    part: int  # which of the messages that the frame completed, from 0
    flow: packets.Flow  # innermost
    outer: tuple  # flows of the outer IP packets, outermost first
    teids: tuple  # of GTP-U, outermost first
    message: sip_message.Message


def sightings(frames):
    """Every SIP message of some frames, in the order in which they are complete."""
    fragments, streams, parts = reassembly.Fragments(), Streams(), {}

    def seen(frame, packet, message):
        part = parts[frame.number] = parts.get(frame.number, -1) + 1
        return Sighting(
            frame.number, frame.time_ns, part, packet.flow, packet.outside.flows, packet.outside.teids, message
        )

    for frame in frames:
        packet = packets.parse(frame.octets)
        while packet and packet.kind == "fragment":
            packet = fragments.take(packet, frame.time_ns)
        if packet and packet.kind == "udp":
            for message in of_datagram(packet):
                yield seen(frame, packet, message)
        elif packet and packet.kind == "tcp":
            for message in streams.take(packet, frame):
                yield seen(frame, packet, message)
    for frame, packet, message in streams.end():
        yield seen(frame, packet, message)


def on_sip_port(flow):
    return bool({flow.source_port, flow.destination_port} & SIP_PORTS)


def of_datagram(packet):
    return sip_message.messages(packet.payload, on_sip_port(packet.flow))


class Streams:
    def __init__(self):
        self.streams = {}  # by name
        self.latest = {}  # frame and packet, by name

    def take(self, packet, frame):
        """The messages that a segment completes."""
        flow, flags = packet.flow, packet.tcp["flags"]
        name = (packet.outside.scope, flow)
        found = []
        stream = self.streams.get(name)
        if flags & packets.TCP_RST:
            return self.forget(name)
        if flags & packets.TCP_SYN:
            first = packet.tcp["sequence"] + 1 & 0xFFFFFFFF
            if stream and first != stream.first:
                found += self.forget(name)
                stream = None
            if not stream and on_sip_port(flow):
                stream = self.follow(name, first, True)
        elif not stream and packet.payload:
            if on_sip_port(flow) or sip_message.begins(packet.payload.lstrip(b"\r\n")):
                stream = self.follow(name, packet.tcp["sequence"], False)
        if not stream:
            return found
        self.latest[name] = (frame, packet)
        if stream.has_gap_since(frame.time_ns - reassembly.GAP_TIMEOUT_NS):
            found += cut(stream)
            stream.skip_gap(frame.time_ns)
            found += read(stream)
        at = stream.position(packet.tcp["sequence"]) + bool(flags & packets.TCP_SYN)
        stream.take(at, packet.payload, frame.time_ns)
        if flags & packets.TCP_FIN:
            stream.end = at + len(packet.payload)
        found += read(stream)
        if stream.is_over():
            found += self.forget(name)
        return found

    def follow(self, name, sequence, from_start):
        stream = self.streams[name] = reassembly.Stream(sequence, from_start)
        stream.first, stream.skip, stream.is_let_go = sequence, 0, False
        return stream

    def forget(self, name):
        """Ends a stream; the messages that were still in it."""
        stream = self.streams.pop(name, None)
        found = []
        while stream and stream.ahead:
            found += cut(stream)
            stream.skip_gap(0)
            found += read(stream)
        return found + (cut(stream) if stream else [])

    def end(self):
        for name in list(self.streams):
            frame, packet = self.latest[name]
            for message in self.forget(name):
                yield frame, packet, message


def next_start(front):
    """Where a line of octets out of sync is a start line, or None."""
    starts = [0, *(match.end() for match in re.finditer(rb"\n", front))]
    return next((start for start in starts if sip_message.begins(front[start:])), None)


def is_foreign(front):
    """TLS records and HTTP, as they begin a stream, and what has long shown no SIP."""
    tls = len(front) >= 2 and 0x14 <= front[0] <= 0x17 and front[1] == 3
    return tls or b" HTTP/1." in front.split(b"\n")[0] or front.startswith(b"HTTP/1.") or len(front) > PATIENCE


def find_start(stream):
    """Brings the next message to the front; False when there is none yet."""
    if stream.in_sync:
        stream.front = stream.front.lstrip(b"\r\n\0")
        if b"\n" not in stream.front:
            return False
        start = sip_message.start_of(stream.front, True)
        stream.in_sync = start is not None
    if not stream.in_sync:
        start = next_start(stream.front)
        stream.in_sync = start is not None
    if stream.in_sync:
        stream.front = stream.front[start:]
    return stream.in_sync


def read(stream):
    """The whole messages at the front of a stream, taken away from it."""
    found = []
    while True:
        gone = min(stream.skip, len(stream.front))  # the rest of one that was too long
        stream.front, stream.skip = stream.front[gone:], stream.skip - gone
        if stream.is_let_go:
            stream.front = b""
        if not find_start(stream):
            stream.is_let_go = not stream.has_begun and is_foreign(stream.front)
            return found
        if not sip_message.END_OF_HEADERS.search(stream.front):
            return found
        message = sip_message.read(stream.front)
        body_len = message.body_len or 0
        whole = message.head_len + body_len
        if whole > MAX_MESSAGE:
            stream.skip, whole = body_len, message.head_len
        if whole > len(stream.front):
            return found
        message.octets, stream.front = stream.front[:whole], stream.front[whole:]
        stream.has_begun = True
        if message.has_identity():
            found.append(message)


def cut(stream):
    """What a gap or the end of a stream leaves of a message: its header block, or the whole lines of it."""
    if stream.skip or stream.is_let_go or not find_start(stream):
        return []
    end = sip_message.END_OF_HEADERS.search(stream.front)
    length = end.end() if end else stream.front.rfind(b"\n") + 1
    message = sip_message.read(stream.front[:length])
    return [message] if message.has_identity() else []
