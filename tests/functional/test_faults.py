#!/usr/bin/python3
"""A selection of what ./scripts/faults tries, with fewer kills and shorter faults; how late things arrive is not judged here, where
other tests run at the same time."""

import atexit
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))

import bench_of_faults  # noqa: E402
import checker  # noqa: E402
import iri  # noqa: E402
import lives  # noqa: E402
import load  # noqa: E402
import offered  # noqa: E402
import pcap  # noqa: E402
from tap import Skip, case, equal, main, say  # noqa: E402

SELECTION = (
    "mf_killed_30", "tap_killed_20_mf_away", "tap_killed_20_mf_there", "loss_5", "black_hole", "reset", "half_open",
    "disk_full", "disk_io_error", "wrong_master_key", "redundant_failover", "queue_overflow",
)  # fmt: skip


def complaint(check, *arguments):
    """What a check has to say, or None."""
    try:
        check(*arguments)
    except AssertionError as error:
        return str(error)
    return None


@case("the checker sees what is missing, changed, added, out of order, and one number for two PDUs")
def _():
    frames = offered.with_registrations(load.calls(("calls-ipv4",), 100, 1000))
    wanted = iri.wanted(frames, [offered.TASK], timed=False)
    run = [{**pdu, "peer": "first"} for pdu in wanted]
    again = [{**pdu, "peer": "second"} for pdu in run[-5:]]
    equal(checker.missing(wanted, [run, again]), [], "missing")
    equal(checker.missing(wanted, [run[:20] + run[23:], again]), wanted[20:23], "missing")
    phone = [pdu for pdu in run if b"Call-ID: telephone-1" in pdu["octets"]]
    other = {**phone[3], "octets": phone[4]["octets"], "peer": "second"}
    for what, bad in (
        ("one number for two PDUs", [run, [other]]),
        ("out of order", [[phone[1], phone[0]]]),
        ("octets", [[{**run[0], "octets": run[0]["octets"] + b"x"}]]),
        ("that nobody wanted", [run, [{**run[0], "seq": 99, "peer": "second"}]]),
    ):
        said = complaint(checker.missing, wanted, bad)
        assert said and what in said, f"{what}: {said}"
    # x2tap was killed: two numbers are lost, and one message was not numbered.
    lives = [phone[0], *phone[3:5], *({**pdu, "seq": pdu["seq"] - 1} for pdu in phone[6:])]
    missing, passed_over = checker.missing_by_content(phone, [lives])
    equal([pdu["seq"] for pdu in missing], [1, 2, 5], "missing")
    equal(list(passed_over.values()), [{1, 2}], "numbers passed over")
    said = complaint(checker.missing_by_content, phone, [[phone[1], {**phone[0], "seq": 7}]])
    assert said and "numbered out of order" in said, said


def two_lives(**last):
    """A frame every 4 ms through two lives of 250 frames each, 50 being lost between them; glimpses every 20 ms, at each of which all is
    looked at that came. `last`: counters that are not so at the last glimpses."""
    ms = 10**6
    sent = [pcap.Frame(number + 1, 4 * number * ms, b"%d" % number) for number in range(550)]
    for frame in sent:
        frame.sent_ns = frame.time_ns + 10**5
    found = [lives.Life(-1, 1000 * ms, True), lives.Life(1000 * ms, 2210 * ms)]
    for life, begin, end in ((found[0], 0, 1000), (found[1], 1200, 2210)):
        for at in range(begin + 20, end, 20):
            count = (at - begin) // 4
            life.glimpses.append(lives.Glimpse(at * ms, (at + 1) * ms, count, 0, count, count))
    found[0].glimpses[-1].__dict__.update(last)
    return found, sent, sent[:250] + sent[300:]


@case("lives: what x2tap had looked at long enough before it was killed must be there, however late it was; and all else of the others")
def _():
    found, sent, arrived = two_lives()
    first, second = lives.shares(found, sent, arrived)
    equal((len(first.places), len(second.places)), (250, 250), "frames of each life")
    equal(lives.crossed([first, second]), (500 - 6 - 6, 500 - 6 - 6), "frames that must have come through, and did")
    # The last glimpses are at 940, 960 and 980 ms: of those in the 100 ms before the second last, and the one that shows them taken.
    sure = found[0].sure()
    equal(sure.asked_ns // 10**6, 820, "the latest sure glimpse")
    first.check(set(range(sure.looked_at, 250)))
    for share, lost in ((first, {sure.looked_at - 1}), (first, {20}), (second, {549}), (second, {310})):
        said = complaint(share.check, lost)
        assert said and said.startswith("1 messages are missing"), said
    # What came before an event told of the orders may be missing, and has no number; what came later has one.
    second.check({300, 304})
    equal(second.may_have_been_numbered({300, 304, 310}), {310}, "missing, and may have been numbered")
    equal(first.may_have_been_numbered({2, 249}), {249}, "missing, and may have been numbered")
    # A control core that gets no CPU: glimpses end, and with them what can be demanded.
    found[0].glimpses = found[0].glimpses[:20]
    equal(found[0].sure().looked_at, 60, "frames that are sure then")
    first.check(set(range(60, 250)))
    assert complaint(first.check, {59}), "what was sure by then is still demanded"
    # Events that are not taken are not sure.
    for glimpse in found[0].glimpses:
        glimpse.taken = 0
    equal(found[0].sure(), None, "a sure glimpse")


@case("lives: frames that are left out, come in another order, or are told of and did not arrive; messages that were overlooked")
def _():
    found, sent, arrived = two_lives()
    must, came = lives.crossed(lives.shares(found, sent, [frame for frame in arrived if frame.number != 101]))
    equal(must - came, 1, "frames left out")
    said = complaint(lives.shares, found, sent, [arrived[1], arrived[0]])
    assert said and "another order" in said, said
    short = lives.shares(found, sent, arrived[:230] + arrived[250:])[0]
    said = complaint(short.check, set())
    assert said and "but 230 arrived" in said, said
    found, sent, arrived = two_lives()
    for glimpse in found[0].glimpses[10:]:
        glimpse.overlooked, glimpse.looked_at = 3, glimpse.looked_at - 3
    share = lives.shares(found, sent, arrived)[0]
    share.check({60, 61, 62})
    assert complaint(share.check, {60, 61, 62, 63}), "more are missing than were overlooked"
    # A frame that was on its way while one life ended and the next began may be of either.
    sent[249].sent_ns = 1001 * 10**6
    first, second = lives.shares(found, sent, arrived)
    assert 249 in first.doubtful and 249 in second.doubtful
    second.check({249})


stack = contextlib.ExitStack()
atexit.register(stack.close)
benches = []


def bench():
    """One for all cases."""
    if not benches:
        benches.append(stack.enter_context(bench_of_faults.bench(quick=True, timed=False)))
    return benches[0]


def add(name, run):
    @case(f"{name}: {run.__doc__.split('.')[0]}")
    def _():
        row = bench().run(name, run)
        if row["ok"] is None:
            raise Skip(row["why"])
        figures = {key: row[key] for key in (*bench_of_faults.KEYS, "notes") if row[key] not in (None, [])}
        if not row["ok"]:
            raise AssertionError(f"{row['why']}\n{figures}")
        say(figures)


for name, run in bench_of_faults.chosen([]):
    if name in SELECTION:
        add(name, run)

main()
