"""Every text of the terminal client itself, in Chinese and English. The texts of pages come from the server."""

from __future__ import annotations

from client_sim.chat.campaigns.texts import SHAKE_TEXTS
from client_sim.chat.everyday.texts import EVERYDAY_TEXTS
from client_sim.chat.money.texts import MONEY_TEXTS
from client_sim.chat.packet_texts import PACKET_TEXTS
from client_sim.languages import Text
from client_sim.sdk.money import MoneyUnit

KINDS = frozenset(
    {
        *("lucky", "equal", "personal", "fission", "exclusive", "password"),
        *("enterprise", "enterprise_lucky", "enterprise_equal"),
    }
)
TEXTS: dict[str, Text] = {
    # around the conversation
    "connecting": Text("正在连接…", "connecting…"),
    "online": Text("在线", "online"),
    "offline": Text("重新连接中…", "reconnecting…"),
    "wallet": Text("零钱", "wallet"),
    "arriving": Text("正在存入", "arriving"),
    "inbox": Text("红包消息", "Inbox"),
    "say_something": Text("说点什么，或输入 /help", "say something, or /help"),
    "quit_hint": Text("按 Ctrl-Q 退出", "Ctrl-Q quits"),
    "inbox_hint": Text("/to 名字 {gift} 祝福  发个人红包", "/to NAME {gift} greeting  sends a personal packet"),
    "first_group_title": Text("你还没有加入任何群", "You are in no group yet"),
    "first_group": Text(
        "建群：/new 群名，再用 /invite 看邀请码，发给别人\n入群：/join 邀请码\n聊天后台也可以把你加进群",
        "/new NAME makes one; /invite then shows its code for others\n/join CODE joins the group of a code\n"
        "Your chat backend may also add you to one",
    ),
    "first_money_title": Text("钱", "Money"),
    "first_money": Text("在另一个终端输入：\n{command}", "In another terminal:\n{command}"),
    "first_keys_title": Text("按键", "Keys"),
    "first_keys": Text(
        "回车 拆红包，F2 发红包，F3 记录，F4 零钱，F1 全部命令，Ctrl-Q 退出",
        "Enter opens a packet, F2 sends one, F3 shows records, F4 the wallet, F1 all commands, Ctrl-Q quits",
    ),
    "nothing_here": Text("/new 群名 建群，/join 邀请码 入群", "/new NAME makes a group, /join CODE joins one"),
    # keys
    "key_open": Text("抢红包", "open"),
    "key_unseal": Text("拆红包", "open"),
    "key_choose": Text("选红包", "choose"),
    "key_send": Text("发红包", "send"),
    "key_records": Text("记录", "records"),
    "key_next": Text("换群", "next chat"),
    "key_help": Text("帮助", "help"),
    "key_quit": Text("退出", "quit"),
    "key_back": Text("返回", "back"),
    "key_send_now": Text("再按一次就发出", "press again to send"),
    "key_list": Text("领取详情", "claims"),
    "key_switch": Text("换类型", "switch kind"),
    "key_choose_field": Text("换一栏", "field"),
    "key_year": Text("换年份", "year"),
    "key_side": Text("收到/发出", "received/sent"),
    # packets
    "lucky": Text("拼手气红包", "lucky packet"),
    "equal": Text("普通红包", "equal packet"),
    "personal": Text("个人红包", "personal packet"),
    "fission": Text("裂变红包", "fission packet"),
    "enterprise": Text("企业红包", "packet of a sponsor"),
    "enterprise_lucky": Text("企业拼手气红包", "lucky packet of a sponsor"),
    "enterprise_equal": Text("企业普通红包", "equal packet of a sponsor"),
    "packet": Text("红包", "red packet"),  # of a kind that this client does not know
    "state_open": Text("未领取", "not opened yet"),
    "state_claimed": Text("已领取{amount}", "opened, {amount}"),
    "state_gone": Text("已被领完", "all gone"),
    "state_expired": Text("已过期", "expired"),
    "state_mine": Text("等待领取", "waiting to be opened"),
    "shares": Text("{shares}个", "{shares} shares"),
    "best": Text("手气最佳", "best luck"),
    "from": Text("{name}的红包", "red packet from {name}"),
    "opening": Text("正在拆…", "opening…"),
    "busy": Text("抢的人太多，请稍候再试", "too busy; try again in a moment"),
    "not_allowed": Text("这个红包不是给你的", "this packet is not for you"),
    # notices in the conversation
    "notice_claim": Text("{name}领取了你的红包，{amount}", "{name} opened your packet: {amount}"),
    "notice_own_claim": Text("你领取了自己发的红包，{amount}", "you opened your own packet: {amount}"),
    "notice_best": Text("红包派完了，手气最佳：{name}，{amount}", "all opened; best luck: {name}, {amount}"),
    "notice_refund": Text("红包已过期，{amount}已退回零钱", "the packet expired; {amount} came back"),
    # toasts
    "toast_claim": Text("{name}领取了你的红包，{amount}", "{name} opened your packet: {amount}"),
    "toast_refund": Text("红包已过期，退回{amount}", "a packet expired; {amount} came back"),
    "toast_added": Text("你已加入「{name}」", "you are now in {name}"),
    "toast_removed": Text("你已不在群「{name}」里", "you are no longer in {name}"),
    "toast_kicked": Text("已将{name}移出群", "{name} was removed from the group"),
    "toast_sent": Text("红包已发出，{amount}", "sent: {amount}"),
    "toast_passed_on": Text("已送出：{name} {link}", "passed on: {name} {link}"),
    "toast_again": Text("红包已再次发出", "sent again"),
    "toast_top_up": Text("零钱到账{amount}", "{amount} arrived in your wallet"),
    "toast_name": Text("你现在的名字：{name}", "your name is {name} now"),
    "toast_balance": Text("零钱{amount}", "wallet: {amount}"),
    "toast_arriving": Text("零钱{amount}，正在存入{arriving}", "wallet: {amount}, arriving: {arriving}"),
    "toast_reload": Text("离开太久，错过的消息没有全部取回", "away too long: some messages were missed"),
    "hint_topup": Text(
        "零钱是空的。请在另一个终端输入：\n{command}",
        "Your wallet is empty. In another terminal:\n{command}",
    ),
    # the send form
    "form_title": Text("发红包", "Send a red packet"),
    "form_total": Text("总金额", "total"),
    "form_single": Text("单个金额", "each"),
    "form_shares": Text("红包个数", "shares"),
    "form_greeting": Text("祝福语", "greeting"),
    "form_costs": Text("共{amount}", "{amount} in all"),
    "form_send": Text("塞钱进红包", "Put money in"),
    "form_default": Text("恭喜发财,大吉大利", "恭喜发财,大吉大利"),  # what the server puts in, letter by letter
    # records and lists
    "records_received": Text("收到的红包", "received"),
    "records_sent": Text("发出的红包", "sent"),
    "records_received_sum": Text(
        "{year}年  共收到{count}个红包  手气最佳{best}次", "{year}: {count} received, best luck {best} times"
    ),
    "records_sent_sum": Text("{year}年  共发出{count}个红包", "{year}: {count} sent"),
    "records_empty": Text("没有记录", "no packets"),
    "statement_title": Text("零钱明细", "Statement"),
    "statement_empty": Text("没有明细", "no changes yet"),
    "statement_top_up": Text("转入", "top-up"),
    "statement_withdraw": Text("转出", "withdrawal"),
    "statement_send": Text("发红包", "sent"),
    "statement_claim": Text("收红包", "received"),
    "statement_refund": Text("红包退回", "refund"),
    "statement_charge": Text("支付转入", "charged"),
    "statement_payout": Text("提现", "paid out"),
    "statement_payout_returned": Text("提现退回", "came back"),
    "statement_card_refund": Text("退回银行卡", "back to the card"),
    "statement_card_refund_returned": Text("退卡退回", "came back"),
    "statement_transfer": Text("转账", "transfer"),
    "statement_pay": Text("消费", "payment"),
    "statement_correction": Text("账务更正", "correction"),
    "members_title": Text("群成员（{count}）", "Members ({count})"),
    "invite_title": Text("邀请码", "Invite code"),
    "invite_use": Text("对方输入这一行即可入群：", "Who types this line joins the group:"),
    "owner": Text("群主", "owner"),
    "who_title": Text("谁最快", "Who is fastest"),
    "who_head": Text("中位反应  抢到  第一  发出", "  median  grabs  first   sent"),
    "help_title": Text("帮助", "Help"),
    # what went wrong
    "unknown_command": Text("没有这个命令：/{verb}", "no such command: /{verb}"),
    "missing": Text("用法：{usage}", "usage: {usage}"),
    "not_understood": Text("看不懂「{text}」。用法：{usage}", "{text!r} is not understood; usage: {usage}"),
    "no_link": Text("这里还没有红包链接", "there is no link to a packet here"),
    "no_packet": Text("这里还没有红包", "there is no packet here"),
    "no_such_group": Text("没有这个群：{text}", "no such group: {text}"),
    "ambiguous_group": Text("有多个群叫{text}，请用群号", "more than one group is named {text}; use the id"),
    "no_such_user": Text("没有人叫{text}", "no user is named {text}"),
    "ambiguous_user": Text("有多人叫{text}，请用号码", "more than one user is named {text}; use the id"),
    "nothing_to_send_again": Text("这里没有可以再发的红包", "no packet here can be sent again"),
    "only_plain": Text("/{verb} 只能在 --plain 里用", "/{verb} works only with --plain"),
    "only_in_a_group": Text(
        "红包消息不是群，请先用 /go 群 换到一个群", "the inbox is not a group; go to one with /go GROUP"
    ),
    "refused": Text("不行：{detail}", "refused: {detail}"),
    "refused_not_allowed": Text("这个红包不是给你的", "this packet is not for you"),
    "refused_not_enough_money": Text("零钱不足", "there is not enough in your wallet"),
    "refused_bad_amount": Text("金额太小或太大", "that amount is too small or too large"),
    "refused_bad_shares": Text(
        "个数不对：至少1个，不超过群人数", "shares: at least 1, at most one for each member"
    ),
    "refused_bad_greeting": Text("祝福语太长", "the greeting is too long"),
    "refused_bad_target": Text("这里不能发这种红包", "that kind of packet cannot be sent there"),
    "refused_bad_invite": Text("邀请码不对", "no group has this invite code"),
    "refused_no_such_user": Text("没有这个人", "there is no such user"),
    "refused_name_taken": Text("这个名字已有人用", "another user has this name"),
    "refused_backend_decides": Text("这里由聊天后台管理", "the chat backend decides about this here"),
    "refused_group_full": Text("群已满", "the group is full"),
    "refused_no_such_group": Text("没有这个群", "there is no such group"),
    "refused_not_a_member": Text("你不在这个群里", "you are not in that group"),
    "refused_owner_stays": Text("群主不能退群", "the owner cannot leave"),
    "refused_not_owner": Text("只有群主可以", "only the owner can do that"),
    "refused_kicked": Text("你已被移出这个群", "you were removed from that group"),
    "refused_finished": Text("这个红包已经结束", "that packet is over"),
    "refused_rate_limited": Text("太快了，请慢一点", "too fast; wait a moment"),
    "refused_timed_out": Text("服务器没有回应，请再试", "the server did not respond; try again"),
    "refused_connection_lost": Text("连接断了，请再试", "the connection was lost; try again"),
    "refused_busy": Text("抢的人太多，请再试", "too busy; try again"),
    # the commands, for /help and for wrong usage
    "use_send": Text("/send {total} 5 恭喜发财", "/send {total} 5 greeting"),
    "about_send": Text("拼手气红包：总金额 个数；空着开表单", "lucky: total, shares; alone: a form"),
    "use_equal": Text("/equal {each} 5 恭喜发财", "/equal {each} 5 greeting"),
    "about_equal": Text("普通红包：单个金额 个数", "equal: amount of each share, shares"),
    "use_to": Text("/to 名字 {gift} 祝福", "/to NAME {gift} greeting"),
    "about_to": Text("个人红包", "personal packet"),
    "use_tap": Text("/tap [红包号]", "/tap [PACKET]"),
    "about_tap": Text("点开最新的红包", "tap the newest packet"),
    "use_open": Text("/open [红包号]", "/open [PACKET]"),
    "about_open": Text("直接拆", "open it at once"),
    "use_result": Text("/result [红包号]", "/result [PACKET]"),
    "about_result": Text("领取详情", "the claims of a packet"),
    "use_fission": Text("/fission 名字 {gift} 3 祝福", "/fission NAME {gift} 3 greeting"),
    "about_fission": Text("发裂变红包：对方拆后送好友", "send one that friends pass on"),
    "use_pass-on": Text("/pass-on [红包号] [群]", "/pass-on [PACKET] [GROUP]"),
    "about_pass-on": Text("把拆过的红包送给好友", "pass on a packet to friends"),
    "use_open-link": Text("/open-link [链接]", "/open-link [LINK]"),
    "about_open-link": Text("用好友的链接拆红包", "open by the link of a friend"),
    "use_again": Text("/again [群]", "/again [GROUP]"),
    "about_again": Text("继续发送我的红包", "send my packet again"),
    "use_records": Text("/records [sent|received] [年]", "/records [sent|received] [YEAR]"),
    "about_records": Text("红包记录", "what I sent and received"),
    "use_statement": Text("/statement", "/statement"),
    "about_statement": Text("零钱明细", "every change of my wallet"),
    "use_groups": Text("/groups", "/groups"),
    "about_groups": Text("我的群", "my groups"),
    "use_go": Text("/go 群", "/go GROUP"),
    "about_go": Text("换到这个群；inbox 是红包消息", "go to a group; inbox is your own"),
    "use_new": Text("/new 群名", "/new NAME"),
    "about_new": Text("建群", "make a group"),
    "use_join": Text("/join 邀请码", "/join CODE"),
    "about_join": Text("入群", "join a group by its invite code"),
    "use_invite": Text("/invite [new]", "/invite [new]"),
    "about_invite": Text("邀请码；new 换一个（群主）", "the invite code; new: another (owner)"),
    "use_chat": Text("/chat 名字", "/chat NAME"),
    "about_chat": Text("和一个人单聊", "a one-to-one chat"),
    "use_leave": Text("/leave", "/leave"),
    "about_leave": Text("退群", "leave this group"),
    "use_members": Text("/members", "/members"),
    "about_members": Text("群成员", "the members of this group"),
    "use_kick": Text("/kick 名字", "/kick NAME"),
    "about_kick": Text("移出群（群主）", "remove a member (owner)"),
    "use_who": Text("/who", "/who"),
    "about_who": Text("谁总是抢第一（群主）", "how fast each member grabs (owner)"),
    "use_balance": Text("/balance", "/balance"),
    "about_balance": Text("零钱", "the balance of my wallet"),
    "use_name": Text("/name 名字", "/name NAME"),
    "about_name": Text("改名", "change the name that others see"),
    "use_lang": Text("/lang zh|en", "/lang zh|en"),
    "about_lang": Text("语言", "language"),
    "use_wait": Text("/wait 秒|事件 [秒]", "/wait SECONDS | EVENT [SECONDS]"),
    "about_wait": Text("等待（--plain）", "wait (--plain)"),
    "use_help": Text("/help", "/help"),
    "about_help": Text("这一页", "this page"),
    "use_quit": Text("/quit", "/quit"),
    "about_quit": Text("退出", "leave the program"),
    **MONEY_TEXTS,
    **PACKET_TEXTS,
    **EVERYDAY_TEXTS,
    **SHAKE_TEXTS,
}


def text(language: str, key: str, **fields: object) -> str:
    """A text with its fields filled in. A card whose bank has no name here is one of a bank."""
    if fields.get("bank") == "":
        fields["bank"] = TEXTS["any_bank"].in_language(language)
    return TEXTS[key].in_language(language, **fields)


def kind_text(language: str, kind: str) -> str:
    """The name of a kind of packet, also of one that this client does not know."""
    return text(language, kind if kind in KINDS else "packet")


def usage(language: str, key: str, money: MoneyUnit) -> str:
    """A text with examples of amounts, which can be typed as they are."""
    return text(language, key, total=money.typed(888), each=money.typed(100), gift=money.typed(520))
