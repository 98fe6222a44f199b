"""x2mf as its contract has it, met by a client of Python's ssl module and PDUs built here by hand."""

import base64
import errno
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import time
import uuid

from tap import Skip, case, equal, main
from x2tap_test import (
    MF_NAME, PATIENCE, SHARED, certificates, finish, need_tool, program, said, start, stop, wait_for, workspace,
)  # fmt: skip

XID = uuid.UUID("8c292fa1-5831-46ec-86be-bd85f2083299")
X2, KEEPALIVE, ACK = 1, 3, 4
RAW_IPV4, SIP = 5, 9
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10\r\nFrom: Alice <sip:alice@example.com>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\nCall-ID: 1@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)
IPV4_PACKET = bytes.fromhex(
    "450000281234400040063c4ac000020ac6336414c00001bb00000001000000005002200000000000"
)  # fmt: skip


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


def raw(attributes, payload=b"", kind=X2, form=SIP, direction=3, xid=XID.bytes, correlation=7, version=5, header_len=None):
    header_len = 40 + len(attributes) if header_len is None else header_len
    return (
        struct.pack(">HHIIHH", version, kind, header_len, len(payload), form, direction)
        + xid + struct.pack(">Q", correlation) + attributes + payload
    )  # fmt: skip


def pdu(sequence, payload=INVITE, v6=False, **fields):
    address = socket.inet_pton(socket.AF_INET6, "2001:db8::10") if v6 else bytes([192, 0, 2, 10])
    other = socket.inet_pton(socket.AF_INET6, "2001:db8::20") if v6 else bytes([198, 51, 100, 20])
    return raw(
        attribute(6, b"probe-1.example.net") + attribute(7, b"link-1") + attribute(8, struct.pack(">I", sequence))
        + attribute(9, struct.pack(">II", 1767225600, 123456789))
        + attribute(12 if v6 else 10, address) + attribute(13 if v6 else 11, other)
        + attribute(14, struct.pack(">H", 5060)) + attribute(15, struct.pack(">H", 5061)) + attribute(16, b"\x11")
        + attribute(17, b"<sipUri>sip:alice@example.com</sipUri>"),
        payload, **fields,
    )  # fmt: skip


def keepalive(sequence, kind=KEEPALIVE):
    return raw(attribute(8, struct.pack(">I", sequence)), kind=kind, form=0, direction=0, xid=bytes(16), correlation=0)


class Mf:
    """x2mf on a free port of loopback."""

    def __init__(self, directory, *options, address="127.0.0.1"):
        files = certificates()
        self.jsonl = directory / "mf.jsonl"
        # Only what this run says counts: a second MF may write to the same directory.
        log = directory / f"mf-{len(list(directory.glob('mf-*.log')))}.log"
        self.process = start(
            [program("x2mf"), "--listen", f"[{address}]:0" if ":" in address else f"{address}:0", "--cert",
             files / "mf.pem", "--key", files / "mf.key", "--ca", files / "ca.pem", "--jsonl", self.jsonl, *options], log,
        )  # fmt: skip
        place = wait_for(
            "x2mf to listen", lambda: re.search(r"listening on \[?([^]\n]*?)\]?:(\d+)\n", said(self.process))
            or self.process.poll() is not None,
        )  # fmt: skip
        if place is True:
            raise AssertionError(said(self.process))
        equal(place.group(1), address, "address")
        self.address = (address, int(place.group(2)))

    def lines(self):
        return [json.loads(line) for line in self.jsonl.read_text().splitlines()]

    def told(self, text):
        return wait_for(f"{text!r} in {said(self.process)!r}", lambda: text in said(self.process), 20)

    def stop(self, code=0):
        found = stop(self.process)
        if found != code:
            raise AssertionError(f"exit code {found}, wanted {code}:\n{said(self.process)}")


class Tap:
    """What a tap would be to the MF."""

    def __init__(self, mf, name="ne", version=ssl.TLSVersion.TLSv1_3):
        files = certificates()
        context = ssl.create_default_context(cafile=files / "ca.pem")
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # the end of TCP is no close_notify
        context.minimum_version = context.maximum_version = version
        if name:
            context.load_cert_chain(files / f"{name}.pem", files / f"{name}.key")
        self.socket = context.wrap_socket(
            socket.create_connection(mf.address, PATIENCE), server_hostname=MF_NAME, suppress_ragged_eofs=False
        )

    def send(self, octets):
        self.socket.sendall(octets)

    def read(self, count):
        octets = b""
        while len(octets) < count:
            part = self.socket.recv(count - len(octets))
            if not part:
                raise AssertionError(f"closed after {len(octets)} of {count} octets")
            octets += part
        return octets

    def is_alive(self, sequence):
        self.send(keepalive(sequence))
        equal(self.read(48), keepalive(sequence, ACK), "acknowledgement")

    def expect_close(self):
        equal(self.socket.recv(1), b"", "after the MF's close_notify")

    def close(self):
        try:
            self.socket.unwrap()
        except (ssl.SSLError, OSError):
            pass
        self.socket.close()


