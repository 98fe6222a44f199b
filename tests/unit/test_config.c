#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "config.h"

// The least that starts; tests append to it or change it.
#define LEAST                                                                                      \
	"nfid: probe-01\n"                                                                         \
	"targets: targets.yaml\n"                                                                  \
	"ports:\n"                                                                                 \
	"  - {pair: [net_pcap0, net_pcap1], ipid: link-1}\n"
#define TLS "tls: {cert: c.pem, key: /etc/k.pem, ca: ca.pem}\n"
#define DID "19867c20-8c94-473e-b9bd-8b72b7b05fd4"

struct place {
	char directory[64], path[96];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	if (!place)
		return -1;
	strcpy(place->directory, "/tmp/x2tap-config-XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/x2tap.yaml", place->directory);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	unlink(place->path);
	rmdir(place->directory);
	free(place);
	return 0;
}

static struct config *load(const struct place *place, const char *text, struct problems *p)
{
	FILE *file = fopen(place->path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	problems_init(p, "x2tap.yaml");
	return config_load(place->path, p);
}

static struct config *loaded(void **state, const char *text)
{
	struct problems p;
	struct config *c = load(*state, text, &p);
	if (!c)
		fail_msg("%s", p.text);
	problems_fini(&p);
	return c;
}

static void assert_refused(void **state, const char *text, const char *expected)
{
	struct problems p;
	struct config *c = load(*state, text, &p);
	assert_null(c);
	assert_string_equal(p.text ? p.text : "", expected);
	problems_fini(&p);
}

static void what_is_not_said_has_its_default(void **state)
{
	struct config *c = loaded(state, LEAST);
	assert_string_equal(c->nfid, "probe-01");
	assert_null(c->did);
	assert_null(c->ne_identifier);
	assert_int_equal(c->targets.capacity, 100000);
	assert_int_equal(c->targets.max_size_mib, 1024);
	assert_false(c->targets.allow_wide);
	assert_false(c->targets.match_outer);
	assert_int_equal(c->port_count, 1);
	const struct config_port *port = &c->ports[0];
	assert_string_equal(port->a, "net_pcap0");
	assert_string_equal(port->b, "net_pcap1");
	assert_string_equal(port->ipid, "link-1");
	assert_int_equal(port->mark.line, 4);
	assert_int_equal(port->rx_queues, 0);
	assert_int_equal(port->rx_descriptors, 1024);
	assert_int_equal(port->tx_descriptors, 1024);
	assert_int_equal(port->mtu, 0);
	assert_true(port->promiscuous);
	assert_false(port->lossless);
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->mbufs, 0);
	assert_int_equal(c->mbuf_size, 2048);
	assert_int_equal(c->event_ring_kib, 8192);
	assert_null(c->tls.cert);
	assert_int_equal(c->destination_count, 0);
	assert_int_equal(c->reassembly.max_datagrams, 8192);
	assert_int_equal(c->reassembly.fragment_memory_mib, 16);
	assert_int_equal(c->reassembly.fragment_timeout_ms, 5000);
	assert_int_equal(c->reassembly.max_streams, 65536);
	assert_int_equal(c->reassembly.stream_memory_mib, 32);
	assert_int_equal(c->reassembly.gap_timeout_ms, 2000);
	assert_int_equal(c->reassembly.stream_idle_ms, 60 * 60 * 1000);
	assert_int_equal(c->sip.ports.count, 2);
	assert_int_equal(c->sip.ports.items[0], 5060);
	assert_int_equal(c->sip.ports.items[1], 5061);
	assert_true(c->sip.recognise);
	assert_true(c->sip.trust_from);
	assert_false(c->sip.keep_sdp_keys);
	assert_int_equal(c->sip.number_domains.count, 0);
	assert_int_equal(c->sip.kept_bodies.count, 0);
	assert_int_equal(c->sip.max_message, 65536);
	assert_int_equal(c->sip.max_sessions, 65536);
	assert_int_equal(c->sip.max_duplicates, 65536);
	assert_int_equal(c->sip.duplicate_window_ms, 32000);
	assert_int_equal(c->sip.session_idle_ms, 12 * 60 * 60 * 1000);
	static const uint16_t radius[] = {1812, 1813, 1645, 1646, 3799};
	assert_int_equal(c->radius.ports.count, 5);
	assert_memory_equal(c->radius.ports.items, radius, sizeof radius);
	assert_false(c->radius.keep_secrets);
	assert_int_equal(c->dhcp.v4_ports.count, 2);
	assert_int_equal(c->dhcp.v4_ports.items[0], 67);
	assert_int_equal(c->dhcp.v4_ports.items[1], 68);
	assert_int_equal(c->dhcp.v6_ports.count, 2);
	assert_int_equal(c->dhcp.v6_ports.items[0], 546);
	assert_int_equal(c->dhcp.v6_ports.items[1], 547);
	assert_int_equal(c->gtp.ports.count, 1);
	assert_int_equal(c->gtp.ports.items[0], 2123);
	assert_int_equal(c->signalling.max_sessions, 65536);
	assert_int_equal(c->signalling.session_idle_ms, 12 * 60 * 60 * 1000);
	assert_int_equal(c->bindings.max_sessions, 1000000);
	assert_int_equal(c->bindings.max_authorities, 4096);
	assert_int_equal(c->bindings.idle_ms, 48 * 60 * 60 * 1000);
	assert_int_equal(c->bindings.source_count, 0);
	assert_int_equal(c->bindings.instance_count, 0);
	assert_string_equal(c->numbering.country_code, "");
	assert_string_equal(c->numbering.national_prefix, "0");
	assert_string_equal(c->numbering.international_prefix, "00");
	assert_string_equal(c->control.socket, "/run/x2tap/control.sock");
	assert_null(c->control.operator_group);
	assert_null(c->user);
	assert_int_equal(c->shutdown_timeout_ms, 10000);
	assert_string_equal(c->log_level, "notice");
	assert_null(c->journal);
	assert_int_equal(c->stall_timeout_ms, 1000);
	assert_null(c->li.source_address);
	assert_null(c->li.source_address6);
	assert_null(c->li.interface);
	assert_int_equal(c->sets.failover_after_ms, 10000);
	assert_int_equal(c->sets.return_after_ms, 60000);
	assert_null(c->spool.directory);
	assert_null(c->spool.master_key);
	assert_int_equal(c->spool.max_mib, 1024);
	assert_int_equal(c->spool.max_age_ms, 7 * 24 * 60 * 60 * 1000);
	assert_int_equal(c->spool.segment_kib, 4096);
	assert_false(c->spool.deliver_ended);
	assert_null(c->audit.file);
	assert_null(c->audit.hmac_key);
	assert_int_equal(c->audit.max_mib, 64);
	assert_false(c->audit.stop_when_full);
	config_free(c);
}

