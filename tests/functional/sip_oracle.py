"""What SIP should yield, worked out from the messages of a capture by Python alone.

Slow, plain and written apart from the C code: no tables, no hashes, one message after the other. It knows of numbers what
x2tap does by default, without country code, prefixes and number domains.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import packets
import sip_sessions
from sip_message import TOKEN, messages  # noqa: F401: for those who have the octets already

KEPT_BODIES = (
    "application/sdp", "message/sipfrag", "application/isup", "application/qsig", "application/reginfo+xml",
    "application/dialog-info+xml", "application/conference-info+xml",
)  # fmt: skip
PARTY_HEADERS = (
    "from", "to", "p-asserted-identity", "p-preferred-identity", "p-called-party-id", "diversion", "history-info",
    "refer-to", "referred-by",
)  # fmt: skip
FIELD = re.compile(TOKEN + rb"+[ \t]*:")
DUPLICATE_WINDOW_NS = 32 * 10**9

FROM_TARGET, TO_TARGET, UNKNOWN = 3, 2, 1


def uris(value):
    """The URIs of a header value: in <>, or bare up to the parameters."""
    value = re.sub(r'"(\\.|[^"\\])*"', "", value)
    bracketed = re.findall(r"<([^<>]*)>", value)
    return bracketed or [part.split(";")[0].strip() for part in value.split(",")]


def number(spelled, context):
    """A number without its separators; global ones begin with +."""
    digits = re.sub(r"[-.() ]", "", spelled).upper()
    if not re.fullmatch(r"\+[0-9]+|[0-9A-F*#]+", digits):
        return None
    if digits[0] != "+" and context.startswith("+") and re.fullmatch(r"[0-9]+", digits):
        return re.sub(r"[-.() ]", "", context) + digits
    return digits


def parties(uri):
    """Whom a URI names: user@host of sip and sips; a number where it is one, "+49301" or "tel:0301" if it is local."""
    scheme, _, rest = uri.partition(":")
    scheme = scheme.strip().lower()
    if scheme not in ("sip", "sips", "tel"):
        return set()
    if scheme == "tel":
        user, _, parameters = rest.partition(";")
        found, is_number = set(), True
    else:
        # The user part may hold ';' and '?' (RFC 3261 section 25.1), so the host is what follows the '@'.
        user, at, host = rest.partition("@")
        if not at:
            return set()
        user = user.split(":")[0]
        is_number = bool(re.search(r"(?i);user=phone(;|\?|$)", host)) or user.startswith("+")
        bare, _, parameters = user.partition(";")
        if re.fullmatch(r"[-+.()*#%0-9A-Fa-f]*[0-9][-+.()*#%0-9A-Fa-f]*", bare):
            user = bare
        user = unquote_to_bytes(user).decode("utf-8", "surrogateescape")
        found = {f"{user}@{host_of(host)}"}
    if is_number:
        context = re.search(r"(?i)(?:^|;)phone-context=([^;]*)", parameters)
        digits = number(user, context.group(1) if context else "")
        if digits:
            found.add(digits if digits[0] == "+" else f"tel:{digits}")
    return found


def host_of(text):
    """The host of what follows the '@', without port, parameters and headers."""
    host = re.split(r"[;?]", text)[0].strip()
    bracketed = re.match(r"\[([^]]*)\]", host)
    if bracketed:
        return str(ipaddress.ip_address(bracketed.group(1)))
    if host.count(":") == 1:
        host = host.split(":")[0]
    return host.lower().rstrip(".")


def ends_held(element, value, flow):
    """The ends of a packet that an address, prefix or port holds for: "source", "destination"."""
    if element in ("udpPort", "tcpPort"):
        right = flow.protocol == {"udpPort": packets.UDP, "tcpPort": packets.TCP}[element]
        ends = {"source": flow.source_port, "destination": flow.destination_port}
        return {end for end, port in ends.items() if right and port == int(value)}
    network = ipaddress.ip_network(value)
    ends = {"source": flow.source, "destination": flow.destination}
    return {end for end, address in ends.items() if ipaddress.ip_address(address) in network}


def wanted_party(element, value):
    """The one name by which a target is looked for."""
    if element == "e164Number":
        return "+" + value.lstrip("+")
    names = parties(value)
    return next((name for name in names if name[0] == "+"), None) or min(names, key=lambda name: name.startswith("tel:"))


def roles(element, value, message):
    """Where a message shows a party: names of header fields, "request-uri"."""
    if element == "impi":
        return {
            "authorization"
            for header in message.values("authorization") + message.values("proxy-authorization")
            if value in re.findall(r'username="([^"]*)"', header)
        }
    wanted = wanted_party(element, value)
    names = PARTY_HEADERS + (("contact",) if message.method == "REGISTER" else ())
    shown = {name for name in names for header in message.values(name) for uri in uris(header) if wanted in parties(uri)}
    if wanted in parties(message.request_uri):
        shown.add("request-uri")
    return shown


def is_diverted(shown):
    return bool(shown & {"diversion", "history-info"})


def side_of(shown, message):
    """Who of a request and its responses a party is: the caller, the callee or None. Whoever is both, as in a registration or
    in a subscription to one's own state, is the caller: From names who sends the request."""
    sender = bool(shown & {"p-asserted-identity", "p-preferred-identity"})
    caller = bool(shown & {"from", "contact", "authorization"}) or (message.request and sender)
    caller = caller or (message.method == "REFER" and "referred-by" in shown)
    callee = bool(shown & {"request-uri", "p-called-party-id"}) or (not message.request and sender)
    # To names whom the request was for: it may have been sent on, and a network registers its subscribers with others.
    if message.method != "REGISTER" and not is_diverted(shown):
        callee = callee or "to" in shown
    return "caller" if caller else "callee" if callee else None


