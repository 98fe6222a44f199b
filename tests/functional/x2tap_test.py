"""Runs the built programs for the tests: configuration and target files, x2tap, x2mf, and what they say.

X2TAP_BUILD names the build directory (meson sets it). Everything happens in a temporary directory, on loopback and in
network namespaces that the tests make. Nothing sleeps to be sure: the tests wait for what they wait for.
"""

import atexit
import base64
import calendar
import contextlib
import functools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import pcap
from tap import Skip

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
BUILD = pathlib.Path(os.environ.get("X2TAP_BUILD", ROOT / "build"))
SANITIZED = os.environ.get("X2TAP_SANITIZE", "none") != "none"
PATIENCE = 120 if SANITIZED else 60  # seconds until a wait is given up

NFID, IPID = "probe-1.example.net", "link-1"
DID = "19867c20-8c94-473e-b9bd-8b72b7b05fd4"
X2_PDU = 1  # TS 103 221-2 table 5.2.2-1
NAMESPACE = uuid.UUID("8d7f2c3a-6f0e-4e0b-9a51-2f64c0b7d9e3")


def program(name):
    path = BUILD / "app" / name
    if not path.exists():
        raise Skip(f"{path} is not built")
    return str(path)


@functools.cache
def program_for_all(name):
    """A copy of a program where every user gets at it: what it was built in may be closed to them."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="x2tap-programs-"))
    atexit.register(shutil.rmtree, directory, True)
    directory.chmod(0o755)
    return shutil.copy(program(name), directory)


def need_shared():
    if not (SHARED / "captures").is_dir():
        raise Skip(f"no captures at {SHARED}/captures")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root (network namespaces)")


def need_tool(*names):
    for name in names:
        if not shutil.which(name):
            raise Skip(f"{name} is not installed")


class Patience:
    """So many seconds in which others could have got on. A stall, of the host or of us alone, takes little of it: who is waited for may
    have stood still as well, and be a moment from done."""

    STALL = 0.5  # what a longer one takes

    def __init__(self, seconds=None):
        self.left = seconds or PATIENCE
        self.seen = time.monotonic()

    def is_over(self):
        """To be asked again and again."""
        now = time.monotonic()
        self.left -= min(now - self.seen, self.STALL)
        self.seen = now
        return self.left < 0


def wait_for(what, condition, patience=None):
    """Polls until the condition holds and returns its value; AssertionError when it never does."""
    patience = Patience(patience)
    while True:
        value = condition()
        if value:
            return value
        if patience.is_over():
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def workspace():
    """A temporary directory; everything started with start() inside of it has ended when it is left."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="x2tap-test-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


running = []


@atexit.register
def stop_all():
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def start(command, log, **options):
    """Starts a program whose output goes to a file."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
        )
    process.log = pathlib.Path(log)
    running.append(process)
    return process


def said(process):
    return process.log.read_text(errors="replace")


def finish(process, patience=None):
    """Waits for the end of a program and returns its exit code."""
    patience = Patience(patience)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(Patience.STALL / 2)
            if patience.is_over():
                process.kill()
                process.wait()
                raise AssertionError(f"{process.args[0]} did not end:\n{said(process)[-3000:]}")
    finally:
        if process in running:
            running.remove(process)


def stop(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
    return finish(process)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port):
    with open("/proc/net/tcp") as table:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


def yaml_text(value, indent=0):
    """The few shapes of YAML that configuration and target files need."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(
            f"{pad}{key}:\n{yaml_text(item, indent + 1)}" if isinstance(item, (dict, list)) and item
            else f"{pad}{key}: {yaml_scalar(item)}\n"
            for key, item in value.items()
        )  # fmt: skip
    return "".join(f"{pad}- {yaml_flow(item)}\n" for item in value)


def yaml_flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_flow, value)) + "]"
    return yaml_scalar(value)


def yaml_scalar(value):
    if value == [] or value == {}:
        return "[]" if value == [] else "{}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(str(value))


def xid(*names):
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, names))))


def task(identifiers, name="", destinations=(DID,), **extra):
    return {
        "xId": xid(name or json.dumps(identifiers)),
        "targetIdentifiers": identifiers,
        "deliveryType": "X2Only",
        "listOfDIDs": list(destinations),
        **extra,
    }


CONTROL_TASKS = [
    task([{"sipUri": "sip:nobody@control.example.org"}]),
    task([{"e164Number": "999000999000999"}]),
    task([{"ipv4Address": "203.0.113.253"}]),
    task([{"ipv6Address": "2001:0db8:ffff:ffff:ffff:ffff:ffff:fffd"}]),
]  # of somebody who is in no capture


