#!/usr/bin/python3
"""signals.py itself: tshark reads of each kind of message what was put in, and nothing in them is malformed or out of place."""

import subprocess
import tempfile

import packets
import pcap
import signals as s
import x2tap_test as x2
from tap import Skip, case, equal, main, say

SECRET = b"testing123"
MAC = "02:00:00:00:00:2a"
IMSI, IMEI, IMEISV, MSISDN, APN = "001010123456789", "353490069873319", "3534900698733190", "491710000001", "internet.example"
NAS, SERVER = "192.0.2.10", "192.0.2.1"  # also SGSN and GGSN, relay and DHCP server
LINK, HOST, ROUTER6 = "fe80::2a", "2001:db8::10", "2001:db8::1"
CLIENT_DUID, SERVER_DUID = s.duid(MAC), s.duid("02:00:00:00:00:01", time=0x2A2A2A2A)
LENGTHS = {"radius.length": 0, "gtp.length": 8, "gtpv2.msg_length": 4}  # and the octets that each does not count
ERROR = "8388608"  # severity of tshark's expert information; warnings are below


def reading(path, fields):
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=;"]
    command += ["-o", f"radius.shared_secret:{SECRET.decode()}", "-o", "radius.validate_authenticator:TRUE"]
    for field in fields:
        command += ["-e", field]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Skip("tshark is not installed") from None
    return [dict(zip(fields, line.split("\t"))) for line in done.stdout.splitlines()]


def is_read(samples):
    """Samples are (from, to, from port, to port, payload, what tshark says of it): texts, several values parted by `;`."""
    asked = sorted({field for sample in samples for field in sample[5]})
    fields = ["_ws.malformed", "_ws.expert.severity", "_ws.expert.message", *LENGTHS, *asked]
    frames = [pcap.Frame(i, 10**18 + i * 10**6, pcap.udp_frame(*sample[:5])) for i, sample in enumerate(samples)]
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        pcap.write(file.name, frames)
        rows = reading(file.name, fields)
    equal(len(rows), len(samples), "frames")
    for number, (row, sample) in enumerate(zip(rows, samples), 1):
        equal(row["_ws.malformed"], "", f"message {number}: malformed")
        severe = [severity for severity in row["_ws.expert.severity"].split(";") if severity and int(severity) >= int(ERROR)]
        equal(severe, [], f"message {number}: {row['_ws.expert.message']}")
        for field, behind in LENGTHS.items():
            lengths = row[field].split(";") if row[field] else []
            if field == "gtp.length":
                lengths = lengths[:1]  # the others are those of elements
            said = sum(int(length) + behind for length in lengths)
            equal(said or len(sample[4]), len(sample[4]), f"message {number}: {field}, which tshark does not insist on")
        for field, wanted in sample[5].items():
            equal(row[field], wanted, f"message {number}: {field}")
    say(f"{len(samples)} messages, {sum(len(sample[5]) for sample in samples)} values")


def to_server(port, payload, **wanted):
    return (NAS, SERVER, 40000, port, payload, named(wanted))


def to_nas(port, payload, **wanted):
    return (SERVER, NAS, port, 40000, payload, named(wanted))


def named(wanted):
    """radius__code is the field radius.code."""
    return {name.replace("__", "."): value for name, value in wanted.items()}


# --- RADIUS -----------------------------------------------------------------------------------------------------------


def sessions_attributes():
    return [
        s.attribute(s.USER_NAME, "alice@example.com"),
        s.address(s.NAS_IP_ADDRESS, NAS),
        s.attribute(s.NAS_IDENTIFIER, "bras-1.example.net"),
        s.attribute(s.CALLING_STATION_ID, "02-00-00-00-00-2A"),
        s.address(s.FRAMED_IP_ADDRESS, "192.0.2.77"),
        s.prefix(s.FRAMED_IPV6_PREFIX, "2001:db8:1::/64"),
        s.prefix(s.DELEGATED_IPV6_PREFIX, "2001:db8:2::/56"),
        s.vendor(s.TGPP, s.attribute(s.TGPP_IMSI, IMSI), s.attribute(s.TGPP_IMEISV, IMEISV)),
    ]


