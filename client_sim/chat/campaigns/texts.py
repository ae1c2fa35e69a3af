"""The texts of the terminal client about campaigns. What a shake is answered, the server says."""

from __future__ import annotations

from typing import Final

from client_sim.languages import Text

SHAKE_TEXTS: Final[dict[str, Text]] = {
    "shake_sponsor": Text("{name}赞助", "from {name}"),
    "shake_start": Text("按空格摇一摇", "press space to shake"),
    "shake_left": Text("至多还剩{count}个（{clock}）", "at most {count} left ({clock})"),
    "shake_none_left": Text("红包已摇完", "none is left"),
    "shake_count": Text("摇了{count}次", "shakes: {count}"),
    "shake_rest": Text("休息一下", "have a rest"),
    "shake_rest_s": Text("{seconds}秒后再摇", "shake again in {seconds} s"),
    "shake_begins": Text("{clock}开始", "begins at {clock}"),
    "campaigns_title": Text("摇一摇活动", "Campaigns"),
    "key_shake": Text("摇一摇", "shake"),
    "key_highlighted": Text("摇红包 🧧", "shake 🧧"),
    "key_win": Text("看红包", "the win"),
    "no_campaign": Text("现在没有摇一摇", "there is no campaign now"),
    "refused_no_such_campaign": Text("没有这个活动", "there is no such campaign"),
    "use_campaigns": Text("/campaigns", "/campaigns"),
    "about_campaigns": Text("摇一摇活动", "campaigns to shake in"),
    "use_shake": Text("/shake [活动号]", "/shake [CAMPAIGN]"),
    "about_shake": Text("摇一摇", "shake for a packet"),
}
