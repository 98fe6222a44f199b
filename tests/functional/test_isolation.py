#!/usr/bin/python3
"""A PDU is where its task sends it and nowhere else: random tasks, lists and sets that change while traffic flows and an MF is
away, and a checker at every MF. And LI connections leave where they are to leave, never through what is tapped."""

import json
import os
import random
import re
import socket
import subprocess
import time

import identities
import pcap
import x2tap_test as x2
from tap import case, equal, main, say
from wire import wire

SEEDS = [int(seed) for seed in os.environ.get("X2TAP_SEED", "1 2").split()]
RATE = 60 if x2.SANITIZED else 120  # messages a second
GAP_S = 1.6  # between reloads
BURST = 32  # frames
GENERATIONS = 10
DOWN, UP = 3, 6  # an MF is killed when this generation is in force, and comes back in that one
USERS = [f"sip:user{i}@example.com" for i in range(12)]
DESTINATION = {"keepalive_interval": "200ms", "keepalive_timeout": "3s"}


class Orders:
    """One target file: what each task lists, and what the sets are."""

    def __init__(self, mfs, lists, sets):
        self.mfs, self.lists, self.sets = mfs, lists, sets  # {xid: [name]}, {name: (type, [MF])}

    def direct(self, xid):
        """MFs that get every PDU of a task."""
        found = set()
        for name in self.lists.get(xid, ()):
            if name in self.mfs:
                found.add(name)
            elif self.sets[name][0] == "Duplicate":
                found |= set(self.sets[name][1])
        return found

    def redundant(self, xid):
        return [name for name in self.lists.get(xid, ()) if name in self.sets and self.sets[name][0] == "Redundant"]

    def all(self, xid):
        return self.direct(xid).union(*(self.sets[name][1] for name in self.redundant(xid)))


