// x2tap.yaml: what the operator configures. One table in config.c says each option's name, type, unit, range, default and
// help; parser, `--check`, the sample and the manual page follow it.
#ifndef X2TAP_CONFIG_H
#define X2TAP_CONFIG_H

#include "address.h"
#include "uuid.h"
#include "yaml.h"

#define CONFIG_DEFAULT_SOCKET "/run/x2tap/control.sock" // x2ctl's as well

enum {
	CONFIG_MAX_PORTS = 32,
	CONFIG_MAX_WORKERS = 64,
	CONFIG_MAX_DESTINATIONS = 256,
	CONFIG_MAX_LIST = 64,
	CONFIG_MAX_SOURCES = 64,   // of bindings
	CONFIG_MAX_INSTANCES = 64, // likewise
	CONFIG_MAX_PREFIXES = 32,  // of each list of a source
	CONFIG_PIN_LEN = 32,       // SHA-256
	CONFIG_MAX_INTERFACE = 15  // octets of an interface name (IFNAMSIZ without the NUL)
};

// Before the name of a key that systemd hands over (LoadCredential); what else names a key is a path.
#define CONFIG_CREDENTIAL "credential:"

// One entry of `ports`: {pair: [a, b], ipid} or {mirror: a, ipid}. Options stand in the entry, or in `port_defaults`.
struct config_port {
	const char *a, *b; // DPDK device names; b is NULL for a mirror
	const char *ipid;
	struct yaml_mark mark;
	uint16_t rx_queues; // per port; 0: as many as workers, at most what the port has
	uint16_t rx_descriptors, tx_descriptors; // default 1024; adjusted to what the port takes
	uint32_t mtu;                            // 0: leave as it is
	bool promiscuous;                        // default yes
	bool lossless;                           // pace: lossless (file ports only)
};

struct config_destination { // of `destinations: {<DID>: {...}}`
	struct uuid did;
	struct yaml_mark mark;
	const char *tls_name; // required
	bool keepalive;       // default yes
	bool redeliver;       // default: as keepalive
	uint16_t version;     // "0.5" (default) or "0.6"
	uint32_t max_write;   // octets, 1024 to 16384, default 8192
	uint32_t max_pdu; // octets of the largest PDU this MF takes, 1024 to 65536, default 8192
	uint32_t keepalive_interval_ms,
		keepalive_timeout_ms; // given in seconds, 60 and 180; also "50ms"
	uint32_t queue_mib;           // default 64

	bool on_demand;           // connection: permanent (default) or on_demand
	uint32_t idle_timeout_ms; // default 5 m, only with on_demand
	bool has_pin;
	uint8_t pin[CONFIG_PIN_LEN]; // SHA-256 of the SubjectPublicKeyInfo that the MF must have
	const char *source_address;  // NULL: that of `li`
	const char *interface;       // NULL: that of `li`
	uint16_t source_port_first, source_port_last; // 0, 0: whatever the kernel gives
	uint32_t tcp_keepalive_s;                     // default 30, 0: off
	uint32_t tcp_user_timeout_ms;                 // default 0: the kernel's
};

struct config_list {
	const char *items[CONFIG_MAX_LIST];
	size_t count;
};

struct config_ports { // UDP or TCP
	uint16_t items[CONFIG_MAX_LIST];
	size_t count;
};

struct config_prefix {
	struct address address; // bits behind the prefix are 0
	uint8_t len;
};

struct config_prefixes {
	struct config_prefix items[CONFIG_MAX_PREFIXES];
	size_t count;
};

enum config_protocol { CONFIG_RADIUS = 1, CONFIG_DHCP = 2, CONFIG_GTP = 4 };
enum { CONFIG_ANY = -1 };

// Where frames come in: of `bindings.sources` and `bindings.instances`.
struct config_place {
	const char *pair; // as written: an IPID or a device of `ports`; NULL: any
	int point;        // that entry's index in `ports`, or CONFIG_ANY
	int vlan;         // the outermost tag, 0: none, or CONFIG_ANY
};

struct config_binding_source { // whose word counts about who has which address
	struct yaml_mark mark;
	uint16_t protocols; // enum config_protocol bits, at least one
	struct config_place place;
	struct config_prefixes servers, clients; // empty: all
	const char *instance;                    // as written; NULL: instance_number is 0
	uint32_t instance_number;                // as that of an entry of `instances`
};

struct config_binding_instance { // traffic of the place is in this routing instance; the first that fits counts
	struct yaml_mark mark;
	const char *instance;
	uint32_t instance_number; // from 1, equal for equal names. 0 is where no entry fits
	struct config_place place;
};

struct config {
	const char *nfid;          // no default
	const char *did;           // attribute 5; NULL: left out
	const char *ne_identifier; // what target files may name; NULL: nfid
	const char *journal;       // sequence numbers that survive a restart; NULL: they do not

