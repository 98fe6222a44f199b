#!/usr/bin/python3
"""x2ctl audit verify on logs that are written here from x2tap-audit(5), apart from our C code."""

import hashlib
import hmac
import json
import os
import pathlib
import random
import subprocess
import tempfile

from tap import case, equal, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
X2CTL = pathlib.Path(os.environ.get("X2TAP_BUILD", ROOT / "build")) / "app" / "x2ctl"
KEY = bytes(range(32))


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def mac(octets, key):
    return hmac.new(key, octets, hashlib.sha256).hexdigest()


class Log:
    """A log in memory: its files in order, each a list of lines without their ends."""

    def __init__(self, key=KEY, rotations=2, lines_in_file=8):
        self.key, self.count, self.prev = key, 0, "0" * 64
        self.files = [("audit.jsonl", [])]
        self.tell("start", version="1")
        for rotation in range(rotations):
            self.fill(lines_in_file)
            self.rotate()
        self.fill(lines_in_file)
        self.tell("stop")
        self.head()

    def fill(self, lines):
        for i in range(lines):
            self.tell("task", action="added", xid=f"29f28e1c-f230-486a-a860-{i:012}",
                      text="\u00e4 \"quoted\" \\ \U0001f4de", n=i, wide=i % 2 == 0)

    def tell(self, event, **members):
        line = {"seq": self.count, "time": f"2026-01-01T00:00:{self.count % 60:02}.{self.count:09}Z",
                "clock": "unsynchronised", "event": event, **members, "prev": self.prev}
        octets = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
        self.files[-1][1].append(octets)
        self.prev = sha256(octets)
        self.count += 1

    def head(self):
        if self.key:
            self.tell("head", hmac=mac(bytes.fromhex(self.prev) + self.count.to_bytes(8, "big"), self.key))
        else:
            self.tell("head")

    def rotate(self):
        self.head()
        lines = self.files[-1][1]
        name = f"audit.jsonl.{json.loads(lines[0])['seq']:012}"
        self.files[-1] = (name, lines)
        self.files.append(("audit.jsonl", []))
        self.tell("rotated", after=name)

    def write(self, directory):
        for name, lines in self.files:
            (pathlib.Path(directory) / name).write_bytes(b"".join(line + b"\n" for line in lines))
        start = f'{{"lines":{self.count},"last":"{self.prev}"'
        check = f'"hmac":"{mac(start.encode(), self.key)}"' if self.key else f'"sha256":"{sha256(start.encode())}"'
        (pathlib.Path(directory) / "audit.jsonl.head").write_bytes(f"{start},{check}}}".ljust(255).encode() + b"\n")


def verify(directory, *arguments, name="audit.jsonl"):
    """Exit code and lines, without the directory's name."""
    ended = subprocess.run([X2CTL, "audit", "verify", *arguments, f"{directory}/{name}"], capture_output=True,
                           text=True, timeout=60)
    equal(ended.stderr, "", "standard error")
    return ended.returncode, ended.stdout.replace(f"{directory}/", "").splitlines()


def with_key(directory):
    path = pathlib.Path(directory) / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return "--key", str(path)


def finds(log, where, what, key=False):
    """The first finding, as x2ctl tells it with and without the key."""
    with tempfile.TemporaryDirectory() as directory:
        log.write(directory)
        for arguments in [()] + [with_key(directory)] * key:
            code, lines = verify(directory, *arguments)
            equal(code, 1, "end")
            assert lines[0].startswith(f"{where}: {what}"), "\n".join([f"wanted {where}: {what}", *lines])
            assert lines[-1].startswith("BAD: audit.jsonl: "), lines[-1]


@case("a log made from the manual is good")
def _():
    for key in (None, KEY):
        log = Log(key)
        with tempfile.TemporaryDirectory() as directory:
            log.write(directory)
            code, lines = verify(directory)
            equal((code, len(lines)), (0, 1), "\n".join(lines))
            assert lines[0].startswith(f"GOOD: audit.jsonl: {log.count} lines in 3 files, no. 0 of "), lines
            if key:
                assert "3 heads are signed and were not checked" in lines[0], lines
                code, lines = verify(directory, *with_key(directory))
                equal((code, len(lines)), (0, 1), "\n".join(lines))
                assert "3 heads signed with this key" in lines[0], lines


