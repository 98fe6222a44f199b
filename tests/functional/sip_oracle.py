"""What SIP over UDP should yield, worked out from the capture by Python alone.

Slow, plain and written apart from the C code: no tables, no hashes, one message after the other. It knows whole messages in
whole datagrams; numbers are compared only where they are written alike.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import pcap

COMPACT = {
    "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type", "e": "content-encoding",
    "f": "from", "t": "to", "v": "via", "s": "subject", "k": "supported", "r": "refer-to", "b": "referred-by",
}  # fmt: skip
KEPT_BODIES = (
    "application/sdp", "message/sipfrag", "application/isup", "application/qsig", "application/reginfo+xml",
    "application/dialog-info+xml", "application/conference-info+xml",
)  # fmt: skip
PARTY_HEADERS = (
    "from", "to", "p-asserted-identity", "p-preferred-identity", "p-called-party-id", "diversion", "history-info",
    "refer-to", "referred-by",
)  # fmt: skip
DUPLICATE_WINDOW_NS = 32 * 10**9

FROM_TARGET, TO_TARGET, UNKNOWN = 3, 2, 1

REQUEST_LINE = re.compile(rb"[A-Za-z0-9!%*_+`'~.-]+ [^ \r\n]+ SIP/2\.0\r?\n")
STATUS_LINE = re.compile(rb"SIP/2\.0 [0-9]{3}( [^\r\n]*)?\r?\n")


@dataclass
class Message:
    octets: bytes
    start: str
    request: bool
    headers: list  # (name in lower case and long form, value)
    head_len: int

    def values(self, name):
        return [value for key, value in self.headers if key == name]

    @property
    def call_id(self):
        return (self.values("call-id") or [""])[0]

    @property
    def method(self):
        if self.request:
            return self.start.split(" ")[0]
        return (self.values("cseq") or ["0 ?"])[0].split()[-1]

    @property
    def body(self):
        return self.octets[self.head_len :]


def messages(payload):
    """The SIP messages of a datagram, in order."""
    found = []
    while True:
        payload = payload.lstrip(b"\r\n")
        if not (REQUEST_LINE.match(payload) or STATUS_LINE.match(payload)):
            return found
        end = re.search(rb"\r?\n\r?\n", payload)
        head_len = end.end() if end else len(payload)
        lines = re.sub(rb"\r?\n[ \t]+", b" ", payload[:head_len]).decode("utf-8", "replace").splitlines()
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                name = name.strip().lower()
                headers.append((COMPACT.get(name, name), value.strip()))
        message = Message(payload[:head_len], lines[0], not lines[0].startswith("SIP/2.0"), headers, head_len)
        length = (message.values("content-length") or [""])[0]
        body_len = int(length) if length.isdigit() else len(payload) - head_len
        message.octets = payload[: head_len + body_len]
        found.append(message)
        payload = payload[head_len + body_len :]


def uris(value):
    """The URIs of a header value: in <>, or bare up to the parameters."""
    value = re.sub(r'"(\\.|[^"\\])*"', "", value)
    bracketed = re.findall(r"<([^<>]*)>", value)
    return bracketed or [part.split(";")[0].strip() for part in value.split(",")]


def party(uri):
    """user@host of a sip or sips URI, or the number of a tel URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return re.sub(r"[-.() ]", "", rest.split(";")[0])
    if scheme.lower() not in ("sip", "sips"):
        return None
    # The user part may hold ';' and '?' (RFC 3261 section 25.1), so the host is what follows the '@'.
    user, at, host = rest.rpartition("@")
    if not at:
        user, host = "", rest
    host = re.split(r"[;?]", host)[0]
    bracketed = re.match(r"\[([^]]*)\]", host)
    if bracketed:
        host = str(ipaddress.ip_address(bracketed.group(1)))
    elif host.count(":") == 1:
        host = host.split(":")[0]
    user = unquote_to_bytes(user.split(":")[0]).decode("utf-8", "replace")
    return f"{user}@{host.lower().rstrip('.')}"


def ends_held(element, value, datagram):
    """The ends of a packet that an address, prefix or port holds for: "source", "destination"."""
    if element == "udpPort":
        ends = {"source": datagram.source_port, "destination": datagram.destination_port}
        return {end for end, port in ends.items() if port == int(value)}
    network = ipaddress.ip_network(value)
    ends = {"source": datagram.source, "destination": datagram.destination}
    return {end for end, address in ends.items() if ipaddress.ip_address(address) in network}


def party_holds(element, value, message):
    """Whether a message shows a party, and its direction as seen from that party."""
    if element == "impi":
        names = [
            match
            for header in message.values("authorization") + message.values("proxy-authorization")
            for match in re.findall(r'username="([^"]*)"', header)
        ]
        return value in names, FROM_TARGET
    wanted = party(value) if ":" in value else value.lstrip("+")
    shown = {
        name
        for name in PARTY_HEADERS
        for header in message.values(name)
        for uri in uris(header)
        if party(uri) == wanted or (element == "e164Number" and (party(uri) or "").lstrip("+") == wanted)
    }
    if message.request and party(message.start.split(" ")[1]) == wanted:
        shown.add("request-uri")
    if message.method == "REGISTER" and any(
        party(uri) == wanted for header in message.values("contact") for uri in uris(header)
    ):
        shown.add("contact")
    if not shown:
        return False, UNKNOWN
    return True, party_direction(shown, message)


