"""The faults, in the order in which they are tried. Each is a function of a Rig; it fills in the rig's row or raises."""

import random
import signal
import struct
import subprocess
import time

import checker
import lives
import rig as rigs
import x2tap_test as x2
from tap import Skip, equal

ROWS = []
IN_TIME = 0.010  # seconds from wire to arrival that are no delay (design.md, A.1.5)
EIO = 5


def row(name):
    def add(function):
        ROWS.append((name, function))
        return function

    return add


# --- MFs and x2tap that are killed ----------------------------------------------------------------------------------


@row("mf_killed_30")
def mf_killed(rig):
    """kill -9 of the MF at random moments under load: its files together hold everything."""
    mf = rig.add_destination()
    rig.make_tap().start()
    rig.start_load()
    dice = random.Random(30)
    for _ in range(rig.seconds(30, 5)):
        connects = rig.tap.counters(mf.did)["connects"]
        rig.pass_time(dice.uniform(0.1, 0.7))
        mf.end_mf(signal.SIGKILL)
        rig.pass_time(dice.uniform(0, 0.2))
        mf.start_mf()
        x2.wait_for("x2tap to be back at the MF", lambda: rig.tap.counters(mf.did)["connects"] > connects)
    rig.finish()
    if len(mf.pdus()) < 2 or not rig.row["confirmed"]:
        raise AssertionError("no MF got anything")


@row("tap_killed_20_mf_away")
def tap_killed_mf_away(rig):
    """kill -9 of x2tap at random moments while there is no MF: what the spool has kept arrives in the end."""
    tap_killed(rig, False)


@row("tap_killed_20_mf_there")
def tap_killed_mf_there(rig):
    """kill -9 of x2tap at random moments while it delivers."""
    tap_killed(rig, True)


def tap_killed(rig, there):
    rig.need("spool", "journal", "audit")
    mf = rig.add_destination(start=there)
    rig.make_tap().start()
    rig.start_load()
    dice = random.Random(20)
    for _ in range(rig.seconds(20, 3)):
        # So that something can be demanded of each life; from then on the moment is any.
        x2.wait_for("x2tap to show that some of the load would outlive it", rig.tap.has_promised)
        rig.pass_time(dice.uniform(0, 0.7), glimpses=True)
        rig.tap.kill()
        rig.tap.start()
    x2.wait_for("x2tap to show that some of the load would outlive it", rig.tap.has_promised)
    if not there:
        mf.start_mf()
    finish_lives(rig)


def finish_lives(rig):
    """Ends a row in which x2tap was started more than once. What was lost is what the audit log says, and was not sure yet when x2tap was
    killed."""
    tap, load = rig.tap, rig.load
    rig.stop_load()
    x2.wait_for("all that was kept to arrive", lambda: at_rest(tap), rigs.PATIENCE)
    rig.check_memory(tap.note_memory())
    counters = tap.counters()
    rig.check_forwarding()
    tap.check_laws()
    tap.end(0)
    load.stop()
    for destination in rig.destinations:
        destination.close()
    (destination,) = rig.destinations
    wanted, runs = load.wanted(load.arrived), destination.pdus()
    equal(len(wanted), len(load.arrived), "messages of the load that are the task's")
    missing, passed_over = checker.missing_by_content(wanted, runs)
    place = {frame.octets: place for place, frame in enumerate(load.sent)}
    place = {pdu["octets"]: place[frame.octets] for pdu, frame in zip(wanted, load.arrived)}
    missing = {place[pdu["octets"]] for pdu in missing}
    shares = lives.shares(tap.lives, load.sent, load.arrived)
    received, forwarded = lives.crossed(shares)
    found = checker.union(runs)
    have, told = checker.numbers(found), told_as_lost(tap.audited())
    counted = sum(len(numbers - have.get(where, set())) for where, numbers in told.items())
    untold = sum(len(numbers - told.get(where, set())) for where, numbers in passed_over.items())
    kills = sum(life.killed for life in tap.lives)
    overlooked = sum(life.glimpses[-1].overlooked for life in tap.lives)
    unseen = len(set().union(*(share.may_have_been_numbered(missing) for share in shares))) - counted - untold
    rig.note(
        f"{kills} kills, {unseen} messages forwarded and not yet numbered, {sum(map(len, told.values()))} numbers told"
        + (f", {overlooked} messages overlooked" if overlooked else "")
    )
    rig.row.update(
        offered=len(found) + counted + untold, confirmed=len(found), repeated=sum(c["repeated"] for c in counters),
        lost=counted + untold, lost_counted=counted, max_memory=tap.memory_most, received=received, forwarded=forwarded,
    )  # fmt: skip
    for share in shares:
        share.check(missing)
    if unseen < 0:
        raise AssertionError(f"{counted} numbers are told as lost and {untold} are not, {-unseen} more than messages are missing")
    tap.verify_audit()


