"""The wire of the functional tests, and behind the tap the LI network: MFs in a namespace of their own, over links with faults.

   caller ──[a  x2tap  b]── callee        (wire.py)
                 │
                 ├ li0, 198.51.100.1 ── relay ── mf0, 198.51.100.2
                 └ li1, 198.51.100.5 ── relay ── mf1, 198.51.100.6

Faults of a link come from its relay (relay.c), from nft, or from tc: see Link.
"""

import contextlib
import json
import os
import subprocess

import wire
import x2tap_test as x2


class Link:
    """One link of the LI network, with a relay on it."""

    def __init__(self, topology, number):
        self.topology, self.number = topology, number
        self.near, self.far = f"li{number}", f"mf{number}"  # devices
        self.tap_address, self.mf_address = (f"198.51.100.{4 * number + end}" for end in (1, 2))
        program = x2.BUILD / "tests" / "faults" / "relay"
        if not program.exists():
            raise x2.Skip(f"{program} is not built")
        namespaces = (topology.tap, topology.mf)
        self.relay = subprocess.Popen(
            [program, f"/run/netns/{namespaces[0]}", self.near, f"/run/netns/{namespaces[1]}", self.far],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.relay.stdout.readline() != "ready\n":
            raise AssertionError("the relay has not started")
        for namespace, device, address in (
            (topology.tap, self.near, self.tap_address), (topology.mf, self.far, self.mf_address)
        ):  # fmt: skip
            topology.run(namespace, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
            topology.run(namespace, "ip", "addr", "add", f"{address}/30", "dev", device)
            topology.run(namespace, "ip", "link", "set", "dev", device, "up")

    def ask(self, command):
        self.relay.stdin.write(command + "\n")
        self.relay.stdin.flush()
        return self.relay.stdout.readline().strip()

    def tell(self, command):
        answer = self.ask(command)
        if answer != "ok":
            raise AssertionError(f"relay: {command}: {answer}")

    def stats(self):
        return json.loads(self.ask("stats"))

    def ends(self):
        return (self.topology.tap, self.near, self.mf_address), (self.topology.mf, self.far, self.tap_address)

    def filter(self, statement):
        """An nft statement for what leaves either end; {peer} in it is the other end's address."""
        for namespace, device, peer in self.ends():
            rules = (
                f"table ip faults {{ chain leaving {{ type filter hook output priority 0; "
                f'oifname "{device}" {statement.format(peer=peer)}; }}; }}'
            )
            self.topology.run(namespace, "nft", rules)

    def filtered(self):
        """Packets that the rules' counters have seen."""
        seen = 0
        for namespace, _, _ in self.ends():
            shown = json.loads(self.topology.run(namespace, "nft", "-j", "list", "table", "ip", "faults"))
            for item in shown["nftables"]:
                seen += sum(part.get("counter", {}).get("packets", 0) for part in item.get("rule", {}).get("expr", []))
        return seen

    def limit(self, rate):
        """What leaves either end goes through a token bucket (tc tbf) of so many bits a second."""
        for namespace, device, _ in self.ends():
            tbf = ["tbf", "rate", f"{rate}bit", "burst", "8kb", "latency", "200ms"]
            self.topology.run(namespace, "tc", "qdisc", "replace", "dev", device, "root", *tbf)

    def limited(self):
        """How often a packet had to wait in the token buckets."""
        shown = (
            json.loads(self.topology.run(namespace, "tc", "-s", "-j", "qdisc", "show", "dev", device))
            for namespace, device, _ in self.ends()
        )
        return sum(qdisc.get("overlimits", 0) for qdiscs in shown for qdisc in qdiscs)

    def clear(self):
        """No faults any more, of whatever kind."""
        self.tell("clear")
        for namespace, device, _ in self.ends():
            inside = self.topology.inside(namespace)
            subprocess.run([*inside, "nft", "delete table ip faults"], capture_output=True)
            subprocess.run([*inside, "tc", "qdisc", "del", "dev", device, "root"], capture_output=True)

    def close(self):
        self.relay.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.relay.wait(5)
        if self.relay.poll() is None:
            self.relay.kill()
            self.relay.wait()
        self.relay.stdout.close()


class Topology(wire.Wire):
    def __init__(self):
        super().__init__()
        self.mf = f"x2-{os.getpid()}-mf"
        self.links = []

    def set_up(self, links=2):
        super().set_up()
        wire.ip("netns", "add", self.mf)
        self.run(self.mf, "ip", "link", "set", "lo", "up")
        for number in range(links):
            self.links.append(Link(self, number))

    def take_down(self):
        for link in self.links:
            link.close()
        super().take_down()
        subprocess.run(["ip", "netns", "del", self.mf], capture_output=True)

    def counted(self):
        """What the kernel has counted at the ends of the wire: frames that hosts have got of the tap."""
        return sum(self.received(namespace) for namespace in (self.caller, self.callee))


@contextlib.contextmanager
def topology():
    x2.need_root()
    x2.need_tool("ip", "ethtool", "sysctl", "nsenter", "nft", "tc")
    t = Topology()
    try:
        t.set_up()
        yield t
    finally:
        t.take_down()
