#!/usr/bin/python3
"""replay.py DEVICE CAPTURE RATE [LOG]: sends the frames of a capture at a steady rate, each once.

SIGTERM ends it between two frames. LOG then holds the time at which each frame went, in nanoseconds since 1970, a line each.
"""

import signal
import socket
import sys
import time

import pcap

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))

device, capture, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
frames, _ = pcap.read(capture)
times = []
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((device, 0))
    began = time.monotonic()
    for number, frame in enumerate(frames):
        ahead = began + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        if ended:
            break
        times.append(time.time_ns())
        out.send(frame.octets)
if len(sys.argv) > 4:
    with open(sys.argv[4], "w") as log:
        log.writelines(f"{when}\n" for when in times)
