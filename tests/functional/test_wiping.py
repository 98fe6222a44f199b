#!/usr/bin/python3
"""What is ordered no longer is nowhere in x2tap's memory: an identity of a removed task is searched for in all that the process
has mapped, as root through /proc/PID/mem."""

import bisect
import os
import pathlib
import re
import secrets

import pcap
import x2tap_test as x2
from tap import Skip, case, equal, main, say

CHUNK = 16 << 20


def need_memory():
    x2.need_root()
    if x2.SANITIZED:
        raise Skip("AddressSanitizer maps more than can be searched, and keeps what was freed")


def mappings(pid):
    """(from, to, name) of what is mapped writable: the rest is programs and libraries as they are on disk."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s*(.*)", line)
        if found and found[3].startswith("rw"):
            yield int(found[1], 16), int(found[2], 16), found[4] or "anonymous"


def resident(pid, start, end):
    """Runs of pages that are there: reading would bring in zeroed ones, and EAL reserves a lot."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        at = start
        while at < end:
            count = min((end - at) // page, 65536)
            pagemap.seek(at // page * 8)
            entries = memoryview(pagemap.read(count * 8)).cast("Q")
            run = None
            for i, entry in enumerate(entries):
                there = entry >> 62 != 0  # in memory, or in swap
                if there and run is None:
                    run = i
                if not there and run is not None:
                    yield at + run * page, at + i * page
                    run = None
            if run is not None:
                yield at + run * page, at + count * page
            at += count * page


def hits(pid, words):
    """{word: [where]} of all that is found."""
    found = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in mappings(pid):
            for first, last in resident(pid, start, end):
                for at in range(first, last, CHUNK):
                    memory.seek(at)
                    octets = memory.read(min(CHUNK + 256, last - at))
                    for word in words:
                        for hit in re.finditer(re.escape(word), octets):
                            found.setdefault(word.decode("latin-1"), []).append((at + hit.start(), name, octets[max(0, hit.start() - 48) : hit.end() + 48]))
    return found


class Ordered:
    """Tasks for identities that nobody else has. They share words by which they are found in memory, near their beginning, since a
    block that grew leaves a beginning behind: in letters, in digits, as an IPv6 address as written, and packed."""

    def __init__(self, count=3):
        self.letters = "u" + secrets.token_hex(5)
        self.digits = "49" + str(secrets.randbelow(10**8)).zfill(8)
        self.network = f"2001:0db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
        self.tasks = [x2.task(self.identifiers(i), name=f"{self.letters}/{i}") for i in range(count)]

    def identifiers(self, i):
        kinds = [
            [{"sipUri": f"sip:{self.letters}{i}@{self.letters}.example.com;user=phone"}],
            [{"e164Number": f"{self.digits}{i:04}"}],
            [{"sipUri": f"sip:{self.letters}.{i}@example.com"}, {"ipv6Address": f"{self.network}:0000:0000:0000:{i:04x}"}],
        ]
        return kinds[i % len(kinds)]

    def words(self):
        packed = bytes.fromhex(self.network.replace(":", ""))
        return [*(word.encode() for word in (self.letters, self.digits, self.network)), packed]


def prepared(directory, tasks, **sections):
    silence = directory / "in.pcap"
    pcap.write(silence, [])
    vdevs, ports, _ = x2.file_pair(directory, silence)
    return x2.Tap(directory, tasks, {x2.DID: x2.free_port()}, 1, vdevs, ports, **sections)


def mapped(pid, places):
    """Whether any of the places, in ascending order, is still mapped."""
    for start, end, _ in mappings(pid):
        first = bisect.bisect_left(places, start)
        if first < len(places) and places[first] < end:
            return True
    return False


def nothing_left(tap, words):
    """The table that was in force goes once every worker has taken a turn, which may be after the reload was answered. It goes as a
    whole, its mapping with it: what is found may only be there, and never lie in memory that x2tap keeps."""
    pid = tap.process.pid
    found = hits(pid, words)
    if found:
        for word, places in found.items():
            say(f"{word!r} in {len(places)} places: {[(hex(at), *rest) for at, *rest in places[:6]]}")
        places = sorted(at for places in found.values() for at, *_ in places)
        x2.wait_for("the end of where identities were found", lambda: not mapped(pid, places))
        found = hits(pid, words)
    equal(found, {}, "identities in memory")


def reload(tap, good=True):
    answer = tap.ask("reload")
    equal(answer["ok"], good, answer)


def wiped(ordered, steps, **sections):
    """Starts with the identities ordered, does the steps, which end with them no longer ordered, and searches."""
    need_memory()
    with x2.workspace() as directory:
        tap = prepared(directory, ordered.tasks, **sections).start().ready()
        steps(tap)
        nothing_left(tap, ordered.words())
        tap.stop()


@case("the search finds what is ordered, so that finding nothing means something")
def _():
    need_memory()
    with x2.workspace() as directory:
        ordered = Ordered()
        tap = prepared(directory, ordered.tasks).start().ready()
        found = hits(tap.process.pid, ordered.words())
        say({word: len(places) for word, places in found.items()})
        equal(len(found), len(ordered.words()), f"of {ordered.words()}, found {list(found)}")
        tap.stop()


def end_all(tap):
    tap.order([])
    reload(tap)


@case("once a task has ended nothing of its identity is in memory")
def _():
    wiped(Ordered(), end_all)


@case("nor is it when another one has come in its place, again and again")
def _():
    ordered = Ordered()

    def steps(tap):
        for _ in range(3):
            tap.order([*ordered.tasks, *x2.CONTROL_TASKS])
            reload(tap)
        tap.order(x2.CONTROL_TASKS)
        reload(tap)

    wiped(ordered, steps)


@case("nor of many, after one load at the start")
def _():
    wiped(Ordered(30000), end_all)


@case("nor of a file that was refused, though its faults were told, and of one that cannot be read as YAML")
def _():
    ordered = Ordered(2000)

    def steps(tap):
        for at in (0, 1000, 1999):
            bad = list(ordered.tasks)
            bad[at] = {**bad[at], "targetIdentifiers": [{"sipUri": f"sips:{ordered.letters}@["}, {"e164Number": ordered.digits + "x"}]}
            tap.order(bad)
            assert ordered.letters in tap.ask("reload")["error"], "the fault does not name the identity"
        text = tap.targets.read_text()
        for cut in (len(text) // 2, len(text) - 200):
            tap.targets.write_text(text[:cut] + f"\n  sip: [{ordered.letters}: {{\n")
            reload(tap, good=False)
        end_all(tap)

    wiped(ordered, steps)


@case("no line of the private key's file is in memory, at the start and after a reload")
def _():
    need_memory()
    with x2.workspace() as directory:
        tap = prepared(directory, []).start().ready()
        lines = (x2.certificates() / "ne.key").read_text().splitlines()
        words = [line.encode() for line in lines if len(line) >= 32 and "-" not in line]
        assert words, lines
        equal(hits(tap.process.pid, words), {}, "after the start")
        reload(tap)
        equal(hits(tap.process.pid, words), {}, "after a reload")
        tap.stop()


@case("nor what was reported of it, once it is confirmed: events, PDUs; traffic itself is not searched for")
def _():
    x2.need_root()
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        order = x2.task([{"sipUri": "sip:alice@example.com"}])
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        tap = x2.Tap(directory, [order], {x2.DID: mf}, 2, vdevs, ports, destination={"keepalive_interval": "500ms"})
        tap.start().ready()
        x2.wait_for("the IRI", lambda: len(mf.iri()) == 37)
        x2.wait_for("their confirmation", lambda: tap.ask("counters")["destinations"][0]["confirmed"] == 37)
        words = [b"<sipUri>sip:alice@", bytes.fromhex(order["xId"].replace("-", ""))]
        tap.order([])
        reload(tap)
        nothing_left(tap, words)
        tap.stop()
        mf.stop()


SIGNALLED = ("radius-lines", "dhcp-v4-line", "dhcp-v6-line", "gtpv1-contexts")
ORDERED = {"imsi": "999700000000001", "macAddress": "00:00:5e:00:53:11", "gpsiMsisdn": "493023125003"}
# Digits that the wire shows half an octet each, and addresses that it shows as octets: in letters they are x2tap's own. Of
# somebody who is ordered, and of others.
IN_LETTERS = (*ORDERED.values(), "999700000000002", "493023125001", "00101000000001", "00:00:5e:00:53:12")


@case("nor whom GTP-C, DHCP and RADIUS showed, target or not, while all of them keep their bindings")
def _():
    need_memory()
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        frames = [frame.octets for name in SIGNALLED for frame in pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")[0]]
        pcap.write(directory / "in.pcap", [pcap.Frame(i, i * 1000, octets) for i, octets in enumerate(frames, 1)])
        vdevs, ports, _ = x2.file_pair(directory, directory / "in.pcap")
        orders = [x2.task([{kind: text}]) for kind, text in ORDERED.items()]
        sources = [{"protocols": ["radius", "dhcp", "gtp"], "pair": x2.IPID}]
        tap = x2.Tap(
            directory, orders, {x2.DID: mf}, 2, vdevs, ports, destination={"keepalive_interval": "500ms"},
            bindings={"max_sessions": 1024, "sources": sources},
        )  # fmt: skip
        tap.start().ready()
        reported = lambda: tap.ask("counters")["matching_signals"]["reported"]  # noqa: E731
        x2.wait_for("the capture", lambda: tap.ask("status")["ports"][0]["received"] == len(frames))
        x2.wait_for("IRI of each", lambda: len({pdu["xid"] for pdu in mf.iri()}) == len(orders) and reported() > 10)
        x2.wait_for("their confirmation", lambda: (d := tap.ask("counters")["destinations"][0])["confirmed"] == d["offered"])
        for order in orders:
            equal(tap.ask(f"bindings {order['xId']}")["ok"], True, "bindings, which name addresses")
        found = hits(tap.process.pid, [text.encode() for text in IN_LETTERS])
        equal(set(found), set(ORDERED.values()), "who is in memory while he is ordered")
        tap.order([])
        reload(tap)
        nothing_left(tap, [*(text.encode() for text in IN_LETTERS), b"<imsi>", b"<macAddress>", b"<e164Number>", b"<nai>"])
        assert tap.ask("counters")["bindings"]["begun"] > 5, "no bindings were kept"
        tap.stop()
        mf.stop()


main()