@case("RADIUS: access, challenge, accounting, disconnect and change of authorisation")
def _():
    request = s.access_request(
        1, s.attribute(s.USER_NAME, "alice"), s.hidden_password("a long password, longer than 16", bytes(range(16)), SECRET)
    )
    signed = s.with_message_authenticator(request, SECRET)
    accounting = [
        s.accounting_request(10 + status, status, "session-1", SECRET, *sessions_attributes())
        for status in (s.START, s.INTERIM, s.STOP)
    ]
    on = s.accounting_request(30, s.ACCOUNTING_ON, "boot-1", SECRET, s.address(s.NAS_IP_ADDRESS, NAS))
    disconnect = s.signed_request(s.DISCONNECT_REQUEST, 40, SECRET, s.attribute(s.ACCT_SESSION_ID, "session-1"))
    change = s.signed_request(s.COA_REQUEST, 41, SECRET, s.attribute(s.USER_NAME, "alice@example.com"))
    challenge = s.radius_answer(s.ACCESS_CHALLENGE, signed, SECRET, s.attribute(s.STATE, b"\1\2\3\4"))
    accept = s.radius_answer(s.ACCESS_ACCEPT, request, SECRET, s.address(s.FRAMED_IP_ADDRESS, "192.0.2.77"))
    # Of attributes with names of their own in tshark the value is radius.avp's.
    samples = [
        to_server(
            s.RADIUS_ACCESS, signed, radius__code="1", radius__id="1", radius__User_Name="alice", radius__avp__type="1;2;80",
            radius__avp__length="7;34;18",
        ),
        to_nas(s.RADIUS_ACCESS, challenge, radius__code="11", radius__authenticator__valid="1"),
        to_server(s.RADIUS_ACCESS, request.replace(b"\1\1", b"\1\2", 1), radius__code="1", radius__id="2"),
        to_nas(s.RADIUS_ACCESS, s.radius_answer(s.ACCESS_REJECT, request.replace(b"\1\1", b"\1\2", 1), SECRET),
            radius__code="3", radius__authenticator__valid="1"),
    ]  # fmt: skip
    for status, packet in zip((s.START, s.INTERIM, s.STOP), accounting):
        samples += [
            to_server(
                s.RADIUS_ACCOUNTING, packet, radius__code="4", radius__Acct_Status_Type=str(status),
                radius__Acct_Session_Id="session-1", radius__User_Name="alice@example.com",
                radius__NAS_Identifier="bras-1.example.net", radius__Calling_Station_Id="02-00-00-00-00-2A",
                radius__Framed_IPv6_Prefix="0040" + "20010db800010000", radius__Delegated_IPv6_Prefix="0038" + "20010db8000200",
                radius__avp__vendor_id="10415", radius__avp__vendor_type="1;20", e212__imsi=IMSI,
                radius__3GPP_IMEISV=IMEISV, radius__avp__type="40;44;1;4;32;31;8;97;123;26",
            ),
            to_nas(
                s.RADIUS_ACCOUNTING, s.radius_answer(s.ACCOUNTING_RESPONSE, packet, SECRET), radius__code="5",
                radius__authenticator__valid="1",
            ),
        ]  # fmt: skip
    samples += [
        to_server(s.RADIUS_ACCOUNTING, on, radius__code="4", radius__Acct_Status_Type="7"),
        to_server(s.RADIUS_DYNAMIC, disconnect, radius__code="40", radius__Acct_Session_Id="session-1"),
        to_nas(s.RADIUS_DYNAMIC, s.radius_answer(s.DISCONNECT_ACK, disconnect, SECRET), radius__code="41"),
        to_server(s.RADIUS_DYNAMIC, change, radius__code="43", radius__User_Name="alice@example.com"),
        to_nas(s.RADIUS_DYNAMIC, s.radius_answer(s.COA_NAK, change, SECRET), radius__code="45"),
    ]
    is_read(samples)
    equal(accept[:2] + accept[20:], b"\2\1\x08\x06" + bytes([192, 0, 2, 77]), "an answer's identifier and attributes")


