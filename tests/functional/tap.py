"""Test cases as TAP, so that meson counts each of them.

A module marks its cases with @case("a sentence") and ends with main(). A case raises AssertionError to fail and Skip to be
skipped with a reason.
"""

import signal
import sys
import time
import traceback

cases = []


class Skip(Exception):
    pass


def case(name):
    def add(function):
        cases.append((name, function))
        return function

    return add


def say(text):
    for line in str(text).splitlines():
        print("#", line, flush=True)


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def main():
    # A time-out ends us with SIGTERM: leave in order, so that what was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [(name, run) for name, run in cases if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, (name, run) in enumerate(chosen, 1):
        began = time.monotonic()
        name = name.replace("#", "no.")
        try:
            run()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception as error:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            say(error if isinstance(error, AssertionError) and str(error) else traceback.format_exc())
        say(f"{time.monotonic() - began:.1f} s")
    sys.exit(1 if failed else 0)
