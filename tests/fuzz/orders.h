// What the targets that report events share: a few orders, and what every event must be.
#ifndef X2TAP_FUZZ_ORDERS_H
#define X2TAP_FUZZ_ORDERS_H

#include "fuzz.h"
#include "sip_events.h"
#include "target_table.h"

enum { TASKS = 7, CAPACITY = 8 };

static const struct hash_key ORDERS_KEY = {9, 10};
static const struct numbering NUMBERING = {"1", "0", "00", NULL, 0};

// What the corpus is about: some of its parties.
static const char *const parties[TASKS] = {"sip:alice@example.com", "sip:bob@example.net",
	"tel:+15550100", "sip:carol@example.org;transport=tcp", "sip:j.user@example.com",
	"192.0.2.1", "7"};

static inline void *checked(void *p)
{
	FUZZ_CHECK(p);
	return p;
}

static void fill_identifier(struct target_set *set, struct identifier *to, const char *party)
{
	*to = (struct identifier){.type = IDENTIFIER_SIP_URI, .fragment = ""};
	if (address_parse(bytes_of_text(party), &to->address)) {
		to->type = IDENTIFIER_IPV4_ADDRESS;
		to->prefix_len = 32;
		return;
	}
	if (ascii_is_digit((uint8_t)party[0])) {
		to->type = IDENTIFIER_GTPU_TUNNEL_ID;
		to->tunnel_id = (uint32_t)strtoul(party, NULL, 10);
		return;
	}
	struct sip_uri uri;
	struct identity identity;
	FUZZ_CHECK(sip_uri_parse(bytes_of_text(party), &uri) == PARSE_OK);
	FUZZ_CHECK(identity_of_target_uri(&uri, &NUMBERING, &identity));
	uint8_t *octets = checked(target_set_take(set, identity.len));
	memcpy(octets, identity.octets, identity.len);
	to->identity_kind = identity.kind;
	to->identity = bytes_of(octets, identity.len);
}

static struct target_table *orders_compile(void)
{
	struct target_set *set = checked(target_set_new());
	set->tasks = checked(target_set_take(set, TASKS * sizeof *set->tasks));
	set->task_count = TASKS;
	for (size_t i = 0; i < TASKS; i++) {
		struct identifier *identifier = checked(target_set_take(set, sizeof *identifier));
		fill_identifier(set, identifier, parties[i]);
		set->tasks[i].xid.octets[0] = (uint8_t)i;
		set->tasks[i].identifiers = identifier;
		set->tasks[i].identifier_count = 1;
		set->tasks[i].services = (uint8_t)(i % 4);
		set->tasks[i].fingerprint = task_fingerprint(&set->tasks[i]);
	}
	struct target_changes changes;
	FUZZ_CHECK(target_set_adopt(set, NULL, CAPACITY, &changes, NULL) == 0);
	struct target_table *table =
		checked(target_table_new(set, CAPACITY, &ORDERS_KEY, &NUMBERING, true, NULL));
	target_set_free(set);
	return table;
}

// The table of the orders. It never changes, so all inputs share it: to compile it takes longer than most of them.
static const struct target_table *orders(void)
{
	static const struct target_table *table;
	if (!table)
		table = orders_compile();
	return table;
}

static void sip_events_law(const struct event_counters *c)
{
	FUZZ_CHECK(c->matched == c->reported + c->suppressed + c->lost_ring_full +
					 c->lost_too_large + c->lost_too_many_tasks);
}

// A copy of an event in a block of its own, which the caller frees, once it is known to be well-formed. Its message is `*message`.
static struct event *event_checked(struct bytes record, struct sip_message *message)
{
	struct event *e = checked(malloc(record.len));
	memcpy(e, record.at, record.len);
	FUZZ_CHECK(e->protocol == EVENT_SIP && e->correlation != 0);
	FUZZ_CHECK(e->task_count > 0 && e->task_count <= EVENT_MAX_TASKS);
	FUZZ_CHECK(event_size(e->task_count, e->payload_len, e->identity_count) == record.len);
	for (size_t i = 0; i < e->task_count; i++) {
		const struct event_task *task = &event_tasks(e)[i];
		FUZZ_CHECK(task->slot < CAPACITY);
		FUZZ_CHECK(task->direction >= 1 && task->direction <= 3);
		for (size_t j = 0; j < 2; j++)
			FUZZ_CHECK((size_t)task->other_offset[j] + task->other_len[j] <=
				   e->payload_len);
	}
	FUZZ_CHECK(sip_parse(event_payload_view(e), message) == PARSE_OK);
	return e;
}

#endif
