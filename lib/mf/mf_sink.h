// Where an MF's PDUs end: counted, their sequence checked, written to the outputs that were asked for, and every finding
// told as one line. One thread at a time.
#ifndef X2TAP_MF_SINK_H
#define X2TAP_MF_SINK_H

#include <stdio.h>

#include "error.h"
#include "mf_sequence.h"

struct mf_sink_options {
	const char *jsonl, *pcapng; // files to append to, "-" for standard output, or NULL
	bool table;                 // on standard output
	bool keepalives;            // keepalives are written too
};

struct mf_counters {
	uint64_t pdus, keepalives;
	uint64_t joined, gaps, repeats, late, reused;
	uint64_t problems;   // PDUs with one or more
	uint64_t framing;    // connections or files given up because framing was lost
	uint64_t unfinished; // that ended inside a PDU
};

struct mf_sink;
// NULL: `error` names the file that cannot be written. Findings go to `told`.
struct mf_sink *mf_sink_new(const struct mf_sink_options *options, FILE *told, struct error *error);
void mf_sink_free(struct mf_sink *s);

// One PDU that was decoded. `peer` names the connection or file in what is told.
void mf_sink_take(struct mf_sink *s, const struct mf_pdu *pdu, const char *peer);
// Framing was lost: `pdu` has the reason.
void mf_sink_lost_framing(struct mf_sink *s, const struct mf_pdu *pdu, const char *peer);
// The stream ended with `len` octets of a PDU that never came whole.
void mf_sink_unfinished(struct mf_sink *s, size_t len, const char *peer);

// After 0 all that was taken is in the hands of the kernel: a keepalive may be answered. -EIO with a text: it is not.
int mf_sink_flush(struct mf_sink *s, struct error *error);

const struct mf_counters *mf_sink_counters(const struct mf_sink *s);
// One line, and whether all is well: no number missing, no problem.
bool mf_sink_summary(const struct mf_sink *s);

#endif