OTHER_SIDE = {"caller": "callee", "callee": "caller", None: None}


@dataclass
class Match:
    """What one message has to do with one task."""

    ends: set  # of the packet, as far as the task names an address or port
    roles: set
    side: str


def is_of_packet(element):
    return element.startswith(("ipv4", "ipv6")) or element in ("udpPort", "tcpPort")


def match(identifiers, sighting, match_outer=False):
    """A Match where all identifiers of a task hold in a message; address and port are of the same end of one packet."""
    of_packet, shown = [], set()
    for identifier in identifiers:
        ((element, value),) = identifier.items()
        if is_of_packet(element):
            of_packet.append((element, value))
        elif element == "gtpuTunnelId":
            if int(value) not in sighting.teids:
                return None
        else:
            shown = roles(element, value, sighting.message)
            if not shown:
                return None
    ends = set()
    if of_packet:
        # The innermost packet that shows the target tells its end.
        for flow in [sighting.flow, *(reversed(sighting.outer) if match_outer else ())]:
            ends = set.intersection(*(ends_held(element, value, flow) for element, value in of_packet))
            if ends:
                break
        else:
            return None
    return Match(ends, shown, side_of(shown, sighting.message))


def direction(found, message):
    """Where packets name one end of two, that is the direction; else the party's part in the message says."""
    if found.ends == {"source"}:
        return FROM_TARGET
    if found.ends == {"destination"}:
        return TO_TARGET
    if found.side is None:
        return UNKNOWN
    return FROM_TARGET if (found.side == "caller") == message.request else TO_TARGET


class Sessions:
    """The sessions that belong to tasks, by Call-ID."""

    def __init__(self):
        self.by_call_id = {}

    def follow(self, sighting, matches):
        """Adds to the matches, by task, those whose session the message belongs to."""
        call_id, now = sighting.message.call_id, sighting.time_ns
        known = [session for session in self.by_call_id.get(call_id, []) if not session.is_past(now)]
        self.by_call_id[call_id] = known
        step = sip_sessions.Step(sighting.message)
        session = next((session for session in known if session.includes(step, now)), None)
        if session:
            self.add_tasks(session, step, matches)
        elif not matches or step.method == "ACK":
            return
        else:
            session = sip_sessions.Session()
            known[:] = [other for other in known if other.goes_on(now) or not other.is_between(step.tags)]
            known.append(session)
        session.take(step, now)
        for task, found in matches.items():
            session.tasks.setdefault(task, (step.from_tag, found.side) if found.side else None)

    def add_tasks(self, session, step, matches):
        """Whose session it is has a part in the message; the tags tell which."""
        for task, remembered in session.tasks.items():
            found = matches.setdefault(task, Match(set(), set(), None))
            if found.side:
                session.tasks[task] = remembered or (step.from_tag, found.side)
            elif remembered and remembered[0] and not is_diverted(found.roles):
                tag, side = remembered
                if tag == step.from_tag:
                    found.side = side
                elif tag == step.to_tag:
                    found.side = OTHER_SIDE[side]


def expected(seen, tasks, match_outer=False):
    """What tasks get of the messages of a capture: for each list of target identifiers a list of (sighting, direction)."""
    sessions, first_seen = Sessions(), {}
    result = [[] for _ in tasks]
    for sighting in seen:
        matches = {}
        for task, identifiers in enumerate(tasks):
            found = match(identifiers, sighting, match_outer)
            if found:
                matches[task] = found
        if sighting.message.call_id:
            sessions.follow(sighting, matches)
        for task, found in matches.items():
            key = task, sighting.message.octets
            if key in first_seen and 0 <= sighting.time_ns - first_seen[key] < DUPLICATE_WINDOW_NS:
                continue
            first_seen[key] = sighting.time_ns
            result[task].append((sighting, direction(found, sighting.message)))
    return result


def is_sdp(body):
    """Whether a body looks like what it may be reported as: a letter and = on every line."""
    return all(re.match(rb"[ \t]*[a-zA-Z]=", line) for line in body.splitlines() if line.strip())


def is_kept(message):
    """Whether a body may be reported: not one of no type or of two, nor one that only calls itself SDP."""
    types = {value.split(";")[0].strip().lower() for value in message.values("content-type")}
    if len(types) != 1 or not types <= set(KEPT_BODIES):
        return False
    return types != {"application/sdp"} or is_sdp(message.body)


def reported(message):
    """The octets of an IRI: those of the message, less a body that is content or may be, and less lines that are no header
    fields."""
    start, *lines = message.octets[: message.head_len].splitlines(keepends=True)
    head = start + b"".join(line for line in lines if line[:1] in b" \t\r\n" or FIELD.match(line))
    if not message.body or is_kept(message):
        return head + message.body
    return re.sub(rb"(?im)^((?:content-length|l)[ \t]*:[ \t]*)[0-9]+", rb"\g<1>0", head)


def correlation(call_id):
    """FNV-1a, 64 bits, of the Call-ID."""
    value = 0xCBF29CE484222325
    for octet in call_id.encode("utf-8", "surrogateescape"):
        value = (value ^ octet) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