def at_rest(tap):
    """All that came was looked at, all of that was taken, and nothing is kept. A turn lies between two answers: what workers had made by the
    first was taken by the second."""
    before, after = tap.ask("counters"), tap.ask("counters")
    work = before["work"]
    looked_at = work["candidates"] + work["lost_busy"] >= before["frames_by_class"]["udp"]
    taken = after["iri"]["taken"] >= before["matching"]["reported"]
    kept = any(c["queued"] or c["queue_octets"] or c.get("spooled") for c in after["destinations"])
    return looked_at and taken and not kept


def told_as_lost(lines):
    """The numbers of each context that the audit log tells as lost, or as unaccounted for at a start."""
    told = {}
    for line in lines:
        if line["event"] in ("unaccounted", "lost") and "first" in line:
            correlation = line["correlation"]
            correlation = int(correlation, 16) if isinstance(correlation, str) else correlation
            told.setdefault((line["xid"], correlation), set()).update(range(line["first"], line["last"] + 1))
    return told


# --- faults of one link, beside a link without any ------------------------------------------------------------------


def impaired(rig, begin, end, seconds, proof, **options):
    """The first of two destinations has a fault for a while; all arrives at both in the end, and at the second as soon as ever.
    `proof()` tells of how much of the fault there was."""
    sick, healthy = rig.add_destination(0), rig.add_destination(1)
    if rig.throttled:
        sick.put_throttle()
    rig.make_tap(options=options).start()
    rig.start_load()
    x2.wait_for("both MFs to get something", lambda: all(c["confirmed"] for c in rig.tap.counters()))
    free = time.time_ns()
    rig.pass_time(rig.seconds(4, 2))
    begun = time.time_ns()
    begin(sick)
    rig.pass_time(seconds)
    shown = x2.wait_for("the fault to show", lambda: proof(sick))
    end(sick)
    ended = time.time_ns()
    rig.pass_time(1)
    rig.finish()
    rig.note(f"{shown} {proof.__name__.replace('_', ' ')}")
    compare_delays(rig, healthy, (free, begun), (begun, ended))


def compare_delays(rig, healthy, free, faulty):
    """The destination beside the fault: 99 of 100 PDUs arrive at most twice as late as without it, or in time anyway."""
    before, beside = (checker.percentile(rig.delays(healthy, *when), 0.99) for when in (free, faulty))
    rig.row.update(p99_free=round(before, 6), p99_beside=round(beside, 6))
    if rig.timed and beside > max(2 * before, IN_TIME):
        raise rigs.Late(f"p99 of the other destination is {beside * 1e3:.1f} ms, without the fault {before * 1e3:.1f} ms")


def relayed(rig, commands, seconds, proof, **options):
    """Faults of the relay."""

    def begin(sick):
        for command in commands:
            sick.link.tell(command)

    impaired(rig, begin, lambda sick: sick.link.clear(), seconds, proof, **options)


def counted_by_relay(name):
    def proof(destination):
        return destination.link.stats()[name]

    proof.__name__ = f"frames_{name}"
    return proof


def disconnects_of(rig):
    def disconnects(destination):
        return rig.tap.counters(destination.did)["disconnects"]

    return disconnects


@row("delay")
def delay(rig):
    """150 ms each way."""
    relayed(rig, ["delay 150"], rig.seconds(8, 3), counted_by_relay("delayed"), keepalive_timeout="10s")


@row("reorder")
def reorder(rig):
    """One frame of five is overtaken by what comes in the next 20 ms."""
    relayed(rig, ["reorder 20 20"], rig.seconds(8, 3), counted_by_relay("reordered"), keepalive_timeout="10s")


def filtered_packets(destination):
    return destination.link.filtered()


@row("loss_5")
def loss(rig):
    """Five of a hundred packets each way are lost, by nft."""
    statement = "numgen random mod 100 < 5 counter drop"
    impaired(
        rig, lambda sick: sick.link.filter(statement), lambda sick: sick.link.clear(), rig.seconds(10, 3), filtered_packets,
        keepalive_timeout="10s",
    )  # fmt: skip


@row("duplication")
def duplication(rig):
    """One packet of five comes twice, by nft."""
    statement = "numgen random mod 100 < 20 counter dup to {peer}"
    impaired(
        rig, lambda sick: sick.link.filter(statement), lambda sick: sick.link.clear(), rig.seconds(8, 3), filtered_packets,
        keepalive_timeout="10s",
    )  # fmt: skip


@row("black_hole")
def black_hole(rig):
    """Nothing passes for longer than the keepalive's patience."""
    relayed(rig, ["hole both"], rig.seconds(7, 4), disconnects_of(rig))


