-- Let logs lapse. KEYS: the logs. ARGV: in how many milliseconds.
for _, log in ipairs(KEYS) do
    redis.call('PEXPIRE', log, ARGV[1])
end
return {}