static void what_is_said_is_taken(void **state)
{
	struct config *c = loaded(state,
		"nfid: \"\xc3\xa4 b\"\n"
		"did: d\n"
		"ne_identifier: ne\n"
		"targets: {file: /t/targets.yaml, capacity: 5, max_size_mib: 7, allow_wide_targets: yes, match_outer: yes}\n"
		"port_defaults: {mtu: 9000, pace: lossless, promiscuous: off}\n"
		"ports:\n"
		"  - {mirror: 0000:01:00.0, ipid: m, rx_queues: 4, promiscuous: true}\n"
		"  - {pair: [b, a], ipid: p, mtu: 0, pace: normal, tx_descriptors: 64}\n"
		"workers: 64\n"
		"tls: {cert: c.pem, key: /k.pem, ca: ../ca.pem, crl: crl.pem, profile: 1.3+1.2}\n"
		"destinations:\n"
		"  19867C20-8c94-473e-b9bd-8b72b7b05fd4: {tls_name: mdf.example.com}\n"
		"  00000000-0000-4000-8000-000000000002:\n"
		"    {tls_name: x, keepalive: no, version: 0.6, max_write: 1024, max_pdu: 65536, queue_mib: 1}\n"
		"  00000000-0000-4000-8000-000000000003:\n"
		"    {tls_name: x, redeliver: no, keepalive_interval: 50ms, keepalive_timeout: 2}\n"
		"reassembly:\n"
		"  {max_datagrams: 16, fragment_memory_mib: 1, fragment_timeout: 100ms, max_streams: 17,\n"
		"   stream_memory_mib: 2, gap_timeout: 10ms, stream_idle: 720h}\n"
		"sip:\n"
		"  ports: [5070]\n"
		"  max_message: 4096\n"
		"  number_domains: [IMS.Example.COM., example.net]\n"
		"  kept_bodies: [application/SDP]\n"
		"  duplicate_window: 0\n"
		"  session_idle: 5m\n"
		"numbering: {country_code: 49, national_prefix: \"\"}\n"
		"control: {socket: c.sock, li_group: li, operator_group: ops}\n"
		"user: u\n"
		"group: g\n"
		"shutdown_timeout: 0\n"
		"log_level: debug\n");
	const struct place *place = *state;
	char path[128];
	assert_string_equal(c->nfid, "\xc3\xa4 b");
	assert_string_equal(c->did, "d");
	assert_string_equal(c->ne_identifier, "ne");
	assert_string_equal(c->targets.file, "/t/targets.yaml");
	assert_int_equal(c->targets.capacity, 5);
	assert_int_equal(c->targets.max_size_mib, 7);
	assert_true(c->targets.allow_wide);
	assert_true(c->targets.match_outer);
	assert_int_equal(c->port_count, 2);
	assert_string_equal(c->ports[0].a, "0000:01:00.0");
	assert_null(c->ports[0].b);
	assert_int_equal(c->ports[0].rx_queues, 4);
	assert_int_equal(c->ports[0].mtu, 9000);
	assert_true(c->ports[0].promiscuous);
	assert_true(c->ports[0].lossless);
	assert_string_equal(c->ports[1].a, "b");
	assert_string_equal(c->ports[1].b, "a");
	assert_int_equal(c->ports[1].mtu, 0);
	assert_int_equal(c->ports[1].tx_descriptors, 64);
	assert_false(c->ports[1].promiscuous);
	assert_false(c->ports[1].lossless);
	assert_int_equal(c->workers, 64);
	snprintf(path, sizeof path, "%s/c.pem", place->directory);
	assert_string_equal(c->tls.cert, path);
	assert_string_equal(c->tls.key, "/k.pem");
	snprintf(path, sizeof path, "%s/../ca.pem", place->directory);
	assert_string_equal(c->tls.ca, path);
	assert_true(c->tls.allow_tls12);

	assert_int_equal(c->destination_count, 3);
	const struct config_destination *d = c->destinations;
	assert_int_equal(d[0].did.octets[0], 0x19);
	assert_int_equal(d[0].mark.line, 12);
	assert_string_equal(d[0].tls_name, "mdf.example.com");
	assert_true(d[0].keepalive && d[0].redeliver);
	assert_int_equal(d[0].version, 5);
	assert_int_equal(d[0].max_write, 8192);
	assert_int_equal(d[0].max_pdu, 8192);
	assert_int_equal(d[0].keepalive_interval_ms, 60000);
	assert_int_equal(d[0].keepalive_timeout_ms, 180000);
	assert_int_equal(d[0].queue_mib, 64);
	assert_false(d[1].keepalive || d[1].redeliver);
	assert_int_equal(d[1].version, 6);
	assert_int_equal(d[1].max_write, 1024);
	assert_int_equal(d[1].max_pdu, 65536);
	assert_true(d[2].keepalive && !d[2].redeliver);
	assert_int_equal(d[2].keepalive_interval_ms, 50);
	assert_int_equal(d[2].keepalive_timeout_ms, 2000);

	assert_int_equal(c->reassembly.max_datagrams, 16);
	assert_int_equal(c->reassembly.fragment_memory_mib, 1);
	assert_int_equal(c->reassembly.fragment_timeout_ms, 100);
	assert_int_equal(c->reassembly.max_streams, 17);
	assert_int_equal(c->reassembly.stream_memory_mib, 2);
	assert_int_equal(c->reassembly.gap_timeout_ms, 10);
	assert_int_equal(c->reassembly.stream_idle_ms, 720u * 60 * 60 * 1000);
	assert_int_equal(c->sip.max_message, 4096);
	assert_int_equal(c->sip.ports.count, 1);
	assert_int_equal(c->sip.ports.items[0], 5070);
	assert_int_equal(c->sip.number_domains.count, 2);
	assert_string_equal(c->sip.number_domains.items[0], "ims.example.com");
	assert_string_equal(c->sip.kept_bodies.items[0], "application/sdp");
	assert_int_equal(c->sip.duplicate_window_ms, 0);
	assert_int_equal(c->sip.session_idle_ms, 300000);
	assert_string_equal(c->numbering.country_code, "49");
	assert_string_equal(c->numbering.national_prefix, "");
	snprintf(path, sizeof path, "%s/c.sock", place->directory);
	assert_string_equal(c->control.socket, path);
	assert_string_equal(c->control.li_group, "li");
	assert_string_equal(c->user, "u");
	assert_string_equal(c->group, "g");
	assert_int_equal(c->shutdown_timeout_ms, 0);
	assert_string_equal(c->log_level, "debug");
	config_free(c);
}

static void unknown_keys_name_the_nearest_known_one(void **state)
{
	assert_refused(state,
		LEAST "worker: 1\nsips: {}\nsip: {trustfrom: no, zzzzzzzz: 1, mtu: 9}\n"
		      "trust_from: no\nentirely_different: 1\n",
		"x2tap.yaml:5:1: error: unknown key 'worker' (did you mean 'workers'?)\n"
		"x2tap.yaml:6:1: error: unknown key 'sips' (did you mean 'sip'?)\n"
		"x2tap.yaml:7:7: error: sip: unknown key 'trustfrom' (did you mean 'trust_from'?)\n"
		"x2tap.yaml:7:22: error: sip: unknown key 'zzzzzzzz'\n"
		"x2tap.yaml:7:35: error: sip: unknown key 'mtu' (it belongs in 'port_defaults')\n"
		"x2tap.yaml:8:1: error: unknown key 'trust_from' (it belongs in 'sip')\n"
		"x2tap.yaml:9:1: error: unknown key 'entirely_different'\n");
}

static void assert_prefix(const struct config_prefix *p, const char *address, uint8_t len)
{
	struct address expected;
	assert_true(address_parse(bytes_of_text(address), &expected));
	assert_memory_equal(&p->address, &expected, sizeof expected);
	assert_int_equal(p->len, len);
}

