"""GTPv1-C: TS 29.060. GTPv2-C: TS 29.274."""

import re

from links import FIRST
from message import FOREVER, lease_text
from tshark_reader import Pairs
from tshark_values import Signal, number, octets_of

CONTROL_PORT = "2123"


def is_control(below):
    return CONTROL_PORT in (below["source_port"][0], below["destination_port"][0])


def show_imsi(signal, digits):
    if digits and re.fullmatch(r"\d{6,15}", digits):
        signal.show("imsi", digits)


def show_equipment(signal, digits):
    if digits and re.fullmatch(r"\d{14,16}", digits):
        signal.show("imei", digits[:14])
        if len(digits) == 16:
            signal.show("imeisv", digits)


def show_number(signal, digits):
    if digits and re.fullmatch(r"\d{1,15}", digits):
        signal.show("number", digits)


def show_tunnel(signal, teid):
    if teid:
        signal.show("tunnel_id", f"{teid:08x}")


def add_tunnel(signal, address, teid, bearer=None):
    name = ("session", (address, teid, bearer), True, FIRST)
    if teid and address and name not in signal.names:
        signal.names.append(name)


def begin(protocol, octets, message_type, below):
    signal = Signal(protocol, octets, message_type)
    signal.values["authority"], signal.values["peer"] = below["source"], below["destination"]
    return signal


# --- version 1 -------------------------------------------------------------------------------------------------

NOT_CONTROL = {26, 254, 255}  # Error Indication, End Marker, G-PDU: of the user plane (TS 29.281)
CREATE1, CREATED1, UPDATE1, UPDATED1, DELETE1 = 16, 17, 18, 19, 20
ANSWERS1 = {
    2, 3, 17, 19, 21, 23, 28, 30, 33, 35, 37, 49, 51, 52, 54, 57, 59, 60, 62, 97, 99, 101, 103, 105, 113, 115, 117, 119, 121, 129,
}  # fmt: skip


def every(layer, key):
    """Values of this name, at the top or one tree down."""
    found = []
    for name, value in layer:
        if name == key and isinstance(value, str):
            found.append(value)
        elif isinstance(value, Pairs):
            found += [inner for name, inner in value if name == key and isinstance(inner, str)]
    return found


def change_v1(message_type, layer):
    causes = every(layer, "gtp.cause")
    cause = int(causes[0], 0) if causes else None
    if message_type in (CREATE1, UPDATE1):
        return "pending"
    if message_type == DELETE1:
        return "end" if (every(layer, "gtp.tear_ind") or ["0"])[0] == "1" else "none"
    if message_type in (CREATED1, UPDATED1) and cause is not None:
        if 128 <= cause < 192:
            return "bind"
        if message_type == UPDATED1 and cause in (192, 210):
            return "end"
    return "none"


def leases_v1(layer):
    for address in every(layer, "gtp.user_ipv4"):
        if address != "0.0.0.0":
            yield lease_text(address, 32, FOREVER)
    for address in every(layer, "gtp.user_ipv6"):
        if address != "::":
            yield lease_text(address, 64, FOREVER)  # TS 23.060 clause 9.2.1.1


def show_msisdn(signal, layer):
    for _, tree in layer:
        if not isinstance(tree, Pairs) or not tree.first("e164.msisdn"):
            continue
        nature, plan = number(tree, "gsm_map.nature_of_number", 0), number(tree, "gsm_map.number_plan", 0)
        if nature in (0, 1) and plan in (0, 1):
            show_number(signal, tree.first("e164.msisdn"))
        return


def signals_v1(layer, octets, below):
    message_type = number(layer, "gtp.message")
    is_gtp = layer.first("gtp.flags_tree", Pairs()).first("gtp.flags.payload") == "1"
    version = layer.first("gtp.flags_tree", Pairs()).first("gtp.flags.version")
    if not is_control(below) or version != "1" or not is_gtp or message_type in NOT_CONTROL:
        return
    signal = begin("gtpv1c", octets, message_type, below)
    header, control = number(layer, "gtp.teid", 0), number(layer, "gtp.teid_cp", 0)
    for digits in every(layer, "e212.imsi")[:1]:
        show_imsi(signal, digits)
    show_msisdn(signal, layer)
    for digits in every(layer, "gtp.ext_imeisv")[:1]:
        show_equipment(signal, digits)
    show_tunnel(signal, control)
    show_tunnel(signal, header)
    if recovery := every(layer, "gtp.recovery"):
        signal.values["restart"] = [recovery[0]]
    if layer.first("gtp.response_to"):
        signal.values["exchange"] = [layer.first("gtp.response_to")]
    add_tunnel(signal, below["destination"][0], header)
    gsn = every(layer, "gtp.gsn_ipv4") + every(layer, "gtp.gsn_ipv6")
    add_tunnel(signal, gsn[0] if gsn else below["source"][0], control)
    change = change_v1(message_type, layer)
    signal.say(message_type in ANSWERS1, change, change == "end")
    if change == "bind" and message_type == CREATED1:
        signal.values["lease"] = list(leases_v1(layer))
    yield signal


