-- Close logs: one more byte after the claims, so that no length a batch was built on fits any more.
-- KEYS: the logs. ARGV: the head of a log, the closing byte, the length of one claim. Returns the logs as found.
local found = {}
for i, log in ipairs(KEYS) do
    local bytes = redis.pcall('GET', log)
    if type(bytes) == 'table' then
        bytes = false  -- an error: a key of another type, which another program made. It counts as missing
    end
    if not bytes then
        redis.call('SET', log, ARGV[1] .. ARGV[2])
    elseif (#bytes - #ARGV[1]) % tonumber(ARGV[3]) == 0 then
        redis.call('APPEND', log, ARGV[2])
    end
    found[i] = bytes or ''
end
return found
