"""The load: calls and the registrations of one telephone, sent from the caller's end and recorded at the callee's."""

import os
import re

import decode
import iri
import load
import pcap
import x2tap_test as x2

PHONE = 8  # every so many frames one is of the telephone that registers on and on, under one Call-ID
PHONE_CALL_ID = b"telephone-1@192.0.2.10"
TASK = x2.task([{"sipUri": "sip:alice@example.com"}])


def with_registrations(frames):
    """The frames, and between them registrations with one Call-ID: a context that goes on as long as the load."""
    seen = next(decode.sightings(frames[:1]))
    mixed = []
    for number, frame in enumerate(frames):
        mixed.append(frame)
        if number % PHONE == 0:
            message = re.sub(rb"Call-ID: [^\r]*", b"Call-ID: " + PHONE_CALL_ID, seen.message.octets)
            message = re.sub(rb"branch=[^\r;]*", b"branch=z9hG4bK-phone-%d" % number, message)
            message = re.sub(rb"CSeq: [0-9]+", b"CSeq: %d" % (number + 1), message)
            flow = seen.flow
            octets = pcap.udp_frame(flow.source, flow.destination, flow.source_port, flow.destination_port, message)
            mixed.append(pcap.Frame(0, 0, octets))
    return mixed


def prepare(directory, count):
    """A capture of at least so many frames, no two alike, made once for all rows; returns its path."""
    path = directory / "load.pcap"
    if not path.exists() or len(pcap.read(path)[0]) < count:
        frames = with_registrations(load.calls(("calls-ipv4",), count, 1000))
        for number, frame in enumerate(frames):
            frame.number, frame.time_ns = number + 1, 1767225600 * 10**9 + number * 1000
        pcap.write(path, frames)
    return path


class Ended(AssertionError):
    """There was no more to send before the row was over."""


class Load:
    """A running load. After stop(): `sent` and `arrived`, frames with the times at which they went and came; when a frame was sent
    lies between its time_ns and its sent_ns."""

    def __init__(self, topology, directory, capture, rate):
        self.topology, self.capture, self.rate = topology, capture, rate
        self.log, self.record = directory / "sent.log", directory / "arrived.pcap"
        command = ["/usr/bin/python3", x2.ROOT / "tests/faults/record.py", "wire", self.record]
        # The programs find their modules where the harness does.
        self.environment = {"PYTHONPATH": str(x2.ROOT / "tests/functional"), "PYTHONDONTWRITEBYTECODE": "1"}
        self.recorder = x2.start([*topology.inside(topology.callee), *command], directory / "record.log", env=self.environment)
        x2.wait_for("the recorder", lambda: "ready" in x2.said(self.recorder))
        command = ["/usr/bin/python3", x2.ROOT / "tests/functional/replay.py", "wire", capture, rate, self.log]
        self.sender = x2.start([*topology.inside(topology.caller), *command], directory / "replay.log", env=self.environment)
        self.sent = self.arrived = None

    def stop_sending(self):
        if self.sent is not None:
            return
        if self.sender.poll() is not None:
            raise Ended(f"the load has ended before the faults did: {x2.said(self.sender)[-500:]}")
        x2.stop(self.sender)
        times = [tuple(map(int, line.split())) for line in self.log.read_text().splitlines()]
        frames, _ = pcap.read(self.capture)
        self.sent = frames[: len(times)]
        for frame, (before, after) in zip(self.sent, times):
            frame.time_ns, frame.sent_ns = before, after

    def last_has_arrived(self):
        """After stop_sending(): whether the frame that was sent last is at the other end, and with it all that x2tap forwards."""
        if not self.sent:
            return True
        last = self.sent[-1].octets
        with open(self.record, "rb") as record:
            record.seek(max(0, record.seek(0, os.SEEK_END) - len(last)))
            return record.read() == last

    def stop(self):
        self.stop_sending()
        if self.arrived is None:
            x2.stop(self.recorder)
            self.arrived, _ = pcap.read(self.record)

    def wanted(self, frames=None):
        """What the task should get of the frames that were sent (or of some), in order."""
        return iri.wanted(self.sent if frames is None else frames, [TASK], timed=False)
