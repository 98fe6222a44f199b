#!/usr/bin/python3
"""Whoever is not of the LI side sees no difference between a tap with targets and one without: the general log, what x2ctl
shows the operator, the process list, and the files that are there. The traffic is calls, and RADIUS, DHCP and GTP-C of lines."""

import grp
import json
import os
import pathlib
import pwd
import re
import signal
import time

import craft
import identities
import load
import pcap
import signals
import x2tap_test as x2
from tap import case, equal, main, say

CAPTURES = ("calls-ipv4", "radius-lines", "radius-coa", "dhcp-v4-line", "dhcp-v6-line", "gtpv1-contexts")
SOURCES = [{"protocols": ["radius", "dhcp", "gtp"], "pair": x2.IPID}]
TARGETS = [
    x2.task([{"sipUri": "sip:alice@example.com"}]), x2.task([{"ipv4Address": "192.0.2.20"}], name="second"),
    x2.task([{"nai": "line-4711@isp.example.com"}]), x2.task([{"imsi": "999700000000001"}]),
    x2.task([{"gpsiMsisdn": "493023125003"}]), x2.task([{"macAddress": "00:00:5e:00:53:11"}]),
    x2.task([{"radiusAttribute": signals.attribute(signals.USER_NAME, "line-4711@isp.example.com").hex().upper()}]),
    x2.task([{"gtpcTunnelId": str(0x7F000001)}], name="tunnel"), x2.task([{"imei": "00101000000001"}]),
]  # fmt: skip
SECRETS = (
    "alice@example.com", "bob@example.com", "192.0.2.10", "192.0.2.20", "Call-ID", "INVITE", "line-4711", "99970000000000",
    "493023125003", "00:00:5e:00:53:11", "198.51.100.",
)  # fmt: skip

def as_operator(tap, request):
    """What somebody of the operator group who is not root gets."""
    return json.loads(x2.ask_as("nobody", tap.socket, request))


def plain(value, key=""):
    """An answer without what differs between any two runs: times, CPU, and where the test put things."""
    if isinstance(value, dict):
        return {name: plain(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if key in ("uptime_s", "since", "busy_cycles_per_frame") else value


def plain_log(text, directory):
    """A log without times, process numbers and scratch paths."""
    text = text.replace(str(directory), "DIRECTORY")
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z?", "TIME", text)
    text = re.sub(r"127\.0\.0\.1:\d+|port \d+", "MF", text)
    return re.sub(r"\[\d+\]|pid \d+", "PID", text)


def visible_process(pid):
    """What /proc tells any other user of a process, less what changes from moment to moment."""
    script = f"import os; print(open('/proc/{pid}/status').read(), sorted(os.listdir('/proc/{pid}')), len(os.listdir('/proc/{pid}/task')))"
    text = x2.run_as("nobody", ["/usr/bin/python3", "-c", script]).stdout.decode()
    fields = dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.MULTILINE))
    return {name: fields[name] for name in ("Threads", "FDSize", "Groups", "CapEff", "Seccomp")} | {
        "resident": int(fields["VmRSS"].split()[0]), "rest": text.splitlines()[-1],
    }  # fmt: skip


