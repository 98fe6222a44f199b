#!/usr/bin/python3
"""x2tap ends and starts again: what waits in the spool, what the audit log tells of it, and what becomes of what nobody confirmed."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time

import iri
import load
import pcap
import x2tap_test as x2
from tap import case, equal, main

TASK = x2.task([{"sipUri": "sip:alice@example.com"}])
OTHER = x2.task([{"sipUri": "sip:bob@example.com"}], "other")
SECOND = "7c1f3c55-8c94-473e-b9bd-8b72b7b05fd4"
KEEPALIVE = {"keepalive_interval": "500ms", "keepalive_timeout": "2s"}
FRAMES = 200
FULL = "64k"  # of a file system for the audit log


class Site:
    """A directory with a capture, the state that outlives x2tap, and the target file; `port` is where the MF is or will be."""

    def __init__(self, directory, spool=True, redeliver=True, dids=(x2.DID,), **sections):
        self.directory = directory
        self.dids = dids
        self.state = directory / "state"
        self.state.mkdir(mode=0o700)
        self.key("master.key")
        self.key("hmac.key")
        self.audit = self.state / "audit.jsonl"
        self.spool = self.state / "spool"
        self.port = x2.free_port()
        frames = load.calls(("calls-ipv4",), FRAMES, 1000)
        pcap.write(directory / "in.pcap", frames)
        pcap.write(directory / "none.pcap", [])
        self.wanted = iri.wanted(frames, [TASK], timed=False)
        self.sections = {
            "journal": self.state / "sequence.journal",
            "audit": {"file": self.audit, "hmac_key": self.state / "hmac.key", **sections.pop("audit", {})},
            "shutdown_timeout": "1s",
            "destination": {**KEEPALIVE, "redeliver": redeliver},
            **sections,
        }
        if spool:
            self.sections["spool"] = {
                "directory": self.spool, "master_key": self.state / "master.key", "segment_kib": 64,
                **(spool if isinstance(spool, dict) else {}),
            }  # fmt: skip

    def key(self, name):
        path = self.state / name
        path.write_text(secrets.token_hex(32))
        path.chmod(0o600)

    def tap(self, tasks=(TASK,), capture="in.pcap", dids=None, **sections):
        vdevs, ports, _ = x2.file_pair(self.directory, self.directory / capture)
        mfs = {did: self.port for did in (dids or self.dids)}
        sections = {**self.sections, **sections}
        return x2.Tap(self.directory, tasks, mfs, 1, vdevs, ports, **sections)

    def mf(self, *options, name="mf"):
        return x2.Mf(self.directory, *options, port=self.port, name=name)

    def fill(self, **options):
        """A run without an MF: all stays in the spool."""
        tap = self.tap(**options)
        tap.run("--until-idle", "0.3", code=3)
        return tap

    def lines(self, event=None):
        """Of the audit log."""
        lines = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def last_run(self, event=None):
        lines = self.lines()
        start = max(i for i, line in enumerate(lines) if line["event"] == "start")
        return [line for line in lines[start:] if event in (None, line["event"])]

    def verify(self):
        done = subprocess.run(
            [x2.program("x2ctl"), "audit", "verify", "--key", self.state / "hmac.key", self.audit],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"audit verify: {done.stdout}{done.stderr}")

    def segments(self, did=x2.DID):
        directory = self.spool / did
        return sorted(path for path in directory.iterdir() if path.stat().st_size > 4096) if directory.exists() else []

    def all_arrived(self, mf):
        pdus = mf.iri()
        equal(len(pdus), len(self.wanted), "PDUs")
        difference = iri.first_difference(self.wanted, pdus)
        assert not difference, difference


@contextlib.contextmanager
def site(**options):
    with x2.workspace() as directory:
        yield Site(directory, **options)


def ranges(lines):
    """How many PDUs lines with first and last stand for."""
    for line in lines:
        equal(line["last"] - line["first"] + 1, line["count"], "a range and its count")
    return sum(line["count"] for line in lines)


def faults(tap):
    return {fault["name"]: fault["text"] for fault in tap.ask("faults")["faults"]}


@case("what a stop leaves in the spool is told, exit code 3, and the next start delivers it: exit code 0")
def _():
    with site() as s:
        s.fill()
        stop = s.last_run("stop")[0]
        equal((stop["how"], stop["undelivered"]), ("PDUs remain", len(s.wanted)), "stop")
        equal(s.last_run("lost") + s.last_run("in-doubt") + s.last_run("unaccounted"), [], "losses")
        mf = s.mf()
        s.tap(capture="none.pcap").run("--until-idle", "0.3")
        mf.stop()
        s.all_arrived(mf)
        equal([line["undelivered"] for line in s.lines("stop")], [len(s.wanted), 0], "undelivered")
        equal(s.lines("unaccounted") + s.lines("skipped"), [], "numbers")
        s.verify()


@case("without a spool a stop tells what is lost, by task, context and number")
def _():
    with site(spool=False) as s:
        s.fill()
        equal(ranges(s.last_run("lost")), len(s.wanted), "lost")
        equal({line["why"] for line in s.last_run("lost")}, {"shutdown"}, "why")
        equal({line["xid"] for line in s.last_run("lost")}, {TASK["xId"]}, "XID")
        equal(s.last_run("stop")[0]["undelivered"], len(s.wanted), "undelivered")
        s.verify()


@case("without a spool a stop tells what was written and never confirmed")
def _():
    for redeliver in (True, False):
        with site(spool=False, redeliver=redeliver) as s:
            mf = s.mf("--misbehave", "kill-after=1" if redeliver else "close-after=20")
            s.tap().run("--until-idle", "0.3", code=3 if redeliver else 0)
            mf.stop()
            arrived = {(pdu["correlation"], pdu["seq"]) for pdu in mf.iri()}
            doubtful = s.last_run("in-doubt")
            assert ranges(doubtful) > 0, s.last_run()
            assert len(arrived) + ranges(doubtful) + ranges(s.last_run("lost")) >= len(s.wanted), "something is told by nobody"
            for line in doubtful:
                equal((line["xid"], line["did"], line["why"]), (TASK["xId"], x2.DID, "not confirmed"), "in doubt")
            s.verify()


@case("killed and started again: with its MF there or away, all arrives, and the log verifies")
def _():
    for away in (False, True):
        with site() as s:
            mf = None if away else s.mf("--misbehave", "no-ack")
            tap = s.tap().start().ready()
            x2.wait_for("the capture", lambda: tap.ask("counters")["iri"]["numbered"] == len(s.wanted))
            offered = time.monotonic()  # 100 ms later all is in the spool
            x2.wait_for("the spool", lambda: time.monotonic() - offered > 1)
            tap.check_laws()
            tap.stop(signal.SIGKILL, code=-signal.SIGKILL)
            if mf:
                mf.process.kill()
                x2.finish(mf.process)
            mf = s.mf(name="second")
            s.tap(capture="none.pcap").run("--until-idle", "0.3")
            mf.stop()
            s.all_arrived(mf)
            s.verify()


@case("with a target file that cannot be read the spool waits, is neither sent nor dropped, and is found when the file is good again")
def _():
    with site() as s:
        s.fill()
        mf = s.mf()
        tap = s.tap(capture="none.pcap")
        good = tap.targets.read_text()
        tap.targets.write_text("tasks: [")
        tap.start().ready()
        assert "targets" in faults(tap)
        equal(s.segments() != [], True, "segments")
        # killed: the log must not forget the segments
        tap.stop(signal.SIGKILL, code=-signal.SIGKILL)
        tap.start().ready()
        equal(len(mf.iri()), 0, "PDUs")
        tap.targets.write_text(good)
        tap.ask("reload")
        x2.wait_for("all of them", lambda: len(mf.iri()) == len(s.wanted))
        tap.check_laws()
        tap.stop()
        mf.stop()
        s.all_arrived(mf)
        equal([line["what"] for line in s.lines("spool-segment") if line["what"] == "missing"], [], "missing")
        s.verify()


@case("a segment that somebody removed is told, in the log and as a fault that a reload ends; also after a run that could not look")
def _():
    for looks_between in (True, False):
        with site() as s:
            s.fill()
            segments = s.segments()
            assert segments
            segments[0].unlink()
            if not looks_between:
                blind = s.tap(capture="none.pcap")
                good = blind.targets.read_text()
                blind.targets.write_text("tasks: [")
                blind.start().ready()
                blind.stop(signal.SIGKILL, code=-signal.SIGKILL)
                blind.targets.write_text(good)
            tap = s.tap(capture="none.pcap").start().ready()
            x2.wait_for("the fault", lambda: "spool missing" in faults(tap))
            missing = [line for line in s.last_run("spool-segment") if line["what"] == "missing"]
            equal([line["did"] for line in missing], [x2.DID], "missing")
            tap.ask("reload")
            x2.wait_for("its end", lambda: "spool missing" not in faults(tap))
            code = 0 if len(segments) == 1 else 3
            tap.stop(code=code)
            s.tap(capture="none.pcap").run("--until-idle", "0.3", code=code)
            equal([line for line in s.last_run("spool-segment") if line["what"] == "missing"], [], "missing again")
            s.verify()


@case("a task that has gone while x2tap was down: its PDUs are dropped, or delivered if so configured, and the log says which")
def _():
    for policy in ("drop", "deliver"):
        with site(spool={"ended_tasks": policy}) as s:
            s.fill()
            mf = s.mf()
            s.tap((OTHER,), "none.pcap").run("--until-idle", "0.3")
            mf.stop()
            equal(len(mf.iri()), len(s.wanted) if policy == "deliver" else 0, policy)
            equal(ranges(s.last_run("expired")), 0 if policy == "deliver" else len(s.wanted), "expired")
            s.verify()


@case("a wrong master key: a fault, the spool stays as it is, no segment is called missing; the right key and a reload bring it back")
def _():
    with site() as s:
        s.fill()
        master = s.state / "master.key"
        right = master.read_text()
        s.key("master.key")
        mf = s.mf()
        tap = s.tap(capture="none.pcap").start().ready()
        x2.wait_for("the fault", lambda: "spool" in faults(tap))
        assert "spool missing" not in faults(tap)
        master.write_text(right)
        tap.ask("reload")
        x2.wait_for("all of them", lambda: len(mf.iri()) == len(s.wanted))
        x2.wait_for("the end of the fault", lambda: "spool" not in faults(tap))
        tap.check_laws()
        tap.stop()
        mf.stop()
        s.all_arrived(mf)
        equal([line for line in s.lines("spool-segment") if line["what"] == "missing"], [], "missing")
        s.verify()


@case("a master key that cannot be read is a fault for everybody, ended by a reload when it can be")
def _():
    with site() as s:
        s.fill()
        key, aside = s.state / "master.key", s.state / "aside"
        key.rename(aside)
        mf = s.mf()
        tap = s.tap(capture="none.pcap").start().ready()
        assert "spool key" in faults(tap)
        assert "fault: spool key" in tap.said()
        aside.rename(key)
        tap.ask("reload")
        assert "spool key" not in faults(tap)
        assert "fault cleared: spool key" in tap.said()
        x2.wait_for("all of them", lambda: len(mf.iri()) == len(s.wanted))
        tap.stop()
        mf.stop()
        outages = [(line["begins"], line["fault"]) for line in s.last_run("outage") if line["fault"] == "spool key"]
        equal(outages, [(True, "spool key"), (False, "spool key")], "outages")
        s.verify()


@contextlib.contextmanager
def small_disk(directory):
    """A file system that fills up at once."""
    x2.need_root()
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL},mode=700", "none", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def fill_disk(path):
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))


@case("no room for the audit log: with 'stop' nothing is intercepted until there is, also after reloads; with 'continue' all is")
def _():
    for when_full in ("stop", "continue"):
        with x2.workspace() as directory, small_disk(directory / "log") as log:
            s = Site(directory, audit={"file": log / "audit.jsonl", "when_full": when_full})
            s.audit = log / "audit.jsonl"
            empty = s.tap(capture="none.pcap").run("--until-idle", "0.1")
            fill_disk(log / "ballast")
            for _ in range(2):  # the last page of the log has room for some lines
                empty.run("--until-idle", "0.1")
            mf = s.mf()
            tap = s.tap().start().ready()
            assert "audit" in faults(tap)
            for _ in range(3):
                tap.ask("reload")
            x2.wait_for("the frames", lambda: tap.ask("status")["ports"][0]["received"] >= FRAMES)
            counters = tap.ask("counters")
            tap.check_laws()
            equal(counters["iri"]["numbered"], 0 if when_full == "stop" else len(s.wanted), when_full)
            (log / "ballast").unlink()
            x2.wait_for("the end of the fault", lambda: "audit" not in faults(tap))
            tap.stop()
            mf.stop()
            equal(len(mf.iri()), 0 if when_full == "stop" else len(s.wanted), "PDUs")
            outages = [line["begins"] for line in s.last_run("outage") if line["fault"] == "audit"]
            equal(outages, [True, False], "outages")
            s.verify()


@case("an audit log whose directory is missing begins at a reload, with start, configuration and the faults that are")
def _():
    with site() as s:
        s.fill()
        aside = s.directory / "aside"
        aside.mkdir(mode=0o700)
        missing = aside / "log" / "audit.jsonl"
        mf = s.mf()
        tap = s.tap(capture="none.pcap", audit={"file": missing}).start().ready()
        assert str(missing) in faults(tap)["audit"], faults(tap)
        missing.parent.mkdir(mode=0o700)
        tap.ask("reload")
        assert "audit" not in faults(tap)
        tap.stop()
        mf.stop()
        events = [json.loads(line)["event"] for line in missing.read_text().splitlines()]
        equal(events[:2], ["start", "configuration"], "first lines")
        assert "targets" in events and events[-2:] == ["stop", "head"], events


@case("a journal that was removed, or cannot be written, is a fault or a fresh start, and no number is given twice")
def _():
    with site() as s:
        mf = s.mf()
        s.tap().run("--until-idle", "0.3")
        s.sections["journal"].unlink()
        s.sections["journal"].symlink_to("/dev/null")
        tap = s.tap().start().ready()
        assert "journal" in faults(tap)
        x2.wait_for("the capture", lambda: len(mf.iri()) == 2 * len(s.wanted))
        tap.check_laws()
        tap.stop()
        mf.stop()
        names = {(pdu["xid"], pdu["correlation"], pdu["seq"]) for pdu in mf.iri()}
        equal(len(names), 2 * len(s.wanted), "numbers")
        assert s.last_run("sequence-salted")
        s.verify()


@case("--check tells of state that could not be kept: no directory, another's, open to others, no file, a key that is missing")
def _():
    def check(tap):
        done = subprocess.run(
            [x2.program("x2tap"), "--check", "--config", tap.config], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return done.returncode, done.stdout + done.stderr

    with site() as s:
        tap = s.tap(capture="none.pcap")
        code, said = check(tap)
        equal(code, 0, said)
        equal(sorted(path.name for path in s.state.iterdir()), ["hmac.key", "master.key"], "--check leaves nothing behind")
        s.state.chmod(0o777)
        code, said = check(tap)
        assert code == 1 and said.count("others can write to it") == 3, said
        s.state.chmod(0o700)
        os.chown(s.state, 12345, 12345)
        code, said = check(tap)
        assert code == 1 and said.count("user 12345") == 3, said
        os.chown(s.state, 0, 0)
        s.audit.mkdir()
        code, said = check(tap)
        assert code == 1 and "audit.file: " in said and "is no file" in said, said
        s.audit.rmdir()
        s.audit.touch(mode=0o600)
        s.audit.chmod(0o666)
        code, said = check(tap)
        assert code == 1 and "audit.file: " in said, said
        s.audit.unlink()
        (s.state / "master.key").unlink()
        code, said = check(tap)
        assert code == 1 and "master.key" in said, said
        gone = s.tap(capture="none.pcap", journal=s.directory / "nowhere" / "journal")
        code, said = check(gone)
        assert code == 1 and "journal: " in said and "nowhere" in said, said
        # A directory of root is no place for a service user.
        code, said = check(s.tap(capture="none.pcap", user="nobody"))
        assert code == 1 and "cannot write" in said, said


@case("a destination without settings: what is lost for it is told")
def _():
    with site() as s:
        mf = s.mf()
        tap = s.tap([{**TASK, "listOfDIDs": [x2.DID, SECOND]}], dids=[x2.DID, SECOND])
        del tap.content["destinations"][SECOND]
        tap.write_config()
        tap.run("--until-idle", "0.3")
        mf.stop()
        s.all_arrived(mf)
        lost = s.last_run("lost")
        equal({(line["did"], line["why"]) for line in lost}, {(SECOND, "no settings")}, "lost")
        equal(ranges(lost), len(s.wanted), "lost")
        s.verify()


main()
