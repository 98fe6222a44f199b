"""Messages of RADIUS, DHCP and GTP-C such as no capture holds, as IP packets: identities of mobile networks, options in parts,
messages in messages, answers in another order. For test_compare.py; the addresses, numbers and networks are reserved ones."""

import struct

import craft
import signals as s

NAS, SERVER, RELAY, CLIENT = "192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.7"
SGSN, GGSN, PGW = "192.0.2.11", "192.0.2.12", "2001:db8::12"
NAS6, SERVER6, CLIENT6, LINK6 = "2001:db8::1", "2001:db8::2", "fe80::200:5eff:fe00:5311", "2001:db8:a::1"
SECRET, MAC, OTHER_MAC = b"secret", "00:00:5e:00:53:11", "00:00:5e:00:53:22"
IMSI, IMEI, IMEISV, NUMBER = "001010123456789", "004401234567890", "0044012345678901", "15550100"
USER = f"0{IMSI}@wlan.mnc001.mcc001.3gppnetwork.org"


def between(one, other, one_port, other_port):
    """There and back."""
    return (
        lambda payload: craft.udp(one, other, one_port, other_port, payload),
        lambda payload: craft.udp(other, one, other_port, one_port, payload),
    )


def tgpp(*subattributes):
    return s.vendor(s.TGPP, *subattributes)


def radius():
    ask, answer = between(NAS, SERVER, 40000, s.RADIUS_ACCOUNTING)
    access, decide = between(NAS6, SERVER6, 40001, 1645)
    identities = s.attribute(s.USER_NAME, USER) + s.attribute(s.CALLING_STATION_ID, NUMBER)
    both = tgpp(s.attribute(s.TGPP_IMSI, IMSI), s.attribute(s.TGPP_IMEISV, IMEISV))
    addresses = s.address(s.FRAMED_IP_ADDRESS, CLIENT) + s.address(s.FRAMED_IPV6_ADDRESS, "2001:db8:a::7")
    prefixes = s.prefix(s.FRAMED_IPV6_PREFIX, "2001:db8:b::/64") + s.prefix(s.DELEGATED_IPV6_PREFIX, "2001:db8:c000::/35")
    start = s.accounting_request(1, s.START, "one", SECRET, identities, both, addresses, prefixes)
    named = s.attribute(s.NAS_IDENTIFIER, "nas")
    other = s.accounting_request(2, s.START, "one", SECRET, s.attribute(s.CALLING_STATION_ID, "0000.5E00.5311"), named)
    chosen = s.accounting_request(
        3, s.INTERIM, "two", SECRET, s.address(s.FRAMED_IP_ADDRESS, "255.255.255.254"), tgpp(s.attribute(s.TGPP_IMEISV, IMEI)),
        s.attribute(s.USER_NAME, "Alice@Example.COM\0"), s.attribute(s.CALLING_STATION_ID, "+123"),
    )  # fmt: skip
    stop = s.accounting_request(4, s.STOP, "one", SECRET, s.attribute(s.USER_NAME, "home.example!bob@visited.example"))
    sessionless = s.radius(s.ACCOUNTING_REQUEST, 5, bytes(16), s.attribute(s.ACCT_STATUS_TYPE, s.START))
    for request in (start, other, chosen, stop, sessionless):
        yield ask(request)
    yield ask(start)  # again
    for request in (stop, start, chosen):
        yield answer(s.radius_answer(s.ACCOUNTING_RESPONSE, request, SECRET))

    first = s.access_request(7, s.attribute(s.USER_NAME, f"6{IMSI}@nai.epc.mnc001.mcc001.3gppnetwork.org"))
    challenge = s.radius_answer(s.ACCESS_CHALLENGE, first, SECRET, s.attribute(s.STATE, b"state"))
    second = s.access_request(8, s.attribute(s.STATE, b"state"), s.attribute(89, USER), authenticator=bytes(16))
    reject = s.radius_answer(s.ACCESS_REJECT, second, SECRET)
    yield access(first)
    yield decide(challenge)
    yield access(second)
    yield decide(reject)
    third = s.access_request(7, authenticator=bytes(range(1, 17)))  # the Identifier is free again
    yield access(third)
    yield decide(s.radius_answer(s.ACCESS_ACCEPT, third, SECRET, s.address(s.FRAMED_IP_ADDRESS, CLIENT)))

    # One Identifier for a request of either kind, at the same ports.
    to_both, of_both = between(NAS, SERVER, 40005, s.RADIUS_ACCESS)
    asked, accounted = s.access_request(20), s.accounting_request(20, s.STOP, "three", SECRET)
    yield to_both(asked)
    yield to_both(accounted)
    yield of_both(s.radius_answer(s.ACCESS_ACCEPT, asked, SECRET))
    yield of_both(s.radius_answer(s.ACCOUNTING_RESPONSE, accounted, SECRET))

    order, obey = between(SERVER, NAS, 40002, s.RADIUS_DYNAMIC)
    disconnect = s.signed_request(s.DISCONNECT_REQUEST, 9, SECRET, s.attribute(s.ACCT_SESSION_ID, "two"), named)
    yield order(disconnect)
    yield obey(s.radius_answer(s.DISCONNECT_ACK, disconnect, SECRET))


def dhcpv4():
    up, down = between(RELAY, SERVER, s.DHCP_SERVER, s.DHCP_SERVER)
    shout, _ = between("0.0.0.0", "255.255.255.255", s.DHCP_CLIENT, s.DHCP_SERVER)
    said, _ = between(SERVER, CLIENT, s.DHCP_SERVER, s.DHCP_CLIENT)
    device = s.option(s.CLIENT_ID, b"\xff\0\0\0\1" + s.duid(OTHER_MAC))
    attributes = s.option(7, s.attribute(s.USER_NAME, "line-7") + s.attribute(s.CLASS, b"gold"))
    information = s.relay_information(b"port 7", None, attributes)
    yield shout(s.dhcp(s.DISCOVER, 1, MAC, s.option(80, b""), device))
    yield up(s.dhcp(s.DISCOVER, 1, MAC, s.option(80, b""), device, information, relay=RELAY))
    yield down(s.ack(1, MAC, CLIENT, SERVER, 3600, s.option(80, b""), information, relay=RELAY))
    yield said(s.ack(1, MAC, CLIENT, SERVER, 0xFFFFFFFF))
    # A client identifier in two parts (RFC 3396).
    parts = s.option(s.CLIENT_ID, b"\xff\0\0\0\1" + s.duid(OTHER_MAC)[:4]) + s.option(s.CLIENT_ID, s.duid(OTHER_MAC)[4:])
    yield shout(s.dhcp(s.REQUEST, 2, MAC, parts, s.option(s.REQUESTED_ADDRESS, s.packed(CLIENT))))
    yield said(s.ack(2, MAC, CLIENT, SERVER, 0))
    yield shout(s.decline(3, MAC, CLIENT, SERVER))
    yield craft.udp(CLIENT, SERVER, 68, 67, s.release(4, MAC, CLIENT, SERVER))
    yield craft.udp("198.51.100.99", SERVER, 68, 67, s.release(5, MAC, CLIENT, SERVER))  # somebody else's
    yield said(s.dhcp(s.ACK, 6, MAC, s.option(s.SERVER_ID, s.packed(SERVER)), client=CLIENT))  # of an INFORM
    yield said(s.dhcp(9, 7, MAC, s.option(s.SERVER_ID, s.packed(SERVER))))  # FORCERENEW, in a request


def dhcpv6():
    up, down = between(NAS6, SERVER6, s.DHCP6_SERVER, s.DHCP6_SERVER)
    ask, _ = between(CLIENT6, "ff02::1:2", s.DHCP6_CLIENT, s.DHCP6_SERVER)
    reply_to, _ = between("fe80::1", CLIENT6, s.DHCP6_SERVER, s.DHCP6_CLIENT)
    client, server = s.duid(MAC, 7), s.duid(OTHER_MAC)
    link_layer = s.option6(s.LINK_LAYER_ADDRESS6, b"\0\1" + s.hardware(OTHER_MAC))
    attributes = s.option6(81, s.attribute(s.USER_NAME, "line-7") + s.attribute(s.CLASS, b"gold"))
    both = (
        s.ia_na(1, s.ia_address("2001:db8:a::7", 60, 120), s.ia_address("2001:db8:a::8", 60, 0xFFFFFFFF)),
        s.ia_pd(1, s.ia_prefix("2001:db8:d::/56", 60, 120), s.ia_prefix("2001:db8:e::/48", 130, 120)),
        s.option6(s.IA_TA6, struct.pack(">I", 2) + s.ia_address("2001:db8:a::9", 1, 2)),
    )
    solicit = s.from_client6(s.SOLICIT6, 1, client, s.ia_na(1), s.option6(s.RAPID_COMMIT6, b""))
    yield ask(solicit)
    once = s.relayed6(s.RELAY_FORWARD6, 0, LINK6, CLIENT6, solicit, link_layer, attributes)
    yield up(s.relayed6(s.RELAY_FORWARD6, 1, LINK6, "fe80::1", once))
    reply = s.from_server6(s.REPLY6, 1, client, server, *both)
    yield down(s.relayed6(s.RELAY_REPLY6, 1, LINK6, "fe80::1", s.relayed6(s.RELAY_REPLY6, 0, LINK6, CLIENT6, reply)))
    yield reply_to(reply)
    refused = s.ia_na(1, s.ia_address("2001:db8:a::7", 0, 0, s.status(1)), s.ia_address("2001:db8:a::8", 0, 0))
    yield ask(s.from_client6(s.RELEASE6, 2, client, refused, s.ia_pd(2, s.status(6)), server_duid=server))
    yield reply_to(s.from_server6(s.REPLY6, 2, client, server, s.status(0)))
    yield reply_to(s.from_server6(s.REPLY6, 3, client, server, s.status(2), *both))  # refused as a whole
    yield ask(s.dhcp6(s.INFORMATION_REQUEST6, 4))  # nobody's DUID
    yield reply_to(s.dhcp6(s.REPLY6, 4, s.option6(s.SERVER_ID6, server)))
    inner = s.option6(87, s.discover(9, OTHER_MAC))
    yield ask(s.dhcp6(20, 0, inner))


