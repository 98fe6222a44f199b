"""What RADIUS, DHCP and GTP-C should yield, and SIP of the addresses that they give, worked out from a capture.

tshark dissects; what its fields mean is said here, from the RFCs and TS, in plain Python: no tables, no hashes, one message after
the other, nothing forgotten for lack of room. Written apart from the C code. What it leaves out: error indications, restart
counters and bearers of GTP, BOOTP without DHCP, and places of `bindings.sources` (pair, vlan, instance).

Whom a message shows are words: ("user", ...), ("imsi", ...), ("imei", ...), ("number", ...), ("mac", ...), ("teid", ...).
"""

import ipaddress
import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass, field

import craft
import decode
import packets
import pcap
import reassembly
import sip_oracle
from sip_oracle import FROM_TARGET, TO_TARGET, UNKNOWN, Match

RADIUS_PORTS = {1812, 1813, 1645, 1646, 3799}
DHCPV4_PORTS, DHCPV6_PORTS = {67, 68}, {546, 547}
GTPC_PORTS = {2123}

EXCHANGE_NS = 60 * 10**9  # a request is answered by then, or is not
DUPLICATE_WINDOW_NS = sip_oracle.DUPLICATE_WINDOW_NS
NO_ADDRESS = ("0.0.0.0", "255.255.255.255", "255.255.255.254")  # RFC 2865 section 5.8

FIELDS = (
    "frame.number", "radius.code", "radius.id", "radius.User_Name", "radius.Calling_Station_Id", "radius.NAS_Identifier",
    "radius.NAS_IP_Address", "radius.NAS_IPv6_Address", "radius.Acct_Session_Id", "radius.Acct_Status_Type", "radius.State",
    "radius.Framed-IP-Address", "radius.Framed_IPv6_Address", "radius.Framed_IPv6_Prefix", "radius.Delegated_IPv6_Prefix",
    "radius.3GPP_IMSI", "radius.3GPP_IMEISV",
    "dhcp.type", "dhcp.id", "dhcp.hw.mac_addr", "dhcp.option.dhcp", "dhcp.ip.client", "dhcp.ip.your", "dhcp.ip.relay",
    "dhcp.option.ip_address_lease_time",
    "dhcpv6.msgtype", "dhcpv6.xid", "dhcpv6.option.type", "dhcpv6.duid.bytes", "dhcpv6.iaaddr.ip",
    "dhcpv6.iaaddr.valid_lifetime", "dhcpv6.iaprefix.pref_addr", "dhcpv6.iaprefix.pref_len", "dhcpv6.iaprefix.valid_lifetime",
    "gtp.message", "gtp.teid", "gtp.seq_number", "gtp.teid_cp", "gtp.gsn_ipv4", "gtp.gsn_ipv6", "gtp.user_ipv4", "gtp.user_ipv6",
    "gtp.cause", "gtp.ext_imeisv", "e212.imsi", "e164.msisdn",
    "gtpv2.message_type", "gtpv2.teid", "gtpv2.seq", "gtpv2.mei", "gtpv2.cause", "gtpv2.f_teid_interface_type",
    "gtpv2.f_teid_gre_key", "gtpv2.f_teid_ipv4", "gtpv2.f_teid_ipv6", "gtpv2.pdn_addr_and_prefix.ipv4",
    "gtpv2.pdn_addr_and_prefix.ipv6", "gtpv2.pdn_ipv6_len",
)  # fmt: skip


@dataclass
class Datagram:
    """A UDP datagram on a port of these protocols."""

    frame: int  # number of the frame that completed it
    time_ns: int
    packet: packets.Packet
    macs: tuple  # of the frame


@dataclass
class Signal:
    """What one message says."""

    frame: int
    time_ns: int
    flow: packets.Flow
    outer: tuple
    teids: tuple
    tunnels: int
    macs: tuple
    protocol: str  # "radius", "dhcpv4", "dhcpv6", "gtpv1", "gtpv2"
    type: int
    octets: bytes
    is_request: bool
    shows: set = field(default_factory=set)
    claims: set = field(default_factory=set)  # of what it shows, what becomes nobody's binding by its word alone
    finds: list = field(default_factory=list)  # names of what it belongs to
    keeps: list = field(default_factory=list)  # names under which that goes on
    begins: list = field(default_factory=list)  # of these, what a request begins anew
    ends: bool = False  # it is the last of its session
    direction: int = UNKNOWN
    # Of bindings: "pending", "bind", "release", "end", "restart", or None
    change: str = None
    leases: list = field(default_factory=list)  # (network, lifetime in seconds or None)
    server: str = ""
    client: str = ""


