#!/usr/bin/python3
"""Whoever is not of the LI side sees no difference between a tap with targets and one without: the general log, what x2ctl
shows the operator, the process list, and the files that are there."""

import grp
import json
import pathlib
import pwd
import re
import subprocess

import x2tap_test as x2
from tap import case, equal, main, say

CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
TARGETS = [x2.task([{"sipUri": "sip:alice@example.com"}]), x2.task([{"ipv4Address": "192.0.2.20"}], name="second")]
SECRETS = ("alice@example.com", "bob@example.com", "192.0.2.10", "192.0.2.20", "Call-ID", "INVITE")

ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b"\\n")
    answer = b""
    while chunk := s.recv(65536): answer += chunk
sys.stdout.write(answer.decode())
"""


def as_operator(tap, request):
    """What somebody of the operator group who is not root gets."""
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        ["/usr/bin/python3", "-c", ASK, str(tap.socket), request],
        capture_output=True, text=True, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], check=True, cwd="/",
    )  # fmt: skip
    return json.loads(done.stdout)


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


def world(directory):
    """Every file in the test's directory, but for contents."""
    return sorted(str(path.relative_to(directory)) for path in pathlib.Path(directory).rglob("*"))


def seen(tasks):
    """All that an outsider sees of one run."""
    group = pwd.getpwnam("nobody").pw_gid
    with x2.workspace() as directory:
        directory.chmod(0o755)
        mf = x2.Mf(directory)
        vdevs, ports, _ = x2.file_pair(directory, CAPTURE)
        tap = x2.Tap(
            directory, tasks, {x2.DID: mf}, 1, vdevs, ports, log_level="debug",
            control={"socket": directory / "tap.sock", "operator_group": grp.getgrgid(group).gr_name},
        )  # fmt: skip
        tap.start().ready()
        frames = lambda: tap.ask("status")["ports"][0]["received"]  # noqa: E731
        x2.wait_for("the capture to be through", lambda: frames() == 49)
        if tasks:
            x2.wait_for("the IRI", lambda: len(mf.iri()) == 37 * len(tasks))
            tap.check_laws()
        # At debug level too; as root only to find the process, not to look into it.
        command_line = pathlib.Path(f"/proc/{tap.process.pid}/cmdline").read_bytes().decode()
        answers = {request: plain(as_operator(tap, request)) for request in ("status", "counters", "check")}
        denied = as_operator(tap, "reload")
        tap.stop()
        mf.stop()
        log = plain_log(tap.said(), directory)
        files = [name for name in world(directory) if not name.startswith("mf")]
        return {
            "log": log,
            "answers": answers,
            "reload": denied,
            "command": command_line.replace(str(directory), "DIRECTORY"),
            "files": files,
        }


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
    equal(counters["ports"][0]["received"], 49, "frames the operator sees")
    for word in ("matching", "iri", "destinations", "tasks"):
        assert word not in json.dumps(counters), f"the operator sees {word}"


@case("the operator may not reload")
def _():
    for run in runs():
        equal(run["reload"]["ok"], False, "reload")


@case("the process list and the files that are there are the same")
def _():
    the_same("command")
    the_same("files")


main()
