"""What simulated users say, and what the screen and the report of a run say to people, in Chinese and English.

Names of answers, refusals and checks are those of the protocol and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from client_sim.languages import Text

# What users say and wish. The seed draws a place, so both languages have equally many.
TEXTS: Final = (
    Text("在吗？", "anyone here?"),
    Text("吃了吗？", "had lunch yet?"),
    Text("恭喜恭喜！", "congratulations!"),
    Text("新年快乐！", "happy New Year!"),
    Text("谢谢老板！", "thank you, boss!"),
    Text("手慢了…", "too slow…"),
    Text("再来一个！", "one more!"),
    Text("哈哈哈", "haha"),
    Text("晚上一起吃火锅？", "hotpot tonight?"),
)
NO_GREETING: Final = Text("", "")
GREETINGS: Final = (
    NO_GREETING,
    NO_GREETING,
    Text("恭喜发财，大吉大利", "Best wishes"),
    Text("新年快乐", "Happy New Year"),
    Text("万事如意", "All the best"),
    Text("早生贵子", "A baby soon"),
    Text("周末愉快", "Have a nice weekend"),
)
SESAME: Final = Text("芝麻开门", "Open Sesame")
KINDS: Final = {
    "lucky": Text("lucky 拼手气红包", "lucky"),
    "equal": Text("equal 普通红包", "equal"),
    "personal": Text("personal 个人红包", "personal"),
    "fission": Text("fission 裂变红包", "fission"),
    "exclusive": Text("exclusive 专属红包", "exclusive"),
    "password": Text("password 口令红包", "password"),
}
PACKETS: Final = {
    "lucky": Text("拼手气红包", "lucky packet"),
    "equal": Text("普通红包", "equal packet"),
    "personal": Text("个人红包", "personal packet"),
    "fission": Text("裂变红包", "fission packet"),
    "exclusive": Text("专属红包", "exclusive packet"),
    "password": Text("口令红包", "password packet"),
}
PHASES: Final = {
    "waiting": Text("等待", "waiting"),
    "gathering": Text("集合", "gathering"),
    "chatting": Text("聊天", "chatting"),
    "rushing": Text("抢红包", "rushing"),
    "shaking": Text("摇一摇", "shaking"),
    "winding down": Text("收尾", "winding down"),
    "checking": Text("核对", "checking"),
    "over": Text("结束", "over"),
}
ANSWERS: Final = {
    "ticket": Text("点开了，没拆", "tapped, not opened"),
    "won": Text("拆到一份", "opened a share"),
    "claimed": Text("之前拆过", "opened it before"),
    "gone": Text("手慢了，红包派完了", "too late, all shares were opened"),
    "expired": Text("该红包已超过24小时", "older than 24 hours"),
    "busy": Text("要等一等", "had to wait"),
    "not_allowed": Text("想拆别人的红包", "tried a packet of others"),
}
REFUSALS: Final = {
    "client_closed": Text("响应前下线了", "went offline before the reply"),
    "connection_lost": Text("响应前断网了", "lost the connection before the reply"),
    "timed_out": Text("没有及时响应", "no reply in time"),
    "not_enough_money": Text("零钱不足", "not enough money in the wallet"),
    "rate_limited": Text("每秒请求太多", "too many requests per second"),
    "bank_declined": Text("银行拒绝了", "the bank has declined"),
    "bank_unknown": Text("银行没有及时回答", "no answer of the bank in time"),
    "bank_away": Text("银行没有响应", "the bank did not respond"),
    "limit": Text("超过限额", "over a limit of payments"),
}
SHAKEN: Final = {  # the results of shakes
    "nothing": Text("没摇到", "nothing won"),
    "won": Text("摇到一个", "won a share"),
    "rest": Text("休息一下", "told to rest"),
    "limit": Text("已经摇够了", "had won all that a user may"),
    "ended": Text("摇完了", "it was over"),
    "rate_limited": Text("每秒请求太多", "too many requests per second"),
}
OTHER_REFUSAL: Final = Text("暂时被拒", "refused for now")

WORDS: Final[Mapping[str, Text]] = {
    "group": Text("群{number}", "group {number}"),
    "best_luck": Text("手气最佳", "best luck"),
    # the ticker
    "sent": Text("{sender} 发了{amount}{kind}", "{sender} sent {amount}, {kind}"),
    "sent_to": Text("{sender} 给 {receiver} 发了{amount}{kind}", "{sender} sent {amount} to {receiver}, {kind}"),
    "scheduled": Text("{sender} 定时了{amount}{kind}", "{sender} scheduled {amount}, {kind}"),
    "cancelled": Text(
        "{name} 取消了定时红包，退回{amount}", "{name} cancelled a scheduled packet, {amount} came back"
    ),
    "won": Text("{name} 抢到{amount}", "{name} got {amount}"),
    "passed_on": Text("{name} 把红包送给了好友", "{name} passed a packet on to friends"),
    "finished": Text("红包派完了，手气最佳：{best} {amount}", "a packet is finished, best luck: {best} {amount}"),
    "tried_foreign": Text("{name} 想拆别人的红包，没拆成", "{name} failed to open a packet of others"),
    "lost_network": Text("{name} 断网了", "{name} lost the connection"),
    "went_offline": Text("{name} 下线了", "{name} went offline"),
    "came_back": Text("{name} 回来了", "{name} came back"),
    "bound": Text("{name} 绑定了{bank}的卡（{last4}）", "{name} bound a card of {bank} ({last4})"),
    "paid_by_card": Text("{name} 用银行卡付了{amount}", "{name} paid {amount} by card"),
    "topped_up": Text("{name} 用银行卡充值{amount}", "{name} topped up {amount} by card"),
    "withdrew": Text("{name} 提现{amount}", "{name} withdrew {amount}"),
    "shook": Text("{name} 摇到{amount}", "{name} shook and won {amount}"),
    "at_most_left": Text("至多还剩 {left:,} 个", "at most {left:,} left"),
    "sponsor": Text("招财银行", "Fortune Bank"),
    "festival": Text("除夕摇红包", "New Year's Eve"),
    "festival_round": Text("除夕摇红包 第{number}轮", "New Year's Eve, round {number}"),
    # the picture
    "title": Text("红包 ", "hongbao "),
    "users": Text("用户", "users"),
    "users_now": Text("{online}/{users} 人在线，{groups} 个群", "{online} of {users} online, in {groups} groups"),
    "packets": Text("红包", "packets"),
    "packets_now": Text("发了 {sent:,} 个，抢光 {finished:,} 个", "{sent:,} sent, {finished:,} finished"),
    "opens": Text("拆", "opens"),
    "opens_now": Text(
        "{rate:,.0f} 次/秒，p50 {p50:.1f} ms，p99 {p99:.1f} ms", "{rate:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    ),
    "pushes": Text("推送", "pushes"),
    "pushes_now": Text("{rate:,.0f} 条/秒，共 {all:,} 条", "{rate:,.0f}/s, {all:,} so far"),
    "money": Text("钱", "money"),
    "cards": Text("银行卡", "cards"),
    "cards_now": Text(
        "绑定 {bound} 张，付了 {packets:,} 个红包，充值 {top_ups:,} 次，提现 {withdrawals:,} 次",
        "{bound} bound, {packets:,} packets paid, {top_ups:,} top-ups, {withdrawals:,} withdrawals",
    ),
    "money_now": Text("发出 {sent}，还没拆 {left}", "{sent} sent, {left} in flight"),
    "time": Text("已过 {passed:.0f} 秒，还剩 {left:.0f} 秒", "{passed:.0f} s passed, {left:.0f} s left"),
    "time_company": Text(
        "已过 {passed:.0f} 秒，浏览器里有人，离开后结束",
        "{passed:.0f} s passed, until the browser leaves",
    ),
    "line": Text(
        "{passed:5.1f} s  {phase}：{online} 人在线，{packets} 个红包，拆 {opens:.0f} 次/秒，p50 {p50:.1f} ms，"
        "p99 {p99:.1f} ms，推送 {pushes:.0f} 条/秒，还没拆 {left}  {last}",
        "{passed:5.1f} s  {phase}: {online} online, {packets} packets, {opens:.0f} opens/s, p50 {p50:.1f} ms, "
        "p99 {p99:.1f} ms, {pushes:.0f} pushes/s, {left} in flight  {last}",
    ),
    "shake_line": Text(
        "{passed:5.1f} s  {phase}：{online} 人在线，{said}  {last}",
        "{passed:5.1f} s  {phase}: {online} online, {said}  {last}",
    ),
    # the report
    "kind": Text("种类", "kind"),
    "head_sent": Text("发出", "sent"),
    "head_shares": Text("份数", "shares"),
    "head_opened": Text("拆开", "opened"),
    "head_total": Text("总额 {unit}", "total {unit}"),
    "head_opened_sum": Text("拆开 {unit}", "opened {unit}"),
    "all": Text("合计", "all"),
    "answers": Text("回应", "answers"),
    "answer": Text("回应", "answer"),
    "times": Text("次数", "times"),
    "headline": Text("{sender}的{kind}  ", "{kind} of {sender}  "),
    "took": Text("{shares}个红包共{amount}，{time}被抢光", "{shares} shares, {amount} in all, gone in {time}"),
    "seconds": Text("{n}秒", "{n} s"),
    "minutes": Text("{n}分钟", "{n} min"),
    "hours": Text("{n}小时", "{n} h"),
    "more_claims": Text("… 还有 {rest} 个", "… and {rest} more"),
    "expected": Text("应有", "expected"),
    "seen": Text("实际", "seen"),
    "checked": Text(
        "抢光的 {finished:,} 个红包中 {revealed:,} 个公开了种子",
        "{revealed:,} of {finished:,} finished packets revealed their seed",
    ),
    "no_contradiction": Text(
        "{checked}；每一份都重新算过；没有互相矛盾的回应",
        "{checked}; every share was recomputed; no answer contradicts another",
    ),
    # the expectations of the scenarios
    "is_finished": Text("有一个拼手气红包被抢光", "a lucky packet is finished"),
    "all_won": Text("每一份都有人抢到，加起来等于总额", "all shares are won and add up to the total"),
    "all_won_seen": Text("{of:,} 个红包中 {full:,} 个如此", "true for {full:,} of {of:,} packets"),
    "foreign_denied": Text("有人想拆别人的红包，被拒绝", "users try packets of others and are denied"),
    "return": Text("有人离线后回来", "users go offline and come back"),
    "n_times": Text("{n:,} 次", "{n:,} times"),
    "part": Text("≥ {least:.0%} {what}", "≥ {least:.0%} {what}"),
    "part_seen": Text("{of:,} 中的 {part:.0%}", "{part:.0%} of {of:,}"),
    "at_midnight": Text("的红包在 {seconds:.0f} 秒内发出", "of packets are sent within {seconds:.0f} s"),
    "are_equal": Text("的红包是普通红包", "of packets are equal ones"),
    "from_bosses": Text("的钱来自老板", "of {smallest} come from bosses"),
    "more_texts": Text("收到的消息比红包多", "users receive more texts than packets"),
    "texts_seen": Text("{texts:,} 和 {packets:,}", "{texts:,} and {packets:,}"),
    "are_personal": Text("的红包是个人红包", "of packets are personal"),
    "chain": Text("接龙 ≥ {least} 个红包", "a chain of ≥ {least} packets"),
    "chain_seen": Text("最长 {longest} 个", "one of {longest}"),
    "one_sender": Text("每群一人发，≥ {wanted} 份", "one sender in each group, ≥ {wanted} shares"),
    "one_sender_seen": Text("{groups:,} 群 {senders:,} 人，≥ {least:,}", "{senders:,} in {groups:,}, ≥ {least:,}"),
    "bots_first": Text(
        "的首份归 {users:,} 人中的 {bots:,} 个机器人", "of first shares go to {bots:,} bots of {users:,} users"
    ),
    "once": Text("{of:,} 个号，没有一个被摇到两次", "of {of:,} numbers none is won twice"),
    "once_seen": Text("{n:,} 个，共{won}，退回{back}", "{n:,} won, {won}; {back} returned"),
    "proofs": Text("每个人都验算了自己的金额", "all have recomputed their wins"),
    "proofs_seen": Text("{n:,} 人", "{n:,} users"),
    "odds": Text("各档次数符合概率，χ² < {most:.1f}", "odds of the bands, χ² < {most:.1f}"),
    "odds_none": Text("可比的号太少", "too few numbers to compare"),
    "odds_seen": Text("χ² = {chi:.2f}", "χ² = {chi:.2f}"),
    "fall": Text("剩余数只减不增", "the number left only falls"),
    "fall_seen": Text("从 {first:,} 到 {last:,}，{n} 步", "from {first:,} to {last:,} in {n} steps"),
    "bots_nothing": Text("狂摇的机器人不占便宜", "bots gain nothing over people"),
    "bots_seen": Text(
        "机器人 {bot:.1f} 个（摇 {bot_shakes:,.0f} 次），人 {person:.1f} 个（摇 {person_shakes:,.0f} 次）",
        "bots {bot:.1f} wins of {bot_shakes:,.0f} shakes, people {person:.1f} of {person_shakes:,.0f}",
    ),
    "shakes": Text("摇一摇", "shakes"),
    "shakes_now": Text(
        "摇了 {shakes:,} 次，摇到 {won:,} 个，至多还剩 {left:,} 个",
        "{shakes:,} shakes, {won:,} won, at most {left:,} left",
    ),
    "shake_result": Text("摇的结果", "result"),
    "shakes_checked": Text(
        "摇到的 {won:,} 个红包都按公开的种子重新算过；没有互相矛盾的回应",
        "all {won:,} wins were recomputed from the revealed seed; no answer contradicts another",
    ),
    "guest_won": Text("{name} 摇到 {n} 个，共{amount}", "{name} won {n}, {amount} in all"),
    # the demo
    "demo": Text(
        "hongbao demo：PostgreSQL、Valkey 和服务器在 {data} 下",
        "hongbao demo: PostgreSQL, Valkey and a server under {data}",
    ),
    "demo_bank": Text(
        "模拟银行，不是真钱：{url}/admin （演示期间）",
        "a simulated bank, no real money: {url}/admin (during the demo)",
    ),
    "demo_card": Text(
        "它的卡：{card}，姓名、手机号随意；短信验证码在上面的页面里",
        "its card {card}, any name and phone; that page shows the SMS code",
    ),
    "demo_cards": Text(
        "每部手机添加银行卡时会看到自己的卡号；短信验证码在上面的页面里",
        "each phone is told its card where one is added; that page shows the SMS code",
    ),
    "cards_hint": Text(
        "演示卡号 {card}，姓名、手机号随意；短信验证码见运行演示的电脑上的 {url}/admin",
        "Demo card {card}, any name and phone; the SMS code is shown at {url}/admin on the computer of the demo",
    ),
    "web_guest": Text("客人{number}", "Guest {number}"),
    "web_link": Text("在浏览器里一起玩（演示期间）：{link}", "join in a browser (during the demo): {link}"),
    "festival_link": Text(
        "在浏览器里一起摇（有人在，演示就不结束）：{link}",
        "shake along in a browser, the demo goes on until you leave: {link}",
    ),
    "festival_phones": Text(
        "用手机扫码一起摇，前{seats}部手机有座位：{link}",
        "scan it with a phone to shake along; seats for the first {seats} phones: {link}",
    ),
    "web_phones": Text(
        "用手机扫码进群抢红包，前{seats}部手机有座位：{link}",
        "scan it with a phone to open packets in the group; seats for the first {seats} phones: {link}",
    ),
    "web_warns": Text(
        "手机会警告连接不私密：证书是这台电脑刚做的，没有机构签过。核对 SHA-256 指纹后点“高级”，再“继续前往”"
        "（iPhone：“显示详细信息”，再“访问此网站”）：\n{digest}",
        "the phone will warn that the connection is not private: this machine has just made the certificate, and "
        "no authority signed it. Compare its SHA-256, then choose Advanced, Proceed (on an iPhone Show Details, "
        "visit this website):\n{digest}",
    ),
    "web_enter": Text("按回车结束", "press Enter to end"),
    "connecting": Text("{users} 个用户正在上线…", "{users} users are connecting …"),
    "leaving": Text("所有用户正在下线…", "all users are leaving …"),
}


def words(language: str, key: str, **fields: object) -> str:
    """A text with its fields filled in."""
    return WORDS[key].in_language(language, **fields)
