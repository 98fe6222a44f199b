"""Frames that tests make up: each function returns the octets of one layer, checksums right where anybody looks."""

import ipaddress
import struct

ETHERNET_ADDRESSES = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
TCP, UDP, IPV6_FRAGMENT = 6, 17, 44


def checksum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def ethernet(packet):
    """A frame around an IP packet."""
    ethertype = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return ETHERNET_ADDRESSES + ethertype + packet


def vlan(frame, number):
    return frame[:12] + struct.pack(">HH", 0x8100, number) + frame[12:]


def ip(source, destination, protocol, body, identification=0, offset=0, more=False):
    """An IPv4 packet, or an IPv6 packet without extension headers; `offset` and `more` make a fragment of an IPv4 one."""
    a, b = packed(source), packed(destination)
    if len(a) == 16:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + a + b + body
    fragment = offset // 8 | (0x2000 if more else 0)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), identification, fragment, 64, protocol, 0) + a + b
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def with_checksum(source, destination, protocol, octets, at):
    """The checksum of UDP and TCP, which covers a pseudo header too."""
    pseudo = packed(source) + packed(destination) + struct.pack(">II", len(octets), protocol)
    return octets[:at] + struct.pack(">H", checksum(pseudo + octets) or 0xFFFF) + octets[at + 2 :]


def udp(source, destination, source_port, destination_port, payload):
    """An IP packet around a UDP datagram."""
    octets = struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    return ip(source, destination, UDP, with_checksum(source, destination, UDP, octets, 6))


def tcp(source, destination, source_port, destination_port, sequence, payload, flags=0x18):
    """An IP packet around a TCP segment."""
    header = struct.pack(">HHIIBBHHH", source_port, destination_port, sequence & 0xFFFFFFFF, 1, 0x50, flags, 65535, 0, 0)
    return ip(source, destination, TCP, with_checksum(source, destination, TCP, header + payload, 16))


def fragments(packet, size, identification):
    """The fragments of an IP packet without options, each with at most `size` octets, a multiple of 8."""
    is_ipv4 = packet[0] >> 4 == 4
    header_len = 20 if is_ipv4 else 40
    addresses = packet[12:20] if is_ipv4 else packet[8:40]
    source, destination = addresses[: len(addresses) // 2], addresses[len(addresses) // 2 :]
    protocol, body = packet[9 if is_ipv4 else 6], packet[header_len:]
    made = []
    for offset in range(0, len(body), size):
        part, more = body[offset : offset + size], offset + size < len(body)
        if is_ipv4:
            made.append(ip(source, destination, protocol, part, identification, offset, more))
        else:
            extension = struct.pack(">BBHI", protocol, 0, offset | more, identification)
            made.append(ip(source, destination, IPV6_FRAGMENT, extension + part))
    return made


def gtpu(packet, teid, source="198.51.100.1", destination="198.51.100.2"):
    """An IP packet in a G-PDU with a sequence number (TS 29.281)."""
    header = struct.pack(">BBHIHBB", 0x32, 255, 4 + len(packet), teid, 1, 0, 0)
    return udp(source, destination, 2152, 2152, header + packet)


def gre(packet, key, source="198.51.100.1", destination="198.51.100.2"):
    ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return ip(source, destination, 47, struct.pack(">HHI", 0x2000, ethertype, key) + packet)
