// Written by tests/web/wire_table.py from the classes of the protocol: do not edit.
// What each message means is in docs/protocol.md.

import type { Table } from "./codec.js";


export interface StreamPosition {
  stream_id: bigint;
  name: string;
  owner_id: number;
  last_message: number;
}

export interface MoneyUnit {
  zh: string;
  en: string;
  symbol: string;
  decimals: number;
}

export interface ClaimLine {
  index: number;
  user_id: number;
  amount_fen: number;
  at_ms: number;
}

export interface ResultLine {
  index: number;
  user_id: number;
  name: string;
  amount_fen: number;
  at_ms: number;
  when: string;
}

export interface ResultPageBody {
  packet_kind: string;
  state: string;
  sender_id: number;
  sender_name: string;
  greeting: string;
  amount_fen: number;
  note: string;
  summary: string;
  button: string;
  link: string;
  shows_list: boolean;
  best_index: number;
  opened: number;
  shares: number;
  claims: ResultLine[];
  more: boolean;
  watched: boolean;
  amount: string;
  ending: string;
  best_mark: string;
  pass_on: string;
  turn: string;
  turn_user_id: number;
  turn_name: string;
}

export interface RecordLine {
  packet_id: bigint;
  packet_kind: string;
  at_ms: number;
  user_id: bigint;
  name: string;
  amount_fen: number;
  shares: number;
  opened: number;
  state: string;
  is_best: boolean;
}

export interface GrabStatLine {
  user_id: number;
  name: string;
  median_ms: number;
  grabs: number;
  first_places: number;
  sent_packets: number;
}

export interface EntryLine {
  version: number;
  at_ms: number;
  reason: string;
  change_fen: number;
  balance_fen: number;
  packet_id: bigint;
}

export interface StatementLine {
  version: number;
  at_ms: number;
  reason: string;
  change_fen: number;
  balance_fen: number;
  packet_id: bigint;
  packet_kind: string;
  other_id: bigint;
  other_name: string;
  text: string;
}

export interface SeedTree {
  number: number;
  root: Uint8Array;
}

export interface CardLine {
  card_id: bigint;
  bank: string;
  last4: string;
  holder: string;
  phone: string;
  bound_at_ms: number;
}

export interface WinLine {
  amount_fen: number;
  packet_id: bigint;
  index: number;
  sponsor_id: number;
  sponsor_name: string;
  greeting: string;
  cover: string;
}

export interface CampaignLine {
  campaign_id: bigint;
  name: string;
  sponsor_id: number;
  sponsor_name: string;
  greeting: string;
  cover: string;
  state: string;
  starts_at_ms: number;
  ends_at_ms: number;
  shares: number;
  at_most_left: number;
  left_at_ms: number;
  ask_every: number;
  per_user_limit: number;
  highlighted: boolean;
  group_id: bigint;
  commitment: Uint8Array;
  event_kind: string;
}

export interface ScheduledLine {
  packet_id: bigint;
  packet_kind: string;
  target_id: bigint;
  total_fen: number;
  shares: number;
  greeting: string;
  send_at_ms: number;
  expires_at_ms: number;
  for_user_ids: number[];
}

export interface Ping {
  kind: "Ping";
  seq: number;
}

export interface Login {
  kind: "Login";
  seq: number;
  user_id: number;
  expires_at_s: number;
  key_id: string;
  proof: Uint8Array;
  features?: string[];
  issued_at_s?: number;
}

export interface CreateGroup {
  kind: "CreateGroup";
  seq: number;
  name: string;
}

export interface JoinGroup {
  kind: "JoinGroup";
  seq: number;
  group_id: bigint;
  invite?: string;
}

export interface LeaveGroup {
  kind: "LeaveGroup";
  seq: number;
  group_id: bigint;
}

export interface ListMembers {
  kind: "ListMembers";
  seq: number;
  group_id: bigint;
  after_user_id?: number;
}

export interface Say {
  kind: "Say";
  seq: number;
  group_id: bigint;
  text: string;
}

export interface CatchUp {
  kind: "CatchUp";
  seq: number;
  stream_id: bigint;
  after: number;
}

export interface SendPacket {
  kind: "SendPacket";
  seq: number;
  key: string;
  packet_kind: string;
  target_id: bigint;
  amount_fen: number;
  shares: number;
  greeting?: string;
  client_seed?: Uint8Array;
  card_id?: bigint;
  password?: string;
  for_user_ids?: number[];
  words?: string;
  send_at_ms?: number;
}

export interface Grab {
  kind: "Grab";
  seq: number;
  packet_id: bigint;
}

export interface Open {
  kind: "Open";
  seq: number;
  packet_id: bigint;
  ticket: bigint;
}

export interface Reveal {
  kind: "Reveal";
  seq: number;
  packet_id: bigint;
}

export interface OpenPage {
  kind: "OpenPage";
  seq: number;
  packet_id: bigint;
  language?: string;
}

export interface ResultPage {
  kind: "ResultPage";
  seq: number;
  packet_id: bigint;
  language?: string;
  before_index?: number;
  watch?: boolean;
}

export interface StopWatching {
  kind: "StopWatching";
  seq: number;
  packet_id: bigint;
}

export interface Records {
  kind: "Records";
  seq: number;
  direction: string;
  year?: number;
  before_at_ms?: number;
  before_packet_id?: bigint;
}

