#!/usr/bin/python3
"""A mediation function that is not ours (openssl s_server) and a dissector that is not ours (tshark) see every PDU as Python
expects it from the capture."""

import pathlib
import signal
import subprocess
import sys
import threading

import dissect
import iri
import load
import pcap
import x2tap_test as x2
from tap import case, equal, main, say

sys.path.insert(0, str(x2.ROOT / "tests/peers"))
import x2 as x2_peer  # noqa: E402

ENOUGH = 2_000 if x2.SANITIZED else 10_000
ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"


def many_calls(path):
    frames = load.calls(("calls-ipv4", "calls-ipv6"), ENOUGH, 1_000_000)
    pcap.write(path, frames)
    return frames


class OpensslMf:
    """openssl s_server that wants our certificate; what it prints is what we sent."""

    def __init__(self, directory):
        self.port = x2.free_port()
        files = x2.certificates()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", files / "mf.pem", "-key", files / "mf.key",
             "-CAfile", files / "ca.pem", "-Verify", "2", "-verify_return_error", "-tls1_3", "-quiet", "-naccept", "1",
             "-keylogfile", directory / "keys.txt"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(directory / "s_server.log").open("wb"),
        )  # fmt: skip
        x2.running.append(self.process)
        x2.wait_for("s_server to listen", lambda: x2.listening(self.port))
        self.received = bytearray()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while chunk := self.process.stdout.read1(1 << 16):
            self.received += chunk

    def everything(self):
        x2.finish(self.process)  # ends after its one connection
        self.reader.join(x2.PATIENCE)
        return bytes(self.received)


result = {}


def run():
    """Sends the many calls through x2tap once, for all cases."""
    if result:
        return result
    x2.need_tool("openssl", "tshark")
    with x2.workspace() as directory:
        capture = directory / "many.pcap"
        frames = many_calls(capture)
        tasks = [x2.task([{"sipUri": ALICE}]), x2.task([{"sipUri": BOB}, {"ipv4Address": "192.0.2.20"}])]
        mf = OpensslMf(directory)
        vdevs, ports, _ = x2.file_pair(directory, capture)
        tap = x2.Tap(
            directory, tasks, {x2.DID: mf}, 1, vdevs, ports, destination={"keepalive": False, "queue_mib": 64}
        )
        tap.run("--until-idle", "0.5")
        pdus, rest = x2_peer.split(mf.everything())
        equal(rest, b"", "octets after the last PDU")
        result.update(frames=frames, tasks=tasks, pdus=pdus, wanted=iri.wanted(frames, tasks))
        scratch = pathlib.Path(directory) / "pdus.pcap"
        result["dissected"] = dissect.with_tshark(pdus, scratch)
    return result


@case(f"s_server gets at least {ENOUGH} PDUs, as many as Python expects")
def _():
    run()
    equal(len(result["pdus"]), len(result["wanted"]), "PDUs")
    assert len(result["pdus"]) >= ENOUGH, len(result["pdus"])
    say(f"{len(result['pdus'])} PDUs")


@case("the decoder in tests/peers finds each PDU well formed and equal to what Python expects")
def _():
    run()
    found = [x2_peer.decode(pdu) for pdu in result["pdus"]]
    for pdu in found:
        pdu["octets"] = pdu.pop("payload")
        equal((pdu["version"], pdu["type"]), ("0.5", 1), "version and type")
    difference = iri.first_difference(result["wanted"], found)
    assert not difference, difference


@case("tshark dissects each PDU as 5gli, none is malformed, and each field is equal to what Python expects")
def _():
    run()
    equal(len(result["dissected"]), len(result["pdus"]), "PDUs dissected")
    for pdu, octets in zip(result["dissected"], result["pdus"]):
        equal((pdu["version"], pdu["type"]), ("0.5", 1), "version and type")
        equal(pdu["header_len"] + pdu["payload_len"], len(octets), "length")
        assert pdu["header_len"] <= 320, f"header of {pdu['header_len']} octets"
    difference = iri.first_difference(result["wanted"], result["dissected"])
    assert not difference, difference


@case("within a task PDUs arrive in the order of the capture")
def _():
    run()
    for order in result["tasks"]:
        times = [pdu["time_ns"] for pdu in result["dissected"] if pdu["xid"] == order["xId"]]
        equal(times, sorted(times), "times")


@case("x2mf and the decoder in tests/peers agree on every PDU")
def _():
    run()
    with x2.workspace() as directory:
        capture = directory / "many.pcap"
        pcap.write(capture, result["frames"])
        mf = x2.Mf(directory)
        vdevs, ports, _ = x2.file_pair(directory, capture)
        x2.Tap(directory, result["tasks"], {x2.DID: mf}, 1, vdevs, ports).run("--until-idle", "0.5")
        mf.stop()
        difference = iri.first_difference(result["wanted"], mf.iri())
        assert not difference, difference


@case("on the wire each TLS record holds whole PDUs, at most 8192 octets of them")
def _():
    x2.need_root()
    x2.need_tool("openssl", "tshark", "dumpcap")
    with x2.workspace() as directory:
        mf = OpensslMf(directory)
        directory.chmod(0o755)
        wire = directory / "wire.pcap"
        dump = x2.start(
            ["dumpcap", "-q", "-P", "-i", "lo", "-B", "64", "-f", f"tcp port {mf.port}", "-w", wire], directory / "dump.log"
        )
        x2.wait_for("dumpcap to capture", lambda: wire.exists() and wire.stat().st_size)
        vdevs, ports, _ = x2.file_pair(directory, x2.ROOT / "tests/data/captures/calls-ipv4.pcap")
        tap = x2.Tap(
            directory, [x2.task([{"sipUri": ALICE}])], {x2.DID: mf}, 1, vdevs, ports, destination={"keepalive": False}
        )
        tap.run("--until-idle", "0.2")
        sent = mf.everything()
        x2.wait_for("dumpcap to write all", lambda: wire.stat().st_size > len(sent))
        x2.stop(dump, signal.SIGINT)
        followed = subprocess.run(
            ["tshark", "-r", wire, "-d", f"tcp.port=={mf.port},tls", "-o", f"tls.keylog_file:{directory / 'keys.txt'}", "-q", "-z", "follow,tls,raw,0"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        # One line of hexadecimal digits for each record; s_server itself sends no data.
        lines = [line.strip() for line in followed.splitlines()]
        records = [bytes.fromhex(line) for line in lines if line and not line.strip("0123456789abcdef")]
        equal(b"".join(records), sent, "what tshark decrypts")
        for record in records:
            _, rest = x2_peer.split(record)
            equal(rest, b"", "octets of a cut PDU in a record")
            assert len(record) <= 8192, f"a record of {len(record)} octets"
        say(f"{len(records)} records, {len(sent)} octets")


main()
