#!/usr/bin/python3
"""Calls through a proxy, both legs over a wire that x2tap is part of: SIPp calls SIPp, Kamailio stays between them, and the
IRI are the messages that the three received.

   Alice .10 ──┐             ┌── Kamailio .20
               ├─[a x2tap b]─┘    Record-Route, P-Asserted-Identity
   Bob   .11 ──┘
"""

import re

import telephones
import x2tap_test as x2
from tap import case, equal, main, say
from telephones import Side
from wire import CALLEE, CALLER, wire

# The caller's scenario, and the callee's where a proxy makes a difference to it.
SCENARIOS = {"register": "", "call": "", "message": "", "cancel": "proxied-cancel", "busy": "", "forked": "", "large": ""}
ALICE = "sip:alice@example.com"
BOB = CALLER + 1
TCP, UDP = 6, 17


def header(name, octets):
    return re.search(rb"(?im)^" + name + rb":[ \t]*([^\r]*)", octets).group(1)


def transaction(octets):
    return header(b"Call-ID", octets), header(b"CSeq", octets)


def hops(octets):
    return octets.count(b"branch=z9hG4bK")


def since_asserted(messages):
    """What belongs to the sessions in which the asserted identity appears, from there on: not the request that brought the
    session to the proxy, nor the 100 that the proxy answers before it sends the request on."""
    shown = {header(b"Call-ID", octets) for octets in messages if telephones.ASSERTED.encode() in octets}
    opening = {transaction(octets) for octets in messages if telephones.ASSERTED.encode() in octets}

    def earlier(octets):
        first_leg = hops(octets) == 1 and transaction(octets) in opening
        return first_leg and (octets.startswith(b"SIP/2.0 100 ") or not octets.startswith(b"SIP/2.0"))

    return [octets for octets in messages if header(b"Call-ID", octets) in shown and not earlier(octets)]


def call_through(net, transport):
    x2.need_tool("sipp", "kamailio")
    with wire() as w, x2.workspace() as directory:
        w.add_host(w.caller, BOB)
        alice, bob = Side(w.caller, f"{net}{CALLER}", transport), Side(w.caller, f"{net}{BOB}")
        middle = Side(w.callee, f"{net}{CALLEE}")
        from_alice = x2.task([{"sipUri": ALICE}])
        asserted = x2.task([{"sipUri": telephones.ASSERTED}])
        tasks = [from_alice, asserted, *x2.CONTROL_TASKS]
        mf = x2.Mf(directory, inside=w.inside(w.tap))
        driver = "net_pcap"  # the long call crosses in fragments
        tap = x2.Tap(directory, tasks, {x2.DID: mf}, 1, w.vdevs(driver), w.ports(driver), inside=w.inside(w.tap))
        tap.start().ready()
        messages = []
        with telephones.proxy(w, directory, middle, bob.address) as kamailio:
            for scenario, answers in SCENARIOS.items():
                messages += telephones.call(w, directory, scenario, alice, bob, answers, via=middle.address)
            messages = telephones.union([messages, telephones.received_by(kamailio)])
        first_leg = [octets for octets in messages if octets.startswith(b"INVITE") and b"Record-Route" not in octets]
        second_leg = [octets for octets in messages if octets.startswith(b"INVITE") and b"Record-Route" in octets]
        assert first_leg and second_leg, "Kamailio did not send calls on with a Record-Route"
        pdus = telephones.check_reported(mf, from_alice, messages)
        later = telephones.check_reported(mf, asserted, since_asserted(messages))
        tap.check_laws()
        tap.stop()
        mf.stop()
        equal({pdu["xid"] for pdu in mf.iri()}, {from_alice["xId"], asserted["xId"]}, "tasks")
        equal({pdu["proto"] for pdu in pdus}, {UDP} if transport == "u1" else {UDP, TCP}, "protocols")
        say(f"{len(pdus)} IRI by From, {len(later)} by P-Asserted-Identity, of {len(SCENARIOS)} scenarios")


@case("both legs of calls through Kamailio are reported over IPv4, by From and by P-Asserted-Identity")
def _():
    call_through("192.0.2.", "u1")


@case("the same over IPv6")
def _():
    call_through("2001:db8::", "u1")


@case("the same with the caller's leg over TCP, and the callee's over UDP")
def _():
    call_through("192.0.2.", "t1")


@case("the same over IPv6 with the caller's leg over TCP")
def _():
    call_through("2001:db8::", "t1")


main()
