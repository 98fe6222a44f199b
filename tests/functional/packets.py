"""From a frame to the innermost UDP datagram, TCP segment or IP fragment, through tunnels: read by nothing but Python.

One function a layer. Each takes the octets of its layer and what they travelled in, and returns a Packet. Written apart from
the C code: what both make of a capture must agree.
"""

import ipaddress
import struct
from dataclasses import dataclass, field, replace

MAX_VLAN_TAGS, MAX_LABELS, MAX_EXTENSION_HEADERS, MAX_GTPU_EXTENSIONS, MAX_TUNNELS = 4, 16, 8, 8, 8  # as in packet.h

VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
IPV4, IPV6, MPLS, MPLS_UPSTREAM, PPPOE_SESSION = 0x0800, 0x86DD, 0x8847, 0x8848, 0x8864
ETHERNET_IN_GRE, ERSPAN, PPP_IN_GRE = 0x6558, 0x88BE, 0x880B

TCP, UDP = 6, 17
PORT_L2TP, PORT_GTPU, PORT_VXLAN, PORT_GENEVE = 1701, 2152, 4789, 6081

TCP_FIN, TCP_SYN, TCP_RST = 1, 2, 4


@dataclass(frozen=True)
class Flow:
    source: str  # as x2mf prints addresses: IPv6 compressed
    destination: str
    source_port: int
    destination_port: int
    protocol: int


@dataclass(frozen=True)
class Outside:
    """What a packet travelled in, outermost first."""

    flows: tuple = ()  # of the outer IP packets
    teids: tuple = ()  # of GTP-U
    scope: tuple = ()  # what tells networks with equal addresses apart
    tunnels: int = 0

    def inside(self, *scope, flow=None, teid=None):
        """The same, one tunnel further in."""
        return Outside(
            self.flows + ((flow,) if flow else ()),
            self.teids + ((teid,) if teid is not None else ()),
            self.scope + scope + ((flow.source, flow.destination) if flow else ()),
            self.tunnels + 1,
        )


@dataclass
class Packet:
    kind: str  # "udp", "tcp" or "fragment"; anything else is a name of packet.h for what is not understood
    flow: Flow = None  # of the innermost IP header that was reached
    payload: bytes = b""
    outside: Outside = Outside()
    tcp: dict = field(default_factory=dict)  # sequence, flags
    fragment: dict = field(default_factory=dict)  # identification, offset, more


UNDERSTOOD = ("udp", "tcp", "fragment")


def parse(frame):
    """What one Ethernet frame holds."""
    return ethernet(frame, Outside())


def resume(fragment, protocol, datagram):
    """Goes on with the datagram that fragments were put together to; `fragment` is any of them."""
    if ":" in fragment.flow.source:
        return ipv6_payload(protocol, datagram, fragment.flow, fragment.outside)
    return transport(protocol, datagram, fragment.flow, fragment.outside)


def ethernet(octets, outside):
    if len(octets) < 14:
        return Packet("truncated", outside=outside)
    return by_ethertype(struct.unpack_from(">H", octets, 12)[0], octets[14:], outside)


def by_ethertype(ethertype, octets, outside):
    tags = 0
    while ethertype in VLAN_TAGS:
        if tags == MAX_VLAN_TAGS:
            return Packet("too_deep", outside=outside)
        if len(octets) < 4:
            return Packet("truncated", outside=outside)
        tag, ethertype = struct.unpack_from(">HH", octets)
        outside = replace(outside, scope=outside.scope + (("vlan", tag & 0xFFF),))
        octets = octets[4:]
        tags += 1
    if outside.tunnels > MAX_TUNNELS:
        return Packet("too_deep", outside=outside)
    if ethertype == IPV4:
        return ipv4(octets, outside)
    if ethertype == IPV6:
        return ipv6(octets, outside)
    if ethertype in (MPLS, MPLS_UPSTREAM):
        return mpls(octets, outside)
    if ethertype == PPPOE_SESSION:
        return pppoe(octets, outside)
    return Packet("not_ip", outside=outside)


def is_known_ethernet(octets):
    """Whether octets look like an Ethernet header in front of something that is understood."""
    known = (*VLAN_TAGS, IPV4, IPV6, MPLS, MPLS_UPSTREAM, PPPOE_SESSION)
    return len(octets) >= 14 and struct.unpack_from(">H", octets, 12)[0] in known


