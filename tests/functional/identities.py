"""Random identities of subscribers, every way in which one could be written down, and a search for all of them at once."""

import base64
import ipaddress
import random
import string
import uuid
from dataclasses import dataclass

import craft

LETTERS = string.ascii_lowercase + string.digits
WINDOWS = (8, 4)  # octets by which patterns are found; a shorter pattern is everywhere


@dataclass
class Identity:
    kind: str
    identifier: dict  # X1 target identifier
    words: tuple = ()  # what nobody else has of it: user part, host
    numbers: tuple = ()  # digits
    addresses: tuple = ()  # ipaddress objects
    teid: int | None = None

    def user(self):
        return self.words[0] if self.words else self.numbers[0] if self.numbers else ""


def word(rng, length=12):
    return rng.choice(string.ascii_lowercase) + "".join(rng.choices(LETTERS, k=length - 1))


def digits(rng, length=13):
    return "49" + "".join(rng.choices(string.digits, k=length - 2))


def party(rng, kind):
    user, host = word(rng), word(rng)
    text = f"{user}@{host}.example.com"
    return Identity(kind, {kind: text if kind in ("impi", "nai") else f"sip:{text}"}, words=(user, host))


def number(rng, kind):
    found = digits(rng)
    text = {"telUri": f"tel:+{found}", "e164Number": found, "sipUri": f"sip:+{found}@example.com;user=phone"}[kind]
    return Identity("number", {kind: text}, numbers=(found,))


def ipv4(rng):
    return ipaddress.IPv4Address(int(ipaddress.IPv4Address("198.18.0.0")) + rng.randrange(1 << 17))  # RFC 2544


def ipv6(rng):
    return ipaddress.IPv6Address(0x20010DB8 << 96 | rng.randrange(1 << 96))


def address(rng, kind):
    found = ipv4(rng) if kind == "ipv4Address" else ipv6(rng)
    return Identity(kind, {kind: found.exploded}, addresses=(found,))


def prefix(rng, kind):
    """A prefix and one address in it."""
    v4 = kind == "ipv4Cidr"
    inside, length = (ipv4(rng), rng.choice((28, 30))) if v4 else (ipv6(rng), rng.choice((64, 80)))
    network = ipaddress.ip_network((inside, length), strict=False)
    text = f"{network.network_address.exploded}/{length}"
    return Identity(kind, {kind: text}, addresses=(inside, network.network_address))


def tunnel(rng, _):
    teid = rng.randrange(10**9, 1 << 32)
    return Identity("teid", {"gtpuTunnelId": str(teid)}, teid=teid)


KINDS = (
    (party, "sipUri", 300), (party, "impu", 80), (party, "impi", 80), (party, "nai", 80),
    (number, "telUri", 80), (number, "e164Number", 80), (number, "sipUri", 40),
    (address, "ipv4Address", 90), (address, "ipv6Address", 70),
    (prefix, "ipv4Cidr", 25), (prefix, "ipv6Cidr", 25), (tunnel, "gtpuTunnelId", 50),
)  # fmt: skip


def some(seed):
    """1,000 of them."""
    rng = random.Random(seed)
    return [make(rng, kind) for make, kind, count in KINDS for _ in range(count)]


# --- every way to write one down ------------------------------------------------------------------------------------------


def base64_forms(octets):
    """What of an octet string's base64 does not depend on what stands before and behind, at each of three places; of a short one
    that is too little, so it is looked for alone."""
    if len(octets) < 5:
        yield "base64", base64.b64encode(octets)
        return
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + octets)
        first = (shift * 8 + 5) // 6
        last = (shift + len(octets)) * 8 // 6
        yield f"base64 at {shift}", coded[first:last]
        url = coded[first:last].translate(bytes.maketrans(b"+/", b"-_"))
        if url != coded[first:last]:
            yield f"base64url at {shift}", url


def octet_forms(octets):
    yield "hex", octets.hex().encode()
    yield "HEX", octets.hex().upper().encode()
    yield "hex with colons", octets.hex(":").encode()
    yield "hex with spaces", octets.hex(" ").encode()
    yield "escaped", "".join(f"%{octet:02x}" for octet in octets).encode()
    yield "ESCAPED", "".join(f"%{octet:02X}" for octet in octets).encode()
    yield "backslashed", "".join(f"\\x{octet:02x}" for octet in octets).encode()
    yield from base64_forms(octets)


