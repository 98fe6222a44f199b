#include "config_table.h"

#include "nearest.h"

#define SIZE_OF(type, member) sizeof(((struct type *)NULL)->member)
#define IN(type, member) .offset = offsetof(struct type, member), .size = SIZE_OF(type, member)
#define CONFIG(member) IN(config, member)
#define PORT(member) IN(config_port, member)
#define DESTINATION(member) IN(config_destination, member)

enum {
	SECOND = 1000, // milliseconds
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	MAX_TEXT = 255, // octets of NFID, IPID and the like
	MAX_TABLE = 16 * 1024 * 1024
};

static const struct choice log_levels[] = {
	{"error", 0}, {"warning", 1}, {"notice", 2}, {"debug", 3}, {NULL, 0}};
static const struct choice paces[] = {{"normal", false}, {"lossless", true}, {NULL, 0}};
static const struct choice profiles[] = {{"1.3", false}, {"1.3+1.2", true}, {NULL, 0}};
static const struct choice versions[] = {{"0.5", 0x0005}, {"0.6", 0x0006}, {NULL, 0}};

static const struct section sections[SECTIONS] = {
	[SECTION_TOP] = {.shape = SHAPE_MAP,
		.required = true,
		.shown = true,
		.help = "The network element, its workers and its memory."},
	[SECTION_TARGETS] = {.name = "targets",
		.shape = SHAPE_PATH_OR_MAP,
		.required = true,
		.shown = true,
		.help = "The target file: tasks and destinations. \"targets: PATH\" is short for \"targets: {file: PATH}\"."},
	[SECTION_PORT_DEFAULTS] = {.name = "port_defaults",
		.shape = SHAPE_MAP,
		.help = "What holds for every entry of \"ports\" that does not say otherwise."},
	[SECTION_PORTS] = {.name = "ports",
		.shape = SHAPE_LIST,
		.required = true,
		.shown = true,
		.entry = "- ",
		.help = "The links, as DPDK device names. An entry is a pair (inline: what comes in on one device goes out on the other) or a mirror (passive: nothing goes out), and may hold any option of \"port_defaults\"."},
	[SECTION_TLS] = {.name = "tls",
		.shape = SHAPE_MAP,
		.shown = true,
		.help = "Our certificate, and who may sign those of the MFs. Required as soon as \"destinations\" has an entry; there is no mode without TLS."},
	[SECTION_DESTINATIONS] = {.name = "destinations",
		.shape = SHAPE_BY_DID,
		.shown = true,
		.entry = "19867c20-8c94-473e-b9bd-8b72b7b05fd4:",
		.help = "How to speak to each MF, by the DID (dId) that the target file gives it. Address and port stand in the target file; a destination without an entry here is not connected to."},
	[SECTION_REASSEMBLY] = {.name = "reassembly",
		.shape = SHAPE_MAP,
		.help = "IP fragments and TCP streams, put back together from copies; forwarding does not wait for it. All of it is for each worker, and the memory is taken at start."},
	[SECTION_SIP] = {.name = "sip",
		.shape = SHAPE_MAP,
		.help = "What is read and reported of SIP."},
	[SECTION_NUMBERING] = {.name = "numbering",
		.shape = SHAPE_MAP,
		.help = "How numbers are dialled here, so that 030 123, 0049 30 123 and +49 30 123 can be one number."},
	[SECTION_CONTROL] = {.name = "control",
		.shape = SHAPE_MAP,
		.help = "The UNIX socket on which x2ctl asks. The operator group sees ports, forwarding and faults; the LI group sees everything; root and the user of x2tap have the LI role. The socket belongs to the operator group, so members of the LI group must be in both where both are set."},
};

