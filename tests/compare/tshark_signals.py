"""Messages of RADIUS, DHCP and GTP-C in a capture as tshark's dissectors see them, and what they mean by the standards."""

import tshark_dhcp
import tshark_gtp
import tshark_radius
from links import add_links
from message import FIELDS, Message
from tshark_reader import Pairs, dissected, layers_of

READERS = {
    "radius": tshark_radius.signals, "dhcp": tshark_dhcp.signals_v4, "dhcpv6": tshark_dhcp.signals_v6,
    "gtp": tshark_gtp.signals_v1, "gtpv2": tshark_gtp.signals_v2,
}  # fmt: skip
DATAGRAM = "17"


def found_in(packet):
    """What the layers of one frame say, each with what is below it."""
    octets = {}  # of layers; they stand before them
    found, rides_along = [], False
    for below, name, layer in layers_of(packet):
        if name.endswith("_raw"):
            octets[name.removesuffix("_raw")] = layer[0]
        if name not in READERS or not isinstance(layer, Pairs) or below.get("protocol") != [DATAGRAM]:
            continue
        signals = list(READERS[name](layer, octets[name], below))
        if rides_along and signals:
            tshark_gtp.with_rider(found[-1][1], signals.pop())
        rides_along = bool(signals) and name == "gtpv2" and tshark_gtp.rides_along(layer)
        found += [(below, signal) for signal in signals]
    return found


def message_of(below, found):
    values = {**below, **found.values, "octets": [found.octets], "message_type": [str(found.message_type)]}
    values = {key: values[key] for key in FIELDS if values.get(key)}
    line = f"{found.protocol} {found.message_type}"
    return Message(int(below["frame"][0]), line, values, [], found.protocol, found.names)


def messages(packets):
    return add_links([message_of(*found) for packet in packets for found in found_in(packet)])


def read(capture):
    return messages(dissected(capture))
