"""Single sign-on in Chromium: over another site and back, with cookies that other sites do not send."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.conftest import StartServer
from tests.office.conftest import SERVES_OFFICE
from tests.office.provider import SmallProvider
from tests.office.test_in_browser import window_at
from tests.office.test_sign_on import oidc
from tests.ops.dashboard import browser as browsers
from tests.ops.dashboard.browser import browser, installed_or_skip

ELSEWHERE = "127.0.0.2"  # for a browser another site than 127.0.0.1


async def test_sign_on_leads_over_another_site_back_to_the_page_that_was_wanted(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaches_both = [flag.replace("EXCLUDE", f"EXCLUDE {ELSEWHERE}, EXCLUDE") for flag in browsers.FLAGS]
    monkeypatch.setattr(browsers, "FLAGS", reaches_both)
    provider = SmallProvider(ELSEWHERE)
    await provider.open()
    try:
        server = await start_server(**SERVES_OFFICE, **oidc(provider.url))
        provider.office_url = server.app.office.url
        async with browser(installed_or_skip()) as chromium:
            window = await window_at(chromium, server.app.office.url)
            await window.open("/payments?before=7")
            await window.page.get_by_role("link", name="Log in with single sign-on").click()
            await expect(window.page.get_by_role("button", name="Log out")).to_be_visible()
            assert window.page.url == f"{window.url}/payments?before=7"
            cookies = {one["name"]: one["sameSite"] for one in await window.page.context.cookies()}
            assert cookies == {"hongbao_office": "Strict"}
            await window.page.get_by_role("button", name="Log out").click()
            await expect(window.page.get_by_role("link", name="Log in with single sign-on")).to_be_visible()
            assert window.complaints == []
    finally:
        await provider.close()
    assert provider.calls.count("authorize") == 1
