#!/usr/bin/python3
"""What RADIUS, DHCP and GTP-C say of addresses counts where and from whom it is configured to count, to the packet: forgeries
change nothing and are counted, and an address that changes hands is its next holder's from that packet on.

Who may be believed, and whose each SIP message is, is written down as the frames are made: nothing here works it out.
"""

import contextlib
import grp
import importlib.util
import json
import pwd
import time

import craft
import identities
import network_words as words
import pcap
import signals as s
import x2tap_test as x2
from tap import case, equal, main, say

VICTIM, FORGER = words.Person(17), words.Person(18)
ADDRESS, ADDRESS6 = "198.51.100.7", "2001:db8:a::7"
SIP_SERVER, SIP_SERVER6 = "203.0.113.20", "2001:db8:53::20"
OPERATOR = "nobody"
WORKERS = (1, 2, 4)

tunnels_spec = importlib.util.spec_from_file_location("wrap_tunnels", x2.ROOT / "tests/data/wrap-tunnels.py")
tunnels = importlib.util.module_from_spec(tunnels_spec)
tunnels_spec.loader.exec_module(tunnels)


class Link:
    """Frames of a link, a microsecond apart, and whose the SIP messages among them are."""

    def __init__(self):
        self.frames, self.owners, self.calls = [], {}, 0
        self.now_ns = time.time_ns() // 10**9 * 10**9 - 10**9  # x2ctl shows who has an address now

    def put(self, frame):
        self.now_ns += 1000
        self.frames.append(pcap.Frame(len(self.frames) + 1, self.now_ns, frame))

    def say(self, packets):
        for packet in packets:
            self.put(craft.ethernet(packet))

    def pass_time(self, seconds):
        self.now_ns += int(seconds * 10**9)

    def sip(self, address, owner):
        """A request from the address and one to it, of calls of their own."""
        server = SIP_SERVER6 if ":" in address else SIP_SERVER
        for source, destination in ((address, server), (server, address)):
            self.calls += 1
            octets = identities.sip("OPTIONS", "sip:bob@example.org", "sip:anybody@example.org", f"call-{self.calls}", 1)
            self.put(craft.ethernet(craft.udp(source, destination, 5060, 5060, octets)))
            self.owners[self.now_ns] = owner

    def answer(self, address, owner, call):
        """An answer to the address in a call, which may have begun when somebody else had it."""
        octets = (
            f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKcall-{call}1\r\n"
            f"From: <sip:anybody@example.org>;tag=1\r\nTo: <sip:bob@example.org>;tag={len(self.frames)}\r\n"
            f"Call-ID: call-{call}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        server = SIP_SERVER6 if ":" in address else SIP_SERVER
        self.put(craft.ethernet(craft.udp(server, address, 5060, 5060, octets)))
        self.owners[self.now_ns] = owner

    def of(self, person):
        return sorted(when for when, owner in self.owners.items() if owner is person)


# --- who is believed ----------------------------------------------------------------------------------------------------

SPEAKERS = {
    "RADIUS": lambda: words.Radius("192.0.2.1", "192.0.2.2"),
    "DHCPv4": lambda: words.Dhcpv4("192.0.2.5", "192.0.2.4"),
    "DHCPv6": lambda: words.Dhcpv6("2001:db8::5", "2001:db8::4"),
    "GTPv1": lambda: words.Gtpv1("192.0.2.6", "192.0.2.7"),
    "GTPv2": lambda: words.Gtpv2("192.0.2.8", "192.0.2.9"),
}
OTHERS = {  # configured as well, for subscribers of their own
    "RADIUS": ("192.0.2.3", "192.0.2.2"),
    "DHCPv4": ("192.0.2.5", "192.0.2.14"),
    "DHCPv6": ("2001:db8::5", "2001:db8::14"),
    "GTPv1": ("192.0.2.16", "192.0.2.17"),
    "GTPv2": ("192.0.2.16", "192.0.2.17"),
}
STRANGERS = {4: "192.0.2.99", 6: "2001:db8::99"}
PLACE = {"pair": x2.IPID, "vlan": 0}
SOURCES = [
    {"protocols": ["radius"], **PLACE, "servers": ["192.0.2.2"], "clients": ["192.0.2.1"]},
    {"protocols": ["radius"], **PLACE, "servers": ["192.0.2.2"], "clients": ["192.0.2.3"]},
    {"protocols": ["dhcp"], **PLACE, "servers": ["192.0.2.4", "2001:db8::4"], "clients": ["192.0.2.5", "2001:db8::5"]},
    {"protocols": ["dhcp"], **PLACE, "servers": ["192.0.2.14", "2001:db8::14"], "clients": ["192.0.2.5", "2001:db8::5"]},
    {"protocols": ["gtp"], **PLACE, "clients": ["192.0.2.6", "192.0.2.7"]},
    {"protocols": ["gtp"], **PLACE, "clients": ["192.0.2.8", "192.0.2.9"]},
    {"protocols": ["gtp"], **PLACE, "clients": ["192.0.2.16", "192.0.2.17"]},
]
REFUSALS = ("in_tunnel", "no_source", "foreign_authority", "foreign_session", "unknown_session", "no_name", "no_room")


def address_for(protocol):
    return ADDRESS6 if protocol == "DHCPv6" else ADDRESS


def tunnels_for(protocol):
    """Tunnels of users that hold packets of the protocol's addresses."""
    for_ipv4 = {"mpls_ip", "mpls_pseudowire", "six_in_four"}  # MPLS is the network's own
    for_ipv6 = for_ipv4 | {"gre_key", "pptp", "l2tp", "pppoe", "ipip", "four_in_six", "fragments_in_gtpu"}
    left_out = for_ipv6 - {"six_in_four"} if protocol == "DHCPv6" else for_ipv4
    return [tunnel for tunnel in tunnels.TUNNELS if tunnel.__name__ not in left_out]


# --- x2tap --------------------------------------------------------------------------------------------------------------


class Run:
    """What x2tap makes of frames on the configured pair, and on another one: counters, as the LI side and the operator see
    them, and SIP of the tasks."""

    def __init__(self, workers, link, people, signals, elsewhere=((), ())):
        """`signals`: how many messages that bear on bindings are among the frames."""
        orders = [x2.task([identifier]) for identifier in people]
        with x2.workspace() as directory:
            directory.chmod(0o755)
            mf = x2.Mf(directory)
            vdevs, ports, sent = self.pairs(directory, [link.frames, (), *elsewhere])
            group = grp.getgrgid(pwd.getpwnam(OPERATOR).pw_gid).gr_name
            tap = x2.Tap(
                directory, orders + x2.CONTROL_TASKS, {x2.DID: mf}, workers, vdevs, ports,
                bindings={"max_sessions": 1024, "sources": SOURCES},
                control={"socket": directory / "tap.sock", "operator_group": group},
            )  # fmt: skip
            tap.start().ready()
            x2.wait_for("all frames to come", lambda: self.received(tap) >= sent)
            # What a worker hands to the one that keeps bindings is under way for a moment.
            with contextlib.suppress(AssertionError):
                x2.wait_for("all signals", lambda: tap.ask("counters")["bindings"]["signals"] >= signals, 10)
            self.counters = tap.ask("counters")["bindings"]
            self.seen_by_operator = json.loads(x2.ask_as(OPERATOR, tap.socket, "counters"))["bindings"]
            self.refused_to_operator = json.loads(x2.ask_as(OPERATOR, tap.socket, f"bindings {orders[0]['xId']}"))
            self.shown = [tap.ask(f"bindings {order['xId']}") for order in orders]
            tap.check_laws()
            tap.stop()
            equal(mf.stop(), 0, f"x2mf, which looks at every octet: {x2.said(mf.process)}")
            self.sip = [
                sorted(pdu["time_ns"] for pdu in mf.iri() if pdu["xid"] == order["xId"] and pdu["format"] == 9)
                for order in orders
            ]

    @staticmethod
    def pairs(directory, sides):
        vdevs, names = [], []
        for number, frames in enumerate(sides):
            pcap.write(directory / f"in{number}.pcap", frames)
            names.append(f"net_pcap{number}")
            vdevs.append(f"{names[-1]},rx_pcap={directory}/in{number}.pcap,tx_pcap={directory}/out{number}.pcap")
        ports = [
            {"pair": names[:2], "ipid": x2.IPID, "pace": "lossless"},
            {"pair": names[2:], "ipid": "link-2", "pace": "lossless"},
        ]
        return vdevs, ports, sum(map(len, sides))

    @staticmethod
    def received(tap):
        return sum(port["received"] for port in tap.ask("status")["ports"])

    def check_sip(self, link, people):
        for person, found in zip(people, self.sip):
            wanted = link.of(person)
            early = [when for when in found if when not in wanted]
            late = [when for when in wanted if when not in found]
            if early or late:
                frames = {frame.time_ns: frame.number for frame in link.frames}
                raise AssertionError(
                    f"{person.user}: reported, but not his: frames {[frames[when] for when in early][:9]}; "
                    f"his, but not reported: {[frames[when] for when in late][:9]}"
                )

    def check_refusals(self, **wanted):
        found = {name: self.counters[f"refused_{name}"] for name in REFUSALS if self.counters[f"refused_{name}"]}
        equal(found, {name: count for name, count in wanted.items() if count}, "refused")


def named(protocol, *people):
    key = SPEAKERS[protocol]().protocol
    return [person.identifier(key) for person in people]


# --- forgeries ----------------------------------------------------------------------------------------------------------


for protocol in SPEAKERS:

    @case(f"{protocol}: where and from whom it is configured, each of these messages is believed")
    def _(protocol=protocol):
        link, speaker = Link(), SPEAKERS[protocol]()
        number, sent = len(speaker.attacks(VICTIM, FORGER, address_for(protocol))), 0
        victims, forgers = [words.Person(20 + i) for i in range(number)], [words.Person(60 + i) for i in range(number)]
        for i in range(number):
            address = address_for(protocol)[:-1] + str(10 + i)
            begun = speaker.begin(victims[i], address)
            link.say(begun)
            link.sip(address, victims[i])
            packets, owner = speaker.attacks(victims[i], forgers[i], address)[i]
            link.say(packets)
            link.sip(address, owner)
            sent += sum(map(speaker.bears, begun + packets))
            if isinstance(speaker, words.Gtp):
                speaker.restarts += 2
        people = victims + forgers
        run = Run(2, link, named(protocol, *people), sent)
        run.check_sip(link, people)
        run.check_refusals()
        equal((run.counters["signals"], run.counters["applied"]), (sent, sent), "signals, and those that were believed")

    for workers in WORKERS:

        @case(f"{protocol}, {workers} workers: forged from elsewhere, inside of tunnels and under others' names, nothing changes")
        def _(protocol=protocol, workers=workers):
            link, speaker, address = Link(), SPEAKERS[protocol](), address_for(protocol)
            client, server, stranger = speaker.client, speaker.server, STRANGERS[6 if ":" in speaker.client else 4]
            refused = dict.fromkeys(REFUSALS, 0)

            def attack_from(voice, reason, frame_of):
                for packets, _ in voice.attacks(VICTIM, FORGER, address):
                    for packet in packets:
                        made = frame_of(packet)
                        for frame in made if isinstance(made, list) else [made]:
                            link.put(frame)
                        refused[reason] += speaker.bears(packet)
                    link.sip(address, VICTIM)

            begun = speaker.begin(VICTIM, address)
            link.say(begun)
            link.sip(address, VICTIM)
            for ends in ((stranger, server), (client, stranger), (stranger, stranger)):
                attack_from(speaker.at(*ends), "foreign_authority", craft.ethernet)
            for vlan in (1, 100, 4094):
                attack_from(speaker, "no_source", lambda packet, vlan=vlan: craft.vlan(craft.ethernet(packet), vlan))
            for number, tunnel in enumerate(tunnels_for(protocol)):
                attack_from(speaker, "in_tunnel", lambda packet, n=number, tunnel=tunnel: tunnel(packet, n, True))
            other = speaker.at(*OTHERS[protocol])
            for packets in other.intrusions(VICTIM, FORGER, address, speaker):
                link.say(packets)
                refused["foreign_session"] += len(packets)
                link.sip(address, VICTIM)
            # On the other pair from either side, at whatever time: each worker meets some.
            elsewhere = Link(), Link()
            for side in elsewhere:
                for _ in range(20):
                    for packets, _ in speaker.attacks(VICTIM, FORGER, address):
                        side.say(packets)
                        refused["no_source"] += sum(map(speaker.bears, packets))
            last = speaker.renew(VICTIM, address)
            link.say(last)
            link.sip(address, VICTIM)

            believed = sum(map(speaker.bears, begun + last))
            signals = believed + sum(refused.values())
            run = Run(workers, link, named(protocol, VICTIM, FORGER), signals, [side.frames for side in elsewhere])
            run.check_sip(link, [VICTIM, FORGER])
            run.check_refusals(**refused)
            equal((run.counters["signals"], run.counters["applied"]), (signals, believed), "signals, and those that were believed")
            equal(run.counters["sessions"], 1, "sessions")
            held = [[row["address"].split("/")[0] for row in shown["bindings"]] for shown in run.shown]
            equal(held, [[address], []], "what x2ctl bindings shows of victim and forger")
            equal(run.seen_by_operator, run.counters, "what the operator sees of bindings")
            equal(run.refused_to_operator["ok"], False, "the operator asks for bindings")
            say(f"{len(link.frames)} frames, refused: {json.dumps({k: v for k, v in refused.items() if v})}")


# --- somebody else's hardware address -----------------------------------------------------------------------------------


@case("DHCPv4: who asks from the line in the name of somebody else's hardware address adds no identity to what that one is given")
def _():
    link, speaker, mac = Link(), SPEAKERS["DHCPv4"](), VICTIM.mac

    def on_the_line(source, *payloads):
        return [craft.udp(source, "255.255.255.255", 68, 67, payload) for payload in payloads]

    def forged(client):
        return on_the_line("0.0.0.0", s.dhcp(s.REQUEST, speaker.count, mac, s.client_id(FORGER.mac), client=client))

    believed = 0
    for _ in range(2):  # when the victim has nothing yet, and when it asks again
        asked = speaker.ask(VICTIM, ADDRESS)
        packets = [*forged(s.ANYWHERE), *asked, *forged(s.ANYWHERE), *forged(ADDRESS), *speaker.give(VICTIM, ADDRESS)]
        link.say(packets)
        link.sip(ADDRESS, VICTIM)
        believed += len(packets)
    # Given back in the victim's name: to all, and by somebody who has another address.
    for source in ("0.0.0.0", "198.51.100.8"):
        declined, released = s.decline(77, mac, ADDRESS, speaker.server), s.release(78, mac, ADDRESS, speaker.server)
        link.say(on_the_line(source, declined, released))
        link.sip(ADDRESS, VICTIM)
    run = Run(2, link, named("DHCPv4", VICTIM, FORGER), believed + 2)
    run.check_sip(link, [VICTIM, FORGER])
    # A RELEASE that does not come from the address itself says nothing of bindings.
    run.check_refusals(foreign_authority=2)
    equal([len(shown["bindings"]) for shown in run.shown], [1, 0], "what x2ctl bindings shows of victim and forger")


# --- the address changes hands ----------------------------------------------------------------------------------------------


class Turns:
    """Two people have one address in turn: SIP before, between and after each message, and answers in calls that began when
    the other one had it."""

    def __init__(self, protocol, number, link):
        self.link, self.speaker, self.sent, self.owner = link, SPEAKERS[protocol](), 0, None
        self.address = address_for(protocol)[:-1] + str(10 + number)
        self.people = [words.Person(20 + 2 * number), words.Person(21 + 2 * number)]
        self.identifiers = named(protocol, *self.people)

    def say(self, packets, owner):
        """Says it packet by packet; what comes before the last one does not change who has the address."""
        for packet in packets[:-1]:
            self.one(packet)
        self.owner = owner
        self.one(packets[-1])

    def one(self, packet):
        self.link.say([packet])
        self.sent += self.speaker.bears(packet)
        self.look()

    def look(self):
        call = self.link.calls
        self.link.sip(self.address, self.owner)
        if call:
            self.link.answer(self.address, self.owner, call)  # begun before what was said last

    def begin(self, person):
        self.say(self.speaker.begin(person, self.address), person)

    def renew(self, person):
        self.say(self.speaker.renew(person, self.address), person)

    def end(self, person):
        self.say(self.speaker.end(person, self.address), None)


ROUNDS = 6


def by_end_and_begin(turns):
    """Stop and Start, RELEASE and ACK, delete and create."""
    for person in turns.people * ROUNDS:
        turns.begin(person)
        turns.renew(person)
        turns.end(person)


def by_begin_alone(turns):
    """Whatever ended the last one was not heard."""
    for person in turns.people * ROUNDS:
        turns.begin(person)
        turns.renew(person)


def by_expiry(turns):
    """Neither is released: the time of one is over, and then the next one gets it."""
    turns.speaker.lease_s = 2
    for person in turns.people * ROUNDS:
        turns.begin(person)
        turns.link.pass_time(1.9)
        turns.look()
        turns.renew(person)
        turns.link.pass_time(1.9)  # of the second lease
        turns.look()
        turns.link.pass_time(0.2)
        turns.owner = None
        turns.look()


def by_restart(turns):
    """The NAS or peer has lost all that it had."""
    for person in turns.people * ROUNDS:
        turns.begin(person)
        turns.say(turns.speaker.restart(), None)
        if isinstance(turns.speaker, words.Gtp):
            turns.speaker.restarts += 1


WAYS = {
    by_end_and_begin: ("an end and a beginning", SPEAKERS),
    by_begin_alone: ("a beginning without an end", SPEAKERS),
    by_expiry: ("the end of a lease's time", ("DHCPv4", "DHCPv6")),
    by_restart: ("a restart", ("RADIUS", "GTPv1", "GTPv2")),
}

for change, (name, protocols) in WAYS.items():
    for workers in WORKERS:

        @case(f"{workers} workers: addresses change hands by {name} ({', '.join(protocols)}): no packet too early or too late")
        def _(change=change, protocols=protocols, workers=workers):
            link = Link()
            link.pass_time(-120)
            scenes = [Turns(protocol, number, link) for number, protocol in enumerate(protocols)]
            for turns in scenes:
                change(turns)
            people = [person for turns in scenes for person in turns.people]
            sent = sum(turns.sent for turns in scenes)
            run = Run(workers, link, [identifier for turns in scenes for identifier in turns.identifiers], sent)
            run.check_sip(link, people)
            run.check_refusals()
            equal((run.counters["signals"], run.counters["applied"]), (sent, sent), "signals, and those that were believed")
            has_it = [bool(shown["bindings"]) for shown in run.shown]
            equal(has_it, [turns.owner is person for turns in scenes for person in turns.people], "who has it, by x2ctl bindings")
            say(f"{len(link.frames)} frames, {len(link.owners)} SIP messages")


main()
