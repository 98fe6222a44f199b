#!/usr/bin/python3
"""Bad input: what is said, and whether x2tap starts all the same. Only EAL, ports, lcores and the syntax of x2tap.yaml stop
a start; targets, certificates and MFs are faults."""

import re
import subprocess

import pcap
import x2tap_test as x2
from tap import case, equal, main, say

CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
TASKS = [x2.task([{"sipUri": "sip:alice@example.com"}])]


def prepared(directory, tasks=TASKS, workers=1, port=None, **sections):
    vdevs, ports, files = x2.file_pair(directory, CAPTURE, **(port or {}))
    # Nobody listens there: no case of this file needs an MF.
    tap = x2.Tap(
        directory, tasks, {x2.DID: x2.free_port()}, workers, vdevs, ports, shutdown_timeout="200ms", **sections
    )
    tap.out = files[1]
    return tap


def check(tap, *options):
    done = subprocess.run(
        [x2.program("x2tap"), "--check", "--config", tap.config, *options], capture_output=True, text=True
    )
    say((done.stdout + done.stderr).strip())
    return done.returncode, done.stdout + done.stderr


def stops(change, *words, position=True):
    """A change of x2tap.yaml that stops both --check and a start, with a place and words that say what to change."""
    with x2.workspace() as directory:
        tap = prepared(directory)
        text = tap.config.read_text()
        changed = change(text)
        assert changed != text, "the case changes nothing"
        tap.config.write_text(changed)
        code, said = check(tap)
        equal(code, 1, "exit code of --check")
        for word in words:
            assert word in said, f"{word!r} is not said: {said}"
        if position:
            assert re.search(rf"{re.escape(str(tap.config))}:\d+:\d+: error: ", said), f"no place: {said}"
        tap.run(code=1)
        for word in words:
            assert word in tap.said(), f"{word!r} is not said at the start: {tap.said()}"


def does_not_start(tap, *words):
    tap.run(code=1)
    say(tap.said().strip()[-600:])
    for word in words:
        assert word in tap.said(), f"{word!r} is not said: {tap.said()}"


def forwards(tap, fault, *words, code=0):
    """Starts, forwards every frame, and tells of a fault (or of none)."""
    tap.run("--until-idle", "0.2", code=code)
    equal(len(pcap.read(tap.out)[0]), len(pcap.read(CAPTURE)[0]), "frames forwarded")
    if fault:
        assert f"fault: {fault}" in tap.said(), f"no fault {fault!r}: {tap.said()}"
    else:
        assert "fault: targets" not in tap.said() and "fault: tls" not in tap.said(), tap.said()
    for word in words:
        assert word in tap.said(), f"{word!r} is not said: {tap.said()}"


# --- x2tap.yaml -------------------------------------------------------------------------------------------------------

BAD_YAML = (
    ("an unknown key is named, with the nearest known one", lambda t: t + "worker: 2\n", ("worker", "workers")),
    ("a duplicate key is named with both places", lambda t: t + "nfid: twice.example.net\n", ("duplicate key", "nfid")),
    ("a list where a text belongs", lambda t: re.sub(r"nfid: .*", "nfid: [a, b]", t), ("nfid",)),
    ("a word where a number belongs", lambda t: re.sub(r"workers: .*", "workers: many", t), ("workers", "many")),
    ("a number out of range, with the range", lambda t: re.sub(r"workers: .*", "workers: 65", t), ("workers", "64")),
    ("a required key that is missing", lambda t: re.sub(r"nfid: .*\n", "", t), ("nfid",)),
    ("a file that is no YAML", lambda t: t + "ports: [\n", ()),
    ("a DID that is no UUID", lambda t: t.replace(x2.DID, "mf-one"), ("mf-one",)),
)  # fmt: skip

for name, change, words in BAD_YAML:
    case(f"x2tap.yaml, {name}: told with its place, no start")(
        lambda change=change, words=words: stops(change, *words)
    )


@case("x2tap.yaml, a device in two ports: told with its place, no start")
def _():
    def change(text):
        return re.sub(r"(  - \{pair: .*\n)", r'\1  - {mirror: "net_pcap0a", ipid: "mirror-1"}\n', text)

    stops(change, "net_pcap0a", "twice")


@case("x2tap.yaml that is not there: told by name, no start")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.config.unlink()
        code, said = check(tap)
        equal(code, 1, "exit code of --check")
        assert str(tap.config) in said and "No such file" in said, said
        does_not_start(tap, str(tap.config))


