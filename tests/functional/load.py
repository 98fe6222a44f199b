"""Load: our SIPp calls again and again under other Call-IDs, so that every message is a new one."""

import pcap
import sip_oracle
import x2tap_test as x2


def calls(names, count, step_ns):
    """At least so many frames of these captures of ours, `step_ns` apart; whole turns, so that every call ends."""
    sources = []
    for name in names:
        for frame in pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")[0]:
            datagram = pcap.datagram(frame.octets)
            for message in sip_oracle.messages(datagram.payload) if datagram else []:
                sources.append((datagram, message.call_id.encode()))
    frames = []
    while len(frames) < count:
        turn = len(frames) // len(sources)
        for datagram, call_id in sources:
            payload = datagram.payload.replace(call_id, b"%06d-" % turn + call_id)
            octets = pcap.udp_frame(
                datagram.source, datagram.destination, datagram.source_port, datagram.destination_port, payload
            )
            number = len(frames)
            frames.append(pcap.Frame(number + 1, 1767225600 * 10**9 + number * step_ns, octets))
    return frames
