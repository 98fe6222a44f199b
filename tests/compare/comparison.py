"""What x2tap reads in a capture beside what tshark does, value by value.

agree + explained + disagree + missing = what tshark found; `beyond` is what x2tap finds and tshark does not.
"""

import collections
import difflib
from dataclasses import dataclass, field

import explanations
from message import SIGNAL_FIELDS, SIP_FIELDS

COUNTS = ("agree", "disagree", "explained", "missing", "beyond")


@dataclass
class Difference:
    kind: str  # one of COUNTS but agree
    protocol: str
    capture: str
    frame: int
    field: str
    tshark: str | None
    x2tap: str | None
    start_line: str
    whole: bool  # of a message that only one of the two has
    reason: str | None = None
    defects: list[str] = field(default_factory=list)


@dataclass
class Result:
    capture: str
    messages_tshark: dict[str, int]  # by protocol
    messages_x2tap: dict[str, int]
    agree: collections.Counter = field(default_factory=collections.Counter)  # by protocol
    differences: list[Difference] = field(default_factory=list)

    def count(self, kind, protocol=None):
        """Of one protocol, or of all."""
        if kind == "agree":
            return self.agree[protocol] if protocol else self.agree.total()
        return sum(d.kind == kind for d in self.differences if protocol in (None, d.protocol))


def fields_of(message):
    return SIP_FIELDS if message.protocol == "sip" else SIGNAL_FIELDS


def aligned(theirs, ours, key=lambda item: item):
    """Pairs of what belongs together in two lists of the same order: equal ones, then what stands in the same place."""
    matcher = difflib.SequenceMatcher(None, [key(item) for item in theirs], [key(item) for item in ours], autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        for offset in range(max(i_end - i, j_end - j)):
            yield (
                theirs[i + offset] if i + offset < i_end else None,
                ours[j + offset] if j + offset < j_end else None,
            )


def compare_messages(result, entries, their, our):
    """Counts each value of two readings of one message; either may be None."""
    message = their or our
    whole = their is None or our is None
    wanted_values, found_values = (reading.values if reading else {} for reading in (their, our))
    for name in fields_of(message):
        for wanted, found in aligned(wanted_values.get(name, []), found_values.get(name, [])):
            if wanted == found:
                result.agree[message.protocol] += 1
                continue
            kind = "beyond" if wanted is None else "missing" if found is None else "disagree"
            reason = None
            if kind != "beyond":
                reason = explanations.explain(entries, result.capture, message.frame, name, whole)
            result.differences.append(
                Difference(
                    "explained" if reason else kind, message.protocol, result.capture, message.frame, name, wanted, found,
                    message.start_line, whole, reason, our.defects if our else [],
                )  # fmt: skip
            )


def by_frame(messages):
    frames = {}
    for message in messages:
        frames.setdefault(message.frame, []).append(message)
    return frames


def paired(theirs, ours):
    """The two readings of each message: those in the same frame, in the order in which they stand there. What is left over
    may be the same message in another frame."""
    pairs = []
    their_frames, our_frames = by_frame(theirs), by_frame(ours)
    for frame in sorted({*their_frames, *our_frames}):
        pairs += aligned(their_frames.get(frame, []), our_frames.get(frame, []), lambda message: message.start_line)
    alone = [our for their, our in pairs if their is None]
    for their, our in pairs:
        if our is None:
            our = next((candidate for candidate in alone if candidate.name() == their.name()), None)
            if our:
                alone.remove(our)
        if their:
            yield their, our
    yield from ((None, our) for our in alone)


def compare(capture, theirs, ours, entries):
    result = Result(capture, *(collections.Counter(message.protocol for message in side) for side in (theirs, ours)))
    for their, our in paired(theirs, ours):
        compare_messages(result, entries, their, our)
    return result
