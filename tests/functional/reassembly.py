"""IP fragments and TCP streams put back together, octet by octet, read by nothing but Python.

Dictionaries of octets by position: slow, and plain enough to be believed.
"""

from dataclasses import dataclass, field

import packets

FRAGMENT_TIMEOUT_NS = 5 * 10**9  # the defaults of `reassembly:`
GAP_TIMEOUT_NS = 2 * 10**9
WINDOW = 2 * 65536  # octets that a stream may be ahead of a gap
LARGEST_DATAGRAM = 65535
LEAST_HEADER = {packets.UDP: 8, packets.TCP: 20}  # that a first fragment must hold (RFC 1858)


@dataclass
class Datagram:
    since_ns: int
    octets: dict = field(default_factory=dict)  # position: octet
    end: int = None
    protocol: int = None
    is_bad: bool = False

    def take(self, fragment):
        offset, more, data = fragment.fragment["offset"], fragment.fragment["more"], fragment.payload
        end = offset + len(data)
        if not data or end > LARGEST_DATAGRAM or (more and len(data) % 8):
            return self.refuse()
        if offset == 0:
            self.protocol = fragment.flow.protocol
            if len(data) < LEAST_HEADER.get(self.protocol, 0):
                return self.refuse()
        if not more:
            if self.end not in (None, end):
                return self.refuse()
            self.end = end
        if self.end is not None and (end > self.end or any(position >= self.end for position in self.octets)):
            return self.refuse()
        for position, octet in enumerate(data, offset):
            if self.octets.setdefault(position, octet) != octet:
                return self.refuse()

    def refuse(self):
        self.is_bad = True

    def is_whole(self):
        return not self.is_bad and self.end is not None and len(self.octets) == self.end

    def put_together(self):
        return bytes(self.octets[position] for position in range(self.end))


class Fragments:
    def __init__(self):
        self.datagrams = {}

    def take(self, fragment, time_ns):
        """The packet that a fragment completes, or None."""
        flow = fragment.flow
        name = (fragment.outside.scope, flow.source, flow.destination, fragment.fragment["identification"])
        if "." in flow.source:  # IPv6 tells datagrams apart without their protocol, which may differ by fragment
            name += (flow.protocol,)
        datagram = self.datagrams.get(name)
        if datagram is None or time_ns - datagram.since_ns > FRAGMENT_TIMEOUT_NS:
            datagram = self.datagrams[name] = Datagram(time_ns)
        if datagram.is_bad:
            return None
        datagram.take(fragment)
        if not datagram.is_whole():
            return None
        del self.datagrams[name]
        return packets.resume(fragment, datagram.protocol, datagram.put_together())


class Stream:
    """One direction of a TCP connection. `front` holds what is in order; who reads it takes away what it has read."""

    def __init__(self, sequence, from_start):
        self.next = sequence  # position of the octet after `front`; positions do not wrap
        self.ahead = {}  # position: octet
        self.end = None  # position of the FIN
        self.front = b""
        self.in_sync = from_start  # a message may begin at the front
        self.has_begun = False  # a message was found
        self.passed = 0  # octets in order that showed no message
        self.waiting_since_ns = None  # since when the gap in front of `ahead` is there

    def position(self, sequence):
        distance = (sequence - self.next) & 0xFFFFFFFF
        return self.next + distance - (1 << 32 if distance >= 1 << 31 else 0)

    def take(self, position, data, time_ns):
        for place, octet in enumerate(data, position):
            if self.next <= place <= self.next + WINDOW:
                self.ahead.setdefault(place, octet)
        self.move(time_ns)

    def move(self, time_ns):
        moved = bytearray()
        while self.next in self.ahead:
            moved.append(self.ahead.pop(self.next))
            self.next += 1
        self.front += bytes(moved)
        if not self.ahead:
            self.waiting_since_ns = None
        elif moved or self.waiting_since_ns is None:
            self.waiting_since_ns = time_ns

    def has_gap_since(self, time_ns):
        return self.waiting_since_ns is not None and self.waiting_since_ns <= time_ns

    def skip_gap(self, time_ns):
        """Goes on behind a gap. What was in front of it must have been taken away."""
        self.next = min(self.ahead)
        self.front = b""
        self.in_sync = False
        self.move(time_ns)

    def is_over(self):
        return self.end is not None and self.next >= self.end
