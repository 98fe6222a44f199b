"""SIP peers that are not ours: SIPp as telephones, Kamailio as the proxy between them, what they logged, and whether it is
what the MF got."""

import base64
import contextlib
import re
from dataclasses import dataclass

import sip_oracle
import x2tap_test as x2

PORT = 5060
SIPP = x2.ROOT / "tests/functional/sipp"
KAMAILIO = x2.ROOT / "tests/functional/kamailio"
ASSERTED = "sip:alice.private@example.com"  # by proxy.cfg, and by nobody else
LISTENING = "0A"  # a TCP socket's state in /proc/net/tcp


@dataclass
class Side:
    """One end of a call: where its telephone is, and how it speaks (SIPp's -t: u1, t1 for one connection, tn for one a call)."""

    namespace: str
    address: str
    transport: str = "u1"


def authority(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def start_sipp(w, directory, scenario, side, name, peer=None, calls=1):
    """A SIPp that logs its messages to `name`.messages. With a peer it calls; without, it waits to be called."""
    command = [*w.inside(side.namespace), "sipp", "-sf", SIPP / f"{scenario}.xml", "-t", side.transport]
    command += ["-i", side.address, "-p", PORT, "-m", calls, "-nostdin", "-timeout", "60", "-timeout_error"]
    command += ["-max_socket", "100"]  # more than files may be open ends SIPp
    command += ["-trace_msg", "-message_file", directory / f"{name}.messages"]
    if peer:
        # All at once, so that what they send meets in a segment.
        command += ["-r", calls, "-rp", "1", authority(peer)]
    return x2.start(command, directory / f"{name}.log", cwd=directory)


def bound(process, transport):
    """Whether a process, or any in its namespace, has the port of SIP."""
    tables = ("udp", "udp6") if transport.startswith("u") else ("tcp", "tcp6")
    for table in tables:
        with open(f"/proc/{process.pid}/net/{table}") as rows:
            for row in rows:
                local, state = row.split()[1], row.split()[3]
                if local.endswith(f":{PORT:04X}") and (table.startswith("udp") or state == LISTENING):
                    return True
    return False


def wait_until_bound(process, transport):
    def there():
        try:
            return bound(process, transport)
        except OSError:
            raise AssertionError(f"a SIP peer ended: {x2.said(process)[-1500:]}") from None

    x2.wait_for("a SIP peer to listen", there)


def call(w, directory, scenario, caller, callee, answers="", via="", calls=1):
    """Plays a scenario to its end. `answers` names the callee's part where it is another scenario's; `via` is the address of a
    proxy. Returns the messages that the two logged, each once: SIPp logs all that it receives, but of what it sends not what
    it has to queue, as before a connection is there."""
    caller_log, callee_log = (f"{scenario}-{side.transport}-{who}" for side, who in ((caller, "caller"), (callee, "callee")))
    answering = start_sipp(w, directory, f"{answers or scenario}-callee", callee, callee_log, calls=calls)
    wait_until_bound(answering, callee.transport)
    calling = start_sipp(w, directory, f"{scenario}-caller", caller, caller_log, via or callee.address, calls)
    for process, who in ((calling, "caller"), (answering, "callee")):
        code = x2.finish(process)
        if code:
            raise AssertionError(f"{scenario}: SIPp as {who} ended with {code}: {x2.said(process)[-1500:]}")
    return union(logged(directory / f"{name}.messages") for name in (caller_log, callee_log))


def union(lists):
    return list(dict.fromkeys(item for items in lists for item in items))


def logged(path):
    """The messages of a SIPp message log, sent and received, each once, in order."""
    found = {}
    for block in re.split(rb"-{20,}[^\n]*\n", path.read_bytes()):
        head, gap, text = block.partition(b":\n\n")
        if not gap or b"message" not in head:
            continue
        length = re.search(rb"[\[(](\d+)[\])] bytes", head)
        found[text[: int(length.group(1))] if length else text.rstrip(b"\n") + b"\n"] = True
    return list(found)


@contextlib.contextmanager
def proxy(w, directory, side, callee):
    """Kamailio over UDP and TCP, which sends on to the address `callee`. It starts processes of its own, which end when it is
    told to."""
    listen = [part for kind in ("udp", "tcp") for part in ("-l", f"{kind}:{authority(side.address)}")]
    command = [*w.inside(side.namespace), "kamailio", "-f", KAMAILIO / "proxy.cfg", "-DD", "-E", "-n", "1", "-m", "64"]
    command += ["-P", directory / "kamailio.pid", "-Y", directory, "-w", directory, *listen]
    command += ["-A", f'BOB="sip:{authority(callee)}"']
    process = x2.start(command, directory / "kamailio.log")
    try:
        for transport in ("u1", "t1"):
            wait_until_bound(process, transport)
        yield process
    finally:
        x2.stop(process)


def received_by(proxy):
    """The messages that a proxy received, each once."""
    return union([[base64.b64decode(text) for text in re.findall(r"received <([^>]*)>", x2.said(proxy))]])


def start_line(octets):
    return octets.split(b"\r\n")[0].decode("utf-8", "replace")


def check_reported(mf, order, messages):
    """Waits until the IRI of a task are those of the messages, octet for octet but for content. Returns the PDUs."""
    wanted = sorted(sip_oracle.reported(sip_oracle.messages(octets)[0]) for octets in messages)

    def pdus():
        return [pdu for pdu in mf.iri() if pdu["xid"] == order["xId"]]

    with contextlib.suppress(AssertionError):  # what is missing says more than that something is
        x2.wait_for("as many IRI as messages", lambda: len(pdus()) >= len(wanted))
    found = sorted(pdu["octets"] for pdu in pdus())
    missing, extra = list(wanted), []
    for octets in found:
        if octets in missing:
            missing.remove(octets)
        else:
            extra.append(octets)
    if missing or extra:
        raise AssertionError(
            f"of {len(wanted)} messages logged, {len(missing)} are not reported: {[start_line(m) for m in missing][:8]}; "
            f"{len(extra)} IRI nobody logged so: {[start_line(m) for m in extra][:8]}; first: {(missing + extra)[0][:1000]!r}"
        )
    return pdus()
