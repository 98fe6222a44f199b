"""Captures and frames, read by nothing but Python: what the tests compare x2tap with."""

import struct
from dataclasses import dataclass

import craft

WRITER_LIMIT = 16128  # octets at which DPDK's net_pcap cuts a frame that it writes

ETHERNET = 1


@dataclass
class Frame:
    number: int  # from 1, as Wireshark counts
    time_ns: int
    octets: bytes


def read(path):
    """All frames of a classic pcap file, and its link type."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        raise ValueError(f"{path}: no pcap file")
    for order in "<>":
        magic = struct.unpack_from(order + "I", data)[0]
        if magic in (0xA1B2C3D4, 0xA1B23C4D):
            break
    else:
        raise ValueError(f"{path}: no pcap file")
    unit_ns = 1000 if magic == 0xA1B2C3D4 else 1
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    frames = []
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        frames.append(Frame(len(frames) + 1, seconds * 10**9 + fraction * unit_ns, data[at : at + captured]))
        at += captured
    return frames, link_type


def begin(file):
    """What an Ethernet pcap file with microseconds begins with."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, ETHERNET))


def append(file, time_ns, octets):
    seconds, rest = divmod(time_ns, 10**9)
    file.write(struct.pack("<IIII", seconds, rest // 1000, len(octets), len(octets)) + octets)


def write(path, frames):
    """Writes frames (anything with time_ns and octets)."""
    with open(path, "wb") as file:
        begin(file)
        for frame in frames:
            append(file, frame.time_ns, frame.octets)


def udp_frame(source, destination, source_port, destination_port, payload):
    """An Ethernet frame that carries one UDP datagram, checksums right."""
    return craft.ethernet(craft.udp(source, destination, source_port, destination_port, payload))


def tcp_segments(payloads, port):
    """One TCP segment on loopback for each payload, as tshark likes its PDUs."""
    frames, sequence = [], 1
    for number, payload in enumerate(payloads, 1):
        packet = craft.tcp("127.0.0.1", "127.0.0.1", 40000, port, sequence, payload)
        frames.append(Frame(number, number * 1000, craft.ethernet(packet)))
        sequence += len(payload)
    return frames
