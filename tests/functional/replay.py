#!/usr/bin/python3
"""replay.py DEVICE CAPTURE RATE [LOG]: sends the frames of a capture at a steady rate, each once.

What a stall of ours has held up is not caught up at once, but for a few frames: on a busy machine the rate falls, it does not turn into
bursts. SIGTERM ends it between two frames. LOG then holds a line for each frame: the times before and after it went, in
nanoseconds since 1970.
"""

import signal
import socket
import sys
import time

import pcap

CATCH_UP = 16  # frames, fewer than x2tap takes for a full burst

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))

device, capture, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
frames, _ = pcap.read(capture)
times = []
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((device, 0))
    due = time.monotonic()
    for frame in frames:
        ahead = due - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        if ended:
            break
        due = max(due, time.monotonic() - CATCH_UP / rate) + 1 / rate
        before = time.time_ns()
        out.send(frame.octets)
        times.append((before, time.time_ns()))
if len(sys.argv) > 4:
    with open(sys.argv[4], "w") as log:
        log.writelines(f"{before} {after}\n" for before, after in times)
