-- Append claims to the logs of many packets, each only if its log still has the length the batch was built on.
-- KEYS: the logs. ARGV: for each log three words: the length seen, an image ('' or the whole log so far, which
-- replaces a log that is missing or behind), the new claims. Returns the positions (from 1) that were refused.
local refused = {}
for i, log in ipairs(KEYS) do
    local seen, image, claims = tonumber(ARGV[3 * i - 2]), ARGV[3 * i - 1], ARGV[3 * i]
    local length = redis.pcall('STRLEN', log)
    if type(length) == 'table' then
        length = 0  -- an error: a key of another type, which another program made. It counts as missing
    end
    if length ~= seen then
        refused[#refused + 1] = i
    elseif image ~= '' then
        redis.call('SET', log, image .. claims)
    else
        redis.call('APPEND', log, claims)
    end
end
return refused
