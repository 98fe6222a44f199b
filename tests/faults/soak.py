"""Hours of delivery in minutes: x2tap at 80 % of what it can deliver here, while certificates and targets change. Started by
scripts/soak."""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "functional"))

import offered  # noqa: E402
import x2tap_test as x2  # noqa: E402
from features import features, sections  # noqa: E402
from tap import Skip  # noqa: E402
from wire import wire  # noqa: E402

MEASURING = 10  # seconds
SHARE = 0.8  # of the measured rate
MORE_THAN_ANY = 200_000  # messages a second: more than can be delivered
CONTEXTS = 4096
TURN, RELOAD = 10, 60  # seconds between lines, between reloads
# What waits while the machine does something else: frames in the kernel's rings, events between worker and control core.
FRAMES, EVENT_RING_KIB = 32768, 65536
# A tap has cores of its own; here it shares two with generator and MF, so it goes first.
FIRST = ["nice", "-n", "-15"]
GROWTH = 8 << 20  # octets over the whole soak that are no growth: what the kernel counts in coarse steps
SETTLED = 0.2  # of the soak after which memory must not grow any more
DESTINATION = {"keepalive_interval": "1s", "keepalive_timeout": "20s", "queue_mib": 64}


def say(text):
    print(text, flush=True)


class Generator:
    """loadgen at the caller's end."""

    def __init__(self, w, rate):
        program = x2.BUILD / "tests" / "faults" / "loadgen"
        self.process = subprocess.Popen(
            [str(part) for part in (*w.inside(w.caller), program, "wire", rate, CONTEXTS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        x2.running.append(self.process)

    def stop(self):
        """Returns how many messages it has sent."""
        answer, _ = self.process.communicate("")
        x2.finish(self.process)
        return json.loads(answer)["sent"]


class Receiver:
    """x2mf without any output but its findings."""

    def __init__(self, w, directory):
        self.port = x2.free_port()
        files = x2.certificates()
        command = ["--cert", files / "mf.pem", "--key", files / "mf.key", "--ca", files / "ca.pem"]
        self.process = x2.start(
            [*w.inside(w.tap), x2.program("x2mf"), "--listen", f"127.0.0.1:{self.port}", *command], directory / "mf.log"
        )
        x2.wait_for("x2mf to listen", lambda: "listening on" in x2.said(self.process))

    def stop(self):
        """Its exit code and the figures of its last line."""
        code = x2.stop(self.process)
        last = x2.said(self.process).splitlines()[-1]
        return code, {name: int(value) for name, value in re.findall(r"(PDUs|repeats|missing|reused) (\d+)", last)}


def make_certificates(directory):
    """Two certificates of ours under the same CA, to be swapped."""
    files = x2.certificates()
    extensions = directory / "extensions"
    extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
    pairs = [(files / "ne.pem", files / "ne.key")]
    cert, key, request = directory / "ne2.pem", directory / "ne2.key", directory / "ne2.csr"
    for command in (
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
         "-subj", "/O=x2tap test/CN=x2tap test ne2"],
        ["x509", "-req", "-in", request, "-CA", files / "ca.pem", "-CAkey", files / "ca.key", "-set_serial", "4711", "-days", "90",
         "-extfile", extensions, "-out", cert],
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    key.chmod(0o600)
    return [*pairs, (cert, key)]


class Soak:
    def __init__(self, w, directory, found):
        self.w, self.directory, self.features = w, directory, found
        self.pairs = make_certificates(directory)
        self.reloads = 0
        self.samples = []  # seconds, octets of memory, descriptors

    def start(self, name):
        self.mf = Receiver(self.w, self.directory)
        state = self.directory / name
        state.mkdir()
        tls = {"cert": state / "ne.pem", "key": state / "ne.key", "ca": x2.certificates() / "ca.pem"}
        durable = {key: value for key, value in sections(state).items() if key in self.features and key != "sets"}
        if "spool" in durable:
            durable["spool"]["directory"] = state / "spool"
            (state / "spool").mkdir(mode=0o700)
        w = self.w
        self.tap = x2.Tap(
            state, [offered.TASK], {x2.DID: self.mf.port}, 1, w.vdevs(frames=FRAMES), w.ports(frames=FRAMES),
            inside=[*w.inside(w.tap), *FIRST],
            destination=DESTINATION, event_ring_kib=EVENT_RING_KIB, **{**durable, "tls": tls},
        )  # fmt: skip
        self.state = state
        self.put_certificate()
        self.tap.start().ready()
        x2.wait_for("the MF", lambda: self.counters()["state"] == "up")

    def counters(self):
        return self.tap.ask("counters")["destinations"][0]

    def put_certificate(self):
        for source, name in zip(self.pairs[self.reloads % 2], ("ne.pem", "ne.key")):
            fresh = self.state / f"{name}.new"
            shutil.copyfile(source, fresh)
            fresh.chmod(0o600)
            fresh.rename(self.state / name)

    def reload(self):
        self.reloads += 1
        self.put_certificate()
        self.tap.order([offered.TASK, *x2.CONTROL_TASKS[: self.reloads % 2]])
        self.tap.process.send_signal(signal.SIGHUP)

    def measure(self):
        """PDUs a second that are confirmed when more is offered than can be."""
        self.start("measure")
        generator = Generator(self.w, MORE_THAN_ANY)
        time.sleep(1)
        confirmed, began = self.counters()["confirmed"], time.monotonic()
        time.sleep(MEASURING)
        rate = (self.counters()["confirmed"] - confirmed) / (time.monotonic() - began)
        generator.stop()
        x2.stop(self.tap.process, signal.SIGKILL)
        self.mf.stop()
        return rate

    def sample(self, seconds):
        process = pathlib.Path(f"/proc/{self.tap.process.pid}")
        memory = int(re.search(r"VmRSS:\s*(\d+)", (process / "status").read_text()).group(1)) * 1024
        self.samples.append((seconds, memory, len(os.listdir(process / "fd"))))
        return self.samples[-1]

    def run(self, rate, seconds):
        """The soak itself; returns its row."""
        self.start("soak")
        generator = Generator(self.w, rate)
        began = time.monotonic()
        turn, reload = min(TURN, seconds / 6), min(RELOAD, seconds / 3)
        next_turn, next_reload, last = turn, reload, 0
        while (now := time.monotonic() - began) < seconds:
            if self.tap.process.poll() is not None:
                raise AssertionError(f"x2tap ended with {self.tap.process.returncode}:\n{self.tap.said()[-3000:]}")
            if now >= next_reload:
                self.reload()
                next_reload += reload
            if now >= next_turn:
                last = self.tell(now, last, turn)
                next_turn += turn
            time.sleep(min(0.1, max(0, min(next_turn, next_reload, seconds) - now)))
        sent = generator.stop()
        return self.judge(sent, rate)

    def tell(self, now, last, turn):
        c = self.counters()
        _, memory, descriptors = self.sample(now)
        say(
            f"{now:5.0f} s: {(c['confirmed'] - last) / turn:.0f} PDU/s confirmed, {c['queue_octets'] >> 10} KiB queued, "
            f"{c['repeated']} repeated, {lost_of(c)} lost, memory {memory / 2**20:.1f} MiB, {descriptors} descriptors, "
            f"{self.reloads} reloads, state {c['state']}"
        )
        return c["confirmed"]

    def judge(self, sent, rate):
        port = lambda: self.tap.ask("counters")["ports"][0]  # noqa: E731
        wrong = []
        try:
            x2.wait_for("all to be confirmed", lambda: self.counters()["confirmed"] >= sent, 60)
        except AssertionError as error:
            wrong.append(str(error))
        answer, c = self.tap.ask("counters"), self.counters()
        received, forwarded = port()["received"], port()["forwarded"]
        row = {
            "name": "soak", "rate": round(rate), "sent": sent, "offered": c["offered"], "confirmed": c["confirmed"],
            "repeated": c["repeated"], "lost": lost_of(c), "received": received, "forwarded": forwarded, "reloads": self.reloads,
            # The clock is this host's: nothing that a soak brings about.
            "faults": [fault["name"] for fault in self.tap.ask("faults")["faults"] if fault["name"] != "clock"],
        }  # fmt: skip
        wrong += [f"the law {law['name']} is broken" for law in self.tap.ask("check")["laws"] if not law["holds"]]
        self.tap.stop()
        code, figures = self.mf.stop()
        row["unique_at_mf"] = figures["PDUs"] - figures["repeats"]
        row.update(self.growth())
        for name, found, wanted in (
            ("frames received", received >= sent, True), ("forwarded", forwarded, received), ("offered", c["offered"], sent),
            ("confirmed", c["confirmed"], sent), ("lost", row["lost"], 0), ("unique PDUs at the MF", row["unique_at_mf"], sent),
            ("exit code of x2mf", code, 0), ("faults", row["faults"], []),
            ("lost before the queue", sum(v for part in ("matching", "work") for k, v in answer[part].items() if k.startswith("lost_")), 0),
        ):  # fmt: skip
            if found != wanted:
                wrong.append(f"{name}: {found}, wanted {wanted}")
        if row["memory_growth"] > GROWTH:
            wrong.append(f"memory grows by {row['memory_growth'] / 2**20:.1f} MiB")
        if row["descriptors_growth"] > 2:
            wrong.append(f"{row['descriptors_growth']} more descriptors than at first")
        row.update(ok=not wrong, why="; ".join(wrong))
        return row

    def growth(self):
        """By how much memory and descriptors rise over the soak, going by the line through the samples."""
        settled = [sample for sample in self.samples if sample[0] >= SETTLED * self.samples[-1][0]]
        span = settled[-1][0] - settled[0][0]
        slope = statistics.linear_regression([s[0] for s in settled], [s[1] for s in settled]).slope if len(settled) > 1 else 0
        return {
            "memory": settled[-1][1], "memory_growth": round(slope * span), "descriptors": settled[-1][2],
            "descriptors_growth": settled[-1][2] - settled[0][2],
        }  # fmt: skip


def lost_of(counters):
    return sum(value for name, value in counters.items() if name.startswith("lost_"))


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the row there too")
    parser.add_argument("minutes", nargs="?", type=float, default=10, metavar="MIN", help="default 10")
    options = parser.parse_args()
    # A time-out ends us with SIGTERM: leave in order, so that what was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with wire() as w, x2.workspace() as directory:
            soak = Soak(w, directory, features())
            most = soak.measure()
            say(f"{most:.0f} PDU/s can be delivered here; {SHARE * most:.0f} PDU/s for {options.minutes:g} minutes")
            row = soak.run(SHARE * most, options.minutes * 60)
    except Skip as reason:
        sys.exit(f"soak: cannot run here: {reason}")
    finally:
        x2.stop_all()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps([row], indent=1) + "\n")
    say(", ".join(f"{name} {value}" for name, value in row.items() if name not in ("name", "ok", "why")))
    say("ok" if row["ok"] else f"NOT OK: {row['why']}")
    sys.exit(0 if row["ok"] else 1)


main()
