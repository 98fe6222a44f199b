"""SIP messages in a capture as tshark's dissectors see them, and what tshark_signals.py shares of it."""

import json
import os
import subprocess
import tempfile

from message import FIELDS, Message, address_text, header_text, one_replacement

# All that tshark can do to find a message: what is off by default, or may be in another release, is said.
PREFERENCES = (
    "ip.defragment:TRUE", "ipv6.defragment:TRUE", "tcp.desegment_tcp_streams:TRUE", "tcp.reassemble_out_of_order:TRUE",
    "sip.desegment_headers:TRUE", "sip.desegment_body:TRUE", "sip.strict_sip_version:FALSE", "ip.check_checksum:FALSE",
    "udp.check_checksum:FALSE", "tcp.check_checksum:FALSE", "gtp.dissect_tpdu_as:TPDU Heuristic",
)  # fmt: skip
HEURISTICS = ("sip_udp", "sip_tcp")  # SIP on any port, by its start line
QUOTING = ("icmp", "icmpv6")  # what follows is an excerpt of an earlier packet, not one on its way (RFC 792, RFC 4443)
DISSECTORS = ("sip", "radius", "dhcp", "dhcpv6", "gtp.message < 255", "gtpv2")  # 255: users' packets
TRANSPORTS = {"udp": "17", "tcp": "6", "sctp": "132"}

# Where the values stand in tshark's sip layer. A request's method is that of its start line, a response's that of CSeq.
SIP_KEYS = {
    "status": "sip.Status-Code", "request_uri": "sip.r-uri", "call_id": "sip.Call-ID", "cseq": "sip.CSeq",
    "cseq_number": "sip.CSeq.seq", "from": "sip.From", "from_uri": "sip.from.addr", "to": "sip.To", "to_uri": "sip.to.addr",
    "asserted": "sip.P-Asserted-Identity", "asserted_uri": "sip.pai.addr", "contact": "sip.Contact",
    "contact_uri": "sip.contact.uri",
}  # fmt: skip


class Pairs(list):
    """A JSON object with its repeated keys in order: layers and header fields come more than once."""

    def first(self, key, default=None):
        return next((value for name, value in self if name == key), default)


def dissected(capture):
    """tshark's packets with what is compared in them. Beside each value (-x) stand the octets that it was read from: `key` and
    `key_raw`."""
    command = ["tshark", "-n", "-r", str(capture), "-T", "json", "-x", "-Y", " || ".join(DISSECTORS)]
    for preference in PREFERENCES:
        command += ["-o", preference]
    for heuristic in HEURISTICS:
        command += ["--enable-heuristic", heuristic]
    with tempfile.TemporaryDirectory() as nobodys:  # whoever runs this may have preferences of their own
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": nobodys}
        done = subprocess.run(command, capture_output=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"tshark on {capture}: {done.stderr.decode(errors='replace').strip()}")
    return json.loads(done.stdout.decode("utf-8", "replace"), object_pairs_hook=Pairs)


def header_values(tree, key):
    """All values of a key at any depth, in order, but for those of a body: a message that is quoted there was not sent."""
    for name, value in tree:
        if name == key and isinstance(value, str):
            yield value
        elif isinstance(value, Pairs) and name != "sip.msg_body":
            yield from header_values(value, key)


def start_line(layer):
    """None for what tshark itself does not take for the start of a message: "Continuation" of something, keep-alives."""
    return layer.first("sip.Request-Line") or layer.first("sip.Status-Line")


def sip_values(layer):
    values = {name: list(header_values(layer, key)) for name, key in SIP_KEYS.items()}
    values["method"] = list(header_values(layer, "sip.Method" if layer.first("sip.Request-Line") else "sip.CSeq.method"))[:1]
    return {name: [one_replacement(header_text(value)) for value in found] for name, found in values.items()}


def layers_of(packet):
    """The layers of one frame, each with the values that what is below it gives: addresses and ports are those of the last IP
    and transport headers before."""
    layers = packet.first("_source").first("layers")
    below = {"frame": [layers.first("frame").first("frame.number")], "teid": []}
    for name, layer in layers:
        if name in QUOTING:
            return
        yield below, name, layer
        below = {**below}
        if name in ("ip", "ipv6"):
            below["source"], below["destination"] = ([address_text(layer.first(f"{name}.{end}"))] for end in ("src", "dst"))
        elif name in TRANSPORTS:
            below["source_port"], below["destination_port"] = ([layer.first(f"{name}.{end}port")] for end in ("src", "dst"))
            below["protocol"] = [TRANSPORTS[name]]
        elif name == "gtp" and layer.first("gtp.teid"):
            below["teid"] = [*below["teid"], str(int(layer.first("gtp.teid"), 16))]


def messages_of(packet):
    for below, name, layer in layers_of(packet):
        if name == "sip" and (line := start_line(layer)):
            values = {**below, **sip_values(layer)}
            yield Message(int(below["frame"][0]), line, {key: values[key] for key in FIELDS if values.get(key)})


def messages(packets):
    return [message for packet in packets for message in messages_of(packet)]


def read(capture):
    return messages(dissected(capture))
