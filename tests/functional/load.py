"""Load: our SIPp calls again and again under other Call-IDs, so that every message is a new one."""

import decode
import pcap
import x2tap_test as x2


def calls(names, count, step_ns):
    """At least so many frames of these captures of ours, `step_ns` apart; whole turns, so that every call ends."""
    sources = []
    for name in names:
        for seen in decode.sightings(pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")[0]):
            sources.append((seen.flow, seen.message.octets, seen.message.call_id.encode()))
    frames = []
    while len(frames) < count:
        turn = len(frames) // len(sources)
        for flow, message, call_id in sources:
            payload = message.replace(call_id, b"%06d-" % turn + call_id)
            octets = pcap.udp_frame(flow.source, flow.destination, flow.source_port, flow.destination_port, payload)
            number = len(frames)
            frames.append(pcap.Frame(number + 1, 1767225600 * 10**9 + number * step_ns, octets))
    return frames
