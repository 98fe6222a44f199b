#!/usr/bin/python3
"""throttle.py ADDRESS:PORT ADDRESS:PORT: a slow reader in front of an MF.

Takes TCP connections at the first address and carries them to the second. The way back is always free. Standard input tells how many
octets a second may go from a client to the MF, a number a line, 0: as many as come. What is not read closes the client's window, as an MF
does that reads too slowly. Ends with its standard input.
"""

import os
import selectors
import socket
import sys
import time

WINDOW = 4096  # octets that the kernel keeps for us: little, so that the client soon feels it
PIECE = 65536
TURN = 0.05  # seconds


def place(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


class Throttle:
    def __init__(self, listen, to):
        self.to = to
        self.rate = 0
        self.selector = selectors.DefaultSelector()
        self.slow = {}  # the client's end: [the MF's end, octets it may send now]
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self.listener.bind(listen)
        self.listener.listen()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self.command)

    def accept(self):
        client, _ = self.listener.accept()
        server = socket.socket()
        try:
            server.connect(self.to)
        except OSError:
            client.close()
            server.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.slow[client] = [server, 0.0]
        self.selector.register(server, selectors.EVENT_READ, lambda: self.back(server, client))
        if not self.rate:
            self.selector.register(client, selectors.EVENT_READ, lambda: self.forth(client, PIECE))

    def command(self):
        line = os.read(sys.stdin.fileno(), 64)
        if not line:
            sys.exit(0)
        self.rate = int(line.split()[-1])
        for client in self.slow:
            self.slow[client][1] = 0.0
            self.unwatch(client)
            if not self.rate:
                self.selector.register(client, selectors.EVENT_READ, lambda client=client: self.forth(client, PIECE))
        print("ok", flush=True)

    def unwatch(self, end):
        try:
            self.selector.unregister(end)
        except KeyError:
            pass

    def end(self, client):
        server, _ = self.slow.pop(client, (None, 0))
        for end in (client, server):
            if end:
                self.unwatch(end)
                end.close()

    def back(self, server, client):
        self.carry(server, client, PIECE, client)

    def forth(self, client, count):
        return self.carry(client, self.slow[client][0], count, client) if client in self.slow else 0

    def carry(self, source, sink, count, client):
        """Up to `count` octets; how many went."""
        try:
            octets = source.recv(count, 0 if count == PIECE else socket.MSG_DONTWAIT)
            if octets:
                sink.sendall(octets)
                return len(octets)
        except BlockingIOError:
            return 0
        except OSError:
            pass
        self.end(client)
        return 0

    def run(self):
        last = time.monotonic()
        while True:
            for key, _ in self.selector.select(TURN if self.rate else None):
                key.data()
            now = time.monotonic()
            for client, entry in list(self.slow.items()) if self.rate else []:
                entry[1] = min(entry[1] + (now - last) * self.rate, max(1, self.rate))
                if entry[1] >= 1:
                    went = self.forth(client, int(entry[1]))
                    entry[1] -= went
            last = now


throttle = Throttle(place(sys.argv[1]), place(sys.argv[2]))
print("ready", flush=True)
throttle.run()
