"""What the report says, in English and Chinese, one row each."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Red packets", "红包报告"),
    "taken": ("Snapshot of {at} (Beijing)", "快照时间 {at}(北京时间)"),
    "sets": ("{sets} databases, a snapshot each", "{sets} 个数据库,各取一个快照"),
    "packets": ("packets sent", "发出红包"),
    "sent": ("sent", "发出"),
    "sent_unit": ("{unit} sent", "{unit}发出"),
    "opened": ("opened", "已领取"),
    "refunded": ("refunded", "已退回"),
    "unopened": ("still unopened", "未领取"),
    "people": ("people took part", "人参与"),
    "people_more": (
        "{senders} sent, {openers} opened, {both} did both",
        "{senders} 人发过,{openers} 人领过,{both} 人两样都做过",
    ),
    "busiest": ("in the busiest minute", "最忙的一分钟"),
    "busiest_more": ("packets sent at {at}", "个红包,{at}"),
    "median": ("to empty a packet", "抢完一个红包"),
    "median_more": ("half of all are faster", "中位数"),
    "gone10": ("gone in 10 seconds", "10 秒内被领走"),
    "gone10_more": ("of all shares of group packets", "占群红包全部份数"),
    "proof": (
        "sent {sent} = opened {opened} + refunded {refunded} + unopened {unopened}. "
        "Each share was added up again, to the fen.",
        "发出 {sent} = 已领取 {opened} + 已退回 {refunded} + 未领取 {unopened}。逐份复核,分毫不差。",
    ),
    "problem": ("The sums differ. Run hongbao audit.", "数字对不上,请运行 hongbao audit。"),
    "too_few": (
        "Fewer than 20 people took part, so only totals are shown.",
        "参与者不足 20 人,只显示合计。",
    ),
    "kinds": ("What was sent, and what became of it", "发了什么,结果如何"),
    "kinds_note": (
        "Packets that were sent in these days, and all that became of them until the snapshot.",
        "这些天发出的红包,以及截至快照时的结果。",
    ),
    "pace": ("Packets a minute", "每分钟发出的红包"),
    "opens": ("Opens a minute", "每分钟拆开的份数"),
    "pace_note": (
        "Filled: the mean of {width} min. Thin: the busiest minute of them.",
        "色块:{width} 分钟的平均值;细线:其中最忙的一分钟。",
    ),
    "gone": ("How fast shares are gone", "多快被抢走"),
    "gone_note": (
        "Part of all shares of packets for several people, by time since the send.",
        "多人红包全部份数中,发出后多久被领走的比例。",
    ),
    "emptied": ("Time to empty a packet", "抢完用时"),
    "emptied_note": (
        "Middle 80 % of packets, and the median. {part} were empty in 10 s.",
        "中间 80% 的红包与中位数;{part} 在 10 秒内抢完。",
    ),
    "hours": ("When people send", "什么时候发"),
    "hours_note": (
        "Packets by day of the week and hour. Hatched: fewer than 20 senders.",
        "按星期与小时;斜纹:不足 20 人。",
    ),
    "share_amounts": ("What a share is worth", "一份有多少"),
    "packet_amounts": ("What a packet is worth", "一个红包有多少"),
    "amounts_note": (
        "Each power of ten is as wide as the other; sizes of fewer than 20 people are left out.",
        "横轴为对数;不足 20 人的不显示。",
    ),
    "giving": ("Who gives", "谁在发"),
    "giving_note": (
        "The top tenth sent {top} of the money. "
        "Gini: sent {sent}, received {received}; 0 is equal, 1 is one person.",
        "发得最多的十分之一发出了 {top} 的金额。基尼系数:发出 {sent},收到 {received}(0 为平均,1 为集中于一人)。",
    ),
    "lorenz_sent": ("sent", "发出"),
    "lorenz_received": ("received", "收到"),
    "flows": ("Who gives to whom", "从谁到谁"),
    "flows_note": (
        "Part of all the money. Rows: givers by what they sent. Columns: receivers by the same. "
        "Hatched: fewer than 20 people.",
        "占全部金额的比例。行:发的人;列:收的人,均按发出金额分组。斜纹:不足 20 人。",
    ),
    "own": ("{own} of {all} shares were opened by their sender.", "{all} 份中有 {own} 份由发的人自己领取。"),
    "none": ("sent none", "没发过"),
    "lower_half": ("lower half", "较少的一半"),
    "upper": ("next 40 %", "中间 40%"),
    "top_tenth": ("top tenth", "最多的一成"),
    "replies": ("From receiving to sending", "收到之后,也发一个"),
    "replies_note": (
        "Of {users} people, whose first share is known for a day: {part} sent a packet within 24 hours.",
        "{users} 人领到第一份后已满一天,其中 {part} 在 24 小时内也发了红包。",
    ),
    "retention": ("Who comes back", "谁会再来"),
    "retention_note": (
        "New people, by what they did first: active again so many days later.",
        "新用户按第一次的角色:若干天后再次活跃的比例。",
    ),
    "sent_first": ("sent first", "先发"),
    "opened_first": ("opened first", "先领"),
    "days": ("days later", "天后"),
    "greetings": ("What people wish each other", "大家的祝福"),
    "greetings_note": ("Greetings of fewer than 20 senders are one row.", "不足 20 人使用的祝福合为一行。"),
    "no_greeting": ("(none)", "(无)"),
    "others": ("others", "其他"),
    "luck": ("Is luck fair?", "手气公平吗?"),
    "luck_fair": (
        "Yes: {tests} tests of {draws} draws, none differs from the exact law.",
        "公平:{draws} 次抽取、{tests} 项检验,没有一项偏离精确分布。",
    ),
    "luck_unfair": (
        "{misfits} of {tests} tests differ from the exact law (least corrected p {p}).",
        "{tests} 项检验中有 {misfits} 项偏离精确分布(最小校正 p 值 {p})。",
    ),
    "luck_none": ("Too few packets of one kind were emptied to say.", "同样的红包太少,无法检验。"),
    "luck_note": (
        "χ² for each total, number of shares and turn with 100 packets or more, against the exact probabilities of "
        "the published formula; corrected for the number of tests (Holm, α = 0.01).",
        "对每种(总额、份数、第几个)且不少于 100 个红包的组合,用公开公式的精确概率做 χ² 检验,"
        "并按检验数校正(Holm,α = 0.01)。",
    ),
    "luck_left": (
        "{left} further groups were too much work and are not tested.",
        "另有 {left} 组计算量过大,未检验。",
    ),
    "turns": ("The mean of each turn: {total}, {shares} shares", "每个位次的平均:{total},{shares} 份"),
    "turns_note": (
        "Line: the law. Band: its spread. Dots: what people got.",
        "线:理论;色带:理论离散程度;点:实际。",
    ),
    "last_turn": ("Amounts of turn {turn}", "第 {turn} 个拆的金额"),
    "last_turn_note": ("Columns: observed. Line: expected.", "柱:实际;线:理论。"),
    "best_turns": ("Whose turn has the best luck", "第几个最容易手气最佳"),
    "best_note": ("What depends on the turn is the spread, not the mean.", "位次影响的是离散程度,不是期望。"),
    "shakes": ("From shake to win", "从摇到中"),
    "sponsors": ("What an opener costs a sponsor", "赞助商的人均成本"),
    "refusals": ("What was refused", "被拒绝的"),
    "refusals_note": ("Refusals that are on record.", "有记录的拒绝。"),
    "risk": ("What risk control found", "风控命中"),
    "risk_note": (
        "Decisions in which a rule hit; in mode shadow they changed nothing.",
        "规则命中的风控决定;shadow 模式只记录、不生效。",
    ),
    "rule": ("rule", "规则"),
    "mode": ("mode", "模式"),
    "decisions": ("decisions", "次数"),
    "risk_users": ("users", "人数"),
    "in_force": ("in force now", "当前生效"),
    "payments": ("Payments", "支付"),
    "waiting": ("{count} payments have no end yet", "{count} 笔支付尚无结果"),
    "breaks": ("Breaks with the books of banks", "与银行账目的差异"),
    "open_breaks": ("{count} are open", "{count} 项未了结"),
    "kind": ("kind", "类型"),
    "amount": ("amount", "金额"),
    "part": ("opened", "领取率"),
    "emptied_short": ("emptied", "抢完"),
    "campaign": ("campaign", "活动"),
    "sponsor": ("sponsor", "赞助商"),
    "shake_count": ("shakes", "摇一摇"),
    "rests": ("rest", "休息一下"),
    "wins": ("wins", "中奖"),
    "winners": ("winners", "中奖人数"),
    "won": ("won", "中奖金额"),
    "budget": ("budget", "预算"),
    "openers": ("openers", "领取人数"),
    "spent": ("spent", "花费"),
    "per_opener": ("per opener", "人均"),
    "of": ("of", "对象"),
    "reason": ("reason", "原因"),
    "times": ("times", "次数"),
    "gateway": ("gateway", "通道"),
    "state": ("state", "状态"),
    "count": ("count", "笔数"),
    "since": ("oldest", "最早"),
    "class": ("class", "类别"),
    "open": ("open", "未了结"),
    "closed": ("closed", "已了结"),
    "footer": (
        "Groups of fewer than 20 people are not shown, and no total lets them be computed. "
        "Days and hours are those of Beijing.",
        "不足 20 人的分组一律不显示,也无法由合计推出。日期与时间均为北京时间。",
    ),
    "made_by": ("made by hongbao report", "由 hongbao report 生成"),
}
WEEKDAYS: Final = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "zh": tuple(f"周{day}" for day in "一二三四五六日"),
}
KINDS_ZH: Final = {
    "lucky": "拼手气红包",
    "equal": "普通红包",
    "personal": "个人红包",
    "shake": "摇一摇",
    "fission": "裂变红包",
    "exclusive": "专属红包",
    "password": "口令红包",
    "enterprise": "企业红包",
    "enterprise_lucky": "企业拼手气红包",
    "enterprise_equal": "企业普通红包",
}


def say(language: str, key: str, **values: object) -> str:
    """A text; `values` fill its placeholders."""
    found = WORDS[key][language == "zh"]
    return found.format(**values) if values else found


def kind_name(language: str, kind: str) -> str:
    """The name of a kind of packets."""
    return KINDS_ZH.get(kind, kind) if language == "zh" else kind.replace("_", " ")
