"""Random identities of subscribers, every way in which one could be written down, and a search for all of them at once."""

import base64
import ipaddress
import random
import string
import uuid
from dataclasses import dataclass

import craft
import signals

LETTERS = string.ascii_lowercase + string.digits
WINDOWS = (8, 4)  # octets by which patterns are found; a shorter pattern is everywhere


@dataclass
class Identity:
    kind: str
    identifier: dict  # X1 target identifier
    words: tuple = ()  # what nobody else has of it: user part, host
    numbers: tuple = ()  # digits
    addresses: tuple = ()  # ipaddress objects
    teid: int | None = None  # of the user plane
    control: int | None = None  # TEID of the control plane
    mac: bytes | None = None

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


def subscriber(rng, kind):
    """An IMSI of the test network, an IMEI of the test range, or a number."""
    first, length = {
        "imsi": ("00101", 15), "supiimsi": ("00101", 15), "imei": ("004401", 14), "peiImei": ("004401", 14),
        "peiImeisv": ("004401", 16), "gpsiMsisdn": ("49", 13),
    }[kind]  # fmt: skip
    found = first + "".join(rng.choices(string.digits, k=length - len(first)))
    return Identity(kind, {kind: found}, numbers=(found,))


def mac(rng, kind):
    found = b"\x02" + rng.randbytes(5)
    return Identity(kind, {kind: found.hex(":")}, mac=found)


def attribute(rng, kind):
    """NAS-Port-Id (RFC 2869 section 5.17)."""
    found = word(rng)
    return Identity(kind, {kind: signals.attribute(NAS_PORT_ID, found).hex().upper()}, words=(found,))


def control_tunnel(rng, kind):
    found = rng.randrange(10**9, 1 << 32)
    return Identity(kind, {kind: str(found)}, control=found)