def text_forms(text):
    octets = text.encode()
    yield "plain", octets
    yield "in capitals", octets.upper()
    yield "UTF-16LE", text.encode("utf-16-le")
    yield "UTF-16BE", text.encode("utf-16-be")
    yield from octet_forms(octets)


def number_forms(text):
    yield from text_forms(text)
    national = text[2:]
    yield "national", national.encode()
    for name, found in (("", text), ("national ", national)):
        filled = found + "f" * (len(found) % 2)
        swapped = "".join(filled[i + 1] + filled[i] for i in range(0, len(filled), 2))
        yield f"{name}TBCD", bytes.fromhex(swapped)
        yield f"{name}TBCD in hex", swapped[:-2].encode()  # without the octet that may have a filler
        yield f"{name}TBCD in HEX", swapped[:-2].upper().encode()
        yield f"{name}BCD", bytes.fromhex(found[: len(found) // 2 * 2])


def address_forms(found):
    packed = found.packed
    yield "binary", packed
    yield "binary, host order", packed[::-1]
    yield from octet_forms(packed)
    for name, text in {"plain": found.compressed, "expanded": found.exploded}.items():
        for form, octets in text_forms(text):
            yield f"{name}, {form}", octets
    if found.version == 4:
        yield "as a number", str(int(found)).encode()


def tunnel_forms(teid):
    yield "binary", teid.to_bytes(4, "big")
    yield "binary, host order", teid.to_bytes(4, "little")
    yield from octet_forms(teid.to_bytes(4, "big"))
    yield from text_forms(str(teid))


def mac_forms(octets):
    yield "binary", octets
    yield from octet_forms(octets)
    yield "hex with dashes", octets.hex("-").encode()
    yield "hex with dots", octets.hex(".", 2).encode()


def forms(identity):
    """(form, octets) of an identity: as it was ordered, and each part of it."""
    ((_, text),) = identity.identifier.items()
    yield "ordered", text.encode()
    for part in identity.words:
        yield from text_forms(part)
    for part in identity.numbers:
        yield from number_forms(part)
    for part in identity.addresses:
        yield from address_forms(part)
    if identity.teid is not None:
        yield from tunnel_forms(identity.teid)


class Hunter:
    """Searches octets for all that it was told of."""

    def __init__(self):
        self.by_window = {size: {} for size in WINDOWS}
        self.count = 0

    def add(self, name, forms):
        """Patterns of one secret. Those under six octets turn up in long random octets by chance: see found()."""
        for form, pattern in forms:
            size = next((size for size in WINDOWS if size <= len(pattern)), None)
            if size is None:
                raise ValueError(f"{name}, {form}: too short to be told from chance")
            self.by_window[size].setdefault(pattern[:size], []).append((pattern, f"{name}: {form}"))
            self.count += 1

    def candidates(self, octets):
        """(pattern, name) of those whose beginning is there."""
        for size, known in self.by_window.items():
            there = {octets[i : i + size] for i in range(len(octets) - size + 1) if octets[i : i + size] in known}
            for window in there:
                yield from known[window]

    def found(self, octets, is_random=False):
        """Names of what is in there. `is_random`: it should look like random octets, in which four given ones turn up once in
        2^32; there short patterns count only when they are more than that."""
        sure, short = [], []
        for pattern, name in self.candidates(octets):
            if pattern in octets:
                (short if is_random and len(pattern) < 6 else sure).append(name)
        by_chance = 3 + 10 * len(self.by_window[4]) * len(octets) / 2**32
        return sorted(set(sure + (short if len(short) > by_chance else [])))


# --- traffic --------------------------------------------------------------------------------------------------------------


def sip(method, to, sender, call_id, number, body=b"", extra=""):
    """One request; `to` and `sender` are URIs."""
    head = (
        f"{method} {to} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK{call_id}{number}\r\nMax-Forwards: 70\r\n"
        f"From: <{sender}>;tag=1\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n{extra}"
        f"Content-Type: {'application/sdp' if method == 'INVITE' else 'text/plain'}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def frame(source, destination, payload, source_port=5060, destination_port=5060, teid=None, macs=None):
    packet = craft.udp(str(source), str(destination), source_port, destination_port, payload)
    if teid is not None:
        packet = craft.gtpu(packet, teid)
    octets = craft.ethernet(packet)
    return macs + octets[12:] if macs else octets


def new_uuid(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
