#!/usr/bin/python3
"""Mediation functions that must not be trusted get not one octet of a PDU; one that refuses us for a while loses nothing."""

import socket
import ssl
import threading
import time

import iri
import pcap
import x2tap_test as x2
from tap import case, equal, main, say

CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
REFUSED_FOR = 10 if x2.SANITIZED else 60  # seconds


class Peer:
    """A TLS server (or a plain one) that notes every octet of application data it gets."""

    def __init__(self, cert="mf", ca="ca", version=None, plain=False):
        files = x2.certificates()
        self.context = None
        if not plain:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(files / f"{cert}.pem", files / f"{cert}.key")
            self.context.load_verify_locations(files / f"{ca}.pem")
            self.context.verify_mode = ssl.CERT_REQUIRED
            if version:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version = ssl.TLSVersion.TLSv1
                self.context.maximum_version = version
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.attempts, self.handshakes, self.data = 0, 0, bytearray()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.attempts += 1
            connection.settimeout(5)
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                    self.handshakes += 1
                else:
                    connection.sendall(b"\x00\x05\x00\x04" + b"\0" * 44)
                while chunk := connection.recv(1 << 16):
                    self.data += chunk
            except OSError:
                pass
            finally:
                connection.close()

    def close(self):
        self.listener.close()


ALICE = [x2.task([{"sipUri": "sip:alice@example.com"}])]


def refused(peer, fault, **sections):
    """x2tap with a task that matches and an MF that must not get it: PDUs remain, none leaves."""
    with x2.workspace() as directory:
        vdevs, ports, (_, out) = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(
            directory, ALICE, {x2.DID: peer}, 1, vdevs, ports, shutdown_timeout="2s",
            destination={"keepalive": False}, **sections,
        )  # fmt: skip
        tap.run("--until-idle", "0.2", code=3)
        peer.close()
        assert peer.attempts, "no connection was tried"
        assert fault in tap.said(), f"no fault with {fault!r} in the log:\n{tap.said()}"
        equal(len(pcap.read(out)[0]), len(pcap.read(CAPTURE)[0]), "frames forwarded meanwhile")
        return bytes(peer.data)


@case("an MF with the right certificate gets the PDUs (so the cases below can fail)")
def _():
    peer = Peer()
    with x2.workspace() as directory:
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(directory, ALICE, {x2.DID: peer}, 1, vdevs, ports, destination={"keepalive": False})
        tap.run("--until-idle", "0.2")
        x2.wait_for("the PDUs", lambda: peer.data.count(b"<sipUri>") == 37)
    peer.close()


for certificate, what, fault in (
    ("mf-wrong-ca", "from a CA that we do not know", "fault: destination"),
    ("mf-wrong-name", "of another name", "fault: destination"),
    ("mf-expired", "that has expired", "fault: destination"),
    ("mf-not-yet-valid", "that is not valid yet", "fault: destination"),
    ("mf-wrong-purpose", "for clients only", "fault: destination"),
):

    def _(certificate=certificate, fault=fault):
        equal(refused(Peer(certificate), fault), b"", "octets that left")

    case(f"an MF with a certificate {what} gets not one octet")(_)


@case("an MF whose certificate is revoked gets not one octet")
def _():
    files = x2.certificates()
    tls = {"cert": files / "ne.pem", "key": files / "ne.key", "ca": files / "ca.pem", "crl": files / "crl.pem"}
    equal(refused(Peer("mf-revoked"), "fault: destination", tls=tls), b"", "octets that left")


@case("an MF that speaks TLS 1.1 at best gets not one octet, whatever the profile")
def _():
    files = x2.certificates()
    for profile in ("1.3", "1.3+1.2"):
        tls = {"cert": files / "ne.pem", "key": files / "ne.key", "ca": files / "ca.pem", "profile": profile}
        peer = Peer(version=ssl.TLSVersion.TLSv1_1)
        equal(refused(peer, "fault: destination", tls=tls), b"", "octets that left")


@case("an MF that speaks TLS 1.2 gets not one octet under profile 1.3, and all PDUs under 1.3+1.2")
def _():
    equal(refused(Peer(version=ssl.TLSVersion.TLSv1_2), "fault: destination"), b"", "octets that left")
    files = x2.certificates()
    tls = {"cert": files / "ne.pem", "key": files / "ne.key", "ca": files / "ca.pem", "profile": "1.3+1.2"}
    peer = Peer(version=ssl.TLSVersion.TLSv1_2)
    with x2.workspace() as directory:
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(directory, ALICE, {x2.DID: peer}, 1, vdevs, ports, tls=tls, destination={"keepalive": False})
        tap.run("--until-idle", "0.2")
        x2.wait_for("the PDUs", lambda: peer.data.count(b"<sipUri>") == 37)
    peer.close()


@case("an MF without TLS gets a ClientHello and not one octet of a PDU")
def _():
    data = refused(Peer(plain=True), "fault: destination")
    for word in (x2.NFID.encode(), b"sipUri", b"INVITE", b"alice"):
        assert word not in data, f"{word} left in plain text"
    assert data[:2] == b"\x16\x03", data[:16]


@case(f"an MF that refuses our certificate for {REFUSED_FOR} s and then accepts it has lost nothing")
def _():
    wanted = iri.wanted(pcap.read(CAPTURE)[0], ALICE)
    with x2.workspace() as directory:
        refusing = x2.Mf(directory, name="refusing", ca="wrong-ca")
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(directory, ALICE, {x2.DID: refusing}, 1, vdevs, ports).start().ready()
        began = time.monotonic()
        x2.wait_for(
            "the first refusal", lambda: tap.ask("counters")["destinations"][0]["connect_failures"] > 0
        )
        x2.wait_for("its time to pass", lambda: time.monotonic() > began + REFUSED_FOR, REFUSED_FOR + 10)
        counters = tap.ask("counters")["destinations"][0]
        equal(counters["confirmed"], 0, "confirmed while refused")
        equal(refusing.iri(), [], "PDUs at an MF that refused us")
        refusing.stop()
        mf = x2.Mf(directory, port=refusing.port)
        x2.wait_for("all PDUs", lambda: len(mf.iri()) >= len(wanted))
        tap.stop()
        mf.stop()
        difference = iri.first_difference(wanted, mf.iri())
        assert not difference, difference
        say(f"{counters['connects']} connections, {counters['connect_failures']} refused; {len(wanted)} PDUs after that")


main()
