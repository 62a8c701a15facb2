"""Ports: is one free, which one is."""

import contextlib
import socket


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: waiting connections are no server
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(servers: str, within: float = 1.0) -> bool:
    """Whether one of `host:port,host:port` takes a connection within that many seconds."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), within):
            return True
    return False


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback that nobody uses now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