# --- frames to messages -----------------------------------------------------------------------------------------------------


def ports_of(flow):
    return {flow.source_port, flow.destination_port}


def datagrams(frames):
    fragments = reassembly.Fragments()
    for frame in frames:
        packet = packets.parse(frame.octets)
        while packet and packet.kind == "fragment":
            packet = fragments.take(packet, frame.time_ns)
        if packet and packet.kind == "udp" and ports_of(packet.flow) & (RADIUS_PORTS | DHCPV4_PORTS | DHCPV6_PORTS | GTPC_PORTS):
            yield Datagram(frame.number, frame.time_ns, packet, (frame.octets[:6].hex(":"), frame.octets[6:12].hex(":")))


def is_radius(octets):
    """RFC 2865 section 3; codes of RFC 2865, 2866, 2869 and 5176."""
    length = int.from_bytes(octets[2:4], "big")
    known = octets[:1] and octets[0] in (1, 2, 3, 4, 5, 11, 12, 13, *range(40, 46))
    if not known or not 20 <= length <= 4096:
        return False
    # Cut off, by a sender or on the way: what is there is read if there is an attribute.
    return length <= len(octets) or len(octets) >= 22 and 2 <= octets[21] <= len(octets) - 20


def is_dhcpv4(octets):
    """RFC 2131 section 2: BOOTREQUEST or BOOTREPLY, with the magic cookie of DHCP."""
    return len(octets) >= 240 and octets[0] in (1, 2) and octets[236:240] == bytes((99, 130, 83, 99))


def is_dhcpv6(octets):
    """RFC 8415 section 7.3, and messages up to RFC 8156."""
    return len(octets) >= 4 and 1 <= octets[0] <= 36


def is_gtpc(octets):
    """TS 29.060 clause 6 and TS 29.274 clause 5: what the length says is what there is."""
    if len(octets) < 8:
        return False
    version, length = octets[0] >> 5, int.from_bytes(octets[2:4], "big")
    if version == 1:
        return bool(octets[0] & 0x10) and 8 + length == len(octets) and (length >= 4 or not octets[0] & 7)
    return version == 2 and 4 + length <= len(octets) and length >= (8 if octets[0] & 8 else 4)


def is_message(datagram):
    octets, ports = datagram.packet.payload, ports_of(datagram.packet.flow)
    checks = ((RADIUS_PORTS, is_radius), (DHCPV4_PORTS, is_dhcpv4), (DHCPV6_PORTS, is_dhcpv6), (GTPC_PORTS, is_gtpc))
    return any(ports & known and check(octets) for known, check in checks)