class Play:
    """One seed, from start to end."""

    def __init__(self, w, directory, seed):
        self.rng = random.Random(seed)
        self.wire, self.directory = w, directory
        self.mfs = [f"mf{i}" for i in range(4 + seed % 3)]
        self.ids = {name: x2.xid(seed, name) for name in (*self.mfs, "r1", "r2", "d1")}
        self.tasks = {x2.xid(seed, "task", i): self.rng.choice(USERS) for i in range(self.rng.randint(24, 36))}
        self.files = {name: [] for name in self.mfs}  # x2mf's, one after another; with the generation that then was in force
        self.generations = []  # Orders
        self.before, self.after = [], []  # messages that were surely taken before each reload, and at its end
        self.snapshots = []  # lines in each MF's file a while after each reload
        count = int(RATE * GAP_S * GENERATIONS * 1.3) // 3
        calls = [(self.rng.choice(USERS), self.rng.choice(USERS)) for _ in range(count)]
        self.messages = [pair for pair in calls for _ in range(3)]  # from, to
        frames = [self.frame(i, *pair) for i, pair in enumerate(self.messages)]
        pcap.write(directory / "in.pcap", [pcap.Frame(i, 0, octets) for i, octets in enumerate(frames, 1)])

    def frame(self, number, sender, to):
        request = identities.sip("OPTIONS", to, sender, f"call-{number // 3}@192.0.2.10", number, extra=f"X-Number: {number}\r\n")
        return identities.frame("192.0.2.10", "192.0.2.20", request)

    def random_list(self):
        names = self.rng.sample([*self.mfs, "r1", "r2", "d1"], self.rng.randint(1, 4))
        return sorted(names)

    def random_set(self):
        return self.rng.sample(self.mfs, self.rng.randint(2, 3))

    def next_orders(self):
        if not self.generations:
            lists = {xid: self.random_list() for xid in self.tasks}
            sets = {"r1": ("Redundant", self.random_set()), "r2": ("Redundant", self.random_set()), "d1": ("Duplicate", self.random_set())}
            return Orders(self.mfs, lists, sets)
        last = self.generations[-1]
        lists, sets = dict(last.lists), dict(last.sets)
        for xid in self.tasks:
            dice = self.rng.random()
            if dice < 0.1:
                lists.pop(xid, None)
            elif dice < 0.4 or (xid not in lists and dice < 0.7):
                lists[xid] = self.random_list()
        for name in sets:
            if self.rng.random() < 0.3:
                sets[name] = (sets[name][0], self.random_set())
        return Orders(self.mfs, lists, sets)

    def start_mf(self, name):
        first = self.files[name][0][0] if self.files[name] else None
        mf = x2.Mf(
            self.directory, name=f"{name}-{len(self.files[name])}", port=first.port if first else None,
            inside=self.wire.inside(self.wire.tap),
        )  # fmt: skip
        self.files[name].append((mf, len(self.generations)))

    def write(self, orders):
        tasks = [
            x2.task([{"sipUri": self.tasks[xid]}], destinations=[
                {"dSId": self.ids[name]} if name in orders.sets else self.ids[name] for name in names
            ], name=xid) | {"xId": xid}
            for xid, names in orders.lists.items()
        ]  # fmt: skip
        sets = [x2.destination_set(self.ids[name], kind, *(self.ids[mf] for mf in members)) for name, (kind, members) in orders.sets.items()]
        self.tap.order(tasks, sets)

    def taken(self):
        return self.tap.ask("counters")["sip"]["messages"]

    def reload(self):
        """Another target file comes into force."""
        orders = self.next_orders()
        self.write(orders)
        before = self.taken() - BURST  # what was counted in earlier bursts is in the ring by now
        self.tap.ask("check")  # which takes what is in the rings
        equal(self.tap.ask("reload")["ok"], True, "reload")
        self.generations.append(orders)
        self.before.append(before)
        self.after.append(self.taken() + 1 + BURST)  # a burst that was under way is still under the old orders

    def state(self, mf):
        return next(d["state"] for d in self.tap.ask("status")["destinations"] if d["did"] == self.ids[mf])

    def answered(self):
        up = (d for d in self.tap.ask("counters")["destinations"] if d["state"] == "up")
        return {d["did"]: d["keepalives_answered"] for d in up}

    def snapshot(self):
        """What every MF has got after a reload. What was written before it is there: a keepalive that was sent later is answered."""
        first = self.answered()
        # One may have been on its way.
        behind = lambda: [did for did, count in self.answered().items() if did in first and count < first[did] + 2]  # noqa: E731
        x2.wait_for("answers to keepalives", lambda: not behind())
        self.snapshots.append({name: [len(mf.lines()) for mf, _ in files] for name, files in self.files.items()})

    def go(self):
        for name in self.mfs:
            self.start_mf(name)
        self.tap = x2.Tap(
            self.directory, [], {self.ids[name]: self.files[name][0][0] for name in self.mfs}, 1,
            self.wire.vdevs(frames=4096), self.wire.ports(frames=4096), inside=self.wire.inside(self.wire.tap),
            destination=DESTINATION, sets={"failover_after": "400ms", "return_after": "1s"},
        )  # fmt: skip
        first = self.next_orders()
        self.write(first)
        self.generations.append(first)
        self.before.append(0)
        self.after.append(0)
        self.tap.start().ready()
        x2.wait_for("the connections", lambda: all(d["state"] == "up" for d in self.tap.ask("status")["destinations"]))
        self.snapshot()
        victim = self.rng.choice(self.mfs)
        sender = self.wire.replay(self.directory, self.directory / "in.pcap", RATE)
        for generation in range(1, GENERATIONS):
            began = time.monotonic()
            x2.wait_for("time to pass", lambda: time.monotonic() > began + GAP_S - 0.6)
            if generation == DOWN:
                self.files[victim][-1][0].process.kill()
                self.written_before = self.taken() + BURST
            if generation == UP:
                self.start_mf(victim)
                x2.wait_for("its connection", lambda: self.state(victim) == "up")
            self.reload()
            self.snapshot()
        equal(x2.finish(sender), 0, f"sender: {x2.said(sender)}")
        x2.wait_for("all messages", lambda: self.taken() == len(self.messages))
        keys = ("queued", "unconfirmed", "spooled")
        x2.wait_for("delivery", lambda: not any(d[key] for d in self.tap.ask("counters")["destinations"] for key in keys))
        self.tap.check_laws()
        counters = self.tap.ask("counters")
        for destination in counters["destinations"]:
            equal({key: destination[key] for key in destination if key.startswith("lost")}, {key: 0 for key in destination if key.startswith("lost")}, "lost")
        self.dead = victim
        self.failovers = sum(d["failovers"] for d in counters["destinations"])
        self.expired = sum(d["expired"] for d in counters["destinations"])
        self.tap.stop()
        self.got = {name: [self.read(mf) for mf, _ in files] for name, files in self.files.items()}
        for files in self.files.values():
            x2.stop(files[-1][0].process)
        return self

    def read(self, mf):
        found = []
        for pdu in mf.iri():
            pdu["number"] = int(re.search(rb"X-Number: (\d+)\r\n", pdu["octets"])[1])
            found.append(pdu)
        return found

    def of(self, number):
        """The generations under which a message may have been taken: one, or two around a reload."""
        last = len(self.generations) - 1
        return [g for g in range(last + 1) if self.before[g] <= number and (g == last or number < self.after[g + 1])]

    def may(self, mf, pdu):
        """Whether the MF may have this PDU at all: its task named it when the message was taken, or as a member that its set got
        later."""
        for g in self.of(pdu["number"]):
            orders = self.generations[g]
            if mf in orders.direct(pdu["xid"]):
                return True
            for name in orders.redundant(pdu["xid"]):
                for later in self.generations[g:]:
                    if name not in later.redundant(pdu["xid"]):
                        break
                    if mf in later.sets[name][1]:
                        return True
        return False

    def horizon(self, g):
        """The generation by which what was taken in `g` has arrived."""
        return min(len(self.generations) - 1, UP + 1 if DOWN - 1 <= g <= UP else g + 1)


