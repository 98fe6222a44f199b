"""DHCPv4 and BOOTP: RFC 2131, 2132, 3046, 4014, 4039, 4361, 4388. DHCPv6: RFC 8415, 5007, 6939, 7037, 7341."""

from links import FIRST
from message import FOREVER, lease_text
from tshark_reader import Pairs
from tshark_values import Signal, is_group, number, octets_of

ETHERNET, MAC_LEN = 1, 6
NOBODY = "0.0.0.0"

# --- both ------------------------------------------------------------------------------------------------------


def show_mac(signal, hardware_type, octets):
    if hardware_type == ETHERNET and len(octets) == MAC_LEN and any(octets):
        signal.show("mac", octets.hex())


def show_duid(signal, duid):
    """RFC 8415 section 11: DUID-LLT (1) and DUID-LL (3) hold an address."""
    kind = int.from_bytes(duid[:2], "big")
    if kind in (1, 3) and len(duid) <= 130:
        show_mac(signal, int.from_bytes(duid[2:4], "big"), duid[8 if kind == 1 else 4 :])


def show_attributes(signal, octets):
    while len(octets) >= 2 and 2 <= octets[1] <= len(octets):
        signal.show("attribute", octets[: octets[1]].hex())
        octets = octets[octets[1] :]


def add_parties(signal, below, is_from_server, is_relayed):
    source, destination = below["source"], below["destination"]
    gives_back = signal.values["change"][0] in ("release", "end")
    if is_from_server:
        authority, peer = source, destination if is_relayed else None
    elif not is_group(destination[0]):
        authority, peer = destination, source if is_relayed else None
    else:
        authority, peer = (source if is_relayed and gives_back else None), (source if is_relayed and not gives_back else None)
    if authority:
        signal.values["authority"] = authority
    if peer:
        signal.values["peer"] = peer


# --- version 4 -------------------------------------------------------------------------------------------------

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM, FORCERENEW = range(1, 10)
LEASEQUERY, LEASEACTIVE = 10, 13
OF_SERVER = {OFFER, ACK, NAK, FORCERENEW, 11, 12, LEASEACTIVE}


class Options:
    """The options of a message by code: octets, put together where they come in parts (RFC 3396), and trees."""

    def __init__(self, layer):
        self.octets, self.trees = {}, {}
        code = None
        for name, value in layer:
            if name == "dhcp.option.type":
                code = int(value)
            elif name == "dhcp.option.type_tree" and isinstance(value, Pairs):
                self.octets[code] = self.octets.get(code, b"") + octets_of(value, "dhcp.option.value")
                self.trees.setdefault(code, []).append(value)

    def value(self, code, key):
        return next((tree.first(key) for tree in self.trees.get(code, []) if tree.first(key)), None)


class Dhcp:
    def __init__(self, layer):
        self.layer, self.options = layer, Options(layer)
        self.op = int(layer.first("dhcp.type"))
        self.htype, self.hlen = number(layer, "dhcp.hw.type"), number(layer, "dhcp.hw.len")
        chaddr = next((octets_of(layer, key) for key in ("dhcp.hw.mac_addr", "dhcp.hw.addr") if octets_of(layer, key)), b"")
        self.chaddr = chaddr[: self.hlen]
        self.xid = layer.first("dhcp.id")
        self.ciaddr, self.yiaddr, self.giaddr = (layer.first(f"dhcp.ip.{name}") for name in ("client", "your", "relay"))
        self.type = int(self.options.value(53, "dhcp.option.dhcp") or 0)
        self.requested = self.options.value(50, "dhcp.option.requested_ip_address")
        self.lease_time = self.options.value(51, "dhcp.option.ip_address_lease_time")
        self.client_id = self.options.octets.get(61, b"")
        self.is_relayed = self.giaddr != NOBODY
        self.client = (self.htype, self.chaddr, b"" if self.chaddr else self.client_id)

    def is_sound(self):
        return self.type == 0 or (self.op == 2) == (self.type in OF_SERVER)


def show_agent_information(signal, message):
    for tree in message.options.trees.get(82, []):
        code = None
        for name, value in tree:
            if name.endswith(".suboption"):
                code = int(value)
            elif name.endswith(".suboption_tree") and code == 7:
                show_attributes(signal, octets_of(value, "dhcp.option.agent_information_option.value"))


def show_identities_v4(signal, message):
    show_mac(signal, message.htype, message.chaddr)
    if message.client_id[:1] == b"\xff" and len(message.client_id) >= 5:  # RFC 4361: IAID and DUID
        show_duid(signal, message.client_id[5:])
    elif message.client_id:
        show_mac(signal, message.client_id[0], message.client_id[1:])
    show_agent_information(signal, message)