def dissected(found):
    """The fields of each datagram, as tshark reads them in a frame of its own: lists of values."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "messages.pcap"
        frames = []
        for number, one in enumerate(found, 1):
            flow = one.packet.flow
            packet = craft.udp(flow.source, flow.destination, flow.source_port, flow.destination_port, one.packet.payload)
            frames.append(pcap.Frame(number, number * 10**9, craft.ethernet(packet)))
        pcap.write(path, frames)
        command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=\x1e", "-E", "aggregator=\x1f"]
        command += [part for name in FIELDS for part in ("-e", name)]
        text = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "surrogateescape")
    rows = [line.split("\x1e") for line in text.split("\n")[:-1]]
    return [{name: value.split("\x1f") if value else [] for name, value in zip(FIELDS, row)} for row in rows]


def signals(frames):
    """Every message of a capture, in the order in which they are complete."""
    found = [datagram for datagram in datagrams(frames) if is_message(datagram)]
    read = []
    for datagram, fields in zip(found, dissected(found)):
        for names, reader in (("radius.code", radius), ("dhcp.type", dhcpv4), ("dhcpv6.msgtype", dhcpv6), ("gtp.message", gtpv1),
                              ("gtpv2.message_type", gtpv2)):  # fmt: skip
            if fields[names]:
                read.append(reader(datagram, fields))
                break
    return read


def begin(datagram, protocol, kind, is_request, octets=None):
    packet = datagram.packet
    return Signal(
        datagram.frame, datagram.time_ns, packet.flow, packet.outside.flows, packet.outside.teids, packet.outside.tunnels,
        datagram.macs, protocol, kind, packet.payload if octets is None else octets, is_request,
    )  # fmt: skip


def first(values, otherwise=""):
    return values[0] if values else otherwise


def digits(text):
    return re.sub(r"[-.() +]", "", text)


def mac_in(text):
    """A MAC address however it is written (RFC 3580 section 3.21 and others), or None."""
    plain = re.sub(r"[-:.]", "", text.lower())
    return bytes.fromhex(plain).hex(":") if re.fullmatch(r"[0-9a-f]{12}", plain) else None


# --- RADIUS (RFC 2865, 2866, 2869, 3162, 4818, 5176) ------------------------------------------------------------------------

ACCESS_REQUEST, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, ACCESS_CHALLENGE = 1, 4, 5, 11
RADIUS_REQUESTS = {ACCESS_REQUEST, ACCOUNTING_REQUEST, 12, 40, 43}
START, STOP, INTERIM, ON, OFF = "1", "2", "3", "7", "8"


def ipv6_prefix(text):
    """Attributes of RFC 3162 section 2.3: reserved, length in bits, as many octets as matter."""
    octets = bytes.fromhex(text.replace(":", ""))
    if len(octets) < 2 or octets[1] > 128:
        return None
    return ipaddress.ip_network((octets[2:].ljust(16, b"\0")[:16], octets[1]), strict=False)


def radius(datagram, fields):
    flow, octets = datagram.packet.flow, datagram.packet.payload
    code = octets[0]
    s = begin(datagram, "radius", code, code in RADIUS_REQUESTS, octets[: int.from_bytes(octets[2:4], "big")])
    asker = (flow.source, flow.source_port, flow.destination, flow.destination_port)
    if not s.is_request:
        asker = asker[2:] + asker[:2]
    exchange = ("radius exchange", *asker, octets[1])
    s.keeps.append(exchange)
    (s.begins if s.is_request else s.finds).append(exchange)

    nas_side, server_side = (asker[2], asker[0]) if 40 <= code <= 45 else (asker[0], asker[2])
    nas = first(fields["radius.NAS_Identifier"]) or first(fields["radius.NAS_IP_Address"]) or first(
        fields["radius.NAS_IPv6_Address"]) or nas_side  # fmt: skip
    for state in fields["radius.State"]:
        name = ("radius state", server_side, state)
        (s.keeps if code == ACCESS_CHALLENGE else s.finds).append(name)
    for session in fields["radius.Acct_Session_Id"][:1]:
        # Accounting-On and -Off bear a session id that is nobody's.
        if first(fields["radius.Acct_Status_Type"]) not in (ON, OFF):
            name = ("radius session", nas, session)
            s.finds.append(name)
            s.keeps.append(name)

    s.shows |= {("user", name) for name in fields["radius.User_Name"]}
    s.shows |= {("number", digits(text)) for text in fields["radius.Calling_Station_Id"]}
    s.shows |= {("mac", mac_in(text)) for text in fields["radius.Calling_Station_Id"] if mac_in(text)}
    s.shows |= {("imsi", text) for text in fields["radius.3GPP_IMSI"]}
    s.shows |= {("imei", text) for text in fields["radius.3GPP_IMEISV"]}

    s.client, s.server = asker[0], asker[2]
    if code == ACCOUNTING_REQUEST:
        radius_accounting(s, fields)
    return s


def radius_accounting(s, fields):
    status = first(fields["radius.Acct_Status_Type"])
    s.change = {START: "bind", INTERIM: "bind", STOP: "end", ON: "restart", OFF: "restart"}.get(status)
    s.ends = status == STOP
    addresses = [text for text in fields["radius.Framed-IP-Address"] if text not in NO_ADDRESS]
    networks = [ipaddress.ip_network(text) for text in addresses + fields["radius.Framed_IPv6_Address"]]
    networks += [ipv6_prefix(text) for text in fields["radius.Framed_IPv6_Prefix"] + fields["radius.Delegated_IPv6_Prefix"]]
    s.leases = [(network, None) for network in networks if network]


# --- DHCP (RFC 2131, 2132, 3046; RFC 8415) ----------------------------------------------------------------------------------

DHCP_ACK, DHCP_RELEASE = "5", "7"
RELAY_FORWARD, RELAY_REPLY = 12, 13
REPLY, RELEASE6 = 7, 8
CLIENT_ID, SERVER_ID = "1", "2"


def dhcpv4(datagram, fields):
    flow, octets = datagram.packet.flow, datagram.packet.payload
    kind = first(fields["dhcp.option.dhcp"])
    is_request = octets[0] == 1
    s = begin(datagram, "dhcpv4", int(kind or 0), is_request)
    hardware = octets[28 : 28 + min(octets[2], 16)]
    name = ("dhcpv4 transaction", hardware, first(fields["dhcp.id"]))
    s.finds.append(name)
    s.keeps.append(name)
    s.shows |= {("mac", text) for text in fields["dhcp.hw.mac_addr"] if text != "00:00:00:00:00:00"}
    if is_request and hardware.strip(b"\0"):
        s.claims = s.shows - {("mac", hardware.hex(":"))}
    s.direction = FROM_TARGET if is_request else TO_TARGET
    if kind in ("10", "11", "12", "13"):  # a lease query is of a relay (RFC 4388)
        s.direction = UNKNOWN

    relay = first(fields["dhcp.ip.relay"], "0.0.0.0")
    if is_request:
        s.change = "pending"
        s.server, s.client = "", flow.source if relay != "0.0.0.0" else ""
        own, source = first(fields["dhcp.ip.client"]), flow.source
        if kind == DHCP_RELEASE and own not in NO_ADDRESS:
            # His word who has the address, or his relay's.
            if source == own or relay != "0.0.0.0":
                s.change, s.leases, s.server = "release", [(ipaddress.ip_network(own), 0)], flow.destination
    else:
        s.server, s.client = flow.source, flow.destination if flow.destination_port == 67 else ""
        lifetime, given = first(fields["dhcp.option.ip_address_lease_time"]), first(fields["dhcp.ip.your"])
        if kind == DHCP_ACK and lifetime and given not in NO_ADDRESS:
            s.change, s.leases = "bind", [(ipaddress.ip_network(given), seconds(lifetime))]
    return s


def seconds(text):
    value = int(text)
    return None if value == 0xFFFFFFFF else value


def duid_mac(duid):
    """RFC 8415 section 11.2 and 11.4: the Ethernet address that a DUID was made of."""
    octets = bytes.fromhex(duid.replace(":", ""))
    if octets[:4] == b"\0\1\0\1" and len(octets) == 14:
        return octets[8:].hex(":")
    return octets[4:].hex(":") if octets[:4] == b"\0\3\0\1" and len(octets) == 10 else None


def dhcpv6(datagram, fields):
    flow = datagram.packet.flow
    kinds = [int(text) for text in fields["dhcpv6.msgtype"]]
    outermost, kind = kinds[0], kinds[-1]
    is_answer = outermost == RELAY_REPLY or kind in (2, REPLY, 10, 15, 17)
    s = begin(datagram, "dhcpv6", outermost, not is_answer)
    whose = [text for text in fields["dhcpv6.option.type"] if text in (CLIENT_ID, SERVER_ID)]
    duids = dict(zip(whose, fields["dhcpv6.duid.bytes"]))
    client = duids.get(CLIENT_ID, "")
    name = ("dhcpv6 transaction", client, first(fields["dhcpv6.xid"]))
    if client and fields["dhcpv6.xid"]:
        s.finds.append(name)
        s.keeps.append(name)
    if client and duid_mac(client):
        s.shows.add(("mac", duid_mac(client)))
    if client and kind not in (14, 15, 16, 17):
        s.direction = TO_TARGET if is_answer else FROM_TARGET
    if is_answer:
        s.server, s.client = flow.source, flow.destination if outermost == RELAY_REPLY else ""
    else:
        s.server, s.client = "", flow.source if outermost == RELAY_FORWARD else ""

    leases = [(ipaddress.ip_network(text), seconds(time))
              for text, time in zip(fields["dhcpv6.iaaddr.ip"], fields["dhcpv6.iaaddr.valid_lifetime"])]  # fmt: skip
    leases += [(ipaddress.ip_network((text, int(length)), strict=False), seconds(time))
               for text, length, time in zip(fields["dhcpv6.iaprefix.pref_addr"], fields["dhcpv6.iaprefix.pref_len"],
                                             fields["dhcpv6.iaprefix.valid_lifetime"])]  # fmt: skip
    if not is_answer:
        s.change = "pending"
    if kind == REPLY and leases:
        s.change, s.leases = "bind", leases
    elif kind == RELEASE6 and leases:
        s.change, s.leases, s.server = "release", leases, "the client's word"
    return s


# --- GTP-C (TS 29.060, TS 29.274) -------------------------------------------------------------------------------------------

PATH_MESSAGES = {1, 2, 3}  # echo, version not supported: of no subscriber
GTPV1_REQUESTS = {16, 18, 20, 22, 26, 27, 29, 32, 34, 36, 48, 50, 51, 53, 54, 56, 58, 60, 96, 100, 102, 104, 112, 116, 120, 128}
GTPV2_RESPONSES = {2, 33, 35, 37, 39, 65, 67, 69, 71, 96, 98, 100, 102, 104, 106, 129, 131, 134, 136, 138, 150, 152, 154, 157, 161,
                   163, 165, 167, 169, 171, 177, 180, 201, 212, 232}  # fmt: skip


def gtp_names(s, number, teid, control):
    """`control`: (address, TEID) of those that the message says are the sender's, or somebody's."""
    flow = s.flow
    asker = (flow.source, flow.destination) if s.is_request else (flow.destination, flow.source)
    exchange = ("gtp exchange", *asker, int(number or "0", 16))
    s.keeps.append(exchange)
    (s.begins if s.is_request else s.finds).append(exchange)
    if teid:
        s.finds.append(("gtp tunnel", flow.destination, teid))
        s.keeps.append(("gtp tunnel", flow.destination, teid))
    s.keeps += [("gtp tunnel", address, value) for address, value in control]
    s.shows |= {("teid", value) for value in [teid] + [value for _, value in control] if value}
    s.client, s.server = flow.source, flow.destination


def gtpv1(datagram, fields):
    kind = int(first(fields["gtp.message"]), 16)
    s = begin(datagram, "gtpv1", kind, kind in GTPV1_REQUESTS)
    if kind in PATH_MESSAGES:
        return s
    addresses = fields["gtp.gsn_ipv4"] or fields["gtp.gsn_ipv6"]  # for signalling, then for user traffic (clause 7.3.1)
    control = [(first(addresses, s.flow.source), int(text, 16)) for text in fields["gtp.teid_cp"]]
    gtp_names(s, first(fields["gtp.seq_number"]), int(first(fields["gtp.teid"], "0"), 16), control)
    s.shows |= {("imsi", text) for text in fields["e212.imsi"]} | {("number", text) for text in fields["e164.msisdn"]}
    s.shows |= {("imei", text) for text in fields["gtp.ext_imeisv"]}
    accepted = 128 <= int(first(fields["gtp.cause"], "0")) < 192
    given = [text for text in fields["gtp.user_ipv4"] + fields["gtp.user_ipv6"] if text not in NO_ADDRESS]
    if s.is_request:
        s.change = "pending"
    elif kind == 17 and accepted:
        s.change, s.leases = "bind", [(user_network(text), None) for text in given]
    elif kind == 21 and accepted:
        s.change, s.ends = "end", True
    return s


def user_network(text, length=64):
    """A subscriber has a whole /64 of IPv6 (TS 23.060 clause 9.2.1.1)."""
    return ipaddress.ip_network((text, length), strict=False) if ":" in text else ipaddress.ip_network(text)


def gtpv2(datagram, fields):
    kind = int(first(fields["gtpv2.message_type"]))
    s = begin(datagram, "gtpv2", kind, kind not in GTPV2_RESPONSES)
    if kind in PATH_MESSAGES:
        return s
    kinds = fields["gtpv2.f_teid_interface_type"]
    addresses = fields["gtpv2.f_teid_ipv4"] or fields["gtpv2.f_teid_ipv6"]
    control = [
        (address, int(text, 16))
        for interface, text, address in zip(kinds, fields["gtpv2.f_teid_gre_key"], addresses)
        if int(interface) in (6, 7, 10, 11, 12, 13, 17, 18, 27, 30)  # GTP-C ones (clause 8.22)
    ]
    gtp_names(s, first(fields["gtpv2.seq"]), int(first(fields["gtpv2.teid"], "0"), 16), control)
    s.shows |= {("imsi", text) for text in fields["e212.imsi"]} | {("number", text) for text in fields["e164.msisdn"]}
    s.shows |= {("imei", text) for text in fields["gtpv2.mei"]}
    accepted = 16 <= int(first(fields["gtpv2.cause"], "0")) < 64
    given = fields["gtpv2.pdn_addr_and_prefix.ipv4"] + fields["gtpv2.pdn_addr_and_prefix.ipv6"]
    if s.is_request:
        s.change = "pending"
    elif kind == 33 and accepted:
        s.change, s.leases = "bind", [(user_network(text), None) for text in given if text not in NO_ADDRESS]
    elif kind == 37 and accepted:
        s.change, s.ends = "end", True
    return s


# --- what goes on -----------------------------------------------------------------------------------------------------------


def is_lasting(name):
    """Whether it is the name of a session, not of an exchange or transaction."""
    return name[0] in ("radius session", "gtp tunnel")


class Strands:
    """What goes on under names: exchanges, accounting sessions, transactions, tunnels."""

    def __init__(self):
        self.by_name = {}  # name: (value, until_ns or None)

    def find(self, names, now):
        for name in names:
            value, until = self.by_name.get(name, (None, None))
            if value is not None and (until is None or now < until):
                return value
        return None

    def keep(self, names, value, now):
        for name in names:
            self.by_name[name] = (value, None if is_lasting(name) else now + EXCHANGE_NS)

    def drop(self, names):
        for name in names:
            self.by_name.pop(name, None)

    def end(self, value, now):
        """Answers and repeats belong to it for a while. A repeat within GTP is one of its exchange (TS 29.060 clause 7.6): the
        next subscriber may have the tunnel at once."""
        for name, (other, until) in list(self.by_name.items()):
            if other is value and name[0] == "gtp tunnel":
                del self.by_name[name]
            elif other is value:
                self.by_name[name] = (value, min(until or now + EXCHANGE_NS, now + EXCHANGE_NS))


# --- bindings ---------------------------------------------------------------------------------------------------------------


@dataclass
class Session:
    client: str
    shows: set
    leases: dict = field(default_factory=dict)  # network: when it is over, in ns, or None
    names: set = field(default_factory=set)


def is_in(address, listed):
    return not listed or any(ipaddress.ip_address(address) in ipaddress.ip_network(entry) for entry in listed)


def is_believed(s, sources):
    """Whether what a message says about addresses counts: `sources` is bindings.sources of x2tap.yaml."""
    if s.tunnels:
        return False
    for source in sources:
        protocol = {"dhcpv4": "dhcp", "dhcpv6": "dhcp", "gtpv1": "gtp", "gtpv2": "gtp"}.get(s.protocol, s.protocol)
        servers, clients = source.get("servers", []), source.get("clients", [])
        if protocol not in source["protocols"]:
            continue
        if protocol == "gtp" and is_in(s.client, clients) and is_in(s.server, clients):
            return True
        named = s.server if re.match(r"[0-9a-f.:]+$", s.server) else ""
        if protocol == "dhcp" and (not named or is_in(named, servers)) and (not s.client or is_in(s.client, clients)):
            return bool(named or s.client or s.change == "pending")
        if protocol == "radius" and is_in(s.server, servers) and is_in(s.client, clients):
            return True
    return False


class Bindings:
    """Who has which address now."""

    def __init__(self, sources):
        self.sources, self.sessions, self.pending = sources, Strands(), Strands()
        self.owners = {}  # network: Session
        self.ended = []  # networks that changed hands or were given back by the last message: (network, Session)

    def owner(self, address, now):
        """The session that has an address: the longest prefix counts."""
        address = ipaddress.ip_address(address)
        held = [
            (network.prefixlen, network)
            for network, session in self.owners.items()
            if network.version == address.version and address in network and not self.is_over(session, network, now)
        ]
        return self.owners[max(held, key=lambda one: one[0])[1]] if held else None

    @staticmethod
    def is_over(session, network, now):
        until = session.leases.get(network, 0)
        return until is not None and now >= until

    def take(self, s):
        if not s.change or not is_believed(s, self.sources):
            return
        if s.change == "restart":
            for session in {id(owner): owner for owner in self.owners.values() if owner.client == s.client}.values():
                self.end(session)
        elif s.change == "pending":
            self.pending.drop(s.begins)
            asked = [name for name in s.keeps if not is_lasting(name)]
            self.pending.keep(asked, s.shows - s.claims | (self.pending.find(asked, s.time_ns) or set()), s.time_ns)
        elif s.change == "bind":
            self.bind(s)
        elif s.change == "release":
            for network, _ in s.leases:
                session = self.owners.get(network)
                if session and session.shows & s.shows:
                    self.forget(network)
        else:
            session = self.sessions.find(s.finds, s.time_ns)
            if session:
                self.end(session)

    def name(self, s):
        """Names by which a session is found again; leases have their own."""
        if s.protocol.startswith("dhcp"):
            return [("lease", *sorted(s.shows), network) for network, _ in s.leases]
        return [name for name in s.finds + s.keeps if name[0] in ("radius session", "gtp tunnel")]

    def bind(self, s):
        names = self.name(s)
        shows = s.shows | (self.pending.find(s.finds, s.time_ns) or set())
        session = self.sessions.find(names, s.time_ns)
        if session is None or not session.shows & shows and s.protocol == "radius":
            if session:
                self.end(session)
            session = Session(s.client, set())
        session.shows |= shows
        for name in names:
            self.sessions.by_name[name] = (session, None)
            session.names.add(name)
        for network, lifetime in s.leases:
            old = self.owners.get(network)
            if old is not None and old is not session:
                self.forget(network)
            if lifetime == 0:
                self.forget(network)
                continue
            session.leases[network] = None if lifetime is None else s.time_ns + lifetime * 10**9
            self.owners[network] = session

    def forget(self, network):
        session = self.owners.pop(network, None)
        if session:
            session.leases.pop(network, None)
            self.ended.append((network, session))

    def end(self, session):
        for network in [network for network, owner in self.owners.items() if owner is session]:
            self.forget(network)
        self.sessions.drop(session.names)


# --- targets ----------------------------------------------------------------------------------------------------------------

PARTIES = {
    "nai": "user", "imsi": "imsi", "supiimsi": "imsi", "imei": "imei", "peiImei": "imei", "peiImeisv": "imei",
    "gpsiMsisdn": "number", "e164Number": "number", "macAddress": "mac", "gtpcTunnelId": "teid",
}  # fmt: skip


def is_shown(element, value, shows):
    """Whether a target identifier is among what is shown."""
    kind = PARTIES[element]
    known = {text for what, text in shows if what == kind}
    if kind == "teid":
        return int(value) in known
    if kind == "imei":
        # 14 digits are the equipment, whatever stands behind them (TS 23.003 clause 6.2).
        return any(text[:14] == value[:14] and (len(value) < 16 or text == value) for text in known)
    if kind == "mac":
        return value.lower() in known
    return value.lstrip("+") in known if kind == "number" else value in known


def match(identifiers, shows, s, match_outer=False):
    """A Match where all identifiers of a task hold for a message that shows somebody, or whose address is his."""
    of_packet, ends = [], set()
    for identifier in identifiers:
        ((element, value),) = identifier.items()
        if sip_oracle.is_of_packet(element):
            of_packet.append((element, value))
        elif element == "macAddress" and value.lower() in s.macs:
            ends = mac_ends(value, s.macs)
        elif element == "gtpuTunnelId":
            if int(value) not in s.teids:
                return None
        elif element not in PARTIES:
            return None
        elif not is_shown(element, value, shows):
            return None
    if of_packet:
        for flow in [s.flow, *(reversed(s.outer) if match_outer else ())]:
            ends = set.intersection(*(sip_oracle.ends_held(element, value, flow) for element, value in of_packet))
            if ends:
                break
        else:
            return None
    return Match(ends, set(), None)


def mac_ends(value, macs):
    """The ends of a frame that have a MAC address."""
    return {end for end, mac in zip(("destination", "source"), macs) if mac == value.lower()}


def is_of_party(identifiers):
    return any(next(iter(identifier)) in PARTIES for identifier in identifiers)


def bound_ends(identifiers, flow, bindings, now):
    """The ends of a packet whose address is that of the task's subscriber, and the sessions that say so."""
    found = {}
    for end, address in (("source", flow.source), ("destination", flow.destination)):
        session = bindings.owner(address, now)
        party = [(element, value) for one in identifiers for element, value in one.items() if element in PARTIES]
        if session and party and all(is_shown(element, value, session.shows) for element, value in party):
            found[end] = session
    rest = [one for one in identifiers if sip_oracle.is_of_packet(next(iter(one)))]
    held = [sip_oracle.ends_held(*next(iter(one.items())), flow) for one in rest]
    return {end: session for end, session in found.items() if all(end in ends for ends in held)}


