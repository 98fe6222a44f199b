#!/usr/bin/python3
"""scripts/compare-tshark: x2tap and tshark read the same in every capture, and it would be noticed if they did not."""

import json
import os
import struct
import subprocess
import sys

import craft
import made_up
import pcap
import x2tap_test as x2
from tap import Skip, case, equal, main, say

sys.path.insert(0, str(x2.ROOT / "tests/compare"))
import tshark_reader  # noqa: E402

SHARED = (x2.ROOT.parent / "shared/captures").is_dir()
EXTRACT = x2.BUILD / "tests/compare/extract"
CALL = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
LINES = x2.ROOT / "tests/data/captures/radius-lines.pcap"
MOST_EXPLAINED = 0.01
MOST_EXPLAINED_READ = 0.001


def compare(directory, *arguments):
    """Exit code, counts with all differences, and what was said on stderr."""
    x2.need_tool("tshark")
    if not EXTRACT.exists():
        raise Skip(f"{EXTRACT} is not built (libpcap-dev is missing)")
    report = directory / "report.json"
    command = [sys.executable, x2.ROOT / "tests/compare/compare.py", "--json", report, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "X2TAP_BUILD": str(x2.BUILD)})
    if not report.exists():
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(report.read_text()), done.stdout + done.stderr


def extract_that(directory, edit):
    """A program that prints what extract does, after `edit`, Python that changes `rows`."""
    path = directory / "edited-extract"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, subprocess, sys\n"
        f"done = subprocess.run([{str(EXTRACT)!r}, sys.argv[1]], capture_output=True, check=True)\n"
        "rows = [json.loads(line) for line in done.stdout.splitlines()]\n"
        f"{edit}\n"
        "print(*map(json.dumps, rows), sep='\\n')\n"
    )
    path.chmod(0o755)
    return path


def compare_edited(edit, explained="", capture=CALL):
    with x2.workspace() as directory:
        file = directory / "explained.tsv"
        file.write_text(explained)
        return compare(directory, "--extract", extract_that(directory, edit), "--explained", file, capture)


def request(method, call_id, body=b"", content_type="application/sdp"):
    lines = [
        f"{method} sip:bob@example.com SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1", "To: <sip:bob@example.com>", f"Call-ID: {call_id}", f"CSeq: 1 {method}",
        f"Content-Type: {content_type}", f"Content-Length: {len(body)}",
    ]  # fmt: skip
    return "".join(line + "\r\n" for line in [*lines, ""]).encode() + body


def as_frames(packets):
    return [pcap.Frame(n, n * 1_000_000, craft.ethernet(packet)) for n, packet in enumerate(packets, 1)]


def read_by_tshark(frames):
    x2.need_tool("tshark")
    with x2.workspace() as directory:
        path = directory / "frames.pcap"
        pcap.write(path, frames)
        return [(m.frame, m.values["method"], m.values["call_id"]) for m in tshark_reader.read(path)]


@case("of tshark each message in a TCP segment is taken, and none twice")
def _():
    segment = request("OPTIONS", "first") + request("OPTIONS", "second") + request("OPTIONS", "third")
    found = read_by_tshark(pcap.tcp_segments([segment], 5060))
    equal(found, [(1, ["OPTIONS"], [call_id]) for call_id in ("first", "second", "third")])


@case("SIP that an ICMP error quotes is no message")
def _():
    packet = craft.udp("192.0.2.10", "192.0.2.20", 5060, 5060, request("OPTIONS", "sent"))
    unreachable = struct.pack(">BBHI", 3, 3, 0, 0) + packet  # RFC 792: type 3, code 3
    unreachable = unreachable[:2] + struct.pack(">H", craft.checksum(unreachable)) + unreachable[4:]
    frames = as_frames([packet, craft.ip("192.0.2.20", "192.0.2.10", 1, unreachable)])
    equal(read_by_tshark(frames), [(1, ["OPTIONS"], ["sent"])])