@case("a rotated file is verified alone")
def _():
    log = Log()
    with tempfile.TemporaryDirectory() as directory:
        log.write(directory)
        for name, _ in log.files[:-1]:
            code, lines = verify(directory, *with_key(directory), name=name)
            equal((code, len(lines)), (0, 1), "\n".join(lines))
        equal(verify(directory, "--single")[0], 0, "the last")


def each_line():
    for file in range(3):
        for i in range(len(Log().files[file][1])):
            log = Log()
            name, lines = log.files[file]
            yield log, name, lines, i, file


@case("a changed octet is found in each line, at random places")
def _():
    chance = random.Random(1)
    for log, name, lines, i, _ in each_line():
        octets = bytearray(lines[i])
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(3)
        lines[i] = bytes(octets)
        finds(log, f"{name}:{i + 1}", "", key=True)


@case("a dropped line is found")
def _():
    for log, name, lines, i, file in each_line():
        last = i == len(lines) - 1
        del lines[i]
        if not last:
            finds(log, f"{name}:{i + 1}", "removed: one line before this one")
        elif file < 2:
            finds(log, f"{log.files[file + 1][0]}:1", "removed: one line before this one")
        else:
            finds(log, f"{name}:{i}", "cut short: the log ends here")


@case("a copied and a forged line are found")
def _():
    for log, name, lines, i, _ in each_line():
        forged = json.loads(lines[i])
        forged["event"] = "command"
        original = lines[:]
        lines.insert(i + 1, lines[i])
        finds(log, f"{name}:{i + 2}", f"inserted: this line is a copy of {name}:{i + 1}")
        lines[:] = original
        lines.insert(i, json.dumps(forged, separators=(",", ":")).encode())
        finds(log, f"{name}:{i + 1}", "inserted: this line is no part of the chain")


@case("swapped lines are found")
def _():
    for log, name, lines, i, _ in each_line():
        if i + 1 < len(lines):
            lines[i], lines[i + 1] = lines[i + 1], lines[i]
            finds(log, f"{name}:{i + 1}", f"swapped: this line and {name}:{i + 2} ")


@case("a cut is found behind each line")
def _():
    for log, name, lines, i, file in each_line():
        if file == 2 and i + 1 < len(lines):
            del lines[i + 1:]
            finds(log, f"{name}:{i + 1}", "cut short: the log ends here", key=True)


@case("a line that x2tap did not confirm is found")
def _():
    log = Log()
    count, prev = log.count, log.prev
    log.tell("command")
    log.count, log.prev = count, prev
    finds(log, f"audit.jsonl:{len(log.files[-1][1])}", "inserted, or not confirmed: ")


@case("a head with a wrong HMAC is found by who has the key")
def _():
    log = Log(bytes(32))
    with tempfile.TemporaryDirectory() as directory:
        log.write(directory)
        equal(verify(directory)[0], 0, "without the key")
        code, lines = verify(directory, *with_key(directory))
        equal(code, 1, "end")
        assert lines[0].startswith("audit.jsonl.head:1: changed, wrong HMAC"), lines
        for line, (name, written) in zip(lines[1:], log.files):
            assert line.startswith(f"{name}:{len(written)}: wrong HMAC: "), lines


@case("what cannot be read is not good")
def _():
    with tempfile.TemporaryDirectory() as directory:
        equal(verify(directory), (1, ["audit.jsonl.head:1: missing: whether the log was cut at its end cannot be told",
                                      "UNREADABLE: audit.jsonl: No such file or directory"]), "nothing")
        Log().write(directory)
        os.chmod(with_key(directory)[1], 0o666)
        ended = subprocess.run([X2CTL, "audit", "verify", "--key", f"{directory}/key", f"{directory}/audit.jsonl"],
                               capture_output=True, text=True, timeout=60)
        equal((ended.returncode, ended.stdout), (1, ""), "an open key")
        assert "key" in ended.stderr, ended.stderr


main()
