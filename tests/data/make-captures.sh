#!/bin/bash
# Makes tests/data/captures anew: SIPp calls between two network namespaces, captured on the wire between them.
#
# Needs root, SIPp, dumpcap and iproute2; touches nothing outside the namespaces it makes. Identities are example.com,
# addresses are those of RFC 5737 and RFC 3849. The captures are committed: run this only to change them, and then
# tests/data/make-expected.py, and read what changed.
set -euo pipefail
cd "$(dirname "$0")"

scenarios=../functional/sipp
out=$PWD/captures
work=$(mktemp -d)
caller=x2cap-caller-$$ callee=x2cap-callee-$$

clean_up() {
	local pids
	pids=$(jobs -p)
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	ip netns del "$caller" 2>/dev/null || true
	ip netns del "$callee" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT

# end NAMESPACE NUMBER: one end of the wire.
end() {
	ip -n "$1" link set lo up
	ip netns exec "$1" ethtool -K wire tx off rx off gro off gso off tso off >/dev/null
	ip -n "$1" link set wire up
	ip -n "$1" addr add "192.0.2.$2/24" dev wire
	ip -n "$1" addr add "2001:db8::$2/64" dev wire nodad
}

# capture NAME ADDRESS_PREFIX SCENARIO...: what the scenarios put on the wire, in one file.
capture() {
	local file=$out/$1.pcap net=$2 from to
	shift 2
	from=${net}10 to=${net}20
	rm -f "$work/capture.pcap"
	ip netns exec "$callee" dumpcap -q -P -i wire -w "$work/capture.pcap" 2>"$work/dumpcap" &
	local dumpcap=$!
	until [ -s "$work/capture.pcap" ]; do sleep 0.05; done
	for name in "$@"; do
		ip netns exec "$callee" sipp -sf "$scenarios/$name-callee.xml" -i "$to" -p 5060 -m 1 -nostdin \
			-timeout 30 -timeout_error >"$work/callee" 2>&1 &
		local sipp=$!
		until ip netns exec "$callee" ss -lnuH 'sport = 5060' | grep -q .; do sleep 0.05; done
		ip netns exec "$caller" sipp -sf "$scenarios/$name-caller.xml" -i "$from" -p 5060 -m 1 -nostdin \
			-timeout 30 -timeout_error "$( [[ $to == *:* ]] && echo "[$to]" || echo "$to" ):5060" >"$work/caller" 2>&1
		wait "$sipp"
	done
	sleep 0.3 # dumpcap writes what it holds
	kill -INT "$dumpcap"
	wait "$dumpcap" || true
	cp "$work/capture.pcap" "$file"
	chmod 644 "$file"
	echo "$(basename "$file"): $(stat -c %s "$file") octets"
}

mkdir -p "$out"
ip netns add "$caller"
ip netns add "$callee"
ip link add wire netns "$caller" type veth peer name wire netns "$callee"
end "$caller" 10
end "$callee" 20

capture calls-ipv4 192.0.2. register call message cancel busy forked compact
capture calls-ipv6 2001:db8:: register call message cancel busy forked compact
# Not every kernel has 802.1Q, so the tags are put in afterwards.
./add-vlan-tags.py captures/calls-ipv4.pcap captures/calls-vlan.pcap 8100:100
./add-vlan-tags.py captures/calls-ipv6.pcap captures/calls-qinq.pcap 88a8:200 8100:300
