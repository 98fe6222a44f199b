"""Runs rows one after the other: the code that scripts/faults and the functional test share."""

import contextlib
import time
import traceback

import fault_rows
import offered
import x2tap_test as x2
from features import features
from rig import Late, Rig
from tap import Skip
from topology import topology

RATE = 100 if x2.SANITIZED else 250  # messages a second
FRAMES = 12000 if x2.SANITIZED else 25000  # of the load, at most: a hundred seconds
TRIES = 3  # of a row in which something was late and nothing else was wrong
KEYS = ("offered", "confirmed", "repeated", "lost", "lost_counted", "max_memory", "received", "forwarded")


def chosen(words):
    """The rows whose names contain one of the words; all without."""
    return [(name, run) for name, run in fault_rows.ROWS if not words or any(word in name for word in words)]


class Bench:
    """Topology, load and what x2tap can do, for any number of rows."""

    def __init__(self, stack, quick, timed):
        self.quick, self.timed = quick, timed
        self.features = features()
        self.directory = stack.enter_context(x2.workspace())
        self.capture = offered.prepare(self.directory, FRAMES)
        self.topology = stack.enter_context(topology())

    def run(self, name, run):
        """One row as a dict: ok is True, False (then "why"), or None where it was skipped (then "why")."""
        began = time.monotonic()
        for attempt in range(TRIES):
            row = self.attempt(name, run, attempt)
            if not row.pop("late", False):
                break
        row["seconds"] = round(time.monotonic() - began, 1)
        if attempt:
            row["notes"].append(f"try {attempt + 1}")
        return row

    def attempt(self, name, run, number):
        directory = self.directory / f"{name}-{number}"
        directory.mkdir()
        rig = Rig(self.topology, directory, self.capture, self.features, self.quick, self.timed, RATE)
        row = {"name": name, **dict.fromkeys(KEYS)}
        try:
            run(rig)
            row.update(rig.row)
            judge(row)
            row["ok"] = True
            if row.pop("overlooked", 0) and name not in MAY_LOSE:
                raise Late("messages came faster than x2tap could look at them, as it says itself")
        except Skip as reason:
            row.update(ok=None, why=str(reason))
        except Exception as error:
            why = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
            why = "\n".join([why, *rig.evidence()])
            row.update({**rig.row, "ok": False, "why": why, "late": isinstance(error, Late)})
        finally:
            rig.close()
        row["notes"] = rig.notes
        return row


def judge(row):
    if row["lost"] != row["lost_counted"]:
        raise AssertionError(f"{row['lost']} PDUs are lost, but {row['lost_counted']} are counted as lost")
    if row["forwarded"] != row["received"]:
        raise AssertionError(f"{row['received']} frames were received, {row['forwarded']} forwarded")
    if row["lost"] and row["name"] not in MAY_LOSE:
        raise AssertionError(f"{row['lost']} PDUs are lost")


# Where the spool's limits, or the 100 ms of a killed x2tap, are exceeded on purpose.
MAY_LOSE = ("tap_killed_20_mf_away", "tap_killed_20_mf_there", "disk_full", "queue_overflow")


@contextlib.contextmanager
def bench(quick, timed=True):
    """`timed`: whether it matters how late things arrive."""
    with contextlib.ExitStack() as stack:
        yield Bench(stack, quick, timed)