#define THREE_LINKS                                                                                \
	"nfid: probe-01\n"                                                                         \
	"targets: targets.yaml\n"                                                                  \
	"ports:\n"                                                                                 \
	"  - {pair: [a, b], ipid: link-1}\n"                                                       \
	"  - {pair: [c, d], ipid: link-2}\n"                                                       \
	"  - {mirror: e, ipid: link-2}\n"

static void bindings_are_learnt_from_sources(void **state)
{
	struct config *c = loaded(state,
		THREE_LINKS "radius: {ports: [11812], keep_secrets: yes}\n"
			    "dhcp: {v4_ports: [], v6_ports: [547]}\n"
			    "gtp: {ports: [2123, 12123]}\n"
			    "signalling: {max_sessions: 16, session_idle: 1s}\n"
			    "bindings:\n"
			    "  max_sessions: 10000000\n"
			    "  max_authorities: 1\n"
			    "  idle: 720h\n"
			    "  sources:\n"
			    "    - protocols: [radius, gtp]\n"
			    "      pair: link-1\n"
			    "      clients: [192.0.2.0/28, 198.51.100.7, \"2001:db8::/32\"]\n"
			    "    - {protocols: [dhcp], pair: e, vlan: 0, servers: [0.0.0.0/0],\n"
			    "       instance: blue}\n"
			    "    - {protocols: [dhcp, dhcp], vlan: 4094, instance: red}\n"
			    "  instances:\n"
			    "    - {instance: red, pair: d, vlan: 7}\n"
			    "    - {instance: blue, pair: d}\n"
			    "    - {instance: red, vlan: 7}\n"
			    "    - {instance: green}\n");
	assert_int_equal(c->radius.ports.count, 1);
	assert_int_equal(c->radius.ports.items[0], 11812);
	assert_true(c->radius.keep_secrets);
	assert_int_equal(c->dhcp.v4_ports.count, 0);
	assert_int_equal(c->dhcp.v6_ports.count, 1);
	assert_int_equal(c->gtp.ports.count, 2);
	assert_int_equal(c->gtp.ports.items[1], 12123);
	assert_int_equal(c->signalling.max_sessions, 16);
	assert_int_equal(c->signalling.session_idle_ms, 1000);
	assert_int_equal(c->bindings.max_sessions, 10000000);
	assert_int_equal(c->bindings.max_authorities, 1);
	assert_int_equal(c->bindings.idle_ms, 720u * 60 * 60 * 1000);

	assert_int_equal(c->bindings.source_count, 3);
	const struct config_binding_source *s = c->bindings.sources;
	assert_int_equal(s[0].mark.line, 16);
	assert_int_equal(s[0].protocols, CONFIG_RADIUS | CONFIG_GTP);
	assert_int_equal(s[0].place.point, 0);
	assert_int_equal(s[0].place.vlan, CONFIG_ANY);
	assert_int_equal(s[0].servers.count, 0);
	assert_int_equal(s[0].clients.count, 3);
	assert_prefix(&s[0].clients.items[0], "192.0.2.0", 28);
	assert_prefix(&s[0].clients.items[1], "198.51.100.7", 32);
	assert_prefix(&s[0].clients.items[2], "2001:db8::", 32);
	assert_null(s[0].instance);
	assert_int_equal(s[0].instance_number, 0);
	assert_int_equal(s[1].protocols, CONFIG_DHCP);
	assert_int_equal(s[1].place.point, 2); // by its device
	assert_int_equal(s[1].place.vlan, 0);
	assert_prefix(&s[1].servers.items[0], "0.0.0.0", 0);
	assert_string_equal(s[1].instance, "blue");
	assert_int_equal(s[2].protocols, CONFIG_DHCP);
	assert_int_equal(s[2].place.point, CONFIG_ANY);
	assert_int_equal(s[2].place.vlan, 4094);

	assert_int_equal(c->bindings.instance_count, 4);
	const struct config_binding_instance *i = c->bindings.instances;
	assert_int_equal(i[0].instance_number, 1);
	assert_int_equal(i[1].instance_number, 2);
	assert_int_equal(i[2].instance_number, 1);
	assert_int_equal(i[3].instance_number, 3);
	assert_int_equal(s[1].instance_number, 2);
	assert_int_equal(s[2].instance_number, 1);
	assert_int_equal(i[0].place.point, 1);
	assert_int_equal(i[0].place.vlan, 7);
	assert_int_equal(i[1].place.point, 1);
	assert_int_equal(i[1].place.vlan, CONFIG_ANY);
	assert_int_equal(i[3].place.point, CONFIG_ANY);
	config_free(c);
	config_free(loaded(state, LEAST "bindings: {sources: [], instances: []}\n"));
}

static void a_source_that_cannot_be_is_refused_with_its_place(void **state)
{
	assert_refused(state,
		THREE_LINKS
		"bindings:\n"
		"  sources:\n"
		"    - {protocols: [radius], pair: link-2}\n"
		"    - {protocols: [radius], pair: link1}\n"
		"    - {protocols: [radius, diameter], vlan: 4095}\n"
		"    - {protocols: radius, vlan: 1}\n"
		"    - {protocols: [], vlan: 1}\n"
		"    - {vlan: 1, server: [192.0.2.1]}\n"
		"    - {protocols: [radius], servers: [192.0.2.1/24, x, 192.0.2.0/33]}\n"
		"    - {protocols: [radius], clients: []}\n"
		"    - {protocols: [dhcp], servers: 192.0.2.1}\n"
		"    - {protocols: [gtp], vlan: 1, instance: vpn-blu}\n"
		"    - x\n"
		"  instances:\n"
		"    - {instance: vpn-blue, vlan: 1}\n"
		"    - {vlan: 2}\n"
		"    - {instance: \"\", vlan: 3}\n",
		"x2tap.yaml:9:35: error: bindings.sources[0].pair: 2 entries of ports have the name 'link-2': name a device of the one that is meant\n"
		"x2tap.yaml:10:35: error: bindings.sources[1].pair: no entry of ports has this ipid or device (did you mean 'link-1'?)\n"
		"x2tap.yaml:11:28: error: bindings.sources[2].protocols[1]: 'diameter' is not valid here (list of radius, dhcp or gtp)\n"
		"x2tap.yaml:11:45: error: bindings.sources[2].vlan: '4095' is not valid here (number, 0 to 4094)\n"
		"x2tap.yaml:12:19: error: bindings.sources[3].protocols: 'radius' is not valid here (list of radius, dhcp or gtp)\n"
		"x2tap.yaml:13:19: error: bindings.sources[4].protocols: a list is not valid here (list of radius, dhcp or gtp)\n"
		"x2tap.yaml:14:7: error: bindings.sources[5].protocols: missing, and there is no default (list of radius, dhcp or gtp)\n"
		"x2tap.yaml:14:17: error: bindings.sources[5]: unknown key 'server' (did you mean 'servers'?)\n"
		"x2tap.yaml:15:39: error: bindings.sources[6].servers[0]: '192.0.2.1/24' has host bits set (did you mean 192.0.2.0/24?)\n"
		"x2tap.yaml:15:53: error: bindings.sources[6].servers[1]: must be an IP address or prefix, as 192.0.2.0/24\n"
		"x2tap.yaml:15:56: error: bindings.sources[6].servers[2]: must be an IP address or prefix, as 192.0.2.0/24\n"
		"x2tap.yaml:16:38: error: bindings.sources[7].clients: must be a list of 1 to 32 IP addresses and prefixes\n"
		"x2tap.yaml:17:36: error: bindings.sources[8].servers: must be a list of 1 to 32 IP addresses and prefixes\n"
		"x2tap.yaml:18:45: error: bindings.sources[9].instance: no entry of bindings.instances says where its packets are (did you mean 'vpn-blue'?)\n"
		"x2tap.yaml:19:7: error: bindings.sources[10]: must be a map of options (key: value)\n"
		"x2tap.yaml:22:7: error: bindings.instances[1].instance: missing, and there is no default (text, 1 to 255 octets)\n"
		"x2tap.yaml:23:18: error: bindings.instances[2].instance: must have 1 to 255 octets, not 0\n");
}

