// A wire with faults: carries Ethernet frames between two TAP devices in two network namespaces.
//
//   relay NAMESPACE DEVICE NAMESPACE DEVICE
//
// "up" is from the first device to the second, "down" the way back. Says "ready" when both devices are there. Commands on
// standard input, a line each; an answer of one line on standard output:
//
//   delay MS           every frame takes so long
//   reorder PERCENT MS so many frames take so much longer, so that others overtake them
//   loss PERCENT       so many are lost
//   duplicate PERCENT  so many come twice
//   rate OCTETS        a second, each way; what would have to wait longer than a second is lost. 0: no limit
//   hole up|down|both  what goes that way is swallowed
//   reset              the next TCP segment with data that goes up ends its connection at both ends
//   clear              none of these any more; what waits goes at once
//   stats              what was done so far, as JSON
//
// Ends with its standard input.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { UP, DOWN, WAYS };
enum {
	FRAME_MAX = 2048,
	WAITING_MAX = 8192, // frames under way; more are lost
	BURST = 64,         // frames read from one device in a row
	ETHERNET_LEN = 14,
	TCP_LEN = 20,
};
static const uint64_t second_ns = 1000000000, backlog_ns = 1000000000;

struct frame {
	uint64_t due_ns, serial;
	size_t len;
	unsigned way;
	uint8_t octets[FRAME_MAX];
};

struct faults {
	uint64_t delay_ns, reorder_ns, rate;
	unsigned reorder, loss, duplicate; // percent
	bool hole[WAYS];
	unsigned resets; // still to be made
};

struct stats {
	uint64_t taken[WAYS], given[WAYS];
	uint64_t lost, swallowed, reordered, duplicated, delayed, resets;
};

struct relay {
	int fds[WAYS]; // of the device at which what goes that way comes in
	struct faults faults;
	struct stats stats;
	uint64_t busy_until_ns[WAYS]; // of a limited rate
	uint64_t serial, random;
	struct frame *heap[WAITING_MAX]; // the earliest first
	size_t waiting;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static bool happens(struct relay *r, unsigned percent)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (r->random >> 11) % 100 < percent;
}

// --- what is under way: a binary heap

