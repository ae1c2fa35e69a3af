"""A small provider of OpenID Connect, as a test runs it: honest unless it is told otherwise."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT, SECRET = "hongbao office", "a secret: with + and /"
Claims = dict[str, Any]


class SmallProvider:
    """Configuration, keys and tokens over HTTP. `person`: who logs in; the hooks spoil what it says."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self.url = self.office_url = ""  # the latter: of the back office, for browsers that log in by themselves
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.shown_keys: list[dict[str, Any]] = [self.key.as_dict(private=False)]
        self.person: Claims = {
            "sub": "248289",
            "preferred_username": "lin@corp.example",
            "groups": ["staff", "money"],
        }
        self.spoil_claims: Callable[[Claims], object] = lambda claims: None
        self.spoil_configuration: Callable[[Claims], object] = lambda configuration: None
        self.spoil_text: Callable[[bytes], bytes] = lambda text: text
        self.sign: Callable[[Claims], str] = self.signed
        self.codes: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen at a free port."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://{self._host}:{site._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    def log_in(self, url: str) -> str:
        """The person logs in at the address that a browser was sent to; where the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.url}/authorize?")
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
            CLIENT,
            "code",
            "S256",
        )
        assert asked["scope"].split()[0] == "openid"
        code = f"code {len(self.codes)}"
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"]).path
        return f"{back}?code={code.replace(' ', '%20')}&state={asked['state']}"

    def signed(self, claims: Claims) -> str:
        """An ID token."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    async def _configuration(self, request: web.Request) -> web.Response:
        self.calls.append("configuration")
        configuration = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        self.spoil_configuration(configuration)
        text = self.spoil_text(json.dumps(configuration).encode())
        return web.Response(body=text, content_type="application/json")

    async def _authorize(self, request: web.Request) -> web.Response:
        """Each browser is one of the person."""
        self.calls.append("authorize")
        back = self.log_in(f"{self.url}{request.raw_path}")
        return web.Response(status=302, headers={"Location": self.office_url.rstrip("/") + back})

    async def _keys(self, request: web.Request) -> web.Response:
        self.calls.append("keys")
        return web.json_response({"keys": self.shown_keys})

    async def _token(self, request: web.Request) -> web.Response:
        self.calls.append("token")
        form = await request.post()
        user, _, password = (
            b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        if (unquote_plus(user), unquote_plus(password)) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self.codes.pop(str(form["code"]), None)
        verifier = str(form["code_verifier"])
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now_s = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "nonce": asked["nonce"], "iat": now_s, "exp": now_s + 300}
        claims |= self.person
        self.spoil_claims(claims)
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": self.sign(claims)})


def unsigned(claims: Claims) -> str:
    """A token that says that it needs no signature."""
    parts = ({"alg": "none"}, claims)
    return ".".join(urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts) + "."


def signed_by_another(claims: Claims) -> str:
    """By a key of someone else, under the name of the provider's."""
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048, {"kid": "one"}))


def signed_by_secret(claims: Claims) -> str:
    """With the client's secret as a key, which a client must not take for the provider's."""
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


ELLIPTIC: Final = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})


def signed_elliptic(claims: Claims) -> str:
    """By a second key of the provider."""
    return jwt.encode({"alg": "ES256", "kid": "two"}, claims, ELLIPTIC)