def direction_by(ends, otherwise=UNKNOWN):
    if ends in ({"source"}, {"destination"}):
        return FROM_TARGET if ends == {"source"} else TO_TARGET
    return otherwise


def direction(s, ends):
    return direction_by(ends, s.direction)


class Orders:
    """What tasks get of messages, one after the other."""

    def __init__(self, tasks, sources=(), match_outer=False):
        self.tasks, self.match_outer = tasks, match_outer
        self.strands, self.bindings = Strands(), Bindings(list(sources))
        self.sip = sip_oracle.Sessions()
        self.bound_sip = {}  # (task, id of the binding's session): (session, sip_oracle.Sessions)
        self.first_seen = {}
        self.result = [[] for _ in tasks]

    def give(self, task, one, octets, way):
        key = task, octets
        if key in self.first_seen and 0 <= one.time_ns - self.first_seen[key] < DUPLICATE_WINDOW_NS:
            return
        self.first_seen[key] = one.time_ns
        self.result[task].append((one, way))

    def take_signal(self, s):
        self.strands.drop(s.begins)
        strand = self.strands.find(s.finds, s.time_ns)
        matches = {}
        for task, identifiers in enumerate(self.tasks):
            found = match(identifiers, s.shows, s, self.match_outer)
            # What a bound address adds: RADIUS and DHCP of the address, not GTP-C.
            ends = {} if s.protocol.startswith("gtp") else bound_ends(identifiers, s.flow, self.bindings, s.time_ns)
            if found:
                matches[task] = direction(s, found.ends) if is_of_party(identifiers) else direction_by(found.ends)
            elif ends:
                matches[task] = direction_by(set(ends))
        is_path = s.protocol.startswith("gtp") and s.type in PATH_MESSAGES
        if (strand is not None or matches) and not is_path:
            strand = strand if strand is not None else set()
            for task in strand - set(matches):
                # The session may be of whoever has the target's address, or serves there: that alone tells no direction.
                matches[task] = s.direction if is_of_party(self.tasks[task]) else UNKNOWN
            strand |= set(matches)
            self.strands.keep(s.keeps, strand, s.time_ns)
            if s.ends:
                self.strands.end(strand, s.time_ns)
        for task, way in matches.items():
            # GTP-C is reported as a packet: the same message between others is another one.
            self.give(task, s, (s.flow, s.octets) if s.protocol.startswith("gtp") else s.octets, way)
        self.bindings.take(s)
        gone = {id(session) for _, session in self.bindings.ended}
        self.bindings.ended.clear()
        # "Stops at once": what belonged to a task by an address alone does so no longer.
        self.bound_sip = {key: value for key, value in self.bound_sip.items() if key[1] not in gone}

    def take_sip(self, sighting, macs):
        now, matches = sighting.time_ns, {}
        for task, identifiers in enumerate(self.tasks):
            ends = bound_ends(identifiers, sighting.flow, self.bindings, now)
            if is_of_party(identifiers):
                found = self.match_party(identifiers, sighting, macs)
            else:
                found = sip_oracle.match(identifiers, sighting, self.match_outer)
            if found:
                matches[task] = found
            of_binding = {}
            for session in ends.values():
                self.bound_sip.setdefault((task, id(session)), (session, sip_oracle.Sessions()))
            for (owner, key), (_, sessions) in self.bound_sip.items():
                if owner != task:
                    continue
                part = {end for end, session in ends.items() if id(session) == key}
                mine = {task: Match(part, set(), None)} if part else {}
                if sighting.message.call_id:
                    sessions.follow(sighting, mine)
                of_binding.update(mine)
            if task not in matches and task in of_binding:
                matches[task] = of_binding[task]
            elif ends and not matches[task].ends:
                matches[task].ends = set(ends)
        if sighting.message.call_id:
            own = {task: found for task, found in matches.items() if not self.is_bound_only(task, sighting, macs)}
            followed = dict(own)
            self.sip.follow(sighting, followed)
            for task, found in followed.items():
                matches.setdefault(task, found)
        for task, found in matches.items():
            self.give(task, sighting, sighting.message.octets, sip_oracle.direction(found, sighting.message))

    def match_party(self, identifiers, sighting, macs):
        """SIP that shows such a party itself: a number, a user name of credentials, the frame's MAC address."""
        plain, ends = [], set()
        for identifier in identifiers:
            ((element, value),) = identifier.items()
            if element == "macAddress":
                ends = mac_ends(value, macs)
                if not ends:
                    return None
            elif element == "nai":
                plain.append({"impi": value})
            elif element in ("e164Number",) or element not in PARTIES:
                plain.append(identifier)
            else:
                return None
        found = sip_oracle.match(plain, sighting, self.match_outer) if plain else Match(set(), set(), None)
        if found:
            found.ends = found.ends or ends
        return found

    def is_bound_only(self, task, sighting, macs):
        identifiers = self.tasks[task]
        if not is_of_party(identifiers):
            return False
        return self.match_party(identifiers, sighting, macs) is None


def expected(frames, tasks, sources=(), match_outer=False):
    """What tasks get of a capture: for each list of target identifiers a list of (Signal or decode.Sighting, direction)."""
    macs = {frame.number: (frame.octets[:6].hex(":"), frame.octets[6:12].hex(":")) for frame in frames}
    found = [*signals(frames), *decode.sightings(frames)]
    found.sort(key=lambda one: (one.frame, getattr(one, "part", 0)))
    orders = Orders(tasks, sources, match_outer)
    for one in found:
        if isinstance(one, Signal):
            orders.take_signal(one)
        else:
            orders.take_sip(one, macs[one.frame])
    return orders.result
