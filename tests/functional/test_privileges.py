#!/usr/bin/python3
"""What x2tap still may do, and what others see of it, once it has started as root and become somebody else: every thread, files
and sockets left behind, reloads as the new user. And which EAL options it adds or refuses."""

import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import subprocess

import pcap
import x2tap_test as x2
from tap import Skip, case, equal, main, say

USER = "nobody"
ALICE = x2.task([{"sipUri": "sip:alice@example.com"}])
BOB = x2.task([{"sipUri": "sip:bob@example.com"}])
CAP_DAC_OVERRIDE = 1 << 1


# Another DPDK program that wants to be x2tap's secondary process.
ATTACH = """
import ctypes, sys
eal = ctypes.CDLL("librte_eal.so.23")
words = [b"second", b"--proc-type=secondary", b"--no-pci", b"--no-telemetry"]
argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
sys.exit(0 if eal.rte_eal_init(len(words), argv) >= 0 else 7)
"""


def user():
    x2.need_root()
    return pwd.getpwnam(USER)


def eal_files():
    """What EAL could leave where others find it: sockets, locks and maps, and hugepages."""
    roots = [pathlib.Path("/run/dpdk"), pathlib.Path("/dev/hugepages"), *hugepage_mounts()]
    return sorted({str(path) for root in roots if root.is_dir() for path in root.rglob("*")})


def hugepage_mounts():
    lines = pathlib.Path("/proc/mounts").read_text().splitlines()
    return [pathlib.Path(line.split()[1]) for line in lines if line.split()[2] == "hugetlbfs"]


class Started:
    """x2tap without traffic, its files in a directory of the user's."""

    def __init__(self, directory, tasks=(), eal=None, workers=2, **sections):
        self.directory = directory
        directory.chmod(0o755)
        pcap.write(directory / "in.pcap", [])
        vdevs, ports, _ = x2.file_pair(directory, directory / "in.pcap")
        self.own = directory / "own"
        self.own.mkdir(mode=0o700)
        for name in ("ne.pem", "ne.key", "ca.pem"):
            shutil.copy(x2.certificates() / name, self.own / name)
        self.tap = x2.Tap(
            directory, tasks, {x2.DID: x2.free_port()}, workers, vdevs, ports, targets=self.own / "targets.yaml",
            tls={"cert": self.own / "ne.pem", "key": self.own / "ne.key", "ca": self.own / "ca.pem"}, **sections,
        )  # fmt: skip
        self.tap.targets = self.own / "targets.yaml"
        self.order(tasks)
        self.ended = False  # by the case itself
        self.eal = eal or ["--no-huge", "-m", "256"]
        self.environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # which attaches like a debugger

    def give(self, to):
        for path in (self.own, *self.own.iterdir()):
            os.chown(path, to.pw_uid, to.pw_gid)

    def order(self, tasks):
        self.tap.order(tasks)
        owner = self.own.stat()
        os.chown(self.tap.targets, owner.st_uid, owner.st_gid)

    def command(self):
        plain = self.tap.command()
        first = plain.index("--lcores")
        return [plain[0], "--no-pci", *self.eal, *plain[first:]]

    def __enter__(self):
        before = eal_files()
        self.tap.process = x2.start(self.command(), self.directory / "tap.log", env=self.environment)
        self.tap.ready()
        x2.wait_for("x2tap to forward", lambda: " forwards: " in self.tap.said())
        self.left = sorted(set(eal_files()) - set(before))
        return self

    def __exit__(self, *failed):
        if self.ended:
            return
        if not failed[0]:
            self.tap.stop()
        elif self.tap.process.poll() is None:
            say(self.tap.said()[-3000:])
            x2.stop(self.tap.process, signal.SIGKILL)

    def pid(self):
        return self.tap.process.pid

    def threads(self):
        """{name/number: {field: value}} of /proc/PID/task/*/status."""
        found = {}
        for status in pathlib.Path(f"/proc/{self.pid()}/task").glob("*/status"):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            fields = {name: value.strip() for name, value in fields.items()}
            found[f"{fields['Name']}/{status.parent.name}"] = fields
        return found

    def capabilities(self, field):
        return {name: int(fields[field], 16) for name, fields in self.threads().items()}


