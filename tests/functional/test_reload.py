#!/usr/bin/python3
"""Target files changed under traffic: SIGHUP and x2ctl reload, at once, with no frame and no number lost."""

import json
import signal
import subprocess

import iri
import load
import pcap
import x2tap_test as x2
from tap import case, equal, main, say
from wire import wire

ALICE = x2.task([{"sipUri": "sip:alice@example.com"}])
BOB = x2.task([{"sipUri": "sip:bob@example.com"}])
RATE, SECONDS = 200, 6


def x2ctl(tap, *request):
    done = subprocess.run([x2.program("x2ctl"), "--socket", tap.socket, *request], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def of(mf, order):
    return [pdu for pdu in mf.iri() if pdu["xid"] == order["xId"]]


def under_load(steps):
    """Runs `steps` under load; afterwards everything of Alice's must be there, as if nothing had happened."""
    with wire() as w, x2.workspace() as directory:
        frames = load.calls(("calls-ipv4",), RATE * SECONDS, 1000)
        count = len(frames)
        pcap.write(directory / "load.pcap", frames)
        mf = x2.Mf(directory, inside=w.inside(w.tap))
        tap = x2.Tap(
            directory, [ALICE], {x2.DID: mf}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap),
            destination={"keepalive_interval": "500ms"},
        )  # fmt: skip
        tap.start().ready()
        before = w.received(w.callee)
        sender = w.replay(directory, directory / "load.pcap", RATE)
        x2.wait_for("the load to flow", lambda: len(of(mf, ALICE)) > RATE // 4)
        steps(tap, mf)
        equal(sender.poll(), None, "the load ended before the steps did (exit code)")
        equal(x2.finish(sender), 0, f"sender: {x2.said(sender)}")
        x2.wait_for("all IRI of the first task", lambda: len(of(mf, ALICE)) >= count)
        x2.wait_for("the frames at the other end", lambda: w.received(w.callee) - before >= count)
        tap.check_laws()
        tap.stop()
        mf.stop()
        wanted = iri.wanted(frames, [ALICE], timed=False)
        difference = iri.first_difference(wanted, of(mf, ALICE))
        assert not difference, difference
        say(f"{len(of(mf, ALICE))} PDUs of the first task, {len(of(mf, BOB))} of the second")
        return tap


@case("SIGHUP: a new task takes effect, an unchanged one loses neither message nor number, no frame is lost")
def _():
    def steps(tap, mf):
        equal(of(mf, BOB), [], "PDUs before the order")
        tap.order([ALICE, BOB])
        tap.process.send_signal(signal.SIGHUP)
        x2.wait_for("the new task", lambda: of(mf, BOB))

    under_load(steps)


@case("x2ctl reload: tasks come and go; what has ended gets nothing any more")
def _():
    def steps(tap, mf):
        tap.order([ALICE, BOB])
        code, said = x2ctl(tap, "reload")
        equal(code, 0, said)
        x2.wait_for("the new task", lambda: of(mf, BOB))
        tap.order([ALICE])
        code, said = x2ctl(tap, "reload")
        equal(code, 0, said)
        offered = tap.ask("counters")["destinations"][0]["offered"]
        x2.wait_for("what was under way", lambda: tap.ask("counters")["destinations"][0]["confirmed"] > offered)
        ended = len(of(mf, BOB))
        got = len(of(mf, ALICE))
        x2.wait_for("more of the other task", lambda: len(of(mf, ALICE)) > got + RATE // 2)
        equal(len(of(mf, BOB)), ended, "PDUs of the task that has ended")

    under_load(steps)


@case("a reload of a bad file fails with places, raises a fault and changes nothing; a good one clears the fault")
def _():
    def steps(tap, mf):
        good = tap.targets.read_text()
        tap.targets.write_text(good.replace("X2Only", "X3Only"))
        code, said = x2ctl(tap, "reload")
        assert code != 0 and "X3Only" in said and f"{tap.targets}:" in said, (code, said)
        assert any(fault["name"] == "targets" for fault in tap.ask("status")["faults"]), "no fault"
        assert "X3Only" not in tap.said(), "content of the target file in the general log"
        got = len(of(mf, ALICE))
        x2.wait_for("the last good tasks to go on", lambda: len(of(mf, ALICE)) > got + RATE // 4)
        tap.targets.write_text(good)
        code, said = x2ctl(tap, "reload")
        equal(code, 0, said)
        equal([fault for fault in tap.ask("status")["faults"] if fault["name"] == "targets"], [], "faults")

    under_load(steps)


@case("a task that ends takes with it what an earlier run left in the spool, also when that has been read into memory")
def _():
    with x2.workspace() as directory:
        key = directory / "master.key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)
        port = x2.free_port()
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        spool = {"directory": directory / "spool", "master_key": key}
        sections = {"spool": spool, "shutdown_timeout": "200ms"}
        first = x2.Tap(directory, [ALICE], {x2.DID: port}, 1, vdevs, ports, **sections).start().ready()
        x2.wait_for("the PDUs", lambda: first.ask("counters")["destinations"][0]["offered"] == 37)
        first.stop(code=3)
        ports = [{"mirror": "net_null0", "ipid": "quiet"}]
        second = x2.Tap(directory, [ALICE], {x2.DID: port}, 1, ["net_null0,no-rx=1"], ports, **sections).start().ready()
        x2.wait_for("all in memory", lambda: second.ask("counters")["destinations"][0]["queued"] == 37)
        second.order([BOB])
        code, said = x2ctl(second, "reload")
        equal(code, 0, said)
        counters = second.ask("counters")["destinations"][0]
        equal((counters["queued"], counters["expired"], counters["expired_restored"]), (0, 37, 37), "queued, expired")
        second.check_laws()
        second.stop()


@case("with another master key no segment of the spool is called missing")
def _():
    with x2.workspace() as directory:
        key = directory / "master.key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)
        port = x2.free_port()
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        spool = {"directory": directory / "spool", "master_key": key}
        sections = {"spool": spool, "audit": {"file": directory / "audit.jsonl"}, "shutdown_timeout": "200ms"}
        first = x2.Tap(directory, [ALICE], {x2.DID: port}, 1, vdevs, ports, **sections).start().ready()
        x2.wait_for("the PDUs", lambda: first.ask("counters")["destinations"][0]["offered"] == 37)
        x2.wait_for("a segment", lambda: any(path.stat().st_size for path in directory.rglob("*.seg")))
        first.process.kill()
        first.process.wait()
        key.write_bytes(bytes(range(1, 33)))
        ports = [{"mirror": "net_null0", "ipid": "quiet"}]
        second = x2.Tap(directory, [ALICE], {x2.DID: port}, 1, ["net_null0,no-rx=1"], ports, **sections).start().ready()
        x2.wait_for("the fault", lambda: "spool" in json.dumps(second.ask("status")["faults"]), 15)
        audit = (directory / "audit.jsonl").read_text()
        assert '"what":"opened"' in audit and '"what":"missing"' not in audit, audit[-2000:]
        second.stop()


@case("x2ctl shows status, counters and laws as JSON that Python reads")
def _():
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        tap = x2.Tap(directory, [ALICE], {x2.DID: mf}, 1, vdevs, ports).start().ready()
        x2.wait_for("the PDUs", lambda: len(mf.iri()) == 37)
        for request in ("status", "counters", "check"):
            code, said = x2ctl(tap, "--json", request)
            equal((code, json.loads(said)["ok"]), (0, True), request)
            code, said = x2ctl(tap, request)
            equal(code, 0, f"{request}: {said}")
            assert said, f"{request} shows nothing"
        tap.stop()
        mf.stop()


main()