def fails(action, *kinds):
    try:
        action()
    except kinds or (ssl.SSLError, OSError):
        return
    raise AssertionError("it went well")


def tshark(path, *options):
    need_tool("tshark")
    done = subprocess.run(["tshark", "-r", path, *options], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


SENT = [
    pdu(0),
    pdu(0, v6=True, correlation=2**64 - 1, direction=2, version=6),
    pdu(1, IPV4_PACKET, form=RAW_IPV4),
    pdu(2, INVITE * 60),
]  # the last one takes several TLS records with the others


@case("PDUs are in all outputs before the keepalive behind them is answered")
def outputs():
    with workspace() as directory:
        pcapng = directory / "mf.pcapng"
        mf = Mf(directory, "--pcapng", pcapng, "--table")
        tap = Tap(mf)
        tap.is_alive(0)
        tap.send(b"".join(SENT))
        tap.is_alive(1)
        lines = mf.lines()
        equal([line["seq"] for line in lines], [0, 0, 1, 2])
        equal([line["order"] for line in lines], ["first", "first", "next", "next"])
        equal([base64.b64decode(line["payload"]) for line in lines], [INVITE, INVITE, IPV4_PACKET, INVITE * 60])
        equal(lines[0]["peer"].rpartition(":")[0], "127.0.0.1")
        first = {key: value for key, value in lines[0].items() if key not in ("payload", "peer")}
        equal(first, {
            "version": "0.5", "type": 1, "xid": str(XID), "seq": 0, "correlation": 7, "format": 9, "direction": 3,
            "time": "2026-01-01T00:00:00.123456789Z", "nfid": "probe-1.example.net", "ipid": "link-1", "did": None,
            "src": "192.0.2.10", "dst": "198.51.100.20", "sport": 5060, "dport": 5061, "proto": 17,
            "matched": ["<sipUri>sip:alice@example.com</sipUri>"], "other": [], "order": "first",
        })  # fmt: skip
        second = lines[1]
        equal(
            (second["version"], second["direction"], second["correlation"], second["src"], second["dst"]),
            ("0.6", 2, 2**64 - 1, "2001:db8::10", "2001:db8::20"),
        )
        table = [line for line in said(mf.process).splitlines() if str(XID) in line and "from" in line]
        equal(len(table), 3)
        for part in ("2026-01-01 00:00:00.123", "from→", "sip:alice@example.com", "sip:bob@example.com",
                     "INVITE sip:bob@example.com SIP/2.0", "0000000000000007  0"):  # fmt: skip
            if part not in table[0]:
                raise AssertionError(f"no {part} in {table[0]}")
        # The file grows still, and Wireshark's dissector reads it.
        fields = [f"-e{name}" for name in ("frame.protocols", "frame.time_epoch", "li5g.pd", "li5g.xid")]
        rows = [row.split("\t") for row in tshark(pcapng, "-Tfields", *fields)]
        equal([row[0].split(":")[1] for row in rows], ["5gli"] * 4)
        equal({row[1] for row in rows}, {"1767225600.123456789"})
        equal([row[2].split(",")[0] for row in rows], ["3", "2", "3", "3"])
        equal({row[3].split(",")[0] for row in rows}, {str(XID)})
        equal(tshark(pcapng, "-Y", "_ws.malformed"), [])
        equal(len(tshark(pcapng, "-Y", "sip.Method == INVITE")), 3)
        tap.close()
        mf.stop()


@case("files are appended to, so that a new start forgets nothing")
def appended():
    with workspace() as directory:
        pcapng = directory / "mf.pcapng"
        for sequence in range(2):
            mf = Mf(directory, "--pcapng", pcapng, "--keepalives")
            tap = Tap(mf)
            tap.send(pdu(sequence))
            tap.is_alive(sequence)
            tap.close()
            mf.stop()
        equal([(line["type"], line["order"]) for line in mf.lines()], [(1, "first"), (3, "none"), (1, "joined"), (3, "none")])
        equal(len(tshark(pcapng, "-Y", "5gli and not _ws.malformed")), 4)


@case("a stream may be cut anywhere and several taps may send at once")
def pieces():
    with workspace() as directory:
        mf = Mf(directory, address="::1")
        taps = [Tap(mf) for _ in range(5)]
        streams = [
            b"".join(pdu(sequence, correlation=10 + number) for sequence in range(20)) + keepalive(number)
            for number in range(5)
        ]
        steps = [1, 39, 47, 500, 20000]
        while any(streams):
            for number, tap in enumerate(taps):
                tap.send(streams[number][: steps[number]])
                streams[number] = streams[number][steps[number] :]
        for number, tap in enumerate(taps):
            equal(tap.read(48), keepalive(number, ACK))
            tap.close()
        mf.stop()
        found = {}
        for line in mf.lines():
            found.setdefault(line["correlation"], []).append(line["seq"])
        equal(found, {10 + number: list(range(20)) for number in range(5)})


@case("hundreds of keepalives in one piece are all answered")
def many_keepalives():
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        tap.send(b"".join(map(keepalive, range(1000))))
        equal(tap.read(48 * 1000), b"".join(keepalive(number, ACK) for number in range(1000)))
        tap.close()
        mf.stop()


@case("joined and repeats are told and forgiven, a gap is told and costs the exit code")
def sequences():
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        for sequence in (5, 6, 5, 6, 7):
            tap.send(pdu(sequence))
        tap.is_alive(0)
        equal([line["order"] for line in mf.lines()], ["joined", "next", "repeat", "repeat", "next"])
        mf.told("joined at 5 (XID")
        mf.told("repeat: 6, expected 7")
        tap.close()
        mf.stop()
        mf.told("repeats 2")
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        for sequence in (0, 3, 1):
            tap.send(pdu(sequence))
        tap.is_alive(0)
        equal([line["order"] for line in mf.lines()], ["first", "gap", "late"])
        mf.told("gap: 2 missing, expected 1, got 3")
        tap.close()
        mf.stop(1)
        mf.told("gaps 1 (1 missing)")


@case("a PDU with a problem is taken and told, and costs the exit code")
def problems():
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        tap.send(pdu(0, form=8) + pdu(1, direction=0) + pdu(2) + raw(attribute(8, b"12345"), b"x", form=4))
        tap.is_alive(0)
        equal(
            [line.get("problem") for line in mf.lines()],
            [
                ["payload format 8, RTP packet, is not allowed on X2 (at offset 12)"],
                ["payload direction 0 is out of range (at offset 14)"],
                None,
                ["attribute 8, sequence number, of 5 octets (at offset 40)"],
            ],
        )
        tap.close()
        mf.stop(1)
        mf.told("problems 3")


@case("lost framing closes the connection, after what was good has been taken")
def framing():
    bad = {
        "header length 39 is below 40 (at offset 4)": raw(b"", header_len=39),
        "version 5.0: this is a decoder of major version 0 (at offset 0)": raw(b"", version=0x0500),
        "PDU type 9 is unknown (at offset 2)": raw(b"", kind=9),
        "header ends inside the type and length of an attribute (at offset 40)": raw(b"abc"),
        "attribute 6, network function id, of 100 octets with 0 left in the header (at offset 40)": raw(b"\0\6\0\x64"),
        "PDU of 4294967335 octets is over the limit of 1048576 (at offset 4)": raw(b"", header_len=2**32 - 1)[:8]
        + struct.pack(">I", 40) + bytes(28),
    }  # fmt: skip
    for text, octets in bad.items():
        with workspace() as directory:
            mf = Mf(directory)
            tap = Tap(mf)
            tap.send(pdu(0) + octets)
            tap.expect_close()
            mf.told(text)
            equal([line["seq"] for line in mf.lines()], [0])
            Tap(mf).is_alive(0)  # others are served on
            mf.stop(1)


@case("SIGTERM says close_notify and reads on until the tap's")
def clean_close():
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        tap.send(pdu(0))
        tap.is_alive(0)
        mf.process.send_signal(signal.SIGTERM)
        tap.expect_close()
        fails(lambda: socket.create_connection(mf.address, 5), ConnectionRefusedError)
        for sequence in range(1, 200):
            tap.send(pdu(sequence))
        tap.close()
        equal(finish(mf.process), 0)
        equal([line["seq"] for line in mf.lines()], list(range(200)))
        mf.told("PDUs 200, keepalives 1")


@case("SIGTERM waits no longer than 5 s for a tap that says nothing, and not at all for a second SIGTERM")
def patience():
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        tap.is_alive(0)
        began = time.monotonic()
        mf.stop()
        took = time.monotonic() - began
        if not 4.5 < took < 30:
            raise AssertionError(f"it took {took} s")
    with workspace() as directory:
        mf = Mf(directory)
        tap = Tap(mf)
        tap.is_alive(0)
        began = time.monotonic()
        mf.process.send_signal(signal.SIGTERM)
        tap.expect_close()
        mf.stop()
        if time.monotonic() - began > 4:
            raise AssertionError("the second signal was not heard")


@case("without a good certificate, or without TLS, nobody gets in")
def authentication():
    with workspace() as directory:
        mf = Mf(directory)
        for name in (None, "ne-wrong-ca", "ne-expired", "ne-not-yet-valid"):
            # In TLS 1.3 the client is done before the MF has judged: the first read tells.
            fails(lambda name=name: Tap(mf, name).is_alive(0))
        with socket.create_connection(mf.address, PATIENCE) as plain:
            plain.sendall(pdu(0))
            fails(lambda: equal(plain.recv(1000)[:2], b"\0\5"), AssertionError, OSError)
        Tap(mf).is_alive(0)
        equal(mf.lines(), [])
        mf.stop()


@case("TLS 1.2 is taken where it was asked for, and closes as cleanly")
def older_tls():
    with workspace() as directory:
        mf = Mf(directory)
        fails(lambda: Tap(mf, version=ssl.TLSVersion.TLSv1_2))
        mf.stop()
    with workspace() as directory:
        mf = Mf(directory, "--tls12")
        tap = Tap(mf, version=ssl.TLSVersion.TLSv1_2)
        tap.send(pdu(0))
        tap.is_alive(0)
        mf.told("TLSv1.2")
        Tap(mf).is_alive(0)
        mf.process.send_signal(signal.SIGTERM)
        tap.expect_close()
        tap.send(pdu(1))
        tap.close()
        equal(stop(mf.process), 0)  # the other tap says nothing
        equal([line["seq"] for line in mf.lines()], [0, 1])


@case("misbehaviour: refuse, and refuse-for until its time is over")
def refuse():
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "refuse")
        fails(lambda: Tap(mf).is_alive(0))
        mf.stop()
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "refuse-for=3")
        fails(lambda: Tap(mf).is_alive(0))

        def is_let_in():
            try:
                Tap(mf).is_alive(0)
                return True
            except (ssl.SSLError, OSError):
                return False

        wait_for("the MF to behave", is_let_in)
        mf.stop()


