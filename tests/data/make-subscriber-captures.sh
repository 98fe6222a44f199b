#!/bin/bash
# Makes the captures of tests/data/captures that show who is behind an address: RADIUS, DHCP and GTP of real programs between
# network namespaces, and SIP from the addresses that they give, before, while and after somebody has them.
#
#   make-subscriber-captures.sh [NAME...]     only those: radius-lines, radius-challenge, radius-coa, radius-ipv6, dhcp-v4,
#                                             dhcp-v6, gtpv1-contexts; dhcp-v4 and dhcp-v6 each make one of both sides of a relay
#
# Needs root, FreeRADIUS with its utilities, Kea, ISC dhclient and dhcrelay, OsmoGGSN with sgsnemu, SIPp, dumpcap and iproute2
# (scripts/lib.sh: peer_packages); touches nothing outside the namespaces it makes. Subscribers are those of isp.example.com, MCC 999
# and RFC 7042 (MAC addresses), addresses those of RFC 5737 and RFC 3849. The captures are committed: run this only to change
# them, and then tests/data/make-expected.py, and read what changed.
set -euo pipefail
cd "$(dirname "$0")"

peers=$PWD/../functional/peers
scenarios=$PWD/../functional/sipp
out=$PWD/captures
work=$(mktemp -d)
# The side of the subscribers and their NAS or SGSN, the relay between, and the side of the servers.
access=x2cap-access-$$ relay=x2cap-relay-$$ core=x2cap-core-$$
chosen=" $* "
sip_server=203.0.113.20 sip_server6=2001:db8:53::20
secret=peers-only
started=()

clean_up() {
	local pids name
	pids=$(jobs -p)
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	wait
	for name in "$access" "$relay" "$core"; do ip netns del "$name" 2>/dev/null || true; done
	rm -rf "$work"
}
trap clean_up EXIT

fail() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# in_ns NAMESPACE COMMAND...: not "ip netns exec", which mounts a /sys of its own.
in_ns() {
	local name=$1
	shift
	nsenter "--net=/run/netns/$name" "$@"
}

wanted() {
	[ "$chosen" = "  " ] || [[ $chosen == *" $1 "* ]]
}