plays = {}


def each_play():
    for seed in SEEDS:
        if seed not in plays:
            with wire() as w, x2.workspace() as directory:
                play = Play(w, directory, seed)
                try:
                    plays[seed] = play.go()
                except BaseException:
                    say(f"seed {seed}: {play.tap.said()[-3000:] if getattr(play, 'tap', None) and play.tap.process else ''}")
                    raise
            pdus = sum(len(part) for parts in play.got.values() for part in parts)
            say(
                f"seed {seed}: {len(play.mfs)} MFs, {len(play.tasks)} tasks, {len(play.messages)} messages, {len(play.generations)} target "
                f"files, {pdus} PDUs arrived, {play.expired} expired, {play.failovers} failovers, {play.dead} was away"
            )
            assert pdus > len(play.messages), "hardly anything arrived"
        yield seed, plays[seed]


def misplaced(play):
    """PDUs at MFs that may not have them."""
    for mf, parts in play.got.items():
        for pdu in (pdu for part in parts for pdu in part):
            if not play.may(mf, pdu):
                under = [play.generations[g] for g in play.of(pdu["number"])]
                yield (
                    f"{mf} has message {pdu['number']} of task {pdu['xid']}, of generations {play.of(pdu['number'])}: "
                    f"{[(orders.lists.get(pdu['xid'], []), orders.sets) for orders in under]}"
                )


@case("no PDU is at an MF that its task did not name when its message was taken")
def _():
    for seed, play in each_play():
        found = next(misplaced(play), None)
        assert not found, f"seed {seed}: {found}"


