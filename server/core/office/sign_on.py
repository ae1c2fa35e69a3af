"""Single sign-on of the back office, the pure part: secrets of a flow, the claims of an ID token, roles, names.

A browser that begins a flow gets a secret in a cookie. State, nonce and PKCE verifier are made from it, so the
record has a hash alone, and only this browser can end the flow.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from server.core.office.roles import OfficeRole

BACK: Final = "/oidc/back"  # where the provider sends a browser back to
FLOW_MS: Final = 10 * 60_000  # from the link to the way back
NAME_MAX: Final = 32
SUBJECT_MAX: Final = 255  # as the standard has it
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


class SignOnRefused(Exception):
    """A login is not accepted. The message is one line for the log of the server; `word`: what the page says."""

    def __init__(self, why: str, word: str = "sign_on_failed") -> None:
        super().__init__(why)
        self.word = word


class FlowSecrets(NamedTuple):
    """What a flow sends, of which each is made from the secret of its browser."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """What is shown of the verifier when the flow begins (PKCE, S256)."""
        return _text(sha256(self.verifier.encode()).digest())


class ExpectedToken(NamedTuple):
    """What an ID token must say to be that of this flow."""

    issuer: str
    client_id: str
    nonce: str


class SignOnRules(NamedTuple):
    """Which claims tell role and name of an operator. `roles`: by value of the claim; the first that fits holds."""

    role_claim: str
    roles: Mapping[str, OfficeRole]
    name_claim: str


class Person(NamedTuple):
    """Who has logged in at the provider."""

    subject: str
    name: str
    role: OfficeRole


def flow_secrets(secret: str) -> FlowSecrets:
    """The secrets of the flow of a browser."""
    made = (_text(hmac.digest(secret.encode(), word, "sha256")) for word in (b"state", b"nonce", b"verifier"))
    return FlowSecrets(*made)


def is_state(secret: str, given: str) -> bool:
    """Whether a state came back to the browser that has begun its flow."""
    return hmac.compare_digest(flow_secrets(secret).state.encode(), given.encode("utf-8", "replace"))


def check_token(claims: Mapping[str, Any], expected: ExpectedToken) -> None:
    """Whom the token is from, whom it is for, and of which flow it is. Raises SignOnRefused.

    Its signature and its times are checked before. Types are checked, too: a list that has the right issuer among
    others is not the right issuer.
    """
    if claims.get("iss") != expected.issuer:
        raise SignOnRefused("the ID token is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise SignOnRefused("the ID token is for another client")
    party = claims.get("azp")
    if (len(audiences) > 1 or party is not None) and party != expected.client_id:
        raise SignOnRefused("the ID token is for several clients, and was not given to this one")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise SignOnRefused("the ID token is of another flow")


def person_of(claims: Mapping[str, Any], rules: SignOnRules) -> Person:
    """Who an ID token is about, and what they may do. Raises SignOnRefused."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MAX or not subject.isprintable():
        raise SignOnRefused("the ID token has no subject")
    role = _role(_claim(claims, rules.role_claim), rules.roles)
    if role is None:
        raise SignOnRefused(f"no role is given to {subject!r} by the claim {rules.role_claim}", "sign_on_no_role")
    return Person(subject, _name(_claim(claims, rules.name_claim), subject), role)


def _claim(claims: Mapping[str, Any], path: str) -> object:
    """A claim, which may be inside of others: `realm_access.roles`. One whose whole name has dots comes first."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _role(value: object, roles: Mapping[str, OfficeRole]) -> OfficeRole | None:
    values = value if isinstance(value, list) else [value]
    return next((role for name, role in roles.items() if name in values), None)


def _name(value: object, subject: str) -> str:
    """A name as operators have it: other signs become a dash."""
    text = value if isinstance(value, str) and value else subject
    name = _NOT_IN_NAMES.sub("-", text.partition("@")[0]).strip("._-")[:NAME_MAX]
    return name or f"sub-{sha256(subject.encode()).hexdigest()[:12]}"


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