def exchange_v4(message):
    if message.type in (RELEASE, DECLINE):
        return []
    if LEASEQUERY <= message.type <= LEASEACTIVE:  # RFC 4388: what it asks for tells it from others
        keys = [(message.giaddr, message.xid, "address", message.ciaddr if message.ciaddr != NOBODY else None)]
        keys.append((message.giaddr, message.xid, "hardware", message.chaddr if any(message.chaddr) else None))
        keys.append((message.giaddr, message.xid, "client", message.client_id or None))
        return [key for key in keys if key[-1]]
    return [(message.client, message.xid)]


def address_v4(message):
    """That of the lease that a message is about."""
    given = message.ciaddr if message.ciaddr != NOBODY else message.requested
    if message.type == 0:
        return message.yiaddr if message.op == 2 else None
    if message.type == ACK:
        return message.yiaddr if message.yiaddr != NOBODY else message.ciaddr
    return {REQUEST: given, INFORM: message.ciaddr, RELEASE: message.ciaddr, DECLINE: message.requested}.get(message.type)


def is_of_host_v4(address):
    return int(address.partition(".")[0]) not in (0, 127) and not is_group(address)


def change_v4(message, below):
    """What it does, to which address, for how long."""
    if message.type == DISCOVER:
        return "pending" if 80 in message.options.trees else "none", None, 0
    if message.type == REQUEST or (message.type == 0 and message.op == 1):
        return "pending", None, 0
    if message.type == RELEASE and message.ciaddr != NOBODY:
        is_its_own = below["source"] == [message.ciaddr] or message.is_relayed
        return "end" if is_its_own else "none", None, 0
    if message.type == DECLINE and message.requested:
        return "release", message.requested, 0
    if message.type in (0, ACK) and message.yiaddr != NOBODY and is_of_host_v4(message.yiaddr):
        lifetime = message.lease_time if message.lease_time is not None else (FOREVER if message.type == 0 else None)
        if lifetime is not None:
            return "bind" if int(lifetime) else "release", message.yiaddr, int(lifetime)
    return "none", None, 0


def show_v4(signal, message):
    """What a DHCPv4 message shows wherever it stands (RFC 7341: in DHCPv6)."""
    signal.names += [("exchange", key, True, FIRST) for key in exchange_v4(message)]
    show_identities_v4(signal, message)


def signals_v4(layer, octets, below):
    message = Dhcp(layer)
    signal = Signal("dhcpv4", octets, message.type)
    show_v4(signal, message)
    is_answer = message.op == 2 and message.type != FORCERENEW
    if not message.is_sound():
        signal.say(is_answer, "none")
        yield signal
        return
    if (address := address_v4(message)) and address != NOBODY:
        signal.names.append(("session", (message.client, address), True, FIRST))
    change, address, lifetime = change_v4(message, below)
    signal.say(is_answer, change, change == "end")
    if address:
        signal.values["lease"] = [lease_text(address, 32, lifetime)]
    to_relay = message.giaddr == below["destination"][0] if message.op == 2 else message.is_relayed
    add_parties(signal, below, message.op == 2, message.is_relayed and to_relay)
    yield signal


# --- version 6 -------------------------------------------------------------------------------------------------

SOLICIT, ADVERTISE, REQUEST6, CONFIRM, RENEW, REBIND, REPLY, RELEASE6, DECLINE6, RECONFIGURE, INFORMATION = range(1, 12)
RELAY_FORWARD, RELAY_REPLY = 12, 13
BY_CLIENT = {SOLICIT, REQUEST6, CONFIRM, RENEW, REBIND, RELEASE6, DECLINE6, INFORMATION, 20}
BY_SERVER = {ADVERTISE, REPLY, RECONFIGURE, 21}
ANSWERS6 = {ADVERTISE, REPLY, 15, 21}
CLIENT_ID, IA_NA, IA_TA, IA_ADDRESS, RELAY_MESSAGE, STATUS, RAPID_COMMIT, IA_PD, IA_PREFIX = 1, 3, 4, 5, 9, 13, 14, 25, 26
LQ_QUERY, CLIENT_DATA, CLIENT_LINK_LAYER, RADIUS, DHCPV4_MESSAGE = 44, 45, 79, 81, 87  # RFC 5007, 5007, 6939, 7037, 7341
ASSOCIATIONS = (IA_NA, IA_TA, IA_PD)


def options_v6(tree):
    """Code and tree of each option."""
    for name, value in tree:
        if name == "dhcpv6.option.type_str_tree" and isinstance(value, Pairs) and value.first("dhcpv6.option.type"):
            yield int(value.first("dhcpv6.option.type")), value


