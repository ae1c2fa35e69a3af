"""Chapters 1 and 2: why people send and open red packets, and where they find them."""

from __future__ import annotations

from typing import Final

from tests.customer.row import Row

PAGES: Final = "core/pages::"
WISHES: Final = (
    Row(
        "001 terms",
        "An equal packet has shares of one fixed amount; a personal packet is an equal packet with one share.",
        ("core/packet::equal_packet_has_equal_shares", "core/packet::personal_packet_is_one_share_of_the_total"),
    ),
    Row(
        "001 1.1 (1)",
        "Packets of 0.01 yuan are sent for fun, and their sender may open one as well.",
        (
            PAGES + "rule_1_sender_with_a_claim_sees_the_amount",
            "core/amounts::one_yuan_in_18_shares_has_no_share_below_one_fen_and_no_larger_last_share",
        ),
    ),
    Row(
        "001 1.1 (2)",
        "A sender sees the total of what was sent, and is reminded when shares are opened.",
        (
            "services/records::sent_and_received_count_in_their_beijing_year",
            "services/outbox::sender_who_was_away_receives_each_claim_and_the_finish_once",
        ),
    ),
    Row(
        "001 1.1 (3)",
        "Packets of service accounts (shake, follow) are worth 2 yuan at least.",
        (
            "core/campaign_terms::campaign_of_bands_or_draws_has_its_deck",
            "core/campaign_terms::draws_that_cannot_be_are_refused",
        ),
        "the least amount is the campaign's own, 2.00 yuan if it says nothing",
    ),
    Row(
        "001 1.1 (3)",
        "Such a packet can be passed on to friends (fission, 裂变).",
        (
            "client_sim/relay::best_luck_of_a_family_sends_the_packet_that_the_server_reminds_of",
            "core/links::packet_goes_as_deep_as_the_limit",
            PAGES + "page_offers_to_pass_on_what_is_open_and_opened_and_not_too_deep",
        ),
    ),
    Row(
        "001 1.1 (4)",
        "All users can send, not only those who marry, and a random amount spares them the choice of how much.",
        ("services/sends::send_debits_the_wallet_and_pushes_the_packet",),
    ),
    Row(
        "001 1.2 (1)",
        "The best luck is named, and people play relay (接龙) with it.",
        (
            "core/packet::best_luck_is_the_largest_share_and_the_earliest_on_a_tie",
            "services/relay::every_member_is_told_whose_turn_it_is_and_how_much",
        ),
    ),
    Row(
        "001 1.2 (3)",
        "Users compare how fast they are.",
        (
            "services/grab_stats::fastest_members_are_listed_first_and_members_without_grabs_last",
            "services/grab_stats::sums_grow_and_the_last_31_reaction_times_are_kept",
        ),
    ),
    Row(
        "001 1.2 (4)",
        "The sender of a lucky packet to a group opens a share of it, to spend less.",
        (PAGES + "open_page_of_each_viewer_and_state",),
    ),
    Row(
        "001 1.3",
        "Pages are there to be shown to others: what I have sent, and the result of a packet.",
        (
            "services/records_pages::lines_show_the_state_of_each_packet",
            PAGES + "result_page_has_all_fields",
        ),
    ),
    Row(
        "001 2.1",
        "The wallet joins all that has to do with money: who receives a first packet finds it there, and how "
        "to withdraw it, bind a card and send a packet.",
        (
            "bank/chat_transcripts::first_packet_that_is_received_points_to_the_wallet_once",
            "bank/chat_transcripts::wallet_commands_top_up_withdraw_and_transfer",
            "bank/chat_screens::note_of_a_result_page_leads_to_the_wallet",
        ),
    ),
    Row(
        "001 2.2",
        "The form in a one-to-one chat is another one than that in a group.",
        (
            "bank/chat_screens::send_form_in_a_one_to_one_chat_has_amount_and_greeting_only",
            "bank/chat_transcripts::send_to_one_user_has_amount_and_greeting_only",
        ),
    ),
    Row(
        "001 2.2",
        "In a group the default is a lucky packet: random amounts surprise.",
        (
            "client_sim/chat/draft::switch_to_equal_divides_the_total_and_rounds_down",
            "core/amounts::another_seed_gives_other_amounts",
        ),
    ),
    Row(
        "001 2.2",
        "Users see what the others got.",
        (PAGES + "rule_7_list_of_claims_is_shown_for_lucky_packets_and_to_every_sender",),
    ),
    Row(
        "001 2.2",
        "Who has the best luck sends the next packet, up to three times as large.",
        (
            "core/relay::next_packet_is_so_many_times_the_best_share",
            "core/relay::rule_of_a_group_beyond_three_times_is_refused",
        ),
    ),
    Row(
        "001 2.2",
        "Who is always first and never plays uses a program; members see it, and the owner removes them.",
        (
            "services/grab_stats::stats_are_gathered_while_users_grab",
            "services/remove_member::only_the_owner_removes_members_and_the_owner_stays",
            "services/remove_member::removed_member_with_a_ticket_cannot_open",
        ),
    ),
    Row(
        "001 2.2",
        "Random amounts need much computing.",
        ("core/amounts::every_share_is_within_its_caps_and_the_sum_is_exact",),
        "an amount takes about a microsecond; `make bench` measures it",
    ),
    Row(
        "001 2.3",
        "Users shake their phones for packets of a campaign.",
        (
            "campaigns/path::win_is_settled_and_the_rest_returns_once",
            "server/chat_campaigns::shake_page_shows_the_win_and_then_the_limit",
        ),
    ),
)