def as_user(to, command):
    return subprocess.run(
        command, capture_output=True, text=True, user=to.pw_uid, group=to.pw_gid, extra_groups=[], cwd="/"
    )


@case("every thread is the user's, in no other group, without capabilities or a way to new ones")
def _():
    nobody = user()
    with x2.workspace() as directory:
        started = Started(directory, user=USER)
        started.give(nobody)
        with started:
            threads = started.threads()
            say(sorted(threads))
            assert len(threads) >= 4, f"no threads of EAL's: {list(threads)}"  # main, two workers, interrupts
            groups = {str(group) for group in os.getgrouplist(USER, nobody.pw_gid)}
            for name, fields in threads.items():
                equal(fields["Uid"].split(), [str(nobody.pw_uid)] * 4, f"{name}: users")
                equal(fields["Gid"].split(), [str(nobody.pw_gid)] * 4, f"{name}: groups")
                equal(set(fields["Groups"].split()), groups, f"{name}: supplementary groups")
                for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    equal(int(fields[field], 16), 0, f"{name}: {field}")
                equal(fields["NoNewPrivs"], "1", f"{name}: NoNewPrivs")


@case("a thread that a reload starts has no more than the others")
def _():
    nobody = user()
    with x2.workspace() as directory:
        started = Started(directory, user=USER)
        started.give(nobody)
        with started:
            before = set(started.threads())
            seen = {}
            # A target file that takes a while, so that its thread is seen.
            started.order([x2.task([{"e164Number": f"49{i:010}"}], name=str(i)) for i in range(20000)])
            started.tap.process.send_signal(signal.SIGHUP)
            x2.wait_for(
                "the thread of the load",
                lambda: seen.update({n: f for n, f in started.threads().items() if n not in before}) or seen,
            )
            for name, fields in seen.items():
                equal((fields["Uid"].split()[1], int(fields["CapPrm"], 16)), (str(nobody.pw_uid), 0), name)
            x2.wait_for("the load", lambda: started.tap.said().count("targets: loaded") == 2)


@case("without a user root stays, with one capability: to read at a reload what it could read at the start")
def _():
    nobody = user()
    with x2.workspace() as directory:
        started = Started(directory, [ALICE])
        with started:
            for field in ("CapPrm", "CapEff"):
                equal(set(started.capabilities(field).values()), {CAP_DAC_OVERRIDE}, field)
            for field in ("CapInh", "CapBnd", "CapAmb"):
                equal(set(started.capabilities(field).values()), {0}, field)
            os.chown(started.own / "ne.key", nobody.pw_uid, nobody.pw_gid)  # mode 0600: not for root without it
            equal(started.tap.ask("reload")["ok"], True, "reload")


@case("no core file, not dumpable: not even its own user looks into it")
def _():
    nobody = user()
    if x2.SANITIZED:
        raise Skip("sanitizer builds stay dumpable: their leak checker attaches like a debugger")
    with x2.workspace() as directory:
        started = Started(directory, user=USER)
        started.give(nobody)
        with started:
            limits = pathlib.Path(f"/proc/{started.pid()}/limits").read_text()
            equal(re.search(r"Max core file size\s+(\S+)\s+(\S+)", limits).groups(), ("0", "0"), "core file size")
            for name in ("mem", "maps", "environ", "fd", "auxv"):
                equal(os.stat(f"/proc/{started.pid()}/{name}").st_uid, 0, f"owner of /proc/PID/{name}")
            for name in ("maps", "environ"):
                done = as_user(nobody, ["cat", f"/proc/{started.pid()}/{name}"])
                assert done.returncode != 0, f"its own user reads {name}"
            started.tap.process.send_signal(signal.SIGABRT)
            started.ended = True
            equal(x2.finish(started.tap.process), -signal.SIGABRT, "end")
            equal([path.name for path in directory.rglob("*core*")], [], "core files")


