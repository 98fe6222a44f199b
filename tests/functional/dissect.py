"""X2 PDUs as tshark sees them (its dissector is called 5gli)."""

import calendar
import subprocess
import time

import pcap

PORT = 4500
FIELDS = (
    "li5g.ver", "li5g.type", "li5g.hl", "li5g.pl", "li5g.pf", "li5g.pd", "li5g.xid", "li5g.cid", "li5g.did", "li5g.nfid",
    "li5g.ipid", "li5g.sq", "li5g.ts", "li5g.srcip", "li5g.dstip", "li5g.srcipv6", "li5g.dstipv6", "li5g.srcport",
    "li5g.dstport", "li5g.ipproto", "li5g.mti", "li5g.oti", "li5g.pld", "_ws.malformed", "frame.protocols",
)  # fmt: skip


def once(text):
    """Attribute fields come twice, as label and as value."""
    parts = text.split(";") if text else []
    return parts[: len(parts) // 2] if len(parts) % 2 == 0 else parts


def time_ns(text):
    seconds, fraction = text.removesuffix(" UTC").split(".")
    return calendar.timegm(time.strptime(seconds, "%b %d, %Y %H:%M:%S")) * 10**9 + int(fraction)


def as_text(octets):
    return bytes.fromhex(octets.replace(":", "")).decode()


def with_tshark(pdus, path):
    """One dict for each PDU, with the keys of x2mf; `path` is a scratch file."""
    pcap.write(path, pcap.tcp_segments(pdus, PORT))
    command = ["tshark", "-n", "-r", str(path), "-d", f"tcp.port=={PORT},5gli", "-T", "fields"]
    command += ["-E", "separator=/t", "-E", "aggregator=;"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [of_row(dict(zip(FIELDS, line.split("\t")))) for line in done.stdout.splitlines()]


def of_row(row):
    """A row of tshark's. A PDU that it finds malformed, or does not find at all, is an AssertionError."""
    if row.get("_ws.malformed") or ":5gli" not in row.get("frame.protocols", ""):
        raise AssertionError(f"tshark on a PDU: {row}")
    out = {
        "version": f"0.{row['li5g.ver']}",
        "type": int(row["li5g.type"]),
        "header_len": int(row["li5g.hl"]),
        "payload_len": int(row["li5g.pl"]),
        "format": int(row["li5g.pf"]),
        "direction": int(row["li5g.pd"]),
        "xid": row["li5g.xid"],
        "correlation": int(row["li5g.cid"].replace(":", ""), 16),
        "nfid": as_text(once(row["li5g.nfid"])[0]),
        "ipid": as_text(once(row["li5g.ipid"])[0]),
        "seq": int(once(row["li5g.sq"])[0]),
        "time_ns": time_ns(once(row["li5g.ts"])[0]),
        "sport": int(once(row["li5g.srcport"])[0]),
        "dport": int(once(row["li5g.dstport"])[0]),
        "proto": int(once(row["li5g.ipproto"])[0]),
        "src": once(row["li5g.srcip"] or row["li5g.srcipv6"])[0],
        "dst": once(row["li5g.dstip"] or row["li5g.dstipv6"])[0],
        "matched": [as_text(value) for value in set(row["li5g.mti"].split(";"))],
        "octets": bytes.fromhex(row["li5g.pld"].replace(":", "")),
    }
    return out
