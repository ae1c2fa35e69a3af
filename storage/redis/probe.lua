-- One write that lapses by itself. It fails wherever the write of a claim fails: no room, no disk, a replica, no permission.
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return {}
