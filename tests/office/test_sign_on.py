"""Single sign-on: the whole way, roles from a claim, and a provider, browsers and strangers that are hostile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from server import config
from server.config import ConfigError
from server.config.table import KEYS
from server.core.office.roles import OfficeRole
from server.core.office.sign_on import FLOW_MS
from server.gateways.oidc import provider as calls
from server.office.listening import check_sign_on
from server.services.office.operators import OperatorService
from tests.conftest import Server, StartServer, Turn
from tests.office import provider as hostile
from tests.office.conftest import ROOT, SERVES_OFFICE, Answered, Desk, desk_at, entries
from tests.office.provider import CLIENT, SECRET, SmallProvider

ROLES = {"boss": "admin", "money": "finance", "staff": "viewer"}


@pytest.fixture
async def provider() -> AsyncIterator[SmallProvider]:
    one = SmallProvider()
    await one.open()
    yield one
    await one.close()


@pytest.fixture
async def server(start_server: StartServer, provider: SmallProvider) -> Server:
    """A back office whose operators log in at the provider."""
    return await start_server(**SERVES_OFFICE, **oidc(provider.url))


def oidc(issuer: str) -> dict[str, Any]:
    """The keys of the config."""
    return {
        "oidc__issuer": issuer,
        "oidc__client_id": CLIENT,
        "oidc__client_secret": SECRET,
        "oidc__office_url": "http://127.0.0.1:7794",
        "oidc__roles": ROLES,
        "oidc__allow_private": ["127.0.0.0/8"],
    }


async def signed_on(desk: Desk, provider: SmallProvider, then: str = "/") -> Answered:
    """Log in at the provider and come back; what the back office says."""
    begun = await desk.get(f"/oidc?then={then}")
    assert begun.status == 303, begun.text
    return await desk.get(provider.log_in(begun.place))


async def refused(desk: Desk, provider: SmallProvider, said: str = "Single sign-on did not succeed") -> None:
    """Signing on gives no session."""
    answer = await signed_on(desk, provider)
    assert (answer.status, said in answer.text) == (403, True), answer.text
    assert "hongbao_office=" not in answer.headers.get("Set-Cookie", "")
    assert (await desk.get("/")).place == "/login"


async def test_sign_on_from_the_login_page_to_the_page_that_was_wanted(
    stranger: Desk, provider: SmallProvider, sql: Any
) -> None:
    page = await stranger.get("/login?then=/payments")
    assert 'href="/oidc?then=%2Fpayments"' in page.text
    done = await signed_on(stranger, provider, "%2Fpayments")
    assert done.status == 200
    assert 'http-equiv="refresh" content="0; url=/payments"' in done.text
    home = await stranger.get("/payments")
    assert (home.status, "<b>lin</b>" in home.text, ">finance<" in home.text) == (200, True, True)
    assert [one for one in await entries(sql) if one[1] != "payments"] == [
        ("single sign-on", "add_operator", "done", "operator", "1"),
        ("lin", "log_in", "done", "operator", "1"),
    ]
    assert (await stranger.post("/log-out")).place == "/login"
    await signed_on(stranger, provider)
    assert await sql.fetchval("SELECT count(*) FROM office_operators") == 1
    assert (await stranger.get("/")).status == 200


async def test_sign_on_cookies_are_for_this_site_and_the_record_has_no_secret(
    stranger: Desk, provider: SmallProvider, sql: Any
) -> None:
    begun = await stranger.get("/oidc")
    cookie = begun.headers["Set-Cookie"]
    assert cookie.startswith("hongbao_office_flow=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={FLOW_MS // 1000}"} <= set(cookie.split("; "))
    secret = cookie.partition("=")[2].partition(";")[0]
    assert secret not in begun.place
    assert secret not in str(await sql.fetch("SELECT t::text FROM office_sign_ons t"))
    done = await stranger.get(provider.log_in(begun.place))
    assert "SameSite=Strict" in done.headers["Set-Cookie"] or "hongbao_office_flow" in done.headers["Set-Cookie"]
    assert await sql.fetchval("SELECT count(*) FROM office_sign_ons") == 0


async def test_sign_on_role_is_that_of_the_first_row_that_fits_and_follows_the_provider(
    stranger: Desk, provider: SmallProvider, sql: Any
) -> None:
    for groups, role in ((["staff", "boss"], "admin"), ("staff", "viewer"), (["money", 7, None], "finance")):
        provider.person["groups"] = groups
        await signed_on(stranger, provider)
        assert await sql.fetchval("SELECT role FROM office_operators") == role
    assert [one[1] for one in await entries(sql)].count("change_operator") == 2
    for without in (["others"], [], None, {"boss": True}, "bos"):
        provider.person["groups"] = without
        answer = await signed_on(stranger, provider)
        assert (answer.status, "You have no role" in answer.text) == (403, True), without


@pytest.mark.parametrize(
    "spoil",
    [
        lambda claims: claims.update(iss="https://evil.example"),
        lambda claims: claims.update(iss=[claims["iss"], "https://evil.example"]),
        lambda claims: claims.update(aud="another"),
        lambda claims: claims.update(aud=[]),
        lambda claims: claims.update(aud=[CLIENT, "another"]),  # and no azp
        lambda claims: claims.update(aud=[CLIENT, "another"], azp="another"),
        lambda claims: claims.update(azp="another"),
        lambda claims: claims.update(nonce="another"),
        lambda claims: claims.update(nonce=[claims["nonce"]]),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.update(exp=claims["iat"] - calls.LEEWAY_S - 2),
        lambda claims: claims.update(exp="9999999999"),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.update(iat=claims["iat"] + calls.LEEWAY_S + 100),
        lambda claims: claims.update(nbf=claims["iat"] + calls.LEEWAY_S + 100),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.update(sub=""),
        lambda claims: claims.update(sub=["248289"]),
    ],
)
async def test_sign_on_token_that_says_something_else_is_refused(
    stranger: Desk, provider: SmallProvider, spoil: Callable[[dict[str, Any]], object]
) -> None:
    provider.spoil_claims = spoil
    await refused(stranger, provider)


@pytest.mark.parametrize(
    "sign",
    [
        hostile.unsigned,
        hostile.signed_by_another,
        hostile.signed_by_secret,
        hostile.signed_elliptic,
        lambda _: "a.b.c",
        lambda _: "",
    ],
)
async def test_sign_on_token_that_the_provider_has_not_signed_is_refused(
    stranger: Desk, provider: SmallProvider, sign: Callable[[dict[str, Any]], str]
) -> None:
    provider.sign = sign
    await refused(stranger, provider)


async def test_sign_on_secret_key_among_those_of_the_provider_signs_nothing(
    stranger: Desk, provider: SmallProvider
) -> None:
    provider.shown_keys.append({"kty": "oct", "k": "YSBzZWNyZXQ6IHdpdGggKyBhbmQgLw", "kid": "oct"})
    provider.shown_keys.append({"kty": "unheard of"})
    provider.sign = hostile.signed_by_secret
    await refused(stranger, provider)
    provider.sign = provider.signed
    assert (await signed_on(stranger, provider)).status == 200


async def test_sign_on_key_that_is_new_is_read_but_not_for_every_token(
    stranger: Desk, provider: SmallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await signed_on(stranger, provider)).status == 200
    provider.shown_keys.append(hostile.ELLIPTIC.as_dict(private=False))
    provider.sign = hostile.signed_elliptic
    await signed_on(stranger, provider)  # too soon after the keys were read
    assert provider.calls.count("keys") == 1
    monkeypatch.setattr(calls, "AGAIN_S", -1.0)
    assert (await signed_on(stranger, provider)).status == 200
    assert provider.calls.count("keys") == 2


async def test_sign_on_state_is_used_once_and_only_by_its_browser(
    stranger: Desk, provider: SmallProvider, server: Server, browsers: AsyncExitStack, sql: Any
) -> None:
    begun = await stranger.get("/oidc")
    back = provider.log_in(begun.place)
    other = await desk_at(browsers, server.app.office.url)
    for path in (back, "/oidc/back", "/oidc/back?state=&code=x"):
        answer = await other.get(path)
        assert (answer.status, "is over or was used before" in answer.text) == (403, True)
    await other.get("/oidc")  # a flow of its own does not help with the state of another one
    assert (await other.get(back)).status == 403
    cookie = begun.headers["Set-Cookie"].partition(";")[0]
    assert (await stranger.get(back)).status == 200
    taken = provider.calls.count("token")
    replayed = await stranger.get(back, Cookie=cookie)
    assert (replayed.status, provider.calls.count("token")) == (403, taken)


async def test_sign_on_begun_at_one_server_ends_at_another_one(
    stranger: Desk, provider: SmallProvider, start_server: StartServer
) -> None:
    second = await start_server(**SERVES_OFFICE, **oidc(provider.url), server__node=2)
    other = Desk(stranger._session, second.app.office.url)  # the same browser: cookies know no ports
    begun = await stranger.get("/oidc")
    back = provider.log_in(begun.place)
    assert (await other.get(back)).status == 200
    assert (await stranger.get("/")).status == 200
    assert (await stranger.get(back)).status == 403


async def test_sign_on_flow_is_over_after_its_time(
    stranger: Desk, provider: SmallProvider, turn_clock: Turn
) -> None:
    begun = await stranger.get("/oidc")
    turn_clock(FLOW_MS + 1_000)
    late = await stranger.get(provider.log_in(begun.place))
    assert (late.status, "is over or was used before" in late.text) == (403, True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.update(issuer="https://evil.example"),
        lambda found: found.update(token_endpoint="ftp://evil.example/"),
        lambda found: found.update(jwks_uri="http://10.1.2.3/keys"),
        lambda found: found.pop("jwks_uri"),
        lambda found: found.update(token_endpoint=7),
        lambda found: found.update(much="x" * calls.ANSWER_BYTES_MAX),
    ],
)
async def test_sign_on_configuration_that_is_not_the_providers_is_refused(
    stranger: Desk, provider: SmallProvider, spoil: Callable[[dict[str, Any]], object]
) -> None:
    provider.spoil_configuration = spoil
    begun = await stranger.get("/oidc")
    if begun.status == 303:
        begun = await stranger.get(provider.log_in(begun.place))
    assert begun.status == 403
    assert (await stranger.get("/")).place == "/login"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b'"issuer": "', b'"issuer": "\xd3\xe0'),
        lambda text: text[:-1] + b', "more": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    ],
    ids=["not UTF-8", "nested without end"],
)
async def test_sign_on_configuration_that_cannot_be_read_is_refused(
    stranger: Desk, provider: SmallProvider, spoil: Callable[[bytes], bytes]
) -> None:
    provider.spoil_text = spoil
    assert (await stranger.get("/oidc")).status == 403


async def test_sign_on_provider_that_is_away_is_told_and_keys_still_log_in(
    stranger: Desk, provider: SmallProvider, operators: OperatorService
) -> None:
    await provider.close()
    away = await stranger.get("/oidc")
    assert (away.status, "gave no answer" in away.text) == (403, True)
    key = await operators.add("ops", OfficeRole.ADMIN, None, ROOT)
    await stranger.log_in(str(key))


async def test_sign_on_person_with_a_key_is_one_operator_once_they_are_linked(
    stranger: Desk, provider: SmallProvider, operators: OperatorService, sql: Any
) -> None:
    await operators.add("lin", OfficeRole.SUPPORT, 1000, ROOT)
    await refused(stranger, provider, "There is an operator of this name")
    await operators.link("lin", provider.url, "248289", ROOT)
    assert (await signed_on(stranger, provider)).status == 200
    assert await sql.fetch("SELECT operator_id, role FROM office_operators") == [(1, "finance")]
    assert (await entries(sql))[-1] == ("lin", "log_in", "done", "operator", "1")
    assert await sql.fetchval("SELECT uid FROM office_log ORDER BY entry_id DESC LIMIT 1") == 1000


async def test_sign_on_disabled_operator_is_out_until_a_key_lets_them_in_again(
    stranger: Desk, provider: SmallProvider, operators: OperatorService
) -> None:
    await signed_on(stranger, provider)
    await operators.disable("lin", ROOT)
    assert (await stranger.get("/")).place == "/login"
    await refused(stranger, provider, "This operator is disabled")
    await operators.new_key("lin", ROOT)
    assert (await signed_on(stranger, provider)).status == 200


async def test_sign_on_tries_of_an_address_run_out(stranger: Desk, provider: SmallProvider) -> None:
    for _ in range(10):
        assert (await stranger.get("/oidc")).status == 303
    limited = await stranger.get("/oidc")
    assert (limited.status, int(limited.headers["Retry-After"]) > 0) == (429, True)


async def test_sign_on_is_not_there_unless_the_config_says_so(
    start_server: StartServer, browsers: AsyncExitStack
) -> None:
    desk = await desk_at(browsers, (await start_server(**SERVES_OFFICE)).app.office.url)
    assert "/oidc" not in (await desk.get("/login")).text
    assert (await desk.get("/oidc/back?state=a&code=b")).place.startswith("/login")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"oidc.issuer": "http://login.example"}, "oidc.issuer"),
        ({"oidc.office_url": "http://office.example"}, "oidc.office_url"),
        ({"oidc.office_url": ""}, "oidc.office_url"),
        ({"oidc.client_id": ""}, "oidc.client_id"),
        ({"oidc.roles": {}}, "oidc.roles"),
    ],
)
def test_sign_on_config_that_cannot_work_is_refused(changed: dict[str, Any], named: str) -> None:
    whole = {key.replace("__", "."): value for key, value in oidc("https://login.example").items()}
    check_sign_on(config.load(None, whole, environment={}))
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        check_sign_on(config.load(None, whole | changed, environment={}))


def test_sign_on_secret_of_the_client_is_not_shown() -> None:
    mask = KEYS["oidc.client_secret"].mask
    assert mask is not None
    assert (mask("do not tell"), mask("")) == ("***", "")
