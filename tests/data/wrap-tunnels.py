#!/usr/bin/python3
"""Makes a capture of tunnels: wrap-tunnels.py IPV4 IPV6 OUT

One call of the captures IPV4 or IPV6 goes into each kind of tunnel, one after the other. Each copy has addresses of its own, also
inside of its messages, and so a Call-ID of its own: who sees each message once has understood each tunnel.
"""

import ipaddress
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "functional"))

import craft
import pcap
import sip_oracle

IPV4, IPV6, TEB, PPP = 0x0800, 0x86DD, 0x6558, 0x880B
NEAR, FAR = "198.51.100.1", "198.51.100.2"  # of the tunnels that an IPv4 network carries
NEAR6, FAR6 = "2001:db8:ffff::1", "2001:db8:ffff::2"
PPP_IPV4 = b"\xff\x03\x00\x21"  # address, control, protocol (RFC 1661, 1662)
GAP_NS = 1_000_000_000  # between two calls


def ethernet(ethertype, payload, outward):
    ends = b"\x00\x00\x5e\x00\x53\x01", b"\x00\x00\x5e\x00\x53\x02"  # RFC 7042 section 2.1.2
    return ends[outward] + ends[not outward] + struct.pack(">H", ethertype) + payload


def ethertype_of(packet):
    return IPV4 if packet[0] >> 4 == 4 else IPV6


def ipv4(protocol, payload, outward, identification=0, fragment=0):
    ends = [ipaddress.ip_address(end).packed for end in ((NEAR, FAR) if outward else (FAR, NEAR))]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), identification, fragment, 64, protocol, 0) + b"".join(ends)
    return header[:10] + struct.pack(">H", craft.checksum(header)) + header[12:] + payload


def ipv6(next_header, payload, outward):
    ends = [ipaddress.ip_address(end).packed for end in ((NEAR6, FAR6) if outward else (FAR6, NEAR6))]
    return struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + b"".join(ends) + payload


def udp(port, payload, outward, near=NEAR, far=FAR):
    source, destination = (near, far) if outward else (far, near)
    return pcap.udp_frame(source, destination, 49152, port, payload)[14:]


def fragments(packet, size):
    """An IPv4 packet in pieces of `size` octets, a multiple of 8."""
    header, payload = packet[:20], packet[20:]
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        field = at // 8 | (0x2000 if at + size < len(payload) else 0)
        head = header[:2] + struct.pack(">H", 20 + len(piece)) + header[4:6] + struct.pack(">H", field) + header[8:10]
        head += b"\0\0" + header[12:]
        yield head[:10] + struct.pack(">H", craft.checksum(head)) + head[12:] + piece


def identified(packet, number):
    """An IPv4 packet with another identification; its checksum is made by fragments()."""
    return packet[:4] + struct.pack(">H", number) + packet[6:]


def inner_ethernet(packet, outward):
    return ethernet(ethertype_of(packet), packet, outward)


# Each tunnel takes a packet, the number of the packet in its call, and whether the caller sent it. It returns the frame that
# carries the packet, or a list of frames.


def gtpu(packet, number, outward, near=NEAR, far=FAR, extended=False):
    """TS 29.281: with a sequence number and a PDU session container (TS 38.415) in front, or without."""
    teid = 0x1001 if outward else 0x2002
    options = struct.pack(">HBB", number, 0, 0x85) + bytes([1, 0x10 if outward else 0, 9, 0]) if extended else b""
    header = struct.pack(">BBHI", 0x36 if extended else 0x30, 255, len(options) + len(packet), teid)
    return udp(2152, header + options + packet, outward, near, far)


def gtpu_ipv4(packet, number, outward):
    return ethernet(IPV4, gtpu(packet, number, outward), outward)


def gtpu_ipv6(packet, number, outward):
    return ethernet(IPV6, gtpu(packet, number, outward, NEAR6, FAR6, extended=True), outward)


def vxlan(packet, number, outward):
    header = struct.pack(">II", 0x08000000, 77 << 8)  # RFC 7348
    return ethernet(IPV4, udp(4789, header + inner_ethernet(packet, outward), outward), outward)


