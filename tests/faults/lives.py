"""What must come of the frames that went through each life of an x2tap that is killed and started again.

A life is looked at from outside while it lasts: each glimpse is an answer to x2ctl's `counters`. x2tap answers once a turn, at its end, so
glimpses tell how far it had come, however little CPU it got: what is demanded of it follows from them, not from the clock alone.
"""

import math
import time
from dataclasses import dataclass, field

KEPT_MS = 100  # what is not confirmed for so long is in the spool


@dataclass
class Glimpse:
    asked_ns: int
    answered_ns: int
    looked_at: int  # frames that may be signalling: all of the load are
    overlooked: int  # frames that may be signalling, and came faster than they could be looked at
    reported: int  # events that workers have made
    taken: int  # events that the control core has taken

    @classmethod
    def of(cls, ask):
        asked = time.time_ns()
        answer = ask("counters")
        work = answer["work"]
        return cls(
            asked, time.time_ns(), work["candidates"], work["lost_busy"], answer["matching"]["reported"], answer["iri"]["taken"]
        )


@dataclass
class Life:
    begun_ns: int  # before it was started
    ended_ns: int = 0  # when it was known to have ended
    killed: bool = False
    glimpses: list = field(default_factory=list)

    @property
    def ready(self):
        """The first glimpse that tells of an event: from then on the worker goes by the orders. None: there was none."""
        return next((glimpse for glimpse in self.glimpses if glimpse.reported), None)

    @property
    def ready_ns(self):
        return self.ready.answered_ns if self.ready else math.inf

    def sure(self):
        """The latest glimpse that only tells of what a kill cannot undo any more, or None."""
        return next((glimpse for number, glimpse in reversed(list(enumerate(self.glimpses))) if self.is_sure(number)), None)

    def is_sure(self, number):
        """All events that this glimpse tells of were taken by the time of a second one; KEPT_MS after that x2tap was asked, and then
        again: the turn of the last answer began after that, and had the spool written before it answered."""
        glimpse, later = self.glimpses[number], self.glimpses[number + 1 :]
        taken = next((at for at, other in enumerate(later) if other.taken >= glimpse.reported), None)
        if taken is None:
            return False
        since = later[taken].answered_ns + KEPT_MS * 10**6
        return sum(other.asked_ns >= since for other in later[taken + 1 :]) >= 2

    def has_promised(self):
        """Whether something of the load that came when it was ready is sure."""
        sure = self.sure()
        return sure is not None and self.ready is not None and sure.looked_at > self.ready.looked_at


class Share:
    """The frames that came through one life: `places` in the order in which they were sent, of all that were sent."""

    def __init__(self, number, lives, sent, places):
        self.life, self.sent, self.is_last = lives[number], sent, number == len(lives) - 1
        ends = list(zip(lives, lives[1:]))[max(0, number - 1) : number + 1]
        # Sent while one life ended and the next began: of which it is nobody knows.
        self.doubtful = {
            p for p in places for before, after in ends if sent[p].time_ns < before.ended_ns and sent[p].sent_ns > after.begun_ns
        }
        self.places = [p for p in places if sent[p].sent_ns > self.life.begun_ns and sent[p].time_ns < self.life.ended_ns]

    def is_under_orders(self, place):
        """Whether it was sent when the orders were in force, for sure."""
        return place not in self.doubtful and self.sent[place].time_ns > self.life.ready_ns

    def was_before_orders(self, place):
        return place not in self.doubtful and self.sent[place].sent_ns < self.life.ready_ns

    def span(self):
        """From the first to the last frame that must have come through: while x2tap starts the kernel passes some on and others not.
        The last life is there when the load ends."""
        begin = next((p for p, frame in enumerate(self.sent) if frame.time_ns > self.life.ready_ns), len(self.sent))
        end = self.places[-1] + 1 if self.places and not self.is_last else len(self.sent)
        return range(begin, end)

    def promised(self):
        """The places of which x2tap has shown that a kill cannot undo them, in order, and how many of them it says it has overlooked. A
        life that ended in order takes everything with it."""
        last, sure = self.life.glimpses[-1], self.life.sure()
        if not self.life.killed:
            return self.places, last.overlooked
        return (self.places[: sure.looked_at + sure.overlooked], sure.overlooked) if sure else ([], 0)

    def check(self, missing):
        """`missing`: the places of all messages that no MF got."""
        life, last = self.life, self.life.glimpses[-1]
        if last.looked_at + last.overlooked > len(self.places):
            raise AssertionError(
                f"x2tap has looked at {last.looked_at} frames and overlooked {last.overlooked}, but {len(self.places)} arrived"
            )
        promised, overlooked = self.promised()
        lost = [p for p in promised if p in missing and self.is_under_orders(p)]
        if len(lost) <= overlooked:
            return
        before = (life.ended_ns - self.sent[lost[0]].time_ns) / 1e6
        how = f"killed, though x2tap showed whole turns {KEPT_MS} ms after it had taken them" if life.killed else "ended in order"
        raise AssertionError(
            f"{len(lost)} messages are missing of a life that was {how}; the first was forwarded {before:.0f} ms before the end; "
            f"{overlooked} were overlooked, by x2tap's own account"
        )

    def may_have_been_numbered(self, missing):
        """Those of `missing` that came through here, but for what was over before there were orders."""
        promised = set(self.promised()[0])
        return {p for p in self.places if p in missing and not (p in promised and self.was_before_orders(p))}


def places_of(sent, arrived):
    """Where in `sent` each frame that arrived is. AssertionError where something else arrived, or in another order."""
    where = {frame.octets: place for place, frame in enumerate(sent)}
    places = [where.get(frame.octets) for frame in arrived]
    if None in places or any(a >= b for a, b in zip(places, places[1:])):
        raise AssertionError("frames arrived that were not sent, or in another order")
    return places


def shares(lives, sent, arrived):
    places = places_of(sent, arrived)
    return [Share(number, lives, sent, places) for number in range(len(lives))]


def crossed(found):
    """How many frames were sent from the first to the last that must have come through each life, and how many of them did: none
    may be left out."""
    must = set().union(*(share.span() for share in found))
    return len(must), len(must.intersection(*[set().union(*(share.places for share in found))]))
