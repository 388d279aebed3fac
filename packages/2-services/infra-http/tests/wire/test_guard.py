"""The guard: what it refuses before and after the look-up, in the async and the sync client."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_errors import PermissionDeniedError
from infra_http._ranges import embedded, why_special
from infra_http._sync_guard import SyncGuardTransport
from infra_http.errors import AddressBlocked, ConnectFailed, HttpConfigError, HttpInputError
from infra_http.fast import FastTransport
from infra_http.guard import Address, SSRFGuard
from infra_http.pool import UpstreamPool
from infra_http.raw_server import RawServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

REFUSED_URLS = [
    "http://127.0.0.1/",
    "http://127.8.9.1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://198.18.0.1/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[4000::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[2a00::5efe:10.0.0.1]/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://127.0.0.1./",
    "http://1.1.1.1.1/",
    "http://example.0x/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://instance-data/",
    "http://user@example.com/",
    "http://user:secret@example.com/",
    "http://127.0.0.1:80@example.com/",
    "http://example.com:8080/",
    "http://example.com:22/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "http:///path",
]
ALLOWED_URLS = [
    "http://example.com/",
    "https://example.com:443/a?b=c#d",
    "https://xn--bcher-kva.example/",
    "http://bücher.example/",
    "http://under_score.example.com./",
    "http://93.184.216.34/",
    "http://[2606:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[64:ff9b::8.8.8.8]/",
    "http://172.32.0.1/",
    "http://169.253.1.1/",
]


def answering(*addresses: str) -> Any:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_this_url_is_refused_without_a_look_up(url: str) -> None:
    with pytest.raises((AddressBlocked, HttpInputError)) as caught:
        SSRFGuard(resolver=answering("8.8.8.8")).check_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_this_url_may_be_asked_for(url: str) -> None:
    SSRFGuard().check_url(url)
    SSRFGuard().check_url(httpx2.URL(url))


def test_a_refusal_is_a_denied_permission_and_a_failed_connection() -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        SSRFGuard().check_url("http://127.0.0.1/")
    assert isinstance(caught.value, httpx2.ConnectError)
    assert "http.address_blocked" == caught.value.code


@pytest.mark.parametrize("url", ["http://[::1", "http://a b/", "http://a:b/", 3])
def test_what_is_no_url_is_bad_input(url: Any) -> None:
    with pytest.raises((HttpInputError, AddressBlocked)):
        SSRFGuard().check_url(url)


@pytest.mark.parametrize(
    ("inside", "is_open"),
    [
        ("10.0.0.1", True), ("192.168.0.1", True), ("172.16.0.1", True), ("127.0.0.1", True),
        ("[::1]", True), ("[fd12::1]", True), ("[::ffff:10.0.0.1]", True),
        ("169.254.169.254", False), ("169.254.1.1", False), ("[fe80::1]", False),
        ("[fd00:ec2::254]", False), ("[fd20:ce::254]", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("[::]", False), ("224.0.0.1", False), ("[::ffff:169.254.1.1]", False),
        ("168.63.129.16", False), ("metadata.google.internal", False),
    ],
)  # fmt: skip
def test_allow_private_opens_private_and_loopback_and_nothing_else(
    inside: str, is_open: bool
) -> None:
    guard = SSRFGuard(allow_private=True)
    if is_open:
        guard.check_url(f"http://{inside}/")
    else:
        with pytest.raises(AddressBlocked):
            guard.check_url(f"http://{inside}/")


async def test_one_refused_address_refuses_the_name() -> None:
    for bad in ("10.0.0.1", "::1", "169.254.169.254", "fe80::1%lo", "no address"):
        with pytest.raises(AddressBlocked):
            await SSRFGuard(resolver=answering("8.8.8.8", bad)).resolve("example.com", 80)
        with pytest.raises(AddressBlocked):
            SSRFGuard(resolver=answering("8.8.8.8", bad)).resolve_now("example.com", 80)


async def test_checked_addresses_are_returned_in_order_and_once() -> None:
    guard = SSRFGuard(resolver=answering("8.8.8.8", "2606:4700::1111", "8.8.8.8"))
    expected = (Address("8.8.8.8", 80), Address("2606:4700::1111", 80))
    assert expected == await guard.resolve("example.com", 80)
    assert expected == guard.resolve_now("example.com", 80)
    assert [socket.AF_INET, socket.AF_INET6] == [address.family for address in expected]
    assert (Address("8.8.4.4", 1),) == await guard.resolve("8.8.4.4", 1)


async def test_the_real_look_up_of_localhost_is_refused_and_may_be_opened() -> None:
    with pytest.raises(AddressBlocked):
        await SSRFGuard().resolve("localhost", 80)
    with pytest.raises(AddressBlocked):
        SSRFGuard().resolve_now("localhost", 80)
    found = await SSRFGuard(allow_private=True).resolve("localhost", 80)
    assert {address.ip for address in found} <= {"127.0.0.1", "::1"}
    assert found == SSRFGuard(allow_private=True).resolve_now("localhost", 80)
    with pytest.raises(ConnectFailed):
        await SSRFGuard().resolve("does-not-exist.invalid", 80)
    with pytest.raises(ConnectFailed):
        SSRFGuard().resolve_now("does-not-exist.invalid", 80)


async def test_a_name_without_addresses_cannot_be_connected_to() -> None:
    with pytest.raises(ConnectFailed):
        await SSRFGuard(resolver=answering()).resolve("example.com", 80)


async def test_a_resolver_may_be_async_but_not_for_the_sync_client() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    guard = SSRFGuard(resolver=resolver)
    assert (Address("8.8.8.8", 80),) == await guard.resolve("example.com", 80)
    with pytest.raises(HttpConfigError, match="not async"):
        guard.resolve_now("example.com", 80)


async def test_named_hosts_are_not_looked_at() -> None:
    guard = SSRFGuard(allow_hosts=("vault.internal", "*.svc.local"), resolver=answering("10.0.0.1"))
    for host in ("vault.internal", "VAULT.internal.", "a.svc.local", "a.b.svc.local"):
        assert (Address("10.0.0.1", 80),) == await guard.resolve(host, 80)
    for host in ("svc.local", "notvault.internal", "x.vault.internal", "evil-svc.local"):
        with pytest.raises(AddressBlocked):
            await guard.resolve(host, 80)


async def test_networks_are_opened_and_closed_by_name() -> None:
    guard = SSRFGuard(
        allow_networks=("10.1.0.0/16", "169.254.169.254/32"),
        deny_networks=("10.1.9.0/24", "8.8.8.0/24"),
        allow_hosts=("named.example",),
    )
    guard.check_url("http://10.1.2.3/")
    guard.check_url("http://169.254.169.254/")
    for host in ("10.1.9.1", "8.8.8.8", "10.2.0.1"):
        with pytest.raises(AddressBlocked):
            guard.check_url(f"http://{host}/")
    denied = SSRFGuard(
        deny_networks=("8.8.8.0/24",), allow_hosts=("a.example",), resolver=answering("8.8.8.8")
    )
    with pytest.raises(AddressBlocked, match="denied"):
        await denied.resolve("a.example", 80)


def test_a_denied_network_also_holds_for_what_carries_its_addresses() -> None:
    guard = SSRFGuard(deny_networks=("8.8.8.0/24",))
    for host in ("[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "[2002:808:808::]"):
        with pytest.raises(AddressBlocked):
            guard.check_url(f"http://{host}/")


def test_ports_and_schemes_are_chosen() -> None:
    SSRFGuard(ports=None).check_url("http://example.com:8080/")
    SSRFGuard(ports=(8080,)).check_url("http://example.com:8080/")
    SSRFGuard(schemes=("HTTPS",)).check_url("https://example.com/")
    with pytest.raises(AddressBlocked, match="port 80"):
        SSRFGuard(ports=(8080,)).check_url("http://example.com/")
    with pytest.raises(AddressBlocked, match="scheme"):
        SSRFGuard(schemes=("https",)).check_url("http://example.com/")


@pytest.mark.parametrize(
    "options",
    [{"allow_networks": ("10.0.0.1/8",)}, {"deny_networks": ("x",)},
     {"allow_networks": "10.0.0.0/8"}, {"schemes": "https"}, {"allow_hosts": "a"}],
    ids=["host bits", "word", "text for networks", "text for schemes", "text for hosts"],
)  # fmt: skip
def test_settings_that_are_none_are_refused(options: Any) -> None:
    with pytest.raises(HttpConfigError):
        SSRFGuard(**options)


def _exotic(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Where the registry and Python differ on purpose, or from one Python to the next."""
    apart = ["192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16",
             "5f00::/16", "3fff::/20", "64:ff9b::/95", "64:ff9b:1::/48", "224.0.0.0/4", "ff00::/8",
             "100::/32", "::ffff:0:0/96", "::/96"]  # fmt: skip
    networks = [ipaddress.ip_network(text) for text in apart]
    return any(address.version == net.version and address in net for net in networks)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_the_ranges_agree_with_pythons(address: Any) -> None:
    if _exotic(address) or embedded(address):
        return
    special = why_special(address) is not None
    if address.version == 6 and address not in ipaddress.ip_network("2000::/3"):
        assert special  # Python calls addresses global that nobody has assigned
    else:
        assert special == (not address.is_global)


