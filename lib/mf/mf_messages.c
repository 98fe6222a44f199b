#include "mf_messages.h"

#include <stdio.h>

enum { FORMAT_IPV4 = 5, FORMAT_IPV6 = 6, FORMAT_DHCP = 10, FORMAT_RADIUS = 11 };

struct named {
	uint8_t value;
	const char *name;
};

// RFC 2865 section 3, RFC 2866, RFC 5176
static const struct named radius_codes[] = {{1, "Access-Request"}, {2, "Access-Accept"},
	{3, "Access-Reject"}, {4, "Accounting-Request"}, {5, "Accounting-Response"},
	{11, "Access-Challenge"}, {12, "Status-Server"}, {40, "Disconnect-Request"},
	{41, "Disconnect-ACK"}, {42, "Disconnect-NAK"}, {43, "CoA-Request"}, {44, "CoA-ACK"},
	{45, "CoA-NAK"}, {0, NULL}};
// RFC 2866 section 5.1
static const struct named accounting_statuses[] = {
	{1, "Start"}, {2, "Stop"}, {3, "Interim-Update"}, {7, "On"}, {8, "Off"}, {0, NULL}};
// RFC 2132 section 9.6
static const struct named dhcpv4_types[] = {{1, "DISCOVER"}, {2, "OFFER"}, {3, "REQUEST"},
	{4, "DECLINE"}, {5, "ACK"}, {6, "NAK"}, {7, "RELEASE"}, {8, "INFORM"}, {0, NULL}};
// RFC 8415 section 7.3
static const struct named dhcpv6_types[] = {{1, "SOLICIT"}, {2, "ADVERTISE"}, {3, "REQUEST"},
	{4, "CONFIRM"}, {5, "RENEW"}, {6, "REBIND"}, {7, "REPLY"}, {8, "RELEASE"}, {9, "DECLINE"},
	{10, "RECONFIGURE"}, {11, "INFORMATION-REQUEST"}, {12, "RELAY-FORW"}, {13, "RELAY-REPL"},
	{0, NULL}};
// TS 29.060 clause 7.1
static const struct named gtpv1_types[] = {{1, "Echo Request"}, {2, "Echo Response"},
	{16, "Create PDP Context Request"}, {17, "Create PDP Context Response"},
	{18, "Update PDP Context Request"}, {19, "Update PDP Context Response"},
	{20, "Delete PDP Context Request"}, {21, "Delete PDP Context Response"}, {0, NULL}};
// TS 29.274 table 6.1-1
static const struct named gtpv2_types[] = {{1, "Echo Request"}, {2, "Echo Response"},
	{32, "Create Session Request"}, {33, "Create Session Response"},
	{34, "Modify Bearer Request"}, {35, "Modify Bearer Response"},
	{36, "Delete Session Request"}, {37, "Delete Session Response"},
	{95, "Create Bearer Request"}, {96, "Create Bearer Response"},
	{97, "Update Bearer Request"}, {98, "Update Bearer Response"},
	{99, "Delete Bearer Request"}, {100, "Delete Bearer Response"},
	{170, "Release Access Bearers Request"}, {171, "Release Access Bearers Response"},
	{176, "Downlink Data Notification"}, {0, NULL}};

static const char *name_of(const struct named *list, uint8_t value)
{
	for (; list->name; list++)
		if (list->value == value)
			return list->name;
	return NULL;
}

static void write_name(
	char *text, size_t size, const char *protocol, const struct named *list, uint8_t value)
{
	const char *name = name_of(list, value);
	if (name)
		snprintf(text, size, "%s %s", protocol, name);
	else
		snprintf(text, size, "%s message %u", protocol, value);
}

static uint8_t octet_at(struct bytes b, size_t at)
{
	return at < b.len ? b.at[at] : 0;
}

// The value of the first attribute or option of this type that is so long, as bytes of `b`.
static struct bytes find_option(struct bytes b, uint8_t type, size_t header, size_t len)
{
	struct reader r = reader_of(b);
	while (reader_left(&r) > 0) {
		uint8_t found = read_u8(&r);
		if (header == 0 && found == 0) // DHCP padding
			continue;
		size_t value_len = read_u8(&r);
		if (value_len < header)
			break;
		struct bytes value = read_bytes(&r, value_len - header);
		if (!r.overrun && found == type && value.len == len)
			return value;
	}
	return (struct bytes){NULL, 0};
}

static void name_radius(struct bytes payload, char *text, size_t size)
{
	enum { ATTRIBUTES = 20, ACCT_STATUS_TYPE = 40, ACCOUNTING_REQUEST = 4 };
	uint8_t code = octet_at(payload, 0);
	write_name(text, size, "RADIUS", radius_codes, code);
	struct bytes status =
		find_option(bytes_slice(payload, ATTRIBUTES, SIZE_MAX), ACCT_STATUS_TYPE, 2, 4);
	const char *name = status.len ? name_of(accounting_statuses, status.at[3]) : NULL;
	size_t len = strlen(text);
	if (code == ACCOUNTING_REQUEST && name)
		snprintf(text + len, size - len, " %s", name);
}

static void name_dhcpv4(struct bytes payload, char *text, size_t size)
{
	enum { OPTIONS = 240, MESSAGE_TYPE = 53 };
	struct bytes type =
		find_option(bytes_slice(payload, OPTIONS, SIZE_MAX), MESSAGE_TYPE, 0, 1);
	if (type.len)
		write_name(text, size, "DHCP", dhcpv4_types, type.at[0]);
	else
		snprintf(text, size, "BOOTP %s", octet_at(payload, 0) == 1 ? "request" : "reply");
}

// A GTP-C message in the packet: version in the first octet, type in the second.
static void name_packet(struct bytes packet, size_t ip_len, char *text, size_t size)
{
	enum { UDP_LEN = 8 };
	struct bytes message = bytes_slice(packet, ip_len + UDP_LEN, SIZE_MAX);
	uint8_t type = octet_at(message, 1);
	switch (octet_at(message, 0) >> 5) {
	case 1:
		write_name(text, size, "GTPv1", gtpv1_types, type);
		break;
	case 2:
		write_name(text, size, "GTPv2", gtpv2_types, type);
		break;
	}
}

void mf_message_name(const struct mf_pdu *pdu, char *text, size_t size)
{
	enum { IPV6_LEN = 40, PORT_GTPC = 2123 };
	bool is_gtp = pdu->source_port == PORT_GTPC || pdu->destination_port == PORT_GTPC;
	text[0] = '\0';
	if (pdu->format == FORMAT_RADIUS)
		name_radius(pdu->payload, text, size);
	else if (pdu->format == FORMAT_DHCP && pdu->source.family == 6)
		write_name(text, size, "DHCPv6", dhcpv6_types, octet_at(pdu->payload, 0));
	else if (pdu->format == FORMAT_DHCP)
		name_dhcpv4(pdu->payload, text, size);
	else if (pdu->format == FORMAT_IPV4 && is_gtp)
		name_packet(pdu->payload, (size_t)(octet_at(pdu->payload, 0) & 15) * 4, text, size);
	else if (pdu->format == FORMAT_IPV6 && is_gtp)
		name_packet(pdu->payload, IPV6_LEN, text, size);
}
