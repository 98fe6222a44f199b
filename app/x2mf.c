// x2mf: a reference mediation function for X2. Wiring only; what it does stands in lib/mf.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mf_server.h"
#include "mf_stream.h"

enum exit_code { EXIT_WELL, EXIT_FINDINGS, EXIT_USAGE, EXIT_BROKEN };

enum { READ_LEN = 65536, BACKLOG = 16 };

struct options {
	const char *listen, *decode, *keylog;
	struct tls_files files;
	struct mf_sink_options sink;
	struct mf_manners manners;
};

static void print_help(FILE *to)
{
	fputs("usage: x2mf --listen ADDR:PORT --cert FILE --key FILE --ca FILE [output] [options]\n"
	      "       x2mf --decode FILE [output]\n"
	      "\n"
	      "A reference mediation function: takes X2 PDUs (ETSI TS 103 221-2), checks every octet and sequence number,\n"
	      "answers keepalives.\n"
	      "\n"
	      "  --listen ADDR:PORT   [::1]:0 for IPv6; port 0 takes a free one: see \"listening on\" on standard error\n"
	      "  --cert, --key, --ca  our certificate (PEM, with its chain) and key, and who vouches for clients\n"
	      "  --crl FILE           certificates that are revoked\n"
	      "  --tls12              take TLS 1.2 too\n"
	      "  --decode FILE        read PDUs from a file instead, - for standard input\n"
	      "output:\n"
	      "  --jsonl FILE         a line of JSON for each PDU, appended; - for standard output\n"
	      "  --pcapng FILE        for Wireshark, appended; - for standard output\n"
	      "  --table              for people, on standard output\n"
	      "  --keepalives         write keepalives too\n"
	      "options:\n"
	      "  --keylog FILE        TLS secrets in SSLKEYLOGFILE form, to decrypt captures of tests\n"
	      "  --misbehave HOW      refuse, refuse-for=SEC, stall, cut[=N], no-ack, bad-ack, close-after=N, kill-after=N\n"
	      "  --version, --help\n"
	      "\n"
	      "exit codes: 0 well; 1 numbers are missing or a PDU has a problem; 2 usage; 3 cannot go on\n",
		to);
}

// An exit code, or -1 to go on.
static int read_options(int argc, char **argv, struct options *o)
{
	enum {
		CERT = 1,
		KEY,
		CA,
		CRL,
		TLS12,
		LISTEN,
		DECODE,
		JSONL,
		PCAPNG,
		TABLE,
		KEEPALIVES,
		KEYLOG,
		MISBEHAVE,
		VERSION,
		HELP
	};
	static const struct option known[] = {
		{"cert", required_argument, NULL, CERT},
		{"key", required_argument, NULL, KEY},
		{"ca", required_argument, NULL, CA},
		{"crl", required_argument, NULL, CRL},
		{"tls12", no_argument, NULL, TLS12},
		{"listen", required_argument, NULL, LISTEN},
		{"decode", required_argument, NULL, DECODE},
		{"jsonl", required_argument, NULL, JSONL},
		{"pcapng", required_argument, NULL, PCAPNG},
		{"table", no_argument, NULL, TABLE},
		{"keepalives", no_argument, NULL, KEEPALIVES},
		{"keylog", required_argument, NULL, KEYLOG},
		{"misbehave", required_argument, NULL, MISBEHAVE},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case CERT:
			o->files.cert = optarg;
			break;
		case KEY:
			o->files.key = optarg;
			break;
		case CA:
			o->files.ca = optarg;
			break;
		case CRL:
			o->files.crl = optarg;
			break;
		case TLS12:
			o->files.profile = TLS_PROFILE_13_12;
			break;
		case LISTEN:
			o->listen = optarg;
			break;
		case DECODE:
			o->decode = optarg;
			break;
		case JSONL:
			o->sink.jsonl = optarg;
			break;
		case PCAPNG:
			o->sink.pcapng = optarg;
			break;
		case TABLE:
			o->sink.table = true;
			break;
		case KEEPALIVES:
			o->sink.keepalives = true;
			break;
		case KEYLOG:
			o->keylog = optarg;
			break;
		case VERSION:
			printf("x2mf %s\n", X2TAP_VERSION);
			return EXIT_WELL;
		case HELP:
			print_help(stdout);
			return EXIT_WELL;
		case MISBEHAVE:
			if (mf_manners_parse(optarg, &o->manners))
				break;
			fprintf(stderr, "x2mf: --misbehave %s: see --help for what it can be\n",
				optarg);
			return EXIT_USAGE;
		default:
			return EXIT_USAGE;
		}
	}
	bool can_serve = o->listen && o->files.cert && o->files.key && o->files.ca;
	if (optind == argc && (o->decode ? !o->listen : can_serve))
		return -1;
	print_help(stderr);
	return EXIT_USAGE;
}