def captured(name, codes):
    ethernet = x2.SHARED / "captures" / "ethernet" / f"{name}.pcap"  # where it had another link type
    frames, _ = pcap.read(ethernet if ethernet.exists() else x2.SHARED / "captures" / f"{name}.pcap")
    for packet in (packets.parse(frame.octets) for frame in frames):
        if packet and packet.kind == "udp" and len(packet.payload) >= 20 and packet.payload[0] in codes:
            yield packet.payload


@case("RADIUS: requests that others captured are signed as they were")
def _():
    x2.need_shared()
    signed = 0
    for name, secret in (("radius-auth-acct-coa-freeradius", b"testing123"), ("radius-auth-accounting-start-stop", b"secret")):
        for octets in captured(name, (s.ACCOUNTING_REQUEST, s.DISCONNECT_REQUEST, s.COA_REQUEST)):
            equal(s.signed_request(octets[0], octets[1], secret, octets[20:]), octets, "Request Authenticator")
            signed += 1
    authenticated = 0
    for octets in captured("radius-auth-accounting-start-stop", (s.ACCESS_REQUEST,)):
        if octets[-18] == s.MESSAGE_AUTHENTICATOR:
            equal(s.with_message_authenticator(octets[:-18], b"secret"), octets, "Message-Authenticator")
            authenticated += 1
    equal((signed > 500, authenticated > 0), (True, True), "requests found")
    say(f"{signed} signed, {authenticated} with a Message-Authenticator")


# --- DHCP -------------------------------------------------------------------------------------------------------------


@case("DHCPv4: discover to release, decline, inform, with the options of a relay")
def _():
    relay = s.relay_information(b"port 7", b"box 9", s.option(6, b"alice"))
    by_relay = {"dhcp.option.agent_information_option.agent_circuit_id": b"port 7".hex(),
        "dhcp.option.agent_information_option.agent_remote_id": b"box 9".hex(),
        "dhcp.option.agent_information_option.subscriber_id": "alice",
        "dhcp.ip.relay": NAS, "dhcp.hops": "1"}  # fmt: skip
    given = {"dhcp.ip.your": "192.0.2.77", "dhcp.option.dhcp_server_id": SERVER, "dhcp.option.ip_address_lease_time": "600"}
    chaddr = {"dhcp.hw.mac_addr": MAC}
    twice = {"dhcp.hw.mac_addr": f"{MAC};{MAC}"}  # in the client identifier too

    def client(kind, payload, **wanted):
        return ("0.0.0.0", "255.255.255.255", s.DHCP_CLIENT, s.DHCP_SERVER, payload, {"dhcp.option.dhcp": str(kind)} | wanted)

    def server(kind, payload, **wanted):
        return (SERVER, NAS, s.DHCP_SERVER, s.DHCP_SERVER, payload, {"dhcp.option.dhcp": str(kind)} | wanted)

    is_read([
        client(1, s.discover(7, MAC, relay, relay=NAS), **by_relay, **twice, **{"dhcp.id": "0x00000007", "dhcp.type": "1"}),
        server(2, s.offer(7, MAC, "192.0.2.77", SERVER, 600, relay, relay=NAS), **by_relay, **given, **chaddr, **{"dhcp.type": "2"}),
        client(3, s.select(7, MAC, "192.0.2.77", SERVER, broadcast=True), **twice,
            **{"dhcp.option.requested_ip_address": "192.0.2.77", "dhcp.option.dhcp_server_id": SERVER, "dhcp.flags": "0x8000"}),
        server(5, s.ack(7, MAC, "192.0.2.77", SERVER, 600), **given, **chaddr),
        client(3, s.renew(8, MAC, "192.0.2.77"), **twice, **{"dhcp.ip.client": "192.0.2.77"}),
        server(6, s.nak(8, MAC, SERVER), **chaddr, **{"dhcp.option.dhcp_server_id": SERVER, "dhcp.ip.your": "0.0.0.0"}),
        client(4, s.decline(9, MAC, "192.0.2.77", SERVER), **twice, **{"dhcp.option.requested_ip_address": "192.0.2.77"}),
        client(7, s.release(9, MAC, "192.0.2.77", SERVER), **twice, **{"dhcp.ip.client": "192.0.2.77"}),
        client(8, s.inform(9, MAC, "192.0.2.77"), **twice, **{"dhcp.ip.client": "192.0.2.77"}),
    ])  # fmt: skip


