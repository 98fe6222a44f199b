#include "protocols.h"

#include "dhcpv4_signal.h"
#include "dhcpv6_signal.h"
#include "gtpv1_signal.h"
#include "gtpv2_signal.h"
#include "radius_signal.h"

const struct protocol protocols[] = {
	[SIGNAL_RADIUS] = {"radius", radius_signal_read, EVENT_RADIUS, false, FAMILY_RADIUS},
	[SIGNAL_DHCPV4] = {"dhcpv4", dhcpv4_signal_read, EVENT_DHCP, false, FAMILY_DHCPV4},
	[SIGNAL_DHCPV6] = {"dhcpv6", dhcpv6_signal_read, EVENT_DHCP, false, FAMILY_DHCPV6},
	[SIGNAL_GTPV1C] = {"gtpv1c", gtpv1_signal_read, EVENT_GTPC, true, FAMILY_GTP},
	[SIGNAL_GTPV2C] = {"gtpv2c", gtpv2_signal_read, EVENT_GTPC, true, FAMILY_GTP},
};
const unsigned protocol_count = sizeof protocols / sizeof *protocols;
