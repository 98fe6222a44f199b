"""Which messages of a capture belong together, told by frames.

Each reader gives its messages `names`: what they belong to under which key. Keys of the two readers look different (x2tap shows
digests), but the same messages must share them. Here keys become frames, which both can be compared by.

A name is (field, key, gives, finds). `gives`: messages behind find this one by it. `finds`: it is looked for among those before,
and is said by where it came FIRST, each name one value; or by the LAST message that gave it, the same message once. What
nothing before has and is given here is said by this message. None: it is not looked for.
"""

import collections

FIRST, LAST = "first", "last"


class Names:
    """Where names were given."""

    def __init__(self):
        self.first, self.last = {}, {}
        self.fresh = collections.Counter()  # names that came first in a frame

    def give(self, kind, key, frame):
        if (kind, key) not in self.first:
            self.fresh[kind, frame] += 1
            count = self.fresh[kind, frame]
            self.first[kind, key] = f"{frame}" if count == 1 else f"{frame}, name {count}"
        self.last[kind, key] = f"{frame}"

    def find(self, kind, key, which):
        return (self.first if which == FIRST else self.last).get((kind, key))


def link(message, names):
    found = {}
    before = {(kind, key): names.find(kind, key, finds) for kind, key, _, finds in message.names if finds}
    for kind, key, gives, _ in message.names:
        if gives:
            names.give(kind, key, message.frame)
    for kind, key, gives, finds in message.names:
        where = before.get((kind, key)) or (names.find(kind, key, finds) if finds and gives else None)
        if finds and where and (finds == FIRST or where not in found.get(kind, [])):
            found.setdefault(kind, []).append(where)
    message.values.update({kind: sorted(where) for kind, where in found.items()})


def add_links(messages):
    """Turns names into values."""
    names = Names()
    for message in messages:
        link(message, names)
    return answers_of_first(messages)


def answers_of_first(messages):
    """What answers a repeated request answers the first one."""
    first = {str(m.frame): m.values["repeats"] for m in messages if "repeats" in m.values}
    for message in messages:
        if exchange := message.values.get("exchange"):
            message.values["exchange"] = [root for frame in exchange for root in first.get(frame, [frame])]
    return messages