static const struct option options[] = {
	// --- the file itself
	{SECTION_TOP, "nfid", OPTION_TEXT, .required = true, .least = 1, .greatest = MAX_TEXT,
		.sample = "probe-01.example.net",
		.help = "Name of this network element in every PDU (Network Function ID, attribute 6).",
		CONFIG(nfid)},
	{SECTION_TOP, "did", OPTION_TEXT, .least = 1, .greatest = MAX_TEXT, .sample = "domain-1",
		.help = "Domain ID of every PDU (attribute 5). Without it the attribute is left out.",
		CONFIG(did)},
	{SECTION_TOP, "ne_identifier", OPTION_TEXT, .least = 1, .greatest = MAX_TEXT,
		.sample = "probe-01.example.net",
		.help = "The neIdentifier that target files may name. Without it the nfid.",
		CONFIG(ne_identifier)},
	{SECTION_TOP, "workers", OPTION_NUMBER, .least = 1, .greatest = CONFIG_MAX_WORKERS,
		.zero = "one for each worker lcore of EAL", .fallback = "0",
		.help = "Threads that forward and analyse, each with one receive queue of every port.",
		CONFIG(workers)},
	{SECTION_TOP, "mbufs", OPTION_NUMBER, .least = 1024, .greatest = MAX_TABLE,
		.zero = "computed from queues and descriptors", .fallback = "0",
		.help = "Frame buffers on each NUMA node.", CONFIG(mbufs)},
	{SECTION_TOP, "mbuf_size", OPTION_NUMBER, .unit = "octets", .least = 1024,
		.greatest = 65407, .fallback = "2048",
		.help = "Data room of a frame buffer. Longer frames take several, where the port can.",
		CONFIG(mbuf_size)},
	{SECTION_TOP, "event_ring_kib", OPTION_NUMBER, .unit = "KiB", .least = 256,
		.greatest = 1024 * 1024, .fallback = "8192",
		.help = "Ring from each worker to the control core. When it is full, IRI is lost and counted, never traffic.",
		CONFIG(event_ring_kib)},
	{SECTION_TOP, "user", OPTION_TEXT, .least = 1, .greatest = 32, .sample = "x2tap",
		.help = "User to become when started as root. Without it x2tap stays who it is.",
		CONFIG(user)},
	{SECTION_TOP, "group", OPTION_TEXT, .least = 1, .greatest = 32, .sample = "x2tap",
		.help = "Group to become. Without it the first group of the user.", CONFIG(group)},
	{SECTION_TOP, "shutdown_timeout", OPTION_DURATION, .least = 0, .greatest = HOUR,
		.fallback = "10s",
		.help = "How long a stop may wait until everything is sent and confirmed.",
		CONFIG(shutdown_timeout_ms)},
	{SECTION_TOP, "log_level", OPTION_WORD, .choices = log_levels, .fallback = "notice",
		.help = "What goes to the general log. It names neither tasks nor targets at any level.",
		CONFIG(log_level)},

	// --- targets
	{SECTION_TARGETS, "file", OPTION_PATH, .required = true, .sample = "targets.yaml",
		.help = "Owned by root or by the user of x2tap, writable by nobody else, readable by nobody outside its group. An empty list is normal; a file that is missing or wrong is a fault: x2tap forwards and intercepts nothing new.",
		CONFIG(targets.file)},
	{SECTION_TARGETS, "capacity", OPTION_NUMBER, .unit = "tasks", .least = 1,
		.greatest = MAX_TABLE, .fallback = "100000",
		.help = "Tables are taken at start for so many, whatever the number of tasks.",
		CONFIG(targets.capacity)},
	{SECTION_TARGETS, "max_size_mib", OPTION_NUMBER, .unit = "MiB", .least = 1,
		.greatest = 4095, .fallback = "1024", .help = "A larger target file is refused.",
		CONFIG(targets.max_size_mib)},
	{SECTION_TARGETS, "allow_wide_targets", OPTION_BOOL, .fallback = "no",
		.help = "Accept tasks ordered by a port alone, or by a prefix wider than /16 (IPv6: /32).",
		CONFIG(targets.allow_wide)},
	{SECTION_TARGETS, "match_outer", OPTION_BOOL, .fallback = "no",
		.help = "Addresses and ports of tasks are looked for in the outer IP headers of tunnels too, not in the innermost alone. Then whatever a tunnel carries belongs to the tasks of its two ends.",
		CONFIG(targets.match_outer)},

	// --- port_defaults, and every entry of ports
	{SECTION_PORT_DEFAULTS, "rx_queues", OPTION_NUMBER, .least = 1,
		.greatest = CONFIG_MAX_WORKERS,
		.zero = "as many as workers, at most what the port has", .fallback = "0",
		.help = "Receive queues of each device.", PORT(rx_queues)},
	{SECTION_PORT_DEFAULTS, "rx_descriptors", OPTION_NUMBER, .least = 32, .greatest = 32768,
		.fallback = "1024",
		.help = "Of each receive queue; adjusted to what the port takes.",
		PORT(rx_descriptors)},
	{SECTION_PORT_DEFAULTS, "tx_descriptors", OPTION_NUMBER, .least = 32, .greatest = 32768,
		.fallback = "1024",
		.help = "Of each transmit queue; adjusted to what the port takes.",
		PORT(tx_descriptors)},
	{SECTION_PORT_DEFAULTS, "mtu", OPTION_NUMBER, .unit = "octets", .least = 68,
		.greatest = 65535, .zero = "left as it is", .fallback = "0",
		.help = "A port that cannot set its MTU goes on with the one it has.", PORT(mtu)},
	{SECTION_PORT_DEFAULTS, "promiscuous", OPTION_BOOL, .fallback = "yes",
		.help = "Take frames for every MAC address: a tap needs it on ordinary ports.",
		PORT(promiscuous)},
	{SECTION_PORT_DEFAULTS, "pace", OPTION_CHOICE, .choices = paces, .fallback = "normal",
		.help = "lossless: stop reading while analysis is behind, so that a capture file yields the same IRI every time. Only for net_pcap and net_ring; never on a live link.",
		PORT(lossless)},

	// --- ports
	{SECTION_PORTS, "pair", OPTION_PAIR, .sample = "[net_pcap0, net_pcap1]",
		.help = "The two devices of an inline link. An entry has this or \"mirror\".",
		PORT(a)},
	{SECTION_PORTS, "mirror", OPTION_DEVICE, .least = 1, .greatest = 63, .sample = "net_pcap2",
		.help = "The device of a mirror port.", PORT(a)},
	{SECTION_PORTS, "ipid", OPTION_TEXT, .required = true, .least = 1, .greatest = MAX_TEXT,
		.sample = "link-1",
		.help = "Name of this interception point in every PDU (Interception Point ID, attribute 7).",
		PORT(ipid)},

	// --- tls
	{SECTION_TLS, "cert", OPTION_PATH, .required = true, .sample = "tls/x2tap.crt",
		.help = "Our certificate, PEM, with its chain if it has one.", CONFIG(tls.cert)},
	{SECTION_TLS, "key", OPTION_PATH, .required = true, .sample = "tls/x2tap.key",
		.help = "Its private key, PEM, readable by nobody else.", CONFIG(tls.key)},
	{SECTION_TLS, "ca", OPTION_PATH, .required = true, .sample = "tls/ca.crt",
		.help = "Who may have signed the certificates of MFs, PEM.", CONFIG(tls.ca)},
	{SECTION_TLS, "crl", OPTION_PATH, .sample = "tls/ca.crl",
		.help = "Certificate revocation list, PEM. Without it revocation is not checked.",
		CONFIG(tls.crl)},
	{SECTION_TLS, "profile", OPTION_CHOICE, .choices = profiles, .fallback = "1.3",
		.help = "TLS 1.3 alone, or 1.2 as well (ECDHE with AEAD).",
		CONFIG(tls.allow_tls12)},

	// --- destinations
	{SECTION_DESTINATIONS, "tls_name", OPTION_TEXT, .required = true, .least = 1,
		.greatest = 253, .sample = "mdf2.example.net",
		.help = "DNS name or IP address that the MF's certificate must carry.",
		DESTINATION(tls_name)},
	{SECTION_DESTINATIONS, "keepalive", OPTION_BOOL, .fallback = "yes",
		.help = "Send keepalives. Off only for an MF that never answers them: what it has read is not known then.",
		DESTINATION(keepalive)},
	{SECTION_DESTINATIONS, "redeliver", OPTION_BOOL, .sample = "yes",
		.help = "After a reconnection send again what no keepalive answer has confirmed. Needs \"keepalive\"; without this option it is on where keepalive is on.",
		DESTINATION(redeliver)},
	{SECTION_DESTINATIONS, "version", OPTION_CHOICE, .choices = versions, .fallback = "0.5",
		.help = "Version in the header of PDUs (TS 103 221-2).", DESTINATION(version)},
	{SECTION_DESTINATIONS, "max_write", OPTION_NUMBER, .unit = "octets", .least = 1024,
		.greatest = 16384, .fallback = "8192",
		.help = "One write carries whole PDUs, at most so much together.",
		DESTINATION(max_write)},
	{SECTION_DESTINATIONS, "max_pdu", OPTION_NUMBER, .unit = "octets", .least = 1024,
		.greatest = 65536, .fallback = "8192",
		.help = "The largest PDU that this MF takes.", DESTINATION(max_pdu)},
	{SECTION_DESTINATIONS, "keepalive_interval", OPTION_DURATION, .least = 50, .greatest = HOUR,
		.fallback = "60s", .help = "Between keepalives (TIME_P1).",
		DESTINATION(keepalive_interval_ms)},
	{SECTION_DESTINATIONS, "keepalive_timeout", OPTION_DURATION, .least = 100,
		.greatest = 2 * HOUR, .fallback = "180s",
		.help = "A connection without an answer for so long is dead (TIME_P2). Longer than the interval.",
		DESTINATION(keepalive_timeout_ms)},
	{SECTION_DESTINATIONS, "queue_mib", OPTION_NUMBER, .unit = "MiB", .least = 1,
		.greatest = 65536, .fallback = "64",
		.help = "Memory for PDUs while the MF is away. When it is full the oldest is lost and counted.",
		DESTINATION(queue_mib)},

	// --- reassembly
	{SECTION_REASSEMBLY, "max_datagrams", OPTION_NUMBER, .unit = "datagrams", .least = 16,
		.greatest = MAX_TABLE, .fallback = "8192",
		.help = "Datagrams of which fragments are missing; the oldest gives way, counted.",
		CONFIG(reassembly.max_datagrams)},
	{SECTION_REASSEMBLY, "fragment_memory_mib", OPTION_NUMBER, .unit = "MiB", .least = 1,
		.greatest = 65536, .fallback = "16",
		.help = "Memory for fragments that wait for others; the oldest datagram gives way, counted.",
		CONFIG(reassembly.fragment_memory_mib)},
	{SECTION_REASSEMBLY, "fragment_timeout", OPTION_DURATION, .least = 100,
		.greatest = 5 * MINUTE, .fallback = "5s",
		.help = "A datagram that is not complete so long after its first fragment is given up.",
		CONFIG(reassembly.fragment_timeout_ms)},
	{SECTION_REASSEMBLY, "max_streams", OPTION_NUMBER, .unit = "streams", .least = 16,
		.greatest = MAX_TABLE, .fallback = "65536",
		.help = "TCP streams that are followed, two for a connection; the oldest gives way, counted.",
		CONFIG(reassembly.max_streams)},
	{SECTION_REASSEMBLY, "stream_memory_mib", OPTION_NUMBER, .unit = "MiB", .least = 1,
		.greatest = 65536, .fallback = "32",
		.help = "Memory for what waits in streams: parts of messages, and segments out of order.",
		CONFIG(reassembly.stream_memory_mib)},
	{SECTION_REASSEMBLY, "gap_timeout", OPTION_DURATION, .least = 10, .greatest = 5 * MINUTE,
		.fallback = "2s",
		.help = "How long a missing segment is waited for. Then the stream goes on at the next start of a message, and the gap is counted.",
		CONFIG(reassembly.gap_timeout_ms)},
	{SECTION_REASSEMBLY, "stream_idle", OPTION_DURATION, .least = SECOND, .greatest = 30u * DAY,
		.fallback = "1h", .help = "A stream without a segment for so long is forgotten.",
		CONFIG(reassembly.stream_idle_ms)},

	// --- sip
	{SECTION_SIP, "ports", OPTION_PORTS, .least = 1, .greatest = 65535,
		.fallback = "[5060, 5061]", .help = "UDP and TCP ports on which SIP is expected.",
		CONFIG(sip.ports)},
	{SECTION_SIP, "recognise", OPTION_BOOL, .fallback = "yes",
		.help = "Recognise SIP by its start line on any other port too.",
		CONFIG(sip.recognise)},
	{SECTION_SIP, "max_message", OPTION_NUMBER, .unit = "octets", .least = 4096,
		.greatest = 65536, .fallback = "65536",
		.help = "A longer message over TCP is taken without its body.",
		CONFIG(sip.max_message)},
	{SECTION_SIP, "trust_from", OPTION_BOOL, .fallback = "yes",
		.help = "A target seen in From alone counts, although any caller can write what he likes there.",
		CONFIG(sip.trust_from)},
	{SECTION_SIP, "number_domains", OPTION_LIST, .greatest = CONFIG_MAX_LIST, .fallback = "[]",
		.help = "Hosts at which a user part of digits alone is a telephone number, also without user=phone.",
		CONFIG(sip.number_domains)},
	{SECTION_SIP, "kept_bodies", OPTION_LIST, .greatest = CONFIG_MAX_LIST, .fallback = "[]",
		.help = "Types of bodies that are reported, such as application/sdp; all others are withheld as content. Empty: SDP, message/sipfrag, ISUP, QSIG, reginfo, dialog-info and conference-info.",
		CONFIG(sip.kept_bodies)},
	{SECTION_SIP, "keep_sdp_keys", OPTION_BOOL, .fallback = "no",
		.help = "Report the values of a=crypto and k= in SDP, which are blanked otherwise.",
		CONFIG(sip.keep_sdp_keys)},
	{SECTION_SIP, "max_sessions", OPTION_NUMBER, .unit = "sessions", .least = 16,
		.greatest = MAX_TABLE, .fallback = "65536",
		.help = "Matched Call-IDs that are remembered; the oldest gives way, counted.",
		CONFIG(sip.max_sessions)},
	{SECTION_SIP, "max_duplicates", OPTION_NUMBER, .unit = "messages", .least = 16,
		.greatest = MAX_TABLE, .fallback = "65536",
		.help = "Reported messages that are remembered to recognise copies; the oldest gives way.",
		CONFIG(sip.max_duplicates)},
	{SECTION_SIP, "duplicate_window", OPTION_DURATION, .least = 1, .greatest = HOUR,
		.zero = "off", .fallback = "32s",
		.help = "A message seen again octet for octet within this time is not reported twice.",
		CONFIG(sip.duplicate_window_ms)},
	{SECTION_SIP, "session_idle", OPTION_DURATION, .least = SECOND, .greatest = 30u * DAY,
		.fallback = "12h", .help = "A session without a message for so long is forgotten.",
		CONFIG(sip.session_idle_ms)},

	// --- numbering
	{SECTION_NUMBERING, "country_code", OPTION_DIGITS, .greatest = 3, .fallback = "\"\"",
		.help = "Without it numbers dialled in national form equal none in international form.",
		CONFIG(numbering.country_code)},
	{SECTION_NUMBERING, "national_prefix", OPTION_DIGITS, .greatest = 5, .fallback = "0",
		.help = "Stands for + and the country code.", CONFIG(numbering.national_prefix)},
	{SECTION_NUMBERING, "international_prefix", OPTION_DIGITS, .greatest = 5, .fallback = "00",
		.help = "Stands for the +.", CONFIG(numbering.international_prefix)},

	// --- control
	{SECTION_CONTROL, "socket", OPTION_PATH, .fallback = CONFIG_DEFAULT_SOCKET,
		.help = "In a directory that only root or the user of x2tap can write to.",
		CONFIG(control.socket)},
	{SECTION_CONTROL, "operator_group", OPTION_TEXT, .least = 1, .greatest = 32,
		.sample = "x2tap-operator",
		.help = "Group of the operator role. Without it nobody has it.",
		CONFIG(control.operator_group)},
	{SECTION_CONTROL, "li_group", OPTION_TEXT, .least = 1, .greatest = 32, .sample = "x2tap-li",
		.help = "Group of the LI role. Without it root and the user of x2tap alone.",
		CONFIG(control.li_group)},
};
enum { OPTIONS = sizeof options / sizeof *options };

