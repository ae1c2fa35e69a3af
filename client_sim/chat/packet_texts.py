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
    "form_lucky": Text("拼手气", "lucky"),
    "form_equal": Text("普通", "equal"),
    "form_exclusive": Text("专属", "exclusive"),
    "form_personal": Text("个人红包", "personal packet"),
    "form_fission": Text("裂变红包", "fission packet"),
    "form_password": Text("口令", "password"),
    "password": Text("口令红包", "password packet"),
    "words": Text("说出口令，就能拆红包", "say its words to open it"),
    "form_words": Text("口令", "words"),
    "form_words_hint": Text("大家要说的话", "what the others say"),
    "no_words": Text("口令红包要有口令。用法：{usage}", "a password packet has words; usage: {usage}"),
    "key_say": Text("说出口令", "say the words"),
    "refused_bad_words": Text("口令不行：1到60字节，只有一行", "words have 1 to 60 bytes, on one line"),
    "refused_words_needed": Text("先说口令：/unlock 口令", "say its words first: /unlock WORDS"),
    "refused_words_wrong": Text("口令不对，还可以试{left}次", "those are not the words; attempts left: {left}"),
    "refused_words_spent": Text("试错太多次，不能再试了", "too many wrong words; no more attempts"),
    "use_secret": Text("/secret {total} 5 口令", "/secret {total} 5 WORDS"),
    "about_secret": Text("口令红包：总金额 个数 口令", "password: total, shares, words"),
    "use_unlock": Text("/unlock 口令", "/unlock WORDS"),
    "about_unlock": Text("说口令，拆口令红包", "say the words of a packet, and open it"),
    "toast_scheduled": Text("定时红包，{when}发出，{amount}", "to be sent {when}: {amount}"),
    "toast_cancelled": Text("定时红包已取消，{amount}已退回零钱", "cancelled: {amount} came back"),
    "refused_bad_time": Text("时间不对：要晚于现在，最多30天", "a time from now on, at most 30 days ahead"),
    "refused_already_posted": Text("已经发出，不能取消", "it was sent already and cannot be cancelled"),
    "only_packets_later": Text("只有红包可以定时。用法：{usage}", "only packets can be sent later; usage: {usage}"),
    "none_scheduled": Text("没有定时红包", "no packet waits for its time"),
    "use_at": Text("/at 20:00 /send {total} 5", "/at 20:00 /send {total} 5"),
    "about_at": Text("定时红包：几点 发红包的命令", "later: a time, then a packet"),
    "use_scheduled": Text("/scheduled", "/scheduled"),
    "about_scheduled": Text("我的定时红包", "my packets that wait"),
    "use_cancel": Text("/cancel [红包号]", "/cancel [PACKET]"),
    "about_cancel": Text("取消定时红包", "cancel the next of them"),
    "use_for": Text("/for 名字、名字 {each} 祝福", "/for NAME,NAME {each} greeting"),
    "about_for": Text("专属红包：给谁 单个金额", "exclusive: for whom, amount of each"),
}
