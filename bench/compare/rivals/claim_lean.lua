-- A user opens a share, with the fewest calls that decide and record the same as claim.lua.
-- KEYS: the packet (hash: left_fen, left_shares), its claims (hash: user -> fen).
-- ARGV and the return value are those of claim.lua.
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
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
redis.call('HSET', KEYS[1], 'left_fen', left_fen - amount, 'left_shares', left_shares - 1)
redis.call('HSET', KEYS[2], ARGV[1], amount)
return amount
