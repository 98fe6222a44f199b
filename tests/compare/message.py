"""One SIP message on the wire, as one of the two readers sees it, and the form in which values are compared."""

import ipaddress
import re
from dataclasses import dataclass, field

# What is compared. `frame` is the one that completes the message, from 1; 0: behind the end of the capture. `from`, `to`,
# `asserted` and `contact` are whole header field values, those with `_uri` the URIs in them.
FIELDS = (
    "frame", "method", "status", "request_uri", "call_id", "cseq", "cseq_number", "from", "from_uri", "to", "to_uri",
    "asserted", "asserted_uri", "contact", "contact_uri", "source", "destination", "source_port", "destination_port",
    "protocol", "teid",
)  # fmt: skip
# What makes two readings those of one message, whichever frame it is reported with.
NAMING = ("call_id", "cseq", "source", "destination", "source_port", "destination_port", "teid")


@dataclass
class Message:
    frame: int
    start_line: str
    values: dict[str, list[str]]  # by field; in the order of the message
    defects: list[str] = field(default_factory=list)  # as x2tap names them

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
