#!/usr/bin/python3
"""Copies a capture with VLAN tags added: add-vlan-tags.py IN OUT TPID:VID... (hexadecimal:decimal, outermost first)."""
import struct
import sys

source, target, *tags = sys.argv[1:]
stack = b"".join(struct.pack(">HH", int(tpid, 16), int(vid)) for tpid, vid in (tag.split(":") for tag in tags))

data = open(source, "rb").read()
out = bytearray(data[:24])
at = 24
while at < len(data):
    seconds, fraction, captured, length = struct.unpack_from("<IIII", data, at)
    frame = data[at + 16 : at + 16 + captured]
    out += struct.pack("<IIII", seconds, fraction, captured + len(stack), length + len(stack))
    out += frame[:12] + stack + frame[12:]
    at += 16 + captured
open(target, "wb").write(out)