@row("reset")
def reset(rig):
    """Connections are reset in the middle of what they carry, again and again."""
    mf_resets = counted_by_relay("resets")
    before = []

    def begin(sick):
        before.append(mf_resets(sick))
        for _ in range(rig.seconds(8, 3)):
            sick.link.tell("reset")
            rig.pass_time(1)

    def resets(sick):
        found = mf_resets(sick) - before[0]
        return min(found, rig.tap.counters(sick.did)["disconnects"])

    impaired(rig, begin, lambda sick: sick.link.clear(), 0, resets)


@row("half_open")
def half_open(rig):
    """What the MF says is swallowed, what it is told arrives."""
    relayed(rig, ["hole down"], rig.seconds(7, 4), disconnects_of(rig))


@row("one_octet_a_second")
def one_octet(rig):
    """The MF reads one octet a second, for longer than the keepalive's patience."""
    rig.throttled = True
    impaired(rig, lambda sick: sick.slow(1), lambda sick: sick.slow(0), rig.seconds(7, 4), disconnects_of(rig))


def waits_in_tbf(destination):
    return destination.link.limited()


@row("rate_limited")
def rate_limited(rig):
    """A link of 400 kbit/s, less than there is to send: a token bucket of tc."""
    impaired(
        rig, lambda sick: sick.link.limit(400_000), lambda sick: sick.link.clear(), rig.seconds(10, 3), waits_in_tbf,
        keepalive_timeout="30s",
    )  # fmt: skip


@row("mf_slow_beside_healthy")
def mf_slow(rig):
    """One MF reads an octet a second and keeps its connection; the other gets all as soon as ever."""
    rig.throttled = True

    def queued_octets(sick):
        return rig.tap.counters(sick.did)["queue_octets"]

    impaired(
        rig, lambda sick: sick.slow(1), lambda sick: sick.slow(0), rig.seconds(15, 4), queued_octets,
        keepalive_timeout="60s",
    )  # fmt: skip


# --- disks, keys, clocks --------------------------------------------------------------------------------------------


def mounted(rig, *options):
    """A tmpfs for the spool, gone with the row."""
    where = rig.directory / "state" / "small"
    where.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", where], check=True)
    rig.at_end(lambda: subprocess.run(["umount", "-l", where], check=False))
    return where


def has_fault(rig, word):
    return any(word in name for name in rig.tap.faults())


@row("disk_full")
def disk_full(rig):
    """The disk of the spool is full: the oldest is lost and counted, and that is a fault."""
    rig.need("spool")
    small = mounted(rig, "size=2m", "mode=0700")
    mf = rig.add_destination(start=False)
    rig.make_tap(disk=small, queue_mib=1).start()
    rig.start_load(1000)
    x2.wait_for("a fault of the spool", lambda: has_fault(rig, "spool"))
    x2.wait_for("something to be lost", lambda: any(lost_of(c) for c in rig.tap.counters()))
    rig.pass_time(1)
    rig.end_load()
    mf.start_mf()
    rig.finish()
    if not rig.row["lost"]:
        raise AssertionError("the disk was not full")


def lost_of(counters):
    return sum(value for name, value in counters.items() if name.startswith("lost_"))


@row("disk_read_only")
def disk_read_only(rig):
    """The disk of the spool cannot be written to at first, and can later."""
    rig.need("spool")
    disk = mounted(rig, "size=64m", "mode=0700")
    mf = rig.add_destination(start=False)
    tap = rig.make_tap(disk=disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    tap.start()
    rig.start_load()
    x2.wait_for("a fault of the spool", lambda: has_fault(rig, "spool"))
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    x2.wait_for("the fault to end", lambda: not has_fault(rig, "spool"))
    x2.wait_for("something to be in the spool", lambda: any(path.stat().st_size for path in disk.rglob("*") if path.is_file()))
    rig.end_load()
    mf.start_mf()
    rig.finish()


class Shim:
    """Something to be loaded before libc, and the file that tells it what to do."""

    def __init__(self, rig, name, size):
        library = x2.BUILD / "tests" / "faults" / f"{name}.so"
        if not library.exists():
            raise Skip(f"{library} is not built")
        if x2.SANITIZED:
            raise Skip("the sanitizers must come first in a program")
        self.control = rig.directory / f"{name}.control"
        self.control.write_bytes(bytes(size))
        self.environment = {"LD_PRELOAD": str(library), f"X2_{name.upper()}_CONTROL": str(self.control)}

    def set(self, layout, *values):
        with open(self.control, "r+b") as file:
            file.write(struct.pack(layout, *values))

    def get(self, layout):
        return struct.unpack(layout, self.control.read_bytes()[: struct.calcsize(layout)])


@row("disk_io_error")
def disk_io_error(rig):
    """One access of ten to the spool fails, then all, then none."""
    rig.need("spool")
    shim = Shim(rig, "ioerror", 12)
    mf = rig.add_destination(start=False)
    spool = rig.directory / "state" / "spool"
    rig.make_tap().start(env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "X2_IOERROR_UNDER": str(spool), **shim.environment})
    rig.start_load()
    rig.pass_time(1)
    for per_million in (100_000, 1_000_000):
        shim.set("=II", per_million, EIO)
        rig.pass_time(rig.seconds(4, 2))
    failed = shim.get("=III")[2]
    x2.wait_for("a fault of the spool", lambda: has_fault(rig, "spool"))
    shim.set("=II", 0, 0)
    mf.start_mf()
    rig.pass_time(1)
    rig.finish()
    rig.note(f"{failed} failed calls")
    if not failed:
        raise AssertionError("no access has failed")


