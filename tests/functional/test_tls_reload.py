#!/usr/bin/python3
"""Certificates, keys, CAs and CRLs changed under traffic: nothing is lost and nothing late; what is broken changes nothing."""

import functools
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import iri
import load
import pcap
import x2tap_test as x2
from delivered import without_repeats
from tap import case, equal, main, say
from wire import wire

RATE = 300  # messages a second
RELOADS = 6
TASK = x2.task([{"sipUri": "sip:alice@example.com"}])
FLOOR_NS = 100 * 10**6  # of what is compared: below it this host's own jitter speaks; to connect anew only then takes half a second

x2.certificates = functools.cache(lambda: x2.make_certificates("--peers"))


class StampedMf(x2.Mf):
    """x2mf whose lines have the time at which they came: "arrived_ns"."""

    def __init__(self, directory, inside):
        self.port, self.jsonl, log = x2.free_port(), directory / "mf.jsonl", directory / "mf.log"
        files = x2.certificates()
        with open(log, "ab") as told:
            self.process = subprocess.Popen(
                [*inside, x2.program("x2mf"), "--listen", f"127.0.0.1:{self.port}", "--cert", files / "mf.pem", "--key",
                 files / "mf.key", "--ca", files / "ca.pem", "--jsonl", "-"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told,
            )  # fmt: skip
            self.stamp = subprocess.Popen(
                [sys.executable, x2.ROOT / "tests/faults/stamp.py", self.jsonl],
                stdin=self.process.stdout, stdout=told, stderr=told,
            )  # fmt: skip
        self.process.stdout.close()
        self.process.log = log
        x2.running += [self.process, self.stamp]
        x2.wait_for("x2mf to listen", lambda: "listening on" in x2.said(self.process))

    def stop(self, how=signal.SIGTERM):
        code = super().stop(how)
        x2.finish(self.stamp)
        return code

    def count(self):
        return self.jsonl.read_bytes().count(b'"type":1,') if self.jsonl.exists() else 0


class Files:
    """What the configuration names, to be replaced under x2tap: a few names, each a copy of some file of make-certs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory) / "tls"
        self.directory.mkdir()
        self.put(cert="ne.pem", key="ne.key", ca="ca.pem", crl="crl.pem")
        self.section = {name: self.directory / name for name in ("cert", "key", "ca", "crl")}

    def put(self, **sources):
        """Each source names one file or several, which are put together."""
        for name, source in sources.items():
            names = [source] if isinstance(source, str) else source
            fresh = self.directory / f"{name}.new"
            fresh.write_bytes(b"".join((x2.certificates() / one).read_bytes() for one in names))
            shutil.copymode(x2.certificates() / names[0], fresh)
            fresh.rename(self.directory / name)


class Bench:
    """x2tap under load, with an MF and files to change."""

    def __init__(self, directory, w, seconds):
        self.files = Files(directory)
        frames = load.calls(("calls-ipv4",), RATE * seconds, 1000)
        self.wanted = iri.wanted(frames, [TASK], timed=False)
        equal(len(self.wanted), len(frames), "messages of the load that are the task's")
        pcap.write(directory / "load.pcap", frames)
        self.mf = StampedMf(directory, w.inside(w.tap))
        self.tap = x2.Tap(
            directory, [TASK], {x2.DID: self.mf}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap), tls=self.files.section,
            destination={"keepalive_interval": "500ms", "keepalive_timeout": "5s"},
        )  # fmt: skip
        self.tap.start().ready()
        x2.wait_for("the connection", lambda: self.counters()["connects"] == 1)
        self.sender = w.replay(directory, directory / "load.pcap", RATE)
        x2.wait_for("the load to flow", lambda: self.mf.count() > RATE // 4)

    def counters(self):
        return self.tap.ask("counters")["destinations"][0]

    def faults(self, name):
        return [fault["text"] for fault in self.tap.ask("faults")["faults"] if fault["name"] == name]

    def reload(self):
        before = self.tap.said().count("targets: loaded")
        self.tap.process.send_signal(signal.SIGHUP)
        x2.wait_for("the reload", lambda: self.tap.said().count("targets: loaded") > before)

    def replace(self, **sources):
        """New files and SIGHUP; then a new connection must take over."""
        connects = self.counters()["connects"]
        self.files.put(**sources)
        self.reload()
        x2.wait_for("the next connection", lambda: self.counters()["connects"] > connects)

    def is_flowing(self):
        return self.sender.poll() is None

    def flows_on(self):
        count = self.mf.count()
        x2.wait_for("more PDUs", lambda: self.mf.count() >= count + RATE // 3)

    def end(self):
        """All must be there, once. Returns the PDUs in order of arrival, and the counters."""
        equal(x2.finish(self.sender), 0, f"sender: {x2.said(self.sender)}")
        x2.wait_for("all confirmed", lambda: self.counters()["confirmed"] >= len(self.wanted))
        counters = self.counters()
        self.tap.check_laws()
        self.tap.stop()
        self.mf.stop()
        pdus = self.mf.iri()
        equal(len(pdus) - len(self.wanted), counters["repeated"], "repeats that are counted")
        difference = iri.first_difference(self.wanted, without_repeats(pdus))
        assert not difference, difference
        for name in ("lost_queue_full", "lost_shutdown"):
            equal(counters[name], 0, name)
        return pdus, counters


def late(pdus):
    """How long the slowest hundredth of the PDUs took from frame to MF, in nanoseconds."""
    times = sorted(pdu["arrived_ns"] - pdu["time_ns"] for pdu in pdus)
    return times[len(times) * 99 // 100], times[-1]


def steady():
    with wire() as w, x2.workspace() as directory:
        return late(Bench(directory, w, 6).end()[0])


@case(f"certificate, key, CA file and CRL replaced {RELOADS} times under load: nothing lost, nothing twice, nothing late")
def _():
    usual, usual_worst = steady()
    with wire() as w, x2.workspace() as directory:
        bench = Bench(directory, w, 4 + 3 * RELOADS)
        for number in range(RELOADS):
            if number % 2:
                bench.replace(cert="ne.pem", key="ne.key", ca="ca.pem", crl="crl.pem")
            else:
                bench.replace(cert="ne-20-days.pem", key="ne-20-days.key", ca=["wrong-ca.pem", "ca.pem"], crl="crl-5-days.pem")
            bench.flows_on()
        assert bench.is_flowing(), "the load ended before the reloads did"
        pdus, counters = bench.end()
        equal(counters["connects"], 1 + RELOADS, "connections")
        equal(counters["repeated"], 0, "repeats")
        found, worst = late(pdus)
        say(f"p99 {found / 1e6:.1f} ms, most {worst / 1e6:.1f} ms; without reloads {usual / 1e6:.1f} and {usual_worst / 1e6:.1f} ms")
        assert found <= 2 * max(usual, FLOOR_NS), "PDUs are late"


@case("a key, certificate, CA file or CRL that is broken is a fault and changes nothing; a good one heals it")
def _():
    broken = (
        ({"key": "ne-20-days.key"}, {"key": "ne.key"}, "does not belong to the certificate"),
        ({"cert": "ne-expired.pem", "key": "ne-expired.key"}, {"cert": "ne.pem", "key": "ne.key"}, "has expired"),
        ({"ca": "crl.pem"}, {"ca": "ca.pem"}, "no CA certificate"),
        ({"crl": "ca.pem"}, {"crl": "crl.pem"}, "no CRL"),
    )
    with wire() as w, x2.workspace() as directory:
        bench = Bench(directory, w, 25)
        for bad, good, text in broken:
            bench.files.put(**bad)
            bench.reload()
            (said,) = bench.faults("tls")
            assert text in said and "the certificates in use stay" in said, said
            bench.flows_on()
            equal(bench.counters()["connects"], 1, "connections")
            bench.files.put(**good)
            bench.reload()
            x2.wait_for("the end of the fault", lambda: not bench.faults("tls"))
            equal(bench.counters()["connects"], 1, "connections with the same files as before")
        bench.replace(cert="ne-20-days.pem", key="ne-20-days.key")
        bench.flows_on()
        _, counters = bench.end()
        equal((counters["connects"], counters["repeated"]), (2, 0), "connections and repeats")


@case("an MF that is revoked while it is connected gets nothing more from the reload on, and all when it is trusted again")
def _():
    with wire() as w, x2.workspace() as directory:
        bench = Bench(directory, w, 12)
        bench.files.put(crl="crl-mf.pem")
        bench.reload()
        began = time.monotonic()
        count = bench.mf.count()
        x2.wait_for("the end of the connection", lambda: bench.counters()["disconnects"] == 1, 5)
        took = time.monotonic() - began
        x2.wait_for("the fault", lambda: any("revoked" in text for text in bench.faults("mf certificate")))
        assert bench.mf.count() - count <= RATE * took, "PDUs at a revoked MF"
        count, offered = bench.mf.count(), bench.counters()["offered"]
        x2.wait_for("more to be waiting", lambda: bench.counters()["offered"] > offered + RATE)
        equal(bench.mf.count(), count, "PDUs at a revoked MF")
        equal(bench.counters()["connects"], 1, "connections")
        bench.files.put(crl="crl.pem")
        bench.reload()
        x2.wait_for("a connection", lambda: bench.counters()["connects"] == 2)
        x2.wait_for("the end of the fault", lambda: not bench.faults("mf certificate"))
        bench.end()
        say(f"connected for {took:.1f} s after the reload")


def expiry(files):
    """x2tap without traffic; what the fault says with each of these files in turn, in the order given."""
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        live = Files(directory)
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        live.put(**files[0][0])
        tap = x2.Tap(directory, [TASK], {x2.DID: mf}, 1, vdevs, ports, tls=live.section).start().ready()
        for sources, about, text in files:
            live.put(**sources)
            tap.process.send_signal(signal.SIGHUP)

            def said(about=about):
                shown = subprocess.run(
                    [x2.program("x2ctl"), "--socket", tap.socket, "faults"], capture_output=True, text=True, check=True
                )
                entries = [entry.split("\n") for entry in shown.stdout.split("\n\n")]
                entries = [dict(line.split(None, 1) for line in entry if line.startswith("  ")) for entry in entries]
                return [e["text"] for e in entries if e.get("name") == "tls expiry" and e["about"] == about]

            if text:
                x2.wait_for(f"{about}: {text}", lambda said=said, text=text: any(text in line for line in said()), 20)
            else:
                x2.wait_for("no fault", lambda said=said: not said(), 20)
        tap.stop()
        mf.stop()


@case("certificates, CAs and CRLs that end are warned of 30, 7 and 1 days ahead; new ones end the warning")
def _():
    good = {"cert": "ne.pem", "key": "ne.key", "ca": "ca.pem", "crl": "crl.pem"}
    steps = []
    for name, days in (("ne-20-days", "30 days"), ("ne-5-days", "7 days"), ("ne-12-hours", "1 day")):
        steps.append(({"cert": f"{name}.pem", "key": f"{name}.key"}, "certificate", f"cert expires in less than {days}:"))
    steps.append((good, "certificate", None))
    steps.append(({"ca": ["ca.pem", "ca-5-days.pem"]}, "CA", "ca expires in less than 7 days:"))
    steps.append((good, "CA", None))
    steps.append(({"crl": "crl-5-days.pem"}, "CRL", "crl expires in less than 7 days:"))
    steps.append((good, "CRL", None))
    steps.append(({"crl": "crl-expired.pem"}, "CRL", "crl has expired:"))
    steps.append((good, "CRL", None))
    expiry(steps)


main()