@case("what is no longer ordered is not written after the reload, nor to an MF that comes back, but for repeats")
def _():
    for seed, play in each_play():
        checked = 0
        for mf, parts in play.got.items():
            for which, part in enumerate(parts):
                came_in = play.files[mf][which][1]  # how many generations there were when it came up
                for place, pdu in enumerate(part):
                    # The first snapshot that has it: it was written while that generation, or one before, was in force.
                    arrived = next(
                        (g for g, snapshot in enumerate(play.snapshots) if which < len(snapshot[mf]) and place < snapshot[mf][which]),
                        len(play.generations) - 1,
                    )
                    if which > 0 and pdu["number"] < play.written_before:
                        continue  # a repeat: it had been written when the order stood, and was not confirmed
                    taken = play.of(pdu["number"])
                    # What was taken around a reload may have been written just before it, and be read by its MF long after.
                    earliest = max(came_in - 1, taken[0], arrived - 1 if len(taken) == 1 else 0, 0)
                    checked += 1
                    assert any(mf in play.generations[g].all(pdu["xid"]) for g in range(earliest, arrived + 1)), (
                        f"seed {seed}: {mf} (file {which}) got message {pdu['number']} of task {pdu['xid']} while generations {earliest} to "
                        f"{arrived} were in force, none of which names it: it is of {play.of(pdu['number'])}; lists "
                        f"{[(sorted(o.lists.get(pdu['xid'], [])), o.sets) for o in play.generations]}, place {place} of {[s[mf] for s in play.snapshots]}"
                    )
        say(f"seed {seed}: {checked} PDUs")


def wanted(play):
    """(message, task, MFs one of which must have it): of messages that did not come around a reload, where the list stays long
    enough for them to arrive."""
    for number, pair in enumerate(play.messages):
        under = play.of(number)
        if len(under) != 1:
            continue
        g = under[0]
        orders, until = play.generations[g], range(g, play.horizon(g) + 1)
        for xid in orders.lists:
            if play.tasks[xid] not in pair:
                continue
            for mf in orders.direct(xid):
                if all(mf in play.generations[h].direct(xid) for h in until):
                    yield number, xid, {mf}
            for name in orders.redundant(xid):
                if all(name in play.generations[h].redundant(xid) for h in until):
                    yield number, xid, {mf for h in until for mf in play.generations[h].sets[name][1]}


def missing(play):
    at = {mf: {(pdu["xid"], pdu["number"]) for part in parts for pdu in part} for mf, parts in play.got.items()}
    for number, xid, mfs in wanted(play):
        if not any((xid, number) in at[mf] for mf in mfs):
            yield f"message {number} of task {xid} is at none of {sorted(mfs)}, generation {play.of(number)}"


@case("every message of a task is at each MF that the task names, and at one member at least of each of its Redundant sets")
def _():
    for seed, play in each_play():
        found = next(missing(play), None)
        assert not found, f"seed {seed}: {found}; before {play.before}, after {play.after}"
        checked = sum(1 for _ in wanted(play))
        around = sum(len(play.of(number)) != 1 for number in range(len(play.messages)))
        say(f"seed {seed}: {checked} checked, {around} of {len(play.messages)} messages came around a reload")
        assert checked > len(play.messages) and around < len(play.messages) / 2, "hardly anything was checked"


@case("no PDU is of a message that shows none of its task's identities")
def _():
    for seed, play in each_play():
        for mf, parts in play.got.items():
            for pdu in (pdu for part in parts for pdu in part):
                assert play.tasks[pdu["xid"]] in play.messages[pdu["number"]], f"seed {seed}: message {pdu['number']} at {mf}"


@case("the checkers find a PDU that was put elsewhere, and one that was taken away")
def _():
    _, play = next(each_play())
    kept = play.got
    pdu, mf = next(
        (pdu, mf) for parts in kept.values() for part in parts for pdu in part for mf in play.mfs if not play.may(mf, pdu)
    )
    play.got = {**kept, mf: [*kept[mf], [pdu]]}
    equal(len(list(misplaced(play))), 1, "PDUs that are where they may not be")
    number, xid, mfs = next(wanted(play))
    play.got = {
        mf: [[pdu for pdu in part if mf not in mfs or (pdu["xid"], pdu["number"]) != (xid, number)] for part in parts]
        for mf, parts in kept.items()
    }
    assert list(missing(play)), "a PDU that is nowhere is not missed"
    play.got = kept


