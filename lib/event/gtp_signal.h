// What the readers of both versions of GTP-C say in the same way: names, identities, addresses, and who speaks.
//
// Names. An exchange is the requester's address and port, the responder's address and the sequence number. The scope of the
// packet is not part of it, for the directions of a tunnel differ in that. A tunnel is a control plane TEID at the address that
// it is of. The TEIDs of an address are those of both versions, since a PDN gateway keeps its own when a subscriber comes from
// GTPv1 (TS 23.401 annex D), so the version is not part of the name. On S11 and S4 all connections of a subscriber share one
// tunnel (TS 29.274 clause 4.1): there a tunnel with the EPS Bearer ID of a default bearer names one connection, and the tunnel alone the
// one that was seen last.
#ifndef X2TAP_GTP_SIGNAL_H
#define X2TAP_GTP_SIGNAL_H

#include "gtpc.h"
#include "signals.h"

struct gtp_reading {
	const struct packet *packet;
	const struct signal_rules *rules;
	struct signal *out;
	uint8_t version;
};

// Clears `out` and says who speaks: `authority` is the sender, whose `restart` it would be, and `peer` the receiver.
void gtp_signal_begin(const struct gtp_reading *g, enum signal_protocol protocol);

// What the message is in its exchange.
void gtp_signal_exchange(
	const struct gtp_reading *g, const struct gtpc_message *m, enum gtpc_role role);
// A message that travels against the request which began the exchange that it belongs to as well.
void gtp_signal_triggered(const struct gtp_reading *g, const struct gtpc_message *m);

// A name is not given twice: the first use holds. TEID 0 is none. `bearer` 0: the tunnel alone.
void gtp_signal_tunnel(const struct gtp_reading *g, const struct address *address, uint32_t teid,
	uint8_t bearer, uint8_t use);
void gtp_signal_show_tunnel(const struct gtp_reading *g, uint32_t teid); // if a task asks for any

// Identities in semi-octets; no digits show nobody. What cannot be is a defect.
void gtp_signal_show_imsi(const struct gtp_reading *g, struct bytes tbcd);
void gtp_signal_show_equipment(const struct gtp_reading *g, struct bytes tbcd); // IMEI or IMEISV
void gtp_signal_show_number(const struct gtp_reading *g, const struct gtpc_digits *digits);

// Addresses that the subscriber has from now on, without an end that is known. A prefix wider than the widest that may be
// ordered is a defect: it would make one subscriber of a whole network.
void gtp_signal_lease(const struct gtp_reading *g, const struct gtpc_addresses *addresses);

void gtp_signal_restart(const struct gtp_reading *g, struct bytes value); // Recovery

// The next element for `next`, at most GTPC_MAX_ELEMENTS of a message. What ends the walk otherwise is a defect.
struct gtp_walk {
	const struct gtp_reading *reading;
	gtpc_next_function *next;
	struct bytes rest;
	unsigned count;
};
bool gtp_walk_next(struct gtp_walk *walk, struct gtpc_element *out);

#endif
