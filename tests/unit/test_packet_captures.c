// Calls that others recorded, or that were wrapped in encapsulations that nobody recorded: shared/captures/README.md.
#include "frames.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Frames come one after the other, and so do the fragments of a datagram.
struct datagram {
	uint32_t identification;
	size_t have, total; // octets; total is 0 until the last fragment has come
	uint8_t protocol;
	uint8_t octets[65536];
};

struct tally {
	unsigned messages, segments, fragments, others;
	unsigned tunnels, teids; // of the last message or segment
	struct datagram datagram;
};

static FILE *capture_open(const char *name)
{
	const char *source = getenv("X2TAP_SOURCE");
	char path[4096];
	snprintf(path, sizeof path, "%s/../shared/captures/%s", source ? source : ".", name);
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	uint8_t header[24];
	assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
	assert_memory_equal(header, "\xd4\xc3\xb2\xa1", 4); // classic, little-endian
	assert_int_equal(header[20], 1);                    // Ethernet
	return file;
}

// The next frame in a block of exactly its size, or NULL.
static uint8_t *frame_read(FILE *file, size_t *len)
{
	uint32_t record[4]; // seconds, microseconds, octets here, octets on the wire
	if (fread(record, sizeof record, 1, file) != 1)
		return NULL;
	*len = record[2];
	assert_true(*len < 65536);
	uint8_t *frame = malloc(*len ? *len : 1);
	assert_non_null(frame);
	assert_int_equal(fread(frame, 1, *len, file), *len);
	return frame;
}

static bool is_sip(struct bytes payload)
{
	const uint8_t *line_end = memchr(payload.at, '\r', payload.len);
	size_t len = line_end ? (size_t)(line_end - payload.at) : payload.len;
	return memmem(payload.at, len, "SIP/2.0", 7) != NULL;
}

// Whether `p` completes its datagram.
static bool add_fragment(struct datagram *d, const struct packet *p)
{
	const struct ip_fragment *f = &p->fragment;
	if (d->identification != f->identification)
		*d = (struct datagram){.identification = f->identification};
	assert_true(f->offset + p->payload.len <= sizeof d->octets);
	memcpy(d->octets + f->offset, p->payload.at, p->payload.len);
	d->have += p->payload.len;
	if (!f->more)
		d->total = f->offset + p->payload.len;
	if (f->offset == 0)
		d->protocol = p->flow.protocol;
	return d->total != 0 && d->have == d->total;
}

static void take(struct tally *t, struct packet *p, enum packet_class class)
{
	while (class == PACKET_FRAGMENT) {
		t->fragments++;
		if (!add_fragment(&t->datagram, p))
			return;
		class = packet_resume(p, t->datagram.protocol,
			bytes_of(t->datagram.octets, t->datagram.total));
	}
	if (class == PACKET_TCP)
		t->segments++;
	else if (class == PACKET_UDP && is_sip(p->payload))
		t->messages++;
	else
		t->others++;
	if (class == PACKET_TCP || class == PACKET_UDP) {
		t->tunnels = p->outer.tunnels;
		t->teids = p->outer.teid_count;
	}
}

static bool tally_capture(const char *name, struct tally *t)
{
	*t = (struct tally){0};
	FILE *file = capture_open(name);
	if (!file)
		return false;
	size_t len;
	for (uint8_t *frame; (frame = frame_read(file, &len)) != NULL; free(frame)) {
		struct packet p;
		enum packet_class class = packet_parse(bytes_of(frame, len), &p);
		packet_is_sound(&p, class);
		take(t, &p, class);
	}
	fclose(file);
	return true;
}

static void every_message_is_found_wherever_it_travels(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned messages, segments, fragments, tunnels, teids;
	} captures[] = {
		{"derived/sip-call-in-vlan.pcap", 7, 0, 0, 0, 0},
		{"derived/sip-call-in-qinq.pcap", 7, 0, 0, 0, 0},
		{"derived/sip-call-in-mpls2.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-vlan-pppoe.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-gre-key.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-vxlan.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-4in6.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-l2tpv2-ppp.pcap", 7, 0, 0, 1, 0},
		{"derived/sip-call-in-gtpu-pdu-session-ext.pcap", 7, 0, 0, 1, 1},
		{"derived/sip-call-in-ipv6-outer-gtpu.pcap", 7, 0, 0, 1, 1},
		{"derived/sip-call-in-gtpu-inner-ipfrag.pcap", 7, 0, 14, 1, 1},
		{"derived/sip-call-in-gtpu-outer-ipfrag.pcap", 7, 0, 15, 1, 1},
		{"derived/sip-call-in-ipfrag-inorder.pcap", 7, 0, 14, 0, 0},
		{"derived/sip-call-in-ipfrag-reversed.pcap", 7, 0, 14, 0, 0},
		{"sip-in-erspan-gre-call-transfer.pcap", 140, 0, 0, 1, 0},
		{"sip-in-gtpu-ipv4-ims-register-call.pcap", 22, 0, 0, 1, 1},
		{"sip-in-pptp-gre-ppp-vlan.pcap", 1, 0, 0, 1, 0},
		{"sip-in-ipip-tcp.pcap", 0, 4, 0, 0, 0},
		{"geneve-tls.pcap", 0, 24, 0, 1, 0},
		{"l2tpv2-data-over-pppoe.pcap", 0, 9, 0, 2, 0},
	};
	static struct tally t;
	unsigned found = 0;
	for (size_t i = 0; i < COUNT(captures); i++) {
		if (!tally_capture(captures[i].name, &t))
			continue;
		found++;
		if (t.messages != captures[i].messages || t.segments != captures[i].segments ||
			t.fragments != captures[i].fragments || t.others != 0 ||
			t.tunnels != captures[i].tunnels || t.teids != captures[i].teids)
			fail_msg("%s: %u messages, %u segments, %u fragments, %u others, %u tunnels, %u TEIDs",
				captures[i].name, t.messages, t.segments, t.fragments, t.others,
				t.tunnels, t.teids);
	}
	if (found == 0) {
		print_message("# SKIPPED: no shared/captures\n");
		skip();
	}
	assert_int_equal(found, COUNT(captures));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_found_wherever_it_travels),
	};
	return cmocka_run_group_tests_name("packet_captures", tests, NULL, NULL);
}
