// PDUs that will never arrive, or may not have, as ranges for the audit log: one line for what is lost together of one context.
//
// Ranges are collected and told once a second, at most LOSSES_LINES of them; what goes beyond is told as a count for each
// reason, so that a flood of losses does not become one of lines. The control core alone.
#ifndef X2TAP_LOSSES_H
#define X2TAP_LOSSES_H

#include "accounts.h"

// Beside those of delivery: what never came to a queue.
enum {
	LOSS_TOO_LARGE = DELIVERY_LOSSES, // for the destination, even without its body
	LOSS_NO_DESTINATION,              // x2tap.yaml does not say how to reach it
	LOSS_REFUSED,                     // delivery_send() did not take it
	LOSS_REASONS
};

enum { LOSSES_RANGES = 1024, LOSSES_LINES = 1024 };

struct loss_range {
	struct uuid destination, xid; // xid all zero: not known one by one
	uint64_t correlation;
	uint32_t first, last;
	uint64_t count; // 0: a free place
	unsigned why;   // enum delivery_loss, or one of these
};

typedef void loss_teller(void *context, const struct loss_range *range);

struct losses {
	struct loss_range
		ranges[LOSSES_RANGES]; // by a hash of destination, task, context and reason
	unsigned lines;                // told since the last losses_tell()
	loss_teller *tell;
	void *context;
	uint64_t total; // PDUs, but for those that expired by order or may have arrived
	struct loss_range rest[LOSS_REASONS]; // beyond LOSSES_LINES, by reason
};

const char *loss_name(unsigned why); // "queue full", ...

void losses_init(struct losses *l, loss_teller *tell, void *context);
// As delivery's hook `lost`; `xid` may be NULL.
void losses_add(struct losses *l, const struct uuid *destination, unsigned why,
	const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count);
void losses_tell(struct losses *l); // all that is collected

#endif