@case("SIP in a body of SIP is no message, and lends it no value")
def _():
    for content_type in ("message/sip", "message/sipfrag"):
        octets = request("NOTIFY", "outer", request("INVITE", "inner"), content_type)
        frames = as_frames([craft.udp("192.0.2.10", "192.0.2.20", 5060, 5060, octets)])
        equal(read_by_tshark(frames), [(1, ["NOTIFY"], ["outer"])], content_type)


@case("x2tap and tshark read the same in a stream whose segments are late, early and repeated")
def _():
    stream = b"".join(request("OPTIONS", f"call-{n}", b"v=0\r\n" * n) for n in range(30))
    cuts = list(range(0, len(stream), 333))
    order = [0, 2, 1, 3, 4, 3, 4, 7, 6, 5, *range(8, len(cuts))]
    segments = [(1000 + at, stream[at : at + 333]) for at in (cuts[n] for n in order)]
    packets = [craft.tcp("192.0.2.10", "192.0.2.20", 40000, 5060, 999, b"", flags=2)]  # SYN
    packets += [craft.tcp("192.0.2.10", "192.0.2.20", 40000, 5060, at, octets) for at, octets in segments]
    with x2.workspace() as directory:
        pcap.write(directory / "stream.pcap", as_frames(packets))
        code, counts, said = compare(directory, directory / "stream.pcap")
    equal((code, counts["disagree"], counts["missing"], counts["beyond"], counts["messages"]), (0, 0, 0, 0, 30), said)


@case("a value of x2tap's that differs is counted as disagree")
def _():
    code, counts, _ = compare_edited("rows[3]['call_id'] += 'x'")
    equal((code, counts["disagree"], counts["missing"]), (1, 1, 0))


@case("a message that x2tap does not have is missing, with every value")
def _():
    _, everything, _ = compare_edited("")
    code, counts, said = compare_edited("del rows[3]")
    equal((code, counts["disagree"]), (1, 0))
    assert counts["missing"] > 10, counts["missing"]
    equal(counts["agree"] + counts["missing"], everything["found"], "values")
    assert "the whole message" in said, said


@case("what x2tap finds and tshark does not is beyond, and no failure")
def _():
    code, counts, _ = compare_edited("rows.append({**rows[-1], 'frame': 0})")
    equal((code, counts["disagree"], counts["missing"]), (0, 0, 0))
    assert counts["beyond"] > 10, counts["beyond"]


def edited_signal(edit):
    """What differs when `edit` has changed `rows`, or `signals`, those of RADIUS: field, kind."""
    code, counts, said = compare_edited(f"signals = [row for row in rows if 'signal' in row]; {edit}", capture=LINES)
    equal(code, 1, said)
    equal(counts["protocols"]["sip"]["found"], counts["protocols"]["sip"]["agree"], "values of SIP")
    return sorted((d["field"], d["kind"]) for d in counts["captures"][0]["differences"])


@case("a value of a signal that differs or is not there is counted, by its protocol")
def _():
    edit = "signals[0]['restart'] = 1; signals[0]['change'] = 'bind'"
    equal(edited_signal(edit), [("change", "disagree"), ("restart", "beyond")])
    lease = "next(row for row in signals if row['leases'])['leases']"
    equal(edited_signal(f"{lease}[0][2] = 7"), [("lease", "disagree")])
    equal(edited_signal(f"{lease}.clear()"), [("lease", "missing")])
    equal(edited_signal("signals[0]['sightings'].pop()"), [("attribute", "missing")])
    kinds = {kind for _, kind in edited_signal("rows.remove(signals[1])")}
    equal(kinds, {"missing"})


@case("a message that is not linked to its request or session, or to another's, is counted")
def _():
    answer = "[row for row in signals if row['is_answer']][-1]"
    equal(edited_signal(f"{answer}['names'][0][0] = 'nothing'"), [("exchange", "missing")])
    first = "next(name for row in signals for name in row['names'] if 'begin' in name[1])"
    equal(edited_signal(f"{answer}['names'][0][0] = {first}[0]"), [("exchange", "disagree")])
    session = "[name for row in signals for name in row['names'] if 'exchange' not in name[1]]"
    differences = edited_signal(f"names = {session}; names[-1][0] = names[0][0]")
    assert differences and {field for field, _ in differences} == {"session"}, differences
    differences = edited_signal(f"names = {session}; names[-1][0] = 'nothing'")
    assert differences and {field for field, _ in differences} == {"session"}, differences


