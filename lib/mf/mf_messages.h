// What a payload other than SIP is called, for the table: "RADIUS Accounting-Request Start", "DHCP ACK", "GTPv2 Create Session
// Request".
//
// Written apart from lib/proto, and for show only: nothing is decided by it.
#ifndef X2TAP_MF_MESSAGES_H
#define X2TAP_MF_MESSAGES_H

#include "mf_pdu.h"

// Writes at most `size` octets, the closing NUL included. Empty: there is no name for it.
void mf_message_name(const struct mf_pdu *pdu, char *text, size_t size);

#endif
