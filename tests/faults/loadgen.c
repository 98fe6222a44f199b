// Many different SIP messages of one subscriber, fast: for the soak.
//
//   loadgen DEVICE RATE CONTEXTS
//
// Sends REGISTER requests of sip:alice@example.com as UDP over IPv4, RATE a second, under CONTEXTS Call-IDs in turn; CSeq and branch
// differ in each, so that none is a duplicate. Reads new rates from standard input, a number a line, and ends with it. Then it says
// how many it has sent, as JSON.
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BURST = 64,
	BEHIND_MAX = 256, // frames: what a stall of ours has held up beyond that is not caught up
	HEADERS_LEN = 14 + 20 + 8,
	FRAME_MAX = 1024,
};
static const uint64_t second_ns = 1000000000;

struct frame {
	uint8_t octets[FRAME_MAX];
	size_t len;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static void put16(uint8_t *at, uint64_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void make_headers(uint8_t *frame, size_t payload_len)
{
	static const uint8_t start[HEADERS_LEN] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,                         // Ethernet, IPv4
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0,                          // IPv4, UDP
		192, 0, 2, 10, 192, 0, 2, 20, 0x13, 0xc4, 0x13, 0xc4, 0, 0, 0, 0, // 5060 to 5060
	};
	uint32_t sum = 0;
	memcpy(frame, start, sizeof start);
	put16(frame + 16, 28 + payload_len);
	put16(frame + 38, 8 + payload_len); // UDP without checksum, as IPv4 allows
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(frame + 24, (uint16_t) ~(sum + (sum >> 16)));
}

static void make(struct frame *f, uint64_t number, uint64_t contexts)
{
	char *text = (char *)f->octets + HEADERS_LEN;
	int len = snprintf(text, FRAME_MAX - HEADERS_LEN,
		"REGISTER sip:example.com SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-%016" PRIx64 "\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"Alice\" <sip:alice@example.com>;tag=%08" PRIx64 "\r\n"
		"To: \"Alice\" <sip:alice@example.com>\r\n"
		"Call-ID: soak-%08" PRIu64 "@192.0.2.10\r\n"
		"CSeq: %" PRIu64 " REGISTER\r\n"
		"Contact: <sip:alice@192.0.2.10:5060>\r\n"
		"Expires: 3600\r\n"
		"Content-Length: 0\r\n\r\n",
		number, number % contexts, number % contexts, number / contexts + 1);
	make_headers(f->octets, (size_t)len);
	f->len = HEADERS_LEN + (size_t)len;
}

static int device_open(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	if (fd < 0 || where.sll_ifindex == 0 ||
		bind(fd, (struct sockaddr *)&where, sizeof where) != 0) {
		fprintf(stderr, "loadgen: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

// How many of them the kernel took.
static uint64_t send_frames(int fd, struct frame *frames, unsigned count)
{
	struct mmsghdr messages[BURST] = {0};
	struct iovec parts[BURST];
	unsigned sent = 0;
	for (unsigned i = 0; i < count; i++) {
		parts[i] = (struct iovec){frames[i].octets, frames[i].len};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < count) {
		int rc = sendmmsg(fd, messages + sent, count - sent, 0);
		if (rc > 0) {
			sent += (unsigned)rc;
		} else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
			usleep(100);
		} else {
			perror("loadgen: sendmmsg");
			exit(1);
		}
	}
	return sent;
}

// A new rate, when there is one. False at the end of standard input.
static bool read_rate(double *rate)
{
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};
	char line[32];
	if (poll(&input, 1, 0) <= 0)
		return true;
	ssize_t len = read(STDIN_FILENO, line, sizeof line - 1);
	if (len <= 0)
		return false;
	line[len] = '\0';
	*rate = strtod(line, NULL);
	return true;
}

int main(int argc, char **argv)
{
	static struct frame frames[BURST];
	if (argc != 4) {
		fputs("usage: loadgen DEVICE RATE CONTEXTS\n", stderr);
		return 2;
	}
	int fd = device_open(argv[1]);
	double rate = strtod(argv[2], NULL), due = 0;
	uint64_t contexts = strtoull(argv[3], NULL, 10), sent = 0, last = now_ns();
	while (read_rate(&rate)) {
		uint64_t now = now_ns();
		due += (double)(now - last) * rate / 1e9;
		last = now;
		if (due > BEHIND_MAX)
			due = BEHIND_MAX;
		while (due >= 1) {
			unsigned count = due < BURST ? (unsigned)due : BURST;
			for (unsigned i = 0; i < count; i++)
				make(&frames[i], sent + i, contexts);
			sent += send_frames(fd, frames, count);
			due -= count;
		}
		usleep(500);
	}
	printf("{\"sent\": %" PRIu64 "}\n", sent);
	return 0;
}