// "192.0.2.1:4000" or "[2001:db8::1]:4000".
static int open_listener(const char *text, struct error *error)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	const char *from = text;
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (!colon || len == 0 || len >= sizeof host)
		return error_set(error, -EINVAL, "--listen %s: wanted ADDR:PORT", text);
	memcpy(host, from, len);
	host[len] = '\0';

	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int failure = getaddrinfo(host, colon + 1, &hints, &found);
	if (failure)
		return error_set(error, -EINVAL, "--listen %s: %s", text, gai_strerror(failure));
	int on = 1, rc = 0;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
		bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		rc = error_set(error, -errno, "--listen %s: %s", text, strerror(errno));
	freeaddrinfo(found);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void say_where(int listener)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	char host[128], port[16];
	if (getsockname(listener, (struct sockaddr *)&bound, &len) == 0 &&
		getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fprintf(stderr,
			bound.ss_family == AF_INET6 ? "listening on [%s]:%s\n"
						    : "listening on %s:%s\n",
			host, port);
}

static int open_stop(struct error *error)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? error_set(error, -errno, "signalfd: %s", strerror(errno)) : fd;
}

// A CA file that no client's certificate chains to: the MF's own certificate. TLS 1.3 clients learn of it when they think
// that the handshake is done.
static struct tls_context *refusing_context(const struct options *o, struct error *error)
{
	struct tls_files files = o->files;
	files.ca = files.cert;
	return tls_server_context_new(&files, error);
}

static int serve(const struct options *o, struct mf_sink *sink, struct error *error)
{
	struct mf_server server = {
		.listener = -1, .stop = -1, .manners = o->manners, .sink = sink, .told = stderr};
	int rc = -EINVAL;
	server.accepting = tls_server_context_new(&o->files, error);
	if (!server.accepting)
		return rc;
	if (o->manners.how == MF_REFUSE && !(server.refusing = refusing_context(o, error)))
		goto end;
	if (o->keylog && (rc = tls_context_keylog(server.accepting, o->keylog, error)) < 0)
		goto end;
	server.stop = rc = open_stop(error);
	if (rc < 0)
		goto end;
	server.listener = rc = open_listener(o->listen, error);
	if (rc < 0)
		goto end;
	say_where(server.listener);
	rc = mf_server_run(&server, error);
end:
	if (server.stop >= 0)
		close(server.stop);
	tls_context_free(server.refusing);
	tls_context_free(server.accepting);
	return rc;
}

// True at the end of what can be read.
static bool decode_some(struct mf_stream *stream, struct mf_sink *sink, const char *path)
{
	struct mf_pdu pdu;
	enum parse_result result;
	while ((result = mf_stream_next(stream, &pdu)) == PARSE_OK)
		mf_sink_take(sink, &pdu, path);
	if (result == PARSE_MALFORMED)
		mf_sink_lost_framing(sink, &pdu, path);
	return result == PARSE_MALFORMED;
}

static int decode(const char *path, struct mf_sink *sink, struct error *error)
{
	bool is_stdin = path[0] == '-' && path[1] == '\0';
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "%s cannot be read: %s", path, strerror(errno));
	struct mf_stream stream = {0};
	int rc = 0;
	while (rc == 0) {
		uint8_t *room = mf_stream_room(&stream, READ_LEN);
		ssize_t count = room ? read(fd, room, READ_LEN) : -1;
		if (count < 0)
			rc = error_set(
				error, -errno, "%s cannot be read: %s", path, strerror(errno));
		else if (count == 0 && mf_stream_unfinished(&stream) > 0)
			mf_sink_unfinished(sink, mf_stream_unfinished(&stream), path);
		if (count <= 0)
			break;
		mf_stream_added(&stream, (size_t)count);
		bool is_end = decode_some(&stream, sink, path);
		rc = mf_sink_flush(sink, error);
		if (is_end)
			break;
	}
	mf_stream_fini(&stream);
	if (!is_stdin)
		close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct error error = {0};
	int rc = read_options(argc, argv, &o);
	if (rc >= 0)
		return rc;
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); // what it tells stands in whole lines
	struct mf_sink *sink = mf_sink_new(&o.sink, stderr, &error);
	rc = sink ? 0 : -1;
	if (rc == 0)
		rc = o.decode ? decode(o.decode, sink, &error) : serve(&o, sink, &error);
	if (rc < 0)
		fprintf(stderr, "x2mf: %s\n", error.text);
	bool is_well = sink && mf_sink_summary(sink);
	mf_sink_free(sink);
	if (rc < 0)
		return EXIT_BROKEN;
	return is_well ? EXIT_WELL : EXIT_FINDINGS;
}
