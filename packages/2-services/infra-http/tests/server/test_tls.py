"""A server with a certificate speaks https, and the application knows it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx2
import pytest

from infra_errors import ConfigError
from infra_http.server import ServerBuilder, ServerSettings, run

pytest.importorskip("cryptography")


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(cert), str(private)


async def test_https_is_served_and_hsts_is_said(served, certificate):
    cert, key = certificate
    settings = ServerSettings(ssl_certfile=cert, ssl_keyfile=key)
    app = (
        ServerBuilder("t", settings=settings)
        .route("/", lambda r: str(r.url.scheme))
        .security_headers()
        .drain(0, 5)
        .build()
    )
    context = ssl.create_default_context(cafile=cert)
    async with served(app) as server, httpx2.AsyncClient(verify=context) as client:
        response = await client.get(f"https://127.0.0.1:{server.port}/")
    assert "https" == response.text
    assert "strict-transport-security" in response.headers


@pytest.mark.parametrize("wrong", ["missing", "swapped"])
def test_a_certificate_that_cannot_be_used_is_refused_before_the_start(certificate, wrong):
    cert, key = certificate
    cert, key = (key, cert) if wrong == "swapped" else (cert + "x", key)
    with pytest.raises(ConfigError, match="certificate"):
        run(print, ssl_certfile=cert, ssl_keyfile=key)
