"""Which messages of a Call-ID belong together: transactions until they are answered, dialogs until they are over."""

import re

LINGER_NS = 32 * 10**9  # 64 * T1: repeats of what is over still belong to it
SUBSCRIPTION_S = 3600
NEVER_NS = 1 << 64

# Answers after which the same request comes again with a higher CSeq.
REFUSED_FOR_NOW = {401, 407, 413, 415, 416, 420, 421, 422, 423, 494, *range(300, 400)}


def parameter(value, name):
    """A header parameter, behind the URI in its <> or the bare URI."""
    found = re.search(rf"(?i);[ \t]*{name}[ \t]*=[ \t]*\"?([^;\",\s]+)", value[value.rfind(">") + 1 :])
    return found.group(1) if found else None


class Step:
    """What of a message matters to its session."""

    def __init__(self, message):
        self.request, self.status, self.method = message.request, message.status, message.method
        self.cseq = message.cseq[0]
        self.from_tag = parameter(message.first("from"), "tag")
        self.to_tag = parameter(message.first("to"), "tag")
        via = message.first("via").split(",")[0]
        self.branch = parameter(via, "branch")
        state = message.first("subscription-state")
        self.terminated = state.split(";")[0].strip().lower() == "terminated"
        expires = parameter(state, "expires") or message.first("expires")
        self.expires_s = int(expires) if re.fullmatch("[0-9]+", expires) else SUBSCRIPTION_S
        self.tags = {self.from_tag, self.to_tag} - {None}

    def transaction(self, method=None):
        return self.cseq, method or self.method, self.from_tag, self.branch

    def dialog(self, usage):
        return usage, frozenset(self.tags)


class Part:
    """Until when a transaction or dialog is open, or when it ended."""

    def __init__(self, tags, ends_ns):
        self.tags, self.ends_ns, self.open, self.refused = tags, ends_ns, True, False


class Session:
    def __init__(self):
        self.transactions = {}
        self.dialogs = {}
        self.ended_ns = 0
        self.tasks = {}  # task: (tag, side) of its target, or None

    def parts(self):
        return [*self.transactions.values(), *self.dialogs.values()]

    def goes_on(self, now):
        for part in self.parts():
            if part.open and part.ends_ns <= now:
                part.open = False
                self.ended_ns = max(self.ended_ns, part.ends_ns)
        return any(part.open for part in self.parts())

    def is_past(self, now):
        return not self.goes_on(now) and now - self.ended_ns > LINGER_NS

    def is_between(self, tags):
        return any(part.tags & tags for part in self.parts())

    def includes(self, step, now):
        if self.goes_on(now) and any(part.open and part.tags & step.tags for part in self.parts()):
            return True
        methods = {"ACK": {"INVITE"}, "CANCEL": {"CANCEL", "INVITE"}}.get(step.method, {step.method})
        for (cseq, method, from_tag, branch), part in self.transactions.items():
            if method not in methods or from_tag != step.from_tag:
                continue
            if cseq == step.cseq and (from_tag or branch == step.branch):
                return True
            if part.refused and step.request and from_tag and method == step.method and int(step.cseq) > int(cseq):
                return True
        return False

    def take(self, step, now):
        self.goes_on(now)
        if step.request:
            self.take_request(step, now)
        else:
            self.take_response(step, now)

    def transaction(self, step, now):
        ends = NEVER_NS if step.method == "INVITE" else now + LINGER_NS
        return self.transactions.setdefault(step.transaction(), Part({step.from_tag} - {None}, ends))

    def open_dialog(self, step, usage, ends_ns):
        dialog = self.dialogs.setdefault(step.dialog(usage), Part(step.tags, ends_ns))
        if dialog.open and usage == "subscription":
            dialog.ends_ns = ends_ns

    def end_dialog(self, step, usage, now):
        dialog = self.dialogs.setdefault(step.dialog(usage), Part(step.tags, now))
        dialog.open, dialog.ends_ns = False, now
        self.ended_ns = now

    def take_request(self, step, now):
        if step.method == "ACK":
            return
        # A call that was there before we knew of it.
        if not self.parts() and step.from_tag and step.to_tag and step.method in ("INVITE", "INFO", "UPDATE"):
            self.open_dialog(step, "call", NEVER_NS)
        self.transaction(step, now)
        if step.method == "CANCEL":
            invite = self.transactions.get(step.transaction("INVITE"))
            if invite and invite.open:
                invite.ends_ns = min(invite.ends_ns, now + LINGER_NS)
        elif step.method == "BYE":
            call = self.dialogs.get(step.dialog("call"))
            if call and call.open:
                call.ends_ns = min(call.ends_ns, now + LINGER_NS)
        elif step.method == "NOTIFY" and step.terminated:
            self.end_dialog(step, "subscription", now)
        elif step.method == "NOTIFY":
            self.open_dialog(step, "subscription", now + step.expires_s * 10**9 + LINGER_NS)

    def take_response(self, step, now):
        transaction = self.transaction(step, now)
        if step.status < 200:
            return
        if transaction.open:
            transaction.open, transaction.ends_ns = False, now
            transaction.refused = step.status in REFUSED_FOR_NOW
            self.ended_ns = now
        success = step.status < 300
        if step.method == "INVITE" and success:
            self.open_dialog(step, "call", NEVER_NS)
        elif step.method == "BYE":
            self.take_answered_bye(step, now)
        elif step.method in ("SUBSCRIBE", "REFER") and success:
            self.open_dialog(step, "subscription", now + step.expires_s * 10**9 + LINGER_NS)
        elif step.method in ("SUBSCRIBE", "REFER", "NOTIFY") and step.status == 481:
            self.end_dialog(step, "subscription", now)

    def take_answered_bye(self, step, now):
        if step.status in REFUSED_FOR_NOW:
            call = self.dialogs.get(step.dialog("call"))
            if call and call.open:
                call.ends_ns = NEVER_NS
            return
        calls = [part for (usage, _), part in self.dialogs.items() if usage == "call"]
        was_open = any(call.open for call in calls)
        self.end_dialog(step, "call", now)
        # Whoever still rings after the last call is over is not waited for.
        if was_open and not any(call.open for call in calls):
            for transaction in self.transactions.values():
                if transaction.open:
                    transaction.ends_ns = min(transaction.ends_ns, now + LINGER_NS)