	struct {
		const char *file;      // relative paths are relative to the configuration file
		uint32_t capacity;     // tasks, default 100000
		uint32_t max_size_mib; // default 1024
		bool allow_wide;
		bool match_outer;
	} targets; // `targets: PATH`, or a map {file, capacity, max_size_mib, allow_wide_targets, match_outer}

	struct config_port ports[CONFIG_MAX_PORTS];
	size_t port_count;

	uint16_t workers;        // default: one for each worker lcore of EAL
	uint32_t mbufs;          // per NUMA node; 0: computed from queues and descriptors
	uint32_t mbuf_size;      // octets of data room, default 2048
	uint32_t event_ring_kib; // per worker, default 8192

	struct {
		const char *cert, *key, *ca, *crl;
		bool allow_tls12; // profile: "1.3" (default) or "1.3+1.2"
	} tls;

	struct config_destination destinations[CONFIG_MAX_DESTINATIONS];
	size_t destination_count;

	struct {
		const char *source_address, *source_address6,
			*interface; // NULL: the kernel's choice
	} li;                       // where LI traffic leaves this host

	struct {
		uint32_t failover_after_ms; // default 10 s
		uint32_t return_after_ms;   // default 60 s
	} sets;                             // Redundant destination sets

	struct {
		const char *directory;  // NULL: no spool
		const char *master_key; // path, or CONFIG_CREDENTIAL and a name
		uint32_t max_mib;       // per destination, default 1024
		uint32_t max_age_ms;    // default 168 h
		uint32_t segment_kib;   // default 4096
		bool deliver_ended;     // ended_tasks: drop (default) or deliver
	} spool;

	struct {
		const char *file; // NULL: no audit log
		const char *
			hmac_key; // path, or CONFIG_CREDENTIAL and a name; NULL: heads are not signed
		uint32_t max_mib;    // of one file, default 64
		bool stop_when_full; // when_full: continue (default) or stop
	} audit;

	struct {
		uint32_t max_datagrams;       // default 8192
		uint32_t fragment_memory_mib; // default 16
		uint32_t fragment_timeout_ms; // default 5 s
		uint32_t max_streams;         // default 65536
		uint32_t stream_memory_mib;   // default 32
		uint32_t gap_timeout_ms;      // default 2 s
		uint32_t stream_idle_ms;      // default 1 h
	} reassembly;                         // per worker

	struct {
		struct config_ports ports; // UDP and TCP; default 5060, 5061
		bool recognise;            // by start line on any port, default yes
		bool trust_from;           // default yes
		struct config_list number_domains;
		struct config_list kept_bodies; // empty: the default list
		bool keep_sdp_keys;             // default no
		uint32_t max_message;           // octets of one over TCP, 4096 to 65536 (default)
		uint32_t max_sessions, max_duplicates;
		uint32_t duplicate_window_ms; // default 32000, 0: off
		uint32_t session_idle_ms;     // default 12 h
	} sip;

	struct {
		struct config_ports ports; // default 1812, 1813, 1645, 1646, 3799
		bool keep_secrets;         // default no
	} radius;

	struct {
		struct config_ports v4_ports, v6_ports; // default 67, 68; 546, 547
	} dhcp;

	struct {
		struct config_ports ports; // default 2123
	} gtp;

	struct {
		uint32_t max_sessions;    // default 65536
		uint32_t session_idle_ms; // default 12 h
	} signalling;                     // sessions of targets: RADIUS, DHCP, GTP-C

	struct {
		uint32_t max_sessions, max_authorities; // default 1000000, 4096
		uint32_t idle_ms;                       // default 48 h
		struct config_binding_source sources[CONFIG_MAX_SOURCES];
		size_t source_count; // 0: no bindings, and no memory for them
		struct config_binding_instance instances[CONFIG_MAX_INSTANCES];
		size_t instance_count;
	} bindings;

	struct {
		const char *country_code, *national_prefix,
			*international_prefix; // default "", "0", "00"
	} numbering;

	struct {
		const char *socket;                    // default CONFIG_DEFAULT_SOCKET
		const char *operator_group, *li_group; // NULL: root only
	} control;

	const char *user, *group;     // after start-up; NULL: stay
	uint32_t shutdown_timeout_ms; // default 10 s
	uint32_t
		stall_timeout_ms; // default 1 s: a worker that has not polled for so long is a fault
	const char *log_level;    // error, warning, notice, debug

	void *memory; // owned strings
};

// Reads and checks a configuration file. Every problem of one pass is in `problems` (unknown key with the nearest known one,
// duplicate key, wrong type, out of range with the range, missing key, device used twice, one DID twice). NULL if there
// was any. The paths in the result are absolute or relative to the working directory.
struct config *config_load(const char *path, struct problems *problems);
void config_free(struct config *config);

// The option table as text: an annotated sample (config/x2tap.example.yaml) and the OPTIONS part of the manual page in
// mdoc. Written to `to`; scripts and a test keep the installed files equal to it.
void config_print_sample(struct writer *to);
void config_print_manual(struct writer *to);

#endif
