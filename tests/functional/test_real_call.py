#!/usr/bin/python3
"""Real calls through x2tap: SIPp calls SIPp over a wire that x2tap is part of, and the IRI are the messages SIPp logged."""

import re

import sip_oracle
import x2tap_test as x2
from tap import case, equal, main, say
from wire import wire

SCENARIOS = ("register", "call", "message", "cancel", "busy", "forked", "compact")
ALICE = "sip:alice@example.com"


def logged(path):
    """The messages of a SIPp message log, sent and received, each once."""
    blocks = re.split(rb"-{20,}[^\n]*\n", path.read_bytes())
    found = []
    for block in blocks:
        head, gap, text = block.partition(b":\n\n")
        if not gap or b"message" not in head:
            continue
        length = re.search(rb"[\[(](\d+)[\])] bytes", head)
        octets = text[: int(length.group(1))] if length else text.rstrip(b"\n") + b"\n"
        if octets not in found:
            found.append(octets)
    return found


def sipp(w, directory, scenario, side, own, peer=None):
    namespace = w.caller if side == "caller" else w.callee
    command = [*w.inside(namespace), "sipp", "-sf", x2.ROOT / f"tests/functional/sipp/{scenario}-{side}.xml"]
    command += ["-i", own, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]
    command += ["-trace_msg", "-message_file", directory / f"{scenario}-{side}.messages"]
    if peer:
        command.append(f"[{peer}]:5060" if ":" in peer else f"{peer}:5060")
    return x2.start(command, directory / f"{scenario}-{side}.log", cwd=directory)


def bound(w, process):
    """Whether SIPp has its socket."""
    with open(f"/proc/{process.pid}/net/udp") as v4, open(f"/proc/{process.pid}/net/udp6") as v6:
        return ":13C4 " in v4.read() + v6.read() or process.poll() is not None


def call_through(caller, callee):
    x2.need_tool("sipp")
    with wire() as w, x2.workspace() as directory:
        tasks = [x2.task([{"sipUri": ALICE}]), *x2.CONTROL_TASKS]
        mf = x2.Mf(directory, inside=w.inside(w.tap))
        tap = x2.Tap(directory, tasks, {x2.DID: mf}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap))
        tap.start().ready()
        messages = []
        for scenario in SCENARIOS:
            answering = sipp(w, directory, scenario, "callee", callee)
            x2.wait_for("SIPp to listen", lambda: bound(w, answering))
            calling = sipp(w, directory, scenario, "caller", caller, callee)
            equal(x2.finish(calling), 0, f"{scenario}: SIPp as caller: {x2.said(calling)[-800:]}")
            equal(x2.finish(answering), 0, f"{scenario}: SIPp as callee")
            messages += logged(directory / f"{scenario}-caller.messages")
        x2.wait_for("as many IRI as messages", lambda: len(mf.iri()) >= len(messages))
        tap.check_laws()
        tap.stop()
        mf.stop()
        wanted = sorted(sip_oracle.reported(sip_oracle.messages(octets)[0]) for octets in messages)
        found = sorted(pdu["octets"] for pdu in mf.iri())
        equal(len(found), len(wanted), "IRI")
        for a, b in zip(wanted, found):
            equal(b, a, "an IRI that SIPp did not log so")
        equal({pdu["xid"] for pdu in mf.iri()}, {tasks[0]["xId"]}, "tasks")
        assert any(octets.startswith(b"MESSAGE") for octets in found) and b"nine" not in b"".join(found), "content shown"
        say(f"{len(found)} IRI of {len(SCENARIOS)} scenarios")


@case("registration, calls, re-INVITE, MESSAGE, cancelled, busy and forked calls over IPv4 are reported as SIPp logged them")
def _():
    call_through("192.0.2.10", "192.0.2.20")


@case("the same over IPv6")
def _():
    call_through("2001:db8::10", "2001:db8::20")


main()
