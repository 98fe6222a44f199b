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
	CONFIG_MAX_LIST = 64
};

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
};

struct config_list {
	const char *items[CONFIG_MAX_LIST];
	size_t count;
};

struct config {
	const char *nfid;          // no default
	const char *did;           // attribute 5; NULL: left out
	const char *ne_identifier; // what target files may name; NULL: nfid

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
		uint32_t max_datagrams;       // default 8192
		uint32_t fragment_memory_mib; // default 16
		uint32_t fragment_timeout_ms; // default 5 s
		uint32_t max_streams;         // default 65536
		uint32_t stream_memory_mib;   // default 32
		uint32_t gap_timeout_ms;      // default 2 s
		uint32_t stream_idle_ms;      // default 1 h
	} reassembly; // per worker

	struct {
		uint16_t ports[CONFIG_MAX_LIST]; // UDP and TCP; default 5060, 5061
		size_t port_count;
		bool recognise;  // by start line on any port, default yes
		bool trust_from; // default yes
		struct config_list number_domains;
		struct config_list kept_bodies; // empty: the default list
		bool keep_sdp_keys;             // default no
		uint32_t max_message; // octets of one over TCP, 4096 to 65536 (default)
		uint32_t max_sessions, max_duplicates;
		uint32_t duplicate_window_ms; // default 32000, 0: off
		uint32_t session_idle_ms;     // default 12 h
	} sip;

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
	const char *log_level;        // error, warning, notice, debug

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
