"""Words of the login of the back office, in Chinese and English."""

from __future__ import annotations

from typing import Final

LOGIN_WORDS: Final[dict[str, tuple[str, str]]] = {
    "log_in": ("登录", "Log in"),
    "key": ("操作员密钥", "Operator key"),
    "key_hint": (
        "管理员用 hongbao office operator add 生成，只显示一次。",
        "An administrator makes it with hongbao office operator add, which shows it once.",
    ),
    "wrong_key": ("密钥不对。", "No operator has this key."),
    "sign_on": ("用单点登录", "Log in with single sign-on"),
    "signed_on": ("已登录", "You are logged in"),
    "go_on": ("继续", "Go on"),
    "sign_on_failed": ("单点登录没有成功。", "Single sign-on did not succeed."),
    "sign_on_over": (
        "这次登录已过期或已用过，请重新登录。",
        "This login is over or was used before. Log in again.",
    ),
    "sign_on_away": ("登录服务没有应答。", "The provider of logins gave no answer."),
    "sign_on_no_role": ("您没有后台角色。", "You have no role in the back office."),
    "sign_on_disabled": ("这个操作员已停用。", "This operator is disabled."),
    "sign_on_name_taken": (
        "已有同名操作员。请管理员用 hongbao office operator link 确认是同一人。",
        "There is an operator of this name. An administrator links you: hongbao office operator link.",
    ),
    "too_many": ("尝试次数过多，请等候 {0} 秒。", "Too many tries: wait {0} s."),
}
