"""One row of the faults: x2tap on the wire, MFs behind their links, the load, and the row that comes of it."""

import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import checker
import lives
import x2tap_test as x2
from offered import TASK, Ended, Load
from tap import Skip

PYTHON = "/usr/bin/python3"
HERE = x2.ROOT / "tests" / "faults"
KEEPALIVE = {"keepalive_interval": "500ms", "keepalive_timeout": "2s"}
MEMORY_MARGIN = 80  # MiB that x2tap may grow by, beside its queues: buffers of frames that are used for the first time
PATIENCE = 90  # seconds for what was kept to arrive: a destination that was away for long waits 30 s between attempts
DIDS = [x2.DID, "2b6c1b0e-6a43-4d0c-8f5c-50d2a4c0a8b1"]
GLIMPSES = 0.01  # seconds between two looks at how far x2tap has come
DSID = "7a1de3c5-0f9b-4b57-9e0e-3f2a0c6d9f11"
MASTER_KEY, OTHER_KEY, HMAC_KEY = "master.key", "other.key", "hmac.key"


class Late(AssertionError):
    """Something took too long: on a busy machine that may be nobody's fault, so the row is tried again."""


class StampedMf(x2.Mf):
    """x2mf on one end of a link; each line that it writes has the time at which it came."""

    def __init__(self, directory, destination, name):
        self.port, self.jsonl = destination.mf_port, directory / f"{name}.jsonl"
        files, topology = x2.certificates(), destination.link.topology
        log = directory / f"{name}.log"
        with open(log, "ab") as told:
            self.process = subprocess.Popen(
                [*topology.inside(topology.mf), x2.program("x2mf"), "--listen", f"{destination.link.mf_address}:{self.port}",
                 "--cert", files / "mf.pem", "--key", files / "mf.key", "--ca", files / "ca.pem", "--jsonl", "-"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told,
            )  # fmt: skip
            self.stamp = subprocess.Popen(
                [PYTHON, HERE / "stamp.py", self.jsonl], stdin=self.process.stdout, stdout=told, stderr=told
            )
        self.process.stdout.close()
        self.process.log = log
        x2.running += [self.process, self.stamp]
        x2.wait_for("x2mf to listen", lambda: "listening on" in x2.said(self.process) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(f"x2mf ended: {x2.said(self.process)}")

    def stop(self, how=signal.SIGTERM):
        code = super().stop(how)
        x2.finish(self.stamp)
        return code


class Destination:
    """A DID, the link to its MF, and the runs of that MF."""

    MF_PORT = 25000

    def __init__(self, rig, did, link, name):
        self.rig, self.did, self.link, self.name = rig, did, link, name
        self.mf_port = self.port = self.MF_PORT
        self.runs = []
        self.throttle = None

    @property
    def place(self):
        return self.link.mf_address, self.port

    def start_mf(self):
        self.runs.append(StampedMf(self.rig.directory, self, f"{self.name}-{len(self.runs)}"))

    def end_mf(self, how=signal.SIGTERM):
        if self.runs and self.runs[-1].process.poll() is None:
            self.runs[-1].stop(how)

    def put_throttle(self):
        """A slow reader in front of the MF; slow(0) lets it run."""
        self.port = self.MF_PORT + 1
        address, topology = self.link.mf_address, self.link.topology
        self.throttle = subprocess.Popen(
            [*topology.inside(topology.mf), PYTHON, HERE / "throttle.py", f"{address}:{self.port}", f"{address}:{self.mf_port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        x2.running.append(self.throttle)
        if self.throttle.stdout.readline() != "ready\n":
            raise AssertionError("the throttle has not started")

    def slow(self, rate):
        self.throttle.stdin.write(f"{rate}\n")
        self.throttle.stdin.flush()
        self.throttle.stdout.readline()

    def close(self):
        self.end_mf()
        if self.throttle:
            self.throttle.stdin.close()
            x2.finish(self.throttle)
            self.throttle.stdout.close()

    def pdus(self):
        """For each run of the MF what it got."""
        return [run.iri() for run in self.runs]


class FaultTap(x2.Tap):
    """x2tap that may be killed and started again: what it keeps is in `state`."""

    def __init__(self, rig, destinations, queue_mib=16, options=None, named=None, **sections):
        w, self.rig = rig.topology, rig
        self.state = rig.directory / "state"
        self.state.mkdir(exist_ok=True)
        self.lives = []
        self.memory_at_start = self.memory_most = 0
        destination = {**KEEPALIVE, "queue_mib": queue_mib, **(options or {})}
        order = {**TASK, "listOfDIDs": named or [d.did for d in destinations]}
        super().__init__(
            rig.directory, [order], {d.did: d.place for d in destinations}, 1, w.vdevs(), w.ports(),
            inside=w.inside(w.tap), destination=destination, **sections,
        )  # fmt: skip

    def start(self, *options, **popen):
        life = lives.Life(time.time_ns())
        super().start(*options, **popen).ready()
        self.lives.append(life)
        self.memory_at_start = self.memory("VmRSS")
        return self

    def glimpse(self):
        """A look at how far it has come."""
        glimpse = lives.Glimpse.of(self.ask)
        self.lives[-1].glimpses.append(glimpse)
        return glimpse

    def has_reported(self):
        return self.glimpse().reported

    def has_promised(self):
        self.glimpse()
        return self.lives[-1].has_promised()

    def memory(self, name):
        """In octets."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status")  # nsenter has become the program
        found = re.search(rf"{name}:\s*(\d+) kB", status.read_text())
        return int(found.group(1)) * 1024 if found else 0

    def note_memory(self):
        self.memory_most = max(self.memory_most, self.memory("VmHWM"))
        return self.memory("VmHWM") - self.memory_at_start

    def kill(self):
        self.note_memory()
        self.lives[-1].killed = True
        self.stop(signal.SIGKILL, code=-signal.SIGKILL)
        self.lives[-1].ended_ns = time.time_ns()

    def end(self, *codes):
        """In order, with one of these exit codes."""
        self.glimpse()
        self.note_memory()
        found = x2.stop(self.process)
        if found not in codes:
            raise AssertionError(f"x2tap ended with {found}:\n{self.said()[-3000:]}")
        self.lives[-1].ended_ns = time.time_ns()

    def overlooked(self):
        """Messages that came faster than it could look at them."""
        return self.ask("counters")["work"]["lost_busy"]

    def counters(self, did=None):
        """The counters of the destinations, or of one."""
        found = self.ask("counters")["destinations"]
        return found if did is None else next(c for c in found if c["did"] == did)

    def faults(self):
        return [fault["name"] for fault in self.ask("status")["faults"]]

    def waits(self):
        """Of each thread how long the kernel had no CPU for it."""
        for task in sorted(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()):
            with contextlib.suppress(OSError, ValueError, IndexError):
                waited = int((task / "schedstat").read_text().split()[1])
                yield f"{(task / 'comm').read_text().strip()} {waited / 1e9:.1f}"

    def audited(self):
        """All lines of the audit log."""
        path = self.state / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def verify_audit(self):
        if "audit" not in self.rig.features:
            return
        if "verify" not in self.rig.features:
            self.rig.note("this x2ctl cannot verify the audit log")
            return
        command = [x2.program("x2ctl"), "--key", self.state / HMAC_KEY, "audit", "verify", self.state / "audit.jsonl"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"x2ctl audit verify: {(done.stdout + done.stderr)[-1000:]}")


class Rig:
    """What one row uses. A row fills in `row`, or lets finish() do it."""

    def __init__(self, topology, directory, capture, features, quick, timed, rate):
        self.topology, self.directory, self.capture = topology, directory, capture
        self.features, self.quick, self.timed, self.rate = features, quick, timed, rate
        self.destinations, self.row, self.notes, self.at_last = [], {}, [], []
        self.throttled = False  # whether a throttle stands before the first MF
        self.is_set = False  # the destinations are members of one set
        self.tap = self.load = None

    # --- setting up

    def need(self, *features):
        for feature in features:
            if feature not in self.features:
                raise Skip(f"this x2tap does not take '{feature}' in its configuration")

    def at_end(self, function):
        """Something to be undone when the row is over."""
        self.at_last.append(function)

    def note(self, text):
        self.notes.append(text)

    def seconds(self, full, quick):
        return quick if self.quick else full

    def add_destination(self, number=0, start=True):
        name = f"mf{number}"
        destination = Destination(self, DIDS[number], self.topology.links[number], name)
        self.destinations.append(destination)
        if start:
            destination.start_mf()
        return destination

    def key(self, name):
        path = self.directory / "state" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.touch(0o600)
            path.write_text(os.urandom(32).hex() + "\n")
        return path

    def durable(self, spooling=True, disk=None):
        """Sections that make x2tap keep what it has, as far as it can; `disk`: where the spool is, else beside the rest."""
        state = self.directory / "state"
        spools = disk or state / "spool"
        found = {}
        if "journal" in self.features:
            found["journal"] = state / "journal"
        if "audit" in self.features:
            found["audit"] = {"file": state / "audit.jsonl", "hmac_key": self.key(HMAC_KEY)}
        if spooling and "spool" in self.features:
            spools.mkdir(mode=0o700, parents=True, exist_ok=True)
            found["spool"] = {"directory": spools, "master_key": self.key(MASTER_KEY), "segment_kib": 256}
        return found

    def make_tap(self, spooling=True, disk=None, **options):
        self.tap = FaultTap(self, self.destinations, **self.durable(spooling, disk), **options)
        self.before = self.topology.counted()  # nothing crosses the wire without x2tap
        return self.tap

    def start_load(self, rate=None):
        self.load = Load(self.topology, self.directory, self.capture, rate or self.rate)
        return self.load

    def pass_time(self, seconds, glimpses=False):
        """Lets the load go on; x2tap must live. `glimpses`: and shows how far it has come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.tap.process.poll() is not None:
                raise AssertionError(f"x2tap ended with {self.tap.process.returncode}:\n{self.tap.said()[-3000:]}")
            time.sleep(min(GLIMPSES if glimpses else 0.05, left))
            if glimpses and left > GLIMPSES:
                self.tap.glimpse()
        self.tap.note_memory()

    # --- the end

    def counters(self):
        """Of the destinations that the task names."""
        found = self.tap.counters()
        return [c for c in found if c["did"] == DSID] if self.is_set else found

    def settled(self):
        """All was offered that was not overlooked, and nothing is kept any more: it is confirmed, or lost and counted."""
        count = len(self.wanted) - self.tap.overlooked()
        return all(
            c["offered"] >= count and c["queued"] == 0 and c["queue_octets"] == 0 and c.get("spooled", 0) == 0
            for c in self.counters()
        )  # fmt: skip

    def stop_load(self):
        """Returns when all that was sent is at the other end."""
        try:
            self.load.stop_sending()
        except Ended as reason:
            raise Late(str(reason)) from None
        x2.wait_for("the last frame at the other end", self.load.last_has_arrived)

    def end_load(self):
        self.stop_load()
        self.wanted = self.load.wanted()
        if len(self.wanted) != len(self.load.sent):
            raise AssertionError(f"{len(self.wanted)} of {len(self.load.sent)} messages of the load are the task's")

    def finish(self, queue_mib=16):
        """Ends load, x2tap and MFs in order, and fills in the row of a life without kills of x2tap."""
        self.end_load()
        x2.wait_for("all that was kept to arrive", self.settled, PATIENCE)
        # What is not there by then does not come: the row shows it.
        with contextlib.suppress(AssertionError):
            x2.wait_for("the frames at the other end", self.all_forwarded, 10)
        growth = self.tap.note_memory()
        counters, overlooked = self.counters(), self.tap.overlooked()
        self.check_forwarding()
        self.tap.check_laws()
        self.tap.stop()
        self.load.stop()
        for destination in self.destinations:
            destination.close()
        self.same_octets()
        # Of what was overlooked nobody knows which it was: then a PDU is known by its octets, not by the number that it should have.
        find = checker.missing if not overlooked else lambda *found: checker.missing_by_content(*found)[0]
        lost = sum(len(find(self.wanted, runs)) for runs in self.unions())
        counted = sum(value for c in counters for name, value in c.items() if name.startswith("lost_"))
        self.fill(counters, lost, counted + overlooked * len(self.unions()))
        self.row["overlooked"] = overlooked
        self.check_memory(growth, queue_mib)
        self.tap.verify_audit()

    def check_memory(self, growth, queue_mib=16):
        """`growth`: from when x2tap was ready to its most."""
        bound = (queue_mib * len(self.destinations) + MEMORY_MARGIN) << 20
        if growth > bound:
            raise AssertionError(f"x2tap has grown by {growth >> 20} MiB, more than {bound >> 20}")

    def unions(self):
        """The runs of MFs that together must have everything."""
        runs = [destination.pdus() for destination in self.destinations]
        return [sum(runs, [])] if self.is_set else runs

    def fill(self, counters, lost, counted):
        sums = {name: sum(c[name] for c in counters) for name in ("offered", "confirmed", "repeated")}
        received, forwarded = self.crossed
        self.row.update(
            **sums, lost=lost, lost_counted=counted, max_memory=self.tap.memory_most, received=received, forwarded=forwarded
        )

    def all_forwarded(self):
        """Whether hosts have got, by the kernel's count, what x2tap says it has received: the load and what hosts say of themselves."""
        received = sum(port["received"] for port in self.tap.ask("counters")["ports"])
        self.crossed = received, self.topology.counted() - self.before
        return self.crossed[0] == self.crossed[1] >= len(self.load.sent)

    def check_forwarding(self):
        for port in self.tap.ask("counters")["ports"]:
            if port["received"] != port["forwarded"] or port["dropped"]:
                raise AssertionError(f"not all was forwarded: {port}")

    def same_octets(self):
        """What arrived is what was sent, in order, bit for bit."""
        if [f.octets for f in self.load.arrived] != [f.octets for f in self.load.sent]:
            raise AssertionError(f"{len(self.load.sent)} frames were sent, {len(self.load.arrived)} arrived, or others")

    def evidence(self):
        """What can be said of a row that goes wrong, in a few lines."""
        lines = [f"load average {os.getloadavg()[0]:.1f}"]
        if self.load and self.load.sent is not None:
            lines[0] += f", {len(self.load.sent)} frames sent"
        if not self.tap or not self.tap.process or self.tap.process.poll() is not None:
            return lines
        lines.append(f"x2tap waited for a CPU, in seconds: {', '.join(self.tap.waits())}")
        with contextlib.suppress(OSError, ValueError):
            answer = self.tap.ask("counters")
            lines += [f"{port['device']}: {figures(port)}" for port in answer["ports"]]
            lines += [f"{name}: {figures(answer[name])}" for name in ("work", "sip", "matching", "iri")]
            lines += [f"{c['did'][:8]}: {c['state']}, {figures(c)}" for c in answer["destinations"]]
        return lines

    def close(self):
        """Whatever the row came to: nothing of it stays."""
        for link in self.topology.links:
            link.clear()
        if self.load:
            for process in (self.load.sender, self.load.recorder):
                if process.poll() is None:
                    x2.stop(process, signal.SIGKILL)
        if self.tap and self.tap.process and self.tap.process.poll() is None:
            x2.stop(self.tap.process, signal.SIGKILL)
        for destination in self.destinations:
            with contextlib.suppress(Exception):
                destination.end_mf(signal.SIGKILL)
            if destination.throttle and destination.throttle.poll() is None:
                x2.stop(destination.throttle, signal.SIGKILL)
        for function in self.at_last:
            function()

    # --- how late what arrived

    def delays(self, destination, since_ns, until_ns):
        """Seconds from wire to arrival, of what was sent in a while."""
        sent = {}
        for frame in self.load.sent:
            if since_ns <= frame.time_ns < until_ns:
                sent[payload(frame)] = frame.time_ns
        found = {}
        for run in destination.runs:
            for line in run.lines():
                if line["type"] != x2.X2_PDU:
                    continue
                octets = base64.b64decode(line["payload"])
                if octets in sent:
                    found.setdefault(octets, (line["arrived_ns"] - sent[octets]) / 1e9)
        return list(found.values())


def payload(frame):
    """Of the load: UDP over IPv4 without options."""
    return frame.octets[42:]


def figures(counters):
    """Those that are not 0."""
    return ", ".join(f"{name} {value}" for name, value in counters.items() if isinstance(value, (int, float)) and value)
