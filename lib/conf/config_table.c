#include "config_table.h"

#include "nearest.h"

#define SIZE_OF(type, member) sizeof(((struct type *)NULL)->member)
#define IN(type, member) .offset = offsetof(struct type, member), .size = SIZE_OF(type, member)
#define CONFIG(member) IN(config, member)
#define PORT(member) IN(config_port, member)
#define DESTINATION(member) IN(config_destination, member)
#define SOURCE(member) IN(config_binding_source, member)
#define INSTANCE(member) IN(config_binding_instance, member)

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
static const struct choice connections[] = {{"permanent", false}, {"on_demand", true}, {NULL, 0}};
static const struct choice ended_tasks[] = {{"drop", false}, {"deliver", true}, {NULL, 0}};
static const struct choice when_full[] = {{"continue", false}, {"stop", true}, {NULL, 0}};
static const struct choice protocols[] = {
	{"radius", CONFIG_RADIUS}, {"dhcp", CONFIG_DHCP}, {"gtp", CONFIG_GTP}, {NULL, 0}};
static const struct choice versions[] = {{"0.5", 0x0005}, {"0.6", 0x0006}, {NULL, 0}};

static const struct section
	sections
		[SECTIONS] =
			{
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
				[SECTION_LI] = {.name = "li",
					.shape = SHAPE_MAP,
					.help = "Where connections to MFs leave this host, unless their entry in \"destinations\" says otherwise. Without any of it the routing table decides. Never the address or interface of a tapped port: such a connection is refused."},
				[SECTION_SETS] = {.name = "sets",
					.shape = SHAPE_MAP,
					.help = "Redundant destination sets of the target file: IRI go to the most preferred member that answers."},
				[SECTION_SPOOL] = {.name = "spool",
					.shape = SHAPE_MAP,
					.help = "PDUs on disk, encrypted, while their MF is away: what was not confirmed within 100 ms, and what has no room in memory. It survives kill -9 and a crash of x2tap at any moment. There is no fsync while x2tap runs: a power failure or a crash of the host costs what the kernel had not written back, the last seconds (up to 30 s on most systems). A full or broken disk is a fault; then memory alone holds PDUs, and forwarding never waits for the disk. What an earlier run left goes out first. Use \"journal\" with it: without one, numbers start at 0 after a restart while the spool still holds the same numbers of the run before."},
				[SECTION_AUDIT] =
					{.name = "audit", .shape = SHAPE_MAP, .help = "The audit log: start, stop, which XIDs were ordered, changed and removed, connections, losses and operators' commands, each line chained to the one before by its SHA-256. The format is told in x2tap-audit(5). x2ctl audit verify says where a log was tampered with. It names XIDs, never target identifiers. Without this section there is no audit log."},
				[SECTION_REASSEMBLY] = {.name = "reassembly",
					.shape = SHAPE_MAP,
					.help = "IP fragments and TCP streams, put back together from copies; forwarding does not wait for it. All of it is for each worker, and the memory is taken at start."},
				[SECTION_SIP] = {.name = "sip",
					.shape = SHAPE_MAP,
					.help = "What is read and reported of SIP."},
				[SECTION_RADIUS] = {.name = "radius",
					.shape = SHAPE_MAP,
					.help = "What is read and reported of RADIUS."},
				[SECTION_DHCP] = {.name = "dhcp",
					.shape = SHAPE_MAP,
					.help = "What is read of DHCP."},
				[SECTION_GTP] = {.name = "gtp",
					.shape = SHAPE_MAP,
					.help = "What is read of GTP-C, versions 1 and 2."},
				[SECTION_SIGNALLING] = {.name = "signalling",
					.shape = SHAPE_MAP,
					.help = "What is remembered of RADIUS, DHCP and GTP-C that belongs to a task."},
				[SECTION_BINDINGS] = {.name = "bindings",
					.shape = SHAPE_MAP,
					.help = "Which subscriber has which address now, of all subscribers, so that a task by name covers what its target's address sends and receives, also where the task comes after the address was given. It is learnt from RADIUS accounting, DHCP leases and GTP-C sessions of the sources below alone, and never from inside of a tunnel of the user plane, since any user can forge such packets. Without a source there are no bindings."},
				[SECTION_BINDING_SOURCES] = {.name = "sources",
					.parent = SECTION_BINDINGS,
					.shape = SHAPE_LIST,
					.entry = "- ",
					.help = "Whose word counts. All that an entry says must hold, and what it says must keep strangers out: a pair or VLAN on which no user is heard, or addresses (RADIUS: servers or clients, DHCP: servers, GTP: clients)."},
				[SECTION_BINDING_INSTANCES] = {.name = "instances",
					.parent = SECTION_BINDINGS,
					.shape = SHAPE_LIST,
					.entry = "- ",
					.help = "Networks with addresses of their own (VPNs), so that the same address can be two subscribers'. The first entry that fits says in which a packet is; where none fits, it is in the common one."},
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
	{SECTION_TOP, "journal", OPTION_PATH, .sample = "/var/lib/x2tap/sequence.journal",
		.help = "File in which sequence numbers survive a restart, also after kill -9. 64 MiB, taken at once when it is made, so that a full disk cannot touch it later. It holds no target identifiers, but XIDs: put it in a directory that belongs to the user of x2tap, mode 0700. Do not copy it to another host and do not put back an old one: numbers would be given twice. One that cannot be used is a fault; then every context gets another correlation id, so that no number is given twice. Without this option numbers start at 0 with each start, and the MF cannot tell what was lost in between.",
		CONFIG(journal)},
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
	{SECTION_TOP, "stall_timeout", OPTION_DURATION, .least = 100, .greatest = MINUTE,
		.fallback = "1s",
		.help = "A worker that has not looked at its ports for so long is a fault: its links do not forward.",
		CONFIG(stall_timeout_ms)},
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
	{SECTION_DESTINATIONS, "connection", OPTION_CHOICE, .choices = connections,
		.fallback = "permanent",
		.help = "permanent: connected whether there are IRI or not, so that an MF that is away is a fault at once. on_demand: connected for the first PDU, closed after idle_timeout; an MF that is away shows only then, and the first PDU waits for the handshake.",
		DESTINATION(on_demand)},
	{SECTION_DESTINATIONS, "idle_timeout", OPTION_DURATION, .least = SECOND, .greatest = DAY,
		.fallback = "5m",
		.help = "With \"connection: on_demand\" alone: a connection on which nothing was sent for so long, and everything is confirmed, is closed.",
		DESTINATION(idle_timeout_ms)},
	{SECTION_DESTINATIONS, "pin", OPTION_PIN,
		.sample = "5b8a7f0e3c1d2946a0b1c2d3e4f5061728394a5b6c7d8e9f00112233445566ff",
		.help = "SHA-256 of the public key (SubjectPublicKeyInfo) that this MF must have, besides a certificate with a good chain and name. \"openssl x509 -in mf.crt -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256\" prints it; colons between the digits do not matter. An MF with another key gets nothing and is a fault: before it changes its key, change this.",
		DESTINATION(pin)},
	{SECTION_DESTINATIONS, "source_address", OPTION_ADDRESS, .sample = "192.0.2.1",
		.help = "Our address on connections to this MF, of the same family as the MF's. Without it that of \"li\".",
		DESTINATION(source_address)},
	{SECTION_DESTINATIONS, "interface", OPTION_INTERFACE, .least = 1,
		.greatest = CONFIG_MAX_INTERFACE, .sample = "li0",
		.help = "Connections to this MF leave through this network interface or VRF and no other (SO_BINDTODEVICE). Without it that of \"li\".",
		DESTINATION(interface)},
	{SECTION_DESTINATIONS, "source_ports", OPTION_RANGE, .least = 1024, .greatest = 65535,
		.sample = "[42000, 42099]",
		.help = "First and last of our TCP ports on connections to this MF, for firewalls that want it so. A closed connection keeps its port for a minute, so give at least ten. Without it the kernel chooses.",
		DESTINATION(source_port_first)},
	{SECTION_DESTINATIONS, "tcp_keepalive", OPTION_SECONDS, .least = SECOND, .greatest = HOUR,
		.zero = "off", .fallback = "30s",
		.help = "After so much silence the kernel probes the connection, then at the same interval; three probes without an answer end it. It finds dead paths sooner than keepalive_timeout and keeps NAT and firewalls awake.",
		DESTINATION(tcp_keepalive_s)},
	{SECTION_DESTINATIONS, "tcp_user_timeout", OPTION_DURATION, .least = 100, .greatest = HOUR,
		.zero = "the kernel's, a quarter of an hour or so", .fallback = "0",
		.help = "A connection on which octets were not acknowledged for so long is ended (TCP_USER_TIMEOUT).",
		DESTINATION(tcp_user_timeout_ms)},

	// --- li
	{SECTION_LI, "source_address", OPTION_ADDRESS, .least = 4, .sample = "192.0.2.1",
		.help = "Our address on connections to MFs that have an IPv4 address. It must be one of this host.",
		CONFIG(li.source_address)},
	{SECTION_LI, "source_address6", OPTION_ADDRESS, .least = 6, .sample = "\"2001:db8::1\"",
		.help = "The same for MFs that have an IPv6 address. Quote it.",
		CONFIG(li.source_address6)},
	{SECTION_LI, "interface", OPTION_INTERFACE, .least = 1, .greatest = CONFIG_MAX_INTERFACE,
		.sample = "li0",
		.help = "Connections to MFs leave through this network interface or VRF and no other (SO_BINDTODEVICE).",
		CONFIG(li.interface)},

	// --- sets
	{SECTION_SETS, "failover_after", OPTION_DURATION, .least = 100, .greatest = HOUR,
		.fallback = "10s",
		.help = "A member that cannot be reached for so long gives way to the next one. What it has not confirmed is sent again to that one.",
		CONFIG(sets.failover_after_ms)},
	{SECTION_SETS, "return_after", OPTION_DURATION, .least = 100, .greatest = DAY,
		.fallback = "60s",
		.help = "A more preferred member must answer for so long without a break until IRI go to it again.",
		CONFIG(sets.return_after_ms)},

	// --- spool
	{SECTION_SPOOL, "directory", OPTION_PATH, .required = true,
		.sample = "/var/lib/x2tap/spool",
		.help = "In a directory that exists and belongs to the user of x2tap. Made with mode 0700 where it is missing; below it one directory for each DID or dSId. On a file system of its own if possible, so that nothing else fills it, and never on one that forgets (tmpfs) or is shared (NFS).",
		CONFIG(spool.directory)},
	{SECTION_SPOOL, "master_key", OPTION_KEY, .required = true,
		.sample = "credential:spool-key", .help = "The key under which the keys of the spool are wrapped: 64 hex digits. \"openssl rand -hex 32\" makes one. A file of root with mode 0600 that is no symbolic link, on another disk than the spool: it is read before root is dropped, and once (0640 with the group of x2tap, and a reload can read it where the start could not); or credential:NAME with LoadCredential=NAME:PATH (or LoadCredentialEncrypted) in the systemd unit. Keep a copy: without the key the spool cannot be read, and with another one x2tap leaves it alone and raises a fault. Without a spool that can be used PDUs wait in memory alone.",
		CONFIG(spool.master_key)},
	{SECTION_SPOOL, "max_mib", OPTION_NUMBER, .unit = "MiB", .least = 1, .greatest = MAX_TABLE,
		.fallback = "1024",
		.help = "For each destination. When it is full the oldest segment is lost and counted. See that the disk has room for all destinations at once.",
		CONFIG(spool.max_mib)},
	{SECTION_SPOOL, "max_age", OPTION_DURATION, .least = MINUTE, .greatest = 30u * DAY,
		.fallback = "168h",
		.help = "PDUs that wait longer are erased, counted and told in the audit log.",
		CONFIG(spool.max_age_ms)},
	{SECTION_SPOOL, "segment_kib", OPTION_NUMBER, .unit = "KiB", .least = 64, .greatest = 65536,
		.fallback = "4096",
		.help = "Size of a segment, the unit that is erased at once. max_mib must hold two of them.",
		CONFIG(spool.segment_kib)},
	{SECTION_SPOOL, "ended_tasks", OPTION_CHOICE, .choices = ended_tasks, .fallback = "drop",
		.help = "What a start does with spooled PDUs of tasks that are no longer ordered: drop them, or deliver them because they were intercepted while the task stood. A PDU never goes to a destination that a standing task does not name. Either is told in the audit log.",
		CONFIG(spool.deliver_ended)},

	// --- audit
	{SECTION_AUDIT, "file", OPTION_PATH, .required = true,
		.sample = "/var/log/x2tap/audit.jsonl",
		.help = "JSON lines, appended, made with mode 0600; FILE.head beside it tells the end of the chain. In a directory that exists, belongs to root or the user of x2tap and can be written by nobody else; mode 0700, since the log names XIDs. Do not let logrotate touch it: x2tap rotates it itself.",
		CONFIG(audit.file)},
	{SECTION_AUDIT, "hmac_key", OPTION_KEY, .sample = "credential:audit-key",
		.help = "Key under which the head of the chain is signed every hour: 64 hex digits, made and kept as master_key of \"spool\", but another key; whoever verifies the log needs it. Without it the chain shows damage and clumsy changes, but not those of somebody who can rewrite the whole log.",
		CONFIG(audit.hmac_key)},
	{SECTION_AUDIT, "max_mib", OPTION_NUMBER, .unit = "MiB", .least = 1, .greatest = 65536,
		.fallback = "64",
		.help = "A longer file is renamed to FILE.NUMBER (the number of its first line), and the chain goes on in a new one. Nothing is ever deleted: see to the old ones.",
		CONFIG(audit.max_mib)},
	{SECTION_AUDIT, "when_full", OPTION_CHOICE, .choices = when_full, .fallback = "continue",
		.help = "When the log cannot be written (disk full, I/O error), which is a fault either way. continue: go on intercepting; up to 256 lines wait, those beyond are missing and counted. stop: intercept nothing until it can be written again. Traffic is forwarded in both.",
		CONFIG(audit.stop_when_full)},

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

	// --- radius
	{SECTION_RADIUS, "ports", OPTION_PORTS, .least = 1, .greatest = 65535,
		.fallback = "[1812, 1813, 1645, 1646, 3799]",
		.help = "UDP ports of servers, and of dynamic authorisation (RFC 5176). An empty list: no RADIUS is read.",
		CONFIG(radius.ports)},
	{SECTION_RADIUS, "keep_secrets", OPTION_BOOL, .fallback = "no",
		.help = "Report the values of User-Password, CHAP and EAP attributes, which are blanked otherwise.",
		CONFIG(radius.keep_secrets)},

	// --- dhcp
	{SECTION_DHCP, "v4_ports", OPTION_PORTS, .least = 1, .greatest = 65535,
		.fallback = "[67, 68]",
		.help = "UDP ports of DHCPv4. An empty list: none is read.", CONFIG(dhcp.v4_ports)},
	{SECTION_DHCP, "v6_ports", OPTION_PORTS, .least = 1, .greatest = 65535,
		.fallback = "[546, 547]",
		.help = "UDP ports of DHCPv6. An empty list: none is read.", CONFIG(dhcp.v6_ports)},

	// --- gtp
	{SECTION_GTP, "ports", OPTION_PORTS, .least = 1, .greatest = 65535, .fallback = "[2123]",
		.help = "UDP ports of GTP-C. An empty list: none is read. GTP-U is opened whatever stands here.",
		CONFIG(gtp.ports)},

	// --- signalling
	{SECTION_SIGNALLING, "max_sessions", OPTION_NUMBER, .unit = "sessions", .least = 16,
		.greatest = MAX_TABLE, .fallback = "65536",
		.help = "Matched exchanges, accounting sessions, leases and GTP sessions that are remembered; the oldest gives way, counted.",
		CONFIG(signalling.max_sessions)},
	{SECTION_SIGNALLING, "session_idle", OPTION_DURATION, .least = SECOND,
		.greatest = 30u * DAY, .fallback = "12h",
		.help = "A session without a message for so long is forgotten.",
		CONFIG(signalling.session_idle_ms)},

	// --- bindings
	{SECTION_BINDINGS, "max_sessions", OPTION_NUMBER, .unit = "sessions", .least = 64,
		.greatest = MAX_TABLE, .fallback = "1000000",
		.help = "Subscribers' sessions (accounting session, lease, GTP session), each with its addresses; the oldest gives way, counted. The memory is taken at start, some 570 octets for each (540 MiB for a million); none where \"sources\" has no entry.",
		CONFIG(bindings.max_sessions)},
	{SECTION_BINDINGS, "max_authorities", OPTION_NUMBER, .unit = "authorities", .least = 1,
		.greatest = 1024 * 1024, .fallback = "4096",
		.help = "NAS, DHCP servers and GTP peers that have told of a binding. What one more tells is not taken, and counted.",
		CONFIG(bindings.max_authorities)},
	{SECTION_BINDINGS, "idle", OPTION_DURATION, .least = MINUTE, .greatest = 30u * DAY,
		.fallback = "48h",
		.help = "A session of which no message came for so long is over: longer than interim updates are apart. A lease with a lifetime has that instead.",
		CONFIG(bindings.idle_ms)},

	{SECTION_BINDING_SOURCES, "protocols", OPTION_WORDS, .required = true,
		.choices = protocols, .sample = "[radius]", .help = "What the source speaks.",
		SOURCE(protocols)},
	{SECTION_BINDING_SOURCES, "pair", OPTION_PLACE, .least = 1, .greatest = MAX_TEXT,
		.sample = "link-1",
		.help = "The entry of \"ports\" on which it is heard, by its ipid or one of its devices. Without it any.",
		SOURCE(place)},
	{SECTION_BINDING_SOURCES, "vlan", OPTION_NUMBER, .least = 0, .greatest = 4094,
		.sample = "100",
		.help = "The outermost VLAN on which it is heard, 0 for frames without a tag. Without it any.",
		SOURCE(place.vlan)},
	{SECTION_BINDING_SOURCES, "servers", OPTION_PREFIXES, .sample = "[192.0.2.53]",
		.help = "Addresses of RADIUS or DHCP servers; where only the link between a DHCP relay and its users is tapped, that of the relay, which is who answers there. Of GTP none: its peers are clients. Without it any.",
		SOURCE(servers)},
	{SECTION_BINDING_SOURCES, "clients", OPTION_PREFIXES, .sample = "[192.0.2.0/28]",
		.help = "Addresses of NAS, of DHCP relays, of GTP peers (both ends). Without it any.",
		SOURCE(clients)},
	{SECTION_BINDING_SOURCES, "instance", OPTION_TEXT, .least = 1, .greatest = MAX_TEXT,
		.sample = "vpn-blue",
		.help = "The routing instance of the addresses that it gives: an entry of \"instances\" must say where its packets are. Without it the common one.",
		SOURCE(instance)},

	{SECTION_BINDING_INSTANCES, "instance", OPTION_TEXT, .required = true, .least = 1,
		.greatest = MAX_TEXT, .sample = "vpn-blue",
		.help = "A name of your choice; several entries may have the same.",
		INSTANCE(instance)},
	{SECTION_BINDING_INSTANCES, "pair", OPTION_PLACE, .least = 1, .greatest = MAX_TEXT,
		.sample = "link-1",
		.help = "The entry of \"ports\" on which its packets are, as for \"sources\". Without it any.",
		INSTANCE(place)},
	{SECTION_BINDING_INSTANCES, "vlan", OPTION_NUMBER, .least = 0, .greatest = 4094,
		.sample = "100",
		.help = "The outermost VLAN of its packets, 0 for frames without a tag. Without it any.",
		INSTANCE(place.vlan)},

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

enum section_name section_find(enum section_name parent, const char *name)
{
	for (enum section_name s = SECTION_TOP + 1; s < SECTIONS; s++)
		if (sections[s].parent == parent && strcmp(sections[s].name, name) == 0)
			return s;
	return SECTION_TOP;
}

void section_path_write(enum section_name section, struct writer *to)
{
	if (sections[section].parent != SECTION_TOP) {
		section_path_write(sections[section].parent, to);
		write_text(to, ".");
	}
	write_text(to, sections[section].name);
}

// --- the nearest key -----------------------------------------------------------------------------------------

const char *key_nearest(enum section_name section, const char *name)
{
	struct nearest nearest = nearest_to(name);
	for (size_t i = 0; i < OPTIONS; i++)
		if (section_holds(section, &options[i]))
			nearest_try(&nearest, options[i].name);
	for (size_t i = SECTION_TOP + 1; i < SECTIONS; i++)
		if (sections[i].parent == section)
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
	case OPTION_KEY:
		write_text(to, "path, or credential:NAME");
		break;
	case OPTION_ADDRESS:
		write_format(to, "%s address",
			o->least == 4   ? "IPv4"
			: o->least == 6 ? "IPv6"
					: "IP");
		break;
	case OPTION_INTERFACE:
		write_text(to, "interface name, ");
		describe_range(o, "octets", to);
		break;
	case OPTION_RANGE:
		write_text(to, "[first, last], ");
		describe_range(o, NULL, to);
		break;
	case OPTION_PIN:
		write_format(to, "%d hex digits", 2 * CONFIG_PIN_LEN);
		break;
	case OPTION_NUMBER:
		write_text(to, "number, ");
		describe_range(o, o->unit, to);
		break;
	case OPTION_SECONDS:
		write_text(to, "duration of whole seconds, ");
		duration_write(o->least, to);
		write_text(to, " to ");
		duration_write(o->greatest, to);
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
	case OPTION_WORDS:
		write_text(to, "list of ");
		describe_choices(o->choices, to);
		break;
	case OPTION_PREFIXES:
		write_format(to, "list of at most %d IP addresses and prefixes",
			CONFIG_MAX_PREFIXES);
		break;
	case OPTION_PLACE:
		write_text(to, "ipid or device of an entry of ports");
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