def option_octets(tree):
    """Code and value of each option, for those that this tshark does not look into."""
    for name, value in tree:
        if name == "dhcpv6.option.type_str_raw":
            octets = bytes.fromhex(value[0])
            yield int.from_bytes(octets[:2], "big"), octets[4:]


def duid_of(options):
    return next((octets_of(tree, "dhcpv6.duid.bytes") for code, tree in options if code == CLIENT_ID), b"")


def has_failed(options):
    return any(int(tree.first("dhcpv6.status_code", "0")) for code, tree in options if code == STATUS)


def lease_v6(code, tree, gives):
    lifetime = int(tree.first("dhcpv6.iaprefix.valid_lifetime") or tree.first("dhcpv6.iaaddr.valid_lifetime") or 0)
    preferred = int(tree.first("dhcpv6.iaprefix.pref_lifetime") or tree.first("dhcpv6.iaaddr.pref_lifetime") or 0)
    address = tree.first("dhcpv6.iaprefix.pref_addr") or tree.first("dhcpv6.iaaddr.ip")
    if not address or has_failed(list(options_v6(tree))) or (gives and preferred > lifetime):
        return None
    length = int(tree.first("dhcpv6.iaprefix.pref_len")) if code == IA_PREFIX else 128
    return lease_text(address, length, lifetime if gives else 0), lifetime if gives else 0


def leases_v6(options, gives):
    for code, tree in options:
        within = list(options_v6(tree))
        if code not in ASSOCIATIONS or has_failed(within):
            continue
        for kind, lease in within:
            if kind == (IA_PREFIX if code == IA_PD else IA_ADDRESS) and (found := lease_v6(kind, lease, gives)):
                yield found


def change_v6(kind, options, signal):
    if kind in (REQUEST6, RENEW, REBIND):
        return "pending"
    if kind == SOLICIT:
        return "pending" if any(code == RAPID_COMMIT for code, _ in options) else "none"
    if kind not in (REPLY, RELEASE6, DECLINE6) or has_failed(options):
        return "none"
    leases = list(leases_v6(options, kind == REPLY))
    signal.values["lease"] = [text for text, _ in leases]
    return "none" if not leases else "bind" if any(lifetime for _, lifetime in leases) else "release"


def opened(layer, signal):
    """The message of client or server, how many relays it came by, and the client's address as the last of them says. What
    relays show of the client is shown."""
    relays, client = 0, None
    while layer and int(layer.first("dhcpv6.msgtype")) in (RELAY_FORWARD, RELAY_REPLY):
        relays, client = relays + 1, layer.first("dhcpv6.peeraddr")
        for code, value in option_octets(layer):
            if code == CLIENT_LINK_LAYER:
                show_mac(signal, int.from_bytes(value[:2], "big"), value[2:])
            elif code == RADIUS:
                show_attributes(signal, value)
        relayed = (tree.first("dhcpv6") for code, tree in options_v6(layer) if code == RELAY_MESSAGE)
        layer = next((inner for inner in relayed if isinstance(inner, Pairs)), None)
    return layer, relays, client


def show_message_v6(signal, options):
    show_duid(signal, duid_of(options))
    for code, tree in options:
        if code in (LQ_QUERY, CLIENT_DATA):  # of whom others speak
            show_duid(signal, duid_of(list(options_v6(tree))))
        elif code == DHCPV4_MESSAGE and isinstance(tree.first("dhcp"), Pairs):  # not in all releases of tshark
            show_v4(signal, Dhcp(tree.first("dhcp")))


def signals_v6(layer, octets, below):
    signal = Signal("dhcpv6", octets, int(layer.first("dhcpv6.msgtype")))
    message, relays, client = opened(layer, signal)
    kind = int(message.first("dhcpv6.msgtype")) if message else 0
    signal.say(kind in ANSWERS6, "none")
    if not message:
        yield signal
        return
    options = list(options_v6(message))
    show_message_v6(signal, options)
    is_from_server = kind in BY_SERVER
    if kind not in (20, 21):
        client = client or below["destination" if is_from_server or kind in ANSWERS6 else "source"][0]
        duid = duid_of(options)
        signal.names.append(("exchange", (duid, None if duid else client, message.first("dhcpv6.xid")), True, FIRST))
    if kind in BY_CLIENT | BY_SERVER:
        for code, tree in options:
            if code in ASSOCIATIONS and duid_of(options):
                signal.names.append(("session", (duid_of(options), code, tree.first("dhcpv6.iaid")), True, FIRST))
        signal.say(kind in ANSWERS6, change_v6(kind, options, signal))
        add_parties(signal, below, is_from_server, relays > 0)
    yield signal
