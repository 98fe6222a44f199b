#!/usr/bin/python3
"""SIP over UDP, one message at a time, for tests that need to know when it has passed.

    sip_probe.py answer ADDRESS...            answers every request to these addresses until it is ended; prints "ready"
    sip_probe.py ask FROM TO CALL-ID          sends a request and waits for its answer; exit code 1: none came
"""

import selectors
import socket
import sys

PORT, PATIENCE = 5060, 20


def bound(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, PORT))
    return s


def answer(addresses):
    with selectors.DefaultSelector() as ready:
        for address in addresses:
            ready.register(bound(address), selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in ready.select():
                request, peer = key.fileobj.recvfrom(65536)
                if request.startswith(b"SIP/2.0"):
                    continue
                kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
                lines = [line for line in request.split(b"\r\n") if line.lower().startswith(kept)]
                key.fileobj.sendto(b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""]), peer)


def ask(source, destination, call_id):
    host = f"[{source}]" if ":" in source else source
    request = (
        f"OPTIONS sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{PORT};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:anybody@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    with bound(source) as s:
        s.settimeout(PATIENCE)
        s.sendto(request, (destination, PORT))
        while call_id.encode() not in s.recv(65536):
            pass


if sys.argv[1] == "answer":
    answer(sys.argv[2:])
try:
    ask(*sys.argv[2:])
except OSError as error:
    sys.exit(f"sip_probe: {error}")
