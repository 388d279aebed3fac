"""The steps that are one at a Redis server. Each works on one key, so each works in a cluster.

Times are the server's. Numbers stay below 2^53, where Lua's doubles are exact.
"""

from __future__ import annotations

import hashlib

__all__ = ["Script"]


class Script:
    """A Lua script and the SHA-1 by which the server knows it."""

    __slots__ = ("sha", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


_MICROS = "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] "

# ARGV: by, ttl in ms or ''. A counter is returned as text: Lua would round it.
INCR = Script("""
local existed = redis.call('EXISTS', KEYS[1])
redis.call('INCRBY', KEYS[1], ARGV[1])
if existed == 0 and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
""")

TAKE = Script("""
local data = redis.call('GET', KEYS[1])
if not data then return {false, -2} end
local left = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
return {data, left}
""")

# ARGV: old, new, ttl in ms or ''
CAS = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
""")

CAD = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

# A tag's stamp must not end before its entry does. ARGV: ttl in ms or ''
KEEP = Script("""
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
if ARGV[1] == '' then return redis.call('PERSIST', KEYS[1]) end
if left < tonumber(ARGV[1]) then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 0
""")

# ARGV: digest, attempts, ttl in ms
GUARD_SET = Script("""
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'left', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")

GUARD_CHECK = Script("""
local digest = redis.call('HGET', KEYS[1], 'digest')
if not digest then return {'absent', 0} end
local left = tonumber(redis.call('HGET', KEYS[1], 'left'))
if left <= 0 then return {'exhausted', 0} end
left = redis.call('HINCRBY', KEYS[1], 'left', -1)
if digest ~= ARGV[1] then return {'mismatch', left} end
redis.call('DEL', KEYS[1])
return {'match', left}
""")

_INDEX = """
local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
"""

# ARGV: member, ttl in ms, most members
INDEX_ADD = Script(
    _INDEX
    + """
local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[1])
if is_new and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return 1
"""
)

INDEX_REMOVE = Script(_INDEX + "return redis.call('ZREM', KEYS[1], ARGV[1])")
INDEX_MEMBERS = Script(_INDEX + "return redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)")

# ARGV: cost, then µs an item and burst for each rate
GCRA = Script(
    _MICROS
    + """
local cost = tonumber(ARGV[1])
local wanted, wait, free, reset, tats = math.max(cost, 1), 0, math.huge, 0, {}
local raw = redis.call('GET', KEYS[1])
if raw then for word in string.gmatch(raw, '%d+') do tats[#tats + 1] = tonumber(word) end end
local rates = (#ARGV - 1) / 2
for i = 1, rates do
  local step, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  tats[i] = math.min(math.max(now, tats[i] or now), now + step * burst)
  wait = math.max(wait, tats[i] + step * (wanted - burst) - now)
end
local allowed = cost < 0 or wait == 0
local words = {}
for i = 1, rates do
  local step, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  if allowed then tats[i] = math.max(now, tats[i] + step * cost) end
  free = math.min(free, math.floor((now + step * burst - tats[i]) / step))
  reset = math.max(reset, tats[i] - now)
  words[i] = string.format('%.0f', tats[i])
end
if allowed and cost ~= 0 then
  redis.call('SET', KEYS[1], table.concat(words, ' '), 'PX', math.max(1, math.ceil(reset / 1000)))
end
return {allowed and 1 or 0, free, allowed and 0 or wait, reset}
"""
)

# A sorted set of hits: the score is their µs, the member tells those of one µs apart.
# ARGV: cost, then µs of the window and limit for each rate
WINDOW = Script(
    _MICROS
    + """
local cost = tonumber(ARGV[1])
local wanted, wait, free, longest = math.max(cost, 1), 0, math.huge, 0
local rates = (#ARGV - 1) / 2
for i = 1, rates do longest = math.max(longest, tonumber(ARGV[2 * i])) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
if cost < 0 then redis.call('ZPOPMAX', KEYS[1], -cost) end
for i = 1, rates do
  local per, limit = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local from = '(' .. string.format('%.0f', now - per)
  local inside = redis.call('ZCOUNT', KEYS[1], from, '+inf')
  local over = inside + wanted - limit
  if over > 0 then
    local at = redis.call(
      'ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', over - 1, 1)
    wait = math.max(wait, tonumber(at[2]) + per - now)
  end
  free = math.min(free, limit - inside)
end
local allowed = cost < 0 or wait == 0
if allowed and cost > 0 then
  local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
  local at = string.format('%.0f', math.max(now, tonumber(newest[2] or '0')))
  local same = redis.call('ZCOUNT', KEYS[1], at, at)
  for i = 1, cost do
    redis.call('ZADD', KEYS[1], at, at .. string.format(':%04d', same + i))
  end
  free = free - cost
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local reset = last[2] and math.max(0, tonumber(last[2]) + longest - now) or 0
if last[2] then redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(reset / 1000))) end
return {allowed and 1 or 0, math.max(0, free), allowed and 0 or wait, reset}
"""
)

# A free lock keeps its last token for a day. ARGV: owner, ttl in ms, ms to remember
LOCK_ACQUIRE = Script(
    _MICROS
    + """
local lock = redis.call('HMGET', KEYS[1], 'owner', 'token', 'until')
if lock[1] and lock[1] ~= '' and tonumber(lock[3]) > now then return false end
local token = string.format('%.0f', math.max(now, tonumber(lock[2] or '0') + 1))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token,
  'until', string.format('%.0f', now + ARGV[2] * 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[3])
return token
"""
)

_LOCK_MINE = (
    _MICROS
    + """
local lock = redis.call('HMGET', KEYS[1], 'owner', 'until')
if lock[1] ~= ARGV[1] or tonumber(lock[2]) <= now then return 0 end
"""
)
LOCK_RENEW = Script(
    _LOCK_MINE
    + """
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2] * 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[3])
return 1
"""
)
LOCK_RELEASE = Script(_LOCK_MINE + "redis.call('HSET', KEYS[1], 'owner', '') return 1")
