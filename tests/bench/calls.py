"""SIP messages as an IMS or a telephone system sends them: registrations, calls, short messages. The same for every run."""

import random

DOMAIN = "ims.example.net"

SDP = """v=0
o=- 3890{n} 3890{n} IN IP4 192.0.2.{host}
s=-
c=IN IP4 192.0.2.{host}
t=0 0
m=audio {port} RTP/AVP 96 8 0 101
a=rtpmap:96 AMR-WB/16000
a=fmtp:96 mode-set=0,1,2; mode-change-period=2
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""


def uri(subscriber):
    return f"sip:user{subscriber}@{DOMAIN}"


def message(start_line, fields, body="", content_type="application/sdp"):
    lines = [start_line, *(f"{name}: {value}" for name, value in fields)]
    if body:
        lines.append(f"Content-Type: {content_type}")
    body = body.replace("\n", "\r\n")
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Dialog:
    def __init__(self, rng, number, caller, callee):
        self.rng, self.number, self.caller, self.callee = rng, number, caller, callee
        self.call_id = f"{rng.getrandbits(96):024x}@192.0.2.{caller % 250 + 1}"
        self.tags = f"{rng.getrandbits(32):08x}", f"{rng.getrandbits(32):08x}"
        self.sdp = SDP.format(n=10000 + number, host=caller % 250 + 1, port=20000 + number * 2)
        self.route = f"<sip:pcscf.{DOMAIN}:5060;lr>", f"<sip:orig@scscf.{DOMAIN}:6060;lr;ue-addr=192.0.2.1>"

    def fields(self, method, cseq, branch, answered):
        to = f'"Subscriber {self.callee}" <{uri(self.callee)}>' + (f";tag={self.tags[1]}" if answered else "")
        return [
            ("Via", f"SIP/2.0/UDP 192.0.2.{self.caller % 250 + 1}:5060;branch=z9hG4bK{branch};rport"),
            ("Via", f"SIP/2.0/UDP pcscf.{DOMAIN}:5060;branch=z9hG4bK{branch}.1;received=198.51.100.7"),
            ("From", f'"Subscriber {self.caller}" <{uri(self.caller)}>;tag={self.tags[0]}'),
            ("To", to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]

    def branch(self):
        return f"{self.rng.getrandbits(64):016x}"

    def request(self, method, cseq, branch, answered=False, body="", content_type="application/sdp", more=()):
        fields = self.fields(method, cseq, branch, answered) + [
            ("Max-Forwards", 68),
            ("Route", self.route[0]),
            ("Route", self.route[1]),
            ("Contact", f"<sip:user{self.caller}@192.0.2.{self.caller % 250 + 1}:5060;transport=udp>;+g.3gpp.icsi-ref="
             '"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'),
            ("P-Access-Network-Info", "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010000001"),
            ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY"),
            ("Supported", "100rel, timer, path, replaces, precondition"),
            ("User-Agent", "Example Phone 7.2 (build 4711)"),
            *more,
        ]  # fmt: skip
        return message(f"{method} {uri(self.callee)} SIP/2.0", fields, body, content_type)

    def response(self, status, method, cseq, branch, answered=True, body="", more=()):
        fields = self.fields(method, cseq, branch, answered)
        if answered:
            fields += [
                ("Record-Route", f"{self.route[0]}, {self.route[1]}"),
                ("Contact", f"<sip:user{self.callee}@198.51.100.{self.callee % 250 + 1}:5060>"),
                ("Server", "Example Exchange 3.1"),
                *more,
            ]
        return message(f"SIP/2.0 {status}", fields, body)

    def call(self):
        invite, bye = self.branch(), self.branch()
        asserted = [
            ("P-Asserted-Identity", f"<{uri(self.caller)}>, <tel:+4930{self.caller:07d}>"),
            ("Session-Expires", "1800;refresher=uac"),
        ]
        return [
            self.request("INVITE", 1, invite, body=self.sdp, more=asserted),
            self.response("100 Trying", "INVITE", 1, invite, answered=False),
            self.response("180 Ringing", "INVITE", 1, invite, more=[("RSeq", 1), ("Require", "100rel")]),
            self.request("PRACK", 2, self.branch(), True, more=[("RAck", "1 1 INVITE")]),
            self.response("200 OK", "INVITE", 1, invite, body=self.sdp),
            self.request("ACK", 1, self.branch(), True),
            self.request("BYE", 3, bye, True, more=[("Reason", 'Q.850;cause=16;text="normal call clearing"')]),
            self.response("200 OK", "BYE", 3, bye),
        ]

    def registration(self):
        first, second = self.branch(), self.branch()
        challenge = f'Digest realm="{DOMAIN}", nonce="{self.branch()}", algorithm=MD5, qop="auth"'
        answer = (
            f'Digest username="user{self.caller}@{DOMAIN}", realm="{DOMAIN}", nonce="{self.branch()}", uri="sip:{DOMAIN}", '
            f'response="{self.rng.getrandbits(128):032x}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{self.branch()}"'
        )
        return [
            self.request("REGISTER", 1, first, more=[("Expires", 3600)]),
            self.response("401 Unauthorized", "REGISTER", 1, first, more=[("WWW-Authenticate", challenge)]),
            self.request("REGISTER", 2, second, more=[("Expires", 3600), ("Authorization", answer)]),
            self.response("200 OK", "REGISTER", 2, second, more=[("P-Associated-URI", f"<{uri(self.caller)}>")]),
        ]

    def short_message(self):
        branch = self.branch()
        return [
            self.request("MESSAGE", 1, branch, body="See you at eight.\n", content_type="text/plain"),
            self.response("200 OK", "MESSAGE", 1, branch),
        ]


def messages(subscribers):
    """What each subscriber of a list sends and gets in a while: a registration, a call, a short message, none of them to
    another of the list."""
    rng = random.Random(3)
    found = []
    for caller in subscribers:
        for number, kind in enumerate((Dialog.registration, Dialog.call, Dialog.short_message)):
            callee = caller if kind is Dialog.registration else caller + 1
            found += kind(Dialog(rng, caller * 3 + number, caller, callee))
    return found
