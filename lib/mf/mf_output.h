// What an MF writes of a PDU: a line of JSON, a line of a table, a block of a pcapng file.
//
// Writers only put into a stdio stream; flushing it and looking at its error flag is the caller's.
#ifndef X2TAP_MF_OUTPUT_H
#define X2TAP_MF_OUTPUT_H

#include <stdio.h>

#include "mf_sequence.h"

// One object with the keys version type xid seq correlation format direction time nfid ipid did src dst sport dport proto
// matched other payload (base64), order, and where they apply expected, missing and problem. A value that the PDU does not
// have is null. `peer`, where it is not NULL, tells the connection by address and port. Numbers as on the wire; version "0.5"; time in UTC with nanoseconds; order is mf_order_name().
void mf_json_write(
	FILE *file, const struct mf_pdu *pdu, const struct mf_verdict *verdict, const char *peer);

// For people: time, XID, direction, from, to, start line, correlation id, sequence number. For SIP, who and what come out
// of the message itself. Whatever could steer a terminal is shown as '?'.
void mf_table_start(FILE *file);
void mf_table_write(FILE *file, const struct mf_pdu *pdu, const struct mf_verdict *verdict);

// A section of exported PDUs (link type 252) for Wireshark's dissector li5g, with the PDU's addresses and ports as those of
// the packet. Several sections may follow one another in a file. A PDU without a timestamp gets `now_ns`.
void mf_pcapng_start(FILE *file);
void mf_pcapng_write(FILE *file, const struct mf_pdu *pdu, uint64_t now_ns);

#endif
