#!/usr/bin/python3
"""The mediation function goes away under load: what comes back in order, and what a killed one may miss."""

import time

import iri
import load
import pcap
import x2tap_test as x2
from delivered import in_order, key, without_repeats
from tap import case, equal, main, say
from wire import wire

RATE = 200  # messages a second
BEFORE, AWAY, AFTER = (3, 5, 3) if x2.SANITIZED else (5, 20, 5)  # seconds
KEEPALIVE = {"keepalive_interval": "500ms", "keepalive_timeout": "2s"}
TASK = x2.task([{"sipUri": "sip:alice@example.com"}])


def outage(how_to_go, **destination):
    """One outage under load. Returns what both MFs got, what was wanted, and the destination's counters at the end."""
    with wire() as w, x2.workspace() as directory:
        frames = load.calls(("calls-ipv4",), RATE * (BEFORE + AWAY + AFTER), 1000)
        count = len(frames)
        pcap.write(directory / "load.pcap", frames)
        first = x2.Mf(directory, inside=w.inside(w.tap), name="first")
        tap = x2.Tap(
            directory, [TASK], {x2.DID: first}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap),
            destination={**KEEPALIVE, **destination},
        )  # fmt: skip
        tap.start().ready()
        before = w.received(w.callee)
        sender = w.replay(directory, directory / "load.pcap", RATE)
        x2.wait_for("the load to flow", lambda: len(first.iri()) >= RATE * BEFORE)
        how_to_go(first)
        gone = time.monotonic()
        x2.wait_for("the outage to pass", lambda: time.monotonic() > gone + AWAY, AWAY + 10)
        second = x2.Mf(directory, inside=w.inside(w.tap), name="second", port=first.port)
        equal(x2.finish(sender), 0, f"sender: {x2.said(sender)}")
        x2.wait_for("queue and confirmation", lambda: delivered(tap, count))
        counters = tap.ask("counters")
        tap.check_laws()
        x2.wait_for("the frames at the other end", lambda: w.received(w.callee) - before >= count)
        tap.stop()
        second.stop()
        wanted = iri.wanted(frames, [TASK], timed=False)
        equal(len(wanted), count, "messages of the load that are the task's")
        say(f"first MF {len(first.iri())}, second {len(second.iri())}, wanted {count}, {counters['destinations'][0]}")
        return first.iri(), second.iri(), wanted, counters["destinations"][0]


def delivered(tap, count):
    """All was offered, and nothing is kept any more: it is confirmed, or given up."""
    c = tap.ask("counters")["destinations"][0]
    return c["offered"] == count and c["queued"] == 0 and c["queue_octets"] == 0


@case(f"an MF that goes away cleanly for {AWAY} s under load and comes back has lost nothing, in order")
def _():
    first, second, wanted, counters = outage(lambda mf: mf.stop())
    in_order(first)
    in_order(second)
    difference = iri.first_difference(wanted, without_repeats(first + second))
    assert not difference, difference
    equal(counters["lost_queue_full"], 0, "lost")


@case("an MF that is killed under load and comes back has lost nothing, with redeliver")
def _():
    first, second, wanted, _ = outage(lambda mf: mf.process.kill())
    in_order(second)
    difference = iri.first_difference(wanted, without_repeats(first + second))
    assert not difference, difference


@case("an MF that is killed under load misses at most what was written after the last answered keepalive, without redeliver")
def _():
    first, second, wanted, counters = outage(lambda mf: mf.process.kill(), redeliver=False)
    got = {key(pdu) for pdu in first + second}
    equal(len(got), len(first + second), "PDUs sent once")
    places = [place for place, pdu in enumerate(wanted) if key(pdu) not in got]
    say(f"{len(places)} missing, {counters['unconfirmed']} unconfirmed")
    assert len(places) <= counters["unconfirmed"], "more is missing than was unconfirmed"
    # What is missing lies together, right after what the killed MF had written.
    equal(places, list(range(len(first), len(first) + len(places))), "places of what is missing")
    # Half a second of keepalive interval at this rate, and as much for its answer.
    assert len(places) <= RATE, "more is missing than a keepalive interval's"


main()
