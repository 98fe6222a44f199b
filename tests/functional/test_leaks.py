#!/usr/bin/python3
"""The leak hunt: a thousand identities that nobody else has, ordered and in the traffic, through a day on which everything goes
wrong. Afterwards they are searched, in every way in which they could be written down, in all that is not the LI side's; and in
what is, where it must not name them either."""

import base64
import grp
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import subprocess
import time
import urllib.parse

import identities
import pcap
import x2tap_test as x2
from tap import Skip, case, equal, main, say
from wire import wire

SEED = int(os.environ.get("X2TAP_SEED", "20261125"))
RATE = 250 if x2.SANITIZED else 800  # frames a second
USER, OTHER = "daemon", "nobody"  # whom x2tap becomes, and who looks
DID, WRONG_DID = x2.DID, x2.xid("a destination with a wrong certificate")
SET = x2.xid("set")
BIG = 16 << 20  # octets: files of other programs that are longer are not read

LOOK = """
import os, sys
# All that this user can read of a process.
out = sys.stdout.buffer
for top, _, files in os.walk("/proc/" + sys.argv[1]):
    for name in files:
        path = os.path.join(top, name)
        try:
            out.write(os.fsencode(path + " -> " + os.readlink(path) + "\\n"))
        except OSError:
            pass
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            octets = os.read(fd, 1 << 20)
            os.close(fd)
            out.write(os.fsencode("== " + path + "\\n") + octets + b"\\n")
        except OSError:
            pass
"""


# --- who is ordered, and what they say ---------------------------------------------------------------------------------------


SIGNALLED = {
    kind: (identities.accounting, identities.contexts) for kind in ("imsi", "supiimsi", "imei", "peiImei", "peiImeisv", "gpsiMsisdn")
} | {
    "nai": (identities.accounting,), "radiusAttribute": (identities.accounting,), "gtpcTunnelId": (identities.contexts,),
    "macAddress": (identities.leases, identities.accounting),
}  # fmt: skip


class People:
    """The identities, their tasks, their traffic, and what must not be found of all that."""

    def __init__(self, seed):
        rng = random.Random(seed + 1)
        self.rng = rng
        self.all = identities.some(seed)
        lists = ([DID], [DID, WRONG_DID], [{"dSId": SET}])
        self.tasks = []
        for i, who in enumerate(self.all):
            order = x2.task([who.identifier], name=f"{seed}/{i}", destinations=lists[i % 3])
            order["xId"] = identities.new_uuid(rng)
            self.tasks.append(order)
        self.of_persons, self.with_tasks = identities.Hunter(), identities.Hunter()
        for i, who in enumerate(self.all):
            self.secret(f"identity {i} ({who.kind})", identities.forms(who))
        for i, order in enumerate(self.tasks):
            octets = bytes.fromhex(order["xId"].replace("-", ""))
            forms = [*identities.text_forms(order["xId"]), ("binary", octets), *identities.octet_forms(octets)]
            self.with_tasks.add(f"task {i}", forms)
        self.frames = [frame for i in range(len(self.all)) for frame in (*self.sign_on(i), *self.say(i))]

    def secret(self, name, forms):
        forms = list(forms)
        self.of_persons.add(name, forms)
        self.with_tasks.add(name, forms)

    def token(self, name):
        found = identities.word(self.rng, 16)
        self.secret(name, identities.text_forms(found))
        return found

    def sign_on(self, i):
        """Frames that tell who has which address: of whom RADIUS, DHCP or GTP-C may show, and of some others."""
        who = self.all[i]
        self.bound = None
        if who.kind not in SIGNALLED:
            return
        self.bound = identities.ipv4(self.rng)
        self.secret(f"bound address of {i}", identities.address_forms(self.bound))
        line = identities.line_of(who, i, self.token(f"session of {i}"), self.bound)
        line.password = self.token(f"password of {i}")
        for tell in SIGNALLED[who.kind]:
            yield from tell(line)

    def say(self, i):
        """Frames of one of them: a call to the next one, and a message."""
        who, peer = self.all[i], self.all[(i + 1) % len(self.all)]
        macs = b"\x02" + self.rng.randbytes(5) + b"\x02" + self.rng.randbytes(5)
        for octets in (macs[:6], macs[6:]):
            self.secret(f"MAC of {i}", identities.mac_forms(octets))
        uri = who.identifier.get("sipUri") or who.identifier.get("impu") or who.identifier.get("telUri")
        uri = uri or (f"tel:+{who.numbers[0]}" if who.numbers else "sip:anonymous@anonymous.invalid")
        to = f"sip:{peer.user() or 'somebody'}@example.com"
        extra = ""
        if who.kind in ("impi", "nai"):
            extra = f'Authorization: Digest username="{who.identifier[who.kind]}", realm="example.com"\r\n'
        source = who.addresses[0] if who.addresses else self.bound or "192.0.2.10"
        destination = "2001:db8::20" if ":" in str(source) else "192.0.2.20"
        call, text = self.token(f"Call-ID of {i}"), self.token(f"content of {i}")
        sdp = f"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns={text}\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        requests = (
            identities.sip("INVITE", to, uri, call, 1, sdp.encode(), extra),
            identities.sip("MESSAGE", to, uri, f"{call}-m", 2, text.encode(), extra),
        )
        for request in requests:
            yield identities.frame(source, destination, request, teid=who.teid, macs=macs)


