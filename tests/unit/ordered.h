// Tasks of one identifier each, as a set and a table, for tests of what is made of messages.
#ifndef X2TAP_ORDERED_H
#define X2TAP_ORDERED_H

#include "unit.h"

#include "target_table.h"

enum { CAPACITY = 256 };
static const struct hash_key KEY = {7, 8};
static const struct numbering NUMBERING = {"1", "", "00", NULL, 0};

// One identifier of one task.
struct order {
	enum identifier_type type;
	const char *text; // NULL: no such task
	uint8_t services;
};

static inline void fill_identifier(
	struct target_set *set, struct identifier *to, const struct order *order)
{
	struct bytes text = bytes_of_text(order->text);
	struct sip_uri uri;
	struct identity identity;
	*to = (struct identifier){.type = order->type, .fragment = order->text};
	switch (order->type) {
	case IDENTIFIER_IPV4_ADDRESS:
		assert_true(address_parse(text, &to->address));
		to->prefix_len = 32;
		return;
	case IDENTIFIER_GTPU_TUNNEL_ID:
		to->tunnel_id = (uint32_t)strtoul(order->text, NULL, 10);
		return;
	case IDENTIFIER_E164_NUMBER:
		assert_true(identity_of_e164(text, &identity));
		break;
	case IDENTIFIER_IMPI:
	case IDENTIFIER_NAI:
		assert_true(identity_of_nai(text, &identity));
		break;
	case IDENTIFIER_IMSI:
		assert_true(identity_of_imsi(text, &identity));
		break;
	default:
		assert_int_equal(sip_uri_parse(text, &uri), PARSE_OK);
		assert_true(identity_of_target_uri(&uri, &NUMBERING, &identity));
	}
	uint8_t *octets = target_set_take(set, identity.len);
	assert_non_null(octets);
	memcpy(octets, identity.octets, identity.len);
	to->identity_kind = identity.kind;
	to->identity = bytes_of(octets, identity.len);
}

// Orders exactly these tasks. A task whose order stays the same keeps slot and generation; order `i` has XID `i`.
static inline void order_these(struct target_set **set_now, struct target_table **table_now,
	const struct order *orders, size_t count)
{
	struct target_set *set = target_set_new();
	assert_non_null(set);
	set->tasks = target_set_take(set, count * sizeof *set->tasks + 1);
	for (size_t i = 0; i < count; i++) {
		if (!orders[i].text)
			continue;
		struct task *task = &set->tasks[set->task_count++];
		struct identifier *identifier = target_set_take(set, sizeof *identifier);
		fill_identifier(set, identifier, &orders[i]);
		task->xid.octets[15] = (uint8_t)i;
		task->header_xid = task->xid;
		task->identifiers = identifier;
		task->identifier_count = 1;
		task->services = orders[i].services;
		task->fingerprint = task_fingerprint(task);
	}
	struct error error;
	struct target_changes changes;
	assert_int_equal(target_set_adopt(set, *set_now, CAPACITY, &changes, &error), 0);
	target_table_free(*table_now);
	target_set_free(*set_now);
	*set_now = set;
	*table_now = target_table_new(set, CAPACITY, &KEY, &NUMBERING, false, &error);
	assert_non_null(*table_now);
}

#endif
