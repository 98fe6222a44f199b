#!/usr/bin/python3
"""Who is behind an address, from real programs over a wire that x2tap is part of: FreeRADIUS with radclient and radeapclient, Kea
with dhclient behind dhcrelay, OsmoGGSN with sgsnemu. What is reported is what the oracle says of the frames that came out at
the other side; whose each SIP message is, is written down as it is sent; `x2ctl bindings` shows an address while it is held.

Needs root and the packages in scripts/lib.sh, peer_packages. The peers' configurations are those with which
tests/data/make-subscriber-captures.sh made the captures.
"""

import contextlib
import grp
import ipaddress
import json
import os
import pwd
import re
import signal
import subprocess

import iri
import pcap
import signal_iri
import signal_oracle
import sip_oracle
import x2tap_test as x2
from tap import Skip, case, equal, main, say
from wire import HERE, Wire, ip

PEERS = HERE / "peers"
SECRET = "peers-only"
SIP_SERVER, SIP_SERVER6 = "203.0.113.20", "2001:db8:53::20"
OPERATOR = "nobody"
# One hears both directions. With one for each, an answer may be looked at before its request, if the peer is quicker than the
# worker that has just forwarded the request: the kernel lets the peer run on that core at once (net_af_packet sends by a system
# call). test_workers.py and test_forgery.py have more.
WORKERS = 1