export interface PassOn {
  kind: "PassOn";
  seq: number;
  packet_id: bigint;
  language?: string;
}

export interface TapLink {
  kind: "TapLink";
  seq: number;
  link: string;
  language?: string;
}

export interface SendAgain {
  kind: "SendAgain";
  seq: number;
  packet_id: bigint;
  group_id?: bigint;
}

export interface Kick {
  kind: "Kick";
  seq: number;
  group_id: bigint;
  user_id: number;
}

export interface GrabStats {
  kind: "GrabStats";
  seq: number;
  group_id: bigint;
}

export interface SetName {
  kind: "SetName";
  seq: number;
  name: string;
}

export interface GetNames {
  kind: "GetNames";
  seq: number;
  user_ids: number[];
}

export interface GetBalance {
  kind: "GetBalance";
  seq: number;
}

export interface GetEntries {
  kind: "GetEntries";
  seq: number;
  after_version: number;
}

export interface GetStatement {
  kind: "GetStatement";
  seq: number;
  before_version?: number;
}

export interface GetInvite {
  kind: "GetInvite";
  seq: number;
  group_id: bigint;
  renew?: boolean;
}

export interface OpenChat {
  kind: "OpenChat";
  seq: number;
  user_id: number;
}

export interface ShowPass {
  kind: "ShowPass";
  seq: number;
  signed: string;
}

export interface GetSeedTrees {
  kind: "GetSeedTrees";
  seq: number;
}

export interface BindCard {
  kind: "BindCard";
  seq: number;
  number: string;
  holder: string;
  phone: string;
}

export interface ConfirmCard {
  kind: "ConfirmCard";
  seq: number;
  challenge_id: bigint;
  code: string;
  password: string;
}

export interface SendCodeAgain {
  kind: "SendCodeAgain";
  seq: number;
  challenge_id: bigint;
}

export interface GetCards {
  kind: "GetCards";
  seq: number;
}

export interface UnbindCard {
  kind: "UnbindCard";
  seq: number;
  card_id: bigint;
  password: string;
}

export interface SetPassword {
  kind: "SetPassword";
  seq: number;
  password: string;
  new_password: string;
}

export interface AskPasswordReset {
  kind: "AskPasswordReset";
  seq: number;
  card_id: bigint;
}

export interface ResetPassword {
  kind: "ResetPassword";
  seq: number;
  challenge_id: bigint;
  code: string;
  new_password: string;
}

export interface TopUpByCard {
  kind: "TopUpByCard";
  seq: number;
  key: string;
  card_id: bigint;
  amount_fen: number;
  password?: string;
}

export interface WithdrawToCard {
  kind: "WithdrawToCard";
  seq: number;
  key: string;
  card_id: bigint;
  amount_fen: number;
  password?: string;
}

export interface Transfer {
  kind: "Transfer";
  seq: number;
  key: string;
  user_id: number;
  amount_fen: number;
  text?: string;
  password?: string;
}

export interface Shake {
  kind: "Shake";
  seq: number;
  campaign_id: bigint;
}

export interface CampaignInfo {
  kind: "CampaignInfo";
  seq: number;
  campaign_id: bigint;
  language?: string;
}

export interface ListCampaigns {
  kind: "ListCampaigns";
  seq: number;
  before_campaign_id?: bigint;
}

export interface SayWords {
  kind: "SayWords";
  seq: number;
  packet_id: bigint;
  words: string;
}

export interface GetScheduled {
  kind: "GetScheduled";
  seq: number;
}

export interface CancelScheduled {
  kind: "CancelScheduled";
  seq: number;
  packet_id: bigint;
}

export interface SetRelay {
  kind: "SetRelay";
  seq: number;
  group_id: bigint;
  times: number;
}

export interface GetRelay {
  kind: "GetRelay";
  seq: number;
  group_id: bigint;
}

export interface Pong {
  kind: "Pong";
  seq: number;
}

export interface Hello {
  kind: "Hello";
  seq: number;
  version: number;
  nonce: Uint8Array;
  durability: string;
  ping_interval_ms: number;
  pong_timeout_ms: number;
  now_ms: number;
  limits: Record<string, number>;
}

export interface Goodbye {
  kind: "Goodbye";
  seq: number;
  code: number;
  name: string;
  reconnect: boolean;
  detail: string;
  reconnect_after_ms: number;
}

export interface Welcome {
  kind: "Welcome";
  seq: number;
  user_id: number;
  balance_fen: number;
  places: StreamPosition[];
  balance_version: number;
  arriving_fen: number;
  money_unit: MoneyUnit;
}

export interface GroupCreated {
  kind: "GroupCreated";
  seq: number;
  group_id: bigint;
}

export interface GroupJoined {
  kind: "GroupJoined";
  seq: number;
  group_id: bigint;
  name: string;
  owner_id: number;
  last_message: number;
}

export interface GroupLeft {
  kind: "GroupLeft";
  seq: number;
  group_id: bigint;
}

export interface Members {
  kind: "Members";
  seq: number;
  group_id: bigint;
  owner_id: number;
  user_ids: number[];
  names: string[];
  more: boolean;
  avatar_urls: string[];
}

export interface Said {
  kind: "Said";
  seq: number;
  group_id: bigint;
  message: number;
}

