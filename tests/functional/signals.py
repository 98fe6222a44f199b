"""RADIUS, DHCP and GTP-C messages that tests make up: each function returns the payload of a UDP datagram, or a part of one.

What is wrong on purpose is for the caller to make: every part is plain octets, and no function checks what it is given.
"""

import hashlib
import hmac
import ipaddress
import struct

RADIUS_ACCESS, RADIUS_ACCOUNTING, RADIUS_DYNAMIC = 1812, 1813, 3799  # ports
DHCP_SERVER, DHCP_CLIENT = 67, 68
DHCP6_SERVER, DHCP6_CLIENT = 547, 546
GTPC = 2123


def packed(address):
    return ipaddress.ip_address(address).packed


def hardware(mac):
    return bytes.fromhex(mac.replace(":", "").replace("-", ""))


def octets(value):
    """Text, an address or network, a number of 32 bits, or octets as they are."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return struct.pack(">I", value)
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return value.packed
    return bytes(value)


def digits(text):
    """TBCD (TS 29.002): two digits an octet, the first in the low half, 15 behind the last of an odd number."""
    text += "f" * (len(text) % 2)
    return bytes(int(text[i + 1] + text[i], 16) for i in range(0, len(text), 2))


def network(mcc, mnc):
    """A PLMN identity (TS 24.008 clause 10.5.1.3)."""
    third = mnc[2] if len(mnc) == 3 else "f"
    return bytes.fromhex(mcc[1] + mcc[0] + third + mcc[2] + mnc[1] + mnc[0])


def labels(name):
    """An APN (TS 23.003 clause 9.1) or domain name without its root."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))


# --- RADIUS (RFC 2865, 2866, 5176) ------------------------------------------------------------------------------------

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE = 1, 2, 3, 11
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
DISCONNECT_REQUEST, DISCONNECT_ACK, DISCONNECT_NAK = 40, 41, 42
COA_REQUEST, COA_ACK, COA_NAK = 43, 44, 45

USER_NAME, USER_PASSWORD, CHAP_PASSWORD, NAS_IP_ADDRESS, NAS_PORT = 1, 2, 3, 4, 5
FRAMED_IP_ADDRESS, FRAMED_IP_NETMASK, FRAMED_ROUTE, STATE, CLASS = 8, 9, 22, 24, 25
CALLED_STATION_ID, CALLING_STATION_ID, NAS_IDENTIFIER, PROXY_STATE = 30, 31, 32, 33
ACCT_STATUS_TYPE, ACCT_SESSION_ID, EVENT_TIMESTAMP, EAP_MESSAGE, MESSAGE_AUTHENTICATOR = 40, 44, 55, 79, 80
NAS_IPV6_ADDRESS, FRAMED_INTERFACE_ID, FRAMED_IPV6_PREFIX, DELEGATED_IPV6_PREFIX, FRAMED_IPV6_ADDRESS = 95, 96, 97, 123, 168
START, STOP, INTERIM, ACCOUNTING_ON, ACCOUNTING_OFF = 1, 2, 3, 7, 8  # Acct-Status-Type

TGPP = 10415  # 3GPP's vendor number; its attributes: TS 29.061 clause 16.4.7
TGPP_IMSI, TGPP_CHARGING_ID, TGPP_PDP_TYPE, TGPP_SGSN_ADDRESS, TGPP_IMSI_MCC_MNC, TGPP_NSAPI = 1, 2, 3, 6, 8, 10
TGPP_SGSN_IPV6_ADDRESS, TGPP_IMEISV, TGPP_RAT_TYPE, TGPP_USER_LOCATION = 15, 20, 21, 22


def attribute(kind, value):
    value = octets(value)
    return struct.pack(">BB", kind, 2 + len(value)) + value


def vendor(number, *subattributes):
    """Vendor-Specific: subattributes are made by attribute(), as RFC 2865 section 5.26 suggests and 3GPP does."""
    return attribute(26, struct.pack(">I", number) + b"".join(subattributes))


def address(kind, text):
    return attribute(kind, packed(text))


