#!/usr/bin/python3
"""Counts the subtests of meson runs: summary.py BUILD_DIRECTORY...

Names what failed or was skipped, and why; the last line is "N passed, N failed, N skipped". Exit code 1 when anything failed
or nothing ran. What failed is told with what its test said, since of a long log only the end may be kept.
"""

import itertools
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

LINES = 15  # of what a test said about one failure
COLUMNS = 300

passed, failed, skipped = 0, [], []


def said(test, case):
    """What a program said about a case that failed, behind its "not ok" line. Where there is no such line: the end of all that it said."""
    lines = test.get("stdout", "").splitlines()
    start = next((at + 1 for at, line in enumerate(lines) if line.rstrip() == f"not ok {case}"), None)
    if start is None:
        found = [*lines, *test.get("stderr", "").splitlines()][-LINES:]
    else:
        found = list(itertools.takewhile(lambda line: line.startswith("#"), lines[start:]))
        if len(found) > LINES:
            found[LINES - 1 :] = [f"# ({len(found) - LINES + 1} more lines)"]
    return [f"    {line[:COLUMNS]}" for line in found]


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
            # Of a program without subtests the case has the name of the program.
            test = results.get(program) or results.get(test_case.get("name").split(" / ")[-1], {})
            failed.append("\n".join([name, *said(test, test_case.get("name"))]))
            broken.add(program)
        elif test_case.find("skipped") is not None:
            skipped.append(f"{name} ({why[-1] if why else 'no reason given'})")
        else:
            passed += 1
    # A program that ends badly without a subtest that failed: a crash, a leak, a time-out.
    for program, test in results.items():
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not broken & {program, "x2tap"}:
            line = f"{build.name}: {program}: {test['result'].lower()} (exit code {test.get('returncode')})"
            failed.append("\n".join([line, *said(test, None)]))

for title, names in (("skipped", skipped), ("failed", failed)):
    if names:
        print(f"\n{title}:")
        print("\n".join(f"  {name}" for name in names))
print(f"\n{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
sys.exit(1 if failed or not passed else 0)