def is_ip(octets):
    """Whether octets look like an IP header and not like an Ethernet address that begins with 4 or 6."""
    if len(octets) >= 20 and octets[0] >> 4 == 4:
        return octets[0] & 15 >= 5 and struct.unpack_from(">H", octets, 2)[0] <= len(octets)
    return len(octets) >= 40 and octets[0] >> 4 == 6 and struct.unpack_from(">H", octets, 4)[0] <= len(octets) - 40


def mpls(octets, outside):
    """RFC 3032. What follows the last label does not say what it is: IP, or Ethernet (RFC 4448), with a control word or
    without."""
    for _ in range(MAX_LABELS):
        if len(octets) < 4:
            return Packet("truncated", outside=outside)
        entry = struct.unpack_from(">I", octets)[0]
        octets = octets[4:]
        if entry >> 8 & 1:
            break
    else:
        return Packet("too_deep", outside=outside)
    outside = outside.inside(("mpls", entry >> 12))
    if is_ip(octets):
        return ip(octets, outside)
    if octets[:1] and octets[0] >> 4 == 0 and is_known_ethernet(octets[4:]):
        return ethernet(octets[4:], outside)
    if is_known_ethernet(octets):
        return ethernet(octets, outside)
    return ip(octets, outside) if octets[:1] and octets[0] >> 4 in (4, 6) else Packet("tunnel", outside=outside)


def pppoe(octets, outside):
    """RFC 2516, session stage."""
    if len(octets) < 6:
        return Packet("truncated", outside=outside)
    version_type, code, session, length = struct.unpack_from(">BBHH", octets)
    if version_type != 0x11 or code != 0:
        return Packet("not_ip", outside=outside)
    return ppp(octets[6 : 6 + length], outside.inside(("pppoe", session)))


def ppp(octets, outside):
    """RFC 1661: address and control may be left out, and the first octet of the protocol."""
    if octets[:2] == b"\xff\x03":
        octets = octets[2:]
    if not octets:
        return Packet("truncated", outside=outside)
    if octets[0] & 1:
        protocol, octets = octets[0], octets[1:]
    elif len(octets) >= 2:
        protocol, octets = struct.unpack_from(">H", octets)[0], octets[2:]
    else:
        return Packet("truncated", outside=outside)
    if protocol == 0x0021:
        return ipv4(octets, outside)
    if protocol == 0x0057:
        return ipv6(octets, outside)
    if protocol == 0x0281:
        return mpls(octets, outside)
    # Control protocols, against what is compressed, encrypted or cut up (multilink).
    return Packet("not_ip" if protocol >= 0x8000 else "tunnel", outside=outside)


def ip(octets, outside):
    """IP whose version is told by its first octet alone."""
    if not octets:
        return Packet("truncated", outside=outside)
    version = octets[0] >> 4
    if version not in (4, 6):
        return Packet("tunnel", outside=outside)
    return ipv4(octets, outside) if version == 4 else ipv6(octets, outside)


def text(address):
    return str(ipaddress.ip_address(address))


def ipv4(octets, outside):
    if outside.tunnels > MAX_TUNNELS:
        return Packet("too_deep", outside=outside)
    if len(octets) < 20:
        return Packet("truncated", outside=outside)
    version_length, length, identification, flags_offset, protocol = struct.unpack_from(">BxHHHxB", octets)
    header_len = (version_length & 15) * 4
    if version_length >> 4 != 4 or header_len < 20 or 0 < length < header_len:
        return Packet("malformed", outside=outside)
    if len(octets) < header_len:
        return Packet("truncated", outside=outside)
    flow = Flow(text(octets[12:16]), text(octets[16:20]), 0, 0, protocol)
    # Segmentation offload leaves the length 0: then the frame's end counts.
    body = octets[header_len : length or None]
    offset, more = (flags_offset & 0x1FFF) * 8, bool(flags_offset & 0x2000)
    if offset or more:
        fragment = {"identification": identification, "offset": offset, "more": more}
        return Packet("fragment", flow, body, outside, fragment=fragment)
    return transport(protocol, body, flow, outside)


