"""What becomes of IRI when the network, MFs, disks and x2tap itself fail: one row a fault. Started by scripts/faults."""

import argparse
import json
import pathlib
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "functional"))

import bench_of_faults  # noqa: E402
import x2tap_test  # noqa: E402
from tap import Skip  # noqa: E402

COLUMNS = ("offered", "confirmed", "repeated", "lost", "lost_counted", "received", "forwarded")


def line(row):
    if row["ok"] is None:
        return f"skipped: {row['why']}"
    verdict = "ok" if row["ok"] else "NOT OK"
    figures = ", ".join(f"{name} {row[name]}" for name in COLUMNS if row.get(name) is not None)
    memory = f", max_memory {row['max_memory'] / 2**20:.0f} MiB" if row.get("max_memory") else ""
    delays = f", p99 beside {row['p99_beside'] * 1e3:.1f} ms ({row['p99_free'] * 1e3:.1f})" if "p99_beside" in row else ""
    notes = "".join(f"; {note}" for note in row["notes"])
    return f"{row['seconds']:.0f} s {verdict}: {figures}{memory}{delays}{notes}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--quick", action="store_true", help="fewer kills, shorter faults")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only rows whose names contain one of these")
    options = parser.parse_args()
    # A time-out ends us with SIGTERM: leave in order, so that what was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = bench_of_faults.chosen(options.names)
    if not rows:
        sys.exit(f"faults: no row is called so; there are {', '.join(name for name, _ in bench_of_faults.chosen([]))}")
    done = []
    try:
        with bench_of_faults.bench(options.quick) as bench:
            print(f"x2tap takes: {', '.join(sorted(bench.features)) or 'none of journal, spool, audit, sets'}", flush=True)
            for number, (name, run) in enumerate(rows, 1):
                print(f"fault {number}/{len(rows)} {name} ... ", end="", flush=True)
                done.append(bench.run(name, run))
                print(line(done[-1]), flush=True)
                if done[-1]["ok"] is False:
                    print(f"  {done[-1]['why']}", flush=True)
    except Skip as reason:
        sys.exit(f"faults: cannot run here: {reason}")
    finally:
        x2tap_test.stop_all()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(done, indent=1) + "\n")
    bad = [row["name"] for row in done if row["ok"] is False]
    skipped = sum(row["ok"] is None for row in done)
    print(f"{len(done) - len(bad) - skipped} ok, {len(bad)} not ok, {skipped} skipped", flush=True)
    sys.exit(1 if bad else 0)


main()
