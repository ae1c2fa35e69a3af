"""Texts of the terminal client about the kinds of packet for everyday chats, in Chinese and English."""

from __future__ import annotations

from client_sim.languages import Text

PACKET_TEXTS: dict[str, Text] = {
    "exclusive": Text("专属红包", "exclusive packet"),
    "card_for": Text("给{names}", "for {names}"),
    "card_for_more": Text("给{names}等{count}人", "for {names} and others, {count} in all"),
    "names_between": Text("、", ", "),
    "form_for": Text("给谁", "for"),
    "form_for_hint": Text("名字，名字", "NAME, NAME"),
    "no_names": Text("专属红包要写给谁。用法：{usage}", "an exclusive packet names whom it is for; usage: {usage}"),
    "refused_bad_receivers": Text(
        "只能写群里的人，每人一次，不能写自己", "name members of the group, each once, not yourself"
    ),
    "use_for": Text("/for 名字、名字 {each} 祝福", "/for NAME,NAME {each} greeting"),
    "about_for": Text("专属红包：给谁 单个金额", "exclusive: for whom, amount of each"),
}
