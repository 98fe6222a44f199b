"""Messages in a capture as x2tap's analysis sees them: what tests/compare/extract prints."""

import json
import subprocess

from links import FIRST, LAST, add_links
from message import FIELDS, Message, address_text, header_text, lease_text, octets_text

LISTS = ("from", "from_uri", "to", "to_uri", "asserted", "asserted_uri", "contact", "contact_uri")


def texts(values):
    return [octets_text(header_text(value)) for value in values if value]


def message_of(row):
    values = {name: texts(row[name]) for name in LISTS}
    # The Call-ID and number that x2tap goes by, and whatever stands there beside.
    values["call_id"] = texts([row["call_id"], *row["call_id_fields"][1:]])
    values["cseq"] = texts(row["cseq_fields"])
    values["cseq_number"] = [str(row["cseq"])] if row["cseq_fields"] else []
    values["method"] = [octets_text(row["method"])] if row["method"] else []
    if "status" in row:
        values["status"] = [str(row["status"])]
    else:
        values["request_uri"] = [octets_text(row["request_uri"])]
    values.update(packet_values(row))
    values = {key: values[key] for key in FIELDS if values.get(key)}
    return Message(row["frame"], octets_text(row["start_line"]), values, row["defects"])


def packet_values(row):
    values = {"frame": [str(row["frame"])]}
    for end in ("source", "destination"):
        values[end] = [address_text(row[end])]
        values[f"{end}_port"] = [str(row[f"{end}_port"])]
    values["protocol"] = [str(row["protocol"])]
    values["teid"] = [str(teid) for teid in row["teids"]]
    return values


def radius_name(row, key, use):
    if "exchange" not in use:
        return "session", key, True, FIRST
    if use == {"find", "keep", "exchange"}:
        return "repeats", key, True, FIRST
    if row["is_answer"] and "find" in use or "begin" in use:
        return "exchange", key, "keep" in use, LAST if "find" in use else None
    return "state", key, "keep" in use, LAST if "find" in use else None


def dhcp_name(_, key, use):
    return "exchange" if "exchange" in use else "session", key, True, FIRST


def gtp_name(_, key, use):
    if "exchange" in use:
        return "exchange", key, "keep" in use, LAST if "find" in use else None
    return "session", key, True, FIRST


NAME_KINDS = {"radius": radius_name, "dhcpv4": dhcp_name, "dhcpv6": dhcp_name, "gtpv1c": gtp_name, "gtpv2c": gtp_name}


def signal_of(row):
    values = packet_values(row)
    values["octets"] = [row["octets"]]
    values["message_type"] = [str(row["message_type"])]
    values["is_answer"] = [str(row["is_answer"])]
    values["change"], values["ends"] = [row["change"]], [str(row["ends"])]
    if "restart" in row:
        values["restart"] = [str(row["restart"])]
    if "correlation" in row:
        values["correlation"] = [row["correlation"]]
    for party in ("authority", "peer"):
        if party in row:
            values[party] = [address_text(row[party])]
    for kind, text in row["sightings"]:
        values.setdefault(kind, []).append(octets_text(text))
    values["lease"] = [lease_text(*lease) for lease in row["leases"]]
    values = {key: values[key] for key in FIELDS if values.get(key)}
    line = f"{row['signal']} {row['message_type']}"
    names = [NAME_KINDS[row["signal"]](row, digest, set(use)) for digest, use in row["names"]]
    return Message(row["frame"], line, values, row["defects"], row["signal"], names)


def read(extract, capture):
    done = subprocess.run([str(extract), str(capture)], capture_output=True)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise RuntimeError(f"{extract} on {capture}: {why}")
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return add_links([signal_of(row) if "signal" in row else message_of(row) for row in rows])
