// How the parts of this library hand a frame on: each looks at one header and says what comes next, and where. Private to
// lib/net.
//
// Every step moves on within its parent, and every tunnel counts one, so packet.c's loop over the steps ends.
#ifndef X2TAP_LAYERS_H
#define X2TAP_LAYERS_H

#include "packet.h"

enum layer {
	LAYER_NONE, // the class is known
	LAYER_ETHERNET,
	LAYER_IPV4,
	LAYER_IPV6,
	LAYER_EXTENSIONS, // between IP and transport; `packet.flow.protocol` says of what kind
	LAYER_TRANSPORT,  // of `packet.flow.protocol`
	LAYER_OTHER_TRANSPORT,
	LAYER_UDP_TUNNEL, // the data of a datagram whose ports say tunnel
	LAYER_MPLS,
	LAYER_PPPOE,
};

struct step {
	enum layer layer;
	enum packet_class class; // with LAYER_NONE
	struct bytes rest;       // the layer's octets and all behind it, as far as the parent's length goes
};

static inline struct step step_to(enum layer layer, struct bytes rest)
{
	return (struct step){.layer = layer, .rest = rest};
}

static inline struct step step_end(enum packet_class class)
{
	return (struct step){.layer = LAYER_NONE, .class = class};
}

static inline struct bytes reader_rest(const struct reader *r)
{
	return (struct bytes){r->at, reader_left(r)};
}

// What an identifier in `encapsulation.scope` is of.
enum scope_kind {
	SCOPE_VLAN = 1,
	SCOPE_MPLS,
	SCOPE_PPPOE,
	SCOPE_IP,
	SCOPE_GRE,
	SCOPE_PPTP,
	SCOPE_ERSPAN,
	SCOPE_ETHERNET_IN_IP,
	SCOPE_L2TP,
	SCOPE_VXLAN,
	SCOPE_GENEVE,
	SCOPE_GTPU,
};

// For a given scope and kind different ids never meet; the rest is a matter of 64 bits. 0 stays with plain frames.
static inline void scope_mix(struct encapsulation *outer, enum scope_kind kind, uint64_t id)
{
	uint64_t mixed = (outer->scope + kind) * 0x9e3779b97f4a7c15;
	mixed = (mixed ^ id) * 0xff51afd7ed558ccd;
	mixed ^= mixed >> 32;
	outer->scope = mixed ? mixed : 1;
}

// One tunnel more, unless that is one too many: then PACKET_TOO_DEEP is due. `id` is 0 for kinds that have none.
static inline bool tunnel_enter(struct encapsulation *outer, enum scope_kind kind, uint64_t id)
{
	if (outer->tunnels == PACKET_MAX_TUNNELS)
		return false;
	outer->tunnels++;
	if (kind != SCOPE_MPLS)
		outer->user_tunnels++;
	scope_mix(outer, kind, id);
	return true;
}

static inline struct step tunnel_to(struct encapsulation *outer, enum scope_kind kind, uint64_t id,
	enum layer layer, struct bytes rest)
{
	if (!tunnel_enter(outer, kind, id))
		return step_end(PACKET_TOO_DEEP);
	return step_to(layer, rest);
}

// --- link.c: Ethertypes, MPLS, PPPoE, PPP -------------------------------------------------------------------------

enum ethertype { // IANA IEEE 802 numbers
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ETHERNET = 0x6558, // transparent Ethernet bridging: in GRE and Geneve
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_UPSTREAM = 0x8848,
	ETHERTYPE_PPPOE_SESSION = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100, // before 802.1ad, still configured on switches
};

enum { ETHERNET_ADDRESSES_LEN = 12 };

static inline bool ethertype_is_vlan(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD;
}

// What an Ethertype announces; `r` stands behind it. VLAN tags are stepped over. PACKET_NOT_IP for what is not opened.
static inline struct step ethertype_open(
	uint16_t type, struct reader *r, struct encapsulation *outer)
{
	for (unsigned tags = 0; ethertype_is_vlan(type); tags++) {
		if (tags == PACKET_MAX_VLAN_TAGS)
			return step_end(PACKET_TOO_DEEP);
		uint16_t control = read_be16(r); // priority, drop eligible, VLAN identifier
		type = read_be16(r);
		if (r->overrun)
			return step_end(PACKET_TRUNCATED);
		if (outer->scope == 0) // behind a tag, or inside of anything, it is not
			outer->vlan = control & 0x0fff;
		scope_mix(outer, SCOPE_VLAN, control & 0x0fff);
	}
	struct bytes rest = reader_rest(r);
	switch (type) {
	case ETHERTYPE_IPV4:
		return step_to(LAYER_IPV4, rest);
	case ETHERTYPE_IPV6:
		return step_to(LAYER_IPV6, rest);
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_UPSTREAM:
		return step_to(LAYER_MPLS, rest);
	case ETHERTYPE_PPPOE_SESSION:
		return step_to(LAYER_PPPOE, rest);
	default:
		return step_end(PACKET_NOT_IP);
	}
}

// The same inside of a tunnel that names its payload so: it may be a whole Ethernet frame, and what is not opened is
// PACKET_TUNNEL.
struct step tunnelled_ethertype_open(uint16_t type, enum scope_kind kind, uint64_t id,
	struct reader *r, struct encapsulation *outer);

struct step mpls_open(struct bytes rest, struct encapsulation *outer);
struct step pppoe_open(struct bytes rest, struct encapsulation *outer);
struct step ppp_open(struct bytes rest); // counts no tunnel: what carries it does

// --- tunnel.c: what IP and UDP carry --------------------------------------------------------------------------------

enum udp_port { // IANA
	PORT_L2TP = 1701,
	PORT_GTPU = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_GENEVE = 6081,
};

static inline bool port_is_tunnel(uint16_t port)
{
	return port == PORT_GTPU || port == PORT_VXLAN || port == PORT_L2TP ||
	       port == PORT_GENEVE || port == PORT_TEREDO;
}

// VXLAN and Geneve senders pick their source port by flow, so there the destination alone tells.
static inline bool port_is_tunnel_source(uint16_t port)
{
	return port == PORT_GTPU || port == PORT_L2TP || port == PORT_TEREDO;
}

static inline bool udp_is_tunnel(const struct flow *flow)
{
	return port_is_tunnel(flow->destination_port) || port_is_tunnel_source(flow->source_port);
}

struct step gre_open(struct bytes rest, struct encapsulation *outer);
struct step etherip_open(struct bytes rest, struct encapsulation *outer);
// PACKET_UDP: the ports say tunnel, but the header is not exactly that of the tunnel.
struct step udp_tunnel_open(
	const struct flow *flow, struct bytes payload, struct encapsulation *outer);

#endif