static bool is_before(const struct frame *a, const struct frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void swap(struct relay *r, size_t i, size_t j)
{
	struct frame *held = r->heap[i];
	r->heap[i] = r->heap[j];
	r->heap[j] = held;
}

static void rise(struct relay *r, size_t i)
{
	for (; i > 0 && is_before(r->heap[i], r->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(r, i, (i - 1) / 2);
}

static void sink(struct relay *r, size_t i)
{
	for (;;) {
		size_t least = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < r->waiting && is_before(r->heap[child], r->heap[least]))
				least = child;
		if (least == i)
			return;
		swap(r, i, least);
		i = least;
	}
}

static void put(struct relay *r, unsigned way, const uint8_t *octets, size_t len, uint64_t due_ns)
{
	struct frame *f = r->waiting < WAITING_MAX ? malloc(sizeof *f) : NULL;
	if (!f) {
		r->stats.lost++;
		return;
	}
	f->due_ns = due_ns;
	f->serial = r->serial++;
	f->len = len;
	f->way = way;
	memcpy(f->octets, octets, len);
	r->heap[r->waiting++] = f;
	rise(r, r->waiting - 1);
}

static struct frame *take_first(struct relay *r)
{
	struct frame *first = r->heap[0];
	r->heap[0] = r->heap[--r->waiting];
	sink(r, 0);
	return first;
}

static void give(struct relay *r, unsigned way, const uint8_t *octets, size_t len)
{
	if (write(r->fds[!way], octets, len) == (ssize_t)len)
		r->stats.given[way]++;
	else
		r->stats.lost++;
}

static void give_due(struct relay *r, uint64_t now)
{
	while (r->waiting > 0 && r->heap[0]->due_ns <= now) {
		struct frame *f = take_first(r);
		give(r, f->way, f->octets, f->len);
		free(f);
	}
}

// --- resets

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint32_t sum16(uint32_t sum, const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += get16(octets + i);
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

struct segment { // TCP over IPv4
	const uint8_t *ethernet, *ip, *tcp;
	uint32_t payload_len;
};

static bool segment_read(const uint8_t *frame, size_t len, struct segment *out)
{
	const uint8_t *ip = frame + ETHERNET_LEN;
	if (len < ETHERNET_LEN + 40 || get16(frame + 12) != 0x0800 || ip[0] != 0x45 || ip[9] != 6)
		return false;
	size_t total = get16(ip + 2), header = (size_t)(ip[20 + 12] >> 4) * 4;
	if (total > len - ETHERNET_LEN || total < 20 + header)
		return false;
	*out = (struct segment){frame, ip, ip + 20, (uint32_t)(total - 20 - header)};
	return true;
}

// A reset that belongs to the connection of a segment, along its way or back.
static size_t reset_make(const struct segment *s, bool back, uint8_t out[ETHERNET_LEN + 40])
{
	uint8_t *ip = out + ETHERNET_LEN, *tcp = ip + 20;
	memset(out, 0, ETHERNET_LEN + 40);
	memcpy(out, s->ethernet + (back ? 6 : 0), 6);
	memcpy(out + 6, s->ethernet + (back ? 0 : 6), 6);
	put16(out + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, s->ip + (back ? 16 : 12), 4);
	memcpy(ip + 16, s->ip + (back ? 12 : 16), 4);
	put16(ip + 10, checksum(sum16(0, ip, 20)));
	memcpy(tcp, s->tcp + (back ? 2 : 0), 2);
	memcpy(tcp + 2, s->tcp + (back ? 0 : 2), 2);
	// What either end waits for next: RFC 5961 takes nothing else.
	put32(tcp + 4, get32(s->tcp + (back ? 8 : 4)));
	put32(tcp + 8, back ? get32(s->tcp + 4) + s->payload_len : get32(s->tcp + 8));
	tcp[12] = 0x50;
	tcp[13] = 0x14; // RST, ACK
	put16(tcp + 16, checksum(sum16(sum16(6 + TCP_LEN, ip + 12, 8), tcp, TCP_LEN)));
	return ETHERNET_LEN + 40;
}

static bool reset_instead(struct relay *r, const uint8_t *frame, size_t len)
{
	struct segment s;
	uint8_t reset[ETHERNET_LEN + 40];
	if (r->faults.resets == 0 || !segment_read(frame, len, &s) || s.payload_len == 0)
		return false;
	give(r, UP, reset, reset_make(&s, false, reset));
	give(r, DOWN, reset, reset_make(&s, true, reset));
	r->faults.resets--;
	r->stats.resets++;
	return true;
}

// --- the way of a frame

static void carry(struct relay *r, unsigned way, const uint8_t *octets, size_t len, uint64_t now)
{
	struct faults *f = &r->faults;
	uint64_t due = now;
	r->stats.taken[way]++;
	if (f->hole[way]) {
		r->stats.swallowed++;
		return;
	}
	if (way == UP && reset_instead(r, octets, len))
		return;
	if (happens(r, f->loss)) {
		r->stats.lost++;
		return;
	}
	if (f->rate) {
		uint64_t *busy = &r->busy_until_ns[way];
		if (*busy > now + backlog_ns) {
			r->stats.lost++;
			return;
		}
		*busy = (*busy > now ? *busy : now) + len * second_ns / f->rate;
		due = *busy;
	}
	due += f->delay_ns;
	if (happens(r, f->reorder)) {
		due += f->reorder_ns;
		r->stats.reordered++;
	}
	r->stats.delayed += due > now;
	put(r, way, octets, len, due);
	if (happens(r, f->duplicate)) {
		put(r, way, octets, len, due);
		r->stats.duplicated++;
	}
}

static void read_frames(struct relay *r, unsigned way)
{
	uint8_t octets[FRAME_MAX];
	for (int i = 0; i < BURST; i++) {
		ssize_t len = read(r->fds[way], octets, sizeof octets);
		if (len <= 0)
			return;
		carry(r, way, octets, (size_t)len, now_ns());
	}
}

// --- commands

static void clear(struct relay *r, uint64_t now)
{
	r->faults = (struct faults){0};
	for (unsigned way = 0; way < WAYS; way++)
		r->busy_until_ns[way] = 0;
	for (size_t i = 0; i < r->waiting; i++)
		r->heap[i]->due_ns = now;
	for (size_t i = r->waiting / 2; i-- > 0;)
		sink(r, i);
}

static void show(const struct stats *s)
{
	printf("{\"up_taken\":%" PRIu64 ",\"up_given\":%" PRIu64 ",\"down_taken\":%" PRIu64
	       ",\"down_given\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"swallowed\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"delayed\":%" PRIu64
	       ",\"resets\":%" PRIu64 "}\n",
		s->taken[UP], s->given[UP], s->taken[DOWN], s->given[DOWN], s->lost, s->swallowed,
		s->reordered, s->duplicated, s->delayed, s->resets);
}

static bool obey(struct relay *r, const char *line)
{
	struct faults *f = &r->faults;
	unsigned a, b;
	char way[8];
	if (sscanf(line, "delay %u", &a) == 1) {
		f->delay_ns = (uint64_t)a * 1000000;
	} else if (sscanf(line, "reorder %u %u", &a, &b) == 2) {
		f->reorder = a;
		f->reorder_ns = (uint64_t)b * 1000000;
	} else if (sscanf(line, "loss %u", &a) == 1) {
		f->loss = a;
	} else if (sscanf(line, "duplicate %u", &a) == 1) {
		f->duplicate = a;
	} else if (sscanf(line, "rate %u", &a) == 1) {
		f->rate = a;
	} else if (sscanf(line, "hole %7s", way) == 1) {
		f->hole[UP] = strcmp(way, "down") != 0;
		f->hole[DOWN] = strcmp(way, "up") != 0;
	} else if (strcmp(line, "reset\n") == 0) {
		f->resets++;
	} else if (strcmp(line, "clear\n") == 0) {
		clear(r, now_ns());
	} else {
		return false;
	}
	return true;
}

// One line, read octet by octet: they are few. False at the end.
static bool read_command(struct relay *r)
{
	char line[64];
	size_t len = 0;
	do {
		if (len + 1 == sizeof line || read(STDIN_FILENO, line + len, 1) != 1)
			return false;
	} while (line[len++] != '\n');
	line[len] = '\0';
	if (strcmp(line, "stats\n") == 0)
		show(&r->stats);
	else
		puts(obey(r, line) ? "ok" : "no such command");
	fflush(stdout);
	return true;
}

// --- devices

static int device_open(const char *namespace, const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = -1, ns = open(namespace, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) {
		fprintf(stderr, "relay: %s: %s\n", namespace, strerror(errno));
		exit(1);
	}
	close(ns);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
		fprintf(stderr, "relay: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct relay r = {.random = 0x9e3779b97f4a7c15};
	if (argc != 5) {
		fputs("usage: relay NAMESPACE DEVICE NAMESPACE DEVICE\n", stderr);
		return 2;
	}
	r.fds[UP] = device_open(argv[1], argv[2]);
	r.fds[DOWN] = device_open(argv[3], argv[4]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd watched[] = {{r.fds[UP], POLLIN, 0}, {r.fds[DOWN], POLLIN, 0},
			{STDIN_FILENO, POLLIN, 0}};
		uint64_t now = now_ns();
		uint64_t wait = r.waiting == 0             ? second_ns
		                : r.heap[0]->due_ns <= now ? 0
		                                           : r.heap[0]->due_ns - now;
		struct timespec timeout = {(time_t)(wait / second_ns), (long)(wait % second_ns)};
		if (ppoll(watched, 3, &timeout, NULL) < 0 && errno != EINTR)
			return 1;
		for (unsigned way = 0; way < WAYS; way++)
			if (watched[way].revents)
				read_frames(&r, way);
		give_due(&r, now_ns());
		if (watched[2].revents && !read_command(&r))
			return 0;
	}
}
