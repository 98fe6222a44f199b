"""A second opinion on every message: what x2tap reads in captures beside what tshark finds there. SIP, RADIUS, DHCP, GTP-C.

Started by scripts/compare-tshark, which builds what it needs. Without CAPTUREs: all of ../shared/captures that are Ethernet
(or have an Ethernet copy) and of tests/data/captures. Each value that tshark finds is one of

  agree      x2tap has the same
  explained  x2tap has not, for a reason that stands in tests/compare/explained.tsv
  disagree   x2tap has another
  missing    x2tap has none, or not the message

and what x2tap alone finds is "beyond". Exit code 0: nothing disagrees or is missing, at most 1 % is explained and in messages
that both read 0.1 % of each protocol, and every explanation whose capture was read was needed. 1: not so. 2: it could not be
found out.
"""

import argparse
import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
import sys

import explanations
import tshark_reader
import tshark_signals
import x2tap_reader
from comparison import COUNTS, compare
from message import FIELDS, PROTOCOLS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = ROOT.parent / "shared"
BUILD = pathlib.Path(os.environ.get("X2TAP_BUILD", ROOT / "build"))
MOST_EXPLAINED = 0.01
MOST_EXPLAINED_READ = 0.001  # of each protocol, in messages that both read


def all_captures():
    """Name and path of every capture that x2tap can read: those of another link type have a copy in ethernet/."""
    shared = SHARED / "captures"
    found = {path.stem: path for path in shared.glob("*.pcap")}
    found.update({path.stem: path for path in shared.glob("ethernet/*.pcap")})
    found.update({f"derived-{path.stem}": path for path in shared.glob("derived/*.pcap")})
    found.update({path.stem: path for path in (ROOT / "tests/data/captures").glob("*.pcap")})
    return dict(sorted(found.items()))


def read_both(extract, path):
    packets = tshark_reader.dissected(path)
    return tshark_reader.messages(packets) + tshark_signals.messages(packets), x2tap_reader.read(extract, path)


def compare_all(extract, captures, entries):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        readings = {name: pool.submit(read_both, extract, path) for name, path in captures.items()}
        return [compare(name, *reading.result(), entries) for name, reading in readings.items()]


def table(results):
    head = ("capture", "tshark", "x2tap", "agree", "disagree", "explained", "missing", "beyond")
    lines = [head] + [
        (r.capture, r.messages_tshark.total(), r.messages_x2tap.total(), *(r.count(kind) for kind in COUNTS))
        for r in results
        if r.messages_tshark or r.messages_x2tap
    ]
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [str(line[0]).ljust(widths[0])] + [str(cell).rjust(width) for cell, width in zip(line[1:], widths[1:])]
        yield "  ".join(cells)
    without = sum(not r.messages_tshark and not r.messages_x2tap for r in results)
    yield f"{without} captures more, in which neither finds a message"


def differences_text(results, kinds):
    chosen = (d for r in results for d in r.differences if d.kind in kinds)
    for (whole, kind, capture, frame, line), group in itertools.groupby(
        chosen, lambda d: (d.whole, d.kind, d.capture, d.frame, d.start_line)
    ):
        yield f"{kind}: {capture}, frame {frame}: {line}"
        if whole:
            yield f"    the whole message, {len(list(group))} values"
            continue
        for difference in group:
            yield f"    {difference.field}: tshark {difference.tshark!r}, x2tap {difference.x2tap!r}"


def counts_of(results, protocol=None):
    counts = {kind: sum(r.count(kind, protocol) for r in results) for kind in COUNTS}
    counts["found"] = sum(counts[kind] for kind in COUNTS if kind != "beyond")
    counts["explained_read"] = sum(
        d.kind == "explained" and not d.whole for r in results for d in r.differences if protocol in (None, d.protocol)
    )
    counts["messages"] = sum(r.messages_tshark[protocol] if protocol else r.messages_tshark.total() for r in results)
    return counts


def summary(results, entries):
    counts = counts_of(results)
    counts["protocols"] = {protocol: counts_of(results, protocol) for protocol in PROTOCOLS}
    read = {r.capture for r in results}
    counts["stale"] = [f"line {e.line}: {e.capture} {e.frame} {e.field}" for e in entries if e.capture in read and not e.used]
    return counts


def verdict(counts):
    """What is wrong, in words."""
    if not counts["found"]:
        yield "tshark has found nothing"
    for kind in ("disagree", "missing"):
        if counts[kind]:
            yield f"{counts[kind]} {kind}"
    if counts["explained"] > MOST_EXPLAINED * counts["found"]:
        yield f"{counts['explained']} of {counts['found']} values are explained, more than {MOST_EXPLAINED:.0%}"
    for protocol, of in counts["protocols"].items():
        if of["explained_read"] > max(1, MOST_EXPLAINED_READ * of["found"]):
            yield f"{protocol}: {of['explained_read']} of {of['found']} values are explained, more than {MOST_EXPLAINED_READ:.1%}"
    for entry in counts["stale"]:
        yield f"explained.tsv, {entry}: explains nothing any more"


def counts_text(counts):
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in COUNTS)
    return f"{counts['messages']} messages, {counts['found']} values: {kinds}"


def save(path, counts, results):
    content = {**counts, "captures": []}
    for result in results:
        entry = {"capture": result.capture, "differences": [dataclasses.asdict(d) for d in result.differences]}
        messages = {"messages_tshark": result.messages_tshark, "messages_x2tap": result.messages_x2tap}
        content["captures"].append({**entry, **messages, **{kind: result.count(kind) for kind in COUNTS}})
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def options():
    parser = argparse.ArgumentParser(
        prog="compare-tshark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="writes counts and all differences there")
    parser.add_argument("--beyond", action="store_true", help="prints what x2tap alone finds, too")
    parser.add_argument("--extract", type=pathlib.Path, default=BUILD / "tests/compare/extract", help=argparse.SUPPRESS)
    parser.add_argument("--explained", type=pathlib.Path, default=HERE / "explained.tsv", help=argparse.SUPPRESS)
    parser.add_argument("captures", nargs="*", type=pathlib.Path, metavar="CAPTURE", help="a classic pcap file of Ethernet")
    return parser.parse_args()


def main():
    chosen = options()
    captures = {path.stem: path for path in chosen.captures} or all_captures()
    try:
        if len(captures) < len(chosen.captures):
            raise RuntimeError("two captures of the same name")
        for program in ("tshark", chosen.extract):
            if not shutil.which(program):
                raise RuntimeError(f"{program} is not there")
        entries = explanations.read(chosen.explained, FIELDS)
        results = compare_all(chosen.extract, captures, entries)
    except (OSError, RuntimeError, explanations.BadFile) as error:
        print(f"compare-tshark: {error}", file=sys.stderr)
        return 2
    counts = summary(results, entries)
    if chosen.json:
        save(chosen.json, counts, results)
    kinds = {"disagree", "missing"} | ({"beyond"} if chosen.beyond else set())
    print(*table(results), *differences_text(results, kinds), sep="\n")
    for protocol, of in counts["protocols"].items():
        print(f"{protocol}: {counts_text(of)}")
    print(counts_text(counts))
    wrong = list(verdict(counts))
    for text in wrong:
        print(f"compare-tshark: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
