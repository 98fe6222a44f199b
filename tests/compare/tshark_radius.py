"""RADIUS: RFC 2865, 2866, 3162, 4818, 5176, 5997, 6911; TS 29.061 clause 16.4.7 for the attributes of 3GPP."""

import ipaddress
import re

from links import FIRST, LAST
from message import FOREVER, lease_text, octets_text
from tshark_reader import Pairs
from tshark_values import Signal, octets_of

ANSWERS = {2, 3, 5, 11, 41, 42, 44, 45}
REQUESTS = {1, 4, 12, 40, 43}
FROM_NAS = {1, 4, 12, 41, 42, 44, 45}
DYNAMIC = {40, 41, 42, 43, 44, 45}
ACCOUNTING_REQUEST, ACCESS_REQUEST, ACCESS_CHALLENGE, DISCONNECT_ACK, COA_REQUEST = 4, 1, 11, 41, 43
VENDOR_SPECIFIC, VENDOR_3GPP = 26, 10415
CHANGES = {1: "bind", 2: "end", 3: "bind", 7: "restart", 8: "restart"}  # by Acct-Status-Type
NAS_IP_ADDRESS, NAS_IPV6_ADDRESS, NAS_IDENTIFIER, ACCT_SESSION_ID, STATE = 4, 95, 32, 44, 24

MAC = re.compile(r"([0-9a-f]{2})" + r"([-:.]?)([0-9a-f]{2})" + r"\2([0-9a-f]{2})" * 4, re.I)
MAC_OF_GROUPS = re.compile(r"([0-9a-f]{4})([-:.])([0-9a-f]{4})\2([0-9a-f]{4})|([0-9a-f]{6})([-:.])([0-9a-f]{6})", re.I)
# TS 23.003 clauses 14.3 and 19.3.2: the permanent identity of EAP-AKA, EAP-SIM, EAP-AKA'.
PERMANENT = re.compile(r"[016](\d{6,15})@(?:.*\.)?mnc(\d{3})\.mcc(\d{3})\.3gppnetwork\.org", re.I)


class Attribute:
    def __init__(self, raw, tree):
        self.octets, self.at = bytes.fromhex(raw[0]), raw[1]
        self.type = int(tree.first("radius.avp.type"))
        self.tree = tree
        self.value = self.octets[2:]

    def vendor(self):
        value = self.tree.first("radius.avp.vendor_id")
        return int(value) if value and self.type == VENDOR_SPECIFIC else None

    def vendor_attributes(self):
        """Type, tree and octets of each."""
        for name, tree in self.tree:
            if not isinstance(tree, Pairs) or not tree.first("radius.avp.vendor_type"):
                continue
            at = tree.first("radius.avp.vendor_type_raw")[1] - self.at
            length = int(tree.first("radius.avp.vendor_len", len(self.octets) - at))
            yield int(tree.first("radius.avp.vendor_type")), tree, self.octets[at : at + length]


def attributes_of(layer):
    pairs = layer.first("Attribute Value Pairs") or Pairs()
    raw = None
    for name, value in pairs:
        if name == "radius.avp_raw":
            raw = value
        elif name == "radius.avp_tree" and value.first("radius.avp.type"):
            yield Attribute(raw, value)


def text_of(value):
    return value.rstrip(b"\0").decode("latin-1")


def show_permanent_identity(signal, text):
    user, at, realm = text.rpartition("@")
    if "!" in user:  # home!user@visited
        *_, realm, user = user.split("!")
    match = PERMANENT.fullmatch(f"{user}{at}{realm}")
    if match:
        imsi, mnc, mcc = match.groups()
        if imsi.startswith(mcc + mnc) or (mnc[0] == "0" and imsi.startswith(mcc + mnc[1:])):
            signal.show("imsi", imsi)


def show_user(signal, text):
    user, at, realm = text.rpartition("@")
    if text:
        signal.show("user", octets_text(user + at + (realm.lower() if at else realm)))
    show_permanent_identity(signal, text)


def show_station(signal, text, is_3gpp):
    if MAC.fullmatch(text) or MAC_OF_GROUPS.fullmatch(text):
        signal.show("mac", re.sub("[-:.]", "", text).lower())
    if re.fullmatch(r"\+?\d{1,15}" if is_3gpp else r"\+?\d{5,15}", text, re.A):
        signal.show("number", text.removeprefix("+"))


def show_3gpp(signal, attribute):
    for _, tree, _ in attribute.vendor_attributes():
        imsi, imei = (text_of(octets_of(tree, f"radius.3GPP_{name}")) for name in ("IMSI", "IMEISV"))
        if re.fullmatch(r"\d{6,15}", imsi, re.A):
            signal.show("imsi", imsi)
        if re.fullmatch(r"\d{14,16}", imei, re.A):
            signal.show("imei", imei[:14])
        if re.fullmatch(r"\d{16}", imei, re.A):
            signal.show("imeisv", imei)