@row("wrong_master_key")
def wrong_master_key(rig):
    """A start with another master key delivers what is new and leaves the spool alone; with the right one it is delivered."""
    rig.need("spool", "journal", "audit")
    mf = rig.add_destination(start=False)
    tap = rig.make_tap(shutdown_timeout="1s")
    tap.start()
    rig.start_load()

    def restart(key, code, timeout):
        tap.end(code)
        tap.content["spool"]["master_key"] = rig.key(key)
        tap.content["shutdown_timeout"] = timeout
        tap.write_config()
        tap.start()
        x2.wait_for("something of the load to be reported", tap.has_reported)

    x2.wait_for("something of the load to be reported", tap.has_reported)
    rig.pass_time(2)
    restart(rigs.OTHER_KEY, 3, "60s")  # 3: not all was confirmed, since the MF is away
    x2.wait_for("a fault of the spool", lambda: has_fault(rig, "spool"))
    mf.start_mf()
    x2.wait_for("what is new to arrive", lambda: any(c["confirmed"] for c in tap.counters()))
    restart(rigs.MASTER_KEY, 0, "60s")  # what it has is in memory alone
    if has_fault(rig, "spool"):
        raise AssertionError("a fault of the spool with the right key")
    rig.pass_time(1)
    finish_lives(rig)


@row("clock_step")
def clock_step(rig):
    """The wall clock is set an hour ahead, two hours back, and right again, under load."""
    shim = Shim(rig, "clockstep", 8)
    rig.add_destination()
    rig.make_tap().start(env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **shim.environment})
    rig.start_load()
    for seconds in (0, 3600, -3600, 0):
        shim.set("=q", seconds * 10**9)
        rig.pass_time(rig.seconds(3, 1.5))
    rig.finish()
    (run,) = rig.destinations[0].pdus()
    spread = max(pdu["time_ns"] for pdu in run) - min(pdu["time_ns"] for pdu in run)
    rig.note(f"times of PDUs are up to {spread / 3600e9:.1f} h apart")
    if spread < 3600 * 10**9:
        raise AssertionError("x2tap has not seen the clock step")


# --- sets, queues ---------------------------------------------------------------------------------------------------


@row("redundant_failover")
def redundant_failover(rig):
    """A Redundant set of two: the preferred MF is killed, the other takes over, and it comes back. All is on the two together."""
    rig.need("sets")
    first, second = rig.add_destination(0), rig.add_destination(1)
    rig.is_set = True
    both = x2.destination_set(rigs.DSID, "Redundant", first.did, second.did)
    timing = {"failover_after": "2s", "return_after": "2s"}
    rig.make_tap(destination_sets=[both], named=[{"dSId": rigs.DSID}], sets=timing).start()
    rig.start_load()
    rig.pass_time(rig.seconds(3, 1.5))
    first.end_mf(signal.SIGKILL)
    x2.wait_for("the other MF to take over", lambda: second.runs[0].lines())
    rig.pass_time(rig.seconds(3, 1.5))
    first.start_mf()
    x2.wait_for("the preferred MF to be the one again", lambda: first.runs[1].lines())
    rig.pass_time(1)
    rig.finish()
    rig.note(f"{[len(run.lines()) for d in (first, second) for run in d.runs]} PDUs at the runs of the MFs")


@row("queue_overflow")
def queue_overflow(rig):
    """No spool, and an MF that is away for longer than the queue holds: what is lost is what is counted."""
    mf = rig.add_destination(start=False)
    rig.make_tap(spooling=False, queue_mib=1).start()
    rig.start_load(1000)
    x2.wait_for("something to be lost", lambda: any(lost_of(c) for c in rig.tap.counters()))
    rig.pass_time(rig.seconds(2, 1))
    rig.end_load()
    mf.start_mf()
    rig.finish(queue_mib=1)
    if not rig.row["lost"]:
        raise AssertionError("the queue has not overflown")