@case("DHCPv6: solicit to release, addresses and prefixes, through two relays")
def _():
    address, prefix = s.ia_address("2001:db8:1::77", 300, 600), s.ia_prefix("2001:db8:2::/56", 300, 600)
    given = s.ia_na(1, address, t1=150, t2=240) + s.ia_pd(2, prefix, t1=150, t2=240)
    are_given = {"dhcpv6.iaaddr.ip": "2001:db8:1::77", "dhcpv6.iaprefix.pref_addr": "2001:db8:2::",
        "dhcpv6.iaprefix.pref_len": "56", "dhcpv6.iaaddr.valid_lifetime": "600", "dhcpv6.iaprefix.valid_lifetime": "600",
        "dhcpv6.iaid": "00000001;00000002", "dhcpv6.iaid.t1": "150;150"}  # fmt: skip
    client_mac, both = {"dhcpv6.duidll.link_layer_addr": MAC}, {"dhcpv6.duid.type": "3;1"}

    def client(kind, payload, **wanted):
        return (LINK, "ff02::1:2", s.DHCP6_CLIENT, s.DHCP6_SERVER, payload, {"dhcpv6.msgtype": kind} | client_mac | wanted)

    def server(kind, payload, **wanted):
        return (ROUTER6, LINK, s.DHCP6_SERVER, s.DHCP6_CLIENT, payload, {"dhcpv6.msgtype": kind} | client_mac | wanted)

    solicit = s.from_client6(s.SOLICIT6, 0x123456, CLIENT_DUID, s.ia_na(1), s.ia_pd(2), s.option6(s.OPTION_REQUEST6, b"\0\x17"))
    reply = s.from_server6(s.REPLY6, 0x123457, CLIENT_DUID, SERVER_DUID, given)
    inner = s.relayed6(s.RELAY_FORWARD6, 0, "2001:db8:1::1", LINK, solicit, s.option6(s.INTERFACE_ID6, "ge-0/0/7"))
    outer = s.relayed6(s.RELAY_FORWARD6, 1, "2001:db8::5", ROUTER6, inner, s.remote_id6(32473, "box 9"))
    back = s.relayed6(s.RELAY_REPLY6, 0, "2001:db8:1::1", LINK, reply, s.option6(s.INTERFACE_ID6, "ge-0/0/7"))
    is_read([
        client("1", solicit, **{"dhcpv6.xid": "0x123456", "dhcpv6.iaid": "00000001;00000002"}),
        server("2", s.from_server6(s.ADVERTISE6, 0x123456, CLIENT_DUID, SERVER_DUID, given), **are_given, **both),
        client("3", s.from_client6(s.REQUEST6, 0x123457, CLIENT_DUID, given, server_duid=SERVER_DUID), **are_given, **both),
        server("7", reply, **are_given),
        client("5", s.from_client6(s.RENEW6, 0x123458, CLIENT_DUID, given, server_duid=SERVER_DUID), **are_given, **both),
        client("6", s.from_client6(s.REBIND6, 0x123459, CLIENT_DUID, given), **are_given),
        server("7", s.from_server6(s.REPLY6, 0x123459, CLIENT_DUID, SERVER_DUID, s.ia_na(1, s.status(3, "no binding"))),
            **{"dhcpv6.status_code": "3"}),
        client("8", s.from_client6(s.RELEASE6, 0x12345A, CLIENT_DUID, given, server_duid=SERVER_DUID), **are_given),
        client("12;12;1", outer, **{"dhcpv6.hopcount": "1;0", "dhcpv6.linkaddr": "2001:db8::5;2001:db8:1::1",
            "dhcpv6.peeraddr": f"{ROUTER6};{LINK}", "dhcpv6.remoteid.enterprise": "32473"}),
        server("13;7", back, **{"dhcpv6.hopcount": "0", "dhcpv6.interface_id": b"ge-0/0/7".hex()}, **are_given),
    ])  # fmt: skip