def destination_set(dsid, kind, *dids):
    """A destination set of a target file, Redundant (most preferred first) or Duplicate; a task lists it as {"dSId": dsid}."""
    return {
        "dSId": dsid,
        "destinationSetType": kind,
        "listOfAssociatedDIDs": [{"dId": did, "preference": 1 + i} for i, did in enumerate(dids)],
    }


def write_targets(path, tasks, ports, sets=()):
    """Writes a target file; ports maps a DID to the port of its MF on loopback, or to its address and port; sets are
    destination_set()s."""
    path = pathlib.Path(path)
    places = {did: place if isinstance(place, tuple) else ("127.0.0.1", place) for did, place in ports.items()}
    text = "format: 1\ndestinations:\n" + "".join(
        f"  - {{dId: {did}, deliveryType: X2Only, deliveryAddress: "
        f'{{ipAddressAndPort: {{address: "{address}", tcpPort: "{port}"}}}}}}\n'
        for did, (address, port) in places.items()
    )
    text += "destinationSets:\n" + yaml_text(list(sets), 1) if sets else ""
    text += "tasks:\n" + yaml_text(tasks, 1) if tasks else "tasks: []\n"
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.rename(path)


MF_NAME = "mf.example.net"


@functools.cache
def certificates():
    """The directory of what scripts/make-certs --tests makes, once for a test program."""
    return make_certificates("--tests")


