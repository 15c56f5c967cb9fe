"""As much of a browser's debugging protocol as the trials need: a WebSocket client of the standard library."""
import base64
import json
import os
import socket
import struct
import urllib.request


class Page:
    def __init__(self, url, timeout=30):
        host, _, rest = url[len("ws://"):].partition("/")
        name, _, port = host.partition(":")
        self.s = socket.create_connection((name, int(port)), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall(("GET /%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n" % (rest, host, key)).encode())
        self.b = b""
        while b"\r\n\r\n" not in self.b:
            self.more()
        self.b = self.b.partition(b"\r\n\r\n")[2]
        self.id = 0

    def more(self):
        k = self.s.recv(65536)
        if not k:
            raise OSError("closed")
        self.b += k

    def need(self, n):
        while len(self.b) < n:
            self.more()
        r, self.b = self.b[:n], self.b[n:]
        return r

    def message(self):
        out = b""
        while True:
            head = self.need(2)
            n = head[1] & 127
            n = struct.unpack(">H", self.need(2))[0] if n == 126 else struct.unpack(">Q", self.need(8))[0] if n == 127 else n
            part = self.need(n)
            if head[0] & 15 in (0, 1):
                out += part
                if head[0] & 128:
                    return json.loads(out)
            elif head[0] & 15 == 8:
                raise OSError("closed")

    def call(self, method, **params):
        self.id += 1
        text = json.dumps({"id": self.id, "method": method, "params": params}).encode()
        n = len(text)
        head = bytes([129, 128 | n]) if n < 126 else bytes([129, 254]) + struct.pack(">H", n)
        mask = os.urandom(4)
        self.s.sendall(head + mask + bytes(c ^ mask[i & 3] for i, c in enumerate(text)))
        while True:
            m = self.message()
            if m.get("id") == self.id:
                return m

    def evaluate(self, expression):
        r = self.call("Runtime.evaluate", expression=expression)
        return r.get("result", {}).get("result", {}).get("value")


def pages(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/json" % port, timeout=30) as r:
        return [x["webSocketDebuggerUrl"] for x in json.load(r) if x["type"] == "page"]


def new_page(port):
    req = urllib.request.Request("http://127.0.0.1:%d/json/new?about:blank" % port, method="PUT")
    with urllib.request.urlopen(req, timeout=30) as r:
        return json.load(r)["webSocketDebuggerUrl"]