def ipv6(octets, outside):
    if outside.tunnels > MAX_TUNNELS:
        return Packet("too_deep", outside=outside)
    if len(octets) < 40:
        return Packet("truncated", outside=outside)
    if octets[0] >> 4 != 6:
        return Packet("malformed", outside=outside)
    length, protocol = struct.unpack_from(">HB", octets, 4)
    flow = Flow(text(octets[8:24]), text(octets[24:40]), 0, 0, protocol)
    return ipv6_payload(protocol, octets[40 : 40 + length if length else None], flow, outside)


def ipv6_payload(protocol, octets, flow, outside):
    """What follows an IPv6 header: extension headers (RFC 8200 section 4), then the transport."""
    headers = 0
    while protocol in (0, 43, 44, 51, 60, 135, 139, 140):
        if headers == MAX_EXTENSION_HEADERS:
            return Packet("too_deep", flow, outside=outside)
        if len(octets) < 8:
            return Packet("truncated", flow, outside=outside)
        if protocol == 44:
            protocol, offset_more, identification = struct.unpack_from(">BxHI", octets)
            octets = octets[8:]
            offset, more = offset_more & 0xFFF8, bool(offset_more & 1)
            if offset or more:
                fragment = {"identification": identification, "offset": offset, "more": more}
                return Packet("fragment", replace(flow, protocol=protocol), octets, outside, fragment=fragment)
        else:
            length = (octets[1] + 2) * 4 if protocol == 51 else (octets[1] + 1) * 8
            if length > len(octets):
                return Packet("truncated", flow, outside=outside)
            protocol, octets = octets[0], octets[length:]
        headers += 1
    return transport(protocol, octets, flow, outside)


def transport(protocol, octets, flow, outside):
    flow = replace(flow, protocol=protocol)
    if protocol == UDP:
        return udp(octets, flow, outside)
    if protocol == TCP:
        return tcp(octets, flow, outside)
    if protocol == 4:
        return ipv4(octets, outside.inside("ip", flow=flow))
    if protocol == 41:
        return ipv6(octets, outside.inside("ip", flow=flow))
    if protocol == 47:
        return gre(octets, flow, outside)
    kinds = {132: "sctp", 50: "esp", 97: "tunnel", 115: "tunnel", 137: "tunnel", 143: "tunnel"}
    return Packet(kinds.get(protocol, "other_protocol"), flow, outside=outside)


def tcp(octets, flow, outside):
    """RFC 9293 section 3.1."""
    if len(octets) < 20:
        return Packet("truncated", flow, outside=outside)
    source, destination, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", octets)
    header_len = (offset >> 4) * 4
    if header_len < 20:
        return Packet("malformed", flow, outside=outside)
    if header_len > len(octets):
        return Packet("truncated", flow, outside=outside)
    flow = replace(flow, source_port=source, destination_port=destination)
    return Packet("tcp", flow, octets[header_len:], outside, tcp={"sequence": sequence, "flags": flags})


def udp(octets, flow, outside):
    if len(octets) < 8:
        return Packet("truncated", flow, outside=outside)
    source, destination, length = struct.unpack_from(">HHH", octets)
    if 0 < length < 8:
        return Packet("malformed", flow, outside=outside)
    flow = replace(flow, source_port=source, destination_port=destination)
    payload = octets[8 : length or None]
    inner = None
    if destination == PORT_VXLAN:
        inner = vxlan(payload, flow, outside)
    elif destination == PORT_GENEVE:
        inner = geneve(payload, flow, outside)
    elif PORT_GTPU in (source, destination):
        inner = gtpu(payload, flow, outside)
    elif PORT_L2TP in (source, destination):
        inner = l2tp(payload, flow, outside)
    # A telephone may have picked the port of a tunnel.
    return inner or Packet("udp", flow, payload, outside)


