"""Every setting of the engine's client, declared once, like `server.settings` and for its readers.

Invariants: frozen; checked as a whole when it is made. Secrets are not shown by `repr`, and are
better given by the environment or in a file than on a command line, which others can see.
This module knows nothing of what reads the settings.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import attrs
from cyclopts import Parameter

from server.settings import SettingsError

__all__ = ["EngineSettings"]

_URLS_DEFAULT = ("nats://127.0.0.1:4222",)


def _setting(name: str, text: str) -> Parameter:
    return Parameter(name=f"--{name}", help=text)


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class EngineSettings:
    """How to reach the engine (NATS with JetStream), and how well it keeps what it is given."""

    urls: Annotated[
        tuple[str, ...],
        _setting(
            "engine", "Address of a nats-server, for instance nats://10.0.0.1:4222 or tls://…"
        ),
    ] = _URLS_DEFAULT
    credentials: Annotated[
        Path | None, _setting("engine-credentials", "File with a user's JWT and seed (.creds).")
    ] = None
    user: Annotated[str | None, _setting("engine-user", "User name.")] = None
    password: Annotated[
        str | None, _setting("engine-password", "The user's password; better in the environment.")
    ] = attrs.field(default=None, repr=False)
    token: Annotated[str | None, _setting("engine-token", "Token, where the server wants one.")] = (
        attrs.field(default=None, repr=False)
    )
    tls_ca: Annotated[
        Path | None,
        _setting("engine-tls-ca", "Certificates to trust the server by; none: the system's."),
    ] = None
    tls_cert: Annotated[
        Path | None, _setting("engine-tls-cert", "Certificate by which the server knows us.")
    ] = None
    tls_key: Annotated[Path | None, _setting("engine-tls-key", "The key of that certificate.")] = (
        None
    )
    replicas: Annotated[
        int,
        _setting("engine-replicas", "Servers that keep each stream; in a cluster 3 or 5."),
    ] = 1
    wait_s: Annotated[
        float, _setting("engine-wait-s", "How long a start waits for the engine to be there.")
    ] = 10.0

    def __attrs_post_init__(self) -> None:
        if not self.urls:
            raise SettingsError("engine: no address of a nats-server is given")
        for url in self.urls:
            _check_url(url)
        for name, path in (
            ("engine-credentials", self.credentials),
            ("engine-tls-ca", self.tls_ca),
            ("engine-tls-cert", self.tls_cert),
            ("engine-tls-key", self.tls_key),
        ):
            if path is not None and not path.is_file():
                raise SettingsError(f"{name}: there is no file {path}")
        if (self.user is None) != (self.password is None):
            raise SettingsError("engine-user and engine-password go together")
        given = (self.credentials, self.user, self.token)
        if sum(each is not None for each in given) > 1:
            raise SettingsError("engine: give one of credentials, user and token")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("engine-tls-cert and engine-tls-key go together")
        if self.replicas not in {1, 3, 5}:
            raise SettingsError(f"engine-replicas: {self.replicas} is not 1, 3 or 5")
        if not 0 <= self.wait_s <= 3600:
            raise SettingsError(f"engine-wait-s: {self.wait_s} is not within 0 to 3600")

    @property
    def given(self) -> bool:
        """Whether somebody named an engine; `shoal up` starts one of its own otherwise."""
        return self.urls is not _URLS_DEFAULT

    @property
    def tls(self) -> bool:
        """Whether anything asks for an encrypted link."""
        secure = any(urlsplit(url).scheme == "tls" for url in self.urls)
        return secure or self.tls_ca is not None or self.tls_cert is not None


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in {"nats", "tls"} or not parts.hostname or port == -1:
        raise SettingsError(f"engine: {url!r} is not like nats://10.0.0.1:4222")
    if parts.username or parts.password:
        raise SettingsError("engine: an address holds a secret; give it as a setting of its own")