def descriptors(pid, less):
    """What root sees of the files that a process has open, but for those below a directory."""
    links = [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    return "\n".join(sorted(re.sub(r":\[\d+\]", "", link) for link in links if not link.startswith(str(less))))


def world(directory):
    """Every file in the test's directory, but for contents."""
    return sorted(str(path.relative_to(directory)) for path in pathlib.Path(directory).rglob("*"))


def odd_messages():
    """What is looked at more closely only while some task asks for a RADIUS attribute or a tunnel of the control plane."""
    # A relay's copies of RADIUS attributes (RFC 4014), the last one cut short.
    copies = signals.option(signals.RELAY_INFORMATION, signals.option(7, b"\x01\x07alice\x19\x63x"))
    request = signals.select(77, "02:00:00:00:0a:77", "192.0.2.177", identities.DHCP_SERVER, copies)
    yield craft.udp("192.0.2.110", identities.DHCP_SERVER, signals.DHCP_SERVER, signals.DHCP_SERVER, request)
    # More tunnels than are looked at, before digits that are no IMSI.
    tunnels = [signals.fteid(signals.S11_MME, 0x71000000 + number, identities.MME) for number in range(300)]
    request = signals.gtp2(signals.CREATE_SESSION_REQUEST, 0, 77, *tunnels, signals.imsi2("00101"))
    yield from craft.fragments(craft.udp(identities.MME, identities.SGW, signals.GTPC, signals.GTPC, request), 1400, 77)


def traffic():
    made = [frame.octets for name in CAPTURES for frame in pcap.read(x2.ROOT / f"tests/data/captures/{name}.pcap")[0]]
    line = identities.Line(9, "a session", "198.51.100.99", attribute=signals.attribute(identities.NAS_PORT_ID, "port 9"))
    made += [frame for tell in (identities.accounting, identities.leases, identities.contexts) for frame in tell(line)]
    made += [craft.ethernet(packet) for packet in odd_messages()]
    return [pcap.Frame(number, number * 1000, octets) for number, octets in enumerate(made, 1)]


def settled(tap):
    """Counters once nothing moves any more: messages are taken, and what is over is forgotten."""
    last, since = None, time.monotonic()

    def still():
        nonlocal last, since
        now = {name: section for name, section in tap.ask("counters").items() if name != "work"}
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    x2.wait_for("counters to stand still", still)
    return last


def seen(tasks):
    """All that an outsider sees of one run."""
    group = pwd.getpwnam("nobody").pw_gid
    with x2.workspace() as directory:
        directory.chmod(0o755)
        mf = x2.Mf(directory)
        frames = traffic()
        pcap.write(directory / "in.pcap", frames)
        vdevs, ports, _ = x2.file_pair(directory, directory / "in.pcap")
        tap = x2.Tap(
            directory, tasks, {x2.DID: mf}, 1, vdevs, ports, log_level="debug",
            bindings={"max_sessions": 1024, "sources": SOURCES},
            control={"socket": directory / "tap.sock", "operator_group": grp.getgrgid(group).gr_name},
        )  # fmt: skip
        tap.start().ready()
        received = lambda: tap.ask("status")["ports"][0]["received"]  # noqa: E731
        x2.wait_for("the capture to be through", lambda: received() == len(frames))
        counters = settled(tap)
        if tasks:
            reported = counters["matching"]["reported"] + counters["matching_signals"]["reported"]
            x2.wait_for("the IRI", lambda: len(mf.iri()) == reported)
            found = {fragment for pdu in mf.iri() for fragment in pdu["matched"]}
            equal(len(found), len(tasks), f"tasks with IRI: {sorted(found)}")
        tap.check_laws()
        # At debug level too; as root only to find the process, not to look into it.
        command_line = pathlib.Path(f"/proc/{tap.process.pid}/cmdline").read_bytes().decode()
        answers = {request: plain(as_operator(tap, request)) for request in ("status", "counters", "check")}
        denied = {request: as_operator(tap, request) for request in ("reload", f"bindings {TARGETS[2]['xId']}", "bindings x")}
        tap.stop()
        mf.stop()
        log = plain_log(tap.said(), directory)
        files = [name for name in world(directory) if not name.startswith("mf")]
        return {
            "log": log,
            "answers": answers,
            "denied": denied,
            "command": command_line.replace(str(directory), "DIRECTORY"),
            "files": files,
        }


class BadDay:
    """All that an outsider sees of a run with spool, journal and audit log in which the MF is away, the queue and the spool fill,
    x2tap is killed, starts again under another master key, and stops in order."""

    MESSAGES = 2600  # of two tasks: more than a queue and a spool of 1 MiB take

    def __init__(self, tasks):
        self.tasks = tasks
        with x2.workspace() as directory:
            self.directory = directory
            directory.chmod(0o755)
            self.li = directory / "li"
            self.li.mkdir(mode=0o700)
            for name in ("master", "another"):
                (self.li / name).write_text(os.urandom(32).hex())
                (self.li / name).chmod(0o600)
            frames = load.calls(("calls-ipv4",), self.MESSAGES, 1000)
            self.count = len(frames)
            pcap.write(directory / "in.pcap", frames)
            vdevs, ports, _ = x2.file_pair(directory, directory / "in.pcap")
            self.tap = x2.Tap(
                directory, [], {x2.DID: x2.free_port()}, 1, vdevs, ports, log_level="debug", shutdown_timeout="1s",
                destination={"queue_mib": 1}, journal=self.li / "journal", targets=self.li / "targets.yaml",
                spool={"directory": self.li / "spool", "master_key": self.li / "master", "max_mib": 1, "segment_kib": 128},
                audit={"file": self.li / "audit.jsonl"},
                control={"socket": directory / "tap.sock", "operator_group": grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name},
            )  # fmt: skip
            self.tap.targets.unlink()
            self.tap.targets = self.li / "targets.yaml"
            self.tap.order(tasks)
            self.li_faults = set()
            self.first = self.one_run()
            self.tap.process.kill()
            x2.finish(self.tap.process)
            self.tap.content["spool"]["master_key"] = self.li / "another"
            self.tap.write_config()
            self.second = self.one_run()
            self.tap.targets.write_text("tasks: [\n")
            self.tap.process.send_signal(signal.SIGHUP)
            equal(self.tap.ask("reload")["ok"], False, "reload of a broken file")
            self.third = self.look()
            self.tap.stop(code=3 if tasks else 0)
            self.log = plain_log(self.tap.said(), directory)
            self.files = self.outside()

    def one_run(self):
        self.tap.start().ready()
        x2.wait_for("the capture", lambda: self.tap.ask("status")["ports"][0]["received"] == self.count)
        if self.tasks:
            x2.wait_for("a loss", lambda: {"loss", "queue"} <= {fault["name"] for fault in self.tap.ask("faults")["faults"]})
        x2.wait_for("the MF's absence to be known", lambda: "fault: mf unreachable" in self.tap.said().rsplit(" forwards: ")[-1])
        x2.wait_for("the clock to be looked at", lambda: self.tap.ask("status")["uptime_s"] >= 2)
        return self.look()

    def look(self):
        self.li_faults |= {fault["name"] for fault in self.tap.ask("faults")["faults"]}
        pid = self.tap.process.pid
        names = ("status", "counters", "faults", "check", "reload")
        answers = json.dumps({name: plain(as_operator(self.tap, name)) for name in names}, indent=1)
        return {
            "answers": plain_log(answers, self.directory),
            "process": visible_process(pid),
            "descriptors": plain_log(descriptors(pid, self.li), self.directory),
            "command": plain_log(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(), self.directory),
        }

    def outside(self):
        """Names, sizes and modes of all files that are not the LI side's; the log's lines are compared by themselves."""
        found = []
        for path in sorted(self.directory.rglob("*")):
            if path != self.li and self.li not in path.parents:
                state = path.stat()
                size = state.st_size if path.suffix not in (".log", ".yaml") else None
                found.append((str(path.relative_to(self.directory)), size, oct(state.st_mode)))
        return found


both = {}


def runs():
    x2.need_root()
    if not both:
        both.update(without=seen([]), targets=seen(TARGETS))
    return both["without"], both["targets"]


def the_same(what):
    without, targets = runs()
    equal(targets[what], without[what], what)


@case("the general log at debug level is the same, line for line")
def _():
    without, targets = runs()
    say(without["log"][-1500:])
    equal(targets["log"].splitlines(), without["log"].splitlines(), "log")


@case("no target identifier, address or content is in the general log")
def _():
    _, targets = runs()
    for secret in (*SECRETS, *(order["xId"] for order in TARGETS)):
        assert secret not in targets["log"], f"{secret} is in the log:\n{targets['log']}"


@case("what the operator gets of status, counters and check is the same, and not empty")
def _():
    the_same("answers")
    counters = runs()[1]["answers"]["counters"]
    equal(counters["ports"][0]["received"], len(traffic()), "frames the operator sees")
    for protocol in ("radius", "dhcpv4", "dhcpv6", "gtpv1c", "gtpv2c"):
        assert counters[protocol]["parsed"] > 0, f"{protocol}: {counters[protocol]}"
    assert counters["dhcpv4"]["defects_length"] and counters["gtpv2c"]["defects_value"], "what was odd was not seen"
    assert counters["bindings"]["begun"] > 5 and counters["bindings"]["leases"] > 0, counters["bindings"]
    for word in ("matching", "iri", "destinations", "tasks"):
        assert word not in json.dumps(counters), f"the operator sees {word}"


@case("the operator may not reload, nor ask for bindings, and is not told whether there is such a task")
def _():
    the_same("denied")
    for request, answer in runs()[1]["denied"].items():
        equal((answer["ok"], "LI group" in answer["error"]), (False, True), f"{request}: {answer}")


@case("the process list and the files that are there are the same")
def _():
    the_same("command")
    the_same("files")


bad = {}


def bad_days():
    x2.need_root()
    if not bad:
        bad.update(without=BadDay([]), targets=BadDay(TARGETS))
    return bad["without"], bad["targets"]


@case("on a day when everything fails the general log is the same, line for line")
def _():
    without, targets = bad_days()
    say(f"faults of the LI side: without {sorted(without.li_faults)}, with targets {sorted(targets.li_faults)}")
    assert {"queue", "loss", "spool"} <= targets.li_faults, "not everything failed"
    assert not {"queue", "loss", "spool"} & without.li_faults, "without targets there is no such fault"
    equal(targets.log.splitlines(), without.log.splitlines(), "log")
    for secret in (*SECRETS, *(order["xId"] for order in TARGETS)):
        assert secret not in targets.log, f"{secret} is in the log:\n{targets.log}"


@case("on a day when everything fails the operator is told the same")
def _():
    without, targets = bad_days()
    for moment in ("first", "second", "third"):
        equal(getattr(targets, moment)["answers"].splitlines(), getattr(without, moment)["answers"].splitlines(), moment)


@case("on a day when everything fails threads, descriptors, memory and files outside the LI directory are the same")
def _():
    without, targets = bad_days()
    for moment in ("first", "second", "third"):
        one, other = dict(getattr(targets, moment)), dict(getattr(without, moment))
        resident = [seen["process"].pop("resident") for seen in (one, other)]
        say(f"resident: with targets {resident[0]} kB, without {resident[1]} kB")
        assert abs(resident[0] - resident[1]) < 8192, f"{moment}: resident memory {resident}"
        for what in ("process", "descriptors", "command"):
            equal(one[what], other[what], f"{moment}, {what}")
    equal(targets.files, without.files, "files")


main()