def party_direction(shown, message):
    """A request goes from its caller to its callee, its response back. Whoever is both, as in a registration or in a
    subscription to one's own state, is the caller: From names who sends the request."""
    sender = bool(shown & {"p-asserted-identity", "p-preferred-identity"})
    caller = bool(shown & {"from", "contact"}) or (message.request and sender)
    callee = bool(shown & {"request-uri", "p-called-party-id"}) or (not message.request and sender)
    # To names whom the request was for: it may have been sent on, and a network registers its subscribers with others.
    if message.method != "REGISTER" and not shown & {"diversion", "history-info"}:
        callee = callee or "to" in shown
    if not caller and not callee:
        return UNKNOWN
    return FROM_TARGET if caller == message.request else TO_TARGET


def holds(identifiers, message, datagram):
    """Whether all identifiers of a task hold in a message, and its direction. Address and port are of the same end; where
    they name one end only, that is the direction, else the party's part in the message says."""
    ends, direction = {"source", "destination"}, UNKNOWN
    for identifier in identifiers:
        ((element, value),) = identifier.items()
        if element.startswith(("ipv4", "ipv6")) or element == "udpPort":
            ends &= ends_held(element, value, datagram)
        else:
            held, direction = party_holds(element, value, message)
            if not held:
                return False, UNKNOWN
    if not ends:
        return False, UNKNOWN
    if ends == {"source"}:
        direction = FROM_TARGET
    elif ends == {"destination"}:
        direction = TO_TARGET
    return True, direction


class Session:
    """What is open under one Call-ID: transactions without their end, and dialogs without their BYE."""

    def __init__(self):
        self.pending = set()  # (CSeq number, method)
        self.unacknowledged = False
        self.dialogs = set()  # tags of the side that answered
        self.directions = {}  # of requests

    def open(self):
        return bool(self.pending or self.unacknowledged or self.dialogs)

    def take(self, message, direction):
        """Notes a message; returns its direction, which a response has from its request and a CANCEL from its INVITE."""
        number, _, method = (message.values("cseq") or ["0 ?"])[0].partition(" ")
        key = (number, method.strip())
        if message.request:
            if direction == UNKNOWN and message.method in ("CANCEL", "ACK"):
                direction = self.directions.get((number, "INVITE"), UNKNOWN)
            self.directions[key] = direction
            if message.method == "ACK":
                self.unacknowledged = False
            else:
                self.pending.add(key)
            return direction
        if direction == UNKNOWN:
            direction = {FROM_TARGET: TO_TARGET, TO_TARGET: FROM_TARGET}.get(self.directions.get(key), UNKNOWN)
        status = int(message.start.split(" ")[1])
        tag = re.search(r";tag=([^;]*)", (message.values("to") or [""])[0])
        if status >= 200:
            self.pending.discard(key)
            if key[1] in ("INVITE", "SUBSCRIBE", "REFER") and status < 300:
                self.dialogs.add(tag and tag.group(1))
            elif key[1] == "INVITE":
                self.unacknowledged = True
            elif key[1] == "BYE":
                self.dialogs.clear()
        return direction


def expected(frames, identifiers):
    """What one task gets of a capture: a list of dicts (frame, part, start, call_id, direction)."""
    sessions = {}
    seen = {}
    result = []
    for frame in frames:
        datagram = pcap.datagram(frame.octets)
        if datagram is None:
            continue
        for part, message in enumerate(messages(datagram.payload)):
            held, direction = holds(identifiers, message, datagram)
            session = sessions.get(message.call_id)
            if not held and not (session and session.open()):
                continue
            if session is None or not session.open():
                session = sessions[message.call_id] = Session()
            direction = session.take(message, direction)
            first = seen.get(message.octets)
            if first is not None and 0 <= frame.time_ns - first < DUPLICATE_WINDOW_NS:
                continue
            seen[message.octets] = frame.time_ns
            entry = {"frame": frame.number, "start": message.start, "call_id": message.call_id, "direction": direction}
            if part:
                entry["part"] = part
            result.append(entry)
    return result


def reported(message):
    """The octets of an IRI: those of the message, less a body that is content, or may be: one of no type or of two."""
    types = [value.split(";")[0].strip().lower() for value in message.values("content-type")]
    if not message.body or (len(set(types)) == 1 and types[0] in KEPT_BODIES):
        return message.octets
    head = message.octets[: message.head_len]
    return re.sub(rb"(?im)^((?:content-length|l)[ \t]*:[ \t]*)[0-9]+", rb"\g<1>0", head, count=1)


def correlation(call_id):
    """FNV-1a, 64 bits, of the Call-ID."""
    value = 0xCBF29CE484222325
    for octet in call_id.encode():
        value = (value ^ octet) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
