import gzip
import socket
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from apprise.manager_plugins import NotificationManager

from sinks.notify.addresses import SCHEMES, RefusedAddress, Undelivered, open_address, send, shown, without_secrets
from sinks.notify.guard import public_only
from sinks.notify.text import Text


def test_the_guard_stands_at_the_connection() -> None:
    """Whatever name or form led there; and only inside the `with`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with public_only() as refused:
            for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"):
                with pytest.raises(OSError, match=r"not a public address|refused"):
                    socket.create_connection((host, port), timeout=1)
            with socket.socket(socket.AF_UNIX) as unix, pytest.raises(PermissionError):
                unix.connect("/nowhere/at/all")
        assert set(refused) >= {"127.0.0.1", "/nowhere/at/all"}
        socket.create_connection(("127.0.0.1", port)).close()


MUCH = {"": bytes(20_000_000), "gzip": gzip.compress(gzip.compress(bytes(500_000_000)))}


class Talkative(BaseHTTPRequestHandler):
    """Answers with far more than anybody asked for."""

    encoding = ""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip, gzip" if self.encoding else "identity")
        self.end_headers()
        try:
            self.wfile.write(MUCH[self.encoding])
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_does_not_fill_the_memory(encoding: str) -> None:
    """It is given up, packed twice or plain, and counts as not delivered."""
    handler = type("Handler", (Talkative,), {"encoding": encoding})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = open_address(f"json://127.0.0.1:{server.server_port}/")
        tracemalloc.start()
        with pytest.raises(Undelivered):
            send(opened, Text("title", "body"), "completed", private=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        server.shutdown()
    assert most < 8_000_000


@pytest.mark.parametrize(
    "form",
    [
        "json://127.0.0.1:{port}/",
        "json://user:secret@localhost:{port}/",
        "json://2130706433:{port}",
        "json://0x7f.1:{port}/path",
        "json://127.1:{port}/",
        "json://0:{port}/",
        "json://[::1]:{port}/",
        "json://[::ffff:127.0.0.1]:{port}/",
        "jsons://127.0.0.1:{port}/?verify=no",
        "xml://127.0.0.1:{port}/",
        "form://127.0.0.1:{port}/",
        "json://127.0.0.1:{port}/?redirect=yes&retry=2&wait=0",
        "mailto://a:b@example.org?smtp=127.0.0.1&port={port}&to=x@example.org",
        "mailto://a:b@127.0.0.1:{port}?to=x@example.org",
        "gotify://127.0.0.1:{port}/ABCDEFGHIJKLMNO",
        "ntfy://127.0.0.1:{port}/topic",
        "matrix://user:pass@127.0.0.1:{port}/#room",
        "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4",
        "rocket://user:pass@127.0.0.1:{port}/#channel",
        "apprise://127.0.0.1:{port}/token",
    ],
)
def test_no_form_of_a_private_address_is_reached(form: str) -> None:
    """0 connections arrive, whatever the service and the way the address is written."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        said = said_by_sending(form.format(port=server.getsockname()[1]))
        assert said
        assert "secret" not in said
        with pytest.raises(TimeoutError):
            server.accept()


def said_by_sending(address: str) -> str:
    """What the refusal says, if there is one."""
    try:
        send(open_address(address), Text("t", "b"), "failed", private=False)
    except (RefusedAddress, Undelivered) as error:
        return str(error)
    return ""


def test_what_the_service_says_is_the_reason() -> None:
    """Whoever reads the dead letter learns what to mend."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Undelivered, match="Connection error occurred sending JSON"):
        send(open_address(f"json://127.0.0.1:{port}/"), Text("t", "b"), "failed", private=True)


@pytest.mark.parametrize(
    ("address", "said", "told"),
    [
        (
            "jsons://ann:word@hooks.org/T1JJ/xyz?key=v3ry",
            "hooks.org: ann, word at T1JJ/xyz v3ry",
            "hooks.org: ann, … at …/xyz …",
        ),
        ("jsons://ann:pa%24%24@hooks.org", "pa$$ is pa%24%24", "… is …"),
        ("jsons://ann:p@ss@hooks.org", "p@ss at hooks.org", "… at hooks.org"),
        ("jsons://ann:hooks@hooks.org", "hooks is wrong", "… is wrong"),
        ("jsons://hooks.org/pass wörd", "no /pass%20w%C3%B6rd", "no /…%20…"),
        ("twilio://AC12:tok12@15551230000/1-555-123-4567,15557654321", "to +15551234567, +15557654321", "to +…, +…"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXr", "x" * 490 + "TIiajkdnlazkcOXr", "x" * 490 + "…"),
        ("no address at [all", "all at sea", "all at sea"),
    ],
    ids=["parts", "quoted", "separator in it", "part of the host", "made a path", "numbers", "cut last", "none"],
)
def test_what_a_service_says_is_told_without_the_address_s_secrets(address: str, said: str, told: str) -> None:
    """Wherever they stand in the address, and however it writes them."""
    assert without_secrets(said, address) == told


def test_a_private_address_is_refused_for_good() -> None:
    """And the sentence says what opens it."""
    with pytest.raises(RefusedAddress, match=r"127.0.0.1 is not a public address; HEADRACE_HTTP_PRIVATE=true"):
        send(open_address("json://127.0.0.1:9/"), Text("t", "b"), "failed", private=False)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("dbus://", "no address that notifications may go to"),
        ("syslog://", "no address"),
        ("windows://", "no address"),
        ("file:///etc/passwd", "no address"),
        ("nonsense", "an address without a scheme"),
        ("", "an address without a scheme"),
        ("javascript:alert(1)", "no address"),
        ("slack://token", "not complete; see Apprise's documentation of slack://"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd", "'template', which may name"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?Template=file:///etc/passwd", "'template', which may name"),
        ("mailtos://u:p@example.org?pgpkey=/root/.ssh/id_rsa", "'pgpkey', which may name"),
    ],
)
def test_addresses_that_are_refused(address: str, words: str) -> None:
    """Services of this machine, files, and what is no address; each in a sentence."""
    with pytest.raises(RefusedAddress, match=words):
        open_address(address)


def test_the_allow_list_names_services_that_exist() -> None:
    """A misspelt one would refuse its users."""
    with pytest.raises(RefusedAddress):
        open_address("")  # loads them all
    assert set(NotificationManager().schemas()) >= SCHEMES


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("json://user:secret@example.org:80/token?+key=value", "json://example.org:80/…"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/secret", "slack://…"),
        ("MailTo://user:secret@example.org", "mailto://…"),
        ("secret", "an address without a scheme"),
    ],
)
def test_what_is_shown_of_an_address(address: str, name: str) -> None:
    """Never its secrets."""
    assert shown(address) == name
