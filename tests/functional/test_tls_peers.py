#!/usr/bin/python3
"""Mediation functions that must not be trusted get not one octet of a PDU; good ones of every make get them all; one that refuses
us for a while loses nothing."""

import functools
import hashlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid

import iri
import pcap
import tls_peer
import x2tap_test as x2
from tap import case, equal, main, say
from tls_peer import Peer

sys.path.insert(0, str(x2.ROOT / "tests/peers"))
import x2 as x2_peer  # noqa: E402

CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
COUNT = 37  # messages of the task in it
REFUSED_FOR = 10 if x2.SANITIZED else 60  # seconds
TLS_1_1, TLS_1_2 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2
UNREACHABLE, CERTIFICATE = "mf unreachable", "mf certificate"
ALICE = [x2.task([{"sipUri": "sip:alice@example.com"}])]
SECRETS = (x2.NFID.encode(), b"sipUri", b"INVITE", b"alice")

x2.certificates = functools.cache(lambda: x2.make_certificates("--peers"))


def pin_of(name):
    """SHA-256 of a certificate's SubjectPublicKeyInfo, as openssl finds it."""
    file = x2.certificates() / f"{name}.pem"
    key = subprocess.run(["openssl", "x509", "-in", file, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def tls_section(**options):
    files = x2.certificates()
    return {"cert": files / "ne.pem", "key": files / "ne.key", "ca": files / "ca.pem", **options}


def did_of(what):
    return str(uuid.uuid5(x2.NAMESPACE, what))


# Whom x2tap must not take: what, the peer, what is configured for it, the fault that begins and what its text says.
BAD = [
    ("has a certificate that has expired", {"cert": "mf-expired"}, {}, CERTIFICATE, "has expired"),
    ("has a certificate that is not valid yet", {"cert": "mf-not-yet-valid"}, {}, CERTIFICATE, "not yet valid"),
    ("has a certificate of another name", {"cert": "mf-wrong-name"}, {}, CERTIFICATE, "ostname mismatch"),
    ("has its name in the subject alone", {"cert": "mf-name-in-subject"}, {}, CERTIFICATE, "ostname mismatch"),
    ("has a wildcard for part of a label", {"cert": "mf-partial-wildcard"}, {}, CERTIFICATE, "ostname mismatch"),
    ("has a wildcard that would have to stand for two labels", {"cert": "mf-wildcard"}, {"tls_name": "a.mf.example.net"},
     CERTIFICATE, "ostname mismatch"),
    ("has a wildcard that would have to stand for none", {"cert": "mf-wildcard"}, {"tls_name": "example.net"},
     CERTIFICATE, "ostname mismatch"),
    ("has a certificate without our IPv4 address", {"cert": "mf-wrong-name"}, {"tls_name": "127.0.0.1"}, CERTIFICATE,
     "IP address mismatch"),
    ("has a certificate without our IPv6 address", {}, {"tls_name": "2001:db8::7"}, CERTIFICATE, "IP address mismatch"),
    ("has the address as a DNS name", {"cert": "mf-address-as-text"}, {"tls_name": "127.0.0.1"}, CERTIFICATE,
     "IP address mismatch"),
    ("has a certificate of a CA that we do not know", {"cert": "mf-wrong-ca"}, {}, CERTIFICATE, "issuer"),
    ("is self-signed and not in the CA file", {"cert": "mf-self-signed"}, {}, CERTIFICATE, "self-signed"),
    ("has a certificate that is revoked", {"cert": "mf-revoked"}, {}, CERTIFICATE, "revoked"),
    ("has a certificate for clients only", {"cert": "mf-wrong-purpose"}, {}, CERTIFICATE, "purpose"),
    ("has an RSA key of 1,024 bits", {"cert": "mf-weak-rsa"}, {}, CERTIFICATE, "key too weak"),
    ("has an EC key of 192 bits", {"cert": "mf-weak-ec"}, {}, UNREACHABLE, ""),  # and no suite for what we offer
    ("has an issuer with an RSA key of 1,024 bits", {"cert": "mf-weak-issuer"}, {}, CERTIFICATE, "key too weak"),
    ("has a certificate signed over SHA-1", {"cert": "mf-sha1"}, {}, CERTIFICATE, "digest algorithm too weak"),
    ("has another key than the pinned one", {}, {"pin": "mf-rsa"}, CERTIFICATE, "another public key"),
    ("has the pinned key and another name", {"cert": "mf-wrong-name"}, {"pin": "mf-wrong-name"}, CERTIFICATE,
     "ostname mismatch"),
    ("speaks TLS 1.1 at best", {"version": TLS_1_1, "cert": "mf-rsa"}, {}, UNREACHABLE, "protocol version"),
    ("has CBC suites only", {"version": TLS_1_2, "cert": "mf-rsa", "ciphers": "ECDHE-RSA-AES128-SHA256"}, {}, UNREACHABLE, ""),
    ("has suites without ECDHE only", {"version": TLS_1_2, "cert": "mf-rsa", "ciphers": "AES128-GCM-SHA256"}, {}, UNREACHABLE,
     ""),
    ("does not speak TLS", {"plain": True}, {}, UNREACHABLE, "does not speak TLS"),
    ("closes at the ClientHello", {"cut": lambda flight: 0}, {}, UNREACHABLE, ""),
    ("is cut within its first record header", {"cut": lambda flight: 3}, {}, UNREACHABLE, ""),
    ("is cut within its ServerHello", {"cut": lambda flight: 60}, {}, UNREACHABLE, ""),
    ("is cut in the middle of its first flight", {"cut": lambda flight: flight // 2}, {}, UNREACHABLE, ""),
    ("is cut an octet before the end of its first flight", {"cut": lambda flight: flight - 1}, {}, UNREACHABLE, ""),
    ("closes after the handshake", {"after": True}, {}, UNREACHABLE, ""),
]  # fmt: skip
CUT_12 = [
    ("is cut at the start of the second flight of TLS 1.2", {"cut": lambda flight: flight}, {}, UNREACHABLE, ""),
    ("is cut within the second flight of TLS 1.2", {"cut": lambda flight: flight + 20}, {}, UNREACHABLE, ""),
]
GOOD = [
    ("is as it should be", {}, {}),
    ("has a wildcard for a whole label", {"cert": "mf-wildcard"}, {}),
    ("has the pinned key", {}, {"pin": "mf"}),
    ("has an RSA key of 2,048 bits", {"cert": "mf-rsa"}, {}),
    ("is known by its IPv4 address", {}, {"tls_name": "127.0.0.1"}),
    ("is known by its IPv6 address", {"address": "::1"}, {"tls_name": "::1"}),
    ("wants us to come back with its tickets", {"tickets": 2}, {}),
]


def without_alerts(octets):
    """What is left of records without the alerts at their front, which may say why a handshake ends."""
    while octets[:1] == b"\x15" and len(octets) >= 7:
        octets = octets[5 + int.from_bytes(octets[3:5], "big") :]
    return octets


class Run:
    """x2tap once, with one task for all the peers at once: what each of them got, and what x2tap said of it."""

    def __init__(self, entries, **tls):
        self.peers = {what: Peer(x2.certificates(), **peer) for what, peer, _, _ in entries}
        settings = {}
        for what, _, section, _ in entries:
            settings[did_of(what)] = {"tls_name": x2.MF_NAME, "keepalive": False, "queue_mib": 1, **section}
            if "pin" in section:
                settings[did_of(what)]["pin"] = pin_of(section["pin"])
        good = [what for what, _, _, is_good in entries if is_good]
        task = x2.task([{"sipUri": "sip:alice@example.com"}], destinations=settings)
        with x2.workspace() as directory:
            vdevs, ports, (_, out) = x2.file_pair(directory, CAPTURE)
            self.tap = x2.Tap(
                directory, [task], {did_of(what): peer.place for what, peer in self.peers.items()}, 1, vdevs, ports,
                tls=tls_section(**tls), destinations=settings, shutdown_timeout="1s",
            )  # fmt: skip
            self.tap.start().ready()
            x2.wait_for("PDUs at all good ones", lambda: all(self.pdus(what) >= COUNT for what in good))
            x2.wait_for(
                "two tries at each bad one",
                lambda: all(peer.attempts >= 2 for what, peer in self.peers.items() if what not in good),
            )
            self.faults = {}
            x2.wait_for("a fault for each bad one", lambda: self._look() >= {did_of(w) for w, *_ in entries if w not in good})
            self.counters = {one["did"]: one for one in self.tap.ask("counters")["destinations"]}
            self.tap.check_laws()
            self.tap.stop(code=3 if len(good) < len(entries) else 0)
            equal(len(pcap.read(out)[0]), len(pcap.read(CAPTURE)[0]), "frames forwarded meanwhile")
        for peer in self.peers.values():
            peer.close()

    def _look(self):
        """Faults come and go with each try: the latest of each destination is kept."""
        for fault in self.tap.ask("faults")["faults"]:
            self.faults[fault["about"]] = fault
        return set(self.faults)

    def pdus(self, what):
        pdus, rest = x2_peer.split(bytes(self.peers[what].data))
        return len(pdus) if not rest else -1

    def check_bad(self, what, fault, text):
        peer, said = self.peers[what], self.faults[did_of(what)]
        assert peer.attempts >= 2, "no connection was tried"
        data = bytes(peer.data)
        if peer.context:
            equal(without_alerts(data), b"", "octets that left")
        for secret in SECRETS:  # a peer without TLS gets ClientHellos
            assert secret not in data, f"{secret} left in plain text"
        equal(said["name"], fault, said["text"])
        assert text in said["text"], f"{text!r} is not in {said['text']!r}"
        equal(self.counters[did_of(what)]["confirmed"], 0, "confirmed")

    def check_good(self, what):
        equal(self.pdus(what), COUNT, "PDUs")
        assert did_of(what) not in self.faults, self.faults.get(did_of(what))


@functools.cache
def strict():
    """Profile 1.3, all who are bad under it, and those who are good under any."""
    bad = [(what, peer, section, False) for what, peer, section, _, _ in BAD]
    bad.append(("speaks TLS 1.2 at best", {"version": TLS_1_2}, {}, False))
    return Run([*bad, *((what, peer, section, True) for what, peer, section in GOOD)], crl=x2.certificates() / "crl.pem")


@functools.cache
def wide():
    """Profile 1.3+1.2, where everybody speaks 1.2."""
    entries = [(what, peer, section, False) for what, peer, section, _, _ in BAD + CUT_12]
    entries += [(what, peer, section, True) for what, peer, section in GOOD]
    entries = [(what, {"version": TLS_1_2, **peer}, section, good) for what, peer, section, good in entries]
    return Run(entries, crl=x2.certificates() / "crl.pem", profile="1.3+1.2")


for what, _, _, fault, text in BAD:
    case(f"TLS 1.3: an MF that {what} gets not one octet")(
        lambda what=what, fault=fault, text=text: strict().check_bad(what, fault, text)
    )
for what, *_ in GOOD:
    case(f"TLS 1.3: an MF that {what} gets all PDUs")(lambda what=what: strict().check_good(what))
for what, _, _, fault, text in BAD + CUT_12:
    case(f"TLS 1.2: an MF that {what} gets not one octet")(
        lambda what=what, fault=fault, text=text: wide().check_bad(what, fault, text)
    )
for what, *_ in GOOD:
    case(f"TLS 1.2: an MF that {what} gets all PDUs")(lambda what=what: wide().check_good(what))


@case("an MF that speaks TLS 1.2 gets not one octet under profile 1.3")
def _():
    strict().check_bad("speaks TLS 1.2 at best", UNREACHABLE, "protocol version")


@case("each ClientHello offers the profile's suites and versions alone: no ticket, no session, no early data, no compression")
def _():
    count = 0
    for run, suites, versions in (
        (strict(), tls_peer.SUITES_13, [0x0304]),
        (wide(), tls_peer.SUITES_13 + tls_peer.SUITES_12, [0x0304, 0x0303]),
    ):
        for peer in run.peers.values():
            for hello in peer.hellos:
                count += 1
                equal([suite for suite in hello.suites if suite != tls_peer.RENEGOTIATION_INFO], suites, "suites")
                equal(hello.versions(), versions, "versions")
                equal(hello.compressions, [0], "compression methods")
                for kind in (tls_peer.SESSION_TICKET, tls_peer.PRE_SHARED_KEY, tls_peer.EARLY_DATA):
                    assert kind not in hello.extensions, f"extension {kind} is offered"
            equal(peer.resumed, 0, "sessions taken up again")
    assert count > 100, f"only {count} were looked at"
    say(f"{count} ClientHellos")


@case("a ClientHello names the server where it is known by a DNS name, and not where it is known by an address")
def _():
    for what, _, section in GOOD:
        name = section.get("tls_name", x2.MF_NAME)
        for run in (strict(), wide()):
            equal(run.peers[what].hellos[0].name(), None if name in ("127.0.0.1", "::1") else name, f"server name, {what}")


@case("tickets of an MF are not used on the next connection")
def _():
    with x2.workspace() as directory:
        peer = Peer(x2.certificates(), tickets=2)
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(
            directory, ALICE, {x2.DID: peer}, 1, vdevs, ports, destination={"keepalive": False}, shutdown_timeout="1s"
        )  # fmt: skip
        tap.start().ready()
        x2.wait_for("the PDUs", lambda: peer.data.count(b"<sipUri>") == COUNT)
        for number in (2, 3):
            peer.connections[-1].shutdown(2)
            x2.wait_for("the next connection", lambda number=number: peer.handshakes >= number)
        tap.stop()
        equal(peer.resumed, 0, "sessions taken up again")
        assert len(peer.hellos) >= 3, "no ClientHello was seen"
        for hello in peer.hellos:
            assert not {tls_peer.PRE_SHARED_KEY, tls_peer.SESSION_TICKET} & set(hello.extensions), hello.extensions.keys()
        peer.close()


@case("with a CRL that has expired even a good MF gets not one octet")
def _():
    run = Run([("meets an old CRL", {}, {}, False)], crl=x2.certificates() / "crl-expired.pem")
    run.check_bad("meets an old CRL", CERTIFICATE, "CRL has expired")


# A keepalive as x2tap sends it: version 0.5, PDU type 3, one attribute, its number.
KEEPALIVE = re.compile(rb"\x00\x05\x00\x03.{36}\x00\x08\x00\x04(....)", re.DOTALL)


def answer_to(number):
    return b"\x00\x05\x00\x04" + (48).to_bytes(4, "big") + bytes(32) + b"\x00\x08\x00\x04" + number


class Openssl:
    """`openssl s_server`: what it says and what it gets comes out of one pipe, and what we write goes to its client. Answers so
    many keepalives as `answers` says."""

    def __init__(self, directory, *options, answers=0):
        files = x2.certificates()
        self.port = x2.free_port()
        self.log = directory / "s_server.log"
        self.said, self.answers = bytearray(), answers
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", files / "mf.pem", "-key",
                 files / "mf.key", "-CAfile", files / "ca.pem", "-Verify", "3", "-verify_return_error", "-state", *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
            )  # fmt: skip
        self.process.log = self.log
        x2.running.append(self.process)
        threading.Thread(target=self._listen, daemon=True).start()
        x2.wait_for("s_server to listen", lambda: x2.listening(self.port))

    def _listen(self):
        at = 0
        while chunk := self.process.stdout.read(1 << 16):
            self.said += chunk
            while self.answers > 0 and (found := KEEPALIVE.search(self.said, at)):
                self.process.stdin.write(answer_to(found[1]))
                self.answers -= 1
                at = found.end()

    def pdus(self):
        return self.said.count(b"<sipUri>")

    def states(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        x2.stop(self.process)


@case("openssl s_server gets all PDUs, in TLS 1.3 and 1.2")
def _():
    for option, profile in (("-tls1_3", "1.3"), ("-tls1_2", "1.3+1.2")):
        with x2.workspace() as directory:
            mf = Openssl(directory, option)
            vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
            tap = x2.Tap(
                directory, ALICE, {x2.DID: mf}, 1, vdevs, ports, tls=tls_section(profile=profile),
                destination={"keepalive": False},
            )  # fmt: skip
            tap.run("--until-idle", "0.2")
            x2.wait_for("the PDUs", lambda mf=mf: mf.pdus() == COUNT)
            mf.stop()


@case("gnutls-serv gets all PDUs, in TLS 1.3 and 1.2")
def _():
    x2.need_tool("gnutls-serv")
    files = x2.certificates()
    whole = len(strict().peers[GOOD[0][0]].data)
    for version, profile in (("1.3", "1.3"), ("1.2", "1.3+1.2")):
        with x2.workspace() as directory:
            port = x2.free_port()
            # It shows nothing of what it gets; but at this level of detail how long each record was that it could read.
            server = x2.start(
                ["gnutls-serv", "--debug", "5", "--echo", "--crlf", "--port", port, "--x509certfile", files / "mf.pem",
                 "--x509keyfile", files / "mf.key", "--x509cafile", files / "ca.pem", "--require-client-cert",
                 "--verify-client-cert", "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}"],
                directory / "gnutls.log",
            )  # fmt: skip
            x2.wait_for("gnutls-serv to listen", lambda port=port: x2.listening(port))
            vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
            tap = x2.Tap(
                directory, ALICE, {x2.DID: port}, 1, vdevs, ports, tls=tls_section(profile=profile),
                destination={"keepalive": False},
            )  # fmt: skip
            tap.run("--until-idle", "0.2")

            def octets(server=server):
                lengths = re.findall(r"Decrypted Packet\[\d+\] Application Data\(23\) with length: (\d+)", x2.said(server))
                return sum(map(int, lengths))

            x2.wait_for("the octets of all PDUs", lambda octets=octets: octets() >= whole, 20)
            equal(octets(), whole, "octets")
            x2.stop(server, signal.SIGKILL)


@case("x2mf gets all PDUs")
def _():
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        x2.Tap(directory, ALICE, {x2.DID: mf}, 1, vdevs, ports).run("--until-idle", "0.2")
        equal(len(mf.iri()), COUNT, "PDUs")
        mf.stop()


@case("an MF that asks for renegotiation (TLS 1.2) gets none, and misses nothing")
def _():
    with x2.workspace() as directory:
        mf = Openssl(directory, "-tls1_2", answers=1)  # the first keepalive alone: the PDUs stay unconfirmed
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(directory, ALICE, {x2.DID: mf}, 1, vdevs, ports, tls=tls_section(profile="1.3+1.2"))
        tap.start().ready()
        x2.wait_for("the PDUs", lambda: mf.pdus() == COUNT)
        equal(tap.ask("counters")["destinations"][0]["confirmed"], 0, "confirmed")
        mf.process.stdin.write(b"R\n")
        x2.wait_for("our answer", lambda: "no renegotiation" in mf.states())
        mf.answers = 1 << 30
        x2.wait_for("all confirmed", lambda: tap.ask("counters")["destinations"][0]["confirmed"] == COUNT)
        counters = tap.ask("counters")["destinations"][0]
        # s_server ends a connection whose client does not want to: there is a second, with all PDUs once more.
        equal((counters["connects"], counters["repeated"]), (2, COUNT), "connections and repeated PDUs")
        equal(mf.pdus(), 2 * COUNT, "PDUs")
        equal(len(re.findall("read client hello", mf.states())), counters["connects"], "handshakes")
        tap.check_laws()
        tap.stop()
        mf.stop()


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
