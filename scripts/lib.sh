# What the scripts share: packages, builds, words to the person who runs them. To be sourced by bash.

# Debian 12 packages: to build and run x2tap, and what the tests need beside.
build_packages=(
	gcc libc6-dev meson ninja-build pkg-config python3
	libdpdk-dev libssl-dev libyaml-dev libjansson-dev libcmocka-dev openssl
)
network_packages=(iproute2 ethtool procps nftables util-linux mount) # namespaces, faults of links and disks
test_packages=(
	clang-14 libclang-rt-14-dev # the second compiler, and libFuzzer
	llvm-14                     # what fuzzing covers
	tshark sip-tester kamailio  # peers: the dissector, the callers, the proxy between them
	gnutls-bin                  # an MF with another TLS library
	libpcap-dev libosip2-dev    # what benchmarks compare with
	"${network_packages[@]}"
)
# Peers of test_live_subscribers.py, and of tests/data/make-subscriber-captures.sh.
peer_packages=(
	freeradius freeradius-utils                                    # RADIUS server, clients
	kea-dhcp4-server kea-dhcp6-server isc-dhcp-client isc-dhcp-relay # DHCP
	osmo-ggsn                                                      # GTPv1: a gateway, and sgsnemu
)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
	printf '\n== %s\n' "$*"
}

fail() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# install PACKAGE...: those that are missing, as root or through sudo.
install() {
	local missing=() package as=()
	for package in "$@"; do
		dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	command -v apt-get >/dev/null || fail "no apt-get here: please install ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "please install as root: ${missing[*]}"
		as=(sudo)
	fi
	# Peers of tests, not services of this host: Debian would start them, now and at each boot.
	for package in kamailio freeradius kea-dhcp4-server kea-dhcp6-server isc-dhcp-relay osmo-ggsn; do
		if [[ " ${missing[*]} " == *" $package "* ]] && command -v systemctl >/dev/null; then
			"${as[@]}" systemctl mask --quiet "$package.service" </dev/null
		fi
	done
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}

# build DIRECTORY OPTION...: configures it if it is new, and compiles. What compiles without a word says none here.
build() {
	local directory=$1 log
	shift
	log=$(mktemp)
	if [ ! -e "$directory/build.ninja" ]; then
		meson setup "$directory" "$root" "$@" >"$log" 2>&1 || { cat "$log"; fail "cannot configure $directory"; }
	else
		meson configure "$directory" "$@" >"$log" 2>&1 || { cat "$log"; fail "cannot configure $directory"; }
	fi
	ninja -C "$directory" >"$log" 2>&1 || { grep -v '^\[' "$log"; fail "$directory does not build"; }
	rm -f "$log"
}
