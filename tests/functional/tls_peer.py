"""Peers that speak TLS with x2tap for the tests: good ones, and those that must get nothing."""

import contextlib
import socket
import ssl
import struct
import threading
import time

SUITES_13 = [0x1302, 0x1301, 0x1303]
SUITES_12 = [0xC02C, 0xC030, 0xC02B, 0xC02F, 0xCCA9, 0xCCA8]  # ECDHE with AES-GCM and ChaCha20-Poly1305 alone
RENEGOTIATION_INFO = 0x00FF  # no suite: RFC 5746 3.3
SERVER_NAME, SIGNATURE_ALGORITHMS, SESSION_TICKET, PRE_SHARED_KEY, EARLY_DATA = 0, 13, 35, 41, 42
SUPPORTED_VERSIONS, PSK_MODES = 43, 45


class ClientHello:
    """RFC 8446 4.1.2, out of the octets that a client sends first."""

    def __init__(self, octets):
        body = b""
        while octets[:1] == b"\x16" and not (len(body) >= 4 and len(body) >= 4 + int.from_bytes(body[1:4], "big")):
            (length,) = struct.unpack_from(">H", octets, 3)
            body, octets = body + octets[5 : 5 + length], octets[5 + length :]
        if body[:1] != b"\x01":
            raise ValueError("no ClientHello")
        at = 4 + 2 + 32
        self.session_id, at = self._vector(body, at, 1)
        suites, at = self._vector(body, at, 2)
        self.suites = list(struct.unpack(f">{len(suites) // 2}H", suites))
        compressions, at = self._vector(body, at, 1)
        self.compressions = list(compressions)
        rest, at = self._vector(body, at, 2)
        self.extensions, at = {}, 0
        while at < len(rest):
            (kind,) = struct.unpack_from(">H", rest, at)
            self.extensions[kind], at = self._vector(rest, at + 2, 2)

    @staticmethod
    def _vector(octets, at, width):
        start = at + width
        end = start + int.from_bytes(octets[at:start], "big")
        if end > len(octets):
            raise ValueError("a vector that is cut off")
        return octets[start:end], end

    def name(self):
        """Of the server that is wanted; None without SNI."""
        value = self.extensions.get(SERVER_NAME)
        return value and value[5:].decode()

    def versions(self):
        value = self.extensions[SUPPORTED_VERSIONS]
        return [version for (version,) in struct.iter_unpack(">H", value[1:])]


class Peer:
    """A TLS server (or a plain one) that notes every octet of application data it gets, and what a client said first.

    cut: how many octets of the server's part of the handshake leave, given the length of its first flight; then its side of the
    connection is closed, and all that still comes counts as data. after: the same after the whole handshake; an attempt at which
    this was held up is none, for a client may take a server that stays for one that has accepted it (keepalive off: after 1 s)."""

    PROMPT_S = 0.5

    def __init__(
        self, files, cert="mf", ca="ca", version=None, ciphers=None, plain=False, cut=None, after=False, tickets=0,
        address="127.0.0.1",
    ):  # fmt: skip
        self.context, self.cut, self.after = None, cut, after
        if not plain:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
            self.context.load_cert_chain(files / f"{cert}.pem", files / f"{cert}.key")
            self.context.load_verify_locations(files / f"{ca}.pem")
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.num_tickets = tickets
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            if version:
                self.context.maximum_version = version
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.place = address, self.port
        self.attempts, self.handshakes, self.data, self.hellos = 0, 0, bytearray(), []
        self.resumed = 0
        self.connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.attempts += 1
            self.connections.append(connection)
            connection.settimeout(5)
            try:
                if self.context:
                    self._talk(connection)
                else:
                    connection.sendall(b"\x00\x05\x00\x04" + b"\0" * 44)
                    self._note(connection)
            except OSError:  # ssl.SSLError is one
                pass
            finally:
                connection.close()

    def _note(self, connection):
        while chunk := connection.recv(1 << 16):
            self.data += chunk

    def _talk(self, connection):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        hello, left = b"", None
        while True:
            try:
                tls.do_handshake()
                over = True
            except ssl.SSLWantReadError:
                over = False
            except ssl.SSLError:
                connection.sendall(outgoing.read())
                raise
            flight = outgoing.read()
            if self.cut and flight and left is None:
                left = self.cut(len(flight))
            if left is not None:
                flight, left = flight[:left], left - len(flight)
            last_sent = time.monotonic()
            connection.sendall(flight)
            if left is not None and left < 0:
                connection.shutdown(socket.SHUT_WR)
                return self._note(connection)
            if over:
                break
            chunk = connection.recv(1 << 16)
            if not chunk:
                return None
            hello += chunk
            if len(self.hellos) < self.attempts:
                with contextlib.suppress(ValueError, struct.error):  # it may not be whole yet
                    self.hellos.append(ClientHello(hello))
            incoming.write(chunk)
        self.handshakes += 1
        self.resumed += tls.session_reused
        if self.after:
            connection.shutdown(socket.SHUT_WR)
            if time.monotonic() - last_sent > self.PROMPT_S:
                self.attempts -= 1
                return None
        while True:
            try:
                octets = tls.read(1 << 16)
                if not octets:
                    return None
                self.data += octets
            except ssl.SSLWantReadError:
                chunk = connection.recv(1 << 16)
                if not chunk:
                    return None
                incoming.write(chunk)

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()