class Network(Wire):
    """access ──(relay)──[a  x2tap  b]── core. `caller` is the near end of the wire: the access itself, or its relay."""

    def __init__(self):
        super().__init__()
        self.access = f"x2-{os.getpid()}-access"

    def set_up(self):
        super().set_up()
        for namespace in (self.caller, self.callee):
            self.prepare(namespace, "wire")
        for address in ("192.0.2.1/24", "2001:db8::1/64"):
            self.address(self.caller, address, "wire")
        for address in ("192.0.2.2/24", "2001:db8::2/64"):
            self.address(self.callee, address, "wire")
        for address in (SIP_SERVER, SIP_SERVER6):
            self.address(self.callee, address, "lo")
        self.run(self.caller, "ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.2")
        self.run(self.caller, "ip", "route", "add", "2001:db8:53::/64", "via", "2001:db8::2")

    def prepare(self, namespace, device):
        """Addresses that are there at once, and none of the ones that were."""
        self.run(namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.run(namespace, "ip", "link", "set", "dev", device, "down")
        self.run(namespace, "ip", "addr", "flush", "dev", device)
        for setting in ("accept_dad=0", "router_solicitations=0"):
            self.run(namespace, "sysctl", "-qw", f"net.ipv6.conf.{device}.{setting}")
        self.run(namespace, "ip", "link", "set", "dev", device, "up")

    def address(self, namespace, address, device):
        self.run(namespace, "ip", "addr", "replace", address, "dev", device, *(["nodad"] if ":" in address else []))

    def route(self, networks):
        """Where subscribers' addresses are, from the core."""
        for network in networks:
            gateway = "2001:db8::1" if ":" in network else "192.0.2.1"
            self.run(self.callee, "ip", "route", "add", network, "via", gateway)

    def add_access(self):
        """Behind a relay."""
        ip("netns", "add", self.access)
        ip("link", "add", "line", "netns", self.access, "type", "veth", "peer", "name", "line", "netns", self.caller)
        for namespace in (self.access, self.caller):
            self.run(namespace, "ip", "link", "set", "dev", "lo", "up")
            self.run(namespace, "ethtool", "-K", "line", "tx", "off", "rx", "off", "gro", "off", "gso", "off", "tso", "off")
            self.prepare(namespace, "line")
        self.address(self.caller, "198.51.100.1/24", "line")
        self.address(self.caller, "2001:db8:a::1/64", "line")
        self.run(self.caller, "ip", "route", "add", "2001:db8:d::/48", "dev", "line")

    def take_down(self):
        super().take_down()
        subprocess.run(["ip", "netns", "del", self.access], capture_output=True)


class Scene:
    """A network with x2tap in it, orders for some subscribers, and what happens."""

    def __init__(self, network, directory, identifiers, sources):
        self.net, self.directory, self.sources = network, directory, sources
        self.orders = [x2.task([identifier]) for identifier in identifiers]
        self.calls, self.started, self.access = {}, [], network.caller
        self.capture = directory / "core.pcap"
        self.mf = x2.Mf(directory, inside=network.inside(network.tap))
        self.tap = x2.Tap(
            directory, self.orders + x2.CONTROL_TASKS, {x2.DID: self.mf}, WORKERS, network.vdevs(), network.ports(),
            inside=network.inside(network.tap), bindings={"max_sessions": 1024, "sources": sources},
            control={"socket": directory / "tap.sock", "operator_group": grp.getgrgid(pwd.getpwnam(OPERATOR).pw_gid).gr_name},
        )  # fmt: skip
        dumpcap = [*network.inside(network.callee), "dumpcap", "-q", "-P", "-i", "wire", "-w", self.capture]
        self.dumpcap = x2.start(dumpcap, directory / "dumpcap.log")
        x2.wait_for("the capture to begin", lambda: self.capture.exists() and self.capture.stat().st_size >= 24)
        self.tap.start().ready()
        server = self.start("sip", network.callee, "/usr/bin/python3", HERE / "sip_probe.py", "answer", SIP_SERVER, SIP_SERVER6)
        x2.wait_for("the SIP server", lambda: "ready" in x2.said(server))

    # --- peers

    def start(self, name, namespace, *command):
        environment = {**os.environ, "PEER_WORK": str(self.directory), "KEA_PIDFILE_DIR": str(self.directory), "KEA_LOCKFILE_DIR": "none"}
        process = x2.start(
            [*self.net.inside(namespace), *command], self.directory / f"{name}.log", env=environment, cwd=self.directory
        )
        self.started.append(process)
        return process

    def wait_for_port(self, process, namespace, port):
        def is_there():
            if process.poll() is not None:
                raise AssertionError(f"{process.args[1:4]} ended: {x2.said(process)[-1500:]}")
            return self.net.run(namespace, "ss", "-lnu", "-H", f"sport = {port}").strip()

        x2.wait_for(f"port {port}", is_there)

    # --- what is looked at

    def sip(self, address, owner, namespace=""):
        """A request from the address, and its answer; `owner` is the order that should get both, or None."""
        call_id = f"call-{len(self.calls)}-{os.getpid()}"
        self.calls[call_id] = owner
        server = SIP_SERVER6 if ":" in address else SIP_SERVER
        self.net.run(namespace or self.access, "/usr/bin/python3", str(HERE / "sip_probe.py"), "ask", address, server, call_id)
        return call_id

    def ask_x2ctl(self, order):
        done = subprocess.run(
            [x2.program("x2ctl"), "--socket", self.tap.socket, "--json", "bindings", order["xId"]], capture_output=True, text=True
        )
        equal(done.returncode, 0, f"x2ctl bindings: {done.stderr}")
        return json.loads(done.stdout)["bindings"]

    def holds(self, order, *networks):
        """Waits until x2ctl shows that the subscriber has these and no other."""
        wanted = sorted(str(ipaddress.ip_network(network)) for network in networks)

        def held():
            return sorted(str(ipaddress.ip_network(row["address"])) for row in self.ask_x2ctl(order))

        try:
            x2.wait_for("bindings", lambda: held() == wanted, 10)
        except AssertionError:
            raise AssertionError(f"{order['targetIdentifiers']}: x2ctl shows {held()}, wanted {wanted}") from None

    def is_refused_to_operator(self):
        words = ["--socket", self.tap.socket, "bindings", self.orders[0]["xId"]]
        done = x2.run_as(OPERATOR, [x2.program_for_all("x2ctl"), *words])
        equal((done.returncode, done.stdout), (1, b""), "x2ctl bindings, asked by the operator")
        equal(b"LI group" in done.stderr, True, f"what the operator is told: {done.stderr}")

    # --- the end

    def finish(self, **least):
        """Compares all that was reported with what came out at the other side. `least`: how many messages of which protocol the
        orders must have got at least, so that silence is no success."""
        last = next(reversed(self.calls)).encode()
        x2.wait_for("the capture to hold the last call", lambda: self.capture.read_bytes().count(last) >= 4)
        self.is_refused_to_operator()
        for process in reversed(self.started):
            x2.stop(process, signal.SIGKILL if "sgsnemu" in process.args else signal.SIGTERM)
        self.tap.check_laws()
        counters = self.tap.ask("counters")["bindings"]
        self.tap.stop()
        equal(self.mf.stop(), 0, f"x2mf, which looks at every octet: {x2.said(self.mf.process)}")
        x2.stop(self.dumpcap, signal.SIGINT)
        frames, _ = pcap.read(self.capture)
        pdus = self.mf.iri()
        self.check_calls(pdus)
        found = signal_oracle.expected(frames, [order["targetIdentifiers"] for order in self.orders], self.sources)
        check_untimed(self.orders, found, pdus)
        kinds = [one.protocol for entries in found for one, _ in entries if isinstance(one, signal_oracle.Signal)]
        for protocol, count in least.items():
            equal(kinds.count(protocol) >= count, True, f"{kinds.count(protocol)} messages of {protocol} at least {count}")
        refused = {name: count for name, count in counters.items() if name.startswith("refused_") and count}
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        say(f"{len(frames)} frames, {len(pdus)} PDUs: {told}; {len(self.calls)} calls; refused: {refused or 'nothing'}")

    def check_calls(self, pdus):
        """Each call is its owner's, both messages of it, and nobody else's."""
        for order in self.orders:
            mine = [pdu for pdu in pdus if pdu["xid"] == order["xId"] and pdu["format"] == iri.FORMAT_SIP]
            found = sorted(re.search(rb"Call-ID: (\S+)", pdu["octets"]).group(1).decode() for pdu in mine)
            wanted = sorted(2 * [call_id for call_id, owner in self.calls.items() if owner is order])
            equal(found, wanted, f"calls of {order['targetIdentifiers']}")


def check_untimed(orders, found, pdus):
    """As signal_iri.check(), where the clocks of capture and tap differ: each message once, but at whatever time."""
    signal_iri.check_sequence(pdus)
    for order, entries in zip(orders, found):
        mine = [pdu for pdu in pdus if pdu["xid"] == order["xId"]]
        paired = []
        for one, way in entries:
            same = [pdu for pdu in mine if signal_iri.place(pdu)[1:] == signal_iri.place(one)[1:] and is_of(one, pdu["octets"])]
            if not same:
                raise AssertionError(f"{order['targetIdentifiers']}: missing {signal_iri.describe(one)}")
            signal_iri.check_pdu(same[0], one, way, order)
            mine.remove(same[0])
            paired.append((same[0], one))
        if mine:
            places = [(pdu["format"], *signal_iri.place(pdu)[1:]) for pdu in mine]
            raise AssertionError(f"{order['targetIdentifiers']}: not expected: {places[:5]}")
        signal_iri.check_correlation(paired)
    equal({pdu["xid"] for pdu in pdus} <= {order["xId"] for order in orders}, True, "PDUs of orders for nobody")


def is_of(one, octets):
    if isinstance(one, signal_oracle.Signal):
        return signal_iri.is_reported(one, octets)
    return octets == sip_oracle.reported(one.message)


@contextlib.contextmanager
def scene(identifiers, sources, *tools, routes=()):
    x2.need_root()
    x2.need_tool("ip", "ethtool", "sysctl", "nsenter", "ss", "dumpcap", "tshark", *tools)  # scripts/lib.sh: peer_packages
    network = Network()
    try:
        network.set_up()
        network.route(routes)
        with x2.workspace() as directory:
            directory.chmod(0o755)
            one = Scene(network, directory, identifiers, sources)
            try:
                yield one
            finally:
                for process in one.started:
                    if process.poll() is None:
                        x2.stop(process, signal.SIGKILL)
    finally:
        network.take_down()


# --- RADIUS -----------------------------------------------------------------------------------------------------------------

NAS = 'NAS-IP-Address = 192.0.2.1, NAS-Identifier = "nas-1.example.net"'
RADIUS_SOURCES = [{"protocols": ["radius"], "servers": ["192.0.2.2"], "clients": ["192.0.2.1"]}]
IPV4 = {4711: "198.51.100.11", 4712: "198.51.100.12", 4713: "198.51.100.11"}
FRAMED, DELEGATED = "2001:db8:a:12::/64", "2001:db8:d:1200::/56"
IN_FRAMED, IN_DELEGATED = "2001:db8:a:12::10", "2001:db8:d:1201::10"


class Radius:
    def __init__(self, s):
        self.s, self.net = s, s.net
        self.server = s.start("server", self.net.callee, "freeradius", "-f", "-d", PEERS / "freeradius", "-n", "server")
        s.wait_for_port(self.server, self.net.callee, 1813)
        for address in ("198.51.100.11/32", "198.51.100.12/32", f"{IN_FRAMED}/128", f"{IN_DELEGATED}/128"):
            self.net.address(self.net.caller, address, "lo")

    def client(self, program, namespace, to, kind, attributes, answer):
        command = [*self.net.inside(namespace), program, "-x", "-D", "/usr/share/freeradius", "-r", "1", "-t", "20", to, kind, SECRET]
        done = subprocess.run(command, input=attributes + "\n", capture_output=True, text=True)
        if answer not in done.stdout:
            raise AssertionError(f"{kind} {attributes}: no {answer}: {done.stdout[-800:]}{done.stderr[-400:]}")

    def log_on(self, line, password, answer="Access-Accept"):
        port = line % 100
        self.client(
            "radclient", self.net.caller, "192.0.2.2:1812", "auth",
            f'User-Name = "line-{line}@isp.example.com", {password}, {NAS}, NAS-Port = {port}, Service-Type = Framed-User, '
            f'Calling-Station-Id = "00-00-5E-00-53-{port}", Message-Authenticator = 0x00', f"Received {answer}",
        )  # fmt: skip

    def challenge(self, line):
        self.client(
            "radeapclient", self.net.caller, "192.0.2.2:1812", "auth",
            f'User-Name = "line-{line}@isp.example.com", Cleartext-Password = "hello", {NAS}, NAS-Port = 11, EAP-Code = Response, '
            f'EAP-Id = 210, EAP-Type-Identity = "line-{line}@isp.example.com", Message-Authenticator = 0x00',
            "Received Access-Accept",
        )  # fmt: skip

    def account(self, status, line, *attributes):
        port = line % 100
        whole = [f"Acct-Status-Type = {status}", f'Acct-Session-Id = "000000{port}"', f'User-Name = "line-{line}@isp.example.com"', NAS,
                 f"NAS-Port = {port}", f'Calling-Station-Id = "00-00-5E-00-53-{port}"', *attributes]  # fmt: skip
        self.client("radclient", self.net.caller, "192.0.2.2:1813", "acct", ", ".join(whole), "Received Accounting-Response")

    def address(self, line):
        return f"Framed-IP-Address = {IPV4[line]}"

    def nas(self, status):
        self.client(
            "radclient", self.net.caller, "192.0.2.2:1813", "acct", f'Acct-Status-Type = {status}, Acct-Session-Id = "0", {NAS}',
            "Received Accounting-Response",
        )  # fmt: skip

    def dynamic(self, kind, session, answer):
        self.client(
            "radclient", self.net.callee, "192.0.2.1:3799", kind, f'Acct-Session-Id = "{session}", {NAS}', f"Received {answer}"
        )


@case("FreeRADIUS and radclient: access, challenge, accounting on, start, interim, stop and off, CoA and disconnect")
def _():
    lines = [{"nai": f"line-{line}@isp.example.com"} for line in (4711, 4712, 4713)]
    routes = ("198.51.100.0/24", "2001:db8:a::/48", "2001:db8:d::/48")
    with scene(lines, RADIUS_SOURCES, "freeradius", "radclient", "radeapclient", routes=routes) as s:
        r = Radius(s)
        first, second, third = s.orders
        r.nas("Accounting-On")
        s.sip(IPV4[4711], None)
        s.holds(first)
        r.log_on(4711, 'User-Password = "hello"')
        r.log_on(4711, 'User-Password = "mistyped"', "Access-Reject")
        r.challenge(4711)
        r.account("Start", 4711, r.address(4711))
        s.sip(IPV4[4711], first)
        s.holds(first, IPV4[4711])
        r.account("Interim-Update", 4711, r.address(4711), "Acct-Session-Time = 60")
        s.sip(IPV4[4711], first)
        prefixes = (f"Framed-IPv6-Prefix = {FRAMED}", f"Delegated-IPv6-Prefix = {DELEGATED}")
        r.log_on(4712, 'CHAP-Password = "hello"')
        r.account("Start", 4712, r.address(4712), *prefixes)
        for address in (IPV4[4712], IN_FRAMED, IN_DELEGATED):
            s.sip(address, second)
        s.holds(second, IPV4[4712], FRAMED, DELEGATED)
        r.account("Stop", 4711, r.address(4711), "Acct-Terminate-Cause = User-Request")
        s.sip(IPV4[4711], None)
        s.holds(first)
        # The next line has the address of the first one.
        r.log_on(4713, 'User-Password = "hello"')
        r.account("Start", 4713, r.address(4713))
        s.sip(IPV4[4713], third)
        s.holds(third, IPV4[4713])
        # It is changed and cut off by the server, and its NAS says so.
        nas = s.start("nas", s.net.caller, "freeradius", "-f", "-d", PEERS / "freeradius", "-n", "nas")
        s.wait_for_port(nas, s.net.caller, 3799)
        r.dynamic("coa", "00000021", "CoA-ACK")
        r.dynamic("coa", "00000099", "CoA-NAK")
        r.dynamic("disconnect", "00000013", "Disconnect-NAK")
        r.dynamic("disconnect", "00000021", "Disconnect-ACK")
        s.sip(IPV4[4713], third)
        r.account("Stop", 4713, r.address(4713), "Acct-Terminate-Cause = Admin-Reset")
        s.sip(IPV4[4713], None)
        s.holds(third)
        s.holds(second, IPV4[4712], FRAMED, DELEGATED)
        r.nas("Accounting-Off")
        s.sip(IN_DELEGATED, None)
        s.holds(second)
        s.finish(radius=26)


# --- DHCP -------------------------------------------------------------------------------------------------------------------

DHCP_SOURCES = [
    {"protocols": ["dhcp"], "servers": ["192.0.2.2", "2001:db8::2"], "clients": ["192.0.2.1", "198.51.100.1", "2001:db8::1"]}
]
HOMES = ("00:00:5e:00:53:11", "00:00:5e:00:53:12")
DHCP_TOOLS = ("dhclient", "dhcrelay")
DHCP_ROUTES = ("198.51.100.0/24", "2001:db8:a::/48", "2001:db8:d::/48")


class Dhcp:
    """A line with a home router, a relay, and Kea behind it."""

    def __init__(self, s, version):
        self.s, self.net, self.version = s, s.net, version
        self.net.add_access()
        s.access = self.net.access
        port = {4: 67, 6: 547}[version]
        kea = s.start("kea", self.net.callee, f"kea-dhcp{version}", "-c", PEERS / "kea" / f"dhcp{version}.json")
        s.wait_for_port(kea, self.net.callee, port)
        towards = {
            4: ("-a", "-id", "line", "-iu", "wire", "192.0.2.2"),
            6: ("-I", "-s", "line-4711", "-l", "line", "-u", "2001:db8::2%wire"),
        }[version]
        relay = s.start("relay", self.net.caller, "dhcrelay", f"-{version}", "-d", *towards)
        s.wait_for_port(relay, self.net.caller, port)
        self.more = ("-N", "-P", "-D", "LL") if version == 6 else ()

    def plug_in(self, mac):
        for words in (("down",), ("address", mac), ("up",)):
            self.net.run(self.net.access, "ip", "link", "set", "dev", "line", *words)
        self.net.run(self.net.caller, "ip", "neigh", "flush", "dev", "line")
        x2.wait_for("a link-local address", lambda: self.has("fe80::"))
        self.net.run(self.net.access, "ip", "route", "replace", "default", "via", "2001:db8:a::1", "dev", "line", "onlink")
        self.mac, self.log = mac, None

    def has(self, address):
        return address in self.net.run(self.net.access, "ip", "-o", "addr", "show", "dev", "line")

    def files(self):
        name = f"{self.version}-{self.mac}"
        return ("-cf", PEERS / "dhclient/dhclient.conf", "-sf", PEERS / "dhclient/apply", "-lf", self.s.directory / f"leases-{name}",
                "-pf", self.s.directory / f"dhclient-{name}.pid", "line")  # fmt: skip

    def lease(self, *addresses):
        command = ("dhclient", f"-{self.version}", *self.more, "-d", *self.files())
        self.log = self.s.start(f"dhclient-{self.mac}", self.net.access, *command)
        for address in addresses:
            x2.wait_for(f"the lease of {address}: {x2.said(self.log)}", lambda address=address: self.has(address))

    def renewed(self):
        word = "DHCPACK" if self.version == 4 else "RCV: Reply message"
        x2.wait_for("a renewal", lambda: x2.said(self.log).count(word) >= 2)

    def give_back(self):
        self.net.run(self.net.access, "dhclient", "-r", f"-{self.version}", *self.more, *map(str, self.files()))
        x2.finish(self.log)

    def squat(self, address):
        """Somebody uses an address that nobody has given him."""
        own = f"{address}/{128 if ':' in address else 24}"
        self.net.address(self.net.access, own, "line")
        if ":" not in address:
            self.net.run(self.net.access, "ip", "route", "replace", "default", "via", "198.51.100.1")
        self.s.sip(address, None)
        self.net.run(self.net.access, "ip", "addr", "del", own, "dev", "line")


@case("Kea, dhclient and dhcrelay, DHCPv4: a lease, its renewal and release, and the next home's lease of the same address")
def _():
    address = "198.51.100.50"
    with scene([{"macAddress": mac} for mac in HOMES], DHCP_SOURCES, "kea-dhcp4", *DHCP_TOOLS, routes=DHCP_ROUTES) as s:
        d = Dhcp(s, 4)
        for mac, order in zip(HOMES, s.orders):
            d.plug_in(mac)
            d.squat(address)
            s.holds(order)
            d.lease(address)
            s.sip(address, order)
            s.holds(order, address)
            if order is s.orders[0]:
                d.renewed()
                s.sip(address, order)
                s.holds(order, address)
            d.give_back()
            s.holds(order)
        d.squat(address)
        s.finish(dhcpv4=12)


@case("Kea, dhclient and dhcrelay, DHCPv6: an address and a delegated prefix, their renewal and release, and the next home's")
def _():
    address, delegated, prefix = "2001:db8:a::50", "2001:db8:d::10", "2001:db8:d::/56"
    with scene([{"macAddress": mac} for mac in HOMES], DHCP_SOURCES, "kea-dhcp6", *DHCP_TOOLS, routes=DHCP_ROUTES) as s:
        d = Dhcp(s, 6)
        for mac, order in zip(HOMES, s.orders):
            d.plug_in(mac)
            d.squat(address)
            s.holds(order)
            d.lease(address, delegated)
            s.sip(address, order)
            s.sip(delegated, order)
            s.holds(order, address, prefix)
            if order is s.orders[0]:
                d.renewed()
                s.sip(delegated, order)
                s.holds(order, address, prefix)
            d.give_back()
            s.holds(order)
        d.squat(delegated)
        s.finish(dhcpv6=12)


# --- GTP --------------------------------------------------------------------------------------------------------------------

GTP_SOURCES = [{"protocols": ["gtp"], "clients": ["192.0.2.1", "192.0.2.2"]}]


class Gtp:
    def __init__(self, s):
        self.s, self.net = s, s.net
        ggsn = s.start("ggsn", self.net.callee, "osmo-ggsn", "-c", PEERS / "osmo-ggsn/ggsn.cfg")
        s.wait_for_port(ggsn, self.net.callee, 2123)

    def address(self):
        done = subprocess.run(
            [*self.net.inside(self.net.caller), "ip", "-o", "-4", "addr", "show", "dev", "ms"], capture_output=True, text=True
        )
        found = re.search(r"198\.51\.100\.\d+", done.stdout)
        return found.group() if found else ""

    def attach(self, number):
        self.sgsn = self.s.start(
            f"sgsnemu-{number}", self.net.caller, "sgsnemu", "--listen", "192.0.2.1", "--remote", "192.0.2.2",
            "--imsi", f"99970000000000{number}", "--msisdn", f"49302312500{number}", "--imeisv", f"001010000000010{number}",
            "--apn", "internet", "--rai", "001.01.1.1", "--userloc", "1.001.01.1.1", "--statedir", self.s.directory,
            "--pidfile", self.s.directory / "sgsnemu.pid", "--createif", "--tun-device", "ms", "--defaultroute",
        )  # fmt: skip
        return x2.wait_for(f"a context: {x2.said(self.sgsn)[-500:]}", self.address)

    def detach(self, order):
        """sgsnemu deletes its context, and then waits long for nothing."""
        self.sgsn.send_signal(signal.SIGTERM)
        self.s.holds(order)
        x2.stop(self.sgsn, signal.SIGKILL)
        self.s.started.remove(self.sgsn)
        x2.wait_for("its tunnel to go", lambda: not self.address())


@case("OsmoGGSN and sgsnemu, GTPv1: contexts of three subscribers, of whom the third has the address of the first")
def _():
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun, which osmo-ggsn and sgsnemu need")
    identifiers = [{"imsi": f"99970000000000{number}"} for number in (1, 2, 3)]
    with scene(identifiers, GTP_SOURCES, "osmo-ggsn", "sgsnemu") as s:
        g = Gtp(s)
        had = []
        for number, order in enumerate(s.orders, 1):
            s.holds(order)
            had.append(g.attach(number))
            s.sip(had[-1], order)
            s.holds(order, had[-1])
            s.sip(had[-1], order)
            g.detach(order)
        equal(had[2], had[0], "the address that the third subscriber has")
        s.net.address(s.net.caller, f"{had[0]}/32", "lo")
        s.net.run(s.net.callee, "ip", "route", "add", f"{had[0]}/32", "via", "192.0.2.1")
        s.sip(had[0], None)  # nobody's
        s.finish(gtpv1=9)


main()
