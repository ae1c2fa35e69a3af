"""Chapters 3 and 5: what people see, and what happens when they tap."""

from __future__ import annotations

from typing import Final

from tests.customer.row import Row

PAGES: Final = "core/pages::"
TAP: Final = "server/chat_pages::"
SCREENS: Final = (
    Row(
        "001 3.1",
        "A packet for one user asks for amount and greeting alone.",
        (
            "bank/chat_screens::send_form_in_a_one_to_one_chat_has_amount_and_greeting_only",
            "core/packet_request::target_that_does_not_fit_the_kind_is_refused",
        ),
    ),
    Row(
        "001 3.1",
        "With a bound card the payment asks for the password; without one the wallet pays without a password.",
        (
            "bank/chat_transcripts::send_with_a_card_asks_for_way_and_password_and_pays_from_the_wallet",
            "bank/chat_transcripts::send_without_a_card_is_paid_from_the_wallet_without_a_password",
            "cards/passwords::wallet_payments_need_the_password_as_the_config_says",
        ),
    ),
    Row(
        "001 3.1",
        "If the wallet is short, the user enters card number, name, phone and the code of an SMS; the card pays.",
        (
            "bank/chat_screens::send_form_with_a_short_wallet_binds_a_card_and_sends_what_was_typed",
            "bank/chat_transcripts::send_with_a_short_wallet_binds_a_card_and_pays_the_same_packet",
            "cards/binding::card_is_bound_by_its_code_and_shown_masked",
        ),
    ),
    Row(
        "001 3.1",
        "Between lucky and equal no input is lost: total / shares becomes the amount of one share, and back.",
        (
            "client_sim/chat/draft::switch_to_equal_divides_the_total_and_rounds_down",
            "client_sim/chat/draft::switch_to_lucky_multiplies_the_amount_of_one_share",
            "client_sim/chat/draft::switch_through_all_kinds_gives_back_what_was_typed",
        ),
    ),
    Row(
        "001 3.2",
        "A packet is a card in the chat; a tap shows the page with the coin.",
        (
            "server/chat::terminal_from_send_to_records_shows_every_page",
            PAGES + "open_page_agrees_with_the_answer_of_a_grab",
        ),
    ),
    Row(
        "001 3.3",
        "The coin turns while the packet is opened, then the result page follows.",
        (
            "server/chat::terminal_from_send_to_records_shows_every_page",
            "client_sim/chat/drawing::coin_at_any_turn_has_the_same_size",
        ),
    ),
    Row(
        "001 3.3",
        "Pages are on the phone: only ids and a few words travel, so no page loads while the packet is emptied.",
        (
            "http_api/page_link::shell_is_small_strict_and_kept_under_its_own_name_only",
            "http_api/page_link::answers_to_the_page_are_small_however_many_claims_with_long_names_there_are",
            "http_api/page_in_browser::page_on_slow_3g_has_its_card_before_it_asks_and_is_kept_for_the_next_packet",
        ),
    ),
    Row(
        "001 3.4",
        "The result page lists who opened it; the largest amount is the best luck, of equal ones the earliest.",
        (
            PAGES + "rule_7_list_of_claims_is_shown_for_lucky_packets_and_to_every_sender",
            "services/records::best_luck_of_two_equal_claims_is_the_earliest",
        ),
    ),
    Row(
        "001 3.4",
        "It shows the sender and the own amount, and leads to the wallet, to passing on, and to the records.",
        (
            PAGES + "result_page_has_all_fields",
            PAGES + "rule_1_user_without_a_claim_sees_no_amount",
            "bank/chat_screens::note_of_a_result_page_leads_to_the_wallet",
            PAGES + "rule_2_the_sender_may_send_an_open_packet_again",
        ),
    ),
    Row(
        "001 3.5",
        "The published number of shares that are left is right, but not of this moment: it falls in steps.",
        (
            "core/campaign_pacing::published_number_is_never_less_than_what_is_left_and_zero_only_at_the_end",
            "core/campaign_pacing::published_numbers_never_rise",
            "campaigns/books::published_number_falls_to_zero_only_with_the_last_share",
        ),
    ),
    Row(
        "001 3.5",
        "People win in the last seconds, too: the steps are finer there.",
        ("core/campaign_pacing::published_steps_are_finer_at_the_end",),
    ),
    Row(
        "001 3.5",
        "A client asks for the number at each n-th shake only.",
        (
            "client_sim/shakes::crowd_that_shakes_is_as_expected",
            "campaigns/shakes::shakes_of_one_read_get_their_own_replies_in_order",
        ),
    ),
    Row(
        "001 3.5",
        "Under too much load the user sees the page 休息一下, or the shake is lost without a word.",
        (
            "campaigns/shakes::overload_is_answered_by_rule_and_consumes_no_number",
            "server/chat_campaigns::shake_page_of_a_paused_campaign_rests_and_counts_down",
        ),
    ),
    Row(
        "001 5.1 (1)",
        "The sequence of binding a card: number, code, confirmation.",
        (
            "cards/at_the_bank::user_binds_pays_tops_up_and_withdraws_and_both_books_agree",
            "cards/binding::code_that_is_wrong_five_times_is_spent_and_each_attempt_is_told",
        ),
    ),
    Row(
        "001 5.1 (2) ①②",
        "The money is taken first; if that fails, no packet is sent.",
        (
            "services/sends::send_without_enough_money_records_nothing",
            "cards/payments_by_card::packet_whose_card_is_declined_is_not_sent_and_says_why",
        ),
    ),
    Row(
        "001 5.1 (2) ③④",
        "The packet is written to a database of several; its id goes back, and members are told over connections.",
        (
            "sets/full_path::rest_of_a_packet_goes_back_in_the_set_of_its_sender",
            "services/sends::send_debits_the_wallet_and_pushes_the_packet",
        ),
    ),
    Row(
        "001 5.1 (2) ⑤",
        "A tap asks whether anything is left, the open asks again, then the amount is drawn and recorded.",
        (
            PAGES + "open_page_agrees_with_the_answer_of_a_grab",
            "services/commit::hot_packet_gives_each_share_once",
            "services/commit::indexes_follow_the_order_of_arrival",
        ),
        "recorded before the user is told, not after (docs/decisions.md): no told amount is lost",
    ),
    Row(
        "001 5.1 (2) ⑥⑦",
        "The user sees the result at once, and the newest list at each visit.",
        (
            "services/subscriptions::burst_of_claims_is_few_pushes_with_each_claim_once_in_order",
            PAGES + "best_luck_is_that_of_the_packet_and_users_with_a_claim_see_the_result_page",
        ),
    ),
    Row(
        "001 5.1 (3)",
        "An equal packet: total / shares is fixed when it is sent; each open takes one share while there are any.",
        (
            "core/packet_request::total_of_an_equal_packet_is_amount_times_shares",
            "core/packet::open_after_the_last_share_is_gone",
        ),
    ),
    Row(
        "001 5.2.2",
        "Which page a tap shows, for each kind, with and without a share, finished or not (3 × 3 × 3).",
        (PAGES + "open_page_of_each_viewer_and_state",),
    ),
    Row(
        "001 5.2.3 (1)",
        "With a share: the own amount, and one of four uses of the balance.",
        (
            PAGES + "rule_1_user_with_a_claim_sees_the_amount_and_one_use_of_it",
            PAGES + "rule_1_share_that_is_not_credited_yet_is_arriving",
        ),
    ),
    Row(
        "001 5.2.3 (2)",
        "The own packet that is not finished can be sent again.",
        (
            PAGES + "rule_2_the_sender_may_send_an_open_packet_again",
            "services/resends::packet_sent_to_another_group_opens_for_its_members",
        ),
    ),
    Row(
        "001 5.2.3 (3)",
        "With a share in the packet of another user: the link to the records.",
        (PAGES + "rule_3_user_with_a_claim_in_a_packet_of_another_user_sees_a_link_to_the_records",),
    ),
    Row(
        "001 5.2.3 (4)",
        "The line of a finished packet, for its sender and for others.",
        (PAGES + "rules_4_to_6_summary_of_each_state_and_viewer",),
    ),
    Row(
        "001 5.2.3 (5)",
        "The line of an unfinished packet with several shares.",
        (PAGES + "rules_4_to_6_summary_of_each_state_and_viewer",),
    ),
    Row(
        "001 5.2.3 (6)",
        "The line of an unfinished packet with one share.",
        (PAGES + "rules_4_to_6_summary_of_each_state_and_viewer",),
    ),
    Row(
        "001 5.2.3 (7)",
        "Who sees the list of those who opened it.",
        (PAGES + "rule_7_list_of_claims_is_shown_for_lucky_packets_and_to_every_sender",),
    ),
    Row(
        "001 5.2.3 (8)",
        "The best luck is marked once a lucky packet is finished.",
        (PAGES + "rule_8_best_luck_is_marked_on_finished_lucky_packets_only",),
    ),
    Row(
        "001 5.2.3",
        "Others do not see the total of a packet, so a small one shames no sender.",
        (PAGES + "users_other_than_the_sender_see_no_amount_but_their_own",),
    ),
    Row(
        "001 5.2.4",
        "The pages of a shake.",
        ("server/chat_campaigns::shake_page_shows_the_win_and_then_the_limit",),
    ),
    Row(
        "001 comments",
        "Packets of one-to-one chats and of groups are opened by a tap on their card.",
        ("services/one_to_one::personal_packet_of_a_chat_survives_a_restart_and_is_refunded_to_its_sender",),
    ),
)
