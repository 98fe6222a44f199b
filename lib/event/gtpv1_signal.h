// GTPv1-C messages as signals (TS 29.060 clause 7). A session is a tunnel of the control plane, which all PDP contexts of one PDP
// address and APN share (clause 3.1).
//
// What ends it is the request to delete with Teardown Ind, whatever the answer: the answer does not say which request it is for,
// and a request without Teardown Ind never deletes the last context of a tunnel (clause 7.3.5: it is ignored then). For the
// same reason a refused Create PDP Context Response changes nothing: it may refuse a secondary context, and the session that
// a refused first one began has no address and is never heard of again.
#ifndef X2TAP_GTPV1_SIGNAL_H
#define X2TAP_GTPV1_SIGNAL_H

#include "signals.h"

signal_reader gtpv1_signal_read;

#endif