@case("a PDU is the same, octet for octet, wherever it is")
def _():
    told = ("order", "peer", "expected", "missing", "octets", "time_ns", "number")  # x2mf's own, and ours
    for seed, play in each_play():
        first, copies = {}, 0
        for mf, parts in play.got.items():
            for pdu in (pdu for part in parts for pdu in part):
                key = pdu["xid"], pdu["correlation"], pdu["seq"]
                content = json.dumps({name: value for name, value in pdu.items() if name not in told}, sort_keys=True)
                other = first.setdefault(key, (mf, content))
                copies += other[0] != mf
                equal(content, other[1], f"seed {seed}: {key} at {mf} and {other[0]}")
        say(f"seed {seed}: {len(first)} PDUs, {copies} copies")
        assert copies, "no PDU went to two MFs"


# --- where connections leave -------------------------------------------------------------------------------------------------

SNIFF = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
    s.bind((sys.argv[1], 0))
    print("ready", flush=True)
    while True:
        print(s.recv(65536).hex(), flush=True)
"""


class Sniffer:
    def __init__(self, w, namespace, device, directory):
        self.process = x2.start([*w.inside(namespace), "/usr/bin/python3", "-c", SNIFF, device], directory / f"{device}.sniffed")
        x2.wait_for("the sniffer", lambda: "ready" in x2.said(self.process))

    def of(self, address):
        """Frames from an IPv4 address: packets, and ARP requests. An answer to somebody's is not ours but the kernel's."""
        packed = socket.inet_aton(address)
        frames = (bytes.fromhex(line) for line in x2.said(self.process).rpartition("\n")[0].splitlines()[1:])
        return [
            frame.hex() for frame in frames
            if frame[12:14] == b"\x08\0" and frame[26:30] == packed
            or frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[28:32] == packed
        ]  # fmt: skip


ALICE = x2.task([{"sipUri": "sip:alice@example.com"}])
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"


def one_message(directory):
    request = identities.sip("OPTIONS", "sip:alice@example.com", "sip:bob@example.com", "one-call", 1)
    pcap.write(directory / "one.pcap", [pcap.Frame(1, 0, identities.frame("192.0.2.10", "192.0.2.20", request))])
    return directory / "one.pcap"


def fault_of(tap):
    return next((d["fault"] for d in tap.ask("status")["destinations"] if d["fault"]), "")


@case("an MF that would be reached through a tapped link is not connected to: a fault, and no frame of ours on that link")
def _():
    with wire() as w, x2.workspace() as directory:
        # The kernel's way to the MF is the tapped link, and it would work.
        w.run(w.tap, "ip", "addr", "add", "192.0.2.99/24", "dev", "b")
        mf = x2.Mf(directory, address="192.0.2.20", inside=w.inside(w.callee))
        w.run(w.tap, "/usr/bin/python3", "-c", CONNECT, "192.0.2.20", str(mf.port))
        x2.wait_for("its end", lambda: not peers(mf, states=("01", "08")))
        sniffer = Sniffer(w, w.callee, "wire", directory)
        for number, extra in enumerate(({}, {"source_address": "192.0.2.99"}, {"interface": "b"})):
            tap = x2.Tap(
                directory, [ALICE], {x2.DID: ("192.0.2.20", mf.port)}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap),
                name=f"tap{number}", destination={"keepalive_interval": "500ms", "keepalive_timeout": "2s", **extra}, shutdown_timeout="100ms",
            )  # fmt: skip
            tap.start().ready()
            x2.wait_for("the fault", lambda: fault_of(tap))  # noqa: B023
            sender = w.replay(directory, one_message(directory), 100)
            equal(x2.finish(sender), 0, "sender")
            tries = lambda: tap.ask("counters")["destinations"][0]["connect_failures"]  # noqa: B023, E731
            x2.wait_for("three attempts", lambda: tries() >= 3)
            say(fault_of(tap))
            assert "traffic" in fault_of(tap) or "tapped" in fault_of(tap), fault_of(tap)
            faults = [fault["name"] for fault in tap.ask("faults")["faults"]]
            assert "mf unreachable" in faults, faults
            equal(sniffer.of("192.0.2.99"), [], f"frames of ours on the tapped link, with {extra}")
            x2.wait_for("the message to be sent on", lambda: sniffer.of("192.0.2.10"))
            tap.stop(code=3)
        equal(mf.iri(), [], "PDUs that arrived")
        x2.stop(mf.process)


def li_link(w, name, tap_addresses, mf_address):
    """A link for LI beside the tapped one, from the tap to where the MF is."""
    w.run(w.tap, "ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-mf", "netns", w.callee)
    for namespace, device, addresses in ((w.tap, name, tap_addresses), (w.callee, f"{name}-mf", [mf_address])):
        for address in addresses:
            w.run(namespace, "ip", "addr", "add", f"{address}/24", "dev", device)
        w.run(namespace, "ip", "link", "set", "dev", device, "up")


def peers(mf, states=("01",)):
    """(address, port) of who is connected to an MF: sockets in some states, ESTABLISHED alone."""
    found = set()
    for line in open(f"/proc/{mf.process.pid}/net/tcp"):
        words = line.split()
        if words[3] in states and int(words[1].split(":")[1], 16) == mf.port:
            address, port = words[2].split(":")
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    return found


@case("connections come from the configured address, interface and ports, whatever the routing table prefers")
def _():
    with wire() as w, x2.workspace() as directory:
        li_link(w, "li0", ["198.51.100.1", "198.51.100.2"], "198.51.100.20")
        li_link(w, "li1", ["203.0.113.1"], "203.0.113.20")
        # The kernel would rather take the other link: to the MF's address there is a narrower route.
        w.run(w.tap, "ip", "route", "add", "198.51.100.20/32", "via", "203.0.113.20", "dev", "li1")
        mf = x2.Mf(directory, address="198.51.100.20", inside=w.inside(w.callee))
        other = Sniffer(w, w.callee, "li1-mf", directory)
        w.run(w.tap, "/usr/bin/python3", "-c", CONNECT, "198.51.100.20", str(mf.port))
        x2.wait_for("the kernel's choice", lambda: other.of("203.0.113.1"))
        x2.wait_for("its end", lambda: not peers(mf, states=("01", "08")))
        chosen = len(other.of("203.0.113.1"))
        first, last = 41000, 41015
        tap = x2.Tap(
            directory, [ALICE], {x2.DID: ("198.51.100.20", mf.port)}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap),
            destination={
                "keepalive_interval": "300ms", "keepalive_timeout": "2s", "source_address": "198.51.100.2", "interface": "li0",
                "source_ports": [first, last],
            },
        )  # fmt: skip
        tap.start().ready()
        seen = set()
        for turn in range(3):
            x2.wait_for("the connection", lambda: tap.ask("status")["destinations"][0]["state"] == "up")
            now = x2.wait_for("it at the MF", lambda: peers(mf))
            seen |= now
            mf.stop()
            x2.wait_for("its end", lambda: tap.ask("status")["destinations"][0]["state"] != "up")
            mf = x2.Mf(directory, address="198.51.100.20", inside=w.inside(w.callee), port=mf.port, name=f"mf{turn}")
        say(sorted(seen))
        for address, port in seen:
            equal(address, "198.51.100.2", "source address")
            assert first <= port <= last, f"source port {port}"
        assert len(seen) >= 2, f"one port only: {seen}"
        sender = w.replay(directory, one_message(directory), 100)
        equal(x2.finish(sender), 0, "sender")
        x2.wait_for("the PDU", lambda: len(mf.iri()) == 1)
        equal(len(other.of("203.0.113.1")), chosen, "frames of ours on the other link")
        equal(other.of("198.51.100.2"), [], "frames of that address on the other link")
        tap.stop()
        x2.stop(mf.process)


main()