# --- GTP-C ------------------------------------------------------------------------------------------------------------


def sgsn(payload, **wanted):
    return (NAS, SERVER, s.GTPC, s.GTPC, payload, named(wanted))


def ggsn(payload, **wanted):
    return (SERVER, NAS, s.GTPC, s.GTPC, payload, named(wanted))


@case("GTPv1-C: contexts are created, updated and deleted, and echoes")
def _():
    create = s.create_pdp_request(1, IMSI, APN, 0x11, 0x12, NAS, msisdn=MSISDN, imei=IMEI, restart=3)
    static = s.end_user_address1(ipv6="2001:db8:1::77")
    both = s.end_user_address1(ipv4="192.0.2.77", ipv6="2001:db8:1::77")
    ipv4 = s.end_user_address1(ipv4="192.0.2.77")
    is_read([
        sgsn(create, gtp__message="0x10", gtp__teid="0x00000000", gtp__seq_number="0x0001", e212__imsi=IMSI, e164__msisdn=MSISDN,
            gtp__ext_imeisv=IMEI, gtp__apn=APN, gtp__teid_cp="0x00000011", gtp__teid_data="0x00000012", gtp__nsapi="5",
            gtp__recovery="3", gtp__gsn_ipv4=f"{NAS};{NAS}", gtp__user_ipv4=""),
        ggsn(s.create_pdp_response(0x11, 1, 0x21, 0x22, SERVER, ipv4, restart=4), gtp__message="0x11", gtp__teid="0x00000011",
            gtp__cause="128", gtp__user_ipv4="192.0.2.77", gtp__teid_cp="0x00000021", gtp__teid_data="0x00000022",
            gtp__recovery="4", gtp__gsn_ipv4=f"{SERVER};{SERVER}", gtp__chrg_id="0x00000001"),
        sgsn(s.create_pdp_request(2, IMSI, APN, 0x13, 0x14, HOST, imei=IMEISV, nsapi=6, address=static), gtp__message="0x10",
            gtp__user_ipv6="2001:db8:1::77", gtp__nsapi="6", gtp__gsn_ipv6=f"{HOST};{HOST}", gtp__ext_imeisv=IMEISV),
        ggsn(s.create_pdp_response(0x13, 2, 0x23, 0x24, ROUTER6, both), gtp__user_ipv4="192.0.2.77",
            gtp__user_ipv6="2001:db8:1::77"),
        ggsn(s.create_pdp_response(0x13, 2, 0, 0, SERVER, b"", cause=199), gtp__cause="199", gtp__teid_cp=""),
        sgsn(s.update_pdp_request(0x21, 3, 0x31, 0x32, NAS, imsi=IMSI), gtp__message="0x12", gtp__teid="0x00000021",
            gtp__teid_cp="0x00000031", gtp__teid_data="0x00000032", e212__imsi=IMSI),
        ggsn(s.update_pdp_response(0x31, 3), gtp__message="0x13", gtp__cause="128"),
        sgsn(s.delete_pdp_request(0x21, 4), gtp__message="0x14", gtp__teid="0x00000021", gtp__nsapi="5"),
        ggsn(s.delete_pdp_response(0x31, 4), gtp__message="0x15", gtp__cause="128"),
        sgsn(s.echo_request1(5), gtp__message="0x01"),
        ggsn(s.echo_response1(5, 9), gtp__message="0x02", gtp__recovery="9"),
    ])  # fmt: skip


