#!/usr/bin/python3
"""However the traffic reaches x2tap, the IRI are the same: through 1, 2 and 4 workers, and through net_pcap, net_memif and
net_af_packet."""

import subprocess
import time

import craft
import decode
import hold
import iri
import load
import packets
import pcap
import wire
import x2tap_test as x2
from tap import case, equal, main, say

START_NS = 1767225600 * 10**9
STEP_NS = 10**6
SEGMENT_LEN, FRAGMENT_LEN = 400, 320
ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"


def framed(number_of, made):
    """Frames from octets, one a millisecond."""
    return [pcap.Frame(number, START_NS + number * STEP_NS, octets) for number, octets in enumerate(made, number_of)]


# --- calls on many links, each wrapped in its own way --------------------------------------------------------------


class Wrapping:
    """Turns the messages of one call into frames. `send` takes a message from one of the two ends to the other."""

    def __init__(self, caller, callee, number):
        self.ends = caller, callee
        self.number = number
        self.identification = 0

    def packet(self, source, destination, message):
        return craft.udp(source, destination, 5060, 5060, message)

    def send(self, source, destination, message):
        return [craft.ethernet(self.packet(source, destination, message))]


class Fragments(Wrapping):
    def send(self, source, destination, message):
        self.identification += 1
        packet = self.packet(source, destination, message)
        return [craft.ethernet(part) for part in craft.fragments(packet, FRAGMENT_LEN, self.identification)]


class Tunnel(Wrapping):
    def send(self, source, destination, message):
        return [craft.ethernet(craft.gtpu(self.packet(source, destination, message), self.number))]


class FragmentsInTunnel(Wrapping):
    def send(self, source, destination, message):
        self.identification += 1
        parts = craft.fragments(self.packet(source, destination, message), FRAGMENT_LEN, self.identification)
        return [craft.ethernet(craft.gre(part, self.number)) for part in parts]


class Stream(Wrapping):
    def __init__(self, caller, callee, number):
        super().__init__(caller, callee, number)
        self.next = {}

    def ports(self, source):
        return (40000, 5060) if source == self.ends[0] else (5060, 40000)

    def segment(self, source, destination, payload, flags=0x18):
        at = self.next.get(source, 0xFFFFF000 + self.number)
        self.next[source] = at + len(payload) + bool(flags & packets.TCP_SYN)
        return craft.ethernet(craft.tcp(source, destination, *self.ports(source), at, payload, flags))

    def send(self, source, destination, message):
        made = []
        if not self.next:
            made.append(self.segment(source, destination, b"", flags=0x02))
            made.append(self.segment(destination, source, b"", flags=0x12))
        pieces = [message[at : at + SEGMENT_LEN] for at in range(0, len(message), SEGMENT_LEN)]
        return made + [self.segment(source, destination, piece) for piece in pieces]


WRAPPINGS = (Wrapping, Fragments, Stream, Tunnel, FragmentsInTunnel)


def sample(name="calls-ipv4"):
    """The messages of our SIPp calls: (source, destination, octets, Call-ID)."""
    frames, _ = pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")
    return [
        (seen.flow.source, seen.flow.destination, seen.message.octets, seen.message.call_id.encode())
        for seen in decode.sightings(frames)
    ]


def mixed_calls(links):
    """Our calls on so many links at the same time, between two addresses on each."""
    messages = sample()
    caller = messages[0][0]
    wrappings = [
        WRAPPINGS[number % len(WRAPPINGS)](f"198.51.100.{number + 1}", f"203.0.113.{number + 1}", number)
        for number in range(links)
    ]
    made = []
    for source, _, octets, call_id in messages:
        for wrapping in wrappings:
            ends = wrapping.ends if source == caller else wrapping.ends[::-1]
            # The same length, so that Content-Length stays true and every link has messages of its own.
            renamed = octets.replace(call_id, b"%02d" % wrapping.number + call_id[2:])
            made += wrapping.send(*ends, renamed)
    return framed(1, made)


def link_of(frame):
    """What is the same for all frames of a call: its innermost addresses."""
    flow = packets.parse(frame.octets).flow
    return frozenset((flow.source, flow.destination))