# --- version 2 -------------------------------------------------------------------------------------------------

IMSI, CAUSE, RECOVERY, EBI, MEI, MSISDN, PAA, F_TEID, BEARER_CONTEXT, PDN_CONNECTION = 1, 2, 3, 73, 75, 76, 79, 87, 93, 109
ANSWERS2 = {
    2, 3, 26, 28, 30, 33, 35, 37, 39, 41, 65, 67, 69, 96, 98, 100, 102, 104, 129, 131, 132, 134, 136, 138, 140, 150, 154, 156,
    159, 161, 163, 165, 167, 169, 171, 177, 180, 201, 212, 232, 234, 236, 240, 242, 244,
}  # fmt: skip
# TS 29.274 clause 8.22: interfaces of GTPv2-C, and those of a PGW.
CONTROL_INTERFACES = {6, 7, 10, 11, 12, 13, 14, 17, 18, 24, 25, 26, 27, 30, 32, 35, 36, 40}
PGW_INTERFACES = {7, 32, 36}
CREATE2, CREATED2, MODIFY2, MODIFIED2, DELETE2, DELETED2 = 32, 33, 34, 35, 36, 37
PENDING = {CREATE2, MODIFY2, 211}
JUDGED = {CREATED2, MODIFIED2, DELETED2, 39, 96, 98, 100, 212}
DELETES_BEARER, DELETED_BEARER = 99, 100


def elements(tree):
    """Type, instance and tree of each information element, in order."""
    for _, value in tree:
        if isinstance(value, Pairs) and value.first("gtpv2.ie_type"):
            yield int(value.first("gtpv2.ie_type")), int(value.first("gtpv2.instance", "0")), value


def first_element(layer, wanted):
    return next((tree for kind, instance, tree in elements(layer) if kind == wanted and instance == 0), Pairs())


def f_teids(layer):
    """Instance, whether it stands in a group, and tree of each F-TEID of the control plane."""
    for kind, instance, tree in elements(layer):
        if kind == F_TEID:
            yield instance, False, tree
        elif kind in (BEARER_CONTEXT, PDN_CONNECTION):
            for inner, inner_instance, inner_tree in elements(tree):
                if inner == F_TEID:
                    yield inner_instance, True, inner_tree


def control_f_teids(layer):
    return [found for found in f_teids(layer) if number(found[2], "gtpv2.f_teid_interface_type", 0) in CONTROL_INTERFACES]


def bearers_of(layer):
    found = []
    for kind, _, tree in elements(layer):
        inner = [tree] if kind == EBI else [t for k, _, t in elements(tree) if k == EBI] if kind == BEARER_CONTEXT else []
        found += [number(t, "gtpv2.ebi", 0) for t in inner]
    return list(dict.fromkeys(bearer for bearer in found if bearer))


def linked_bearer(layer):
    """The default bearer of the connection that the message is about, where it says so."""
    return number(first_element(layer, EBI), "gtpv2.ebi", 0)


def default_bearer(layer):
    """What stands for the connection: the default bearer, else the first of all."""
    return linked_bearer(layer) or next(iter(bearers_of(layer)), 0)


def reaches_tunnel(signal, layer, change):
    """Whether the message is of whoever was seen last in the tunnel, which several connections may share."""
    kind = signal.message_type
    if kind in (CREATE2, DELETED2):
        return False
    if kind in (DELETE2, DELETES_BEARER, DELETED_BEARER) and linked_bearer(layer):
        return False
    return kind not in ANSWERS2 or change != "end"


def add_header_tunnels(signal, layer, at, change):
    kind, teid = signal.message_type, number(layer, "gtpv2.teid", 0)
    has_end = number(sender_end(signal, layer), "gtpv2.f_teid_gre_key", 0)
    if kind == CREATE2 or (kind == CREATED2 and change == "bind") or (kind == MODIFY2 and has_end):
        add_bearer(signal, at, teid, default_bearer(layer))
    if kind not in (CREATE2, CREATED2):
        for bearer in bearers_of(layer):
            add_tunnel(signal, at, teid, bearer)
    if reaches_tunnel(signal, layer, change):
        add_tunnel(signal, at, teid)