export interface CaughtUp {
  kind: "CaughtUp";
  seq: number;
  stream_id: bigint;
  last_message: number;
  reload: boolean;
  messages: Numbered[];
}

export interface PacketSent {
  kind: "PacketSent";
  seq: number;
  packet_id: bigint;
  total_fen: number;
  commitment: Uint8Array;
  expires_at_ms: number;
  seed_index: number;
}

export interface Grabbed {
  kind: "Grabbed";
  seq: number;
  packet_id: bigint;
  answer: string;
  ticket: bigint;
  lapses_at_ms: number;
  amount_fen: number;
  index: number;
  retry_after_ms: number;
}

export interface Opened {
  kind: "Opened";
  seq: number;
  packet_id: bigint;
  answer: string;
  amount_fen: number;
  index: number;
  left_shares: number;
}

export interface Revealed {
  kind: "Revealed";
  seq: number;
  packet_id: bigint;
  packet_kind: string;
  state: string;
  sender_id: number;
  total_fen: number;
  shares: number;
  share_fen_max: number;
  commitment: Uint8Array;
  seed: Uint8Array;
  best_index: number;
  claims: ClaimLine[];
  share_fen_min: number;
  seed_index: number;
  client_seed: Uint8Array;
  server_seed: Uint8Array;
  path: Uint8Array[];
  root: Uint8Array;
  deck: Uint8Array;
}

export interface OpenPageShown {
  kind: "OpenPageShown";
  seq: number;
  packet_id: bigint;
  answer: string;
  view: string;
  sender_id: number;
  sender_name: string;
  greeting: string;
  line: string;
  button: string;
  link: string;
  ticket: bigint;
  lapses_at_ms: number;
  retry_after_ms: number;
  result: ResultPageBody | null;
  for_user_ids: number[];
  for_names: string[];
}

export interface ResultPageShown {
  kind: "ResultPageShown";
  seq: number;
  packet_id: bigint;
  page: ResultPageBody;
}

export interface WatchingStopped {
  kind: "WatchingStopped";
  seq: number;
  packet_id: bigint;
}

export interface RecordsShown {
  kind: "RecordsShown";
  seq: number;
  direction: string;
  year: number;
  years: number[];
  count: number;
  total_fen: number;
  best_lucks: number;
  lines: RecordLine[];
  more: boolean;
}

export interface PassedOn {
  kind: "PassedOn";
  seq: number;
  packet_id: bigint;
  link: string;
  depth: number;
  expires_at_ms: number;
  text: string;
}

export interface LinkTapped {
  kind: "LinkTapped";
  seq: number;
  packet_id: bigint;
  answer: string;
  view: string;
  sender_id: number;
  sender_name: string;
  greeting: string;
  line: string;
  button: string;
  link: string;
  ticket: bigint;
  lapses_at_ms: number;
  retry_after_ms: number;
  result: ResultPageBody | null;
  for_user_ids: number[];
  for_names: string[];
}

export interface SentAgain {
  kind: "SentAgain";
  seq: number;
  packet_id: bigint;
  stream_id: bigint;
  message: number;
}

export interface Kicked {
  kind: "Kicked";
  seq: number;
  group_id: bigint;
  user_id: number;
}

export interface GrabStatsShown {
  kind: "GrabStatsShown";
  seq: number;
  group_id: bigint;
  lines: GrabStatLine[];
}

export interface NameSet {
  kind: "NameSet";
  seq: number;
  name: string;
}

export interface Names {
  kind: "Names";
  seq: number;
  names: string[];
  avatar_urls: string[];
}

export interface Balance {
  kind: "Balance";
  seq: number;
  balance_fen: number;
  arriving_fen: number;
}

export interface Entries {
  kind: "Entries";
  seq: number;
  entries: EntryLine[];
  more: boolean;
}

export interface StatementPage {
  kind: "StatementPage";
  seq: number;
  lines: StatementLine[];
  more: boolean;
}

export interface Invite {
  kind: "Invite";
  seq: number;
  group_id: bigint;
  code: string;
}

export interface ChatOpened {
  kind: "ChatOpened";
  seq: number;
  stream_id: bigint;
  user_id: number;
  last_message: number;
}

export interface PassShown {
  kind: "PassShown";
  seq: number;
  group_id: bigint;
  expires_at_s: number;
}

export interface SeedTrees {
  kind: "SeedTrees";
  seq: number;
  next_index: number;
  trees: SeedTree[];
}

export interface CardOffered {
  kind: "CardOffered";
  seq: number;
  challenge_id: bigint;
  bank: string;
  last4: string;
  phone: string;
  expires_at_ms: number;
  sets_password: boolean;
}

export interface CardBound {
  kind: "CardBound";
  seq: number;
  card: CardLine;
}

export interface CodeSentAgain {
  kind: "CodeSentAgain";
  seq: number;
  phone: string;
  expires_at_ms: number;
}

export interface Cards {
  kind: "Cards";
  seq: number;
  cards: CardLine[];
  has_password: boolean;
  takes_cards: boolean;
  needs_password: boolean;
}

export interface CardUnbound {
  kind: "CardUnbound";
  seq: number;
  card_id: bigint;
}

export interface PasswordSet {
  kind: "PasswordSet";
  seq: number;
}