def gtpv1():
    ask, answer = between(SGSN, GGSN, 40003, s.GTPC)
    both = s.end_user_address1(CLIENT, "2001:db8:b::1")
    create = s.create_pdp_request(1, IMSI, "internet", 0x11, 0x12, SGSN, msisdn=NUMBER + "1", imei=IMEI, restart=3)
    yield ask(create)
    yield answer(s.create_pdp_response(0x11, 1, 0x21, 0x22, GGSN, both, restart=4))
    yield ask(s.create_pdp_request(2, IMSI, "internet", 0x13, 0x14, SGSN, imei=IMEISV))
    yield answer(s.create_pdp_response(0x13, 2, 0, 0, GGSN, b"", cause=s.NON_EXISTENT1))
    yield ask(s.update_pdp_request(0x21, 3, 0x15, 0x16, SGSN, imsi=IMSI))
    yield answer(s.update_pdp_response(0x15, 3))
    yield ask(s.update_pdp_request(0x99, 4, 0x17, 0x18, SGSN))
    yield answer(s.update_pdp_response(0x17, 4, cause=s.NON_EXISTENT1))
    yield ask(s.delete_pdp_request(0x21, 5, teardown=False))
    yield ask(s.delete_pdp_request(0x21, 6))
    yield answer(s.delete_pdp_response(0x15, 6))
    yield craft.gtpu(ask(s.echo_request1(7)), 0x77)
    # One sequence number for two GGSNs.
    ask_other, answer_other = between(SGSN, "192.0.2.13", 40003, s.GTPC)
    yield ask(s.update_pdp_request(0x21, 8, 0x15, 0x16, SGSN))
    yield ask_other(s.update_pdp_request(0x22, 8, 0x15, 0x16, SGSN))
    yield answer(s.update_pdp_response(0x15, 8))
    yield answer_other(s.update_pdp_response(0x15, 8))


def gtpv2():
    ask, answer = between(SGSN, GGSN, 40004, s.GTPC)
    ask6, answer6 = between("2001:db8::11", PGW, s.GTPC, s.GTPC)
    sender = s.fteid(s.S11_MME, 0x31, SGSN)
    create = s.create_session_request(0x101, IMSI, "internet", sender, msisdn=NUMBER + "1", imei=IMEISV, restart=5)
    yield ask(create)
    ends = s.fteid(s.S11_SGW, 0x41, GGSN) + s.fteid(s.S5_PGW_C, 0x51, PGW, instance=1)
    created = s.create_session_response(0x31, 0x101, ends, s.paa(CLIENT, "2001:db8:b::1"), data=s.fteid(s.S1U_SGW, 0x42, GGSN))
    yield answer(created)
    both_ends = s.element2(s.FTEID2, b"\xc6" + struct.pack(">I", 0x43) + s.packed(GGSN) + s.packed("2001:db8::11"))
    yield ask6(s.create_session_request(0x102, IMSI, "ims", both_ends, imei=IMEI, ebi=6))
    pgw_end = s.fteid(s.S5_PGW_C, 0x52, PGW, instance=1)
    yield answer6(s.create_session_response(0x43, 0x102, pgw_end, s.paa(None, "2001:db8:c::1"), ebi=6))
    yield ask(s.modify_bearer_request(0x41, 0x103, data=s.fteid(s.S1U_ENB, 0x61, SGSN)))
    yield answer(s.modify_bearer_response(0x31, 0x103))
    yield answer(s.create_bearer_request(0x31, 0x104, data=s.fteid(s.S1U_SGW, 0x44, GGSN)))
    yield ask(s.create_bearer_response(0x41, 0x104))
    yield ask(s.create_session_request(0x105, IMSI, "x", s.fteid(s.S11_MME, 0x32, SGSN)))
    yield answer(s.create_session_response(0x32, 0x105, b"", b"", cause=s.CONTEXT_NOT_FOUND2))
    yield ask(s.delete_session_request(0x41, 0x106))
    yield answer(s.delete_session_response(0x31, 0x106))
    yield answer(s.delete_bearer_request(0x31, 0x107, linked_ebi=5))
    yield ask(s.delete_bearer_response(0x41, 0x107, linked_ebi=5))
    rider = s.create_bearer_request(0x31, 0x108, data=s.fteid(s.S1U_SGW, 0x45, GGSN))
    yield answer(s.create_session_response(0x31, 0x109, ends, s.paa(CLIENT), piggybacked=rider))
    yield ask(s.echo_request2(0x110, 6))
    yield answer(s.echo_response2(0x110, 7))


MADE_UP = {"radius": radius, "dhcpv4": dhcpv4, "dhcpv6": dhcpv6, "gtpv1c": gtpv1, "gtpv2c": gtpv2}