static void a_source_must_keep_strangers_out(void **state)
{
	assert_refused(state,
		LEAST
		"bindings:\n"
		"  sources:\n"
		"    - {protocols: [radius, dhcp, gtp]}\n"
		"    - {protocols: [radius, dhcp, gtp], servers: [192.0.2.1]}\n"
		"    - {protocols: [radius, dhcp, gtp], clients: [192.0.2.1]}\n"
		"    - {protocols: [radius, dhcp, gtp], clients: [192.0.2.1], servers: [192.0.2.2]}\n"
		"    - {protocols: [radius, dhcp, gtp], vlan: 0}\n"
		"    - {protocols: [radius, dhcp, gtp], pair: link-1}\n",
		"x2tap.yaml:7:7: error: bindings.sources[0]: would believe everybody who speaks radius: say pair, vlan, servers or clients\n"
		"x2tap.yaml:7:7: error: bindings.sources[0]: would believe everybody who speaks dhcp: say pair, vlan or servers\n"
		"x2tap.yaml:7:7: error: bindings.sources[0]: would believe everybody who speaks gtp: say pair, vlan or clients\n"
		"x2tap.yaml:8:7: error: bindings.sources[1]: would believe everybody who speaks gtp: say pair, vlan or clients\n"
		"x2tap.yaml:9:7: error: bindings.sources[2]: would believe everybody who speaks dhcp: say pair, vlan or servers\n");
}

static void an_instance_that_is_never_looked_at_is_refused(void **state)
{
	assert_refused(state,
		THREE_LINKS "bindings:\n"
			    "  instances:\n"
			    "    - {instance: red, pair: a, vlan: 7}\n"
			    "    - {instance: red, pair: link-1, vlan: 7}\n"
			    "    - {instance: blue, pair: a, vlan: 8}\n"
			    "    - {instance: blue, pair: lnk-1}\n"
			    "    - {instance: blue, vlan: 9}\n"
			    "    - {instance: red, pair: c, vlan: 9}\n"
			    "    - {instance: all}\n"
			    "    - {instance: more}\n",
		"x2tap.yaml:10:7: error: bindings.instances[1]: is never looked at, for the entry of line 9 fits first: put it before that\n"
		"x2tap.yaml:12:30: error: bindings.instances[3].pair: no entry of ports has this ipid or device (did you mean 'link-1'?)\n"
		"x2tap.yaml:14:7: error: bindings.instances[5]: is never looked at, for the entry of line 13 fits first: put it before that\n"
		"x2tap.yaml:16:7: error: bindings.instances[7]: is never looked at, for the entry of line 15 fits first: put it before that\n");
}

static void sections_of_signalling_have_their_ranges(void **state)
{
	assert_refused(state,
		LEAST "radius: {ports: [0], keep_secrets: maybe, port: 1}\n"
		      "dhcp: {v4_ports: 67, ports: [67]}\n"
		      "gtp: {ports: [65536]}\n"
		      "signalling: {max_sessions: 15, session_idle: 999ms}\n"
		      "bindings:\n"
		      "  max_sessions: 63\n"
		      "  max_authorities: 0\n"
		      "  idle: 59s\n"
		      "  source: []\n"
		      "  sources: {protocols: [radius]}\n"
		      "  instances: x\n"
		      "  v4_ports: [67]\n"
		      "instances: []\n"
		      "protocols: [radius]\n",
		"x2tap.yaml:5:18: error: radius.ports[0]: must be a number, 1 to 65535\n"
		"x2tap.yaml:5:36: error: radius.keep_secrets: 'maybe' is not valid here (yes or no)\n"
		"x2tap.yaml:5:43: error: radius: unknown key 'port' (did you mean 'ports'?)\n"
		"x2tap.yaml:6:18: error: dhcp.v4_ports: '67' is not valid here (list of at most 64 numbers, 1 to 65535)\n"
		"x2tap.yaml:6:22: error: dhcp: unknown key 'ports' (it belongs in 'sip')\n"
		"x2tap.yaml:7:15: error: gtp.ports[0]: must be a number, 1 to 65535\n"
		"x2tap.yaml:8:28: error: signalling.max_sessions: '15' is not valid here (number, 16 to 16777216 sessions)\n"
		"x2tap.yaml:8:46: error: signalling.session_idle: '999ms' is not valid here (duration, 1s to 720h)\n"
		"x2tap.yaml:10:17: error: bindings.max_sessions: '63' is not valid here (number, 64 to 16777216 sessions)\n"
		"x2tap.yaml:11:20: error: bindings.max_authorities: '0' is not valid here (number, 1 to 1048576 authorities)\n"
		"x2tap.yaml:12:9: error: bindings.idle: '59s' is not valid here (duration, 1m to 720h)\n"
		"x2tap.yaml:13:3: error: bindings: unknown key 'source' (did you mean 'sources'?)\n"
		"x2tap.yaml:14:12: error: bindings.sources: must be a list of at most 64 entries\n"
		"x2tap.yaml:15:14: error: bindings.instances: must be a list of at most 64 entries\n"
		"x2tap.yaml:16:3: error: bindings: unknown key 'v4_ports' (it belongs in 'dhcp')\n"
		"x2tap.yaml:17:1: error: unknown key 'instances' (it belongs in 'bindings')\n"
		"x2tap.yaml:18:1: error: unknown key 'protocols' (it belongs in 'bindings.sources')\n");
}

static void a_port_is_that_of_one_protocol(void **state)
{
	assert_refused(state,
		LEAST "sip: {ports: [5060, 1812]}\n"
		      "dhcp: {v4_ports: [67, 547]}\n"
		      "gtp: {ports: [5061, 67]}\n",
		"x2tap.yaml:5:14: error: radius.ports: port 1812 is among sip.ports too\n"
		"x2tap.yaml:6:18: error: dhcp.v6_ports: port 547 is among dhcp.v4_ports too\n"
		"x2tap.yaml:7:14: error: gtp.ports: port 67 is among dhcp.v4_ports too\n");
}

static void lists_of_bindings_are_bounded(void **state)
{
	static char text[20000] = LEAST "bindings:\n  sources:\n";
	size_t start = strlen(text), len = start;
	for (unsigned i = 0; i < CONFIG_MAX_SOURCES; i++)
		len += (size_t)snprintf(text + len, sizeof text - len,
			"    - {protocols: [radius], vlan: %u}\n", i);
	struct config *c = loaded(state, text);
	assert_int_equal(c->bindings.source_count, CONFIG_MAX_SOURCES);
	assert_int_equal(
		c->bindings.sources[CONFIG_MAX_SOURCES - 1].place.vlan, CONFIG_MAX_SOURCES - 1);
	config_free(c);
	snprintf(text + len, sizeof text - len, "    - {protocols: [radius], vlan: 99}\n");
	assert_refused(state, text,
		"x2tap.yaml:7:5: error: bindings.sources: must be a list of at most 64 entries\n");

	len = start + (size_t)snprintf(text + start, sizeof text - start,
			      "    - {protocols: [radius], clients: [192.0.2.0");
	for (unsigned i = 1; i < CONFIG_MAX_PREFIXES; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, ", 192.0.2.%u", i);
	snprintf(text + len, sizeof text - len, "]}\n");
	c = loaded(state, text);
	assert_int_equal(c->bindings.sources[0].clients.count, CONFIG_MAX_PREFIXES);
	config_free(c);
	snprintf(text + len, sizeof text - len, ", 192.0.2.99]}\n");
	assert_refused(state, text,
		"x2tap.yaml:7:38: error: bindings.sources[0].clients: must be a list of 1 to 32 IP addresses and prefixes\n");
}

