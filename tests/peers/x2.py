"""A decoder of X2 PDUs (TS 103 221-2 clause 5) written apart from lib/x2 and lib/mf, for the tests. Strict: it raises
ValueError at what the clause does not allow."""

import ipaddress
import struct
import uuid

X2, KEEPALIVE, KEEPALIVE_ACK = 1, 3, 4
ONCE = set(range(5, 17))
LENGTHS = {8: 4, 9: 8, 10: 4, 11: 4, 12: 16, 13: 16, 14: 2, 15: 2, 16: 1}


def pdu_length(stream):
    """Octets of the first PDU in a stream, or None while the stream is too short to tell."""
    if len(stream) < 12:
        return None
    header, payload = struct.unpack_from(">II", stream, 4)
    if header < 40:
        raise ValueError("header length below 40")
    return header + payload


def split(stream):
    """The whole PDUs at the front of a stream, and what is left of it."""
    pdus, at = [], 0
    view = memoryview(stream)
    while (length := pdu_length(view[at:])) is not None and at + length <= len(view):
        pdus.append(bytes(view[at : at + length]))
        at += length
    return pdus, bytes(view[at:])


def decode(pdu):
    """One PDU as a dict with the keys that x2mf writes (payload as octets)."""
    version, kind, header_len, payload_len, payload_format, direction = struct.unpack_from(">HHIIHH", pdu)
    if header_len + payload_len != len(pdu):
        raise ValueError("length")
    if version >> 8:
        raise ValueError("major version")
    out = {
        "version": f"{version >> 8}.{version & 255}",
        "type": kind,
        "format": payload_format,
        "direction": direction,
        "xid": str(uuid.UUID(bytes=pdu[16:32])),
        "correlation": struct.unpack_from(">Q", pdu, 32)[0],
        "matched": [],
        "other": [],
        "payload": pdu[header_len:],
        "header_len": header_len,
    }
    at, seen = 40, []
    while at < header_len:
        attribute, length = struct.unpack_from(">HH", pdu, at)
        value = pdu[at + 4 : at + 4 + length]
        at += 4 + length
        if at > header_len:
            raise ValueError("attribute past the header")
        if attribute in ONCE and attribute in seen:
            raise ValueError(f"attribute {attribute} twice")
        if LENGTHS.get(attribute, length) != length:
            raise ValueError(f"attribute {attribute} of {length} octets")
        seen.append(attribute)
        number = int.from_bytes(value, "big")
        if attribute in (5, 6, 7):
            out[{5: "did", 6: "nfid", 7: "ipid"}[attribute]] = value.decode()
        elif attribute == 8:
            out["seq"] = number
        elif attribute == 9:
            out["time_ns"] = (number >> 32) * 10**9 + (number & 0xFFFFFFFF)
            if number & 0xFFFFFFFF >= 10**9:
                raise ValueError("nanoseconds")
        elif attribute in (10, 12):
            out["src"] = str(ipaddress.ip_address(value))
        elif attribute in (11, 13):
            out["dst"] = str(ipaddress.ip_address(value))
        elif attribute in (14, 15, 16):
            out[{14: "sport", 15: "dport", 16: "proto"}[attribute]] = number
        elif attribute in (17, 18):
            out["matched" if attribute == 17 else "other"].append(value.decode())
        else:
            raise ValueError(f"attribute {attribute}")
    if seen != sorted(seen):
        raise ValueError("attributes out of order")
    if kind == X2 and (payload_format == 0 or direction == 0 or not set(seen) >= {6, 7, 8, 9, 17}):
        raise ValueError("X2 PDU without what it needs")
    if kind in (KEEPALIVE, KEEPALIVE_ACK) and (len(pdu) != 48 or seen != [8] or any(pdu[8:40])):
        raise ValueError("keepalive")
    return out
