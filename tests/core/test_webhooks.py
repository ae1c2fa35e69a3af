"""The pure rules of webhooks: signatures, backoff, addresses, flow."""

from __future__ import annotations

import base64

import pytest

from server.core.webhooks import backoff, signing
from server.core.webhooks.addresses import networks_of, why_not, why_not_url
from server.core.webhooks.flow import ALL_MAX, ENDPOINT_MAX, FIRST_WINDOW, EndpointFlow

HOUR_MS = 3_600_000


def test_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    """From the specification's own example."""
    key = signing.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signing.headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_keys_make_two_signatures_with_the_newest_first() -> None:
    def one(key: bytes) -> str:
        return signing.headers([key], "id", 1, b"{}")["webhook-signature"]

    both = signing.headers([b"new" * 8, b"old" * 8], "id", 1, b"{}")["webhook-signature"]
    assert both == f"{one(b'new' * 8)} {one(b'old' * 8)}"
    assert one(b"new" * 8) != one(b"old" * 8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_!!!!",
        "abc",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        base64.b64encode(b"x" * 32),
    ],
)
def test_secret_that_is_none_is_refused_without_repeating_it(text: str | bytes) -> None:
    shown = text if isinstance(text, str) else text.decode()
    with pytest.raises(signing.BadSecret) as refused:
        signing.secret_of(shown)
    assert len(shown) < 7 or shown not in str(refused.value)


def test_secret_as_a_text_is_the_same_key_again() -> None:
    assert signing.secret_of(signing.text_of(bytes(range(24)))) == bytes(range(24))


def test_backoff_grows_by_three_with_jitter_up_to_a_day_and_ends() -> None:
    longest = [backoff.wait_ms(attempts, 1.0) for attempts in range(1, backoff.ATTEMPTS_MAX)]
    assert longest[:4] == [5_000, 15_000, 45_000, 135_000]
    assert longest[-2:] == [24 * HOUR_MS] * 2
    assert backoff.wait_ms(backoff.ATTEMPTS_MAX, 0.5) is None
    assert backoff.wait_ms(1, 0.0) == 3_750
    assert 48 * HOUR_MS < sum(wait or 0 for wait in longest) < 4 * 24 * HOUR_MS


REFUSED = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "4000::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_address_inside_is_refused_also_within_an_ipv6_address(address: str) -> None:
    assert "not a public address" in why_not(address, (), encrypted=True)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_address_is_allowed_with_tls_only(address: str) -> None:
    assert why_not(address, (), encrypted=True) == ""
    assert "https" in why_not(address, (), encrypted=False)


def test_listed_network_is_allowed_without_tls_and_no_other_one() -> None:
    allowed = networks_of(["10.1.0.0/16", "::1"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1"):
        assert why_not(address, allowed, encrypted=False) == ""
    for address in ("10.2.0.1", "127.0.0.1", "::2"):
        assert why_not(address, allowed, encrypted=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hooks",
        "http://shop.example/hooks",
        "ftp://shop.example/",
        "https://",
        "https:///hooks",
        "https://user@shop.example/",
        "https://shop.example/#part",
        "https://shop.example\\@evil.example/",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://127.0.0.1/hooks",
        "https://[::1]/hooks",
        "https://商店.example/",
        "https://shop.example/a b",
        "https://shop.example/" + "a" * 2_048,
    ],
)
def test_url_that_no_endpoint_may_have_is_refused(url: str) -> None:
    assert why_not_url(url, ())


def test_url_of_https_is_accepted_and_of_http_if_a_network_is_listed() -> None:
    assert why_not_url("https://shop.example:8443/hooks?of=hongbao", ()) == ""
    assert why_not_url("http://10.1.0.5/hooks", networks_of(["10.1.0.0/16"])) == ""
    assert why_not_url("http://1.1.1.1/hooks", networks_of(["10.1.0.0/16"]))


def test_window_of_an_endpoint_grows_with_success_up_to_its_limit() -> None:
    flow = EndpointFlow()
    assert flow.room(0.0, 0) == FIRST_WINDOW
    for _ in range(100):
        flow.succeeded()
    assert flow.room(0.0, 0) == ENDPOINT_MAX
    flow.in_flight = 10
    assert flow.room(0.0, 10) == ENDPOINT_MAX - 10


def test_failing_endpoint_pauses_longer_each_time_and_is_then_tried_with_one() -> None:
    flow, now_s, pauses = EndpointFlow(), 0.0, []
    for _ in range(9):
        flow.failed(now_s, 1.0)
        flow.failed(now_s, 1.0)  # one that had begun before
        assert flow.room(now_s, 0) == 0
        pauses.append(flow.resumes_at_s - now_s)
        now_s = flow.resumes_at_s
        assert flow.room(now_s, 0) == 1
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    flow.succeeded()
    assert flow.room(now_s, 0) == FIRST_WINDOW


def test_endpoints_that_hang_leave_room_for_one_that_does_not() -> None:
    hanging = [EndpointFlow() for _ in range(63)]
    for flow in hanging:
        flow.window = ENDPOINT_MAX
    in_flight = 0
    for _ in range(ENDPOINT_MAX):
        for flow in hanging:
            more = min(1, flow.room(0.0, in_flight))
            flow.in_flight += more
            in_flight += more
    assert in_flight < ALL_MAX
    assert EndpointFlow().room(0.0, in_flight) > 0
