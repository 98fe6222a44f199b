#!/usr/bin/python3
"""replay.py DEVICE CAPTURE RATE: sends the frames of a capture at a steady rate, each once."""

import socket
import sys
import time

import pcap

device, capture, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
frames, _ = pcap.read(capture)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((device, 0))
    began = time.monotonic()
    for number, frame in enumerate(frames):
        ahead = began + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        out.send(frame.octets)