static void what_has_no_default_must_be_there(void **state)
{
	assert_refused(state, "",
		"x2tap.yaml:1:1: error: nfid: missing, and there is no default (text, 1 to 255 octets)\n"
		"x2tap.yaml:1:1: error: targets: missing, and there is no default\n"
		"x2tap.yaml:1:1: error: ports: missing, and there is no default\n");
	assert_refused(state,
		"nfid: \"\"\n"
		"targets: {}\n"
		"ports: [{pair: [a, b]}, {ipid: x}, {ipid: y, pair: [c, d], mirror: e}]\n"
		"tls: {cert: c}\n"
		"destinations:\n"
		"  " DID ": {}\n",
		"x2tap.yaml:1:7: error: nfid: must have 1 to 255 octets, not 0\n"
		"x2tap.yaml:2:10: error: targets.file: missing, and there is no default (path)\n"
		"x2tap.yaml:3:9: error: ports[0].ipid: missing, and there is no default (text, 1 to 255 octets)\n"
		"x2tap.yaml:3:25: error: ports[1]: must have either 'pair: [a, b]' or 'mirror: a'\n"
		"x2tap.yaml:3:36: error: ports[2]: must have either 'pair: [a, b]' or 'mirror: a'\n"
		"x2tap.yaml:4:6: error: tls.key: missing, and there is no default (path)\n"
		"x2tap.yaml:4:6: error: tls.ca: missing, and there is no default (path)\n"
		"x2tap.yaml:6:41: error: destinations." DID
		".tls_name: missing, and there is no default (text, 1 to 253 octets)\n");
}

static void destinations_need_tls(void **state)
{
	assert_refused(state, LEAST "destinations:\n  " DID ": {tls_name: x}\n",
		"x2tap.yaml:6:3: error: tls: missing, and needed by destinations (cert, key and ca)\n");
	config_free(loaded(state, LEAST "destinations: {}\n"));
	config_free(loaded(state, LEAST TLS "destinations:\n  " DID ": {tls_name: x}\n"));
}

static void a_device_is_used_once(void **state)
{
	assert_refused(state,
		"nfid: n\n"
		"targets: t\n"
		"ports:\n"
		"  - {pair: [net_pcap0, net_pcap1], ipid: a}\n"
		"  - ipid: b\n"
		"    pair: [net_pcap2, net_pcap1]\n"
		"  - {pair: [x, x], ipid: c}\n"
		"  - {mirror: net_pcap2, ipid: d}\n"
		"  - {pair: [y], ipid: e}\n"
		"  - {pair: y, ipid: f}\n"
		"  - {mirror: [y], ipid: f}\n",
		"x2tap.yaml:6:23: error: ports[1].pair[1]: device 'net_pcap1' is used twice (first at line 4)\n"
		"x2tap.yaml:7:16: error: ports[2].pair[1]: device 'x' is used twice (first at line 7)\n"
		"x2tap.yaml:8:14: error: ports[3].mirror: device 'net_pcap2' is used twice (first at line 6)\n"
		"x2tap.yaml:9:12: error: ports[4].pair: must be a list of two device names, [a, b]\n"
		"x2tap.yaml:10:12: error: ports[5].pair: must be a list of two device names, [a, b]\n"
		"x2tap.yaml:11:14: error: ports[6].mirror: a list is not valid here (DPDK device name)\n");
}

static void values_out_of_range_or_of_the_wrong_type_show_the_range(void **state)
{
	assert_refused(state,
		LEAST "workers: 65\n"
		      "mbufs: 1023\n"
		      "mbuf_size: 2k\n"
		      "event_ring_kib: [1]\n"
		      "shutdown_timeout: 2h\n"
		      "log_level: loud\n"
		      "sip:\n"
		      "  ports: [5060, 0, 65536, x]\n"
		      "  recognise: ja\n"
		      "  trust_from: Yes\n"
		      "  session_idle: 999ms\n"
		      "  max_sessions: 99999999999999999999\n"
		      "  duplicate_window: -1\n"
		      "  number_domains: example.com\n"
		      "  kept_bodies: [a b]\n"
		      "numbering: {country_code: +49}\n"
		      "control: x\n",
		"x2tap.yaml:5:10: error: workers: '65' is not valid here (number, 1 to 64, or 0: one for each worker lcore of EAL)\n"
		"x2tap.yaml:6:8: error: mbufs: '1023' is not valid here (number, 1024 to 16777216, or 0: computed from queues and descriptors)\n"
		"x2tap.yaml:7:12: error: mbuf_size: '2k' is not valid here (number, 1024 to 65407 octets)\n"
		"x2tap.yaml:8:17: error: event_ring_kib: a list is not valid here (number, 256 to 1048576 KiB)\n"
		"x2tap.yaml:9:19: error: shutdown_timeout: '2h' is not valid here (duration, 0s to 1h)\n"
		"x2tap.yaml:10:12: error: log_level: 'loud' is not valid here (error, warning, notice or debug)\n"
		"x2tap.yaml:12:17: error: sip.ports[1]: must be a number, 1 to 65535\n"
		"x2tap.yaml:12:20: error: sip.ports[2]: must be a number, 1 to 65535\n"
		"x2tap.yaml:12:27: error: sip.ports[3]: must be a number, 1 to 65535\n"
		"x2tap.yaml:13:14: error: sip.recognise: 'ja' is not valid here (yes or no)\n"
		"x2tap.yaml:14:15: error: sip.trust_from: 'Yes' is not valid here (yes or no)\n"
		"x2tap.yaml:15:17: error: sip.session_idle: '999ms' is not valid here (duration, 1s to 720h)\n"
		"x2tap.yaml:16:17: error: sip.max_sessions: '99999999999999999999' is not valid here (number, 16 to 16777216 sessions)\n"
		"x2tap.yaml:17:21: error: sip.duplicate_window: '-1' is not valid here (duration, 1ms to 1h, or 0: off)\n"
		"x2tap.yaml:18:19: error: sip.number_domains: 'example.com' is not valid here (list of at most 64 words)\n"
		"x2tap.yaml:19:17: error: sip.kept_bodies[0]: must be one word of 1 to 255 octets\n"
		"x2tap.yaml:20:27: error: numbering.country_code: '+49' is not valid here (0 to 3 digits)\n"
		"x2tap.yaml:21:10: error: control: must be a map of options (key: value)\n");
}

