"""The benchmarks, in turn. Started by scripts/bench, which builds what they need.

Every figure stands beside that of another program, measured in the same run on the same cores.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "functional"))

import calls  # noqa: E402
import traffic  # noqa: E402
from machine import BenchTap, Memory, Testpmd, forwarding_rate  # noqa: E402
from rows import Rows  # noqa: E402
from tap import Skip  # noqa: E402
from x2tap_test import BUILD, task, workspace, write_targets  # noqa: E402
import x2tap_test  # noqa: E402

TARGETS = 1000
SUBSCRIBERS = range(0, 100, 2)


def say(text):
    print(text, flush=True)


class Bench:
    def __init__(self, quick, memory, rows):
        self.quick, self.memory, self.rows = quick, memory, rows
        self.pairs = 2 if quick else 5
        self.seconds = 1.5 if quick else 3

    # --- inline: one pair of ports, smallest frames, nobody's traffic ----------------------------------------------

    def inline(self, name, kind, goal=None):
        networks = traffic.targets(TARGETS)
        mbufs = traffic.FLOWS + 32768  # net_pcap keeps its whole file in mbufs
        with workspace() as directory:
            capture = directory / "flows.pcap"
            traffic.write_flows(capture, networks, kind)
            vdevs = [f"net_pcap0,rx_pcap={capture},infinite_rx=1", "net_null0,no-rx=1"]
            ports = [{"pair": ["net_pcap0", "net_null0"], "ipid": "link-1"}]
            tap = BenchTap(directory, self.memory, vdevs, traffic.tasks(networks), mbufs, ports)

            def testpmd(mode):
                with Testpmd(directory, self.memory, vdevs, mode, mbufs) as program:
                    return forwarding_rate(program, self.seconds)

            def x2tap():
                with tap:
                    rate = forwarding_rate(tap, self.seconds)
                    hits = sum(tap.counters()["frames_of_targets_without_iri"].values())
                    if hits:
                        raise AssertionError(f"{hits} frames were a target's, which none should be")
                    return rate

            references, values = [], []
            for pair in range(self.pairs):
                references.append(testpmd("io"))
                values.append(x2tap())
                say(f"  pair {pair + 1}: testpmd io {references[-1]:.2f}, x2tap {values[-1]:.2f} Mpps")
            io = statistics.median(references)
            self.rows.add(name, statistics.median(values), "Mpps", io, goal)
            for mode in () if self.quick or kind != "udp" else ("macswap", "csum"):
                self.rows.add(f"{name}_testpmd_{mode}", testpmd(mode), "Mpps", io)

    def inline_64b_1k(self):
        self.inline("inline_64b_1k", "udp", 0.55)

    def inline_tcp_1k(self):
        self.inline("inline_tcp_1k", "tcp")

    def inline_gtpu_1k(self):
        self.inline("inline_gtpu_1k", "gtpu")

    # --- two processes over shared memory ----------------------------------------------------------------------------

    def memif_loop(self):
        networks = traffic.targets(TARGETS)
        with workspace() as directory:
            socket = directory / "memif.sock"

            def vdevs(role):
                return [f"net_memif{i},id={i},role={role},socket={socket},socket-abstract=no" for i in (0, 1)]

            @contextlib.contextmanager
            def loop(rate, seconds):
                ends = [f"{vdev},rsize=14" for vdev in vdevs("client")]
                command = [BUILD / "tests" / "bench" / "memif_loop", *self.memory.eal("0", ends), "--", str(rate), str(seconds)]
                log = directory / "memif_loop.log"
                with open(log, "w", encoding="utf-8") as errors, subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
                ) as process:
                    for line in process.stdout:
                        if line.startswith("{"):
                            yield json.loads(line)
                            return
                raise AssertionError(f"memif_loop ended with {process.returncode}: {log.read_text()}")

            # The loop outlives what is in it: net_memif does not bear that its peer goes while it is polled.
            with contextlib.ExitStack() as loops, Testpmd(directory, self.memory, vdevs("server"), "io", 65536):
                io = loops.enter_context(loop(0, 3))["rate"]
            socket.unlink(missing_ok=True)
            ports = [{"pair": ["net_memif0", "net_memif1"], "ipid": "link-1"}]
            tap = BenchTap(directory, self.memory, vdevs("server"), traffic.tasks(networks), 65536, ports)
            seconds = 3 if self.quick else 20
            with contextlib.ExitStack() as loops, tap:
                result = loops.enter_context(loop(io / 2, seconds))
                counters = tap.counters()
            say(f"  testpmd io {io / 1e6:.2f} Mpps; x2tap at half of that for {seconds} s: {result}")
            self.rows.add("memif_loop_rate", result["rate"] / 1e6, "Mpps", io / 1e6, 0.495)
            self.rows.add("memif_loop_lost", result["sent"] - result["received"], "frames", goal=0)
            self.rows.add("memif_loop_changed", result["changed"], "frames", goal=0)
            self.rows.add("memif_loop_reordered", result["reordered"], "frames", goal=0)
            self.rows.add("memif_loop_cycles", counters["work"]["busy_cycles_per_frame"], "cycles/frame")

    # --- SIP messages -----------------------------------------------------------------------------------------------

    def sip_parse_match(self):
        program = BUILD / "tests" / "bench" / "bench_sip"
        if not program.exists():
            raise Skip("bench_sip is not built: libosip2-dev is missing")
        messages = calls.messages(SUBSCRIBERS)
        with workspace() as directory:
            sample = directory / "messages"
            sample.write_bytes(b"".join(struct.pack(">I", len(m)) + m for m in messages))
            nobody = [{"sipUri": f"sip:nobody-{i}@control.example.org"} for i in range(TARGETS)]
            everybody = [{"sipUri": calls.uri(i)} for i in SUBSCRIBERS] + nobody[len(SUBSCRIBERS) :]
            for name, identifiers in ("none", nobody), ("all", everybody):
                write_targets(directory / name, [task([i]) for i in identifiers], {x2tap_test.DID: 9})
            rounds = 3 if self.quick else 9
            command = [program, sample, directory / "none", directory / "all", str(rounds), "0.5"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise AssertionError(done.stderr)
            result = json.loads(done.stdout)
        osip = result["osip"] / 1e6
        say(f"  {result['messages']} messages, {statistics.mean(map(len, messages)):.0f} octets each on average")
        self.rows.add("sip_parse_match_none", result["none"] / 1e6, "M messages/s", osip, 5)
        self.rows.add("sip_parse_match_all", result["all"] / 1e6, "M messages/s", osip)

    # --- frames ---------------------------------------------------------------------------------------------------------

    def packets(self):
        count = "1000000" if self.quick else "20000000"
        done = subprocess.run([BUILD / "tests" / "bench" / "bench_packet", count], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr)
        for name, value, unit in map(str.split, done.stdout.splitlines()):
            self.rows.add(name, float(value), unit)

    # --- fragments -----------------------------------------------------------------------------------------------------

    def reassembly(self):
        count = "1000000" if self.quick else "10000000"
        done = subprocess.run([BUILD / "tests" / "bench" / "bench_fragments", count], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr)
        for name, value, unit in map(str.split, done.stdout.splitlines()):
            self.rows.add(f"reassembly_{name}", float(value), unit)

    # --- bindings ------------------------------------------------------------------------------------------------------

    def binding_delay(self):
        """From the arrival of an accounting Start (Stop) to the first (last) SIP message attributed; the goal is 1 ms."""
        for workers in (2, 4):
            command = [BUILD / "tests" / "bench" / "bench_binding_delay", str(workers), "100" if self.quick else "500"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise AssertionError(done.stderr + done.stdout[-2000:])
            for name, value, unit in map(str.split, done.stdout.splitlines()):
                is_delay = name.endswith(("_p50", "_p99", "_max")) and "_gap_" not in name
                self.rows.add(name, float(value), unit, goal=1000 if is_delay else None)

    # --- target table --------------------------------------------------------------------------------------------------

    def target_lookup(self):
        done = subprocess.run([BUILD / "tests" / "bench" / "bench_target", "1000", "100000"], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr)
        figures = {name: (float(value), unit) for name, value, unit in map(str.split, done.stdout.splitlines())}
        # Looking up hardly depends on the number of tasks: 100,000 stand beside 1,000.
        for name in "filter_miss", "address_miss", "address_hit", "identity_miss", "identity_hit":
            few, unit = figures[f"target_{name}_1000"]
            many, _ = figures[f"target_{name}_100000"]
            self.rows.add(f"target_lookup_1k_{name}", few, unit)
            self.rows.add(f"target_lookup_100k_{name}", many, unit, few)
        self.rows.add("target_load_100k", sum(figures[f"target_{step}_time_100000"][0] for step in ("load", "adopt", "compile")), "s")
        self.rows.add("target_load_100k_memory", figures["target_peak_memory_100000"][0], "MiB")


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model.group(1) if model else 'unknown processor'}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--rows", default="", metavar="WORD,...", help="only rows whose names begin so")
    options = parser.parse_args()
    if not shutil.which("dpdk-testpmd"):
        sys.exit("bench: dpdk-testpmd is missing: install the package dpdk-dev")
    rows, failed, skipped = Rows(), [], []
    with Memory().reserved() as memory:
        say(f"machine: {machine()}; memory: {memory}")
        bench = Bench(options.quick, memory, rows)
        words = tuple(options.rows.split(","))
        for measure in (
            bench.inline_64b_1k, bench.inline_tcp_1k, bench.inline_gtpu_1k, bench.memif_loop, bench.sip_parse_match,
            bench.packets, bench.reassembly, bench.target_lookup, bench.binding_delay,
        ):  # fmt: skip
            name = measure.__name__
            if not name.startswith(words):
                continue
            say(f"== {name}")
            try:
                measure()
            except Skip as reason:
                skipped.append(f"{name}: SKIPPED: {reason}")
            except Exception:
                failed.append(f"{name}: FAILED\n{traceback.format_exc()}")
    say("")
    say(rows.table())
    for line in skipped + failed:
        say(line)
    if options.json:
        rows.save(options.json)
    sys.exit(1 if failed else 0)


main()