export interface ResetCodeSent {
  kind: "ResetCodeSent";
  seq: number;
  challenge_id: bigint;
  phone: string;
  expires_at_ms: number;
}

export interface PasswordReset {
  kind: "PasswordReset";
  seq: number;
}

export interface ToppedUpByCard {
  kind: "ToppedUpByCard";
  seq: number;
  payment_id: bigint;
  state: string;
  amount_fen: number;
}

export interface WithdrawnToCard {
  kind: "WithdrawnToCard";
  seq: number;
  payment_id: bigint;
  state: string;
  amount_fen: number;
}

export interface Transferred {
  kind: "Transferred";
  seq: number;
  user_id: number;
  amount_fen: number;
  at_ms: number;
}

export interface Shaken {
  kind: "Shaken";
  seq: number;
  campaign_id: bigint;
  result: string;
  retry_after_ms: number;
  win: WinLine | null;
}

export interface CampaignShown {
  kind: "CampaignShown";
  seq: number;
  campaign: CampaignLine;
  texts: Record<string, string>;
}

export interface Campaigns {
  kind: "Campaigns";
  seq: number;
  campaigns: CampaignLine[];
  more: boolean;
}

export interface WordsSaid {
  kind: "WordsSaid";
  seq: number;
  packet_id: bigint;
  answer: string;
}

export interface ScheduledPackets {
  kind: "ScheduledPackets";
  seq: number;
  packets: ScheduledLine[];
}

export interface ScheduledCancelled {
  kind: "ScheduledCancelled";
  seq: number;
  packet_id: bigint;
  refunded_fen: number;
}

export interface RelaySet {
  kind: "RelaySet";
  seq: number;
  group_id: bigint;
  times: number;
}

export interface RelayShown {
  kind: "RelayShown";
  seq: number;
  group_id: bigint;
  times: number;
}

export interface TextPosted {
  kind: "TextPosted";
  seq: number;
  stream_id: bigint;
  message: number;
  sender_id: number;
  at_ms: number;
  text: string;
}

export interface PacketPosted {
  kind: "PacketPosted";
  seq: number;
  stream_id: bigint;
  message: number;
  sender_id: number;
  at_ms: number;
  packet_id: bigint;
  packet_kind: string;
  shares: number;
  greeting: string;
  commitment: Uint8Array;
  expires_at_ms: number;
  for_user_ids: number[];
}

export interface ClaimNotice {
  kind: "ClaimNotice";
  seq: number;
  packet_id: bigint;
  user_id: number;
  index: number;
  amount_fen: number;
  left_shares: number;
}

export interface PacketFinished {
  kind: "PacketFinished";
  seq: number;
  packet_id: bigint;
  stream_id: bigint;
  shares: number;
  took_ms: number;
  best_user_id: number;
  best_amount_fen: number;
}

export interface PacketRefunded {
  kind: "PacketRefunded";
  seq: number;
  packet_id: bigint;
  refunded_fen: number;
}

export interface BalanceChanged {
  kind: "BalanceChanged";
  seq: number;
  balance_fen: number;
  change_fen: number;
  reason: string;
  version: number;
}

export interface ResultUpdate {
  kind: "ResultUpdate";
  seq: number;
  packet_id: bigint;
  opened: number;
  claims: ResultLine[];
  summary: string;
}

export interface RemovedFromGroup {
  kind: "RemovedFromGroup";
  seq: number;
  group_id: bigint;
}

export interface AddedToGroup {
  kind: "AddedToGroup";
  seq: number;
  group_id: bigint;
  name: string;
  owner_id: number;
  last_message: number;
}

export interface ClaimsReminder {
  kind: "ClaimsReminder";
  seq: number;
  stream_id: bigint;
  message: number;
  at_ms: number;
  packet_id: bigint;
  shares: number;
  claims: ClaimLine[];
}

export interface FinishReminder {
  kind: "FinishReminder";
  seq: number;
  stream_id: bigint;
  message: number;
  at_ms: number;
  packet_id: bigint;
  shares: number;
  took_ms: number;
  best_user_id: number;
  best_amount_fen: number;
}

export interface RefundReminder {
  kind: "RefundReminder";
  seq: number;
  stream_id: bigint;
  message: number;
  at_ms: number;
  packet_id: bigint;
  refunded_fen: number;
}

export interface RelayPosted {
  kind: "RelayPosted";
  seq: number;
  stream_id: bigint;
  message: number;
  at_ms: number;
  packet_id: bigint;
  user_id: number;
  times: number;
  amount_fen: number;
  shares: number;
}

export interface Refused {
  kind: "Refused";
  seq: number;
  code: number;
  name: string;
  temporary: boolean;
  retry_after_ms: number;
  detail: string;
}

