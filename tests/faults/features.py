"""What the built x2tap takes in its configuration: rows that need more than that are skipped."""

import os
import pathlib
import subprocess

import x2tap_test as x2


def sections(directory):
    """One configuration section for each feature, as x2tap.yaml(5) has it."""
    key = directory / "master.key"
    key.touch(0o600)
    key.write_text(os.urandom(32).hex() + "\n")
    return {
        "journal": directory / "journal",
        "spool": {"directory": directory, "master_key": key},
        "audit": {"file": directory / "audit.jsonl"},
        "sets": {"failover_after": "2s", "return_after": "2s"},
    }


def features():
    """The names of those that x2tap --check takes, and "verify" where x2ctl can verify an audit log."""
    done = subprocess.run([x2.program("x2ctl"), "--help"], capture_output=True, text=True)
    found = {"verify"} if "audit" in done.stdout else set()
    with x2.workspace() as directory:
        for name, section in sections(pathlib.Path(directory)).items():
            ports = [{"pair": ["net_null0", "net_null1"], "ipid": x2.IPID}]
            tap = x2.Tap(directory, ports=ports, **{name: section})
            done = subprocess.run([x2.program("x2tap"), "--check", "--config", tap.config], capture_output=True)
            if done.returncode == 0:
                found.add(name)
    return found
