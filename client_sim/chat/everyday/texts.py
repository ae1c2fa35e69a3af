"""Texts of the terminal client about the relay of groups and about packets that are posted later."""

from __future__ import annotations

from client_sim.languages import Text

EVERYDAY_TEXTS: dict[str, Text] = {
    # packets that are posted later
    "form_time": Text("发出时间", "time"),
    "form_time_hint": Text("现在，或 20:00，或 02-16 20:00", "now, or 20:00, or 02-16 20:00"),
    "form_costs_later": Text("共{amount}，{when}发出", "{amount} in all, to be sent {when}"),
    "form_later": Text("塞钱，到时发出", "Put money in, send later"),
    "key_scheduled": Text("定时红包", "scheduled"),
    "key_cancel": Text("取消红包", "cancel it"),
    "key_cancel_now": Text("再按一次就取消", "press again to cancel"),
    "scheduled_title": Text("定时红包", "Packets that wait for their time"),
    # the relay
    "turn": Text("接龙：轮到{name}发下一个红包，{amount}", "best luck: {name} is next, {amount}"),
    "turn_mine": Text("接龙：轮到你发下一个红包，{amount}，按 F6", "best luck: you are next, {amount}; press F6"),
    "turn_card": Text("接龙 · {name} {amount}", "next: {name}, {amount}"),
    "toast_turn": Text(
        "手气最佳！轮到你发下一个红包，{amount}，按 F6", "best luck: you send the next packet, {amount}; press F6"
    ),
    "key_next_packet": Text("接龙", "send the next"),
    "no_turn": Text("现在没有轮到你接龙", "it is not your turn to send the next packet here"),
    "toast_relay_0": Text("这个群没有接龙", "this group has no relay"),
    "toast_relay": Text(
        "接龙：手气最佳的人发下一个，{times}倍金额",
        "relay: the best luck sends the next packet, {times} times the amount",
    ),
    "use_relay": Text("/relay [off|1|2|3]", "/relay [off|1|2|3]"),
    "about_relay": Text("接龙：手气最佳发下一个，几倍", "best luck sends the next packet"),
    "use_next": Text("/next", "/next"),
    "about_next": Text("轮到我接龙：填好的发红包", "my turn: the form, filled in"),
}
