"""One message on the wire, as one of the two readers sees it, and the form in which values are compared."""

import ipaddress
import re
from dataclasses import dataclass, field

# What is compared. `frame` is the one that completes the message, from 1; 0: behind the end of the capture. `from`, `to`,
# `asserted` and `contact` are whole header field values, those with `_uri` the URIs in them.
SIP_FIELDS = (
    "frame", "method", "status", "request_uri", "call_id", "cseq", "cseq_number", "from", "from_uri", "to", "to_uri",
    "asserted", "asserted_uri", "contact", "contact_uri", "source", "destination", "source_port", "destination_port",
    "protocol", "teid",
)  # fmt: skip
# What is compared of RADIUS, DHCP and GTP-C. `octets` is the message in hex. Then whom it shows, in the order of the message:
# `attribute` is a RADIUS attribute in hex, `tunnel_id` a TEID of GTP-C, `teid` one of the user plane that it travelled in. Then
# what it means: `lease` is an address or prefix and how long somebody has it, `authority` who says so, `peer` the other party.
# What belongs together is told by frames: the request that an answer is for (`exchange`), the packet that one repeats
# (`repeats`), the challenge that a request goes on with (`state`), and for each session, lease or tunnel where it came first
# (`session`); of DHCP, whose transactions have a name, `exchange` is where that came first.
SIGNAL_FIELDS = (
    "frame", "octets", "message_type", "is_answer", "user", "number", "imsi", "imei", "imeisv", "mac", "attribute", "tunnel_id",
    "lease", "change", "ends", "restart", "correlation", "authority", "peer", "exchange", "repeats", "state", "session",
    "source", "destination", "source_port", "destination_port", "protocol", "teid",
)  # fmt: skip
FIELDS = tuple(dict.fromkeys(SIP_FIELDS + SIGNAL_FIELDS))
PROTOCOLS = ("sip", "radius", "dhcpv4", "dhcpv6", "gtpv1c", "gtpv2c")
# What makes two readings those of one message, whichever frame it is reported with.
NAMING = ("octets", "call_id", "cseq", "source", "destination", "source_port", "destination_port", "teid")


@dataclass
class Message:
    frame: int
    start_line: str  # of a signal: its protocol and message type
    values: dict[str, list[str]]  # by field; in the order of the message
    defects: list[str] = field(default_factory=list)  # as x2tap names them
    protocol: str = "sip"
    names: list[tuple] = field(default_factory=list)  # of signals, see links.py

    def name(self):
        return self.start_line, *(tuple(self.values.get(key, ())) for key in NAMING)


def header_text(text):
    """A header field value: a folded line end with the white space around it is one blank (RFC 3261 section 7.3.1)."""
    return re.sub(r"[ \t]*\r?\n[ \t]+", " ", text).strip(" \t\r\n")


def octets_text(latin):
    """Octets that came as Latin-1 characters, as tshark shows them: UTF-8, what is none replaced."""
    return one_replacement(latin.encode("latin-1").decode("utf-8", "replace"))


def one_replacement(text):
    """How many replacement characters stand for a bad sequence is a matter of taste."""
    return re.sub("\ufffd+", "\ufffd", text)


def address_text(text):
    return str(ipaddress.ip_address(text))


FOREVER = 0xFFFFFFFF


def lease_text(address, prefix_len, lifetime_s):
    """What somebody has, and how long. Bits behind a prefix are no part of it."""
    network = ipaddress.ip_network((address, prefix_len), strict=False)
    return f"{network} {'without end' if lifetime_s == FOREVER else f'{lifetime_s} s'}"
