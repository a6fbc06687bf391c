"""A nats-server's operator, account and user as JWTs, for a test of credentials files."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, kind: int) -> None:
        self.seed = bytes(nkeys.encode_seed(os.urandom(32), kind))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def sign(self, subject: "Key", name: str, claims: dict[str, Any]) -> str:
        """A JWT about `subject`."""
        body = {
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject.public,
            "name": name,
            "nats": {**claims, "version": 2},
        }
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode()
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        text = ".".join(encode(json.dumps(part).encode()) for part in (head, body))
        return f"{text}.{encode(self._pair.sign(text.encode()))}"


def write(folder: Path) -> tuple[Path, Path]:
    """A server's configuration and a user's credentials file, which belong together."""
    operator = Key(nkeys.PREFIX_BYTE_OPERATOR)
    system, account = Key(nkeys.PREFIX_BYTE_ACCOUNT), Key(nkeys.PREFIX_BYTE_ACCOUNT)
    user = Key(nkeys.PREFIX_BYTE_USER)
    anything = dict.fromkeys(("subs", "data", "payload", "conn", "leaf", "imports", "exports"), -1)
    storage = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    limits = {"limits": {**anything, **storage, "wildcards": True}, "type": "account"}
    plain = {"limits": {**anything, "wildcards": True}, "type": "account"}
    configuration = folder / "nats.conf"
    configuration.write_text(
        f"operator: {operator.sign(operator, 'operator', {'type': 'operator'})}\n"
        f"system_account: {system.public}\n"
        "resolver: MEMORY\n"
        "resolver_preload {\n"
        f"  {system.public}: {operator.sign(system, 'system', plain)}\n"
        f"  {account.public}: {operator.sign(account, 'shoal', limits)}\n"
        "}\n"
    )
    jwt = account.sign(user, "shoal", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    credentials = folder / "shoal.creds"
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    return configuration, credentials
