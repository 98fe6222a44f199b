"""What networks say of subscribers: IP packets of RADIUS, DHCP and GTP-C that give an address to somebody, and take it away.

A speaker stands for both ends of one protocol (NAS and RADIUS server, relay and DHCP server, two GTP peers) and counts what has
to be unique. Its functions return lists of packets.
"""

import copy
import itertools

import craft
import signals as s

SECRET = b"tests-only"
APN = "internet"
ELSEWHERE = "198.51.100.250"  # an address that is nobody's


class Person:
    """A subscriber, as each protocol calls him."""

    def __init__(self, number):
        self.number = number
        self.user = f"line-{number}@isp.example.com"
        self.mac = f"00:00:5e:00:53:{number:02x}"
        self.imsi = f"9997000000{number:05d}"

    def identifier(self, protocol):
        """What an order names him by."""
        if protocol == "radius":
            return {"nai": self.user}
        return {"macAddress": self.mac} if protocol.startswith("dhcp") else {"imsi": self.imsi}


class Speaker:
    def __init__(self, client, server):
        self.client, self.server, self.numbers, self.count = client, server, itertools.count(1), 0

    def at(self, client, server):
        """The same speaker, with packets from and to elsewhere."""
        other = copy.copy(self)
        other.client, other.server = client, server
        return other

    def bears(self, packet):
        """Whether a packet says anything of bindings."""
        return True

    def next(self):
        self.count = next(self.numbers)
        return self.count

    def up(self, port, payload, source_port=None):
        return craft.udp(self.client, self.server, source_port or port, port, payload)

    def down(self, port, payload, source_port=None):
        return craft.udp(self.server, self.client, port, source_port or port, payload)