@given(st.ip_addresses(v=4), st.booleans())
def test_no_form_of_a_refused_address_is_let_in(address: Any, allow_private: bool) -> None:
    number = int(address)
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "6to4": 0x2002 << 112 | number << 80,
        "NAT64": 0x64FF9B << 96 | number,
        "ISATAP": 0x2A00 << 112 | 0x5EFE << 32 | number,
    }
    refused = why_special(address, allow_private=allow_private) is not None
    for form in forms.values():
        carrier = ipaddress.IPv6Address(form)
        if refused:
            assert why_special(carrier, allow_private=allow_private) is not None
    teredo = ipaddress.IPv6Address(0x20010000 << 96 | number << 64)
    assert why_special(teredo, allow_private=allow_private) is not None


# ---- in a client ---------------------------------------------------------------------------------


class Rebinding:
    """A DNS that says something harmless first and something else from then on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


def opened(server_port: int, resolver: Any) -> SSRFGuard:
    return SSRFGuard(ports=(server_port,), allow_networks=("127.0.0.1/32",), resolver=resolver)


async def test_the_socket_connects_to_the_address_that_was_checked() -> None:
    dns = Rebinding("127.0.0.1", "127.0.0.2")
    async with RawServer(OK) as server:
        guard = opened(server.port, dns)
        async with httpx2.AsyncClient(transport=FastTransport(guard=guard)) as client:
            response = await client.get(f"http://example.com:{server.port}/")
            assert "ok" == response.text
            stream = response.extensions["network_stream"]
            assert "127.0.0.1" == stream.get_extra_info("server_addr")[0]
            assert f"Host: example.com:{server.port}".encode() in server.received[0]
    assert 1 == dns.asked


async def test_a_name_that_rebinds_is_refused_at_the_next_connection() -> None:
    dns = Rebinding("127.0.0.1", "169.254.169.254")
    closing = OK.replace(b"content", b"connection: close\r\ncontent")
    async with RawServer(closing) as server:
        guard = opened(server.port, dns)
        async with httpx2.AsyncClient(transport=FastTransport(guard=guard)) as client:
            assert "ok" == (await client.get(f"http://example.com:{server.port}/")).text
            with pytest.raises(AddressBlocked):
                await client.get(f"http://example.com:{server.port}/")
    assert 2 == dns.asked


async def test_each_redirect_is_checked() -> None:
    to = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254:%d/\r\ncontent-length: 0\r\n\r\n"
    async with RawServer(lambda peer: answer(peer, to % server.port)) as server:
        guard = opened(server.port, answering("127.0.0.1"))
        async with httpx2.AsyncClient(
            transport=FastTransport(guard=guard), follow_redirects=True
        ) as client:
            with pytest.raises(AddressBlocked):
                await client.get(f"http://example.com:{server.port}/")


async def answer(peer: Any, data: bytes) -> None:
    await peer.request()
    await peer.send(data)
    await peer.read()


async def test_nothing_is_sent_to_a_refused_address() -> None:
    async with RawServer(OK) as server:
        async with httpx2.AsyncClient(transport=FastTransport(guard=SSRFGuard(ports=None))) as c:
            with pytest.raises(AddressBlocked):
                await c.get(server.url)
            with pytest.raises(AddressBlocked):
                await c.get(f"http://localhost:{server.port}")
        elsewhere = SSRFGuard(ports=(1,), allow_private=True)
        async with httpx2.AsyncClient(transport=FastTransport(guard=elsewhere)) as c:
            with pytest.raises(AddressBlocked, match="port"):
                await c.get(server.url)
        with pytest.raises(AddressBlocked):
            UpstreamPool(server.url, guard=SSRFGuard(ports=None))
        with pytest.raises(AddressBlocked, match="port"):
            UpstreamPool(server.url, guard=elsewhere)
        name = f"http://localhost:{server.port}"
        async with UpstreamPool(name, guard=SSRFGuard(ports=None)) as pool:
            with pytest.raises(AddressBlocked):
                await pool.request("GET", b"/", [])
            assert 0 == pool.stats().in_use
        assert 0 == server.connections


@pytest.fixture
def served() -> Iterator[RawServer]:
    """A server in a thread, for the sync client."""
    ready, stop = threading.Event(), threading.Event()
    servers: list[RawServer] = []

    async def serve() -> None:
        async with RawServer(OK) as server:
            servers.append(server)
            ready.set()
            await _until(lambda: bool(stop.is_set()))

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    yield servers[0]
    stop.set()
    thread.join()


@pytest.mark.threads
def test_the_sync_client_connects_to_the_address_that_was_checked(served: RawServer) -> None:
    dns = Rebinding("127.0.0.1", "169.254.169.254")
    transport = SyncGuardTransport(httpx2.HTTPTransport(), opened(served.port, dns))
    with httpx2.Client(transport=transport) as client:
        for _ in range(3):  # over one connection, so with one look-up
            assert "ok" == client.get(f"http://example.com:{served.port}/").text
        assert 1 == dns.asked
        assert 3 == served.received[0].count(f"Host: example.com:{served.port}".encode())
        with pytest.raises(AddressBlocked):
            client.get(f"http://other.example:{served.port}/")
        with pytest.raises(AddressBlocked):
            client.get(f"http://127.0.0.2:{served.port}/")
        with pytest.raises(AddressBlocked, match="port 1 "):
            client.get("http://example.com:1/")
        with pytest.raises(AddressBlocked, match="user"):
            client.get(f"http://me:secret@example.com:{served.port}/")
    assert 1 == served.connections


@pytest.mark.threads
def test_the_sync_client_tries_each_checked_address(served: RawServer) -> None:
    guard = SSRFGuard(ports=None, allow_private=True, resolver=answering("127.0.0.2", "127.0.0.1"))
    with httpx2.Client(transport=SyncGuardTransport(httpx2.HTTPTransport(), guard)) as client:
        assert "ok" == client.get(f"http://example.com:{served.port}/").text


@pytest.mark.parametrize(
    "inner",
    [httpx2.MockTransport(lambda request: httpx2.Response(200)),
     httpx2.HTTPTransport(proxy="http://127.0.0.1:1")],
    ids=["mock", "proxy"],
)  # fmt: skip
def test_what_cannot_be_guarded_is_refused(inner: httpx2.BaseTransport) -> None:
    with pytest.raises(HttpConfigError, match="without a proxy"):
        SyncGuardTransport(inner, SSRFGuard())
    inner.close()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
