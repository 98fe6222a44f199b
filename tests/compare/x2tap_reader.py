"""SIP messages in a capture as x2tap's analysis sees them: what tests/compare/extract prints."""

import json
import subprocess

from message import FIELDS, Message, address_text, header_text, octets_text

LISTS = ("from", "from_uri", "to", "to_uri", "asserted", "asserted_uri", "contact", "contact_uri")


def texts(values):
    return [octets_text(header_text(value)) for value in values if value]


def message_of(row):
    values = {name: texts(row[name]) for name in LISTS}
    values["frame"] = [str(row["frame"])]
    # The Call-ID and number that x2tap goes by, and whatever stands there beside.
    values["call_id"] = texts([row["call_id"], *row["call_id_fields"][1:]])
    values["cseq"] = texts(row["cseq_fields"])
    values["cseq_number"] = [str(row["cseq"])] if row["cseq_fields"] else []
    values["method"] = [octets_text(row["method"])] if row["method"] else []
    if "status" in row:
        values["status"] = [str(row["status"])]
    else:
        values["request_uri"] = [octets_text(row["request_uri"])]
    for end in ("source", "destination"):
        values[end] = [address_text(row[end])]
        values[f"{end}_port"] = [str(row[f"{end}_port"])]
    values["protocol"] = [str(row["protocol"])]
    values["teid"] = [str(teid) for teid in row["teids"]]
    values = {key: values[key] for key in FIELDS if values.get(key)}
    return Message(row["frame"], octets_text(row["start_line"]), values, row["defects"])


def read(extract, capture):
    done = subprocess.run([str(extract), str(capture)], capture_output=True)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise RuntimeError(f"{extract} on {capture}: {why}")
    return [message_of(json.loads(line)) for line in done.stdout.decode().splitlines()]
