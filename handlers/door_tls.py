"""TLS of Shopify's door: who is let in, and how that changes without a restart.

The trust store is data: a folder of PEM files, roots and intermediates, as many at once as a rotation needs. It is read
anew when a file of it changes, as are the door's own certificate and key; each handshake uses what was read last.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.x509 import Certificate, load_pem_x509_certificates

from app import metrics
from app.errors import SettleError
from app.logs import get_logger
from app.settings import Settings, variable

Marks = tuple[tuple[str, int, int, int], ...]


class DoorCertificateInvalid(SettleError):
    """Shopify's door can not be opened: {problem}."""

    reason = "door_certificate_invalid"
    status = 500


class DoorContext(ssl.SSLContext):
    """A context that lends every new connection the one that was loaded last."""

    loaded: ssl.SSLContext

    def wrap_bio(self, *arguments: Any, **more: Any) -> ssl.SSLObject:
        return self.loaded.wrap_bio(*arguments, **more)


class DoorTls:
    """The door's TLS. `context` is for the server; `watch` keeps it up to date. Raises DoorCertificateInvalid."""

    def __init__(self, settings: Settings) -> None:
        for name in ("shopify_certificate", "shopify_key", "shopify_trust"):
            if not getattr(settings, name):
                raise DoorCertificateInvalid(problem=f"{variable(name)} is not set")
        self._settings = settings
        self.context = DoorContext(ssl.PROTOCOL_TLS_SERVER)
        self._marks: Marks = ()
        self.reload()

    def reload(self) -> bool:
        """Read the files anew if one has changed. False: none has. Raises DoorCertificateInvalid and keeps the old."""
        marks = tuple(self._mark())
        if marks == self._marks:
            return False
        # Remembered first: what can not be read now is not tried again before it changes.
        self._marks = marks
        context, trusted = self._load()
        self.context.loaded = context
        self._measure(trusted)
        return True

    async def watch(self, stop: asyncio.Event) -> None:
        """Look for changes until `stop`. What can not be used alarms, and changes nothing."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.trust_reload_seconds)
            try:
                if await asyncio.to_thread(self.reload):
                    get_logger().info("door_certificates_reloaded", files=len(self._marks))
            except DoorCertificateInvalid as error:
                metrics.alarms_total.labels(reason=error.reason).inc()
                get_logger().error("door_certificates_not_reloaded", problem=error.message)

    def _trust_files(self) -> list[Path]:
        return sorted(Path(self._settings.shopify_trust).glob("*.pem"))

    def _mark(self) -> Iterator[tuple[str, int, int, int]]:
        own = (Path(self._settings.shopify_certificate), Path(self._settings.shopify_key))
        for path in (*own, *self._trust_files()):
            with suppress(OSError):
                about = path.stat()
                yield str(path), about.st_ino, about.st_size, about.st_mtime_ns

    def _load(self) -> tuple[ssl.SSLContext, list[Certificate]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        # The trust store may hold an intermediate without its root: it is trusted as it stands.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_cert_chain(self._settings.shopify_certificate, self._settings.shopify_key)
        except (OSError, ssl.SSLError) as error:
            raise DoorCertificateInvalid(problem=f"certificate or key: {error}") from None
        files = self._trust_files()
        if not files:
            raise DoorCertificateInvalid(problem=f"no .pem file in {self._settings.shopify_trust}")
        trusted: list[Certificate] = []
        for file in files:
            try:
                context.load_verify_locations(file)
                trusted += load_pem_x509_certificates(file.read_bytes())
            except (OSError, ssl.SSLError, ValueError) as error:
                raise DoorCertificateInvalid(problem=f"{file}: {error}") from None
        return context, trusted

    def _measure(self, trusted: list[Certificate]) -> None:
        """Tell when each certificate ends, so that somebody hears of it before Shopify does."""
        metrics.certificate_end_seconds.clear()
        own = load_pem_x509_certificates(Path(self._settings.shopify_certificate).read_bytes())
        for place, certificates in (("door", own), ("trust", trusted)):
            for certificate in certificates:
                metrics.certificate_end_seconds.labels(
                    place=place, subject=certificate.subject.rfc4514_string(), serial=f"{certificate.serial_number:x}"
                ).set(certificate.not_valid_after_utc.timestamp())