def may_lift_limit():
    """Whether a process like this one may lock any amount of memory: tried in one that ends at once."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            os._exit(0)
        except (OSError, ValueError):
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@case("memory is locked, with no limit where root may lift it, else what was taken at the start, and that is said")
def _():
    nobody = user()
    if x2.SANITIZED:
        raise Skip("AddressSanitizer's shadow is larger than any memory")

    can_lift = may_lift_limit()
    with x2.workspace() as directory:
        started = Started(directory, user=USER)
        started.give(nobody)
        with started:
            locked = int(started.threads().popitem()[1]["VmLck"].split()[0])
            say(f"{locked} kB locked, RLIMIT_MEMLOCK {'lifted' if can_lift else 'cannot be lifted here'}")
            assert locked > 256 * 1024, f"only {locked} kB of memory are locked"
            equal("is not locked" in started.tap.said(), not can_lift, f"warning: {started.tap.said()}")
            # Later on it must still get memory: for orders, threads and stacks.
            started.order([x2.task([{"e164Number": f"49{i:010}"}], name=str(i)) for i in range(50000)])
            equal(started.tap.ask("reload").get("added"), 50000, "a large reload")


def make_certificate(directory, name):
    """Another certificate for the tap, by the CA of the tests."""
    ca = x2.certificates()
    key, request, cert = (directory / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
    extensions = directory / f"{name}.ext"
    extensions.write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=DNS:ne.example.net\n")
    for command in (
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
         "-subj", f"/O=x2tap test/CN=x2tap test {name}"],
        ["x509", "-req", "-in", request, "-CA", ca / "ca.pem", "-CAkey", ca / "ca.key", "-set_serial", "4711", "-days", "365",
         "-extfile", extensions, "-out", cert],
    ):  # fmt: skip
        subprocess.run(["openssl", *command], check=True, capture_output=True)


@case("targets and certificates are reloaded as the user")
def _():
    nobody = user()
    with x2.workspace() as directory:
        mf = x2.Mf(directory, port=x2.free_port())
        started = Started(directory, [ALICE], user=USER)
        started.tap.mf_ports = {x2.DID: mf.port}
        started.order([ALICE])
        started.give(nobody)
        tap = started.tap
        with started:
            up = lambda: tap.ask("status")["destinations"][0]["state"] == "up"  # noqa: E731
            x2.wait_for("the connection", up)
            started.order([ALICE, BOB])
            equal(tap.ask("reload").get("added"), 1, "tasks added")
            # Root's with the group of the user is fine as well; root's alone is not, and says so.
            os.chown(tap.targets, 0, nobody.pw_gid)
            tap.targets.chmod(0o640)
            equal(tap.ask("reload")["ok"], True, "reload of root's file with the group of the user")
            tap.targets.chmod(0o600)
            answer = tap.ask("reload")
            equal(answer["ok"], False, "reload of root's own file")
            assert f"cannot be read by user {nobody.pw_uid}" in answer["error"], answer
            started.order([ALICE, BOB])
            # Another certificate, swapped by rename(2).
            connects = tap.ask("counters")["destinations"][0]["connects"]
            make_certificate(directory, "other")
            for suffix in ("pem", "key"):
                fresh = directory / f"other.{suffix}"
                fresh.chmod(0o600)
                os.chown(fresh, nobody.pw_uid, nobody.pw_gid)
                fresh.rename(started.own / f"ne.{suffix}")
            equal(tap.ask("reload")["ok"], True, "reload with another certificate")
            x2.wait_for("a connection with it", lambda: tap.ask("counters")["destinations"][0]["connects"] > connects and up())
        mf.stop()


@case("files that x2tap writes are for their owner alone")
def _():
    user()
    with x2.workspace() as directory:
        with Started(directory):
            for name in ("back.pcap", "out.pcap"):
                equal(oct((directory / name).stat().st_mode & 0o077), oct(0), name)


@case("EAL leaves no file, no socket, and nothing for a second process to attach to")
def _():
    user()
    with x2.workspace() as directory:
        started = Started(directory)
        with started:
            equal(started.left, [], "files of EAL's")
            sockets = pathlib.Path("/proc/net/unix").read_text()
            inodes = {os.readlink(path) for path in pathlib.Path(f"/proc/{started.pid()}/fd").iterdir()}
            named = [
                line.split()[7]
                for line in sockets.splitlines()[1:]
                if len(line.split()) > 7 and f"socket:[{line.split()[6]}]" in inodes
            ]
            equal(sorted(set(named)), [str(started.tap.socket)], "UNIX sockets with a name")
            second = subprocess.run(
                [x2.program("x2tap"), "--proc-type=secondary", "--no-pci", "--", "--config", started.tap.config],
                capture_output=True, text=True,
            )  # fmt: skip
            equal(second.returncode, 2, "exit code of a second process")
            assert "--proc-type=secondary" in second.stderr, second.stderr
            other = subprocess.run(["/usr/bin/env", "python3", "-c", ATTACH], capture_output=True, text=True)
            say(other.stderr.strip()[-300:])
            equal(other.returncode, 7, "rte_eal_init() of a second process")


@case("the telemetry socket is there when it is asked for, and not otherwise")
def _():
    user()
    with x2.workspace() as directory:
        with Started(directory, eal=["--no-huge", "-m", "256", "--telemetry", f"--file-prefix=x2-{os.getpid()}"]) as started:
            assert any("dpdk_telemetry" in path for path in started.left), started.left
    shutil.rmtree(f"/run/dpdk/x2-{os.getpid()}", ignore_errors=True)


def eal_refuses(directory, options, *words):
    started = Started(directory)
    command = started.command()
    done = subprocess.run([command[0], *options, *map(str, command[1:])], capture_output=True, text=True)
    say(done.stderr.strip()[-400:])
    equal(done.returncode, 2, f"{options}: exit code")
    for word in words:
        assert word in done.stderr, f"{options}: {word} is not said: {done.stderr}"


@case("EAL options with which memory would be shared are refused, however they are written")
def _():
    for options in (["--proc-type=secondary"], ["--proc-type", "auto"], ["--proc=secondary"], ["--pro", "secondary"]):
        with x2.workspace() as directory:
            eal_refuses(directory, options, "--proc-type", "remove")
    for options in (["--huge-unlink=never"], ["--huge-unlink=existing"], ["--huge-u=never"]):
        with x2.workspace() as directory:
            eal_refuses(directory, options, "--huge-unlink", "in-memory")


@case("with hugepages memory is nobody else's either")
def _():
    user()
    pages = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if not pages.exists() or not hugepage_mounts():
        raise Skip("no hugetlbfs is mounted here")
    free = int((pages.parent / "free_hugepages").read_text())
    if free < 160:
        raise Skip(f"{free} free hugepages of 2 MiB, 160 are needed")
    for eal in (["-m", "256"], ["-m", "256", "--huge-unlink"], ["-m", "256", "--legacy-mem"]):
        with x2.workspace() as directory:
            with Started(directory, eal=eal) as started:
                equal(started.left, [], f"{eal}: files of EAL's")


@case("process list and environment show options alone, no target")
def _():
    nobody = user()
    with x2.workspace() as directory:
        started = Started(directory, [ALICE, BOB], user=USER)
        started.give(nobody)
        with started:
            texts = [pathlib.Path(f"/proc/{started.pid()}/{name}").read_bytes() for name in ("cmdline", "environ", "comm")]
            texts.append(subprocess.run(["ps", "auxwwe"], capture_output=True).stdout)
            texts += [name.encode() for name in started.threads()]
            for text in texts:
                for secret in ("alice", "bob@", ALICE["xId"], BOB["xId"]):
                    assert secret.encode() not in text, f"{secret} is shown"


@case("a user that does not exist stops the start, and says so")
def _():
    user()
    with x2.workspace() as directory:
        started = Started(directory, user="x2-no-such-user")
        done = subprocess.run(list(map(str, started.command())), capture_output=True, text=True)
        equal(done.returncode, 1, "exit code")
        assert "there is no user 'x2-no-such-user'" in done.stderr, done.stderr


@case("started by a user who is not root it runs, without capabilities, and tells that its memory is not locked")
def _():
    nobody = user()
    with x2.workspace() as directory:
        started = Started(directory, workers=1)
        started.give(nobody)
        for path in (directory, directory / "in.pcap", directory / "silence.pcap", started.tap.config):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        # Where x2tap was built may be closed to him.
        own = shutil.copy(x2.program("x2tap"), directory)
        command = [own if part == x2.program("x2tap") else str(part) for part in started.command()]
        tap = started.tap
        tap.process = x2.start(
            command, directory / "tap.log", env=started.environment, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[]
        )
        tap.ready()
        for field in ("CapPrm", "CapEff"):
            equal(set(started.capabilities(field).values()), {0}, field)
        if not x2.SANITIZED:
            assert "memory of x2tap is not locked" in tap.said(), tap.said()
        tap.stop()


main()