@case("all errors of x2tap.yaml are told in one pass")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.config.write_text(tap.config.read_text().replace("workers: ", "workers: x") + "colour: blue\nsize: big\n")
        code, said = check(tap)
        equal((code, said.count(": error: ")), (1, 3), "exit code and errors")


@case("no --config is a matter of usage: exit code 2")
def _():
    done = subprocess.run([x2.program("x2tap"), "--", "--until-idle", "1"], capture_output=True, text=True)
    equal(done.returncode, 2, "exit code")
    done = subprocess.run([x2.program("x2tap"), "--", "--no-such-option"], capture_output=True, text=True)
    equal(done.returncode, 2, "exit code")


# --- ports and lcores ------------------------------------------------------------------------------------------------


@case("a port that does not exist: named with those that exist, no start")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.content["ports"][0]["pair"][1] = "net_pcap9"
        tap.write_config()
        does_not_start(tap, "net_pcap9", "net_pcap0a")


@case("more queues than the port has: no start, and the number it has is told")
def _():
    with x2.workspace() as directory:
        does_not_start(prepared(directory, workers=2, port={"rx_queues": 2}), "queue", "net_pcap0a")


@case("more workers than lcores: no start, and what to give EAL is told")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.content["workers"] = 3
        tap.write_config()
        does_not_start(tap, "lcore")


@case("an lcore that is not there: EAL's own words, no start")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        command = tap.command()
        command[command.index("--lcores") + 1] = "0@0,1@4095"
        process = x2.start(command, directory / "tap.log")
        equal(x2.finish(process), 1, "exit code")
        assert "EAL" in x2.said(process), x2.said(process)


@case("lossless pace on a port that is no file: refused")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.vdevs.append("net_null0")
        tap.content["ports"].append({"mirror": "net_null0", "ipid": "null", "pace": "lossless"})
        tap.write_config()
        does_not_start(tap, "lossless", "net_null0")


# --- what is no reason not to forward ------------------------------------------------------------------------------


@case("an empty target list is normal: forwards, no fault")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory, tasks=[])
        code, said = check(tap)
        equal(code, 0, f"exit code of --check: {said}")
        forwards(tap, None)


@case("a target file that is not there: forwards, with a fault")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.targets.unlink()
        equal(check(tap)[0], 1, "exit code of --check")
        forwards(tap, "targets", str(tap.targets))


@case("a target file with errors: --check tells all of them with places; forwards, with a fault that shows no target")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        text = tap.targets.read_text()
        text = text.replace("X2Only", "X3Only").replace(f'- "{x2.DID}"', '- "7c1f5a52-0d3b-4b83-8a39-6a2f3c1f9b10"')
        text = text.replace('sipUri: "sip:alice@example.com"', 'suci: "001019876543210"')
        tap.targets.write_text(text)
        code, said = check(tap)
        equal(code, 1, "exit code of --check")
        places = re.findall(rf"{re.escape(str(tap.targets))}:\d+:\d+: error: ", said)
        assert len(places) >= 2, f"fewer errors than there are: {said}"
        assert "suci" in said and "X3Only" in said, said
        forwards(tap, "targets")
        for word in ("001019876543210", "suci", "7c1f5a52"):
            assert word not in tap.said(), f"{word} in the general log:\n{tap.said()}"


@case("a target file that others may read: forwards, with a fault that says so")
def _():
    with x2.workspace() as directory:
        tap = prepared(directory)
        tap.targets.chmod(0o644)
        forwards(tap, "targets")


def tls_files(cert, key=None):
    files = x2.certificates()
    return {"cert": files / f"{cert}.pem", "key": files / f"{key or cert}.key", "ca": files / "ca.pem"}


for name, tls in (
    ("a certificate that does not match its key", lambda: tls_files("ne", "mf")),
    ("a certificate that has expired", lambda: tls_files("ne-expired")),
    ("a certificate that is not there", lambda: tls_files("nobody")),
):

    def _(tls=tls):
        with x2.workspace() as directory:
            tap = prepared(directory, tls=tls())
            code, said = check(tap)
            equal(code, 1, f"exit code of --check: {said}")
            forwards(tap, "tls", code=3)

    case(f"{name}: --check says so; forwards, connects nowhere, with a fault")(_)


@case("--check on good files: exit code 0, without EAL, root or hugepages")
def _():
    with x2.workspace() as directory:
        code, said = check(prepared(directory))
        equal(code, 0, said)
        assert "EAL" not in said, said


main()