def add_bearer(signal, address, teid, bearer):
    if bearer:
        add_tunnel(signal, address, teid, bearer)


def sender_end(signal, layer):
    own = [(i, t) for i, grouped, t in control_f_teids(layer) if not grouped and number(t, "gtpv2.f_teid_gre_key", 0)]
    end = next((tree for instance, tree in own if instance == 0), None)
    if not end and signal.message_type == CREATED2:
        end = next((t for i, t in own if i == 1), None)
        if end and number(end, "gtpv2.f_teid_interface_type") not in PGW_INTERFACES:
            end = None
    return end or Pairs()


def add_sender_tunnels(signal, layer, change):
    end = sender_end(signal, layer)
    kind, teid = signal.message_type, number(end, "gtpv2.f_teid_gre_key", 0)
    begins = kind not in ANSWERS2 and not number(layer, "gtpv2.teid", 0)
    if change == "end":
        return
    for address in (end.first("gtpv2.f_teid_ipv4"), end.first("gtpv2.f_teid_ipv6")):
        if kind in (CREATE2, CREATED2, MODIFY2):
            add_bearer(signal, address, teid, default_bearer(layer))
        if not (kind == CREATE2 and not begins) and kind != DELETE2:
            add_tunnel(signal, address, teid)


def change_v2(message_type, layer):
    if message_type in PENDING:
        return "pending"
    cause = first_element(layer, CAUSE).first("gtpv2.cause")
    if message_type not in JUDGED or cause is None:
        return "none"
    accepted = 16 <= int(cause) < 64
    if message_type == CREATED2:
        return "bind" if accepted else "end"
    if message_type in (MODIFIED2, 212) and accepted:
        return "bind"
    names_bearer = any(kind == EBI and instance == 0 for kind, instance, _ in elements(layer))
    if accepted and (message_type == DELETED2 or (message_type == 100 and names_bearer)):
        return "end"
    return "end" if int(cause) == 64 else "none"


def leases_v2(layer):
    paa = first_element(layer, PAA)
    ipv4, ipv6 = paa.first("gtpv2.pdn_addr_and_prefix.ipv4"), paa.first("gtpv2.pdn_addr_and_prefix.ipv6")
    if ipv4 and ipv4 != "0.0.0.0":
        yield lease_text(ipv4, 32, FOREVER)
    if ipv6 and ipv6 != "::":
        yield lease_text(ipv6, number(paa, "gtpv2.pdn_ipv6_len"), FOREVER)


def signals_v2(layer, octets, below):
    if not is_control(below):
        return
    message_type = number(layer, "gtpv2.message_type")
    signal = begin("gtpv2c", octets, message_type, below)
    show_imsi(signal, first_element(layer, IMSI).first("e212.imsi"))
    show_equipment(signal, first_element(layer, MEI).first("gtpv2.mei"))
    show_number(signal, first_element(layer, MSISDN).first("e164.msisdn"))
    for _, _, tree in control_f_teids(layer):
        show_tunnel(signal, number(tree, "gtpv2.f_teid_gre_key", 0))
    show_tunnel(signal, number(layer, "gtpv2.teid", 0))
    if recovery := first_element(layer, RECOVERY).first("gtpv2.rec"):
        signal.values["restart"] = [recovery]
    if layer.first("gtpv2.response_to"):
        signal.values["exchange"] = [layer.first("gtpv2.response_to")]
    change = change_v2(message_type, layer)
    add_header_tunnels(signal, layer, below["destination"][0], change)
    add_sender_tunnels(signal, layer, change)
    signal.say(message_type in ANSWERS2, change, change == "end")
    if change == "bind" and message_type == CREATED2:
        signal.values["lease"] = list(leases_v2(layer))
    yield signal


def rides_along(layer):
    """TS 29.274 clause 5.5.1: another message follows in the datagram, which is read as a part of this one."""
    return layer.first("gtpv2.flags_tree", Pairs()).first("gtpv2.p") == "1"


def with_rider(signal, rider):
    """What the first of the two is, and what both show."""
    signal.octets += rider.octets
    for kind in ("imsi", "imei", "imeisv", "number", "tunnel_id"):
        for text in rider.values.get(kind, []):
            signal.show(kind, text)
    if rider.values.get("restart"):
        signal.values["restart"] = rider.values["restart"]
    if signal.values["change"] == ["none"]:
        signal.values["change"], signal.values["ends"] = rider.values["change"], rider.values["ends"]
    signal.names += [name for name in rider.names if name not in signal.names]
