"""Object storage that speaks S3, for tests: rclone over a directory, with TLS, one access key and checked signatures."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.loopback import until_it_listens
from support.postgres import free_port

ACCESS_KEY, SECRET_KEY = "made-up-access", "made-up-secret"


class ObjectStorage:
    """One server on loopback. A folder of `directory` is a bucket, a file in it an object; `authority` is the certificate to trust."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="commonweal-s3-")
        home = Path(self._scratch.name)
        self.directory, self.authority, self._key, self._log = home / "data", home / "cert.pem", home / "key.pem", home / "log"
        self.directory.mkdir()
        self.port = free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._certify()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._scratch.cleanup()

    def start(self) -> None:
        """Start the server and return when it listens."""
        options = {
            "addr": f"127.0.0.1:{self.port}",
            "auth-key": f"{ACCESS_KEY},{SECRET_KEY}",
            "cert": self.authority,
            "key": self._key,
            "dir-cache-time": "0",  # what a test changes is seen at once
            "config": "",
        }
        program = Path(sys.executable).parent / "rclone"
        command = [program, "serve", "s3", self.directory, *(f"--{k}={v}" for k, v in options.items())]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until_it_listens(self._process, self.port, self._log)

    def stop(self) -> None:
        """Stop the server; the objects stay until the context ends."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _certify(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "object storage of a test")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._key.write_bytes(key.private_bytes(*pem))
