"""SIP messages as Python reads them: start lines, header fields, and where a message ends."""

import re
from dataclasses import dataclass

COMPACT = {
    "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type", "e": "content-encoding",
    "f": "from", "t": "to", "v": "via", "s": "subject", "k": "supported", "r": "refer-to", "b": "referred-by",
}  # fmt: skip
METHODS = (
    b"INVITE|ACK|BYE|CANCEL|REGISTER|OPTIONS|PRACK|SUBSCRIBE|NOTIFY|PUBLISH|INFO|REFER|MESSAGE|UPDATE"
)  # fmt: skip
TOKEN = rb"[A-Za-z0-9!%*_+`'~.-]"

REQUEST_LINE = re.compile(TOKEN + rb"+ [^ \r\n]+ SIP/2\.0\r?\n")
STATUS_LINE = re.compile(rb"SIP/2\.0 [0-9]{3}( [^\r\n]*)?\r?\n")
# What can still be read for a start line where SIP is expected: other versions and status codes, blanks too many, no version.
ODD_LINES = (
    re.compile(rb"(?i)SIP/\S+[ \t]+[0-9]+[^\r\n]*\r*\n"),
    re.compile(TOKEN + rb"+[ \t]+[^\r\n]*?[ \t]+(?i:SIP)/\S+[ \t]*\r*\n"),
    re.compile(rb"(?:" + METHODS + rb")[ \t]+(?i:sip|sips|tel):[^\r\n]*\r*\n"),
)
MAX_JUNK = 16  # octets before an odd start line
END_OF_HEADERS = re.compile(rb"\n\r*\n")


@dataclass
class Message:
    octets: bytes
    start: str
    request: bool
    headers: list  # (name in lower case and long form, value)
    head_len: int

    def values(self, name):
        return [value for key, value in self.headers if key == name]

    def first(self, name):
        return (self.values(name) or [""])[0]

    @property
    def call_id(self):
        return self.first("call-id")

    @property
    def cseq(self):
        """Number and method, as text."""
        number, method = re.match(r"([0-9]*)[ \t]*([^ \t]*)", self.first("cseq")).groups()
        return number, method

    @property
    def method(self):
        return re.split(r"[ \t]", self.start)[0] if self.request else self.cseq[1]

    @property
    def request_uri(self):
        """What stands between method and version."""
        words = re.split(r"[ \t]+", self.start.strip())
        if not self.request or len(words) < 2:
            return ""
        has_version = len(words) > 2 and words[-1].upper().startswith("SIP/")
        return " ".join(words[1:-1] if has_version else words[1:2]).strip("<>")

    @property
    def status(self):
        return 0 if self.request else int(re.match(r"\S+[ \t]+([0-9]+)", self.start).group(1))

    @property
    def body(self):
        return self.octets[self.head_len :]

    @property
    def body_len(self):
        """As Content-Length says; None without a readable one."""
        said = set(self.values("content-length"))
        value = said.pop() if len(said) == 1 else ""
        return int(value) if re.fullmatch(r"[0-9]+", value) else None

    def has_identity(self):
        return any([self.request_uri, *map(self.first, ("from", "to", "p-asserted-identity", "contact"))])


def begins(octets):
    """Whether octets begin with a SIP start line, for sure."""
    return bool(REQUEST_LINE.match(octets) or STATUS_LINE.match(octets))


def start_of(octets, odd):
    """Where a message starts: at 0, or with `odd` behind a little junk; None if there is none."""
    if begins(octets):
        return 0
    for junk in range(MAX_JUNK + 1 if odd else 0):
        inside_word = junk and re.match(TOKEN, octets[junk - 1 : junk])
        if not inside_word and any(line.match(octets, junk) for line in ODD_LINES):
            return junk
    return None


def read(octets):
    """The message at the start of octets, which may hold more than it; its body is all that follows."""
    end = END_OF_HEADERS.search(octets)
    head_len = end.end() if end else len(octets)
    head = re.sub(rb"\r*\n(?=[ \t])", b" ", octets[:head_len])
    lines = [line.rstrip(b"\r").decode("utf-8", "surrogateescape") for line in head.split(b"\n")]
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip(" \t").lower()
            headers.append((COMPACT.get(name, name), value.strip(" \t")))
    return Message(octets, lines[0], lines[0][:4].upper() != "SIP/", headers, head_len)


def messages(payload, odd=False):
    """The SIP messages of a datagram, in order. With `odd` the first may begin with an odd start line."""
    found = []
    while True:
        payload = payload.lstrip(b"\r\n")
        start = start_of(payload, odd and not found)
        if start is None:
            return found
        message = read(payload[start:])
        if not message.has_identity():
            return found
        payload = message.octets
        end = len(payload) if message.body_len is None else message.head_len + message.body_len
        message.octets = payload[:end]
        found.append(message)
        payload = payload[end:]
