"""A link with x2tap in the middle: three network namespaces and two veth pairs.

   caller, 192.0.2.10, 2001:db8::10 ──[a  x2tap  b]── callee, 192.0.2.20, 2001:db8::20

The tap's ends have a namespace of their own: else the kernel would answer in the callee's place.
"""

import contextlib
import json
import os
import pathlib
import subprocess

import x2tap_test as x2

HERE = pathlib.Path(__file__).resolve().parent
CALLER, CALLEE = 10, 20


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"ip {' '.join(arguments)}: {done.stderr}")


class Wire:
    def __init__(self):
        self.caller, self.tap, self.callee = (f"x2-{os.getpid()}-{name}" for name in ("caller", "tap", "callee"))

    def inside(self, namespace):
        # Not "ip netns exec": it mounts a /sys of its own, which cannot be done where / is no mount point (chroot).
        return ["nsenter", f"--net=/run/netns/{namespace}"]

    def run(self, namespace, *command):
        done = subprocess.run([*self.inside(namespace), *command], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} in {namespace}: {done.stderr}")
        return done.stdout

    def set_up(self):
        for namespace in (self.caller, self.tap, self.callee):
            ip("netns", "add", namespace)
            self.run(namespace, "ip", "link", "set", "lo", "up")
        for namespace, end in ((self.caller, "a"), (self.callee, "b")):
            ip("link", "add", "wire", "netns", namespace, "type", "veth", "peer", "name", end, "netns", self.tap)
            self.run(self.tap, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            for name, device in ((namespace, "wire"), (self.tap, end)):
                self.run(name, "ethtool", "-K", device, "tx", "off", "rx", "off", "gro", "off", "gso", "off", "tso", "off")
                self.run(name, "ip", "link", "set", "dev", device, "up")
        for namespace, number in ((self.caller, CALLER), (self.callee, CALLEE)):
            self.run(namespace, "ip", "addr", "add", f"192.0.2.{number}/24", "dev", "wire")
            self.run(namespace, "ip", "addr", "add", f"2001:db8::{number}/64", "dev", "wire", "nodad")

    def take_down(self):
        for namespace in (self.caller, self.tap, self.callee):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)

    def vdevs(self):
        return ["net_af_packet0,iface=a", "net_af_packet1,iface=b"]

    def ports(self):
        return [{"pair": ["net_af_packet0", "net_af_packet1"], "ipid": x2.IPID}]

    def received(self, namespace, device="wire"):
        """Frames that an end has received so far."""
        shown = json.loads(self.run(namespace, "ip", "-json", "-stats", "link", "show", "dev", device))
        return shown[0]["stats64"]["rx"]["packets"]

    def replay(self, directory, capture, rate):
        """Sends a capture from the caller's end at so many frames a second."""
        command = ["/usr/bin/python3", HERE / "replay.py", "wire", capture, rate]
        return x2.start([*self.inside(self.caller), *command], pathlib.Path(directory) / "replay.log")


@contextlib.contextmanager
def wire():
    x2.need_root()
    x2.need_tool("ip", "ethtool", "sysctl", "nsenter")
    w = Wire()
    try:
        w.set_up()
        yield w
    finally:
        w.take_down()
