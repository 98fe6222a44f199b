#!/usr/bin/python3
"""Whoever is not of the LI side sees no difference between a tap with targets and one without: the general log, what x2ctl
shows the operator, the process list, and the files that are there."""

import grp
import json
import os
import pathlib
import pwd
import re
import signal

import load
import pcap
import x2tap_test as x2
from tap import case, equal, main, say

CAPTURE = x2.ROOT / "tests/data/captures/calls-ipv4.pcap"
TARGETS = [x2.task([{"sipUri": "sip:alice@example.com"}]), x2.task([{"ipv4Address": "192.0.2.20"}], name="second")]
SECRETS = ("alice@example.com", "bob@example.com", "192.0.2.10", "192.0.2.20", "Call-ID", "INVITE")

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
