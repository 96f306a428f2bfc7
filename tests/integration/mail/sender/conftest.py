"""The name server for these tests, and valid records."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.name_server import NameServer

DOMAIN, SELECTOR = "example.org", "mail2026"
DMARC, DKIM = f"_dmarc.{DOMAIN}", f"{SELECTOR}._domainkey.{DOMAIN}"


def key_of(bits: int) -> str:
    """Return a public RSA key in the format of DNS records."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    written = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(written).decode()


RSA = key_of(2048)
GOOD = {
    DOMAIN: ["v=spf1 ip4:192.0.2.1 ~all", "other-site-verification=1"],
    DKIM: [f"v=DKIM1; k=rsa; p={RSA}"],
    DMARC: ["v=DMARC1; p=reject"],
}


@pytest.fixture
def server(settings: Any) -> Iterator[NameServer]:
    with NameServer() as running:
        settings.DNS_SERVER = running.address
        settings.EMAIL_HOST = "smtp.example.net"
        settings.DEFAULT_FROM_EMAIL = f"post@{DOMAIN}"
        running.txt(GOOD)
        yield running
