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
# Frames that the kernel keeps for x2tap while there is no CPU for it: some seconds of load. x2tap is told, so that it does not take
# itself for behind before they are all there.
FRAMES = 2048


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
            self.add_host(namespace, number)

    def take_down(self):
        for namespace in (self.caller, self.tap, self.callee):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)

    def vdevs(self, driver="net_af_packet", frames=FRAMES):
        """The two ends as DPDK devices. Behind net_af_packet the kernel puts IPv4 fragments together (DPDK asks for it: its
        sockets are a PACKET_FANOUT_FLAG_DEFRAG group) and the whole is too long to go on, so what is to cross in fragments
        needs net_pcap, which is slower."""
        arguments = {
            "net_af_packet": f"iface={{0}},framesz=2048,framecnt={frames}", "net_pcap": "rx_iface_in={0},tx_iface={0}"
        }[driver]  # fmt: skip
        return [f"{driver}{number},{arguments.format(end)}" for number, end in enumerate("ab")]

    def ports(self, driver="net_af_packet", frames=FRAMES):
        return [{"pair": [f"{driver}0", f"{driver}1"], "ipid": x2.IPID, "rx_descriptors": frames}]

    def add_host(self, namespace, number):
        """One more host behind an end, .number: those of one end do not talk to each other over the wire."""
        self.run(namespace, "ip", "addr", "add", f"192.0.2.{number}/24", "dev", "wire")
        self.run(namespace, "ip", "addr", "add", f"2001:db8::{number}/64", "dev", "wire", "nodad")

    def narrow_tcp(self):
        """Lets a TCP sender have one segment unanswered at a time: what it writes meanwhile shares the next ones."""
        for namespace in (self.caller, self.callee):
            for net in ("192.0.2.0/24", "2001:db8::/64"):
                metric = ["metric", "256"] if ":" in net else []  # the route that came with the address
                self.run(namespace, "ip", "route", "replace", net, "dev", "wire", *metric, "cwnd", "lock", "1")

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
