"""A private certificate authority for web.whatsapp.com, made anew for every server.

Go's TLS reads the authorities it trusts from the file named by SSL_CERT_FILE (crypto/x509).
"""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .transport import HOST

DAY = datetime.timedelta(days=1)


def tls_context(folder: Path, host_name: str = HOST) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context, and the file with the authority that clients must trust."""
    authority_key, host_key = _new_key(), _new_key()
    name = _name("WhatsApp test server")
    authority = _builder(name, name, authority_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    host = (
        _builder(_name(host_name), name, host_key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host_name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    trusted = folder / "authority.pem"
    trusted.write_bytes(authority.sign(authority_key, SHA256()).public_bytes(Encoding.PEM))
    chain = folder / "host.pem"
    chain.write_bytes(
        host_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + host.sign(authority_key, SHA256()).public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_alpn_protocols(["http/1.1"])  # a websocket over HTTP/2 is not spoken here
    return context, trusted


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
