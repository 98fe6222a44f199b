#!/usr/bin/python3
"""stamp.py FILE: copies lines of JSON from standard input to a file, each with the time at which it came: "arrived_ns"."""

import sys
import time

with open(sys.argv[1], "ab", buffering=0) as out:
    for line in sys.stdin.buffer:
        if line.endswith(b"}\n"):
            out.write(line[:-2] + b',"arrived_ns":%d}\n' % time.time_ns())