/** Messages of users. See codec. */
export const USER_MESSAGES: Table = {
  StreamPosition: [0, "stream_id:i name:t owner_id:n last_message:n"],
  MoneyUnit: [0, "zh:t en:t symbol:t decimals:n"],
  ClaimLine: [0, "index:n user_id:n amount_fen:n at_ms:n"],
  ResultLine: [0, "index:n user_id:n name:t amount_fen:n at_ms:n when:t"],
  ResultPageBody: [0, "packet_kind:t state:t sender_id:n sender_name:t greeting:t amount_fen:n note:t summary:t button:t link:t shows_list:o best_index:n opened:n shares:n claims:[{ResultLine more:o watched:o amount:t= ending:t= best_mark:t= pass_on:t= turn:t= turn_user_id:n= turn_name:t="],
  RecordLine: [0, "packet_id:i packet_kind:t at_ms:n user_id:i name:t amount_fen:n shares:n opened:n state:t is_best:o"],
  GrabStatLine: [0, "user_id:n name:t median_ms:n grabs:n first_places:n sent_packets:n"],
  EntryLine: [0, "version:n at_ms:n reason:t change_fen:n balance_fen:n packet_id:i"],
  StatementLine: [0, "version:n at_ms:n reason:t change_fen:n balance_fen:n packet_id:i packet_kind:t other_id:i other_name:t text:t="],
  SeedTree: [0, "number:n root:b"],
  CardLine: [0, "card_id:i bank:t last4:t holder:t phone:t bound_at_ms:n"],
  WinLine: [0, "amount_fen:n packet_id:i index:n sponsor_id:n sponsor_name:t greeting:t cover:t="],
  CampaignLine: [0, "campaign_id:i name:t sponsor_id:n sponsor_name:t greeting:t cover:t state:t starts_at_ms:n ends_at_ms:n shares:n at_most_left:n left_at_ms:n ask_every:n per_user_limit:n highlighted:o group_id:i commitment:b event_kind:t="],
  ScheduledLine: [0, "packet_id:i packet_kind:t target_id:i total_fen:n shares:n greeting:t send_at_ms:n expires_at_ms:n for_user_ids:[n="],
  Ping: [3, ""],
  Login: [10, "user_id:n expires_at_s:n key_id:t proof:b features:[t= issued_at_s:n="],
  CreateGroup: [11, "name:t"],
  JoinGroup: [12, "group_id:i invite:t="],
  LeaveGroup: [13, "group_id:i"],
  ListMembers: [14, "group_id:i after_user_id:n="],
  Say: [15, "group_id:i text:t"],
  CatchUp: [16, "stream_id:i after:n"],
  SendPacket: [20, "key:t packet_kind:t target_id:i amount_fen:n shares:n greeting:t= client_seed:b= card_id:i= password:t= for_user_ids:[n= words:t= send_at_ms:n="],
  Grab: [21, "packet_id:i"],
  Open: [22, "packet_id:i ticket:i"],
  Reveal: [23, "packet_id:i"],
  OpenPage: [27, "packet_id:i language:t=zh"],
  ResultPage: [28, "packet_id:i language:t=zh before_index:n= watch:o="],
  StopWatching: [29, "packet_id:i"],
  Records: [30, "direction:t year:n= before_at_ms:n= before_packet_id:i="],
  PassOn: [90, "packet_id:i language:t=zh"],
  TapLink: [91, "link:t language:t=zh"],
  SendAgain: [31, "packet_id:i group_id:i="],
  Kick: [32, "group_id:i user_id:n"],
  GrabStats: [33, "group_id:i"],
  SetName: [34, "name:t"],
  GetNames: [35, "user_ids:[n"],
  GetBalance: [24, ""],
  GetEntries: [36, "after_version:n"],
  GetStatement: [48, "before_version:n="],
  GetInvite: [43, "group_id:i renew:o="],
  OpenChat: [45, "user_id:n"],
  ShowPass: [44, "signed:t"],
  GetSeedTrees: [47, ""],
  BindCard: [50, "number:t holder:t phone:t"],
  ConfirmCard: [51, "challenge_id:i code:t password:t"],
  SendCodeAgain: [52, "challenge_id:i"],
  GetCards: [53, ""],
  UnbindCard: [54, "card_id:i password:t"],
  SetPassword: [55, "password:t new_password:t"],
  AskPasswordReset: [56, "card_id:i"],
  ResetPassword: [57, "challenge_id:i code:t new_password:t"],
  TopUpByCard: [58, "key:t card_id:i amount_fen:n password:t="],
  WithdrawToCard: [59, "key:t card_id:i amount_fen:n password:t="],
  Transfer: [72, "key:t user_id:n amount_fen:n text:t= password:t="],
  Shake: [80, "campaign_id:i"],
  CampaignInfo: [81, "campaign_id:i language:t=zh"],
  ListCampaigns: [82, "before_campaign_id:i="],
  SayWords: [75, "packet_id:i words:t"],
  GetScheduled: [76, ""],
  CancelScheduled: [77, "packet_id:i"],
  SetRelay: [78, "group_id:i times:n"],
  GetRelay: [79, "group_id:i"],
  Pong: [4, ""],
  Hello: [1, "version:n nonce:b durability:t ping_interval_ms:n pong_timeout_ms:n now_ms:n limits:<n"],
  Goodbye: [2, "code:n name:t reconnect:o detail:t reconnect_after_ms:n="],
  Welcome: [110, "user_id:n balance_fen:n places:[{StreamPosition balance_version:n= arriving_fen:n= money_unit:{MoneyUnit="],
  GroupCreated: [111, "group_id:i"],
  GroupJoined: [112, "group_id:i name:t owner_id:n last_message:n"],
  GroupLeft: [113, "group_id:i"],
  Members: [114, "group_id:i owner_id:n user_ids:[n names:[t= more:o= avatar_urls:[t="],
  Said: [115, "group_id:i message:n"],
  CaughtUp: [116, "stream_id:i last_message:n reload:o messages:[M"],
  PacketSent: [120, "packet_id:i total_fen:n commitment:b expires_at_ms:n seed_index:n=-1"],
  Grabbed: [121, "packet_id:i answer:t ticket:i= lapses_at_ms:n= amount_fen:n= index:n= retry_after_ms:n="],
  Opened: [122, "packet_id:i answer:t amount_fen:n= index:n= left_shares:n="],
  Revealed: [123, "packet_id:i packet_kind:t state:t sender_id:n total_fen:n shares:n share_fen_max:n commitment:b seed:b best_index:n claims:[{ClaimLine share_fen_min:n=1 seed_index:n=-1 client_seed:b= server_seed:b= path:[b= root:b= deck:b="],
  OpenPageShown: [127, "packet_id:i answer:t view:t= sender_id:n= sender_name:t= greeting:t= line:t= button:t= link:t= ticket:i= lapses_at_ms:n= retry_after_ms:n= result:~{ResultPageBody= for_user_ids:[n= for_names:[t="],
  ResultPageShown: [128, "packet_id:i page:{ResultPageBody"],
  WatchingStopped: [129, "packet_id:i"],
  RecordsShown: [130, "direction:t year:n years:[n count:n total_fen:n best_lucks:n lines:[{RecordLine more:o"],
  PassedOn: [190, "packet_id:i link:t depth:n expires_at_ms:n text:t="],
  LinkTapped: [191, "packet_id:i answer:t view:t= sender_id:n= sender_name:t= greeting:t= line:t= button:t= link:t= ticket:i= lapses_at_ms:n= retry_after_ms:n= result:~{ResultPageBody= for_user_ids:[n= for_names:[t="],
  SentAgain: [131, "packet_id:i stream_id:i message:n"],
  Kicked: [132, "group_id:i user_id:n"],
  GrabStatsShown: [133, "group_id:i lines:[{GrabStatLine"],
  NameSet: [134, "name:t"],
  Names: [135, "names:[t avatar_urls:[t="],
  Balance: [124, "balance_fen:n arriving_fen:n="],
  Entries: [136, "entries:[{EntryLine more:o"],
  StatementPage: [148, "lines:[{StatementLine more:o"],
  Invite: [143, "group_id:i code:t"],
  ChatOpened: [145, "stream_id:i user_id:n last_message:n"],
  PassShown: [144, "group_id:i expires_at_s:n"],
  SeedTrees: [147, "next_index:n trees:[{SeedTree"],
  CardOffered: [150, "challenge_id:i bank:t last4:t phone:t expires_at_ms:n sets_password:o"],
  CardBound: [151, "card:{CardLine"],
  CodeSentAgain: [152, "phone:t expires_at_ms:n"],
  Cards: [153, "cards:[{CardLine has_password:o takes_cards:o=true needs_password:o=true"],
  CardUnbound: [154, "card_id:i"],
  PasswordSet: [155, ""],
  ResetCodeSent: [156, "challenge_id:i phone:t expires_at_ms:n"],
  PasswordReset: [157, ""],
  ToppedUpByCard: [158, "payment_id:i state:t amount_fen:n"],
  WithdrawnToCard: [159, "payment_id:i state:t amount_fen:n"],
  Transferred: [172, "user_id:n amount_fen:n at_ms:n"],
  Shaken: [180, "campaign_id:i result:t retry_after_ms:n= win:~{WinLine="],
  CampaignShown: [181, "campaign:{CampaignLine texts:<t"],
  Campaigns: [182, "campaigns:[{CampaignLine more:o"],
  WordsSaid: [175, "packet_id:i answer:t"],
  ScheduledPackets: [176, "packets:[{ScheduledLine"],
  ScheduledCancelled: [177, "packet_id:i refunded_fen:n"],
  RelaySet: [178, "group_id:i times:n"],
  RelayShown: [179, "group_id:i times:n"],
  TextPosted: [60, "stream_id:i message:n sender_id:n at_ms:n text:t"],
  PacketPosted: [61, "stream_id:i message:n sender_id:n at_ms:n packet_id:i packet_kind:t shares:n greeting:t commitment:b expires_at_ms:n for_user_ids:[n="],
  ClaimNotice: [62, "packet_id:i user_id:n index:n amount_fen:n left_shares:n"],
  PacketFinished: [63, "packet_id:i stream_id:i shares:n took_ms:n best_user_id:n best_amount_fen:n"],
  PacketRefunded: [64, "packet_id:i refunded_fen:n"],
  BalanceChanged: [65, "balance_fen:n change_fen:n reason:t version:n="],
  ResultUpdate: [66, "packet_id:i opened:n claims:[{ResultLine summary:t="],
  RemovedFromGroup: [67, "group_id:i"],
  AddedToGroup: [71, "group_id:i name:t owner_id:n last_message:n"],
  ClaimsReminder: [68, "stream_id:i message:n at_ms:n packet_id:i shares:n claims:[{ClaimLine"],
  FinishReminder: [69, "stream_id:i message:n at_ms:n packet_id:i shares:n took_ms:n best_user_id:n best_amount_fen:n"],
  RefundReminder: [70, "stream_id:i message:n at_ms:n packet_id:i refunded_fen:n"],
  RelayPosted: [89, "stream_id:i message:n at_ms:n packet_id:i user_id:n times:n amount_fen:n shares:n"],
  Refused: [200, "code:n name:t temporary:o retry_after_ms:n detail:t="],
};

