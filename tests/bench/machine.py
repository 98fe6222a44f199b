"""The two programs that forward, on the same cores and memory: x2tap and DPDK's testpmd."""

import contextlib
import pathlib
import re
import subprocess
import time

import x2tap_test
from x2tap_test import Tap, said, wait_for

HUGEPAGES = 600  # of 2 MiB, for all that runs at once
NR_HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")


class Memory:
    """Hugepages while they are wanted, if they can be had; else ordinary pages, for all programs alike."""

    def __init__(self):
        self.huge = False

    def free_pages(self):
        found = re.search(r"HugePages_Free:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
        return int(found.group(1)) if found else 0

    @contextlib.contextmanager
    def reserved(self):
        before = None
        with contextlib.suppress(OSError):
            before = NR_HUGEPAGES.read_text()
            if self.free_pages() < HUGEPAGES:
                NR_HUGEPAGES.write_text(str(int(before) + HUGEPAGES - self.free_pages()))
        self.huge = self.free_pages() >= HUGEPAGES
        try:
            yield self
        finally:
            if before is not None and NR_HUGEPAGES.read_text() != before:
                with contextlib.suppress(OSError):
                    NR_HUGEPAGES.write_text(before)

    def eal(self, lcores, vdevs):
        memory = ["--in-memory"] if self.huge else ["--no-huge", "--no-shconf", "-m", "1024"]
        return ["-l", lcores, *memory, "--no-pci", "--no-telemetry", *(f"--vdev={vdev}" for vdev in vdevs)]

    def __str__(self):
        return "2 MiB hugepages" if self.huge else "ordinary pages: hugepages cannot be had here"


def worker_seconds(process):
    """Processor time of each thread so far."""
    times = {}
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            times[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return times


def forwarding_rate(program, seconds):
    """Frames that came out for each second of the forwarding thread's processor time, in millions. On an idle machine that
    is the frames a second; on a busy one what others took from the core does not count."""
    time.sleep(1)  # caches and branch predictors
    count, times = program.forwarded(), worker_seconds(program.process)
    time.sleep(seconds)
    after, times_after = program.forwarded(), worker_seconds(program.process)
    busy = max(times_after[task] - times.get(task, 0) for task in times_after)
    return (after - count) / busy / 1e6


class Testpmd:
    """dpdk-testpmd, forwarding."""

    def __init__(self, directory, memory, vdevs, mode, mbufs):
        self.log = pathlib.Path(directory) / f"testpmd-{mode}.log"
        self.log.unlink(missing_ok=True)
        command = ["stdbuf", "-oL", "dpdk-testpmd", *memory.eal("0,1", vdevs), "--", "-i", "--auto-start", f"--forward-mode={mode}",
                   "--nb-cores=1", f"--total-num-mbufs={mbufs}"]  # fmt: skip
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
        self.process.log = self.log
        x2tap_test.running.append(self.process)
        wait_for("testpmd to forward", lambda: self.process.poll() is not None or "testpmd> " in said(self.process))
        if self.process.poll() is not None:
            raise AssertionError(f"testpmd ended:\n{said(self.process)[-3000:]}")

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def forwarded(self):
        """What the port at the other end has sent."""

        def counts():
            return re.findall(r"statistics for port 1 .*?TX-packets: (\d+)", said(self.process), re.DOTALL)

        before = len(counts())
        self.tell("show port stats 1")
        wait_for("testpmd's statistics", lambda: len(counts()) > before)
        return int(counts()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.tell("quit")
        x2tap_test.finish(self.process)
        self.process.stdin.close()


class BenchTap(Tap):
    """x2tap on the cores and memory of the comparison."""

    def __init__(self, directory, memory, vdevs, tasks, mbufs, ports):
        self.memory = memory
        super().__init__(directory, vdevs=vdevs, ports=ports, mbufs=mbufs)
        self.mf_ports = {x2tap_test.DID: 9}  # ordered, but not in x2tap.yaml: nobody is connected to
        self.order(tasks)

    def command(self, *options):
        return [x2tap_test.program("x2tap"), *self.memory.eal("0,1", self.vdevs), "--", "--config", self.config, *options]

    def counters(self):
        return self.ask("counters")

    def forwarded(self):
        return self.counters()["ports"][0]["forwarded"]

    def __enter__(self):
        return self.start().ready()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process.poll() is not None:
            raise AssertionError(f"x2tap ended by itself with {self.process.returncode}:\n{self.said()[-3000:]}")
        else:
            x2tap_test.stop(self.process)