def make_certificates(*options):
    """A directory with what scripts/make-certs makes, until the test program ends."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="x2tap-certs-"))
    atexit.register(shutil.rmtree, directory, True)
    subprocess.run(
        [ROOT / "scripts/make-certs", directory, *options], check=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    return directory


def ns_of(text):
    """Nanoseconds since 1970 of "2026-01-01T00:00:00.123456789Z"."""
    seconds, fraction = text.removesuffix("Z").split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction)


class Mf:
    """x2mf on loopback or another address, writing JSON lines."""

    def __init__(self, directory, *options, port=None, name="mf", cert="mf", ca="ca", inside=(), address="127.0.0.1"):
        self.port = port or free_port()
        self.jsonl = pathlib.Path(directory) / f"{name}.jsonl"
        files = certificates()
        self.process = start(
            [*inside, program("x2mf"), "--listen", f"{address}:{self.port}", "--cert", files / f"{cert}.pem",
             "--key", files / f"{cert}.key", "--ca", files / f"{ca}.pem", "--jsonl", self.jsonl, *options],
            pathlib.Path(directory) / f"{name}.log",
        )  # fmt: skip
        wait_for("x2mf to listen", lambda: "listening on" in said(self.process) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(f"x2mf ended: {said(self.process)}")

    def lines(self):
        """All that was written so far: whole lines only."""
        if not self.jsonl.exists():
            return []
        text = self.jsonl.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def iri(self, problems=0):
        """The X2 PDUs, with the payload as octets. `problems`: in how many x2mf is to find fault, None: in any."""
        pdus = [line for line in self.lines() if line["type"] == X2_PDU]
        for pdu in pdus:
            pdu["octets"] = base64.b64decode(pdu["payload"])
            pdu["time_ns"] = ns_of(pdu["time"])
        found = [pdu["problem"] for pdu in pdus if pdu.get("problem")]
        if problems is not None and len(found) != problems:
            raise AssertionError(f"x2mf on {len(found)} PDUs, wanted {problems}: {found[:3]}")
        return pdus

    def stop(self, how=signal.SIGTERM):
        return stop(self.process, how)


def lcores(workers):
    """Main lcore 0 and workers 1 to n, spread over the CPUs that we may use."""
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(f"{lcore}@{cpus[lcore % len(cpus)]}" for lcore in range(workers + 1))


def eal(workers=1):
    return ["--no-huge", "--no-shconf", "--no-pci", "-m", "512", "--no-telemetry", "--lcores", lcores(workers)]


class Tap:
    """x2tap with a configuration in a directory. Sections of the configuration are given as keyword arguments."""

    def __init__(
        self, directory, tasks=(), mfs=None, workers=1, vdevs=(), ports=None, name="tap", inside=(),
        destination_sets=(), **sections
    ):  # fmt: skip
        self.directory = pathlib.Path(directory)
        self.workers = workers
        self.vdevs = list(vdevs)
        self.inside = list(inside)  # "nsenter --net=..."
        self.name = name
        self.targets = self.directory / f"{name}-targets.yaml"
        self.config = self.directory / f"{name}.yaml"
        self.socket = self.directory / f"{name}.sock"
        self.mf_ports = {did: mf if isinstance(mf, (int, tuple)) else mf.port for did, mf in (mfs or {}).items()}
        self.process = None
        files = certificates()
        destination = {"tls_name": MF_NAME, **sections.pop("destination", {})}
        self.content = {
            "nfid": NFID,
            "workers": workers,
            "targets": self.targets,
            "ports": ports or [],
            "tls": {"cert": files / "ne.pem", "key": files / "ne.key", "ca": files / "ca.pem"},
            "destinations": {did: destination for did in self.mf_ports},
            "control": {"socket": self.socket},
            **sections,
        }
        self.order(tasks, destination_sets)
        self.write_config()

    def write_config(self):
        self.config.write_text(yaml_text(self.content))

    def order(self, tasks, destination_sets=None):
        """Writes the target file; destination sets stay as they were unless others are given."""
        self.destination_sets = list(self.destination_sets if destination_sets is None else destination_sets)
        write_targets(self.targets, list(tasks), self.mf_ports, self.destination_sets)

    def command(self, *options):
        vdevs = [part for vdev in self.vdevs for part in ("--vdev", vdev)]
        return [*self.inside, program("x2tap"), *eal(self.workers), *vdevs, "--", "--config", self.config, *options]

    def start(self, *options, **popen):
        self.process = start(self.command(*options), self.directory / f"{self.name}.log", **popen)
        return self

    def run(self, *options, code=0):
        """From start to end. Fails when the exit code is another one."""
        self.start(*options)
        found = finish(self.process)
        if found != code:
            raise AssertionError(f"x2tap ended with {found}, not {code}:\n{self.said()[-6000:]}")
        return self

    def said(self):
        return said(self.process)

    def ask(self, request):
        """One question on the control socket, as x2ctl puts it; the answer as a dict."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.socket))
            s.sendall(request.encode() + b"\n")
            answer = b""
            while chunk := s.recv(1 << 16):
                answer += chunk
        return json.loads(answer)

    def ready(self):
        """Waits until x2tap answers on its control socket, and all of its workers go by its orders, or it says why there are none."""

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"x2tap ended with {self.process.returncode}:\n{self.said()[-6000:]}")
            try:
                status = self.ask("status")
            except OSError:
                return False
            loaded = status["generation"] > 0 and status["with_all_workers"]
            return loaded or any(fault["name"] == "targets" for fault in status["faults"])

        wait_for("x2tap to answer on its socket", answers)
        return self

    def check_laws(self):
        answer = self.ask("check")
        broken = [law for law in answer["laws"] if not law["holds"]]
        if broken:
            raise AssertionError(f"accounting laws are broken: {broken}")

    def stop(self, how=signal.SIGTERM, code=0):
        found = stop(self.process, how)
        if found != code:
            raise AssertionError(f"x2tap ended with {found}, not {code}:\n{self.said()[-6000:]}")


ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b"\\n")
    answer = b""
    while chunk := s.recv(65536): answer += chunk
sys.stdout.write(answer.decode())
"""


def run_as(user, command):
    """What a command prints when somebody runs it who is not root and in no other group than his own."""
    who = pwd.getpwnam(user)
    return subprocess.run(
        [str(part) for part in command], capture_output=True, user=who.pw_uid, group=who.pw_gid, extra_groups=[], cwd="/",
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def ask_as(user, control_socket, request):
    """The answer to a question on the control socket, as text."""
    done = run_as(user, ["/usr/bin/python3", "-c", ASK, control_socket, request])
    if done.returncode:
        raise AssertionError(f"{user} gets no answer to {request}: {done.stderr.decode()}")
    return done.stdout.decode()


def file_pair(directory, capture, name="", **port):
    """A pair of net_pcap devices: what is in the capture goes in at the first and comes out of the second. Returns the
    devices' --vdev arguments, the `ports` of the configuration, and the files that the two devices write."""
    directory = pathlib.Path(directory)
    silence = directory / "silence.pcap"
    pcap.write(silence, [])
    back, out = directory / f"back{name}.pcap", directory / f"out{name}.pcap"
    a, b = f"net_pcap{name or 0}a", f"net_pcap{name or 0}b"
    vdevs = [f"{a},rx_pcap={capture},tx_pcap={back}", f"{b},rx_pcap={silence},tx_pcap={out}"]
    return vdevs, [{"pair": [a, b], "ipid": IPID, "pace": "lossless", **port}], (back, out)