@case("GTPv2-C: sessions are created, modified and deleted, bearers, and echoes")
def _():
    mme, sgw = s.fteid(s.S11_MME, 0x11, NAS), s.fteid(s.S11_SGW, 0x21, SERVER)
    data, enb = s.fteid(s.S1U_SGW, 0x22, SERVER), s.fteid(s.S1U_ENB, 0x12, "192.0.2.20")
    create = s.create_session_request(1, IMSI, APN, mme, msisdn=MSISDN, imei=IMEI, restart=3)
    dual = s.paa(ipv4="192.0.2.77", ipv6="2001:db8:1::77")
    bearer = s.create_bearer_request(0x11, 0x800001, data=data)
    created = s.create_session_response(0x11, 1, sgw, dual, data=data)
    is_read([
        sgsn(create, gtpv2__message_type="32", gtpv2__teid="0x00000000", gtpv2__seq="0x000001", e212__imsi=IMSI,
            e164__msisdn=MSISDN, gtpv2__mei=IMEI, gtpv2__apn=APN, gtpv2__f_teid_gre_key="0x00000011", gtpv2__ebi="5",
            gtpv2__f_teid_ipv4=NAS, gtpv2__rec="3", e212__mcc="1;1"),
        ggsn(created, gtpv2__message_type="33", gtpv2__teid="0x00000011", gtpv2__cause="16;16",
            gtpv2__pdn_addr_and_prefix__ipv4="192.0.2.77", gtpv2__pdn_addr_and_prefix__ipv6="2001:db8:1::77",
            gtpv2__pdn_ipv6_len="64", gtpv2__f_teid_gre_key="0x00000021;0x00000022", gtpv2__charging_id="1"),
        ggsn(s.create_session_response(0x11, 1, sgw, s.paa(ipv4="192.0.2.77")), gtpv2__pdn_addr_and_prefix__ipv4="192.0.2.77"),
        ggsn(s.create_session_response(0x11, 1, sgw, s.paa(ipv6="2001:db8:1::77")),
            gtpv2__pdn_addr_and_prefix__ipv6="2001:db8:1::77"),
        ggsn(s.create_session_response(0x11, 1, b"", b"", cause=94), gtpv2__cause="94", gtpv2__ebi=""),
        ggsn(s.create_session_response(0x11, 1, sgw, dual, data=data, piggybacked=bearer), gtpv2__message_type="33;95"),
        sgsn(s.create_session_request(7, IMSI, APN, s.fteid(s.S5_SGW_C, 1, HOST), imei=IMEISV, data=s.fteid(s.S5_SGW_U, 2, HOST)),
            gtpv2__f_teid_ipv6=f"{HOST};{HOST}", gtpv2__mei=IMEISV, gtpv2__f_teid_interface_type="6;4"),
        sgsn(s.modify_bearer_request(0x21, 2, data=enb), gtpv2__message_type="34", gtpv2__teid="0x00000021",
            gtpv2__f_teid_gre_key="0x00000012", gtpv2__f_teid_ipv4="192.0.2.20"),
        ggsn(s.modify_bearer_response(0x11, 2, data=data), gtpv2__message_type="35", gtpv2__cause="16;16"),
        sgsn(s.create_bearer_response(0x21, 0x800001, data=enb), gtpv2__message_type="96", gtpv2__ebi="6"),
        ggsn(s.delete_bearer_request(0x11, 0x800002, linked_ebi=5), gtpv2__message_type="99", gtpv2__ebi="5"),
        sgsn(s.delete_bearer_response(0x21, 0x800002, linked_ebi=5), gtpv2__message_type="100", gtpv2__cause="16"),
        sgsn(s.delete_session_request(0x21, 3), gtpv2__message_type="36", gtpv2__ebi="5"),
        ggsn(s.delete_session_response(0x11, 3), gtpv2__message_type="37", gtpv2__cause="16"),
        ggsn(s.delete_session_response(0x11, 3, cause=s.CONTEXT_NOT_FOUND2), gtpv2__cause="64"),
        sgsn(s.echo_request2(4, 3), gtpv2__message_type="1", gtpv2__rec="3", gtpv2__teid=""),
        ggsn(s.echo_response2(4, 9), gtpv2__message_type="2", gtpv2__rec="9"),
    ])  # fmt: skip


main()
