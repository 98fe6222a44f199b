"""Differences that have a reason: explained.tsv, and which of its entries were needed."""

from dataclasses import dataclass

ANY = "*"  # as frame: every frame of the capture; as field: every value of a message that x2tap does not report


class BadFile(Exception):
    pass


@dataclass
class Entry:
    capture: str
    frame: str
    field: str
    reason: str
    line: int
    used: int = 0

    def covers(self, capture, frame, field, whole_message):
        return (
            self.capture == capture
            and self.frame in (ANY, str(frame))
            and (self.field == field or (self.field == ANY and whole_message))
        )


def order(entry):
    return entry.capture, int(entry.frame) if entry.frame != ANY else 0, entry.field


def entry_of(text, line, fields):
    parts = text.split("\t")
    if len(parts) != 4 or not all(parts):
        raise BadFile(f"line {line}: wants capture, frame, field and reason, with tabs between them")
    entry = Entry(*parts, line)
    if entry.frame != ANY and not entry.frame.isdecimal():
        raise BadFile(f"line {line}: frame {entry.frame}")
    if entry.field not in (*fields, ANY):
        raise BadFile(f"line {line}: field {entry.field}")
    return entry


def read(path, fields):
    """The entries; lines that begin with # are remarks. BadFile if they cannot be read, or are not sorted."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    entries = [entry_of(text, line, fields) for line, text in lines if text and not text.startswith("#")]
    for before, entry in zip(entries, entries[1:]):
        if order(before) >= order(entry):
            raise BadFile(f"line {entry.line}: not sorted by capture, frame, field, or there twice")
    return entries


def explain(entries, capture, frame, field, whole_message):
    """The reason, whose entry then counts as used; None if there is none."""
    for entry in entries:
        if entry.covers(capture, frame, field, whole_message):
            entry.used += 1
            return entry.reason
    return None