@case("misbehaviour: no-ack, bad-ack")
def acknowledgements():
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "no-ack")
        tap = Tap(mf)
        tap.send(keepalive(1) + pdu(0))
        wait_for("the PDU", lambda: mf.jsonl.exists() and mf.lines())
        tap.socket.settimeout(0.5)
        fails(lambda: tap.read(1), TimeoutError)
        tap.close()
        mf.stop()
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "bad-ack")
        tap = Tap(mf)
        tap.send(keepalive(1))
        answer = tap.read(48)
        equal((answer[:44], answer[44:] != struct.pack(">I", 1)), (keepalive(1, ACK)[:44], True))
        tap.close()
        mf.stop()


@case("misbehaviour: stall fills the tap's window")
def stall():
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "stall")
        tap = Tap(mf)
        mf.told("connected")
        tap.socket.settimeout(1)
        fails(lambda: tap.send(b"".join(pdu(sequence, INVITE * 200) for sequence in range(2000))), TimeoutError)
        equal(mf.lines(), [])
        os.close(tap.socket.detach())
        mf.stop()


@case("misbehaviour: cut resets, close-after says close_notify and accepts again")
def cut():
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "cut=3")
        for _ in range(2):
            tap = Tap(mf)
            tap.is_alive(0)
            tap.send(b"".join(pdu(sequence) for sequence in range(10)))
            reset = lambda tap=tap: tap.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET  # noqa: E731
            wait_for("a reset", reset)
        mf.told("cut: ")
        equal([line["seq"] for line in mf.lines()], [0, 1, 2] * 2)
        mf.stop()
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "close-after=2")
        for round_ in range(3):
            tap = Tap(mf)
            tap.is_alive(0)
            tap.send(pdu(round_ * 3) + pdu(round_ * 3 + 1))
            tap.expect_close()
            tap.send(pdu(round_ * 3 + 2))  # in flight when the MF said it
            tap.close()
        mf.stop()
        equal([line["seq"] for line in mf.lines()], list(range(9)))


