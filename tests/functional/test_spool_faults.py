#!/usr/bin/python3
"""What x2tap says of a spool that it cannot use, or that somebody took from: while the MF is away, without load."""

import json
import pathlib
import signal

import x2tap_test as x2
from tap import case, equal, main, say

TASK = x2.task([{"sipUri": "sip:alice@example.com"}])
CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"


class Spooled:
    """An x2tap with spool and audit log whose MF is never there."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.key = self.directory / "spool.key"
        self.spool = self.directory / "spool" / x2.DID
        self.write_key("5a" * 32)
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        self.tap = x2.Tap(
            directory, [TASK], {x2.DID: x2.free_port()}, 1, vdevs, ports, shutdown_timeout="3s",
            spool={"directory": self.directory / "spool", "master_key": self.key},
            audit={"file": self.directory / "audit.jsonl"},
        )  # fmt: skip

    def write_key(self, digits):
        self.key.write_text(digits)
        self.key.chmod(0o600)

    def killed_with_segments(self):
        """A run that ends with PDUs on disk alone; the names of its segments."""
        self.tap.start().ready()
        x2.wait_for("PDUs on disk", lambda: self.segments() and self.status()["spool_octets"] > 4096)
        self.tap.process.send_signal(signal.SIGKILL)
        x2.finish(self.tap.process)
        return self.segments()

    def segments(self):
        return sorted(path.name for path in self.spool.glob("*.seg"))

    def status(self):
        return self.tap.ask("status")["destinations"][0]

    def faults(self, name="spool"):
        return {fault["about"]: fault["text"] for fault in self.tap.ask("faults")["faults"] if fault["name"] == name}

    def audited(self, what):
        """Segments that the audit log calls so."""
        lines = map(json.loads, (self.directory / "audit.jsonl").read_text().splitlines())
        return [line["segment"] for line in lines if line["event"] == "spool-segment" and line["what"] == what]

    def stop(self):
        self.tap.stop(code=3)
        return self.tap.said()


@case("with another master key there is a fault, and what is on disk is neither touched nor called missing")
def _():
    with x2.workspace() as directory:
        spooled = Spooled(directory)
        before = spooled.killed_with_segments()
        spooled.write_key("a5" * 32)
        spooled.tap.start().ready()
        text = x2.wait_for("the fault", lambda: spooled.faults().get(x2.DID))
        assert "master key" in text, text
        spooled.stop()
        equal(spooled.segments(), before, "segments")
        equal(spooled.audited("missing"), [], "segments called missing")


@case("without a master key there is a fault, and what is on disk is found by the start that has it again")
def _():
    with x2.workspace() as directory:
        spooled = Spooled(directory)
        spooled.killed_with_segments()
        spooled.key.rename(spooled.directory / "away")
        spooled.tap.start().ready()
        assert "cannot open the key" in spooled.faults("spool key")[""], spooled.faults("spool key")
        spooled.stop()
        equal(spooled.audited("missing"), [], "segments called missing")
        (spooled.directory / "away").rename(spooled.key)
        spooled.tap.start().ready()
        equal(spooled.faults() | spooled.faults("spool key"), {}, "faults")
        equal(spooled.audited("found"), [1], "segments found")
        spooled.stop()


@case("a segment that somebody removed is a fault that lasts, and in the audit log")
def _():
    with x2.workspace() as directory:
        spooled = Spooled(directory)
        for name in spooled.killed_with_segments():
            (spooled.spool / name).unlink()
        spooled.tap.start().ready()
        uptime = spooled.tap.ask("status")["uptime_s"]
        x2.wait_for("two seconds", lambda: spooled.tap.ask("status")["uptime_s"] > uptime + 2)
        equal(list(spooled.faults("spool missing")), [x2.DID], "faults")
        equal(spooled.audited("missing"), [1], "segments called missing")
        log = spooled.stop()
        say(log)
        assert "stalled" not in log, "workers that were stopped are called stalled"


main()
