#!/usr/bin/python3
"""What x2tap does not understand yet, SIP in TCP, fragments and tunnels, is counted by reason, for the traffic of targets too."""

import struct

import pcap
import x2tap_test as x2
from tap import case, equal, main, say

TUNNEL_PROTOCOLS = {4, 41, 47, 50, 115}  # IPv4, IPv6, GRE, ESP, L2TP
TUNNEL_PORTS = {1701, 2152, 3544, 4789, 6081}  # L2TP, GTP-U, Teredo, VXLAN, Geneve
TUNNEL_ETHERTYPES = {0x8847, 0x8848, 0x8864}  # MPLS, PPPoE

# Captures whose SIP is all out of sight, and an address of their innermost visible packets.
HIDDEN = {
    "sip-tcp-ipv4-call": ("tcp", "10.33.6.100"),
    "sip-tcp-ipv4-register": ("tcp", None),
    "sip-tcp-ipv4-segmented": ("tcp", "10.192.243.79"),
    "sip-in-gtpu-ipv4-ims-register-call": ("tunnel", None),
    "sip-in-erspan-gre-call-transfer": ("tunnel", None),
    "sip-in-ipip-tcp": ("tunnel", None),
    "derived/sip-call-in-gre-key": ("tunnel", None),
    "derived/sip-call-in-vxlan": ("tunnel", None),
    "derived/sip-call-in-mpls2": ("tunnel", None),
    "derived/sip-call-in-vlan-pppoe": ("tunnel", None),
    "derived/sip-call-in-4in6": ("tunnel", None),
    "derived/sip-call-in-l2tpv2-ppp": ("tunnel", None),
    "derived/sip-call-in-ipfrag-inorder": ("fragment", None),
    "derived/sip-call-in-ipfrag-reversed": ("fragment", None),
    "gtpu-gn-user-ip-fragmented": ("tunnel", None),
}


def kind(octets):
    """"tcp", "fragment", "tunnel" or "other", as far as Ethernet, VLAN tags and the outermost IP header tell."""
    at = 12
    while octets[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    ethertype = struct.unpack_from(">H", octets, at)[0]
    packet = octets[at + 2 :]
    if ethertype in TUNNEL_ETHERTYPES:
        return "tunnel"
    if ethertype == 0x0800:
        if struct.unpack_from(">H", packet, 6)[0] & 0x3FFF:
            return "fragment"
        protocol, body = packet[9], packet[(packet[0] & 15) * 4 :]
    elif ethertype == 0x86DD:
        protocol, body = packet[6], packet[40:]
        while protocol in (0, 43, 60):
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
        if protocol == 44:
            return "fragment"
    else:
        return "other"
    if protocol in TUNNEL_PROTOCOLS:
        return "tunnel"
    if protocol == 6:
        return "tcp"
    if protocol == 17 and set(struct.unpack_from(">HH", body)) & TUNNEL_PORTS:
        return "tunnel"
    return "other"


def add(name, reason, address):
    @case(f"{name}: counted as {reason}")
    def _():
        x2.need_shared()
        path = x2.SHARED / "captures" / f"{name}.pcap"
        frames, _ = pcap.read(path)
        tasks = [x2.task([{"ipv4Address": address}])] if address else []
        with x2.workspace() as directory:
            vdevs, ports, _ = x2.file_pair(directory, path)
            tap = x2.Tap(directory, tasks, {x2.DID: x2.free_port()}, 1, vdevs, ports, shutdown_timeout="200ms")
            tap.start().ready()
            x2.wait_for("all frames", lambda: tap.ask("status")["ports"][0]["received"] == len(frames))
            tap.check_laws()
            counters = tap.ask("counters")
            tap.stop()
        kinds = [kind(frame.octets) for frame in frames]
        for what in ("tcp", "fragment", "tunnel"):
            equal(counters["frames_by_class"][what], kinds.count(what), f"frames counted as {what}")
        assert kinds.count(reason), f"no {reason} in the capture"
        equal(counters["matching"]["matched"], 0, "matched")
        if address:
            missed = counters["frames_of_targets_without_iri"][reason]
            assert missed, "the target's traffic without IRI is not counted"
            say(f"{missed} frames of the target without IRI")


for name, (reason, address) in HIDDEN.items():
    add(name, reason, address)
main()
