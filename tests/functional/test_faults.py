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
import load  # noqa: E402
import offered  # noqa: E402
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
        say({key: row[key] for key in (*bench_of_faults.KEYS, "notes")})
        if not row["ok"]:
            raise AssertionError(row["why"])


for name, run in bench_of_faults.chosen([]):
    if name in SELECTION:
        add(name, run)

main()
