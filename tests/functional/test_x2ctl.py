#!/usr/bin/python3
"""x2ctl against a stand-in for x2tap: what it prints, and how it ends."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading

from tap import Skip, case, equal, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
X2CTL = pathlib.Path(os.environ.get("X2TAP_BUILD", ROOT / "build")) / "app" / "x2ctl"

STATUS = {
    "ok": True, "version": "0.1.0", "uptime_s": 12, "none_yet": [],
    "ports": [
        {"device": "net_pcap0", "link": "up", "received": 7, "text": "ä"},
        {"device": "x", "link": "down", "received": 12345678, "text": ""},
    ],
    "matching": {"matched": 3, "cycles": 1.5, "full": False},
    "faults": [],
}
STATUS_TEXT = """\
version   0.1.0
uptime_s  12
none_yet  none
faults    none

ports
  device     link  received  text
  net_pcap0  up           7  ä
  x          down  12345678  -

matching
  matched  3
  cycles   1.5
  full     no
"""


def run(*arguments, **more):
    return subprocess.run([X2CTL, *arguments], capture_output=True, text=True, timeout=60, **more)


def ask(answer, *arguments):
    """x2ctl's end when x2tap gives this answer, and what it was asked."""
    asked = []
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def serve():
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.makefile().readline())
                    connection.sendall(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

            thread = threading.Thread(target=serve)
            thread.start()
            ended = run("--socket", path, *arguments)
            thread.join()
    return ended, asked[0]


@case("faults are asked for by that word")
def _():
    ended, asked = ask({"ok": True, "faults": [{"name": "clock", "since": "2026-01-01T00:00:00Z"}]}, "faults")
    equal(asked, "faults\n", "request")
    equal((ended.returncode, ended.stdout), (0, "\nfaults\n  name   since\n  clock  2026-01-01T00:00:00Z\n"), "end")


@case("values, sections and tables are aligned")
def _():
    ended, asked = ask(STATUS, "status")
    equal(asked, "status\n", "request")
    equal(ended.stdout, STATUS_TEXT, "text")
    equal((ended.returncode, ended.stderr), (0, ""), "end")


@case("a table that is too wide is turned")
def _():
    row = {f"column_{i}": i for i in range(20)}
    ended, _ = ask({"ok": True, "rows": [row, dict(row, column_0="a")]}, "counters")
    lines = ended.stdout.splitlines()
    equal(lines[:4], ["", "rows", "  column_0   0", "  column_1   1"], "start")
    equal(lines[22:24], ["", "  column_0   a"], "second row")


@case("--json is what x2tap said")
def _():
    raw = '{"ok": true,\n "a":  [1]}\n'
    ended, _ = ask(raw, "--json", "status")
    equal((ended.returncode, ended.stdout), (0, raw), "end")


LAWS = [
    {"name": "frames", "holds": True, "left": 3, "right": 3, "text": "received = forwarded + dropped"},
    {"name": "sip messages", "holds": True, "left": 1, "right": 1, "text": "messages = parsed + defective"},
]


@case("check shows each law, and ends with 1 when one is broken")
def _():
    ended, asked = ask({"ok": True, "laws": LAWS}, "check")
    equal(asked, "check\n", "request")
    equal(ended.stdout, "ok      frames        received = forwarded + dropped (3 and 3)\n"
          "ok      sip messages  messages = parsed + defective (1 and 1)\n", "text")
    equal(ended.returncode, 0, "end")
    broken = [LAWS[0], dict(LAWS[1], holds=False, right=0)]
    for json_too in ([], ["--json"]):
        ended, _ = ask({"ok": True, "laws": broken}, *json_too, "check")
        equal(ended.returncode, 1, "end")
    ended, _ = ask({"ok": True, "laws": broken}, "check")
    equal(ended.stdout.splitlines()[1], "BROKEN  sip messages  messages = parsed + defective (1 and 0)", "text")


@case("check without laws proves nothing")
def _():
    ended, _ = ask({"ok": True, "laws": []}, "check")
    equal(ended.returncode, 1, "end")


@case("a refused reload says why, line for line, and steers no terminal")
def _():
    text = "targets.yaml:3:1: error: x\ntargets.yaml:4:1: error: \x1b[2J\n"
    ended, asked = ask({"ok": False, "error": text}, "reload")
    equal(asked, "reload\n", "request")
    equal((ended.returncode, ended.stdout), (1, ""), "end")
    equal(ended.stderr, text.replace("\x1b", "?") + "\n", "text")


@case("what is no answer of x2tap is an error")
def _():
    for answer in ("hello\n", "[]", '{"ok": true', '{"a": 1, "a": 2}'):
        ended, _ = ask(answer, "status")
        equal((ended.returncode, ended.stdout), (1, ""), "end")
        assert "is no x2tap" in ended.stderr, ended.stderr
    ended, _ = ask("", "status")
    equal(ended.returncode, 1, "end")
    ended, _ = ask({"error": 5}, "status")
    equal(ended.returncode, 1, "end")


@case("no socket, or one that nobody serves, means that x2tap is not running")
def _():
    with tempfile.TemporaryDirectory() as directory:
        ended = run("--socket", f"{directory}/none", "status")
        equal(ended.returncode, 1, "end")
        assert "x2tap is not running" in ended.stderr, ended.stderr
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{directory}/dead")
        ended = run("--socket", f"{directory}/dead", "status")
        equal(ended.returncode, 1, "end")
        assert "x2tap is not running" in ended.stderr, ended.stderr


@case("who is denied is told which group may ask")
def _():
    if os.geteuid() != 0:
        raise Skip("needs root")
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/s"
        listener.bind(path)
        listener.listen()
        os.chmod(directory, 0o755)
        os.chown(path, 0, 8)  # mail, on Debian
        os.chmod(path, 0o660)
        copy = pathlib.Path(directory) / "x2ctl"  # the build directory may be closed to others
        copy.write_bytes(X2CTL.read_bytes())
        copy.chmod(0o755)
        ended = subprocess.run([copy, "--socket", path, "status"], capture_output=True, text=True, timeout=60,
                               user=65534, group=65534, extra_groups=[])
        equal(ended.returncode, 1, "end")
        assert "only root and members of group mail may ask" in ended.stderr, ended.stderr


@case("usage errors end with 2, help and version with 0")
def _():
    for arguments in ([], ["status", "counters"], ["nonsense"], ["audit"], ["audit", "nonsense"], ["verify"],
                      ["audit", "verify", "a", "b"], ["--json", "audit", "verify"], ["--key", "k", "status"],
                      ["--single", "faults"], ["--socket", "s", "audit", "verify", "a"], ["audit", "verify", "--key"],
                      ["--nonsense", "status"], ["--socket"]):
        ended = run(*arguments)
        equal((ended.returncode, ended.stdout), (2, ""), str(arguments))
        assert ended.stderr, arguments
    ended = run("--help")
    equal((ended.returncode, ended.stderr), (0, ""), "help")
    for word in ("status", "faults", "audit verify [FILE]", "--key", "--single", "counters", "check", "reload", "--socket", "--json"):
        assert word in ended.stdout, word
    ended = run("--version")
    equal(ended.returncode, 0, "version")
    assert ended.stdout.startswith("x2ctl "), ended.stdout


main()
