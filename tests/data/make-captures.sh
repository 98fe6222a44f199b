#!/bin/bash
# Makes tests/data/captures anew: calls between two network namespaces, captured on the wire between them.
#
#   make-captures.sh [NAME...]     only those; calls-vlan, calls-qinq and calls-tunnels come from calls-ipv4 and calls-ipv6
#
# Needs root, SIPp, Kamailio, dumpcap and iproute2; touches nothing outside the namespaces it makes. Identities are example.com,
# addresses are those of RFC 5737 and RFC 3849. The captures are committed: run this only to change them, and then
# tests/data/make-expected.py, and read what changed.
set -euo pipefail
cd "$(dirname "$0")"

scenarios=../functional/sipp
out=$PWD/captures
work=$(mktemp -d)
caller=x2cap-caller-$$ callee=x2cap-callee-$$
chosen=" $* "

clean_up() {
	local pids
	pids=$(jobs -p)
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	wait
	ip netns del "$caller" 2>/dev/null || true
	ip netns del "$callee" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT

# Where the two ends are: words to put before a command. Not "ip netns exec": it mounts a /sys of its own, which cannot be done
# where / is no mount point (chroot).
in_caller=(nsenter "--net=/run/netns/$caller")
in_callee=(nsenter "--net=/run/netns/$callee")

# end NAMESPACE NUMBER...: one end of the wire, and the hosts behind it.
end() {
	local namespace=$1 number
	shift
	ip -n "$namespace" link set lo up
	nsenter "--net=/run/netns/$namespace" ethtool -K wire tx off rx off gro off gso off tso off >/dev/null
	ip -n "$namespace" link set wire up
	for number in "$@"; do
		ip -n "$namespace" addr add "192.0.2.$number/24" dev wire
		ip -n "$namespace" addr add "2001:db8::$number/64" dev wire nodad
	done
	# One TCP segment at a time may be unanswered: what is written meanwhile shares the next ones.
	ip -n "$namespace" route replace 192.0.2.0/24 dev wire cwnd lock 1
	ip -n "$namespace" route replace 2001:db8::/64 dev wire metric 256 cwnd lock 1
}

wanted() {
	[ "$chosen" = "  " ] || [[ $chosen == *" $1 "* ]]
}

# begin NAME, finish: what is on the wire in between is in one file.
begin() {
	file=$out/$1.pcap
	rm -f "$work/capture.pcap"
	"${in_callee[@]}" dumpcap -q -P -i wire -w "$work/capture.pcap" 2>"$work/dumpcap" &
	dumpcap=$!
	until [ -s "$work/capture.pcap" ]; do sleep 0.05; done
}

finish() {
	sleep 0.3 # dumpcap writes what it holds
	kill -INT "$dumpcap"
	wait "$dumpcap" || true
	cp "$work/capture.pcap" "$file"
	chmod 644 "$file"
	echo "$(basename "$file"): $(stat -c %s "$file") octets"
}

# authority ADDRESS: as a host with a port.
authority() {
	[[ $1 == *:* ]] && echo "[$1]:5060" || echo "$1:5060"
}

# until_bound NAMESPACE -u|-t: until somebody in there has the port of SIP.
until_bound() {
	until nsenter "--net=/run/netns/$1" ss -ln "$2" -H 'sport = 5060' | grep -q .; do sleep 0.05; done
}

# play SCENARIO [CALLEE'S SCENARIO]: CALLS calls at once from FROM, over TRANSPORT, to the proxy VIA if there is one, else to TO in
# the namespace SIDE.
play() {
	local over=$transport sipp
	[ -z "$via" ] || over=u1 # the proxy sends on over UDP
	nsenter "--net=/run/netns/$side" sipp -sf "$scenarios/${2:-$1}-callee.xml" -t "$over" -i "$to" -p 5060 -m "$calls" -nostdin -max_socket 100 \
		-timeout 30 -timeout_error >"$work/callee" 2>&1 &
	sipp=$!
	until_bound "$side" "$([ "$over" = u1 ] && echo -u || echo -t)"
	"${in_caller[@]}" sipp -sf "$scenarios/$1-caller.xml" -t "$transport" -i "$from" -p 5060 -m "$calls" -r "$calls" -rp 1 \
		-nostdin -max_socket 100 -timeout 30 -timeout_error "$(authority "${via:-$to}")" >"$work/caller" 2>&1
	wait "$sipp"
}

# capture NAME ADDRESS_PREFIX SCENARIO...
capture() {
	wanted "$1" || return 0
	begin "$1"
	from=${2}10 to=${2}20 side=$callee via=''
	shift 2
	for scenario in "$@"; do play "$scenario"; done
	finish
}

# capture_proxied NAME ADDRESS_PREFIX: both legs of calls that go through Kamailio. The callee is behind the caller's end.
capture_proxied() {
	wanted "$1" || return 0
	from=${2}10 to=${2}11 side=$caller via=${2}20
	local kamailio
	"${in_callee[@]}" kamailio -f ../functional/kamailio/proxy.cfg -DD -E -n 1 -m 64 -P "$work/kamailio.pid" -Y "$work" \
		-w "$work" -l "udp:$(authority "$via")" -l "tcp:$(authority "$via")" -A "BOB=\"sip:$(authority "$to")\"" \
		>"$work/kamailio" 2>&1 &
	kamailio=$!
	until_bound "$callee" -u
	until_bound "$callee" -t
	begin "$1"
	transport=u1
	for scenario in register call message busy forked; do play "$scenario"; done
	play cancel proxied-cancel
	transport=t1
	for scenario in call large; do play "$scenario"; done
	finish
	kill "$kamailio"
	wait "$kamailio" || true
}

mkdir -p "$out"
ip netns add "$caller"
ip netns add "$callee"
ip link add wire netns "$caller" type veth peer name wire netns "$callee"
end "$caller" 10 11
end "$callee" 20

transport=u1 calls=1
capture calls-ipv4 192.0.2. register call message cancel busy forked compact
capture calls-ipv6 2001:db8:: register call message cancel busy forked compact
capture calls-fragments-ipv4 192.0.2. large
capture calls-fragments-ipv6 2001:db8:: large
# Calls that begin at once share segments of their connection.
transport=t1 calls=3
capture calls-tcp-ipv4 192.0.2. register call message cancel busy large
capture calls-tcp-ipv6 2001:db8:: register call message cancel busy large
calls=1
capture_proxied calls-kamailio 192.0.2.
# Not every kernel has 802.1Q, so the tags are put in afterwards; and the tunnels.
if wanted calls-vlan; then ./add-vlan-tags.py captures/calls-ipv4.pcap captures/calls-vlan.pcap 8100:100; fi
if wanted calls-qinq; then ./add-vlan-tags.py captures/calls-ipv6.pcap captures/calls-qinq.pcap 88a8:200 8100:300; fi
if wanted calls-tunnels; then ./wrap-tunnels.py captures/calls-ipv4.pcap captures/calls-ipv6.pcap captures/calls-tunnels.pcap; fi
