"""Traffic and targets for the benchmarks: the same for every run."""

import ipaddress
import random
import struct

import pcap
from x2tap_test import task

NETWORK = ipaddress.ip_network("198.18.0.0/15")  # RFC 2544: for benchmarks
FLOWS = 65536
FRAME_LEN = 64


def targets(count):
    """`count` tasks by address within the network of the traffic, one fifth of them prefixes /24 to /28."""
    rng = random.Random(2)
    found = set()
    while len(found) < count:
        length = 24 + len(found) % 5 if len(found) < count // 5 else 32
        found.add(ipaddress.ip_network((int(NETWORK[0]) + rng.randrange(NETWORK.num_addresses), length), strict=False))
    return sorted(found)


def tasks(networks):
    return [
        task([{"ipv4Address": str(n.network_address)} if n.prefixlen == 32 else {"ipv4Cidr": str(n)}]) for n in networks
    ]


def write_flows(path, avoid, kind="udp"):
    """One frame of each of FLOWS flows between addresses that no network of `avoid` covers; random payload octets. Kinds: udp,
    tcp, and gtpu: the same UDP in a tunnel."""
    rng = random.Random(1)
    taken = {int(address) for network in avoid for address in network}
    free = [number for number in range(int(NETWORK[0]), int(NETWORK[-1]) + 1) if number not in taken]
    flows = set()
    while len(flows) < FLOWS:
        flows.add((rng.choice(free), rng.choice(free), rng.randrange(6000, 65536), rng.randrange(6000, 65536)))
    pcap.write(path, [pcap.Frame(0, 0, frame(flow, rng, kind)) for flow in sorted(flows, key=lambda _: rng.random())])


def checksum(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, rng):
    ip = struct.pack(
        ">BBHHHBBHII", 0x45, 0, 20 + len(payload), rng.randrange(65536), 0, 64, protocol, 0, source, destination
    )
    return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:] + payload


def udp(source_port, destination_port, payload):
    return struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def frame(flow, rng, kind):
    source, destination, source_port, destination_port = flow
    if kind == "tcp":
        header = struct.pack(">HHIIHHHH", source_port, destination_port, rng.randrange(1 << 32), 0, 0x5010, 65535, 0, 0)
        packet = ipv4(source, destination, 6, header + rng.randbytes(FRAME_LEN - 54), rng)
    else:
        packet = ipv4(source, destination, 17, udp(source_port, destination_port, rng.randbytes(FRAME_LEN - 42)), rng)
    if kind == "gtpu":
        tunnel = struct.pack(">BBHI", 0x30, 255, len(packet), rng.randrange(1 << 32)) + packet
        packet = ipv4(0xC6336401, 0xC6336402, 17, udp(2152, 2152, tunnel), rng)
    return bytes.fromhex("020000000001 020000000002 0800") + packet