# wait_until SECONDS WHAT COMMAND...
wait_until() {
	local seconds=$1 what=$2 i
	shift 2
	for ((i = 0; i < seconds * 20; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	tail -n 20 "$work"/*.log >&2 || true
	fail "waited in vain for $what"
}

# start NAME NAMESPACE COMMAND...: in the background; its output is in NAME.log.
start() {
	local name=$1 namespace=$2
	shift 2
	nsenter "--net=/run/netns/$namespace" "$@" >"$work/$name.log" 2>&1 </dev/null &
	started+=($!)
}

stop_all() {
	local pid
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	started=()
}

# bound NAMESPACE -u|-t PORT: whether somebody in there has the port.
bound() {
	in_ns "$1" ss -ln "$2" -H "sport = $3" | grep -q .
}

# link NAMESPACE DEVICE NAMESPACE DEVICE
link() {
	local end
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	for end in "$1/$2" "$3/$4"; do
		in_ns "${end%/*}" sysctl -qw "net.ipv6.conf.${end#*/}.accept_dad=0" "net.ipv6.conf.${end#*/}.router_solicitations=0"
		in_ns "${end%/*}" ethtool -K "${end#*/}" tx off rx off gro off gso off tso off >/dev/null
		ip -n "${end%/*}" link set lo up
		ip -n "${end%/*}" link set "${end#*/}" up
	done
}

namespaces() {
	local name
	for name in "$@"; do
		ip netns add "$name"
		in_ns "$name" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	done
}

# begin NAME NAMESPACE DEVICE, finish: what passes the device in between is in one file. More than one may be open.
capturing=()
begin() {
	local name=$1
	nsenter "--net=/run/netns/$2" dumpcap -q -P -i "$3" -w "$work/$name.pcap" 2>"$work/dumpcap-$name.log" &
	capturing+=("$name:$!")
	wait_until 10 "the capture $name" test -s "$work/$name.pcap"
}

finish() {
	local one name
	sleep 0.5 # dumpcap writes what it holds
	for one in "${capturing[@]}"; do
		name=${one%:*}
		kill -INT "${one#*:}"
		wait "${one#*:}" || true
		install -m 644 "$work/$name.pcap" "$out/$name.pcap"
		echo "$name.pcap: $(stat -c %s "$out/$name.pcap") octets"
	done
	capturing=()
}

# sip SCENARIO ADDRESS: SIPp plays it from the subscriber's address to the server in the core.
sip() {
	local to=$sip_server remote=$sip_server:5060 callee
	[[ $2 != *:* ]] || to=$sip_server6 remote="[$sip_server6]:5060"
	nsenter "--net=/run/netns/$core" sipp -sf "$scenarios/$1-callee.xml" -t u1 -i "$to" -p 5060 -m 1 -nostdin -timeout 30 -timeout_error \
		>"$work/callee.log" 2>&1 &
	callee=$!
	wait_until 10 "the callee" bound "$core" -u 5060
	in_ns "$access" sipp -sf "$scenarios/$1-caller.xml" -t u1 -i "$2" -p 5060 -m 1 -nostdin -timeout 30 -timeout_error \
		"$remote" >"$work/caller.log" 2>&1 || fail "$1 from $2: $(tail -n 5 "$work/caller.log")"
	wait "$callee"
}

# --- RADIUS -----------------------------------------------------------------------------------------------------------------

radius_network() {
	namespaces "$access" "$core"
	link "$access" wire "$core" wire
	ip -n "$access" addr add 192.0.2.1/24 dev wire
	ip -n "$access" addr add 2001:db8::1/64 dev wire nodad
	ip -n "$core" addr add 192.0.2.2/24 dev wire
	ip -n "$core" addr add 2001:db8::2/64 dev wire nodad
	ip -n "$core" addr add "$sip_server/32" dev lo
	ip -n "$core" addr add "$sip_server6/128" dev lo nodad
	ip -n "$access" route add 203.0.113.0/24 via 192.0.2.2
	ip -n "$access" route add 2001:db8:53::/64 via 2001:db8::2
	ip -n "$core" route add 198.51.100.0/24 via 192.0.2.1
	ip -n "$core" route add 2001:db8:a::/48 via 2001:db8::1
	ip -n "$core" route add 2001:db8:d::/48 via 2001:db8::1
	local address
	for address in 198.51.100.11/32 198.51.100.12/32; do ip -n "$access" addr add "$address" dev lo; done
	for address in 2001:db8:a:12::10/128 2001:db8:d:1201::10/128; do ip -n "$access" addr add "$address" dev lo nodad; done
	start server "$core" env "PEER_WORK=$work" freeradius -f -d "$peers/freeradius" -n server
	wait_until 10 "the RADIUS server" bound "$core" -u 1813
}

# client NAMESPACE SERVER:PORT auth|acct|coa|disconnect ATTRIBUTES [ANSWER]: one request by radclient, its answer waited for.
client() {
	local line
	if ! line=$(printf '%s\n' "$4" | in_ns "$1" radclient -x -D /usr/share/freeradius -r 1 -t 5 "$2" "$3" "$secret" 2>&1); then
		[ -n "${5:-}" ] || fail "radclient $3: $line"
	fi
	[ -z "${5:-}" ] || [[ $line == *"$5"* ]] || fail "radclient $3: no $5: $line"
}

nas='NAS-IP-Address = 192.0.2.1, NAS-Identifier = "nas-1.example.net"'

# log_on LINE PORT PASSWORD [ANSWER]: PAP, or CHAP where the attribute's name says so.
log_on() {
	client "$access" 192.0.2.2:1812 auth "User-Name = \"$1@isp.example.com\", $3, $nas, NAS-Port = $2, Service-Type = Framed-User, \
Framed-Protocol = PPP, Calling-Station-Id = \"00-00-5E-00-53-$2\", Message-Authenticator = 0x00" "${4:-}"
}

# account Start|Interim-Update|Stop LINE PORT SESSION ATTRIBUTES...
account() {
	local status=$1 line=$2 port=$3 session=$4
	shift 4
	client "$access" 192.0.2.2:1813 acct "Acct-Status-Type = $status, Acct-Session-Id = \"$session\", User-Name = \"$line@isp.example.com\", \
$nas, NAS-Port = $port, Calling-Station-Id = \"00-00-5E-00-53-$port\", Acct-Authentic = RADIUS, $*"
}

account_nas() {
	client "$access" 192.0.2.2:1813 acct "Acct-Status-Type = $1, Acct-Session-Id = \"00000000\", $nas"
}

lines_of_12='Framed-IP-Address = 198.51.100.12, Framed-IPv6-Prefix = 2001:db8:a:12::/64, Delegated-IPv6-Prefix = 2001:db8:d:1200::/56'

radius_lines() {
	radius_network
	begin radius-lines "$core" wire
	account_nas Accounting-On
	sip message 198.51.100.11 # nobody's
	log_on line-4711 11 'User-Password = "hello"' Framed-IP-Address
	account Start line-4711 11 00000011 'Framed-IP-Address = 198.51.100.11'
	sip call 198.51.100.11
	account Interim-Update line-4711 11 00000011 'Framed-IP-Address = 198.51.100.11, Acct-Session-Time = 60, Acct-Input-Octets = 4711'
	sip register 198.51.100.11
	log_on line-4712 12 'CHAP-Password = "hello"' Delegated-IPv6-Prefix
	account Start line-4712 12 00000012 "$lines_of_12"
	sip message 198.51.100.12
	sip message 2001:db8:a:12::10   # of the framed prefix
	sip message 2001:db8:d:1201::10 # of the delegated one
	log_on line-4711 11 'User-Password = "mistyped"' Access-Reject
	account Stop line-4711 11 00000011 'Framed-IP-Address = 198.51.100.11, Acct-Session-Time = 120, Acct-Terminate-Cause = User-Request'
	sip message 198.51.100.11 # nobody's again
	log_on line-4713 13 'User-Password = "hello"' Framed-IP-Address
	account Start line-4713 13 00000013 'Framed-IP-Address = 198.51.100.11'
	sip message 198.51.100.11 # line-4713's now
	# The Stop of line-4712 was lost: somebody else has its address, and it keeps its prefixes.
	log_on line-4714 14 'CHAP-Password = "hello"' Framed-IP-Address
	account Start line-4714 14 00000014 'Framed-IP-Address = 198.51.100.12'
	sip message 198.51.100.12
	sip message 2001:db8:a:12::10
	account_nas Accounting-Off
	sip message 198.51.100.11
	sip message 2001:db8:d:1201::10
	finish
	leave
}

radius_challenge() {
	radius_network
	begin radius-challenge "$core" wire
	local answer
	answer=$(printf '%s\n' "User-Name = \"line-4711@isp.example.com\", Cleartext-Password = \"hello\", $nas, NAS-Port = 11, \
Calling-Station-Id = \"00-00-5E-00-53-11\", EAP-Code = Response, EAP-Id = 210, EAP-Type-Identity = \"line-4711@isp.example.com\", \
Message-Authenticator = 0x00" | in_ns "$access" radeapclient -x -D /usr/share/freeradius -r 1 -t 5 192.0.2.2:1812 auth "$secret" 2>&1)
	[[ $answer == *"Received Access-Accept"* ]] || fail "radeapclient: $answer"
	finish
	leave
}

radius_coa() {
	radius_network
	start nas "$access" env "PEER_WORK=$work" freeradius -f -d "$peers/freeradius" -n nas
	wait_until 10 "the NAS" bound "$access" -u 3799
	begin radius-coa "$core" wire
	account Start line-4711 11 00000021 'Framed-IP-Address = 198.51.100.11'
	client "$core" 192.0.2.1:3799 coa "Acct-Session-Id = \"00000021\", User-Name = \"line-4711@isp.example.com\", $nas, \
Session-Timeout = 600" CoA-ACK
	client "$core" 192.0.2.1:3799 coa "Acct-Session-Id = \"00000099\", $nas, Session-Timeout = 600" CoA-NAK
	sip message 198.51.100.11
	client "$core" 192.0.2.1:3799 disconnect "Acct-Session-Id = \"00000099\", $nas" Disconnect-NAK
	client "$core" 192.0.2.1:3799 disconnect "Acct-Session-Id = \"00000021\", $nas" Disconnect-ACK
	account Stop line-4711 11 00000021 'Framed-IP-Address = 198.51.100.11, Acct-Terminate-Cause = Admin-Reset'
	sip message 198.51.100.11
	finish
	leave
}

# Over IPv6, from a NAS that had begun the session before the capture, and says no name of its own but an address.
radius_ipv6() {
	radius_network
	local nas='NAS-IPv6-Address = 2001:db8::1'
	account_at_6() {
		client "$access" '[2001:db8::2]:1813' acct "Acct-Status-Type = $1, Acct-Session-Id = \"00000031\", \
User-Name = \"line-4712@isp.example.com\", $nas, $lines_of_12"
	}
	begin radius-ipv6 "$core" wire
	sip message 2001:db8:d:1201::10
	account_at_6 Interim-Update
	sip call 2001:db8:d:1201::10
	account_at_6 Stop
	sip message 2001:db8:a:12::10
	finish
	leave
}

# --- DHCP -------------------------------------------------------------------------------------------------------------------

dhcp_network() {
	namespaces "$access" "$relay" "$core"
	link "$access" line "$relay" line
	link "$relay" uplink "$core" wire
	ip -n "$relay" addr add 198.51.100.1/24 dev line
	ip -n "$relay" addr add 2001:db8:a::1/64 dev line nodad
	ip -n "$relay" addr add 192.0.2.1/24 dev uplink
	ip -n "$relay" addr add 2001:db8::1/64 dev uplink nodad
	ip -n "$core" addr add 192.0.2.2/24 dev wire
	ip -n "$core" addr add 2001:db8::2/64 dev wire nodad
	ip -n "$core" addr add "$sip_server/32" dev lo
	ip -n "$core" addr add "$sip_server6/128" dev lo nodad
	ip -n "$relay" route add 203.0.113.0/24 via 192.0.2.2
	ip -n "$relay" route add 2001:db8:53::/64 via 2001:db8::2
	ip -n "$relay" route add 2001:db8:d::/48 dev line
	ip -n "$core" route add 198.51.100.0/24 via 192.0.2.1
	ip -n "$core" route add 2001:db8:a::/48 via 2001:db8::1
	ip -n "$core" route add 2001:db8:d::/48 via 2001:db8::1
}

# plug_in MAC: another home router at the same line.
plug_in() {
	ip -n "$access" link set line down
	ip -n "$access" addr flush dev line
	ip -n "$access" link set line address "$1"
	ip -n "$access" link set line up
	ip -n "$relay" neigh flush all
	wait_until 10 "a link-local address" has_address "fe80::"
	ip -n "$access" route replace default via 2001:db8:a::1 dev line onlink
	mac=$1
}

# lease 4|6 [OPTION...], give_back 4|6 [OPTION...]
lease() {
	local version=$1
	shift
	# The lease file carries the DUID: one of the hardware address.
	start "dhclient-$mac" "$access" dhclient "-$version" "$@" -d -cf "$peers/dhclient/dhclient.conf" -sf "$peers/dhclient/apply" \
		-lf "$work/leases-$version-$mac" -pf "$work/dhclient-$version-$mac.pid" line
}

give_back() {
	local version=$1
	shift
	in_ns "$access" dhclient -r "-$version" "$@" -cf "$peers/dhclient/dhclient.conf" -sf "$peers/dhclient/apply" \
		-lf "$work/leases-$version-$mac" -pf "$work/dhclient-$version-$mac.pid" line >"$work/release.log" 2>&1
}

has_address() {
	ip -n "$access" -o addr show dev line | grep -qF "$1"
}

# said FILE WORD COUNT: whether a log holds so many lines with a word.
said() {
	[ "$(grep -c "$2" "$work/$1.log")" -ge "$3" ]
}

# squat ADDRESS: somebody uses an address that nobody has given him.
squat() {
	local len=24
	[[ $1 != *:* ]] || len=128
	ip -n "$access" addr replace "$1/$len" dev line $([ $len = 24 ] || echo nodad)
	[ $len = 128 ] || ip -n "$access" route replace default via 198.51.100.1
	sip message "$1"
	ip -n "$access" addr del "$1/$len" dev line
}

dhcp_v4() {
	dhcp_network
	start kea "$core" env KEA_PIDFILE_DIR="$work" KEA_LOCKFILE_DIR=none kea-dhcp4 -c "$peers/kea/dhcp4.json"
	wait_until 10 "Kea" bound "$core" -u 67
	start dhcrelay "$relay" dhcrelay -4 -d -a -id line -iu uplink 192.0.2.2
	wait_until 10 "dhcrelay" bound "$relay" -u 67
	begin dhcp-v4-line "$relay" line
	begin dhcp-v4-relayed "$core" wire
	plug_in 00:00:5e:00:53:11
	squat 198.51.100.50
	lease 4
	wait_until 20 "a lease" has_address 198.51.100.50
	sip message 198.51.100.50
	wait_until 20 "a renewal" said "dhclient-$mac" DHCPACK 2
	sip call 198.51.100.50
	give_back 4
	sleep 0.3
	squat 198.51.100.50
	plug_in 00:00:5e:00:53:12
	lease 4
	wait_until 20 "the next one's lease" has_address 198.51.100.50
	sip message 198.51.100.50
	finish
	leave
}

dhcp_v6() {
	local address=2001:db8:a::50 delegated=2001:db8:d::10
	dhcp_network
	start kea "$core" env KEA_PIDFILE_DIR="$work" KEA_LOCKFILE_DIR=none kea-dhcp6 -c "$peers/kea/dhcp6.json"
	wait_until 10 "Kea" bound "$core" -u 547
	start dhcrelay "$relay" dhcrelay -6 -d -I -s line-4711 -l line -u 2001:db8::2%uplink
	wait_until 10 "dhcrelay" bound "$relay" -u 547
	begin dhcp-v6-line "$relay" line
	begin dhcp-v6-relayed "$core" wire
	plug_in 00:00:5e:00:53:11
	squat "$address"
	lease 6 -N -P -D LL
	wait_until 20 "a lease" has_address "$address"
	wait_until 20 "a prefix" has_address "$delegated"
	sip message "$address"
	sip message "$delegated"
	wait_until 20 "a renewal" said "dhclient-$mac" "RCV: Reply message" 2
	sip call "$delegated"
	give_back 6 -N -P -D LL
	sleep 0.3
	squat "$address"
	squat "$delegated"
	plug_in 00:00:5e:00:53:12
	lease 6 -N -P -D LL
	wait_until 20 "the next one's lease" has_address "$address"
	wait_until 20 "the next one's prefix" has_address "$delegated"
	sip message "$address"
	sip message "$delegated"
	finish
	leave
}

# --- GTP --------------------------------------------------------------------------------------------------------------------

# attach IMSI MSISDN IMEISV: a context of one subscriber, whose traffic goes through the device ms.
attach() {
	start "sgsnemu-$1" "$access" sgsnemu --listen 192.0.2.1 --remote 192.0.2.2 --imsi "$1" --msisdn "$2" --imeisv "$3" --apn internet \
		--rai 001.01.1.1 --userloc 1.001.01.1.1 --statedir "$work" --pidfile "$work/sgsnemu.pid" --createif --tun-device ms --defaultroute
	wait_until 20 "a context" ms_address
}

ms_address() {
	ip -n "$access" -o -4 addr show dev ms 2>/dev/null | grep -oE '198\.51\.100\.[0-9]+' | head -n 1 | grep .
}

# sgsnemu deletes its context, and then waits long for nothing.
detach() {
	local pid=${started[-1]}
	kill -TERM "$pid"
	sleep 0.5
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	unset 'started[-1]'
}

gtpv1_contexts() {
	namespaces "$access" "$core"
	link "$access" wire "$core" wire
	ip -n "$access" addr add 192.0.2.1/24 dev wire
	ip -n "$core" addr add 192.0.2.2/24 dev wire
	ip -n "$core" addr add "$sip_server/32" dev lo
	start ggsn "$core" env -C "$work" osmo-ggsn -c "$peers/osmo-ggsn/ggsn.cfg"
	wait_until 10 "the GGSN" bound "$core" -u 2123
	begin gtpv1-contexts "$core" wire
	# sgsnemu reads an IMSI as a number, so that 001 01 loses its noughts: MCC 999 is for networks of one's own (E.212).
	attach 999700000000001 493023125001 0010100000000101
	local first
	first=$(ms_address)
	sip message "$first"
	sip call "$first"
	detach
	attach 999700000000002 493023125002 0010100000000202
	sip message "$(ms_address)"
	detach
	attach 999700000000003 493023125003 0010100000000303
	[ "$(ms_address)" = "$first" ] || fail "the address of the first subscriber is not given again"
	sip message "$first" # of the third subscriber now
	detach
	finish
	leave
}

leave() {
	stop_all
	local name
	for name in "$access" "$relay" "$core"; do ip netns del "$name" 2>/dev/null || true; done
	rm -f "$work"/*
}

mkdir -p "$out"
for name in radius-lines radius-challenge radius-coa radius-ipv6 dhcp-v4 dhcp-v6 gtpv1-contexts; do
	if wanted "$name"; then "${name//-/_}"; fi
done