static void reassembly_has_its_ranges(void **state)
{
	assert_refused(state,
		LEAST "reassembly:\n"
		      "  max_datagrams: 15\n"
		      "  fragment_memory_mib: 0\n"
		      "  fragment_timeout: 99ms\n"
		      "  max_streams: 16777217\n"
		      "  stream_memory_mib: 65537\n"
		      "  gap_timeout: 301s\n"
		      "  stream_idle: 721h\n"
		      "  stream_memory: 32\n"
		      "sip: {max_message: 65537}\n"
		      "match_outer: yes\n",
		"x2tap.yaml:6:18: error: reassembly.max_datagrams: '15' is not valid here (number, 16 to 16777216 datagrams)\n"
		"x2tap.yaml:7:24: error: reassembly.fragment_memory_mib: '0' is not valid here (number, 1 to 65536 MiB)\n"
		"x2tap.yaml:8:21: error: reassembly.fragment_timeout: '99ms' is not valid here (duration, 100ms to 5m)\n"
		"x2tap.yaml:9:16: error: reassembly.max_streams: '16777217' is not valid here (number, 16 to 16777216 streams)\n"
		"x2tap.yaml:10:22: error: reassembly.stream_memory_mib: '65537' is not valid here (number, 1 to 65536 MiB)\n"
		"x2tap.yaml:11:16: error: reassembly.gap_timeout: '301s' is not valid here (duration, 10ms to 5m)\n"
		"x2tap.yaml:12:16: error: reassembly.stream_idle: '721h' is not valid here (duration, 1s to 720h)\n"
		"x2tap.yaml:13:3: error: reassembly: unknown key 'stream_memory' (did you mean 'stream_memory_mib'?)\n"
		"x2tap.yaml:14:20: error: sip.max_message: '65537' is not valid here (number, 4096 to 65536 octets)\n"
		"x2tap.yaml:15:1: error: unknown key 'match_outer' (it belongs in 'targets')\n");
}

static void names_in_pdus_are_printable_and_at_most_255_octets(void **state)
{
	char text[600], name[257];
	memset(name, 'n', 256);
	name[256] = '\0';
	snprintf(text, sizeof text, "nfid: %s\ntargets: t\nports: [{mirror: m, ipid: \"a\\tb\"}]\n",
		name);
	assert_refused(state, text,
		"x2tap.yaml:1:7: error: nfid: must have 1 to 255 octets, not 256\n"
		"x2tap.yaml:3:27: error: ports[0].ipid: holds a character that cannot be printed\n");
	snprintf(text, sizeof text, "nfid: %s\ntargets: t\nports: [{mirror: m, ipid: %s}]\n",
		name + 1, name + 1);
	config_free(loaded(state, text));
}

static void destinations_are_checked(void **state)
{
	assert_refused(state,
		LEAST TLS
		"destinations:\n"
		"  " DID ": {tls_name: a, keepalive: no, redeliver: yes}\n"
		"  19867C20-8C94-473E-B9BD-8B72B7B05FD4: {tls_name: b}\n"
		"  mdf2: {tls_name: c}\n"
		"  00000000-0000-4000-8000-000000000002: d\n"
		"  00000000-0000-4000-8000-000000000003: {tls_name: e, keepalive_timeout: 60s}\n"
		"  00000000-0000-4000-8000-000000000004: {tls_name: e, version: 0.7, max_write: 16385}\n",
		"x2tap.yaml:7:81: error: destinations." DID
		".redeliver: needs keepalive: without its answers nothing is known to have arrived\n"
		"x2tap.yaml:8:3: error: destinations: DID 19867C20-8C94-473E-B9BD-8B72B7B05FD4 stands here twice (first at line 7)\n"
		"x2tap.yaml:9:3: error: destinations: 'mdf2' is not a DID (a UUID)\n"
		"x2tap.yaml:10:41: error: destinations.00000000-0000-4000-8000-000000000002: must be a map of options (key: value)\n"
		"x2tap.yaml:11:41: error: destinations.00000000-0000-4000-8000-000000000003: keepalive_timeout must be longer than keepalive_interval\n"
		"x2tap.yaml:12:64: error: destinations.00000000-0000-4000-8000-000000000004.version: '0.7' is not valid here (0.5 or 0.6)\n"
		"x2tap.yaml:12:80: error: destinations.00000000-0000-4000-8000-000000000004.max_write: '16385' is not valid here (number, 1024 to 16384 octets)\n");
}

#define PIN "00:11:22:33:44:55:66:77:88:99:aA:bb:cc:dd:ee:ff"

static void a_connection_to_an_mf_has_its_defaults(void **state)
{
	struct config *c = loaded(state, LEAST TLS "destinations:\n  " DID ": {tls_name: mdf}\n");
	const struct config_destination *d = c->destinations;
	assert_false(d->on_demand);
	assert_int_equal(d->idle_timeout_ms, 5 * 60 * 1000);
	assert_false(d->has_pin);
	assert_null(d->source_address);
	assert_null(d->interface);
	assert_int_equal(d->source_port_first, 0);
	assert_int_equal(d->source_port_last, 0);
	assert_int_equal(d->tcp_keepalive_s, 30);
	assert_int_equal(d->tcp_user_timeout_ms, 0);
	config_free(c);
}