def show_attribute(signal, attribute):
    signal.show("attribute", attribute.octets.hex())
    within = list(attribute.vendor_attributes()) if attribute.vendor() is not None else []
    if len(within) > 1:  # each as if it were the only one
        for _, _, octets in within:
            whole = bytes([VENDOR_SPECIFIC, 6 + len(octets)]) + attribute.octets[2:6] + octets
            signal.show("attribute", whole.hex())


def show_identities(signal, attributes):
    is_3gpp = any(attribute.vendor() == VENDOR_3GPP for attribute in attributes)
    for attribute in attributes:
        tree = attribute.tree
        show_user(signal, text_of(octets_of(tree, "radius.User_Name")))
        show_station(signal, text_of(octets_of(tree, "radius.Calling_Station_Id")), is_3gpp)
        show_permanent_identity(signal, text_of(octets_of(tree, "radius.Chargeable_User_Identity")))
        if attribute.vendor() == VENDOR_3GPP:
            show_3gpp(signal, attribute)


def prefix_of(value):
    """RFC 3162 section 2.3: reserved, prefix length, prefix."""
    return str(ipaddress.IPv6Address(value[2:].ljust(16, b"\0"))), value[1]


def leases_of(attributes):
    for attribute in attributes:
        tree = attribute.tree
        address = tree.first("radius.Framed-IP-Address") or tree.first("radius.Framed_IP_Address")
        if address and address not in ("0.0.0.0", "255.255.255.255", "255.255.255.254"):
            yield lease_text(address, 32, FOREVER)
        if (address := tree.first("radius.Framed_IPv6_Address")) and address != "::":
            yield lease_text(address, 128, FOREVER)
        for key in ("radius.Framed_IPv6_Prefix", "radius.Delegated_IPv6_Prefix"):
            if value := octets_of(tree, key):
                yield lease_text(*prefix_of(value), FOREVER)


def fnv1a(octets):
    value = 0xCBF29CE484222325
    for octet in octets:
        value = (value ^ octet) * 0x100000001B3 % 2**64
    return value


def first_of(attributes, kind):
    return next((attribute.octets for attribute in attributes if attribute.type == kind and attribute.value), None)


def nas_address(attributes, address):
    """The attribute by which the NAS names its address, or would if it did."""
    said = first_of(attributes, NAS_IP_ADDRESS) or first_of(attributes, NAS_IPV6_ADDRESS)
    packed = ipaddress.ip_address(address).packed
    kind = NAS_IP_ADDRESS if len(packed) == 4 else NAS_IPV6_ADDRESS
    return said or bytes([kind, 2 + len(packed)]) + packed


def add_session(signal, attributes, nas):
    session = first_of(attributes, ACCT_SESSION_ID)
    if not session:
        return
    address, identifier = nas_address(attributes, nas), first_of(attributes, NAS_IDENTIFIER)
    for key in (identifier, address):
        if key:
            signal.names.append(("session", (key, session), True, FIRST))
    signal.values["correlation"] = [f"{fnv1a((identifier or address) + session):016x}"]


def add_state(signal, attributes, nas, server):
    state = first_of(attributes, STATE)
    if state and signal.message_type in (ACCESS_REQUEST, ACCESS_CHALLENGE, COA_REQUEST):
        asks = signal.message_type == ACCESS_REQUEST
        signal.names.append(("state", (nas, server, state), not asks, LAST if asks else None))


def add_change(signal, attributes, below):
    change, ends = "none", signal.message_type == DISCONNECT_ACK
    if signal.message_type == ACCOUNTING_REQUEST:
        said = (attribute.tree.first("radius.Acct_Status_Type") for attribute in attributes)
        change = CHANGES.get(int(next(filter(None, said), "0")), "none")
        if change in ("bind", "end") and not first_of(attributes, ACCT_SESSION_ID):
            change = "none"  # nobody could tell what ends when
        ends = change == "end"
        if change == "bind":
            signal.values["lease"] = list(leases_of(attributes))
        signal.values["authority"], signal.values["peer"] = below["source"], below["destination"]
    signal.say(signal.message_type in ANSWERS, change, ends)


def signals(layer, octets, below):
    code = int(layer.first("radius.code"))
    if code not in ANSWERS | REQUESTS:
        return
    signal = Signal("radius", octets, code)
    attributes = list(attributes_of(layer))
    show_identities(signal, attributes)
    for attribute in attributes:
        show_attribute(signal, attribute)
    if layer.first("radius.reqframe"):
        signal.values["exchange"] = [layer.first("radius.reqframe")]
    if code in REQUESTS:
        signal.values["repeats"] = [layer.first("radius.req.dup", below["frame"][0])]
    nas, server = (below[end][0] for end in ("source", "destination"))
    if code not in FROM_NAS:
        nas, server = server, nas
    add_session(signal, attributes, nas)
    add_state(signal, attributes, nas, server)
    add_change(signal, attributes, below)
    yield signal
