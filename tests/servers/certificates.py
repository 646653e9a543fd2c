"""Certificates for servers on loopback: an authority of our own and what it signs, made anew for each test run."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: `ca` to trust, `good` (key and chain) for 127.0.0.1 and localhost, `other` for elsewhere.test."""

    ca: Path
    good: Path
    other: Path


def issue(folder: Path) -> Certificates:
    """Write the three files into `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("keywatch test authority")
    authority = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca = folder / "ca.pem"
    ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    good = _server(folder / "good.pem", here, name, key)
    other = _server(folder / "other.pem", [x509.DNSName("elsewhere.test")], name, key)
    return Certificates(ca, good, other)


def _server(path: Path, names: list[x509.GeneralName], issuer: x509.Name, signer: ec.EllipticCurvePrivateKey) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(_name("server"), issuer, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )
