"""What the readers of tshark's dissection share."""

import ipaddress
from dataclasses import dataclass, field


@dataclass
class Signal:
    protocol: str
    octets: str  # in hex
    message_type: int
    values: dict[str, list[str]] = field(default_factory=dict)
    names: list[tuple] = field(default_factory=list)  # see links.py

    def show(self, kind, text):
        """Somebody is named; once is enough."""
        shown = self.values.setdefault(kind, [])
        if text not in shown:
            shown.append(text)

    def say(self, is_answer, change, ends=False):
        self.values["is_answer"] = [str(is_answer)]
        self.values["change"], self.values["ends"] = [change], [str(ends)]


def octets_of(tree, key):
    """The octets of the first value of this name in a tree; b"" if there is none."""
    raw = tree.first(f"{key}_raw")
    return bytes.fromhex(raw[0]) if raw else b""


def number(tree, key, default=None):
    value = tree.first(key)
    return default if value is None else int(value, 0)


def is_group(address):
    """Broadcast and multicast."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_multicast or (parsed.version == 4 and int(parsed) >> 24 >= 224)
