-- For wrk: every request is a new ballot of a new device, with a fresh ballot id. Settings come in
-- the environment: BENCH_CHOICE (uniform | one), BENCH_PAUSE_MS (mean pause of a connection between
-- two ballots; 0: none). The result is one line of JSON after "RESULT".

local random, format = math.random, string.format
local one_choice = os.getenv("BENCH_CHOICE") == "one"
local pause_ms = tonumber(os.getenv("BENCH_PAUSE_MS") or "0")

local head, time, sent = nil, nil, 0

function init()
  local urandom = io.open("/dev/urandom", "rb")
  local a, b, c, d = urandom:read(4):byte(1, 4)
  urandom:close()
  math.randomseed(((a * 256 + b) * 256 + c) * 256 + d)
  -- All bodies are equally long, so that all but the body is made once.
  local example = body("00000000-0000", 0)
  head = format(
    "POST /v1/contests/tv-series/ballots HTTP/1.1\r\nHost: %s:%s\r\n" ..
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    wrk.host, wrk.port, #example)
  if pause_ms > 0 then
    delay = function() return random(0, 2 * pause_ms) end
  end
end

-- UUIDv7 of `time` for the ballot (RFC 9562 section 5.7), UUIDv4 for the device.
function body(time, choice)
  return format(
    '{"ballot_id":"%s-7%03x-%04x-%04x%08x","choice":"series-%02d",' ..
    '"device":"%08x-%04x-4%03x-%04x-%04x%08x"}',
    time, random(0, 0xfff), random(0x8000, 0xbfff), random(0, 0xffff), random(0, 0xffffffff),
    choice,
    random(0, 0xffffffff), random(0, 0xffff), random(0, 0xfff), random(0x8000, 0xbfff),
    random(0, 0xffff), random(0, 0xffffffff))
end

function request()
  if sent % 64 == 0 then
    local ms = os.time() * 1000 + random(0, 999)
    time = format("%08x-%04x", math.floor(ms / 65536), ms % 65536)
  end
  sent = sent + 1
  return head .. body(time, one_choice and 3 or random(0, 9))
end

function done(summary, latency)
  local errors = summary.errors
  print(format(
    'RESULT {"acknowledged": %d, "refused": %d, "broken": %d, "seconds": %.6f, ' ..
    '"p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}',
    summary.requests - errors.status, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
