"""Captures and frames, read by nothing but Python: what the tests compare x2tap with."""

import ipaddress
import struct
from dataclasses import dataclass

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


def write(path, frames):
    """Writes frames (anything with time_ns and octets) as an Ethernet pcap file with microseconds."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, ETHERNET))
        for frame in frames:
            seconds, rest = divmod(frame.time_ns, 10**9)
            file.write(struct.pack("<IIII", seconds, rest // 1000, len(frame.octets), len(frame.octets)))
            file.write(frame.octets)


@dataclass
class Datagram:
    source: str  # as x2mf prints addresses: IPv6 compressed
    destination: str
    source_port: int
    destination_port: int
    payload: bytes


def datagram(octets):
    """The UDP datagram of a frame, or None: no fragments, no tunnels, no TCP."""
    at, ethertype = 12, 0x8100
    for _ in range(5):
        if len(octets) < at + 2:
            return None
        ethertype = struct.unpack_from(">H", octets, at)[0]
        at += 2
        if ethertype not in (0x8100, 0x88A8, 0x9100, 0x9200):
            break
        at += 2
    else:
        return None
    packet = octets[at:]
    if ethertype == 0x0800 and len(packet) >= 20 and packet[0] >> 4 == 4:
        header_len = (packet[0] & 15) * 4
        length = struct.unpack_from(">H", packet, 2)[0]
        if struct.unpack_from(">H", packet, 6)[0] & 0x3FFF:
            return None
        protocol, addresses = packet[9], (packet[12:16], packet[16:20])
        body = packet[header_len:length]
    elif ethertype == 0x86DD and len(packet) >= 40 and packet[0] >> 4 == 6:
        length = struct.unpack_from(">H", packet, 4)[0]
        protocol, addresses = packet[6], (packet[8:24], packet[24:40])
        body = packet[40 : 40 + length]
        while protocol in (0, 43, 60) and len(body) >= 8:
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
    else:
        return None
    if protocol != 17 or len(body) < 8:
        return None
    source_port, destination_port, udp_len = struct.unpack_from(">HHH", body)
    source, destination = (str(ipaddress.ip_address(address)) for address in addresses)
    return Datagram(source, destination, source_port, destination_port, body[8:udp_len])


def checksum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(source, destination, source_port, destination_port, payload):
    """An Ethernet frame that carries one UDP datagram, checksums right."""
    a, b = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    udp_len = 8 + len(payload)
    udp = struct.pack(">HHHH", source_port, destination_port, udp_len, 0) + payload
    pseudo = a + b + (struct.pack(">BBH", 0, 17, udp_len) if len(a) == 4 else struct.pack(">II", udp_len, 17))
    udp = udp[:6] + struct.pack(">H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    if len(a) == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + udp_len, 0, 0, 64, 17, 0) + a + b
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        ethertype = b"\x08\x00"
    else:
        header = struct.pack(">IHBB", 6 << 28, udp_len, 17, 64) + a + b
        ethertype = b"\x86\xdd"
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + ethertype + header + udp


def tcp_segments(payloads, port):
    """One TCP segment on loopback for each payload, as tshark likes its PDUs."""
    frames, sequence = [], 1
    for number, payload in enumerate(payloads, 1):
        segment = struct.pack(">HHIIBBHHH", 40000, port, sequence, 1, 0x50, 0x18, 65535, 0, 0) + payload
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + b"\x7f\0\0\x01" * 2
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        frames.append(Frame(number, number * 1000, b"\0" * 12 + b"\x08\x00" + header + segment))
        sequence += len(payload)
    return frames