def prefix(kind, text):
    """Framed-IPv6-Prefix and Delegated-IPv6-Prefix (RFC 3162, 4818): no more octets than the prefix has."""
    net = ipaddress.ip_network(text)
    return attribute(kind, bytes([0, net.prefixlen]) + net.network_address.packed[: (net.prefixlen + 7) // 8])


def radius(code, identifier, authenticator, *attributes):
    body = b"".join(attributes)
    return struct.pack(">BBH", code, identifier, 20 + len(body)) + authenticator + body


def hidden_password(password, authenticator, secret):
    """User-Password (RFC 2865 section 5.2)."""
    clear = password.encode()
    clear += bytes(-len(clear) % 16 or (0 if clear else 16))
    hidden, last = b"", authenticator
    for at in range(0, len(clear), 16):
        key = hashlib.md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(clear[at : at + 16], key))
        hidden += last
    return attribute(USER_PASSWORD, hidden)


def access_request(identifier, *attributes, authenticator=bytes(range(16))):
    return radius(ACCESS_REQUEST, identifier, authenticator, *attributes)


def signed_request(code, identifier, secret, *attributes):
    """Accounting-Request, Disconnect-Request, CoA-Request: the authenticator is a digest (RFC 2866 section 3)."""
    unsigned = radius(code, identifier, bytes(16), *attributes)
    return radius(code, identifier, hashlib.md5(unsigned + secret).digest(), *attributes)


def accounting_request(identifier, status, session, secret, *attributes):
    first = attribute(ACCT_STATUS_TYPE, status) + attribute(ACCT_SESSION_ID, session)
    return signed_request(ACCOUNTING_REQUEST, identifier, secret, first, *attributes)


def radius_answer(code, request, secret, *attributes):
    """The answer to a request's octets, with the Response Authenticator."""
    unsigned = radius(code, request[1], request[4:20], *attributes)
    return radius(code, request[1], hashlib.md5(unsigned + secret).digest(), *attributes)


def with_message_authenticator(request, secret):
    """An Access-Request with a Message-Authenticator at its end (RFC 3579 section 3.2)."""
    packet = radius(request[0], request[1], request[4:20], request[20:], attribute(MESSAGE_AUTHENTICATOR, bytes(16)))
    return packet[:-16] + hmac.new(secret, packet, hashlib.md5).digest()


# --- DHCPv4 (RFC 2131, 2132, 3046) ------------------------------------------------------------------------------------

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
SUBNET_MASK, ROUTER, DNS_SERVERS, HOST_NAME, REQUESTED_ADDRESS, LEASE_TIME, OVERLOAD = 1, 3, 6, 12, 50, 51, 52
MESSAGE_TYPE, SERVER_ID, PARAMETER_LIST, RENEWAL_TIME, REBINDING_TIME, CLIENT_ID, RELAY_INFORMATION = 53, 54, 55, 58, 59, 61, 82
ANYWHERE = "0.0.0.0"


def option(code, value):
    value = octets(value)
    return struct.pack(">BB", code, len(value)) + value


def client_id(mac):
    return option(CLIENT_ID, b"\x01" + hardware(mac))


def relay_information(circuit_id=None, remote_id=None, *subscribers):
    """Option 82; behind the ids other suboptions, made by option(): subscriber id is 6 (RFC 3993)."""
    ids = b"" if circuit_id is None else option(1, circuit_id)
    ids += b"" if remote_id is None else option(2, remote_id)
    return option(RELAY_INFORMATION, ids + b"".join(subscribers))


def dhcp(
    kind, transaction, mac, *options, client=ANYWHERE, yours=ANYWHERE, server=ANYWHERE, relay=ANYWHERE, broadcast=False
):
    """A message with a chaddr of Ethernet; `kind` is option 53. Padded to 300 octets, as BOOTP relays want it."""
    is_answer = kind in (OFFER, ACK, NAK)
    head = struct.pack(">BBBBIHH", 2 if is_answer else 1, 1, 6, int(relay != ANYWHERE), transaction, 0, broadcast << 15)
    head += packed(client) + packed(yours) + packed(server) + packed(relay)
    head += hardware(mac).ljust(16, b"\0") + bytes(64 + 128) + b"\x63\x82\x53\x63"
    return (head + option(MESSAGE_TYPE, bytes([kind])) + b"".join(options) + b"\xff").ljust(300, b"\0")


def discover(transaction, mac, *options, **fields):
    return dhcp(DISCOVER, transaction, mac, client_id(mac), option(PARAMETER_LIST, b"\1\3\6\x33"), *options, **fields)


def lease(server_id, seconds):
    """The options of an answer that gives an address."""
    return option(SERVER_ID, packed(server_id)) + option(LEASE_TIME, seconds) + option(SUBNET_MASK, packed("255.255.255.0"))


def offer(transaction, mac, yours, server_id, seconds, *options, **fields):
    return dhcp(OFFER, transaction, mac, lease(server_id, seconds), *options, yours=yours, **fields)


def select(transaction, mac, wanted, server_id, *options, **fields):
    """The DHCPREQUEST that takes an offer."""
    chosen = option(REQUESTED_ADDRESS, packed(wanted)) + option(SERVER_ID, packed(server_id))
    return dhcp(REQUEST, transaction, mac, client_id(mac), chosen, *options, **fields)


def renew(transaction, mac, client, *options, **fields):
    """The DHCPREQUEST of a client that has its address, to the server (RENEWING) or to all (REBINDING)."""
    return dhcp(REQUEST, transaction, mac, client_id(mac), *options, client=client, **fields)


def ack(transaction, mac, yours, server_id, seconds, *options, **fields):
    return dhcp(ACK, transaction, mac, lease(server_id, seconds), *options, yours=yours, **fields)


def nak(transaction, mac, server_id, *options, **fields):
    return dhcp(NAK, transaction, mac, option(SERVER_ID, packed(server_id)), *options, **fields)


def release(transaction, mac, client, server_id, *options, **fields):
    identity = option(SERVER_ID, packed(server_id)) + client_id(mac)
    return dhcp(RELEASE, transaction, mac, identity, *options, client=client, **fields)


def decline(transaction, mac, refused, server_id, *options, **fields):
    identity = option(SERVER_ID, packed(server_id)) + option(REQUESTED_ADDRESS, packed(refused)) + client_id(mac)
    return dhcp(DECLINE, transaction, mac, identity, *options, **fields)


def inform(transaction, mac, client, *options, **fields):
    return dhcp(INFORM, transaction, mac, client_id(mac), *options, client=client, **fields)


# --- DHCPv6 (RFC 8415) ------------------------------------------------------------------------------------------------

SOLICIT6, ADVERTISE6, REQUEST6, CONFIRM6, RENEW6, REBIND6, REPLY6, RELEASE6, DECLINE6, RECONFIGURE6 = range(1, 11)
INFORMATION_REQUEST6, RELAY_FORWARD6, RELAY_REPLY6 = 11, 12, 13
CLIENT_ID6, SERVER_ID6, IA_NA6, IA_TA6, IA_ADDRESS6, OPTION_REQUEST6, ELAPSED_TIME6, RELAY_MESSAGE6 = 1, 2, 3, 4, 5, 6, 8, 9
STATUS_CODE6, RAPID_COMMIT6, INTERFACE_ID6, IA_PD6, IA_PREFIX6, REMOTE_ID6, SUBSCRIBER_ID6 = 13, 14, 18, 25, 26, 37, 38
LINK_LAYER_ADDRESS6 = 79  # of the client, by its relay (RFC 6939)


def option6(code, value):
    value = octets(value)
    return struct.pack(">HH", code, len(value)) + value


def duid(mac, time=None):
    """DUID-LL, or DUID-LLT with a time (section 11)."""
    kind = struct.pack(">HH", 3, 1) if time is None else struct.pack(">HHI", 1, 1, time)
    return kind + hardware(mac)


def ia_na(iaid, *options, t1=0, t2=0):
    return option6(IA_NA6, struct.pack(">III", iaid, t1, t2) + b"".join(options))


def ia_pd(iaid, *options, t1=0, t2=0):
    return option6(IA_PD6, struct.pack(">III", iaid, t1, t2) + b"".join(options))


def ia_address(text, preferred, valid, *options):
    return option6(IA_ADDRESS6, packed(text) + struct.pack(">II", preferred, valid) + b"".join(options))


def ia_prefix(text, preferred, valid, *options):
    net = ipaddress.ip_network(text)
    fixed = struct.pack(">IIB", preferred, valid, net.prefixlen) + net.network_address.packed
    return option6(IA_PREFIX6, fixed + b"".join(options))


def status(code, text=""):
    return option6(STATUS_CODE6, struct.pack(">H", code) + text.encode())


def dhcp6(kind, transaction, *options):
    return struct.pack(">I", kind << 24 | transaction) + b"".join(options)


def from_client6(kind, transaction, client_duid, *options, server_duid=None):
    """Solicit, and with a server's DUID request, renew, release, decline; without again rebind, confirm."""
    identity = option6(CLIENT_ID6, client_duid)
    identity += b"" if server_duid is None else option6(SERVER_ID6, server_duid)
    return dhcp6(kind, transaction, identity, option6(ELAPSED_TIME6, b"\0\0"), *options)


def from_server6(kind, transaction, client_duid, server_duid, *options):
    """Advertise, reply."""
    return dhcp6(kind, transaction, option6(CLIENT_ID6, client_duid), option6(SERVER_ID6, server_duid), *options)


def relayed6(kind, hops, link, peer, message, *options):
    """RELAY_FORWARD6 or RELAY_REPLY6 around a message, which may be another."""
    head = struct.pack(">BB", kind, hops) + packed(link) + packed(peer)
    return head + option6(RELAY_MESSAGE6, message) + b"".join(options)


def remote_id6(enterprise, identifier):
    return option6(REMOTE_ID6, struct.pack(">I", enterprise) + octets(identifier))


# --- GTPv1-C (TS 29.060) ----------------------------------------------------------------------------------------------

ECHO_REQUEST, ECHO_RESPONSE, VERSION_NOT_SUPPORTED = 1, 2, 3
CREATE_PDP_REQUEST, CREATE_PDP_RESPONSE, UPDATE_PDP_REQUEST, UPDATE_PDP_RESPONSE = 16, 17, 18, 19
DELETE_PDP_REQUEST, DELETE_PDP_RESPONSE = 20, 21
ACCEPTED1, NON_EXISTENT1 = 128, 192  # causes

TV_LENGTHS = {1: 1, 2: 8, 3: 6, 8: 1, 14: 1, 15: 1, 16: 4, 17: 4, 19: 1, 20: 1, 26: 2, 127: 4}  # table 37
CAUSE1, IMSI1, ROUTEING_AREA1, REORDERING1, RECOVERY1, SELECTION_MODE1, TEID_DATA1, TEID_CONTROL1 = 1, 2, 3, 8, 14, 15, 16, 17
TEARDOWN1, NSAPI1, CHARGING_CHARACTERISTICS1, CHARGING_ID1, END_USER_ADDRESS1, APN1 = 19, 20, 26, 127, 128, 131
GSN_ADDRESS1, MSISDN1, QOS1, RAT1, LOCATION1, IMEISV1 = 133, 134, 135, 151, 152, 154
QOS = b"\x02\x23\x92\x1f\x93\x96\xfe\xfe\x74\xfb\xff\xff"  # allocation and retention priority, then TS 24.008 clause 10.5.6.5


def element1(kind, value):
    """An information element: type and value up to 127, from 128 on with a length."""
    value = bytes([value]) if isinstance(value, int) else octets(value)
    return bytes([kind]) + (b"" if kind < 128 else struct.pack(">H", len(value))) + value


def teid1(kind, number):
    return element1(kind, struct.pack(">I", number))


def imsi1(imsi):
    return element1(IMSI1, digits(imsi).ljust(8, b"\xff"))


def imei1(imei):
    """IMEI(SV): 16 digits, of an IMEI the last one is filled."""
    return element1(IMEISV1, digits(imei).ljust(8, b"\xff"))


def msisdn1(number):
    return element1(MSISDN1, b"\x91" + digits(number))  # international, E.164


def end_user_address1(ipv4=None, ipv6=None):
    """Empty where the network is to choose (clause 7.7.27)."""
    if ipv4 and ipv6:
        return element1(END_USER_ADDRESS1, b"\xf1\x8d" + packed(ipv4) + packed(ipv6))
    if ipv6:
        return element1(END_USER_ADDRESS1, b"\xf1\x57" + packed(ipv6))
    return element1(END_USER_ADDRESS1, b"\xf1\x21" + (packed(ipv4) if ipv4 else b""))


def gsn_addresses1(control, data):
    return element1(GSN_ADDRESS1, packed(control)) + element1(GSN_ADDRESS1, packed(data))


def gtp1(kind, teid, sequence, *elements):
    """With a sequence number, as all of GTP-C's messages."""
    body = b"".join(elements)
    return struct.pack(">BBHIHBB", 0x32, kind, 4 + len(body), teid, sequence, 0, 0) + body


def echo_request1(sequence):
    return gtp1(ECHO_REQUEST, 0, sequence)


def echo_response1(sequence, restart):
    return gtp1(ECHO_RESPONSE, 0, sequence, element1(RECOVERY1, restart))


def create_pdp_request(
    sequence, imsi, apn, teid_control, teid_data, gsn, *more, nsapi=5, msisdn=None, imei=None, restart=None, address=b""
):
    """A first PDP context: of the SGSN with the address `gsn`; `more` are elements behind the others."""
    elements = [imsi1(imsi)]
    elements += [] if restart is None else [element1(RECOVERY1, restart)]
    elements += [element1(SELECTION_MODE1, 0xFC), teid1(TEID_DATA1, teid_data), teid1(TEID_CONTROL1, teid_control)]
    elements += [element1(NSAPI1, nsapi), address or end_user_address1(), element1(APN1, labels(apn))]
    elements += [gsn_addresses1(gsn, gsn)]
    elements += [] if msisdn is None else [msisdn1(msisdn)]
    elements += [element1(QOS1, QOS)]
    elements += [] if imei is None else [imei1(imei)]
    return gtp1(CREATE_PDP_REQUEST, 0, sequence, *elements, *more)


def create_pdp_response(
    teid, sequence, teid_control, teid_data, gsn, address, *more, cause=ACCEPTED1, charging_id=1, restart=None
):
    """`address` is made by end_user_address1()."""
    if cause != ACCEPTED1:
        return gtp1(CREATE_PDP_RESPONSE, teid, sequence, element1(CAUSE1, cause), *more)
    elements = [element1(CAUSE1, cause), element1(REORDERING1, 0xFE)]
    elements += [] if restart is None else [element1(RECOVERY1, restart)]
    elements += [teid1(TEID_DATA1, teid_data), teid1(TEID_CONTROL1, teid_control), teid1(CHARGING_ID1, charging_id)]
    elements += [address, gsn_addresses1(gsn, gsn), element1(QOS1, QOS)]
    return gtp1(CREATE_PDP_RESPONSE, teid, sequence, *elements, *more)


def update_pdp_request(teid, sequence, teid_control, teid_data, gsn, *more, imsi=None, nsapi=5, restart=None):
    """From an SGSN, a new one perhaps."""
    elements = [] if imsi is None else [imsi1(imsi)]
    elements += [] if restart is None else [element1(RECOVERY1, restart)]
    elements += [teid1(TEID_DATA1, teid_data), teid1(TEID_CONTROL1, teid_control), element1(NSAPI1, nsapi)]
    return gtp1(UPDATE_PDP_REQUEST, teid, sequence, *elements, gsn_addresses1(gsn, gsn), element1(QOS1, QOS), *more)


def update_pdp_response(teid, sequence, *more, cause=ACCEPTED1):
    return gtp1(UPDATE_PDP_RESPONSE, teid, sequence, element1(CAUSE1, cause), *more)


def delete_pdp_request(teid, sequence, *more, nsapi=5, teardown=True):
    elements = [element1(TEARDOWN1, 0xFF if teardown else 0xFE), element1(NSAPI1, nsapi)]
    return gtp1(DELETE_PDP_REQUEST, teid, sequence, *elements, *more)


def delete_pdp_response(teid, sequence, *more, cause=ACCEPTED1):
    return gtp1(DELETE_PDP_RESPONSE, teid, sequence, element1(CAUSE1, cause), *more)


# --- GTPv2-C (TS 29.274) ----------------------------------------------------------------------------------------------

CREATE_SESSION_REQUEST, CREATE_SESSION_RESPONSE, MODIFY_BEARER_REQUEST, MODIFY_BEARER_RESPONSE = 32, 33, 34, 35
DELETE_SESSION_REQUEST, DELETE_SESSION_RESPONSE = 36, 37
CREATE_BEARER_REQUEST, CREATE_BEARER_RESPONSE, UPDATE_BEARER_REQUEST, UPDATE_BEARER_RESPONSE = 95, 96, 97, 98
DELETE_BEARER_REQUEST, DELETE_BEARER_RESPONSE = 99, 100
ACCEPTED2, CONTEXT_NOT_FOUND2 = 16, 64  # causes

IMSI2, CAUSE2, RECOVERY2, APN2, AMBR2, EBI2, MEI2, MSISDN2, PAA2, BEARER_QOS2 = 1, 2, 3, 71, 72, 73, 75, 76, 79, 80
RAT2, SERVING_NETWORK2, LOCATION2, FTEID2, BEARER_CONTEXT2, CHARGING_ID2, PDN_TYPE2 = 82, 83, 86, 87, 93, 94, 99
APN_RESTRICTION2, SELECTION_MODE2 = 127, 128
S1U_ENB, S1U_SGW, S5_SGW_U, S5_PGW_U, S5_SGW_C, S5_PGW_C, S11_MME, S11_SGW = 0, 1, 4, 5, 6, 7, 10, 11  # table 8.22-1
EUTRAN = 6


def element2(kind, value, instance=0):
    value = bytes([value]) if isinstance(value, int) else octets(value)
    return struct.pack(">BHB", kind, len(value), instance) + value


def imsi2(imsi):
    return element2(IMSI2, digits(imsi))


def mei2(imei):
    """An IMEI of 15 digits or an IMEISV of 16."""
    return element2(MEI2, digits(imei))


def msisdn2(number):
    return element2(MSISDN2, digits(number))


def cause2(cause):
    return element2(CAUSE2, bytes([cause, 0]))


def fteid(interface, teid, address, instance=0):
    """An IPv4 or IPv6 address."""
    octets_of = packed(address)
    flags = (0x80 if len(octets_of) == 4 else 0x40) | interface
    return element2(FTEID2, bytes([flags]) + struct.pack(">I", teid) + octets_of, instance)


def paa(ipv4=None, ipv6=None, prefix_len=64):
    """The PDN Address Allocation (clause 8.14); 0 where the network is to choose."""
    if ipv4 and ipv6:
        return element2(PAA2, bytes([3, prefix_len]) + packed(ipv6) + packed(ipv4))
    if ipv6:
        return element2(PAA2, bytes([2, prefix_len]) + packed(ipv6))
    return element2(PAA2, b"\x01" + packed(ipv4 or "0.0.0.0"))


def bearer_context(ebi, *elements, instance=0):
    return element2(BEARER_CONTEXT2, element2(EBI2, ebi) + b"".join(elements), instance)


def bearer_qos():
    return element2(BEARER_QOS2, b"\x45\x09" + bytes(20))  # non-GBR, QCI 9


def gtp2(kind, teid, sequence, *elements, piggybacked=b""):
    """Without a TEID (None) for echoes; `piggybacked` is a message behind this one (clause 5.5.1)."""
    body = b"".join(elements)
    head = b"" if teid is None else struct.pack(">I", teid)
    flags = 0x40 | (0x08 if teid is not None else 0) | (0x10 if piggybacked else 0)
    rest = head + struct.pack(">I", sequence << 8) + body
    return struct.pack(">BBH", flags, kind, len(rest)) + rest + piggybacked


def echo_request2(sequence, restart):
    return gtp2(ECHO_REQUEST, None, sequence, element2(RECOVERY2, restart))


def echo_response2(sequence, restart):
    return gtp2(ECHO_RESPONSE, None, sequence, element2(RECOVERY2, restart))


def create_session_request(
    sequence, imsi, apn, sender, *more, msisdn=None, imei=None, mcc="001", mnc="01", ebi=5, data=b"", restart=None, address=b""
):
    """`sender` and `data` are made by fteid(): the sender's for control, and for the bearer's data where it has one."""
    elements = [imsi2(imsi)]
    elements += [] if msisdn is None else [msisdn2(msisdn)]
    elements += [] if imei is None else [mei2(imei)]
    elements += [element2(SERVING_NETWORK2, network(mcc, mnc)), element2(RAT2, EUTRAN), sender]
    elements += [element2(APN2, labels(apn)), element2(SELECTION_MODE2, 0), element2(PDN_TYPE2, 1)]
    elements += [address or paa(), element2(APN_RESTRICTION2, 0), element2(AMBR2, struct.pack(">II", 50000, 100000))]
    elements += [bearer_context(ebi, data, bearer_qos())]
    elements += [] if restart is None else [element2(RECOVERY2, restart)]
    return gtp2(CREATE_SESSION_REQUEST, 0, sequence, *elements, *more)


def create_session_response(
    teid, sequence, sender, address, *more, ebi=5, data=b"", cause=ACCEPTED2, charging_id=1, restart=None, **rest
):
    """`sender` by fteid(), its instance 0 on S11, 1 for the PGW's on S5/S8; `address` by paa()."""
    if cause != ACCEPTED2:
        return gtp2(CREATE_SESSION_RESPONSE, teid, sequence, cause2(cause), *more, **rest)
    bearer = bearer_context(ebi, cause2(cause), data, element2(CHARGING_ID2, struct.pack(">I", charging_id)))
    elements = [cause2(cause), sender, address, element2(APN_RESTRICTION2, 0), bearer]
    elements += [] if restart is None else [element2(RECOVERY2, restart)]
    return gtp2(CREATE_SESSION_RESPONSE, teid, sequence, *elements, *more, **rest)


def modify_bearer_request(teid, sequence, *more, ebi=5, data=b"", sender=b""):
    """From the MME when the eNodeB is known (`data`), or with a `sender` that is new."""
    return gtp2(MODIFY_BEARER_REQUEST, teid, sequence, sender, bearer_context(ebi, data), *more)


def modify_bearer_response(teid, sequence, *more, ebi=5, data=b"", cause=ACCEPTED2):
    elements = [cause2(cause)]
    elements += [bearer_context(ebi, cause2(cause), data)] if cause == ACCEPTED2 else []
    return gtp2(MODIFY_BEARER_RESPONSE, teid, sequence, *elements, *more)


def delete_session_request(teid, sequence, *more, ebi=5):
    return gtp2(DELETE_SESSION_REQUEST, teid, sequence, element2(EBI2, ebi), *more)


def delete_session_response(teid, sequence, *more, cause=ACCEPTED2):
    return gtp2(DELETE_SESSION_RESPONSE, teid, sequence, cause2(cause), *more)


def create_bearer_request(teid, sequence, *more, linked_ebi=5, data=b""):
    """A dedicated bearer; its EBI is for the other side to choose."""
    match_all = element2(84, b"\x21\x30\x00\x02\x30\x11")  # a new TFT with one filter: UDP, both ways
    bearer = bearer_context(0, match_all, data, bearer_qos())
    return gtp2(CREATE_BEARER_REQUEST, teid, sequence, element2(EBI2, linked_ebi), bearer, *more)


def create_bearer_response(teid, sequence, *more, ebi=6, data=b"", cause=ACCEPTED2):
    bearer = bearer_context(ebi, cause2(cause), data)
    return gtp2(CREATE_BEARER_RESPONSE, teid, sequence, cause2(cause), bearer, *more)


def delete_bearer_request(teid, sequence, *more, linked_ebi=None, ebi=None):
    """Of the default bearer, and so the whole PDN connection (`linked_ebi`), or of a dedicated one."""
    elements = [] if linked_ebi is None else [element2(EBI2, linked_ebi)]
    elements += [] if ebi is None else [element2(EBI2, ebi, instance=1)]
    return gtp2(DELETE_BEARER_REQUEST, teid, sequence, *elements, *more)


def delete_bearer_response(teid, sequence, *more, linked_ebi=None, cause=ACCEPTED2):
    elements = [cause2(cause)]
    elements += [] if linked_ebi is None else [element2(EBI2, linked_ebi)]
    return gtp2(DELETE_BEARER_RESPONSE, teid, sequence, *elements, *more)
