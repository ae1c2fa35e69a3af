"""Calls to a provider of OpenID Connect: its configuration, its keys, and a code for an ID token.

The library joserfc checks signatures and times. What else a token must say is in server.core.office.sign_on.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import extract_compact

from protocol.undecodable import UNDECODABLE
from server.core.office.sign_on import ExpectedToken, FlowSecrets, SignOnRefused, check_token
from server.core.webhooks.addresses import Network
from server.outgoing_http import CLOSED, GuardedSessions, in_words, read_whole

SECTION: Final = "oidc"
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "EdDSA"]
CONFIGURATION: Final = "/.well-known/openid-configuration"
ANSWER_BYTES_MAX: Final = 256 << 10
TIMEOUT_S: Final = 5.0
IN_FLIGHT_MAX: Final = 8
KNOWN_S: Final = 3_600.0  # for so long configuration and keys hold
AGAIN_S: Final = 30.0  # keys are read again for one that is not known, but not more often
LEEWAY_S: Final = 60  # clocks may differ by so much
ASYMMETRIC: Final = frozenset({"RSA", "EC", "OKP"})
Answered = TypeVar("Answered", bound=msgspec.Struct)
TIMES: Final[dict[str, Any]] = {name: {"essential": True} for name in ("exp", "iat", "iss", "aud", "sub", "nonce")}


class OidcClient(NamedTuple):
    """What this server is to the provider. `secret` empty: a public client, whose proof is PKCE alone."""

    issuer: str
    client_id: str
    secret: str
    redirect_uri: str
    scopes: Sequence[str]


class ProviderConfiguration(msgspec.Struct, frozen=True):
    """What is used of the configuration that a provider publishes."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = []


class TokenAnswer(msgspec.Struct, frozen=True):
    """What is used of the answer of the token endpoint."""

    id_token: str


class JwksAnswer(msgspec.Struct, frozen=True):
    """A set of keys."""

    keys: list[dict[str, Any]]


class OidcProvider:
    """One provider. All methods raise SignOnRefused."""

    def __init__(
        self,
        client: OidcClient,
        allowed: Sequence[Network],
        now_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
    ) -> None:
        """`allowed`: private networks that calls may go to. `elapsed_s` is a monotonic clock."""
        self._client, self._allowed = client, allowed
        self._now_ms, self._elapsed_s = now_ms, elapsed_s
        self._sessions: GuardedSessions | None = None  # opened with the first call
        self._is_closed = False
        self._configuration: ProviderConfiguration | None = None
        self._keys = KeySet([])
        self._configured_s = self._keys_s = float("-inf")

    @property
    def issuer(self) -> str:
        """Whose operators these are."""
        return self._client.issuer

    async def login_url(self, flow: FlowSecrets) -> str:
        """Where a browser goes to log in."""
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": " ".join(self._client.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = (await self._known()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def claims(self, code: str, flow: FlowSecrets) -> Mapping[str, Any]:
        """The claims of the ID token that the provider gives for a code, once they are proven."""
        known = await self._known()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "client_id": self._client.client_id,
            "code_verifier": flow.verifier,
        }
        headers = {}
        if self._client.secret:
            if known.token_endpoint_auth_methods_supported == ["client_secret_post"]:
                form["client_secret"] = self._client.secret
            else:
                user, password = quote_plus(self._client.client_id), quote_plus(self._client.secret)
                headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        answer = await self._call(TokenAnswer, known.token_endpoint, form, headers)
        claims = await self._proven(answer.id_token)
        check_token(claims, ExpectedToken(self._client.issuer, self._client.client_id, flow.nonce))
        return claims

    async def close(self) -> None:
        """Close all connections, for good."""
        sessions, self._sessions, self._is_closed = self._sessions, None, True
        if sessions is not None:
            await sessions.close()

    # --- the ID token -----------------------------------------------------------------------------------------

    async def _proven(self, token: str) -> dict[str, Any]:
        """The claims, if a key of the provider has signed them and they hold now."""
        times = jwt.JWTClaimsRegistry(now=self._now_ms() // 1000, leeway=LEEWAY_S, **TIMES)
        try:
            found = jwt.decode(token, await self._keys_for(token), algorithms=ALGORITHMS)
            times.validate(found.claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SignOnRefused(f"the ID token is not proven: {_named(error)}") from None
        return dict(found.claims)

    async def _keys_for(self, token: str) -> KeySet:
        """The keys of the provider; read again if they are old, or none of them is that of the token."""
        age_s = self._elapsed_s() - self._keys_s
        if age_s > KNOWN_S or (age_s > AGAIN_S and _kid(token) not in {key.kid for key in self._keys}):
            known = await self._known()
            answer = await self._call(JwksAnswer, known.jwks_uri)
            self._keys, self._keys_s = KeySet(list(filter(None, map(_key, answer.keys)))), self._elapsed_s()
        return self._keys

    # --- calls ------------------------------------------------------------------------------------------------

    async def _known(self) -> ProviderConfiguration:
        """The configuration of the provider."""
        if self._configuration is None or self._elapsed_s() - self._configured_s > KNOWN_S:
            found = await self._call(ProviderConfiguration, self._client.issuer.rstrip("/") + CONFIGURATION)
            if found.issuer != self._client.issuer:
                raise SignOnRefused("the configuration of the provider names another issuer")
            scheme = urlsplit(self._client.issuer).scheme
            for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                if urlsplit(url).scheme not in ("https", scheme) or not url.isascii() or not url.isprintable():
                    raise SignOnRefused("the configuration of the provider names an address without TLS")
            self._configuration, self._configured_s = found, self._elapsed_s()
        return self._configuration

    async def _call(
        self,
        shape: type[Answered],
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """A GET, or a POST of a form; the answer in this shape."""
        if self._is_closed:
            raise SignOnRefused(CLOSED)
        if self._sessions is None:
            most = {"most": IN_FLIGHT_MAX, "most_of_host": IN_FLIGHT_MAX}
            self._sessions = GuardedSessions(SECTION, self._allowed, TIMEOUT_S, **most)
        sent = {"Accept": "application/json", "User-Agent": "hongbao", **(headers or {})}
        try:
            async with self._sessions.of(url).request(
                "GET" if form is None else "POST", url, data=form, headers=sent, allow_redirects=False
            ) as response:
                answer = await read_whole(response, ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SignOnRefused(f"{_place(url)}: {in_words(error, TIMEOUT_S)}", "sign_on_away") from None
        if response.status != 200 or answer is None:
            raise SignOnRefused(f"{_place(url)}: HTTP status {response.status}")
        try:
            return msgspec.json.decode(answer, type=shape)
        except UNDECODABLE as error:
            raise SignOnRefused(f"{_place(url)}: {error}") from None


def _key(data: dict[str, Any]) -> Key | None:
    """A key that signs; None: it is one for something else, or of a kind that is not known here."""
    if data.get("kty") not in ASYMMETRIC or data.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(data)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _kid(token: str) -> str | None:
    """The name of the key that a token says it is signed with."""
    found = extract_compact(token.encode()).headers().get("kid")
    return found if isinstance(found, str) else None


def _place(url: str) -> str:
    """A URL for the log: without its query."""
    return url.partition("?")[0][:200]


def _named(error: Exception) -> str:
    """An error of the library in a few words; never what the token says."""
    return str(getattr(error, "error", "") or type(error).__name__)[:60]
