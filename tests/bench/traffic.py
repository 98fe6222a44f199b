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


def write_flows(path, avoid):
    """One frame of each of FLOWS flows between addresses that no network of `avoid` covers; random payload octets."""
    rng = random.Random(1)
    taken = {int(address) for network in avoid for address in network}
    free = [number for number in range(int(NETWORK[0]), int(NETWORK[-1]) + 1) if number not in taken]
    flows = set()
    while len(flows) < FLOWS:
        flows.add((rng.choice(free), rng.choice(free), rng.randrange(6000, 65536), rng.randrange(6000, 65536)))
    pcap.write(path, [pcap.Frame(0, 0, frame(flow, rng)) for flow in sorted(flows, key=lambda _: rng.random())])


def checksum(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(flow, rng):
    source, destination, source_port, destination_port = flow
    length = FRAME_LEN - 14
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, length, rng.randrange(65536), 0, 64, 17, 0, source, destination)
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    udp = struct.pack(">HHHH", source_port, destination_port, length - 20, 0)
    ethernet = bytes.fromhex("020000000001 020000000002 0800")
    return ethernet + ip + udp + rng.randbytes(FRAME_LEN - len(ethernet) - len(ip) - len(udp))
