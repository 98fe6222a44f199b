#!/usr/bin/python3
"""Real calls through x2tap: SIPp calls SIPp over a wire that x2tap is part of, and the IRI are the messages SIPp logged."""

import ipaddress

import telephones
import x2tap_test as x2
from tap import case, equal, main, say
from telephones import Side
from wire import CALLEE, CALLER, wire

SCENARIOS = ("register", "call", "message", "cancel", "busy", "forked", "compact")
ALICE = "sip:alice@example.com"
IPV4, IPV6 = "192.0.2.", "2001:db8::"
TCP, UDP = 6, 17
CALLS = 12  # begun at once: over one connection, messages share segments and span them


def call_through(net, scenarios, transport="u1", calls=1, driver="net_af_packet"):
    x2.need_tool("sipp")
    with wire() as w, x2.workspace() as directory:
        w.narrow_tcp()
        caller = Side(w.caller, f"{net}{CALLER}", transport)
        # Who is called needs no -t tn: it takes whatever connections come.
        callee = Side(w.callee, f"{net}{CALLEE}", "u1" if transport == "u1" else "t1")
        order = x2.task([{"sipUri": ALICE}])
        mf = x2.Mf(directory, inside=w.inside(w.tap))
        tap = x2.Tap(
            directory, [order, *x2.CONTROL_TASKS], {x2.DID: mf}, 1, w.vdevs(driver), w.ports(driver), inside=w.inside(w.tap)
        )
        tap.start().ready()
        messages = []
        for scenario in scenarios:
            messages += telephones.call(w, directory, scenario, caller, callee, calls=calls)
        pdus = telephones.check_reported(mf, order, messages)
        tap.check_laws()
        tap.stop()
        mf.stop()
        equal({pdu["xid"] for pdu in mf.iri()}, {order["xId"]}, "tasks")
        equal({pdu["proto"] for pdu in pdus}, {UDP if transport == "u1" else TCP}, "protocols")
        ends = {(ipaddress.ip_address(pdu["src"]), ipaddress.ip_address(pdu["dst"])) for pdu in pdus}
        a, b = ipaddress.ip_address(caller.address), ipaddress.ip_address(callee.address)
        equal(ends, {(a, b), (b, a)}, "addresses")
        texts = [pdu["octets"] for pdu in pdus if pdu["octets"].startswith(b"MESSAGE")]
        assert texts and not any(b"nine" in text or b"one word" in text for text in texts), "content shown"
        say(f"{len(pdus)} IRI of {len(scenarios)} scenarios")


@case("registration, calls, re-INVITE, MESSAGE, cancelled, busy and forked calls over IPv4 are reported as SIPp logged them")
def _():
    call_through(IPV4, SCENARIOS)


@case("the same over IPv6")
def _():
    call_through(IPV6, SCENARIOS)


@case("the same over TCP: one connection for all calls of a scenario, which come at once, and messages of several segments")
def _():
    call_through(IPV4, (*SCENARIOS, "large"), "t1", CALLS)


@case("the same over TCP and IPv6")
def _():
    call_through(IPV6, (*SCENARIOS, "large"), "t1", CALLS)


@case("the same over TCP, a connection for each call")
def _():
    call_through(IPV4, (*SCENARIOS, "large"), "tn", CALLS)


@case("the same over TCP and IPv6, a connection for each call")
def _():
    call_through(IPV6, (*SCENARIOS, "large"), "tn", CALLS)


@case("messages longer than a packet, in IPv4 fragments, are reported whole")
def _():
    call_through(IPV4, ("large", "call"), calls=4, driver="net_pcap")


@case("messages longer than a packet, in IPv6 fragments, are reported whole")
def _():
    call_through(IPV6, ("large", "call"), calls=4, driver="net_pcap")


main()
