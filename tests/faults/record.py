#!/usr/bin/python3
"""record.py DEVICE CAPTURE: keeps the frames of our load that a device receives, each as it comes, until SIGTERM."""

import signal
import socket
import sys
import time

import pcap
from craft import ETHERNET_ADDRESSES

ROOM = 64 << 20  # octets
SO_RCVBUFFORCE = 33

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as wire, open(sys.argv[2], "wb", buffering=0) as capture:
    pcap.begin(capture)
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    wire.bind((sys.argv[1], 0x0003))
    wire.settimeout(0.1)
    print("ready", flush=True)
    while True:
        try:
            octets, (_, _, kind, *_) = wire.recvfrom(65536)
        except TimeoutError:
            if ended:
                break
            continue
        if kind != socket.PACKET_OUTGOING and octets[:12] == ETHERNET_ADDRESSES:
            pcap.append(capture, time.time_ns(), octets)
