-- What wrk sends: wrk --script requests.lua URL -- KIND FIRST COUNT RUN
--
--   KIND   check: random customers; walk: each customer once; create: loans; mix: 95 checks to 5 loans
--   FIRST  the first customer's id
--   COUNT  how many customers there are
--   RUN    tells the Idempotency-Keys of this run from those of others
--
-- The last line of the output is `result`, then a JSON object.

local CREATE_SHARE = { check = 0, walk = 0, create = 1, mix = 0.05 }
local JSON_HEADERS = { ["Content-Type"] = "application/json" }
local BODY = '{"customer_id": %d, "loan_amount": 1000, "interest_rate": 10.5, "tenure": 12}'

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  kind, first, count, run = args[1], tonumber(args[2]), tonumber(args[3]), args[4]
  sent = 0
  math.randomseed(number + 1)
end

function request()
  sent = sent + 1
  local customer = first + math.random(count) - 1
  if kind == "walk" then
    customer = first + (2 * sent + number) % count -- two threads, every other customer each
  end
  local body = BODY:format(customer)
  if math.random() < CREATE_SHARE[kind] then
    local key = ("%s-%d-%d"):format(run, number, sent)
    local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = key }
    return wrk.format("POST", "/create-loan", headers, body)
  end
  return wrk.format("POST", "/check-eligibility", JSON_HEADERS, body)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(('result {"requests": %d, "microseconds": %d, "median_us": %d, "p99_us": %d, "errors": %d}\n'):format(
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
