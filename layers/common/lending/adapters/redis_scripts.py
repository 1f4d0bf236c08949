"""The scripts of the cache protocol: each is one round trip, changes one key, and is atomic.

Each is sent behind a line that selects its database (Keyspace.script). On a new connection it goes out before the reply
to the connection's own SELECT has come; where the number is refused, the script fails too, and leaves other data alone.
"""

from lending.adapters.score_document import MAX_LENGTH

TTL_SECONDS = 86_400
"""Of an entry. What docs/deploy.md says about a store that was in use within the last day rests on it."""
EXPIRING_MILLISECONDS = 3_600_000
"""An entry asked for in its last hour will be wanted again: it is renewed before it goes."""
LEASE_MILLISECONDS = 5_000
"""Longer than a reader's query can take; a reader that is slower loses the right to fill, not its result."""

# One round trip either returns what is there or takes the lease, in place of what is too long for a document too.
# An entry in its last hour comes in a list, so that the reader can note its customer.
LOOK_UP = f"""
local held = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', {LEASE_MILLISECONDS})
if held and #held > {MAX_LENGTH} then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', {LEASE_MILLISECONDS})
  return false
end
if held and held:sub(1, 1) == '{{' and redis.call('PTTL', KEYS[1]) < {EXPIRING_MILLISECONDS} then return {{held}} end
return held
"""

# GETEX, not GET: a demoted primary would still reply to that, with what it knew then.
PEEK = f"""
local held = redis.call('GETEX', KEYS[1])
return held and #held <= {MAX_LENGTH} and held
"""

# Take the lease in place of what is not a profile of ours: `ARGV[1]` is what was seen there, gone if it changed since.
LEASE_IF_SAME = f"""
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', {LEASE_MILLISECONDS})
return 1
"""

# Fill only in place of one's own lease: whatever came since, a writer above all, has ended it.
SET_IF_SAME = f"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', {TTL_SECONDS})
return 1
"""

SET_MARKER = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

# Leave the marker of any writer but these alone: that write is still under way.
DELETE_UNLESS_MARKED = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:sub(1, 6) == 'write:' then
  local known = false
  for _, marker in ipairs(ARGV) do known = known or held == marker end
  if not known then return 0 end
end
return redis.call('DEL', KEYS[1])
"""

# A rollback changed nothing: remove one's own marker, and nothing else.
DELETE_IF_SAME = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