def gre(octets, flow, outside):
    """RFC 2784 and 2890; version 1 is that of PPTP (RFC 2637)."""
    if len(octets) < 4:
        return Packet("truncated", flow, outside=outside)
    flags, protocol = struct.unpack_from(">HH", octets)
    version = flags & 7
    has_checksum, has_routing, has_key, has_sequence = (bool(flags & bit) for bit in (0x8000, 0x4000, 0x2000, 0x1000))
    if version > 1 or has_routing or (version == 1 and protocol != PPP_IN_GRE):
        return Packet("tunnel", flow, outside=outside)
    at = 4 + 4 * has_checksum
    key = struct.unpack_from(">I", octets, at)[0] if has_key and len(octets) >= at + 4 else 0
    at += 4 * has_key + 4 * has_sequence
    if version == 1:
        at += 4 * bool(flags & 0x0080)
        key &= 0xFFFF  # the call; the other half is a length
    if len(octets) < at:
        return Packet("truncated", flow, outside=outside)
    body = octets[at:]
    if version == 1:
        # An acknowledgement alone has no payload.
        return ppp(body, outside.inside(("pptp", key), flow=flow)) if body else Packet("tunnel", flow, outside=outside)
    outside = outside.inside(("gre", key), flow=flow)
    if protocol == ETHERNET_IN_GRE:
        return ethernet(body, outside)
    if protocol == ERSPAN:
        return erspan(body, has_sequence, flow, outside)
    if protocol in (IPV4, IPV6, MPLS, MPLS_UPSTREAM):
        return by_ethertype(protocol, body, outside)
    return Packet("tunnel", flow, outside=outside)


def erspan(octets, has_header, flow, outside):
    """draft-foschiano-erspan: type I has no header of its own, and no GRE sequence number."""
    if not has_header:
        return ethernet(octets, outside)
    if len(octets) < 8:
        return Packet("truncated", flow, outside=outside)
    version_vlan, session = struct.unpack_from(">HH", octets)
    if version_vlan >> 12 != 1:
        return Packet("tunnel", flow, outside=outside)
    return ethernet(octets[8:], replace(outside, scope=outside.scope + (("erspan", session & 0x3FF),)))


# The tunnels over UDP return None for what is none.


def vxlan(octets, flow, outside):
    """RFC 7348."""
    if len(octets) < 8 or not octets[0] & 0x08:
        return None
    network = int.from_bytes(octets[4:7], "big")
    return ethernet(octets[8:], outside.inside(("vxlan", network), flow=flow))


def geneve(octets, flow, outside):
    """RFC 8926."""
    if len(octets) < 8 or octets[0] >> 6 != 0:
        return None
    header_len, protocol = 8 + (octets[0] & 0x3F) * 4, struct.unpack_from(">H", octets, 2)[0]
    if header_len > len(octets) or protocol not in (ETHERNET_IN_GRE, IPV4, IPV6, MPLS, MPLS_UPSTREAM):
        return None
    outside = outside.inside(("geneve", int.from_bytes(octets[4:7], "big")), flow=flow)
    body = octets[header_len:]
    return ethernet(body, outside) if protocol == ETHERNET_IN_GRE else by_ethertype(protocol, body, outside)


def l2tp(octets, flow, outside):
    """RFC 2661 section 3.1, data messages."""
    if len(octets) < 6:
        return None
    flags = struct.unpack_from(">H", octets)[0]
    if flags & 0x000F != 2 or flags & 0x34F0 or flags & 0x8000:
        return None
    has_length, has_sequence, has_offset = bool(flags & 0x4000), bool(flags & 0x0800), bool(flags & 0x0200)
    if has_length:
        octets = octets[: struct.unpack_from(">H", octets, 2)[0]]
    at = 2 + 2 * has_length
    if len(octets) < at + 4:
        return None
    tunnel, session = struct.unpack_from(">HH", octets, at)
    at += 4 + 4 * has_sequence
    if has_offset:
        if len(octets) < at + 2:
            return None
        at += 2 + struct.unpack_from(">H", octets, at)[0]
    if at >= len(octets):
        return None
    return ppp(octets[at:], outside.inside(("l2tp", tunnel, session), flow=flow))


def gtpu(octets, flow, outside):
    """TS 29.281 clause 5.1: G-PDUs."""
    if len(octets) < 8:
        return None
    flags, kind, length, teid = struct.unpack_from(">BBHI", octets)
    if flags >> 4 != 3 or kind != 255:  # version 1, protocol type 1
        return None
    octets = octets[8 : 8 + length]
    if flags & 7:
        if len(octets) < 4:
            return None
        extension = octets[3] if flags & 4 else 0
        octets = octets[4:]
        extensions = 0
        while extension:
            if not octets or octets[0] == 0 or octets[0] * 4 > len(octets) or extensions == MAX_GTPU_EXTENSIONS:
                return None
            length = octets[0] * 4
            extension, octets = octets[length - 1], octets[length:]
            extensions += 1
    return ip(octets, outside.inside(("gtpu", teid), flow=flow, teid=teid))
