"""Document 000: the outline of the payment side."""

from __future__ import annotations

from typing import Final

from tests.customer.row import Row

PAYMENTS: Final = (
    Row(
        "000 1",
        "Ordinary packets are shared by many; fission packets are passed on several times.",
        (
            "core/packet::shares_of_any_packet_in_any_order_add_up_to_the_total",
            "services/pass_on::finish_is_told_to_sender_and_receiver_alone",
        ),
    ),
    Row(
        "000 1",
        "Money goes to the wallet, and from there to a bank card, or is spent inside.",
        (
            "cards/payments_by_card::withdrawal_leaves_the_wallet_at_once_and_goes_outside_on_success",
            "cards/transfers::pay_leaves_to_the_outside_with_its_text",
        ),
    ),
    Row(
        "000 1",
        "Other programs and pages send and receive packets, too.",
        (
            "http_api/example_backends::packet_in_the_chat_of_an_example_is_shared_among_its_users",
            "http_api/page_link::page_opens_its_packet_for_its_user_and_shows_the_result",
        ),
    ),
    Row(
        "000 2",
        "The system is split into services that are joined by a message queue.",
        (
            "services/outbox::posts_go_on_after_a_server_was_killed_before_it_posted",
            "webhooks/delivery::event_of_an_outage_is_delivered_after_it",
        ),
        "modules that import in one direction, an outbox in the database, links between servers",
    ),
    Row(
        "000 3, send",
        "The server checks who the user is and may do, records packet and id, charges, and updates the state.",
        (
            "services/sends::send_without_enough_money_records_nothing",
            "services/sends::strangers_cannot_send_to_a_group",
            "cards/payments_by_card::packet_whose_answer_is_lost_is_unknown_then_posted_once_also_if_the_client_never_asks_again",
        ),
        "the charge comes before the packet: what is not paid is not opened",
    ),
    Row(
        "000 3, receive",
        "The server checks user and rights, whether anything is left, records the claim, and pays it out.",
        (
            "services/membership::stranger_without_the_code_cannot_join_and_learns_nothing",
            "services/settlement::claims_reach_wallets_and_are_pushed",
            "payments/host_wallet::packet_is_paid_from_the_host_and_shares_arrive_there",
        ),
    ),
    Row(
        "000 3, safety",
        "Users are authenticated, and may do what they have a right to.",
        (
            "protocol/tokens::the_mac_covers_every_part",
            "services/remove_member::removed_member_has_no_access_to_the_group",
        ),
    ),
    Row(
        "000 3, safety",
        "What is secret is encrypted.",
        (
            "cards/at_the_bank::number_is_nowhere_and_names_phones_codes_and_passwords_are_sealed",
            "services/seeds::records_hold_no_seed_in_plain",
        ),
    ),
    Row(
        "000 3, safety",
        "Payments are watched while they run.",
        (
            "payments/surfaces::payment_that_is_open_for_a_minute_is_counted_and_told_once",
            "payments/surfaces::status_counts_open_payments_by_state_and_breaks",
        ),
    ),
    Row(
        "000 3, safety",
        "A request that is repeated moves money once.",
        (
            "services/used_nonces::nonce_is_accepted_once_by_all_servers_and_after_a_restart",
            "http_api/wallets::top_up_with_the_same_key_answers_the_same_and_moves_money_once",
        ),
    ),
    Row(
        "000 4",
        "Accounts, sends, claims and movements of money are stored, in transactions, over several databases.",
        (
            "services/statement::pages_of_a_statement_are_the_entries_in_reverse_also_inside_of_a_batch",
            "core/ledger::money_enters_and_leaves_through_wallets_only",
        ),
    ),
    Row(
        "000 4",
        "Backup, restore and survival of disasters.",
        (
            "server/backup::restore_brings_books_and_keys_begins_fresh_seeds_and_audits",
            "outages/postgresql/failover::server_leaves_the_old_primary_when_a_standby_is_promoted",
        ),
    ),
    Row(
        "000 column",
        "Settlement and its risks: what is not settled is named.",
        ("reconciliation/breaks::payment_that_the_bank_does_not_have_is_in_doubt_until_the_end_of_t_plus_2",),
    ),
    Row(
        "000 column",
        "A back office: people who help users and check the books see and change things by their role, logged.",
        (
            "office/doors::doors_every_role_passes_its_own_and_no_other",
            "office/log::log_is_made_once_and_never_changed",
            "office/changes::correction_needs_two_operators_and_moves_once",
        ),
    ),
    Row(
        "000 column",
        "Risks are prevented: programs and rings are found, what may leave waits, and each decision is explained.",
        (
            "risk/simulated::programs_are_found_within_30_packets_and_fast_people_are_left_alone",
            "risk/effects::denied_user_opens_and_keeps_what_was_won_and_repeats_what_was_done",
            "risk/path::decision_is_stored_with_its_facts_and_explained",
        ),
    ),
    Row(
        "000 column",
        "Data are analysed and drawn: a report whose totals are those of the books.",
        (
            "analysis/report::totals_equal_those_of_the_audit_to_the_fen",
            "analysis/report_page::page_asks_for_nothing_and_has_no_script",
            "analysis/year::year_is_what_the_records_of_the_user_say",
        ),
    ),
    Row(
        "000 column",
        "The system is watched: figures, alerts, a dashboard.",
        (
            "ops/metrics::every_number_of_a_sample_is_exported_in_base_units",
            "deploy/deploy::alerts_and_grafana_use_only_metrics_of_the_server",
        ),
    ),
    Row(
        "000 column",
        "High load: what is too much is refused early, and honest users are served.",
        ("wire/floods::flood_of_frames_does_not_delay_other_connections",),
    ),
)
