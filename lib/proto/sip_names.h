// The names x2tap knows: methods and header fields. For the files of lib/proto alone.
#ifndef X2TAP_SIP_NAMES_H
#define X2TAP_SIP_NAMES_H

#include "sip.h"

enum sip_method sip_method_find(struct bytes text); // case counts (RFC 3261 section 7.1)

// The longest known method that `text` ends with, its length in `len`; SIP_METHOD_OTHER if there is none.
enum sip_method sip_method_at_end(struct bytes text, size_t *len);

// `name` must be a token. Case does not count, compact forms have the same value.
enum sip_header_name sip_header_name_find(struct bytes name);

#endif
