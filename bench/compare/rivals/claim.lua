-- A user opens a share, as most teams write it.
-- KEYS: the packet (hash: left_fen, left_shares), the users with a claim (set), the claims (list of user:fen).
-- ARGV: the user, a seed. (Without a seed every script starts with the same one, and all packets are split alike.)
-- Returns the amount in fen; 0: no share left; -1: this user has claimed already.
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then
    return -1
end
local left = redis.call('HMGET', KEYS[1], 'left_fen', 'left_shares')
local left_fen, left_shares = tonumber(left[1] or 0), tonumber(left[2] or 0)
if left_shares < 1 then
    return 0
end
local amount = left_fen
if left_shares > 1 then
    math.randomseed(tonumber(ARGV[2]))
    amount = math.random(1, math.max(math.floor(2 * left_fen / left_shares) - 1, 1))
end
redis.call('HINCRBY', KEYS[1], 'left_fen', -amount)
redis.call('HINCRBY', KEYS[1], 'left_shares', -1)
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[1] .. ':' .. amount)
return amount