const struct section *section_at(enum section_name name)
{
	return &sections[name];
}

const struct option *options_of(enum section_name section, size_t *count)
{
	size_t first = 0;
	while (first < OPTIONS && options[first].section != section)
		first++;
	size_t end = first;
	while (end < OPTIONS && options[end].section == section)
		end++;
	*count = end - first;
	return &options[first];
}

static bool section_holds(enum section_name section, const struct option *o)
{
	return o->section == section ||
	       (section == SECTION_PORTS && o->section == SECTION_PORT_DEFAULTS);
}

const struct option *option_find(enum section_name section, const char *name)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (section_holds(section, &options[i]) && strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

bool section_is_planned(const char *name)
{
	static const char *const planned[] = {"bindings", "spool", "audit"};
	for (size_t i = 0; i < sizeof planned / sizeof *planned; i++)
		if (strcmp(planned[i], name) == 0)
			return true;
	return false;
}

// --- the nearest key -----------------------------------------------------------------------------------------

const char *key_nearest(enum section_name section, const char *name)
{
	struct nearest nearest = nearest_to(name);
	for (size_t i = 0; i < OPTIONS; i++)
		if (section_holds(section, &options[i]))
			nearest_try(&nearest, options[i].name);
	for (size_t i = SECTION_TOP + 1; section == SECTION_TOP && i < SECTIONS; i++)
		nearest_try(&nearest, sections[i].name);
	return nearest.found;
}

// --- in words ------------------------------------------------------------------------------------------------

void duration_write(uint64_t ms, struct writer *to)
{
	if (ms % HOUR == 0 && ms)
		write_format(to, "%lluh", (unsigned long long)(ms / HOUR));
	else if (ms % MINUTE == 0 && ms)
		write_format(to, "%llum", (unsigned long long)(ms / MINUTE));
	else if (ms % SECOND == 0)
		write_format(to, "%llus", (unsigned long long)(ms / SECOND));
	else
		write_format(to, "%llums", (unsigned long long)ms);
}

static void describe_range(const struct option *o, const char *unit, struct writer *to)
{
	write_format(to, "%llu to %llu%s%s", (unsigned long long)o->least,
		(unsigned long long)o->greatest, unit ? " " : "", unit ? unit : "");
}

static void describe_choices(const struct choice *choices, struct writer *to)
{
	for (const struct choice *c = choices; c->word; c++)
		write_format(to, "%s%s", c == choices ? "" : c[1].word ? ", " : " or ", c->word);
}

void option_describe(const struct option *o, struct writer *to)
{
	switch (o->type) {
	case OPTION_TEXT:
		write_text(to, "text, ");
		describe_range(o, "octets", to);
		break;
	case OPTION_DIGITS:
		describe_range(o, "digits", to);
		break;
	case OPTION_PATH:
		write_text(to, "path");
		break;
	case OPTION_NUMBER:
		write_text(to, "number, ");
		describe_range(o, o->unit, to);
		break;
	case OPTION_DURATION:
		write_text(to, "duration, ");
		duration_write(o->least, to);
		write_text(to, " to ");
		duration_write(o->greatest, to);
		break;
	case OPTION_BOOL:
		write_text(to, "yes or no");
		break;
	case OPTION_CHOICE:
	case OPTION_WORD:
		describe_choices(o->choices, to);
		break;
	case OPTION_LIST:
		write_format(to, "list of at most %llu words", (unsigned long long)o->greatest);
		break;
	case OPTION_PORTS:
		write_format(to, "list of at most %d numbers, ", CONFIG_MAX_LIST);
		describe_range(o, NULL, to);
		break;
	case OPTION_DEVICE:
		write_text(to, "DPDK device name");
		break;
	case OPTION_PAIR:
		write_text(to, "two different DPDK device names");
		break;
	}
	if (o->zero)
		write_format(to, ", or 0: %s", o->zero);
}