/** Messages of the chat backend. See codec. */
export const BACKEND_MESSAGES: Table = {
  DeckBand: [0, "low_fen:n high_fen:n ppm:n"],
  UserLine: [0, "user_id:n name:t="],
  HourLine: [0, "at_ms:n shakes:n won_shares:n won_fen:n"],
  BillLine: [0, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i reason:t sent_at_ms:n received_at_ms:n refunded_fen:n group_id:i packet_kind:t shares:n opened_shares:n opened_fen:n"],
  TopUp: [25, "key:t user_id:n amount_fen:n known_only:o="],
  Withdraw: [26, "key:t user_id:n amount_fen:n"],
  Pay: [73, "key:t user_id:n amount_fen:n text:t="],
  RefundToCard: [98, "key:t payment_id:i amount_fen:n"],
  ForgetUser: [74, "user_id:n"],
  PutSponsor: [83, "user_id:n name:t"],
  CreateCampaign: [84, "key:t sponsor_id:n name:t starts_at_ms:n ends_at_ms:n shares:n budget_fen:n scheme:t bands:[{DeckBand share_fen_min:n= share_fen_max:n= per_user_limit:n=1 greeting:t= cover:t= group_id:i= highlighted:o= client_seed:b= event_kind:t="],
  ChangeCampaign: [85, "campaign_id:i action:t"],
  CampaignReport: [86, "campaign_id:i"],
  SendBill: [92, "sponsor_id:n bill_number:t user_id:n amount_fen:n greeting:t= scene_id:t= client_seed:b="],
  GetBill: [93, "sponsor_id:n bill_number:t"],
  ReportEvent: [94, "sponsor_id:n event_id:t event_kind:t user_id:n"],
  SetEventRange: [95, "sponsor_id:n event_kind:t low_fen:n high_fen:n greeting:t="],
  SendGroupBill: [96, "sponsor_id:n bill_number:t group_id:i packet_kind:t amount_fen:n shares:n greeting:t= scene_id:t= client_seed:b="],
  ListBills: [97, "sponsor_id:n cursor:t="],
  PutUsers: [37, "users:[{UserLine"],
  BanUser: [38, "user_id:n banned:o=true known_only:o="],
  RevokeTokens: [39, "user_id:n known_only:o="],
  PutGroup: [40, "external_id:t name:t owner_id:n= audience:t=members known_only:o="],
  DeleteGroup: [49, "external_id:t"],
  SyncMembers: [41, "group_id:i version:i user_ids:[n known_only:o="],
  ChangeMembers: [42, "group_id:i version:i joined:[n left:[n= known_only:o="],
  PutChat: [46, "user_id:n other_id:n"],
  ToppedUp: [125, "user_id:n balance_fen:n"],
  Withdrawn: [126, "user_id:n balance_fen:n"],
  Paid: [173, "user_id:n amount_fen:n at_ms:n"],
  RefundedToCard: [198, "payment_id:i state:t amount_fen:n"],
  UserForgotten: [174, "user_id:n"],
  SponsorPut: [183, "user_id:n balance_fen:n next_index:n trees:[{SeedTree"],
  CampaignCreated: [184, "campaign_id:i budget_fen:n commitment:b seed_index:n"],
  CampaignChanged: [185, "campaign_id:i state:t returned_fen:n"],
  CampaignReportShown: [186, "campaign:{CampaignLine budget_fen:n won_shares:n won_fen:n winners:n left_shares:n left_fen:n returned_fen:n shakes:n rests:n nothings:n open_leases:n hours:[{HourLine seed:b= deck:b="],
  BillSent: [192, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  BillFound: [193, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  EventReported: [194, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  EventRangeSet: [195, "sponsor_id:n event_kind:t commitment:b revealed_seed:b"],
  GroupBillSent: [196, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  Bills: [197, "bills:[{BillLine next_cursor:t"],
  UsersPut: [137, "users:n"],
  UserBanned: [138, "user_id:n banned:o"],
  TokensRevoked: [139, "user_id:n tokens_from_s:n"],
  GroupPut: [140, "group_id:i"],
  GroupDeleted: [149, "group_id:i"],
  MembersSynced: [141, "group_id:i joined:n left:n members:n"],
  MembersChanged: [142, "group_id:i joined:n left:n members:n"],
  ChatPut: [146, "stream_id:i"],
};

export type Post = TextPosted | PacketPosted | RelayPosted;
export type Reminder = ClaimsReminder | FinishReminder | RefundReminder;
export type Notice = ClaimNotice | PacketFinished | PacketRefunded;
export type Numbered = Post | Reminder;

/** What a server may tell or answer. */
export type AnyMessage =
  Hello | Goodbye | Ping | Pong | Welcome | GroupCreated | GroupJoined | GroupLeft | Members | Said
  | CaughtUp | PacketSent | Grabbed | Opened | Revealed | OpenPageShown | ResultPageShown
  | WatchingStopped | RecordsShown | PassedOn | LinkTapped | SentAgain | Kicked | GrabStatsShown
  | NameSet | Names | Balance | Entries | StatementPage | Invite | ChatOpened | PassShown | SeedTrees
  | CardOffered | CardBound | CodeSentAgain | Cards | CardUnbound | PasswordSet | ResetCodeSent
  | PasswordReset | ToppedUpByCard | WithdrawnToCard | Transferred | Shaken | CampaignShown | Campaigns
  | WordsSaid | ScheduledPackets | ScheduledCancelled | RelaySet | RelayShown | TextPosted
  | PacketPosted | ClaimNotice | PacketFinished | PacketRefunded | BalanceChanged | ResultUpdate
  | RemovedFromGroup | AddedToGroup | ClaimsReminder | FinishReminder | RefundReminder | RelayPosted
  | Refused;
/** What comes without being asked for. */
export type PushMessage = TextPosted | PacketPosted | ClaimNotice | PacketFinished | PacketRefunded | BalanceChanged
  | ResultUpdate | RemovedFromGroup | AddedToGroup | ClaimsReminder | FinishReminder | RefundReminder
  | RelayPosted;

/** Every request of a user, with its reply. */
export interface Requests {
  Ping: [Ping, Pong];
  Login: [Login, Welcome];
  CreateGroup: [CreateGroup, GroupCreated];
  JoinGroup: [JoinGroup, GroupJoined];
  LeaveGroup: [LeaveGroup, GroupLeft];
  ListMembers: [ListMembers, Members];
  Say: [Say, Said];
  CatchUp: [CatchUp, CaughtUp];
  SendPacket: [SendPacket, PacketSent];
  Grab: [Grab, Grabbed];
  Open: [Open, Opened];
  Reveal: [Reveal, Revealed];
  OpenPage: [OpenPage, OpenPageShown];
  ResultPage: [ResultPage, ResultPageShown];
  StopWatching: [StopWatching, WatchingStopped];
  Records: [Records, RecordsShown];
  PassOn: [PassOn, PassedOn];
  TapLink: [TapLink, LinkTapped];
  SendAgain: [SendAgain, SentAgain];
  Kick: [Kick, Kicked];
  GrabStats: [GrabStats, GrabStatsShown];
  SetName: [SetName, NameSet];
  GetNames: [GetNames, Names];
  GetBalance: [GetBalance, Balance];
  GetEntries: [GetEntries, Entries];
  GetStatement: [GetStatement, StatementPage];
  GetInvite: [GetInvite, Invite];
  OpenChat: [OpenChat, ChatOpened];
  ShowPass: [ShowPass, PassShown];
  GetSeedTrees: [GetSeedTrees, SeedTrees];
  BindCard: [BindCard, CardOffered];
  ConfirmCard: [ConfirmCard, CardBound];
  SendCodeAgain: [SendCodeAgain, CodeSentAgain];
  GetCards: [GetCards, Cards];
  UnbindCard: [UnbindCard, CardUnbound];
  SetPassword: [SetPassword, PasswordSet];
  AskPasswordReset: [AskPasswordReset, ResetCodeSent];
  ResetPassword: [ResetPassword, PasswordReset];
  TopUpByCard: [TopUpByCard, ToppedUpByCard];
  WithdrawToCard: [WithdrawToCard, WithdrawnToCard];
  Transfer: [Transfer, Transferred];
  Shake: [Shake, Shaken];
  CampaignInfo: [CampaignInfo, CampaignShown];
  ListCampaigns: [ListCampaigns, Campaigns];
  SayWords: [SayWords, WordsSaid];
  GetScheduled: [GetScheduled, ScheduledPackets];
  CancelScheduled: [CancelScheduled, ScheduledCancelled];
  SetRelay: [SetRelay, RelaySet];
  GetRelay: [GetRelay, RelayShown];
}
export type RequestName = keyof Requests;
export type RequestFields<Name extends RequestName> = Omit<Requests[Name][0], "kind" | "seq">;
export type ReplyOf<Name extends RequestName> = Requests[Name][1];
/** Requests that move money. */
export type KeyedRequestName = "SendPacket" | "TopUpByCard" | "WithdrawToCard" | "Transfer";

export type RefusalName =
  "bad_request" | "unknown_request" | "rate_limited" | "forbidden" | "out_of_order" | "not_allowed"
  | "not_a_member" | "no_such_group" | "group_full" | "bad_name" | "bad_text" | "owner_stays"
  | "too_many_groups" | "not_owner" | "kicked" | "bad_invite" | "no_such_user" | "name_taken"
  | "backend_decides" | "bad_pass" | "banned" | "bad_link" | "bad_receivers" | "words_needed"
  | "words_wrong" | "words_spent" | "bad_words" | "no_such_campaign" | "not_a_sponsor" | "bad_campaign"
  | "bad_budget" | "campaign_over" | "too_deep" | "bad_scene" | "bad_amount" | "bad_shares"
  | "bad_greeting" | "bad_key" | "bad_target" | "key_reused" | "not_enough_money" | "bad_seed"
  | "no_ticket" | "not_finished" | "finished" | "already_posted" | "bad_time" | "store_unavailable"
  | "overloaded" | "internal" | "bank_declined" | "bank_unknown" | "bank_away" | "bad_card"
  | "card_taken" | "code_wrong" | "code_spent" | "code_too_soon" | "password_wrong" | "password_locked"
  | "password_needed" | "limit" | "needs_tls";
export type PacketKind = "lucky" | "equal" | "personal" | "fission" | "exclusive" | "password";
