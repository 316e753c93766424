"""The example application: a page with its version and a row of its database."""

import http.server
import os
import signal
import socketserver
import threading
import time

import page
import psycopg2

VERSION = page.version()


class Requests:
    """Counts the requests being answered, so that a stop can wait for them and not for idle connections."""

    def __init__(self):
        self.count, self.changed = 0, threading.Condition()

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *_):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait_for_none(self):
        with self.changed:
            self.changed.wait_for(lambda: self.count == 0)


REQUESTS = Requests()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 65  # longer than the load balancer's idle timeout: it closes first
    wbufsize = -1  # one write per answer

    def do_GET(self):
        with REQUESTS:
            self.get()

    def get(self):
        if self.path == "/healthz":
            self.answer(*page.health(query))
        elif self.path == "/stream":
            self.stream()
        else:
            self.answer(200, page.index(VERSION, query(page.GREETING)[0]))

    def do_POST(self):
        with REQUESTS:
            self.post()

    def post(self):
        length = int(self.headers.get("Content-Length") or 0)
        visitor = self.rfile.read(length).decode("utf-8", "replace")[:100]
        query("INSERT INTO visits (visitor) VALUES (%s) RETURNING id", visitor)
        self.answer(200, f"thank you, from version {VERSION}\n")

    def stream(self):
        """Eight seconds of a line every half second: a response that outlives a rollout."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("X-Version", VERSION)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(17):
            line = f"line {i} of version {VERSION}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            if i < 16:
                time.sleep(0.5)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        if self.path != "/healthz":
            print(self.address_string(), form % args, flush=True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


LOCAL = threading.local()


def query(sql, *args):
    """The first row. A connection for each thread, made anew once if it was lost
    (a visit is then counted twice at worst)."""
    for last in (False, True):
        try:
            if getattr(LOCAL, "connection", None) is None:
                LOCAL.connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=3)
                LOCAL.connection.autocommit = True
            with LOCAL.connection.cursor() as cursor:
                cursor.execute(sql, args)
                return cursor.fetchone()
        except psycopg2.OperationalError:
            LOCAL.connection = None
            if last:
                raise


def main():
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"version {VERSION} answers on port {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    REQUESTS.wait_for_none()
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