def geneve(packet, number, outward):
    option = struct.pack(">HBBI", 0xFF00, 0, 1, 42)  # one of four octets, of an experimental class (RFC 8926)
    header = struct.pack(">BBHI", len(option) // 4, 0, TEB, 78 << 8)
    return ethernet(IPV4, udp(6081, header + option + inner_ethernet(packet, outward), outward), outward)


def mpls(payload, outward):
    labels = struct.pack(">II", 1000 << 12 | 64, 2000 << 12 | 1 << 8 | 64)  # the second is the bottom of the stack
    return ethernet(0x8847, labels + payload, outward)


def mpls_ip(packet, number, outward):
    return mpls(packet, outward)


def mpls_pseudowire(packet, number, outward):
    return mpls(struct.pack(">HH", 0, number + 1) + inner_ethernet(packet, outward), outward)  # control word, RFC 4448


def gre(flags, protocol, fields, payload, outward):
    return ethernet(IPV4, ipv4(47, struct.pack(">HH", flags, protocol) + fields + payload, outward), outward)


def gre_key(packet, number, outward):
    return gre(0x2000, IPV4, struct.pack(">I", 4711), packet, outward)  # RFC 2890


def gre_ethernet(packet, number, outward):
    return gre(0, TEB, b"", inner_ethernet(packet, outward), outward)


def erspan(packet, number, outward):
    header = struct.pack(">HHI", 1 << 12 | 100, 5, 0)  # type II: VLAN 100, session 5
    return gre(0x1000, 0x88BE, struct.pack(">I", number), header + inner_ethernet(packet, outward), outward)


def pptp(packet, number, outward):
    payload = PPP_IPV4 + packet
    return gre(0x3001, PPP, struct.pack(">HHI", len(payload), 9, number), payload, outward)  # RFC 2637 section 4.1


def l2tp(packet, number, outward):
    payload = PPP_IPV4 + packet
    header = struct.pack(">HHHH", 0x4002, 8 + len(payload), 11, 12)  # RFC 2661 section 3.1: a data message with a length
    return ethernet(IPV4, udp(1701, header + payload, outward), outward)


def pppoe(packet, number, outward):
    payload = b"\x00\x21" + packet
    return ethernet(0x8864, struct.pack(">BBHH", 0x11, 0, 13, len(payload)) + payload, outward)  # RFC 2516


def ipip(packet, number, outward):
    return ethernet(IPV4, ipv4(4, packet, outward), outward)


def six_in_four(packet, number, outward):
    return ethernet(IPV4, ipv4(41, packet, outward), outward)


def four_in_six(packet, number, outward):
    return ethernet(IPV6, ipv6(4, packet, outward), outward)


def vxlan_in_gtpu(packet, number, outward):
    return ethernet(IPV4, gtpu(vxlan(packet, number, outward)[14:], number, outward), outward)


def fragments_in_gtpu(packet, number, outward):
    pieces = fragments(identified(packet, 100 + number), 400)
    return [gtpu_ipv4(piece, number, outward) for piece in pieces]


def gtpu_in_fragments(packet, number, outward):
    pieces = fragments(identified(gtpu(packet, number, outward), 200 + number), 400)
    return [ethernet(IPV4, piece, outward) for piece in pieces]


TUNNELS = (
    gtpu_ipv4, gtpu_ipv6, vxlan, geneve, mpls_ip, mpls_pseudowire, gre_key, gre_ethernet, erspan, pptp, l2tp, pppoe, ipip,
    six_in_four, four_in_six, vxlan_in_gtpu, fragments_in_gtpu, gtpu_in_fragments,
)  # fmt: skip
INSIDE_IPV6 = (six_in_four, gtpu_ipv6)  # of these the call is one over IPv6


def call_of(path):
    """The first call of a capture: pairs of a time and a datagram."""
    frames, _ = pcap.read(path)
    datagrams = [(frame.time_ns, pcap.datagram(frame.octets)) for frame in frames]
    spoken = [(time, datagram, sip_oracle.messages(datagram.payload)) for time, datagram in datagrams if datagram]
    call_id = next(said[0].call_id for _, _, said in spoken if said and said[0].method == "INVITE")
    return [(time, datagram) for time, datagram, said in spoken if said and said[0].call_id == call_id]


def moved(call, number):
    """A call between other hosts: pairs of a time and a packet, and whether its caller sent it. The texts keep their length."""
    caller, callee = call[0][1].source, call[0][1].destination
    hosts = {host: f"{host[:-2]}{30 + 2 * number + end}" for end, host in enumerate((caller, callee))}
    for time, datagram in call:
        payload = datagram.payload
        for host, other in hosts.items():
            payload = payload.replace(host.encode(), other.encode())
        packet = pcap.udp_frame(
            hosts[datagram.source], hosts[datagram.destination], datagram.source_port, datagram.destination_port, payload
        )[14:]
        yield time, packet, datagram.source == caller


def main(path_ipv4, path_ipv6, out):
    calls = {False: call_of(path_ipv4), True: call_of(path_ipv6)}
    at, written = calls[False][0][0], []
    for number, wrap in enumerate(TUNNELS):
        call = calls[wrap in INSIDE_IPV6]
        began = call[0][0]
        for count, (time, packet, outward) in enumerate(moved(call, number)):
            frames = wrap(packet, count, outward)
            for octets in frames if isinstance(frames, list) else [frames]:
                written.append(pcap.Frame(len(written) + 1, at + time - began, octets))
        at = written[-1].time_ns + GAP_NS
    pcap.write(out, written)


if __name__ == "__main__":
    main(*sys.argv[1:])