# --- the bad day ---------------------------------------------------------------------------------------------------------------


class Day:
    """x2tap, its LI directory, everything outside of it, and what was seen of it."""

    def __init__(self, w, directory, people):
        self.wire, self.directory, self.people = w, directory, people
        self.began = time.time()
        self.outside = []  # (place, octets)
        self.happened = set()  # faults that the LI side saw
        directory.chmod(0o755)
        self.li, self.run, self.given = (directory / name for name in ("li", "run", "given"))
        for path, mode in ((self.li, 0o700), (self.run, 0o755), (self.given, 0o700)):
            path.mkdir()
            path.chmod(mode)
        self.spool = self.li / "spool"
        self.spool.mkdir()
        self.is_mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", self.spool], capture_output=True
        ).returncode == 0  # fmt: skip
        for name in ("ne.pem", "ne.key", "ca.pem"):
            shutil.copy(x2.certificates() / name, self.li / name)
        for name in ("master", "another", "hmac"):
            (self.li / f"{name}.key").write_text(os.urandom(32).hex() + "\n")
            (self.li / f"{name}.key").chmod(0o600)
        pcap.write(self.given / "day.pcap", [pcap.Frame(i, 0, octets) for i, octets in enumerate(people.frames, 1)])
        ports = {DID: x2.free_port(), WRONG_DID: x2.free_port()}
        self.tap = x2.Tap(
            self.run, [], ports, 1, w.vdevs(), w.ports(), inside=w.inside(w.tap), user=USER, log_level="debug",
            destination={"queue_mib": 1, "keepalive_interval": "500ms", "keepalive_timeout": "2s"},
            sets={"failover_after": "1s"}, shutdown_timeout="1s", journal=self.li / "journal",
            targets={"file": self.li / "targets.yaml", "max_size_mib": 1},
            tls={"cert": self.li / "ne.pem", "key": self.li / "ne.key", "ca": self.li / "ca.pem"},
            spool={"directory": self.spool, "master_key": self.li / "master.key", "segment_kib": 64},
            audit={"file": self.li / "audit.jsonl", "hmac_key": self.li / "hmac.key"},
            control={"socket": self.run / "tap.sock", "operator_group": grp.getgrgid(pwd.getpwnam(OTHER).pw_gid).gr_name},
            bindings={"max_sessions": 4096, "sources": identities.SOURCES},
        )  # fmt: skip
        self.tap.targets.unlink()
        self.tap.targets = self.li / "targets.yaml"
        self.good_targets()
        self.tap.config.chmod(0o644)

    def own(self):
        owner = pwd.getpwnam(USER)
        for path in (self.li, *self.li.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    def good_targets(self):
        self.tap.order(self.people.tasks, [x2.destination_set(SET, "Redundant", WRONG_DID, DID)])
        self.own()

    def start(self):
        self.own()
        self.tap.start(env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        self.tap.ready()
        return self

    def pass_traffic(self):
        before = self.tap.ask("counters")["ports"][0]["received"]
        sender = self.wire.replay(self.given, self.given / "day.pcap", RATE)
        equal(x2.finish(sender), 0, f"sender: {x2.said(sender)}")
        most = len(self.people.frames) * 9 // 10  # a busy host's veth drops some: leaks are hunted here, not losses
        x2.wait_for(
            "the traffic", lambda: self.tap.ask("counters")["ports"][0]["received"] - before >= most
        )

    def see(self, place, octets):
        self.outside.append((place, octets if isinstance(octets, bytes) else octets.encode()))

    def note_faults(self):
        self.happened |= {f"{fault['name']}: {fault['text']}" for fault in self.tap.ask("faults")["faults"]}

    def look(self, stage):
        """What the operator and any other user see now."""
        self.note_faults()
        self.ask_for_bindings()
        # Whether there is such a task is not told either.
        xid = self.people.tasks[0]["xId"]
        for request in ("status", "counters", "faults", "check", "reload", f"bindings {xid}", "audit", ""):
            answer = x2.ask_as(OTHER, self.tap.socket, request)
            self.see(f"operator's {request.split(' ')[0]} {stage}", answer)
            if request.startswith(("reload", "bindings")):
                assert "LI group" in answer, answer
        for words in (["status"], ["counters"], ["faults"], ["check"], ["reload"], ["bindings", xid], ["--json", "status"]):
            done = x2.run_as(OTHER, [x2.program_for_all("x2ctl"), "--socket", self.tap.socket, *words])
            self.see(f"x2ctl {words[0]} {stage}", done.stdout + done.stderr)
        done = x2.run_as(OTHER, ["/usr/bin/python3", "-c", LOOK, str(self.tap.process.pid)])
        assert b"VmRSS" in done.stdout, done.stderr
        self.see(f"/proc of x2tap {stage}", done.stdout)

    def ask_for_bindings(self):
        """As somebody of the LI side: of one of each kind, and of nobody."""
        tasks = {who.kind: order["xId"] for who, order in zip(self.people.all, self.people.tasks, strict=True)}
        answers = {kind: self.tap.ask(f"bindings {xid}") for kind, xid in tasks.items()}
        self.tap.ask(f"bindings {x2.xid('nobody')}")
        self.tap.ask(f"bindings {self.people.all[0].words[0]}")
        self.bindings = {kind: answer["bindings"] for kind, answer in answers.items() if answer.get("bindings")}
        self.counters = self.tap.ask("counters")

    def broken_files(self):
        """Target files with faults in them and identities beside the faults."""
        some = self.people.rng.sample(self.people.all, 40)
        by = lambda kind: next(who for who in some + self.people.all if who.kind == kind)  # noqa: E731
        head = (
            f"format: 1\ndestinations:\n  - {{dId: {DID}, deliveryType: X2Only, deliveryAddress: {{ipAddressAndPort: "
            f'{{address: "127.0.0.1", tcpPort: "4"}}}}}}\ntasks:\n'
        )
        sip, number, v4, v6 = by("sipUri"), by("number"), by("ipv4Address"), by("ipv6Address")
        xids = [order["xId"] for order in self.people.tasks[:9]]

        def task(identifier, xid=xids[0], did=DID):
            return f"  - {{xId: {xid}, deliveryType: X2Only, listOfDIDs: [{did}], targetIdentifiers: [{identifier}]}}\n"

        uri, user = sip.identifier["sipUri"], sip.words[0]
        yield "syntax", head + f"  - {{xId: {xids[0]}, targetIdentifiers: [sipUri: {uri}\n"
        yield "no YAML", f"{uri}\x00\x01{number.numbers[0]}"
        yield "values", head + "".join(
            task(text, xid) for text, xid in zip((
                f'{{sipUri: "{uri}:99999999"}}', f'{{sipUri: "mailto:{user}@example.com"}}', f'{{ipv4Address: "{v4.addresses[0]}/33"}}',
                f'{{ipv6Address: "{v6.addresses[0].compressed}"}}', f'{{e164Number: "+{number.numbers[0]} 0"}}',
                f'{{telUri: "{number.numbers[0]}"}}', f'{{gtpuTunnelId: "{by("teid").teid}0"}}', f'{{sipUri: "{user}"}}',
                f'{{ipv4Cidr: {{IPv4CIDR: "{v4.addresses[0]}/3"}}}}',
            ), xids)
        )  # fmt: skip
        yield "values of signals", head + "".join(
            task(text, xid) for text, xid in zip((
                f'{{imsi: "{by("imsi").numbers[0]}0"}}', f'{{supiimsi: "{by("supiimsi").numbers[0]}-"}}',
                f'{{imei: "{by("imei").numbers[0]}x"}}', f'{{peiImeisv: "{by("peiImeisv").numbers[0]}1"}}',
                f'{{gpsiMsisdn: "{by("gpsiMsisdn").numbers[0]}12345"}}', f'{{macAddress: "{by("macAddress").mac.hex(":")}:00"}}',
                f'{{radiusAttribute: "{by("radiusAttribute").identifier["radiusAttribute"]}0"}}',
                f'{{gtpcTunnelId: "{by("gtpcTunnelId").control}0"}}', f'{{nai: "{by("nai").identifier["nai"]}@"}}',
            ), xids)
        )  # fmt: skip
        yield "keys", head + task(f'{{"{user}": "{number.numbers[0]}"}}') + f'"{uri}": 1\n'
        yield "twice", head + 2 * task(f'{{sipUri: "{uri}"}}')
        yield "combination", head + task(f'{{sipUri: "{uri}"}}, {{telUri: "tel:+{number.numbers[0]}"}}')
        yield "destination", head + task(f'{{sipUri: "{uri}"}}', did=x2.xid("nobody's"))
        yield "size", head + 1500 * task(f'{{sipUri: "{uri}"}}, {{ipv4Address: "{v4.addresses[0]}"}}'.ljust(700))

    def break_targets(self):
        for name, text in self.broken_files():
            self.tap.targets.write_text(text)
            self.tap.process.send_signal(signal.SIGHUP)
            answer = self.tap.ask("reload")
            assert not answer["ok"], f"the target file with faults ({name}) was taken: {answer}"
            self.note_faults()
        self.good_targets()
        for mode in (0o644, 0o600):
            self.tap.targets.chmod(mode)
            self.tap.process.send_signal(signal.SIGHUP)
            equal(self.tap.ask("reload")["ok"], mode == 0o600, f"reload of a file with mode {mode:o}")
            self.note_faults()

    def world(self):
        """Every file outside of the LI directory: in the test's, and what appeared since the start where programs put things. The
        MF's files and the capture are not x2tap's."""
        skip = {self.li, self.given}
        for path in self.files(self.directory, skip):
            yield path, False
        for top in ("/tmp", "/var/tmp", "/run", "/dev/shm", "/var/log", "/var/crash", os.getcwd()):
            # What other tests of ours do at the same time is left alone.
            for path in self.files(pathlib.Path(top), {self.directory, x2.certificates()}, others=True):
                yield path, True

    def files(self, top, skip, others=False):
        for at, directories, names in os.walk(top):
            directories[:] = [
                d for d in directories
                if pathlib.Path(at, d) not in skip and not (others and (d.startswith(("x2tap-", "bash_jobs", ".git", "build")) or os.path.ismount(os.path.join(at, d))))
            ]  # fmt: skip
            for name in names:
                path = pathlib.Path(at, name)
                try:
                    state = path.lstat()
                except OSError:
                    continue
                if not others or max(state.st_mtime, state.st_ctime) >= self.began and state.st_size <= BIG:
                    yield path

    def go(self):
        tap = self.tap
        ports = tap.mf_ports
        # The MF is away, another has the wrong certificate, the spool is on a disk that fills.
        wrong = x2.Mf(self.given, port=ports[WRONG_DID], cert="mf-wrong-name", name="wrong", inside=self.wire.inside(self.wire.tap))
        self.start()
        self.pass_traffic()
        self.fill_queues()
        x2.wait_for("faults", lambda: {"mf unreachable", "mf certificate", "loss"} <= {f["name"] for f in tap.ask("faults")["faults"]})
        self.look("with the MF away")
        self.break_targets()
        tap.ask(f"{self.people.all[0].identifier['sipUri']}")  # somebody of the LI side types nonsense
        self.look("after reloads of broken files")
        tap.process.kill()
        x2.finish(tap.process)
        self.keep_li("after kill -9")
        # Another master key.
        tap.content["spool"]["master_key"] = self.li / "another.key"
        tap.write_config()
        self.start()
        self.pass_traffic()
        self.look("with another master key")
        tap.process.send_signal(signal.SIGABRT)
        equal(x2.finish(tap.process), -signal.SIGABRT, "end by SIGABRT")
        # A damaged audit log and journal, no HMAC key, an MF that dies.
        self.damage(self.li / "audit.jsonl")
        self.damage(self.li / "journal")
        tap.content["spool"]["master_key"] = self.li / "master.key"
        tap.write_config()
        mf = x2.Mf(self.given, port=ports[DID], inside=self.wire.inside(self.wire.tap))
        self.start()
        # The kernel's first look at the traffic is over; what waited on disk comes, and goes on to come.
        x2.wait_for("what waited", lambda: len(mf.lines()) > 100)
        mf.process.kill()
        self.pass_traffic()
        self.look("after the MF died")
        self.keep_li("before the stop")
        tap.stop(code=3)
        wrong.stop()
        self.see("log", tap.process.log.read_bytes())
        for path, is_others in self.world():
            self.see("names of files", str(path))
            if path.is_file() and not path.is_symlink() and (is_others or path != tap.process.log):
                try:
                    self.see(("a new file of somebody's: " if is_others else "file: ") + str(path), path.read_bytes())
                except OSError:
                    pass
        say(f"faults: {sorted(self.happened)}")
        return self

    def fill_queues(self):
        """Until queue and spool are full."""
        lost = lambda: sum(d["lost_queue_full"] + d["lost_spool_full"] for d in self.tap.ask("counters")["destinations"])  # noqa: E731
        for _ in range(5):
            if lost():
                return
            self.pass_traffic_renamed()
        x2.wait_for("a loss", lost)

    def pass_traffic_renamed(self):
        """The same as new messages: Via tells them apart."""
        self.turn = getattr(self, "turn", 0) + 1
        frames, _ = pcap.read(self.given / "day.pcap")
        for frame in frames:
            frame.octets = frame.octets.replace(b"z9hG4bK", b"z9hG%03d" % self.turn)
        pcap.write(self.given / "day.pcap", frames)
        self.pass_traffic()

    def keep_li(self, stage):
        """The LI directory's files as they are now."""
        self.inside = getattr(self, "inside", [])
        for path in self.li.rglob("*"):
            if path.is_file() and path.suffix != ".key" and "targets" not in path.name:
                octets = path.read_bytes()
                if path.name == "journal":  # most of it was never used
                    pages = (octets[at : at + 4096] for at in range(0, len(octets), 4096))
                    octets = b"".join(page for page in pages if page.strip(b"\0"))
                self.inside.append((f"{path.relative_to(self.li)} {stage}", octets))
        self.see("names of files", "\n".join(str(path) for path in self.li.rglob("*")))

    def damage(self, path):
        octets = bytearray(path.read_bytes())
        octets[len(octets) // 2] ^= 0x20
        path.write_bytes(octets)


days = []


def day():
    x2.need_root()
    x2.need_tool("mount")
    if not days:
        say(f"seed {SEED}")
        people = People(SEED)
        equal(len(people.all), 1000, "identities")
        say(f"{people.with_tasks.count} patterns, {len(people.frames)} frames")
        with wire() as w, x2.workspace() as directory:
            found = Day(w, directory, people)
            try:
                days.append(found.go())
            except Exception:
                say(found.tap.said()[-3000:] if found.tap.process else "")
                raise
            finally:
                if found.is_mounted:
                    subprocess.run(["umount", "-l", found.spool], capture_output=True)
    return days[0]


def hunt(hunter, places, is_random=False):
    """{place: what was found there}, without the places where there is nothing."""
    together = {}
    for place, octets in places:
        together.setdefault(place, []).append(octets)
    found = {place: hunter.found(b"\n".join(parts), is_random or place.startswith("a new file")) for place, parts in together.items()}
    return {place: names[:5] for place, names in found.items() if names}


@case("the hunter finds each identity in each form in which it could be written, and nothing where there is nothing")
def _():
    people = People(SEED)
    rng = random.Random(SEED)
    noise = ("".join(rng.choices("0123456789abcdefghijklmnopqrstuvwxyz :.-\n", k=3000))).encode()
    equal(people.with_tasks.found(noise), [], "found in noise")
    equal(people.with_tasks.found(rng.randbytes(1 << 21), is_random=True), [], "found in random octets")
    # One of each kind in each form, seeded into the noise.
    planted = set()
    seen = set()
    for i, who in enumerate(people.all):
        if who.kind in seen:
            continue
        seen.add(who.kind)
        for form, octets in identities.forms(who):
            at = rng.randrange(len(noise))
            names = people.with_tasks.found(noise[:at] + octets + noise[at:])
            assert any(name.startswith(f"identity {i} ") for name in names), f"{who.kind}, {form}: not found, only {names}"
            planted.add((who.kind, form))
    say(f"{len(planted)} kinds and forms")
    # And as a program would have written it, not as the patterns were made.
    who = people.all[0]
    text = who.identifier["sipUri"]
    for octets in (
        base64.b64encode(b"From: <" + text.encode() + b">"), base64.b64encode(b"x" + text.encode()), base64.urlsafe_b64encode(text.encode()),
        urllib.parse.quote(text, safe="").encode(), ("F: " + text).encode("utf-16"), repr(text.encode()).encode(),
    ):  # fmt: skip
        assert people.of_persons.found(noise + octets + noise), f"{octets} not found"


@case("a leak that is seeded into any of the places is caught there and nowhere else")
def _():
    d = day()
    who = d.people.all[7]
    places = sorted({place for place, _ in d.outside})
    for kind in ("log", "operator's status", "x2ctl", "/proc of", "names of files", "file: ", "a new file"):
        chosen = [place for place in places if place.startswith(kind)]
        if not chosen and kind in ("a new file", "file: "):
            continue
        assert chosen, f"no place is {kind}: {places}"
        leaking = [*[p for p in d.outside if p[0] == chosen[0]], (chosen[0], who.words[0].encode().hex().encode())]
        found = hunt(d.people.with_tasks, leaking)
        assert any("identity 7 (sipUri): hex" in name for name in found.get(chosen[0], [])), f"{chosen[0]}: {found}"
    number = next(who for who in d.people.all if who.kind == "number")
    tbcd = dict(identities.number_forms(number.numbers[0]))["TBCD"]
    for kind in ("audit", "spool", "journal"):
        place, octets = next(p for p in d.inside if p[0].startswith(kind))
        found = hunt(d.people.of_persons, [(place, octets[:100] + tbcd + octets[100:])], is_random=kind != "audit")
        assert any("(number): TBCD" in name for name in found.get(place, [])), f"{place}: {found}"


@case("RADIUS, DHCP and GTP-C were reported, and bound addresses to those whom they show")
def _():
    d = day()
    for protocol in ("radius", "dhcpv4", "dhcpv6", "gtpv1c", "gtpv2c"):
        assert d.counters[protocol]["parsed"] > 0, f"{protocol}: {d.counters[protocol]}"
    assert d.counters["matching_signals"]["reported"] > 500, d.counters["matching_signals"]
    assert d.counters["bindings"]["sessions"] > 300, d.counters["bindings"]
    equal(set(d.bindings), set(SIGNALLED) - {"radiusAttribute", "gtpcTunnelId"}, "kinds of targets with bindings")


@case("everything did go wrong that was to go wrong")
def _():
    d = day()
    for words in (
        "mf unreachable: MF at 127.0.0.1", "mf certificate: ", "loss: ", "queue: ", "targets: the target file has faults",
        "targets: .*targets.yaml.*0644", "audit: .*damaged or cut", "journal: .*damaged",
    ):  # fmt: skip
        assert any(re.match(words, text) for text in d.happened), f"no fault {words!r} in {sorted(d.happened)}"
    spool = [text for text in d.happened if text.startswith("spool: ")]
    assert any("another master key" in text for text in spool), f"no fault about the master key: {spool}"
    if d.is_mounted:
        assert any("space" in text for text in spool), f"no fault about a full disk: {spool}"
    audited = b"".join(octets for place, octets in d.inside if place.startswith("audit"))
    asked = re.findall(rb'"request":"bindings","xid":"([^"]*)"', audited)
    assert d.people.tasks[0]["xId"].encode() in asked, "who asked for bindings, and whose, is not in the audit log"
    known = sum(order["xId"].encode() in audited for order in d.people.tasks)
    equal(known, len(d.people.tasks), "tasks of which the audit log tells")


def nothing_in(kind):
    d = day()
    places = [p for p in d.outside if p[0].startswith(kind)]
    size = sum(len(octets) for _, octets in places)
    say(f"{len(places)} of them, {size} octets")
    if kind != "a new file":
        assert size > 0, f"nothing was seen of {kind}"
    found = hunt(d.people.with_tasks, places)
    assert not found, f"leaks: {found}"


@case("the general log at debug level names nobody and no task")
def _():
    nothing_in("log")


@case("no answer to the operator names anybody or any task")
def _():
    nothing_in("operator's")
    nothing_in("x2ctl")


@case("no entry in /proc that another user can read names anybody or any task")
def _():
    nothing_in("/proc of")


@case("no file outside the LI directory names anybody or any task, nor does the name of any file")
def _():
    nothing_in("names of files")
    nothing_in("file: ")
    nothing_in("a new file")
    d = day()
    cores = [octets for place, octets in d.outside if place == "names of files" and re.search(rb"/core(\.\d+)?$", octets)]
    equal([c for c in cores if str(d.directory).encode() in c], [], "core files")


@case("the audit log names tasks, but no identity, address or content")
def _():
    d = day()
    places = [p for p in d.inside if p[0].startswith("audit")]
    assert places, d.inside
    found = hunt(d.people.of_persons, places)
    assert not found, f"leaks: {found}"


@case("spool and journal name nobody in any form")
def _():
    d = day()
    for kind, hunter in (("spool", d.people.with_tasks), ("journal", d.people.of_persons)):
        places = [p for p in d.inside if p[0].startswith(kind)]
        size = sum(len(octets) for _, octets in places)
        say(f"{kind}: {len(places)} files, {size} octets")
        assert size > 65536, f"hardly anything in {kind}: {size} octets"
        found = hunt(hunter, places, is_random=True)
        assert not found, f"leaks: {found}"


if not shutil.which("openssl"):
    raise Skip("openssl is not installed")
main()