class Radius(Speaker):
    """Accounting by a NAS. A session's name is that of the NAS that began it, wherever its packets come from."""

    protocol = "radius"
    nas = "192.0.2.1"

    def account(self, status, person, session, address=None):
        attributes = [s.address(s.NAS_IP_ADDRESS, self.nas)]
        attributes += [s.attribute(s.USER_NAME, person.user)] if person else []
        attributes += [s.address(s.FRAMED_IP_ADDRESS, address)] if address else []
        number = self.next()
        return [self.up(1813, s.accounting_request(number % 256, status, session, SECRET, *attributes), 40000 + number // 256)]

    def begin(self, person, address, session=None):
        return self.account(s.START, person, session or f"s{person.number}", address)

    def renew(self, person, address):
        return self.account(s.INTERIM, person, f"s{person.number}", address)

    def end(self, person, address):
        return self.account(s.STOP, person, f"s{person.number}", address)

    def restart(self):
        return self.account(s.ACCOUNTING_ON, None, "0")

    def attacks(self, victim, forger, address):
        """What somebody might send, and whose the address is afterwards if it is believed."""
        session = f"s{victim.number}"
        return [
            (self.begin(forger, address), forger),
            (self.begin(forger, address, session), forger),
            (self.account(s.INTERIM, forger, session, address), forger),
            (self.end(victim, address), None),
            (self.restart(), None),
            (self.account(s.ACCOUNTING_OFF, None, "0"), None),
        ]

    def intrusions(self, victim, forger, address, _):
        """Packets under the name of what is the victim's, by another of the operator's own."""
        return [packets for packets, _ in self.attacks(victim, forger, address)[1:4]]


class Dhcpv4(Speaker):
    """Through a relay, whose words go from and to its own address."""

    protocol = "dhcpv4"
    lease_s = 3600

    def ask(self, person, address):
        return [self.up(67, s.select(self.next(), person.mac, address, self.server, relay=self.client))]

    def give(self, person, address, seconds=None):
        seconds = self.lease_s if seconds is None else seconds
        return [self.down(67, s.ack(self.count, person.mac, address, self.server, seconds, relay=self.client))]

    def begin(self, person, address):
        return self.ask(person, address) + self.give(person, address)

    def renew(self, person, address):
        """Between client and server alone."""
        number = self.next()
        return [
            craft.udp(address, self.server, 68, 67, s.renew(number, person.mac, address)),
            craft.udp(self.server, address, 67, 68, s.ack(number, person.mac, address, self.server, self.lease_s)),
        ]

    def end(self, person, address):
        return [self.up(67, s.release(self.next(), person.mac, address, self.server, relay=self.client))]

    def attacks(self, victim, forger, address):
        declined = s.decline(self.next(), victim.mac, address, self.server, relay=self.client)
        return [
            (self.begin(forger, address), forger),
            (self.ask(forger, address), victim),
            (self.end(victim, address), None),
            ([self.up(67, declined)], None),
            (self.give(victim, address, 0), None),
        ]

    def intrusions(self, victim, forger, address, _):
        return [packets for packets, _ in self.attacks(victim, forger, address)[2:]]


class Dhcpv6(Speaker):
    protocol = "dhcpv6"
    lease_s = 3600
    link, server_duid = "2001:db8:1::1", s.duid("02:00:00:00:00:02")

    def identity(self, person, address, seconds=None):
        return s.ia_na(1, s.ia_address(address, min(300, self.lease_s if seconds is None else seconds),
                                       self.lease_s if seconds is None else seconds))  # fmt: skip

    def forward(self, kind, person, address):
        message = s.from_client6(
            kind, self.next(), s.duid(person.mac), self.identity(person, address), server_duid=self.server_duid
        )
        return [self.up(547, s.relayed6(s.RELAY_FORWARD6, 0, self.link, "fe80::1", message))]

    def give(self, person, address, seconds=None):
        reply = s.from_server6(
            s.REPLY6, self.count, s.duid(person.mac), self.server_duid, self.identity(person, address, seconds)
        )
        return [self.down(547, s.relayed6(s.RELAY_REPLY6, 0, self.link, "fe80::1", reply))]

    def begin(self, person, address):
        return self.forward(s.REQUEST6, person, address) + self.give(person, address)

    def renew(self, person, address):
        return self.forward(s.RENEW6, person, address) + self.give(person, address)

    def end(self, person, address):
        return self.forward(s.RELEASE6, person, address)

    def attacks(self, victim, forger, address):
        return [
            (self.begin(forger, address), forger),
            (self.forward(s.REQUEST6, forger, address), victim),
            (self.end(victim, address), None),
            (self.forward(s.DECLINE6, victim, address), None),
            (self.give(victim, address, 0), None),
        ]

    def intrusions(self, victim, forger, address, _):
        return [packets for packets, _ in self.attacks(victim, forger, address)[2:]]


class Gtp(Speaker):
    """A session's TEIDs are made of its person's number, at whatever addresses its packets travel."""

    def __init__(self, client, server):
        super().__init__(client, server)
        self.client_end, self.server_end = client, server

    def teids(self, person):
        return 0x1000 + person.number, 0x2000 + person.number

    restarts = 1  # what the client's counter says when nothing happens

    def begin(self, person, address):
        return [self.up(2123, self.echo(self.restarts)), *self.ask(person, address), *self.give(person, address)]

    def restart(self):
        """The client has lost all that it had."""
        return [self.up(2123, self.echo(self.restarts + 1))]


class Gtpv1(Gtp):
    protocol = "gtpv1"

    def echo(self, restart):
        return s.echo_response1(self.next(), restart)

    def ask(self, person, _):
        near, _ = self.teids(person)
        return [self.up(2123, s.create_pdp_request(self.next(), person.imsi, APN, near, near + 0x500, self.client_end))]

    def give(self, person, address):
        near, far = self.teids(person)
        user = s.end_user_address1(ipv4=address)
        return [self.down(2123, s.create_pdp_response(near, self.count, far, far + 0x500, self.server_end, user))]

    def renew(self, person, _):
        near, far = self.teids(person)
        number = self.next()
        return [
            self.up(2123, s.update_pdp_request(far, number, near, near + 0x500, self.client_end)),
            self.down(2123, s.update_pdp_response(near, number)),
        ]

    def end(self, person, _):
        _, far = self.teids(person)
        return [self.up(2123, s.delete_pdp_request(far, self.next()))]

    def attacks(self, victim, forger, address):
        near, far = self.teids(victim)
        unknown = s.update_pdp_response(near, self.next(), cause=s.NON_EXISTENT1)
        moved = s.update_pdp_request(far, self.next(), 0x7001, 0x7002, self.client, imsi=forger.imsi)
        elsewhere = s.end_user_address1(ipv4=ELSEWHERE)
        unasked = s.create_pdp_response(near, self.next(), far, 0x7003, self.server_end, elsewhere)
        return [
            (self.begin(forger, address), forger),
            (self.end(victim, address), None),
            ([self.down(2123, unknown)], None),
            ([self.up(2123, moved)], victim),
            ([self.down(2123, unasked)], victim),
            (self.restart(), None),
        ]

    def intrusions(self, victim, forger, address, owner):
        """Says that its end of a new tunnel is the victim's, which `owner` spoke of."""
        near, far = self.teids(victim)
        user = s.end_user_address1(ipv4=address)
        return [
            [self.up(2123, s.create_pdp_request(self.next(), forger.imsi, APN, near, 0x7001, owner.client_end))],
            [self.down(2123, s.create_pdp_response(0x7002, self.next(), far, 0x7003, owner.server_end, user))],
            [self.up(2123, s.update_pdp_request(0x7004, self.next(), near, 0x7005, owner.client_end, imsi=forger.imsi))],
        ]


class Gtpv2(Gtp):
    protocol = "gtpv2"

    def bears(self, packet):
        """The answers to these end a session, so they alone count."""
        return packet[29] not in (s.DELETE_SESSION_REQUEST, s.DELETE_BEARER_REQUEST)

    def echo(self, restart):
        return s.echo_request2(self.next(), restart)

    def ask(self, person, _):
        near, _ = self.teids(person)
        end = s.fteid(s.S11_MME, near, self.client_end)
        return [self.up(2123, s.create_session_request(self.next(), person.imsi, APN, end))]

    def created(self, near, number, far, server_end, address):
        return s.create_session_response(near, number, s.fteid(s.S11_SGW, far, server_end), s.paa(ipv4=address))

    def give(self, person, address):
        near, far = self.teids(person)
        return [self.down(2123, self.created(near, self.count, far, self.server_end, address))]

    def renew(self, person, _):
        near, far = self.teids(person)
        number = self.next()
        return [
            self.up(2123, s.modify_bearer_request(far, number, data=s.fteid(s.S1U_ENB, near + 0x500, "192.0.2.20"))),
            self.down(2123, s.modify_bearer_response(near, number)),
        ]

    def end(self, person, _):
        near, far = self.teids(person)
        number = self.next()
        return [
            self.up(2123, s.delete_session_request(far, number)),
            self.down(2123, s.delete_session_response(near, number)),
        ]

    def attacks(self, victim, forger, address):
        near, far = self.teids(victim)
        new_end = s.fteid(s.S11_MME, 0x7001, self.client)
        given_up = [
            self.down(2123, s.delete_bearer_request(near, self.next(), linked_ebi=5)),
            self.up(2123, s.delete_bearer_response(far, self.count, linked_ebi=5)),
        ]
        unknown = [
            self.up(2123, s.modify_bearer_request(far, self.next())),
            self.down(2123, s.modify_bearer_response(near, self.count, cause=s.CONTEXT_NOT_FOUND2)),
        ]
        moved = s.modify_bearer_request(far, self.next(), s.imsi2(forger.imsi), sender=new_end)
        return [
            (self.begin(forger, address), forger),
            (self.end(victim, address), None),
            (given_up, None),
            (unknown, None),
            ([self.up(2123, moved)], victim),
            ([self.down(2123, self.created(near, self.next(), far, self.server_end, ELSEWHERE))], victim),
            (self.restart(), None),
        ]

    def intrusions(self, victim, forger, address, owner):
        near, far = self.teids(victim)
        own_end = s.fteid(s.S11_MME, near, owner.client_end)
        return [
            [self.up(2123, s.create_session_request(self.next(), forger.imsi, APN, own_end))],
            [self.down(2123, self.created(0x7002, self.next(), far, owner.server_end, address))],
            [self.up(2123, s.modify_bearer_request(0x7004, self.next(), s.imsi2(forger.imsi), sender=own_end))],
        ]
