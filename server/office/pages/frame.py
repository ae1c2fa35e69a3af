"""The frame of every page: head, search, menu, forms of changes. The policy allows the one style, no script."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from server.core.office.entries import CASE_MAX, REASON_MAX
from server.core.office.roles import Door
from server.office.context import Ask, say
from server.office.markup import NOTHING, Html, Part, el, html, link

STYLE: Final = Path(__file__).parents[1] / "office.css"
MENU: Final = (
    (Door.PAYMENTS, "/payments"),
    (Door.BREAKS, "/breaks"),
    (Door.CORRECTIONS, "/corrections"),
    (Door.CAMPAIGNS, "/campaigns"),
    (Door.RISK, "/risk"),
    (Door.OPERATORS, "/operators"),
    (Door.LOG, "/log"),
)


class Style(NamedTuple):
    """The style of all pages, and the policy that allows it and nothing else."""

    text: Html
    policy: str


@cache
def style() -> Style:
    """Read once."""
    text = STYLE.read_text("utf-8")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
    return Style(Html(text), policy)


def whole(language: str, title: str, body: Part, then: str = "") -> str:
    """A whole page. Its language is a row of LANGUAGES. `then`: the page that follows by itself."""
    head = (
        el("meta", http_equiv="refresh", content=f"0; url={then}") if then else None,
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="robots", content="noindex"),
        el("title", f"{title} · hongbao"),
        el("style", style().text),
    )
    page = el("html", el("head", head), el("body", body), lang="zh-CN" if language == "zh" else language)
    return f"<!doctype html>\n{page}\n"


def framed(ask: Ask, title: str, body: Part) -> str:
    """A page for an operator who is logged in."""
    brand = link("/", el("b", "红包"), " ", ask.say("office"), class_="brand")
    find = el(
        "form",
        el(
            "input",
            type="search",
            name="q",
            value=ask.query.get("q", ""),
            placeholder=ask.say("search_hint"),
            aria_label=ask.say("search"),
            maxlength=200,
            required=True,
        ),
        el("button", ask.say("search")),
        action="/search",
        role="search",
    )
    who = el("span", el("b", ask.operator.name), " ", el("span", ask.operator.role, class_="pill"), class_="who")
    out = form(ask, "/log-out", el("button", ask.say("log_out"), class_="quiet"))
    other = form(ask, "/language", el("button", ask.say("other_language"), class_="quiet"))
    menu = [
        el("li", link(path, ask.say(str(door)), aria_current="page" if ask.path == path else None))
        for door, path in MENU
        if ask.may(door)
    ]
    top = el("header", brand, find, el("div", who, other, out, class_="account"), el("nav", el("ul", menu)))
    skip = el("a", ask.say("skip"), href="#content", class_="skip")
    foot = el("footer", ask.say("times"))
    return whole(ask.language, title, (skip, top, el("main", body, id="content"), foot))


def form(ask: Ask, action: str, *parts: Part, **attributes: object) -> Html:
    """A form that changes something: it carries the proof of its session, and the page that it stands on."""
    hidden = (
        el("input", type="hidden", name="proof", value=ask.proof),
        el("input", type="hidden", name="back", value=ask.path),
    )
    return el("form", hidden, parts, method="post", action=action, **attributes)


def card(title: Part, *parts: Part, kind: str = "") -> Html:
    """A part of a page with a heading."""
    return el("section", el("h2", title), parts, class_=kind or None)


def head_card(title: str, name: str, pills: Part, *parts: Part) -> Html:
    """The first part of the page of one thing: its name if it has one, what it is, its state."""
    shown = (el("bdi", name, class_="name"), " ", el("small", title)) if name else title
    return el("section", el("h1", shown), el("p", pills, class_="pills"), parts)


def change_form(ask: Ask, door: Door, action: str, *more: Part, about: str = "", is_grave: bool = False) -> Html:
    """The form of a change: case number and reason, and what else it needs. Nothing, if the role may not do it."""
    if not ask.may(door):
        return NOTHING
    title = ask.say(str(door))
    fields = (
        el(
            "label",
            ask.say("case"),
            el("input", name="case", required=True, maxlength=CASE_MAX, autocomplete="off"),
        ),
        el(
            "label",
            ask.say("reason"),
            el("input", name="reason", required=True, maxlength=REASON_MAX, autocomplete="off"),
        ),
    )
    inner = form(
        ask, action, more, fields, el("button", title, class_="grave" if is_grave else None), class_="change"
    )
    return el("details", el("summary", title), el("p", about) if about else None, inner, class_="door")


def notice(said: str, *parts: Part, kind: str = "") -> Html:
    """One line above a page."""
    return el("p", said, parts, class_=f"notice {kind}".strip(), role="status")


def message(ask: Ask, title: str, said: str, back: str = "/") -> str:
    """A page with one message."""
    inner = card(title, el("p", said), el("p", link(back, ask.say("back"))))
    return framed(ask, title, inner)


def alone(language: str, title: str, said: str) -> str:
    """The same for a request without a session."""
    return whole(language, title, el("main", card(title, el("p", said)), class_="alone"))


def goes_on(language: str, then: str) -> str:
    """A page that leads to another one: a cookie for this site alone is not sent where another site leads."""
    title = say(language, "signed_on")
    inner = card(title, el("p", link(then, say(language, "go_on"))))
    return whole(language, title, el("main", inner, class_="alone"), then)


def login(language: str, then: str, said: str = "", *, has_sign_on: bool = False) -> str:
    """The page to log in. `then`: the page that is opened afterwards."""
    key = el(
        "input",
        type="password",
        name="key",
        required=True,
        autofocus=True,
        autocomplete="current-password",
        maxlength=80,
    )
    inner = el(
        "form",
        el("h1", "红包 ", say(language, "office")),
        notice(said, kind="bad") if said else None,
        # managers of passwords look for a name beside the key
        el("input", name="name", value="operator", autocomplete="username", hidden=True),
        el("label", say(language, "key"), key),
        el("input", type="hidden", name="then", value=then),
        el("button", say(language, "log_in")),
        el("p", say(language, "key_hint"), class_="soft"),
        el("p", link(f"/oidc?then={quote(then, safe='')}", say(language, "sign_on"))) if has_sign_on else None,
        method="post",
        action="/login",
    )
    return whole(language, say(language, "log_in"), html(el("main", inner, class_="alone")))