static void how_to_connect_is_said_for_each_mf(void **state)
{
	struct config *c = loaded(state, LEAST TLS
		"destinations:\n"
		"  " DID ":\n"
		"    tls_name: mdf\n"
		"    connection: on_demand\n"
		"    idle_timeout: 24h\n"
		"    pin: " PIN ":" PIN "\n"
		"    source_address: 192.0.2.1\n"
		"    interface: li-vrf.100\n"
		"    source_ports: [1024, 65535]\n"
		"    tcp_keepalive: 1m\n"
		"    tcp_user_timeout: 100ms\n"
		"  00000000-0000-4000-8000-000000000002:\n"
		"    {tls_name: x, connection: permanent, source_address: \"2001:db8::1\", source_ports: [5000, 5000],\n"
		"     pin: 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff,\n"
		"     tcp_keepalive: 0, tcp_user_timeout: 0, interface: fifteen_octets_}\n");
	static const uint8_t half[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	const struct config_destination *d = c->destinations;
	assert_true(d[0].on_demand);
	assert_int_equal(d[0].idle_timeout_ms, 24 * 60 * 60 * 1000);
	assert_string_equal(d[0].source_address, "192.0.2.1");
	assert_string_equal(d[0].interface, "li-vrf.100");
	assert_int_equal(d[0].source_port_first, 1024);
	assert_int_equal(d[0].source_port_last, 65535);
	assert_int_equal(d[0].tcp_keepalive_s, 60);
	assert_int_equal(d[0].tcp_user_timeout_ms, 100);
	assert_false(d[1].on_demand);
	assert_string_equal(d[1].source_address, "2001:db8::1");
	assert_string_equal(d[1].interface, "fifteen_octets_");
	assert_int_equal(d[1].source_port_first, 5000);
	assert_int_equal(d[1].source_port_last, 5000);
	assert_int_equal(d[1].tcp_keepalive_s, 0);
	assert_int_equal(d[1].tcp_user_timeout_ms, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(d[i].has_pin);
		assert_memory_equal(d[i].pin, half, 16);
		assert_memory_equal(d[i].pin + 16, half, 16);
	}
	config_free(c);
}

static void assert_destination_refused(void **state, const char *option, const char *expected)
{
	char text[1024], line[1024];
	snprintf(text, sizeof text,
		LEAST TLS "destinations:\n  " DID ":\n    tls_name: mdf\n    %s\n", option);
	snprintf(line, sizeof line, "x2tap.yaml:9:%s\n", expected);
	assert_refused(state, text, line);
}

#define AT "error: destinations." DID

static void how_to_connect_is_checked(void **state)
{
	static const struct {
		const char *option, *expected;
	} cases[] = {
		{"connection: ondemand",
			"17: " AT
			".connection: 'ondemand' is not valid here (permanent or on_demand)"},
		{"idle_timeout: 5m",
			"19: " AT
			".idle_timeout: needs 'connection: on_demand': a permanent connection stays when it is idle"},
		{"pin: 00112233", "10: " AT ".pin: '00112233' is not valid here (64 hex digits)"},
		{"pin: " PIN ":" PIN "0",
			"10: " AT ".pin: '" PIN ":" PIN "0' is not valid here (64 hex digits)"},
		{"pin: " PIN ":xx:" PIN,
			"10: " AT ".pin: '" PIN ":xx:" PIN "' is not valid here (64 hex digits)"},
		{"pin: 0:0112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff",
			"10: " AT
			".pin: '0:0112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff' is not valid here (64 hex digits)"},
		{"pin: \"" PIN ":" PIN ":\"",
			"10: " AT ".pin: '" PIN ":" PIN ":' is not valid here (64 hex digits)"},
		{"pin: [a]", "10: " AT ".pin: a list is not valid here (64 hex digits)"},
		{"source_address: li0",
			"21: " AT ".source_address: 'li0' is not valid here (IP address)"},
		{"source_address: 192.0.2.256",
			"21: " AT ".source_address: '192.0.2.256' is not valid here (IP address)"},
		{"interface: sixteen_octets__",
			"16: " AT
			".interface: 'sixteen_octets__' is not valid here (interface name, 1 to 15 octets)"},
		{"interface: a/b",
			"16: " AT
			".interface: 'a/b' is not valid here (interface name, 1 to 15 octets)"},
		{"interface: \"a b\"",
			"16: " AT
			".interface: 'a b' is not valid here (interface name, 1 to 15 octets)"},
		{"interface: ..",
			"16: " AT
			".interface: '..' is not valid here (interface name, 1 to 15 octets)"},
		{"source_ports: [5001, 5000]",
			"19: " AT ".source_ports: the first port (5001) is above the last (5000)"},
		{"source_ports: [1023, 5000]",
			"19: " AT
			".source_ports: must be a list of two numbers, [first, last], 1024 to 65535"},
		{"source_ports: [1024, 65536]",
			"19: " AT
			".source_ports: must be a list of two numbers, [first, last], 1024 to 65535"},
		{"source_ports: [1024]",
			"19: " AT
			".source_ports: must be a list of two numbers, [first, last], 1024 to 65535"},
		{"source_ports: 1024",
			"19: " AT
			".source_ports: must be a list of two numbers, [first, last], 1024 to 65535"},
		{"tcp_keepalive: 1500ms",
			"20: " AT
			".tcp_keepalive: '1500ms' is not valid here (duration of whole seconds, 1s to 1h, or 0: off)"},
		{"tcp_keepalive: 2h",
			"20: " AT
			".tcp_keepalive: '2h' is not valid here (duration of whole seconds, 1s to 1h, or 0: off)"},
		{"tcp_user_timeout: 99ms",
			"23: " AT
			".tcp_user_timeout: '99ms' is not valid here (duration, 100ms to 1h, or 0: the kernel's, a quarter of an hour or so)"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_destination_refused(state, cases[i].option, cases[i].expected);
	assert_refused(state,
		LEAST TLS "destinations:\n  " DID
			  ": {tls_name: x, connection: on_demand, idle_timeout: 25h}\n",
		"x2tap.yaml:7:92: " AT
		".idle_timeout: '25h' is not valid here (duration, 1s to 24h)\n");
}

static void li_sets_spool_and_audit_are_taken(void **state)
{
	struct config *c = loaded(state, LEAST
		"journal: li/sequence.journal\n"
		"stall_timeout: 100ms\n"
		"li: {source_address: 192.0.2.1, source_address6: \"2001:db8::1\", interface: li0}\n"
		"sets: {failover_after: 100ms, return_after: 24h}\n"
		"spool: {directory: spool, master_key: /k/master, max_mib: 1, max_age: 1m, segment_kib: 64,\n"
		"        ended_tasks: deliver}\n"
		"audit: {file: /a/audit.jsonl, hmac_key: credential:x2tap-audit, max_mib: 1, when_full: stop}\n");
	const struct place *place = *state;
	char path[128];
	snprintf(path, sizeof path, "%s/li/sequence.journal", place->directory);
	assert_string_equal(c->journal, path);
	assert_int_equal(c->stall_timeout_ms, 100);
	assert_string_equal(c->li.source_address, "192.0.2.1");
	assert_string_equal(c->li.source_address6, "2001:db8::1");
	assert_string_equal(c->li.interface, "li0");
	assert_int_equal(c->sets.failover_after_ms, 100);
	assert_int_equal(c->sets.return_after_ms, 24 * 60 * 60 * 1000);
	snprintf(path, sizeof path, "%s/spool", place->directory);
	assert_string_equal(c->spool.directory, path);
	assert_string_equal(c->spool.master_key, "/k/master");
	assert_int_equal(c->spool.max_mib, 1);
	assert_int_equal(c->spool.max_age_ms, 60000);
	assert_int_equal(c->spool.segment_kib, 64);
	assert_true(c->spool.deliver_ended);
	assert_string_equal(c->audit.file, "/a/audit.jsonl");
	assert_string_equal(c->audit.hmac_key, "credential:x2tap-audit");
	assert_int_equal(c->audit.max_mib, 1);
	assert_true(c->audit.stop_when_full);
	config_free(c);

	c = loaded(state, LEAST "spool: {directory: /s, master_key: credential:m, max_age: 720h}\n"
				"audit: {file: a, hmac_key: keys/credential:x}\n");
	assert_string_equal(c->spool.master_key, "credential:m");
	assert_int_equal(c->spool.max_age_ms, 30u * 24 * 60 * 60 * 1000);
	snprintf(path, sizeof path, "%s/keys/credential:x", place->directory);
	assert_string_equal(c->audit.hmac_key, path);
	config_free(c);
}

static void li_sets_spool_and_audit_are_checked(void **state)
{
	assert_refused(state,
		LEAST
		"journal: \"\"\n"
		"stall_timeout: 99ms\n"
		"li: {source_address: \"2001:db8::1\", source_address6: 192.0.2.1, interface: \"\"}\n"
		"sets: {failover_after: 99ms, return_after: 25h, return: 1}\n"
		"spool: {max_mib: 0, max_age: 59s, segment_kib: 63, ended_tasks: keep}\n"
		"audit: {max_mib: 65537, when_full: halt, hmac_key: []}\n",
		"x2tap.yaml:5:10: error: journal: '' is not valid here (path)\n"
		"x2tap.yaml:6:16: error: stall_timeout: '99ms' is not valid here (duration, 100ms to 1m)\n"
		"x2tap.yaml:7:22: error: li.source_address: '2001:db8::1' is not valid here (IPv4 address)\n"
		"x2tap.yaml:7:54: error: li.source_address6: '192.0.2.1' is not valid here (IPv6 address)\n"
		"x2tap.yaml:7:76: error: li.interface: '' is not valid here (interface name, 1 to 15 octets)\n"
		"x2tap.yaml:8:24: error: sets.failover_after: '99ms' is not valid here (duration, 100ms to 1h)\n"
		"x2tap.yaml:8:44: error: sets.return_after: '25h' is not valid here (duration, 100ms to 24h)\n"
		"x2tap.yaml:8:49: error: sets: unknown key 'return'\n"
		"x2tap.yaml:9:8: error: spool.directory: missing, and there is no default (path)\n"
		"x2tap.yaml:9:8: error: spool.master_key: missing, and there is no default (path, or credential:NAME)\n"
		"x2tap.yaml:9:18: error: spool.max_mib: '0' is not valid here (number, 1 to 16777216 MiB)\n"
		"x2tap.yaml:9:30: error: spool.max_age: '59s' is not valid here (duration, 1m to 720h)\n"
		"x2tap.yaml:9:48: error: spool.segment_kib: '63' is not valid here (number, 64 to 65536 KiB)\n"
		"x2tap.yaml:9:65: error: spool.ended_tasks: 'keep' is not valid here (drop or deliver)\n"
		"x2tap.yaml:10:8: error: audit.file: missing, and there is no default (path)\n"
		"x2tap.yaml:10:18: error: audit.max_mib: '65537' is not valid here (number, 1 to 65536 MiB)\n"
		"x2tap.yaml:10:36: error: audit.when_full: 'halt' is not valid here (continue or stop)\n"
		"x2tap.yaml:10:52: error: audit.hmac_key: a list is not valid here (path, or credential:NAME)\n");
	assert_refused(state,
		LEAST
		"spool: {directory: s, master_key: credential:../m, max_mib: 7, segment_kib: 4096}\n"
		"audit: {file: f, hmac_key: \"credential:\"}\n"
		"li: 192.0.2.1\n",
		"x2tap.yaml:5:8: error: spool: max_mib must hold two segments of segment_kib\n"
		"x2tap.yaml:5:35: error: spool.master_key: behind 'credential:' stands the name that LoadCredential= gives it, without '/'\n"
		"x2tap.yaml:6:28: error: audit.hmac_key: behind 'credential:' stands the name that LoadCredential= gives it, without '/'\n"
		"x2tap.yaml:7:5: error: li: must be a map of options (key: value)\n");
	config_free(loaded(state,
		LEAST "spool: {directory: s, master_key: m, max_mib: 8, segment_kib: 4096}\n"));
}

static void a_file_that_is_written_is_no_other_file(void **state)
{
	assert_refused(state,
		LEAST "tls: {cert: c.pem, key: k.pem, ca: ca.pem}\n"
		      "journal: targets.yaml\n"
		      "spool: {directory: /s, master_key: /k}\n"
		      "audit: {file: k.pem}\n",
		"x2tap.yaml:6:10: error: journal: x2tap writes this file, it cannot be that of targets.file too\n"
		"x2tap.yaml:8:15: error: audit.file: x2tap writes this file, it cannot be that of tls.key too\n");
	assert_refused(state, LEAST "journal: j\naudit: {file: j, hmac_key: credential:j}\n",
		"x2tap.yaml:6:15: error: audit.file: x2tap writes this file, it cannot be that of journal too\n");
	assert_refused(state, LEAST "audit: {file: /k, hmac_key: /k}\n",
		"x2tap.yaml:5:15: error: audit.file: x2tap writes this file, it cannot be that of audit.hmac_key too\n");
}

static void too_many_of_anything_is_refused(void **state)
{
	char text[8192];
	struct writer w = writer_of(text, sizeof text - 1);
	write_text(&w, "nfid: n\ntargets: t\nports: [");
	for (int i = 0; i <= CONFIG_MAX_PORTS; i++)
		write_format(&w, "{mirror: m%d, ipid: i},", i);
	write_text(&w, "]\nsip: {ports: [");
	for (int i = 0; i <= CONFIG_MAX_LIST; i++)
		write_format(&w, "%d,", i + 1);
	write_text(&w, "]}\n");
	text[w.len] = '\0';
	assert_refused(state, text,
		"x2tap.yaml:3:8: error: ports: must be a list of 1 to 32 entries\n"
		"x2tap.yaml:4:14: error: sip.ports: holds 65 entries, at most 64 are possible\n");
}

static void a_socket_path_must_fit_its_address(void **state)
{
	char text[512], path[140];
	memset(path, 'p', sizeof path);
	path[0] = '/';
	path[108] = '\0';
	snprintf(text, sizeof text, LEAST "control: {socket: %s}\n", path);
	assert_refused(state, text,
		"x2tap.yaml:5:19: error: control.socket: the path of a socket has at most 107 octets, not 108\n");
}

static void a_missing_or_broken_file_is_told(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "none.yaml");
	assert_null(config_load("/nonexistent/none.yaml", &p));
	assert_string_equal(
		p.text, "none.yaml: error: cannot be read: No such file or directory\n");
	problems_fini(&p);
	problems_init(&p, "directory");
	assert_null(config_load("/", &p));
	assert_string_equal(p.text, "directory: error: cannot be read: Is a directory\n");
	problems_fini(&p);
	assert_refused(
		state, "- a\n", "x2tap.yaml:1:1: error: must be a map of options (key: value)\n");
	assert_refused(state, LEAST "workers: 99\ntargets: t\n",
		"x2tap.yaml:5:10: error: workers: '99' is not valid here (number, 1 to 64, or 0: one for each worker lcore of EAL)\n"
		"x2tap.yaml:6:1: error: duplicate key 'targets' (first at line 2)\n");
	assert_refused(state, "a: [\n",
		"x2tap.yaml:2:1: error: did not find expected node content (while parsing a flow node that starts at line 2)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(what_is_said_is_taken),
		cmocka_unit_test(unknown_keys_name_the_nearest_known_one),
		cmocka_unit_test(bindings_are_learnt_from_sources),
		cmocka_unit_test(a_source_that_cannot_be_is_refused_with_its_place),
		cmocka_unit_test(a_source_must_keep_strangers_out),
		cmocka_unit_test(an_instance_that_is_never_looked_at_is_refused),
		cmocka_unit_test(sections_of_signalling_have_their_ranges),
		cmocka_unit_test(a_port_is_that_of_one_protocol),
		cmocka_unit_test(lists_of_bindings_are_bounded),
		cmocka_unit_test(what_has_no_default_must_be_there),
		cmocka_unit_test(destinations_need_tls),
		cmocka_unit_test(a_device_is_used_once),
		cmocka_unit_test(values_out_of_range_or_of_the_wrong_type_show_the_range),
		cmocka_unit_test(reassembly_has_its_ranges),
		cmocka_unit_test(names_in_pdus_are_printable_and_at_most_255_octets),
		cmocka_unit_test(destinations_are_checked),
		cmocka_unit_test(a_connection_to_an_mf_has_its_defaults),
		cmocka_unit_test(how_to_connect_is_said_for_each_mf),
		cmocka_unit_test(how_to_connect_is_checked),
		cmocka_unit_test(li_sets_spool_and_audit_are_taken),
		cmocka_unit_test(li_sets_spool_and_audit_are_checked),
		cmocka_unit_test(a_file_that_is_written_is_no_other_file),
		cmocka_unit_test(too_many_of_anything_is_refused),
		cmocka_unit_test(a_socket_path_must_fit_its_address),
		cmocka_unit_test(a_missing_or_broken_file_is_told),
	};
	return cmocka_run_group_tests_name("config", tests, make_place, remove_place);
}