NAS_PORT_ID = 87
SHOWN_BY_SIGNALS = (
    (subscriber, "imsi", 50), (subscriber, "supiimsi", 20), (subscriber, "imei", 30), (subscriber, "peiImei", 20),
    (subscriber, "peiImeisv", 30), (subscriber, "gpsiMsisdn", 50), (mac, "macAddress", 50), (attribute, "radiusAttribute", 30),
    (control_tunnel, "gtpcTunnelId", 30),
)  # fmt: skip
KINDS = (
    (party, "sipUri", 150), (party, "impu", 60), (party, "impi", 60), (party, "nai", 80),
    (number, "telUri", 60), (number, "e164Number", 60), (number, "sipUri", 40),
    (address, "ipv4Address", 60), (address, "ipv6Address", 50),
    (prefix, "ipv4Cidr", 20), (prefix, "ipv6Cidr", 20), (tunnel, "gtpuTunnelId", 30), *SHOWN_BY_SIGNALS,
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
        bcd = bytes.fromhex(found[: len(found) // 2 * 2])
        if len(bcd) > 5 or not bcd.isalnum():  # else it is like a piece of any digest that is written in hex
            yield f"{name}BCD", bcd


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
    yield "binary, host order", octets[::-1]
    yield from octet_forms(octets)
    yield "HEX with colons", octets.hex(":").upper().encode()
    yield "HEX with dashes", octets.hex("-").upper().encode()
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
    for teid in (identity.teid, identity.control):
        if teid is not None:
            yield from tunnel_forms(teid)
    if identity.mac is not None:
        yield from mac_forms(identity.mac)
    if "radiusAttribute" in identity.identifier:
        yield "whole", bytes.fromhex(identity.identifier["radiusAttribute"])


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


# Who speaks of subscribers: all of them are known to everybody.
NAS, RADIUS_SERVER, DHCP_SERVER, SGSN, GGSN, MME, SGW = (f"192.0.2.{host}" for host in (101, 102, 103, 104, 105, 106, 107))
DHCP6_SERVER = "2001:db8:ffff::103"
SOURCES = [
    {"protocols": ["radius"], "servers": [RADIUS_SERVER], "clients": [NAS]},
    {"protocols": ["dhcp"], "servers": [DHCP_SERVER, DHCP6_SERVER]},
    {"protocols": ["gtp"], "clients": [SGSN, GGSN, MME, SGW]},
]
SECRET = b"shared secret"


@dataclass
class Line:
    """What an authority says of a subscriber: each may be told."""

    number: int  # makes exchanges differ
    session: str  # Acct-Session-Id
    address: object
    user: str = "somebody@example.com"
    imsi: str = "001019999999999"
    msisdn: str = "491999999999"
    imei: str = "0044019999999999"  # 16 digits
    mac: bytes = b"\x02\0\0\0\0\x63"
    attribute: bytes = b""
    control: int = 0x7F000001  # TEID of the GGSN
    password: str = "a password"


def line_of(who, number, session, address):
    """The line of an identity that such messages show."""
    line = Line(number, session, address)
    ((kind, text),) = who.identifier.items()
    if kind == "nai":
        line.user = text
    elif kind in ("imsi", "supiimsi"):
        line.imsi = text
    elif kind in ("imei", "peiImei", "peiImeisv"):
        line.imei = text.ljust(16, "0")
    elif kind in ("gpsiMsisdn", "e164Number"):
        line.msisdn = text
    elif kind == "macAddress":
        line.mac = who.mac
    elif kind == "radiusAttribute":
        line.attribute = bytes.fromhex(text)
    elif kind == "gtpcTunnelId":
        line.control = who.control
    return line


def accounting(line):
    """Access-Request with a password, then the start of accounting and its answer."""
    shown = (
        signals.attribute(signals.USER_NAME, line.user), signals.address(signals.NAS_IP_ADDRESS, NAS),
        signals.attribute(signals.CALLING_STATION_ID, line.msisdn), line.attribute,
        signals.vendor(signals.TGPP, signals.attribute(signals.TGPP_IMSI, line.imsi), signals.attribute(signals.TGPP_IMEISV, line.imei)),
    )  # fmt: skip
    port, identifier, authenticator = 20000 + line.number, line.number % 256, bytes(range(16))
    hidden = signals.attribute(signals.USER_PASSWORD, line.password)  # not hidden, so that it is to be found
    access = signals.access_request(identifier, *shown, hidden, authenticator=authenticator)
    yield frame(NAS, RADIUS_SERVER, access, port, signals.RADIUS_ACCESS)
    mac = signals.attribute(signals.CALLING_STATION_ID, line.mac.hex("-").upper())
    request = signals.accounting_request(
        identifier, signals.START, line.session, SECRET, *shown, mac, signals.address(signals.FRAMED_IP_ADDRESS, line.address)
    )
    yield frame(NAS, RADIUS_SERVER, request, port, signals.RADIUS_ACCOUNTING)
    answer = signals.radius_answer(signals.ACCOUNTING_RESPONSE, request, SECRET)
    yield frame(RADIUS_SERVER, NAS, answer, signals.RADIUS_ACCOUNTING, port)


def leases(line):
    """A DHCPv4 request and its answer; the same in DHCPv6 of a prefix."""
    text = line.mac.hex(":")
    request = signals.select(line.number, text, str(line.address), DHCP_SERVER)
    yield frame("0.0.0.0", "255.255.255.255", request, signals.DHCP_CLIENT, signals.DHCP_SERVER)
    answer = signals.ack(line.number, text, str(line.address), DHCP_SERVER, 3600)
    yield frame(DHCP_SERVER, "255.255.255.255", answer, signals.DHCP_SERVER, signals.DHCP_CLIENT)
    client, server = signals.duid(text), signals.duid("02:00:00:00:00:67")
    ask = signals.from_client6(signals.REQUEST6, line.number, client, signals.ia_pd(1), server_duid=server)
    yield frame("fe80::1", "ff02::1:2", ask, signals.DHCP6_CLIENT, signals.DHCP6_SERVER)
    given = signals.ia_pd(1, signals.ia_prefix(f"2001:db8:{line.number:x}::/48", 3600, 7200))
    reply = signals.from_server6(signals.REPLY6, line.number, client, server, given)
    yield frame(DHCP6_SERVER, "fe80::1", reply, signals.DHCP6_SERVER, signals.DHCP6_CLIENT)


def contexts(line):
    """A PDP context of GTPv1, and a session of GTPv2, each with its answer."""
    number = line.number
    ask = signals.create_pdp_request(
        number, line.imsi, "internet", 0x51000000 + number, 0x52000000 + number, SGSN, msisdn=line.msisdn, imei=line.imei
    )
    yield frame(SGSN, GGSN, ask, signals.GTPC, signals.GTPC)
    given = signals.end_user_address1(ipv4=str(line.address))
    answer = signals.create_pdp_response(0x51000000 + number, number, line.control, 0x53000000 + number, GGSN, given)
    yield frame(GGSN, SGSN, answer, signals.GTPC, signals.GTPC)
    sender = signals.fteid(signals.S11_MME, 0x61000000 + number, MME)
    ask = signals.create_session_request(number, line.imsi, "internet", sender, msisdn=line.msisdn, imei=line.imei)
    yield frame(MME, SGW, ask, signals.GTPC, signals.GTPC)
    answer = signals.create_session_response(
        0x61000000 + number, number, signals.fteid(signals.S11_SGW, line.control, SGW), signals.paa(ipv4=str(line.address))
    )
    yield frame(SGW, MME, answer, signals.GTPC, signals.GTPC)


def new_uuid(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
