#!/usr/bin/python3
"""Counts the subtests of meson runs: summary.py BUILD_DIRECTORY...

Names what failed or was skipped, and why; the last line is "N passed, N failed, N skipped". Exit code 1 when anything failed
or nothing ran.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as xml

passed, failed, skipped = 0, [], []

for build in map(pathlib.Path, sys.argv[1:]):
    logs = build / "meson-logs"
    results, broken = {}, set()
    if not (logs / "testlog.json").exists():
        failed.append(f"{build}: no test has run")
        continue
    for line in (logs / "testlog.json").read_text().splitlines():
        test = json.loads(line)
        results[test["name"].split(" / ")[-1]] = test
    for test_case in xml.parse(logs / "testlog.junit.xml").iter("testcase"):
        program = test_case.get("classname").split(" / ")[-1]
        name = f"{build.name}: {program}: {test_case.get('name')}"
        why = (test_case.findtext("system-out") or "").strip().splitlines()
        if test_case.find("failure") is not None or test_case.find("error") is not None:
            failed.append(name)
            broken.add(program)
        elif test_case.find("skipped") is not None:
            skipped.append(f"{name} ({why[-1] if why else 'no reason given'})")
        else:
            passed += 1
    # A program that ends badly without a subtest that failed: a crash, a leak, a time-out.
    for program, test in results.items():
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not broken & {program, "x2tap"}:
            failed.append(f"{build.name}: {program}: {test['result'].lower()} (exit code {test.get('returncode')})")

for title, names in (("skipped", skipped), ("failed", failed)):
    if names:
        print(f"\n{title}:")
        print("\n".join(f"  {name}" for name in names))
print(f"\n{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
sys.exit(1 if failed or not passed else 0)