@case("misbehaviour: kill-after ends at once, with what it acknowledged on disk")
def kill():
    with workspace() as directory:
        mf = Mf(directory, "--misbehave", "kill-after=5")
        tap = Tap(mf)
        tap.send(b"".join(pdu(sequence) for sequence in range(4)))
        tap.is_alive(0)
        tap.send(pdu(4))
        equal(finish(mf.process), 137)
        fails(tap.expect_close)
        equal([line["seq"] for line in mf.lines()], [0, 1, 2, 3])


@case("secrets for Wireshark are written when asked for")
def keylog():
    with workspace() as directory:
        mf = Mf(directory, "--keylog", directory / "keys")
        tap = Tap(mf)
        tap.is_alive(0)
        if "CLIENT_TRAFFIC_SECRET_0" not in (directory / "keys").read_text():
            raise AssertionError((directory / "keys").read_text())
        tap.close()
        mf.stop()


def decode(octets, *options, path="-"):
    return subprocess.run(
        [program("x2mf"), "--decode", path, *options], input=octets, capture_output=True, timeout=PATIENCE, check=False
    )


@case("PDUs are decoded from standard input and from a file")
def decoding():
    with workspace() as directory:
        stream = keepalive(0) + pdu(0) + pdu(1)
        done = decode(stream, "--jsonl", "-")
        equal((done.returncode, len(done.stdout.splitlines())), (0, 2), done.stderr)
        (directory / "stream").write_bytes(stream)
        again = decode(None, "--jsonl", "-", path=directory / "stream")
        equal(json.loads(again.stdout.splitlines()[0])["peer"], str(directory / "stream"))
        without_peer = lambda octets: re.sub(rb',"peer":"[^"]*"', b"", octets)  # noqa: E731
        equal(without_peer(again.stdout), without_peer(done.stdout))
        equal(b"unfinished 1" in decode(stream[:-1]).stderr, True)
        equal(decode(stream + b"\x01" + bytes(60)).returncode, 1)
        equal(decode(None, path=directory / "nowhere").returncode, 3)
        equal(decode(b"", "--pcapng", directory / "no" / "such").returncode, 3)
        full = decode(stream, "--jsonl", "/dev/full")
        equal((full.returncode, b"No space left" in full.stderr), (3, True))