MIXED_TASKS = [
    x2.task([{"sipUri": ALICE}]),
    x2.task([{"sipUri": BOB}]),
    x2.task([{"ipv4Cidr": "198.51.100.0/24"}]),
    x2.task([{"ipv4Address": "203.0.113.3"}, {"sipUri": BOB}]),
    *x2.CONTROL_TASKS,
]


# --- single messages, whose parts come through different ports -------------------------------------------------------


def single_messages(count, ports):
    """For each port its frames: fragments and segments of `count` messages, the parts of each on all ports in turn. The parts
    of one message have one time, since it is not determined which comes last. Every port begins with the SYNs, so that
    a stream is known before any of it comes."""
    frames = [[] for _ in range(ports)]
    streams = [Stream(f"198.51.100.{number % 200 + 1}", "203.0.113.1", number) for number in range(count)]
    for number, stream in enumerate(streams):
        if number % 2:
            syn = stream.segment(*stream.ends, b"", flags=0x02)
            for of_port in frames:
                of_port.append(pcap.Frame(0, START_NS, syn))
    for number, stream in enumerate(streams):
        message = (
            f"MESSAGE {BOB} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\nFrom: <{ALICE}>;tag={number}\r\n"
            f"To: <{BOB}>\r\nCall-ID: single-{number}@example.com\r\nCSeq: 1 MESSAGE\r\nX-Filler: {'x' * 1200}\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        if number % 2:
            stream.next.setdefault(stream.ends[1], 0)  # no second handshake
            parts = stream.send(*stream.ends, message)
        else:
            packet = craft.udp(*stream.ends, 5060, 5060, message)
            parts = [craft.ethernet(part) for part in craft.fragments(packet, FRAGMENT_LEN, number)]
        for place, part in enumerate(parts):
            frames[(number + place) % ports].append(pcap.Frame(0, START_NS + (number + 1) * STEP_NS, part))
    return frames


def in_time(of_ports):
    """All frames, as one port would see them."""
    together = sorted((frame for frames in of_ports for frame in frames), key=lambda frame: frame.time_ns)
    return [pcap.Frame(number, frame.time_ns, frame.octets) for number, frame in enumerate(together, 1)]


# --- through x2tap -----------------------------------------------------------------------------------------------


def pairs(directory, of_ports, workers):
    """A pair of net_pcap devices for each list of frames, which go in at the end that a worker polls that has none yet: the ends
    are dealt out to the workers in turn."""
    vdevs, ports, outs, busy = [], [], [], set()
    silence = directory / "silence.pcap"
    pcap.write(silence, [])
    for number, frames in enumerate(of_ports):
        capture = directory / f"in{number}.pcap"
        pcap.write(capture, frames)
        loud = next((end for end in (0, 1) if (2 * number + end) % workers not in busy), 0)
        busy.add((2 * number + loud) % workers)
        names = [f"net_pcap{number}{end}" for end in "ab"]
        written = [directory / f"{name}.pcap" for name in names]
        for end, name in enumerate(names):
            vdevs.append(f"{name},rx_pcap={capture if end == loud else silence},tx_pcap={written[end]}")
        ports.append({"pair": names, "ipid": x2.IPID, "pace": "lossless"})
        outs.append(written[1 - loud])
    return vdevs, ports, outs, busy


def run(of_ports, tasks, workers):
    """The IRI of frames that come through so many ports, each frame forwarded unchanged."""
    with x2.workspace() as directory:
        mf = x2.Mf(directory)
        vdevs, ports, outs, busy = pairs(directory, of_ports, workers)
        equal(len(busy), min(workers, len(of_ports)), "workers with traffic")
        tap = x2.Tap(directory, tasks, {x2.DID: mf}, workers, vdevs, ports)
        tap.content["targets"] = {"file": tap.targets, "allow_wide_targets": "yes"}
        tap.write_config()
        tap.run("--until-idle", "0.3")
        equal(mf.stop(), 0, f"x2mf: {x2.said(mf.process)}")
        for frames, out in zip(of_ports, outs):
            equal([frame.octets for frame in pcap.read(out)[0]], [frame.octets for frame in frames], "frames forwarded")
        return mf.iri()


def compare(wanted, found):
    difference = iri.first_difference(wanted, found)
    if difference:
        raise AssertionError(difference)
    say(f"{len(wanted)} PDUs in {len(iri.by_context(wanted))} contexts")


def add_split(ports, workers):
    @case(f"calls in datagrams, fragments, streams and tunnels over {ports} ports and {workers} workers: the IRI of one port")
    def _():
        frames = mixed_calls(20)
        wanted = iri.wanted(frames, MIXED_TASKS)
        links = sorted({tuple(sorted(link_of(frame))) for frame in frames})
        port_of = {frozenset(link): number % ports for number, link in enumerate(links)}
        of_ports = [[frame for frame in frames if port_of[link_of(frame)] == port] for port in range(ports)]
        assert all(of_ports), "a port without frames"
        compare(wanted, run(of_ports, MIXED_TASKS, workers))


def add_torn(ports, workers):
    @case(f"fragments and segments of one message come through {ports} ports and {workers} workers: each is reported once")
    def _():
        of_ports = single_messages(100, ports)
        tasks = [x2.task([{"sipUri": ALICE}]), x2.task([{"ipv4Address": "203.0.113.1"}])]
        wanted = iri.wanted(in_time(of_ports), tasks)
        equal(len(wanted), 200, "PDUs that the oracle expects")
        compare(wanted, run(of_ports, tasks, workers))


for ports, workers in ((1, 1), (1, 2), (1, 4), (2, 2), (4, 4), (4, 2), (2, 4)):
    add_split(ports, workers)
for ports, workers in ((1, 1), (2, 2), (4, 4), (4, 2)):
    add_torn(ports, workers)


# --- a worker that gets no CPU ---------------------------------------------------------------------------------------


TRIES = 5  # to hold up both in time


def hold_both(tap, held):
    """Holds up worker 0 after it has polled its empty queues for a while, and worker 1 before it has read a frame. Returns their threads."""
    x2.wait_for("x2tap to have its ports and no worker yet, since orders come first", tap.socket.exists)
    threads = [hold.worker_thread(tap.process, lcore) for lcore in (1, 2)]
    held.hold(threads[1])
    # Worker 0 is launched first, and then polls as fast as it can; EAL waits for worker 1 until that goes on.
    x2.wait_for("worker 0 to poll", lambda: hold.cpu_time(tap.process, threads[0]) > 5)
    held.hold(threads[0])
    return threads


def hold_up(frames, directory, held):
    """How many of the frames were received while worker 0 stood still; then all must be as ever. All of them: it was too late."""
    # Worker 1 polls the end that the frames come from, worker 0 the other one.
    capture, silence, out, back = (directory / f"{name}.pcap" for name in ("in", "silence", "out", "back"))
    pcap.write(capture, frames)
    pcap.write(silence, [])
    vdevs = [f"net_pcap0,rx_pcap={silence},tx_pcap={out}", f"net_pcap1,rx_pcap={capture},tx_pcap={back}"]
    ports = [{"pair": ["net_pcap0", "net_pcap1"], "ipid": x2.IPID, "pace": "lossless"}]
    mf = x2.Mf(directory)
    tap = x2.Tap(directory, [x2.task([{"sipUri": ALICE}])], {x2.DID: mf}, 2, vdevs, ports).start("--until-idle", "0.1")
    idle, reader = hold_both(tap, held)
    held.release(reader)

    def received():
        return tap.ask("status")["ports"][1]["received"]

    def stands_still():
        before = received()
        time.sleep(1)  # several times as long as it is to be idle
        return before > 0 and received() == before

    x2.wait_for("the ring to worker 0 to fill", stands_still)
    meanwhile = received()
    held.release(idle)
    equal(x2.finish(tap.process), 0, f"x2tap: {tap.said()[-2000:]}")
    equal(mf.stop(), 0, f"x2mf: {x2.said(mf.process)}")
    came = [frame.octets for frame in pcap.read(out)[0]]
    equal(len(came), len(frames), f"frames forwarded, {meanwhile} of them while worker 0 stood still")
    assert came == [frame.octets for frame in frames], "other frames were forwarded"
    equal(len(mf.iri()), len(frames), "PDUs")
    return meanwhile


@case("--until-idle: a run over a file does not end while the worker to which another hands over gets no CPU")
def _():
    frames = load.calls(("calls-ipv4",), 12000, STEP_NS // 100)
    for _ in range(TRIES):
        with x2.workspace() as directory, hold.Held() as held:
            meanwhile = hold_up(frames, directory, held)
        say(f"{meanwhile} of {len(frames)} frames were received while worker 0 stood still")
        if meanwhile < len(frames):
            return
    raise AssertionError("nothing ever had to wait for worker 0")


# --- through other drivers -----------------------------------------------------------------------------------------


def live(mf, tap, wanted, sender, frames=0):
    """Waits until a running x2tap has reported what is wanted of a sender's frames, which are at least so many, and ends it."""

    def received():
        assert not sender.poll(), "the sender failed"
        return tap.ask("status")["ports"][0]["received"] >= frames

    x2.wait_for("all frames", received)
    x2.wait_for("as many IRI as wanted", lambda: len(mf.iri()) >= len(wanted))
    tap.check_laws()
    tap.stop()
    mf.stop()
    compare(wanted, mf.iri())


@case("the same through net_memif")
def _():
    player = x2.BUILD / "tests/functional/play"
    if not player.exists():
        raise x2.Skip(f"{player} is not built")
    frames = mixed_calls(20)
    wanted = iri.wanted(frames, MIXED_TASKS, timed=False)
    with x2.workspace() as directory:
        capture, silence, out = (directory / f"{name}.pcap" for name in ("in", "silence", "out"))
        pcap.write(capture, frames)
        pcap.write(silence, [])
        memif = f"id=0,socket={directory / 'memif.sock'},socket-abstract=no"
        vdevs = [f"net_memif0,role=server,{memif}", f"net_pcap0,rx_pcap={silence},tx_pcap={out}"]
        # As many descriptors as the ring has: a worker that waits long for its turn is not behind before they are all full.
        ports = [{"pair": ["net_memif0", "net_pcap0"], "ipid": x2.IPID, "rx_descriptors": 16384}]
        mf = x2.Mf(directory)
        tap = x2.Tap(directory, MIXED_TASKS, {x2.DID: mf}, 1, vdevs, ports).start().ready()
        play = subprocess.Popen(
            [player, "--no-huge", "--no-shconf", "--no-pci", "-m", "256", "--no-telemetry", "-l", "0",
             "--vdev", f"net_memif0,role=client,rsize=14,{memif}",
             "--vdev", f"net_pcap0,rx_pcap={capture},tx_pcap={directory / 'back.pcap'}", "--", "net_pcap0", "net_memif0"],
            stdin=subprocess.PIPE, stdout=(directory / "play.log").open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        x2.running.append(play)
        try:
            live(mf, tap, wanted, play, len(frames))
        finally:
            play.stdin.close()
            said = (directory / "play.log").read_text(errors="replace")
        equal(x2.finish(play), 0, f"play: {said}")
        equal([frame.octets for frame in pcap.read(out)[0]], [frame.octets for frame in frames], "frames forwarded")


@case("the same through net_af_packet")
def _():
    frames = mixed_calls(10)
    wanted = iri.wanted(frames, MIXED_TASKS, timed=False)
    with wire.wire() as w, x2.workspace() as directory:
        capture = directory / "in.pcap"
        pcap.write(capture, frames)
        mf = x2.Mf(directory, inside=w.inside(w.tap))
        tap = x2.Tap(directory, MIXED_TASKS, {x2.DID: mf}, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap))
        tap.start().ready()
        playing = w.replay(directory, capture, 2000)
        # Fewer frames come than were sent: DPDK's driver has the kernel put IPv4 fragments together.
        live(mf, tap, wanted, playing)
        equal(x2.finish(playing), 0, f"replay: {x2.said(playing)}")


main()