# As they are, in a tunnel of the user plane, and in fragments.
WRAPPED = {
    "plain": lambda packet, number: [packet],
    "in GTP-U": lambda packet, number: [craft.gtpu(packet, 0x77)],
    "in fragments": lambda packet, number: craft.fragments(packet, 64, number),
}


def compare_made_up(protocol, wrap):
    packets = list(made_up.MADE_UP[protocol]())
    frames = as_frames([part for number, packet in enumerate(packets, 1) for part in wrap(packet, number)])
    with x2.workspace() as directory:
        pcap.write(directory / f"{protocol}.pcap", frames)
        code, counts, said = compare(directory, directory / f"{protocol}.pcap")
    of = counts["protocols"][protocol]
    equal((code, of["disagree"], of["missing"], of["explained"], of["messages"]), (0, 0, 0, 0, len(packets)), said)
    assert of["agree"] > 10 * len(packets), said
    return said


@case("x2tap and tshark read the same in messages such as no capture holds, in tunnels and fragments too")
def _():
    for protocol in made_up.MADE_UP:
        for how, wrap in WRAPPED.items():
            said = compare_made_up(protocol, wrap)
            say(f"{how}: {next(line for line in said.splitlines() if line.startswith(protocol))}")


@case("an explanation covers its frame and field alone, and one that explains nothing is an error")
def _():
    edit = "row = rows[3]; row['call_id'] += 'x'"
    with x2.workspace() as directory:
        _, counts, _ = compare(directory, "--extract", extract_that(directory, edit), "--explained", "/dev/null", CALL)
        frame = counts["captures"][0]["differences"][0]["frame"]
    code, counts, _ = compare_edited(edit, f"calls-ipv4\t{frame}\tcall_id\ta test\n")
    equal((code, counts["disagree"], counts["explained"]), (0, 0, 1))
    code, counts, said = compare_edited(edit, f"calls-ipv4\t{frame}\tcseq\ta test\n")
    equal((code, counts["disagree"], counts["explained"]), (1, 1, 0))
    assert "explains nothing" in said, said


@case("an explanation of all fields covers a message that x2tap does not have, and never a single value")
def _():
    _, counts, _ = compare_edited("del rows[3]")
    lost = counts["captures"][0]["differences"]
    explained = f"calls-ipv4\t{lost[0]['frame']}\t*\ta test\n"
    _, counts, _ = compare_edited("del rows[3]", explained)
    equal((counts["missing"], counts["explained"]), (0, len(lost)))
    code, counts, _ = compare_edited("rows[3]['call_id'] += 'x'", explained)
    equal((code, counts["disagree"], counts["explained"]), (1, 1, 0))


@case("x2tap and tshark read the same in every capture, but for what is explained")
def _():
    with x2.workspace() as directory:
        code, counts, said = compare(directory)
    equal(code, 0, said)
    equal(sum(counts[kind] for kind in ("agree", "explained", "disagree", "missing")), counts["found"], "values")
    equal((counts["disagree"], counts["missing"]), (0, 0))
    assert 0 < counts["found"], "tshark has found nothing"
    assert counts["explained"] <= MOST_EXPLAINED * counts["found"], counts["explained"]
    for protocol, of in counts["protocols"].items():
        equal((of["disagree"], of["missing"]), (0, 0), protocol)
        assert of["found"] or (protocol == "gtpv2c" and not SHARED), protocol
        assert of["explained_read"] <= MOST_EXPLAINED_READ * of["found"], (protocol, of["explained_read"])
    for line in said.splitlines()[-len(counts["protocols"]) - 1 :]:
        say(line)


main()
