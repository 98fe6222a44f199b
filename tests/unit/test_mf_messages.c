#include "unit.h"

#include "mf_messages.h"

#define TEN                                                                                        \
	"0000000000"                                                                               \
	"0000000000"

// Octets of hexadecimal text, blanks apart.
static struct bytes octets_of(const char *hex, uint8_t room[static 600])
{
	size_t len = 0;
	for (; *hex; hex++) {
		int high = ascii_hex_value((uint8_t)*hex);
		if (high < 0)
			continue;
		room[len++] = (uint8_t)(high << 4 | ascii_hex_value((uint8_t) * ++hex));
	}
	return bytes_of(room, len);
}

static const struct sample {
	uint16_t format;
	uint8_t family;
	uint16_t port;
	const char *payload, *name;
} samples[] = {
	{11, 4, 1812, "01 01 0014" TEN TEN, "RADIUS Access-Request"},
	{11, 4, 1813, "04 01 001a 00000000000000000000000000000000 2806 00000001",
		"RADIUS Accounting-Request Start"},
	{11, 4, 1813, "04 01 001a 00000000000000000000000000000000 0103 61 2806 00000002",
		"RADIUS Accounting-Request Stop"},
	{11, 4, 1813, "05 01 0014 00000000000000000000000000000000 2806 00000002",
		"RADIUS Accounting-Response"},
	{11, 4, 1813, "c8 01", "RADIUS message 200"},
	{11, 4, 1813, "", "RADIUS message 0"},
	{10, 6, 547, "0c 00", "DHCPv6 RELAY-FORW"},
	{10, 4, 67, "01", "BOOTP request"},
	{5, 4, 2123, "45 000000000000000000000000000000000000000000 000000000000 48 20 0000",
		"GTPv2 Create Session Request"},
	{5, 4, 2123,
		"46 00000000000000000000000000000000000000000000000000 000000000000 32 10 0000",
		"GTPv1 Create PDP Context Request"},
	{5, 4, 2123, "45", ""},
	{5, 4, 53, "45", ""},
	{9, 4, 5060, "00", ""},
};

static void messages_have_the_names_of_their_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *s = &samples[i];
		uint8_t room[600];
		char text[64];
		struct mf_pdu pdu = {.format = s->format,
			.source = {.family = s->family},
			.destination_port = s->port,
			.payload = octets_of(s->payload, room)};
		mf_message_name(&pdu, text, sizeof text);
		assert_string_equal(text, s->name);
	}
}

static void a_dhcp_message_is_named_by_its_option(void **state)
{
	(void)state;
	uint8_t message[250] = {2};
	const uint8_t options[] = {0, 54, 4, 192, 0, 2, 1, 53, 1, 5};
	memcpy(message + 240, options, sizeof options);
	char text[64];
	struct mf_pdu pdu = {.format = 10,
		.source = {.family = 4},
		.payload = bytes_of(message, sizeof message)};
	mf_message_name(&pdu, text, sizeof text);
	assert_string_equal(text, "DHCP ACK");
}

static void name_one(struct bytes payload)
{
	char text[64];
	for (unsigned format = 5; format <= 11; format++) {
		struct mf_pdu pdu = {.format = (uint16_t)format,
			.source = {.family = format == 6 ? 6 : 4},
			.source_port = 2123,
			.payload = payload};
		mf_message_name(&pdu, text, sizeof text);
		assert_in_range(strlen(text), 0, sizeof text - 1);
	}
}

static void nothing_is_read_behind_the_end(void **state)
{
	(void)state;
	uint8_t message[300];
	memset(message, 0x45, sizeof message);
	cut_at_every_length(bytes_of(message, sizeof message), name_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_have_the_names_of_their_protocols),
		cmocka_unit_test(a_dhcp_message_is_named_by_its_option),
		cmocka_unit_test(nothing_is_read_behind_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