@case("the PDU of another party in a capture is read without a problem")
def another_party():
    capture = SHARED / "captures" / "x2-reference-sip-iri-pdu.pcap"
    if not capture.exists():
        raise Skip(f"no {capture}")
    packet = capture.read_bytes()[24 + 16 + 14 + 20 :]
    done = decode(packet[(packet[12] >> 4) * 4 :], "--jsonl", "-")
    equal(done.returncode, 0, done.stderr)
    line = json.loads(done.stdout)
    equal((line["xid"], line["correlation"], line["format"], line["seq"]), (str(XID), 1, 9, None))
    equal(line["matched"], ["<E164Number>494012345678</E164Number>"])


@case("wrong options are told with exit code 2, files that are not there with 3")
def usage():
    files = certificates()
    key, authority = files / "mf.key", files / "ca.pem"
    tls = ["--cert", files / "mf.pem", "--key", key, "--ca", authority]
    for code, options in (
        (2, []),
        (2, ["--listen", "127.0.0.1:0"]),
        (2, ["--listen", "127.0.0.1:0", *tls, "word"]),
        (2, ["--listen", "127.0.0.1:0", *tls, "--misbehave", "cut=0"]),
        (2, ["--what"]),
        (3, ["--listen", "127.0.0.1", *tls]),
        (3, ["--listen", "example:0", *tls]),
        (3, ["--listen", "192.0.2.1:0", *tls]),
        (3, ["--listen", "127.0.0.1:0", "--cert", "/no/such", "--key", key, "--ca", authority]),
        (0, ["--help"]),
        (0, ["--version"]),
    ):
        done = subprocess.run([program("x2mf"), *options], capture_output=True, text=True, timeout=PATIENCE, check=False)
        equal(done.returncode, code, f"{options}: {done.stderr}")
        equal(bool(done.stdout if code == 0 else done.stderr), True, options)


main()
