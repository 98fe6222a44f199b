// Whom a RADIUS packet shows.
//
// User-Name is a NAI; one of TS 23.003 clauses 14.3 and 19.3.2 (0, 1 or 6, IMSI, @, a realm of the IMSI's network) an IMSI
// too, and so is a Chargeable-User-Identity of that form, which else is opaque (RFC 4372). Of 3GPP (TS 29.061): IMSI,
// IMEI(SV). Calling-Station-Id: a MAC address in pairs, fours, sixes or without separators; a number of 5 to 15 digits with or
// without +, or of 1 to 15 in a packet with attributes of 3GPP; 12 digits are both. No state, no allocation: any thread.
#ifndef X2TAP_RADIUS_IDENTITIES_H
#define X2TAP_RADIUS_IDENTITIES_H

#include "radius.h"
#include "signals.h"

// Adds to the sightings of `s`, and to its defects.
void radius_show_identities(const struct radius *radius, struct signal *s);

// Adds every attribute as it stands, and, where an attribute of a vendor holds several, each of them as one of its own.
void radius_show_attributes(const struct radius *radius, struct signal *s);

#endif
