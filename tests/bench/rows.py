"""What was measured: rows of {name, value, unit, reference, ratio, goal, met}, as a table and as JSON."""

import json


class Rows:
    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, reference=None, goal=None, met=None):
        """A figure. With a reference the goal is the least ratio to it, without one the most that the value may be."""
        ratio = value / reference if reference else None
        if goal is not None and met is None:
            met = ratio >= goal if reference else value <= goal
        self.rows.append(
            {"name": name, "value": value, "unit": unit, "reference": reference, "ratio": ratio, "goal": goal, "met": met}
        )

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.rows, file, indent=1)
            file.write("\n")

    def table(self):
        head = ("name", "value", "unit", "reference", "ratio", "goal", "met")
        lines = [head] + [tuple(self._cell(key, row[key]) for key in head) for row in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        left = {0, 2}
        return "\n".join(
            "  ".join(cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths)))
            .rstrip()
            for line in lines
        )  # fmt: skip

    @staticmethod
    def _cell(key, value):
        if value is None:
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "NO"
        if isinstance(value, str):
            return value
        if value == int(value):
            return str(int(value))
        return f"{value:.3f}" if key in ("ratio", "goal") or abs(value) < 10 else f"{value:.1f}"
