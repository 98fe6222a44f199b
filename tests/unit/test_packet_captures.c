// Calls that others recorded, or that were wrapped in encapsulations that nobody recorded: shared/captures/README.md.
#include "captures.h"
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
	unsigned written,
		checksums; // of datagrams that were put together, and those that are as they were sent
	unsigned tunnels, teids; // of the last message or segment
	struct datagram datagram;
};

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

// What is written of a datagram that was put together is what its sender sent. True: its checksum too.
static bool is_written_as_sent(const struct packet *p, const struct datagram *d)
{
	static uint8_t room[65536 + 40];
	struct writer w = writer_of(room, sizeof room);
	size_t header_len = p->flow.source.family == 4 ? 20 : 40;
	assert_int_equal(packet_write_ip(p, &w), header_len + d->total);
	const uint8_t *udp = room + header_len;
	assert_memory_equal(udp, d->octets, 6);
	assert_memory_equal(udp + 8, d->octets + 8, d->total - 8);
	return memcmp(udp + 6, d->octets + 6, 2) == 0;
}

static void take(struct tally *t, struct packet *p, enum packet_class class)
{
	while (class == PACKET_FRAGMENT) {
		t->fragments++;
		if (!add_fragment(&t->datagram, p))
			return;
		class = packet_resume(
			p, t->datagram.protocol, bytes_of(t->datagram.octets, t->datagram.total));
	}
	if (class == PACKET_UDP && p->ip.len == 0) {
		t->written++;
		t->checksums += is_written_as_sent(p, &t->datagram);
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
	for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
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
		unsigned messages, segments, fragments, tunnels, teids, written, checksums;
	} captures[] = {
		// the checksums of derived ones were never right
		{"derived/sip-call-in-vlan.pcap", 7, 0, 0, 0, 0, 0, 0},
		{"derived/sip-call-in-qinq.pcap", 7, 0, 0, 0, 0, 0, 0},
		{"derived/sip-call-in-mpls2.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-vlan-pppoe.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-gre-key.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-vxlan.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-4in6.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-l2tpv2-ppp.pcap", 7, 0, 0, 1, 0, 0, 0},
		{"derived/sip-call-in-gtpu-pdu-session-ext.pcap", 7, 0, 0, 1, 1, 0, 0},
		{"derived/sip-call-in-ipv6-outer-gtpu.pcap", 7, 0, 0, 1, 1, 0, 0},
		{"derived/sip-call-in-gtpu-inner-ipfrag.pcap", 7, 0, 14, 1, 1, 7, 0},
		{"derived/sip-call-in-gtpu-outer-ipfrag.pcap", 7, 0, 15, 1, 1, 0, 0},
		{"derived/sip-call-in-ipfrag-inorder.pcap", 7, 0, 14, 0, 0, 7, 0},
		{"derived/sip-call-in-ipfrag-reversed.pcap", 7, 0, 14, 0, 0, 7, 0},
		{"ethernet/sip-udp-ipv6-fragmented-prack-update.pcap", 32, 0, 4, 0, 0, 2, 2},
		{"sip-in-erspan-gre-call-transfer.pcap", 140, 0, 0, 1, 0, 0, 0},
		{"sip-in-gtpu-ipv4-ims-register-call.pcap", 22, 0, 0, 1, 1, 0, 0},
		{"sip-in-pptp-gre-ppp-vlan.pcap", 1, 0, 0, 1, 0, 0, 0},
		{"sip-in-ipip-tcp.pcap", 0, 4, 0, 0, 0, 0, 0},
		{"geneve-tls.pcap", 0, 24, 0, 1, 0, 0, 0},
		{"l2tpv2-data-over-pppoe.pcap", 0, 9, 0, 2, 0, 0, 0},
	};
	static struct tally t;
	unsigned found = 0;
	for (size_t i = 0; i < COUNT(captures); i++) {
		if (!tally_capture(captures[i].name, &t))
			continue;
		found++;
		if (t.messages != captures[i].messages || t.segments != captures[i].segments ||
			t.fragments != captures[i].fragments || t.others != 0 ||
			t.tunnels != captures[i].tunnels || t.teids != captures[i].teids ||
			t.written != captures[i].written || t.checksums != captures[i].checksums)
			fail_msg(
				"%s: %u messages, %u segments, %u fragments, %u others, %u tunnels, %u TEIDs, %u written, %u checksums",
				captures[i].name, t.messages, t.segments, t.fragments, t.others,
				t.tunnels, t.teids, t.written, t.checksums);
	}
	captures_were_found(found, COUNT(captures));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_found_wherever_it_travels),
	};
	return cmocka_run_group_tests_name("packet_captures", tests, NULL, NULL);
}
